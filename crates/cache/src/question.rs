//! Questions to a source whether an original is still there: one at a time per original, however many want to know. What
//! an answer does to the cache is decided here; who is asked, and how, is the caller's.

use std::collections::HashMap;
use std::sync::Arc;

use afterimage_identity::{Answer, Original, Proof, Selector, Sequence, Stamp, Version};
use tokio::sync::watch;

use crate::Entry;
use crate::cache::Inner;
use crate::entry::Weigh;
use crate::fences::Verdict;
use crate::fill::{Abandoned, judge};
use crate::index::Index;
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, lock};

/// What to do when a proof is wanted.
#[derive(Debug)]
pub enum ProofBegun<T: Weigh> {
    /// Nobody asks: do it.
    Lead(ProofFill<T>),
    /// Somebody asks already, and began after every fence that covers the original: wait.
    Join(ProofWaiter),
}

/// What an answer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The version is still the one whose entries are here: they are proven from the question on.
    Restamped,
    /// It is gone or another one: its entries were erased. The write story has to hear of it.
    Erased,
    /// Nothing was proven; the entries age on.
    Unproven,
    /// No entry was there that the answer could be about.
    Nothing,
    /// A fence that covers the original was raised after the question began: the answer counts for nothing here.
    Fenced,
}

type Asked = Option<Proof>;

pub(crate) struct Questions {
    open: Mutex<HashMap<Original, (Sequence, watch::Sender<Asked>)>>,
}

impl Questions {
    pub(crate) fn new() -> Self {
        Self { open: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.open).len()
    }
}

pub(crate) fn begin<T: Weigh>(inner: &Arc<Inner<T>>, original: &Original) -> ProofBegun<T> {
    let mut open = lock(&inner.questions.open);
    if let Some((sequence, asked)) = open.get(original)
        && matches!(inner.fences.test_original(*sequence, original), Verdict::Clear(_))
    {
        return ProofBegun::Join(ProofWaiter { asked: asked.subscribe() });
    }
    let sequence = inner.fences.current();
    let asked = watch::Sender::new(None);
    open.insert(original.clone(), (sequence, asked.clone()));
    ProofBegun::Lead(ProofFill { inner: inner.clone(), original: original.clone(), sequence, asked, finished: false })
}

/// The right and the duty to ask about one original. Dropped unfinished, it tells those who wait to start over.
pub struct ProofFill<T: Weigh> {
    inner: Arc<Inner<T>>,
    original: Original,
    sequence: Sequence,
    asked: watch::Sender<Asked>,
    finished: bool,
}

impl<T: Weigh> ProofFill<T> {
    /// The original to ask about.
    pub fn original(&self) -> &Original {
        &self.original
    }

    /// The purge sequence it began at.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Takes the answer in and hands it to all who wait.
    pub fn finish(mut self, proof: &Proof) -> Settled {
        let settled = match &proof.answer {
            Answer::Present(version) => {
                self.inner.settle_present(&self.original, version, proof.asked_at, self.sequence)
            }
            Answer::Gone => self.inner.settle_gone(&self.original),
            Answer::Unprovable(_) => self.inner.settle_unprovable(&self.original, proof.asked_at),
        };
        self.finished = true;
        self.asked.send_replace(Some(proof.clone()));
        settled
    }
}

impl<T: Weigh> Drop for ProofFill<T> {
    fn drop(&mut self) {
        let mut open = lock(&self.inner.questions.open);
        if open.get(&self.original).is_some_and(|(_, asked)| asked.same_channel(&self.asked)) {
            open.remove(&self.original);
        }
        drop(open);
        if !self.finished {
            self.inner.give_renewal_back(&self.original);
        }
    }
}

impl<T: Weigh> std::fmt::Debug for ProofFill<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProofFill").field("original", &self.original).finish_non_exhaustive()
    }
}

/// A request that waits for another's question.
#[derive(Debug)]
pub struct ProofWaiter {
    asked: watch::Receiver<Asked>,
}

impl ProofWaiter {
    /// Waits for the answer; it has been taken in by then. May be dropped at any time.
    ///
    /// # Errors
    /// [`Abandoned`]: the question was given up; start over with a look.
    pub async fn wait(mut self) -> Result<Proof, Abandoned> {
        match self.asked.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(proof)) => Ok(proof.clone()),
            _ => Err(Abandoned::GivenUp),
        }
    }
}

impl<T: Weigh> Inner<T> {
    /// Retires the proof of an original and takes all its entries out, those about its absence included.
    pub(crate) fn erase_family(&self, index: &mut Index<T>, original: &Original) -> Vec<Arc<Entry<T>>> {
        index.retire(original);
        let family = index.slice(&Selector::Original(original.clone()), None, usize::MAX).0;
        for entry in &family {
            index.remove(&self.table, entry);
        }
        self.erased.fetch_add(family.len() as u64, Ordering::Relaxed);
        if let Some(disk) = &self.disk {
            disk.forget(original);
        }
        family
    }

    pub(crate) fn settle_present(
        &self,
        original: &Original,
        version: &Version,
        asked_at: Stamp,
        asked: Sequence,
    ) -> Settled {
        let mut index = lock(&self.index);
        let Some(group) = index.group(original).cloned() else { return Settled::Nothing };
        if group.version != *version {
            // Whatever was fenced meanwhile: what is here was not what the source has.
            let leaving = self.erase_family(&mut index, original);
            drop(index);
            drop(leaving);
            return Settled::Erased;
        }
        if judge(self.fences.test_original(asked, original)).is_err() {
            group.renew_again_after(asked_at);
            return Settled::Fenced;
        }
        group.restamp(asked_at, self.window());
        Settled::Restamped
    }

    pub(crate) fn settle_gone(&self, original: &Original) -> Settled {
        let mut index = lock(&self.index);
        let leaving = self.erase_family(&mut index, original);
        drop(index);
        if leaving.is_empty() { Settled::Nothing } else { Settled::Erased }
    }

    pub(crate) fn settle_unprovable(&self, original: &Original, asked_at: Stamp) -> Settled {
        let group = lock(&self.index).group(original).cloned();
        // A source that fails is not asked again by the very next hit.
        group.map_or(Settled::Nothing, |group| {
            group.renew_again_after(asked_at.after(group.window(self.window()) / 8));
            Settled::Unproven
        })
    }

    pub(crate) fn give_renewal_back(&self, original: &Original) {
        if let Some(group) = lock(&self.index).group(original) {
            group.renew_again_after(Stamp(0));
        }
    }
}
