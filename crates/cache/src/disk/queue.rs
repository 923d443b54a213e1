//! What is to be done on disk, in order. One thread does it, so that what was asked later is done later: a fence's removals
//! come after every write that was under way, and before every write that was not.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError};

use afterimage_identity::{Original, Selector, Sequence};
use tokio::sync::oneshot;

use super::DropWhy;
use crate::Entry;
use crate::sync::{Condvar, Mutex, lock};

/// Entries that wait to be written keep their bodies in memory; beyond this many bytes further ones are not written.
pub(crate) const WAITING_BYTES_MAX: u64 = 32 << 20;
/// Beyond this many jobs no entries are written; a disk that is twice as many behind begins empty, which is less work.
pub(crate) const JOBS_MAX: usize = 1 << 16;

pub(crate) enum Job<T> {
    /// Write an entry, unless one with the same key came later.
    Keep(Arc<Entry<T>>),
    /// Remove the file of this key.
    Remove(String),
    /// Remove the file of this key if it is still this writing.
    Drop { path: String, written: u64, why: DropWhy },
    /// Remove what a fence covers.
    Cover(Selector, Sequence),
    /// Remove what came from an original.
    Forget(Original),
    /// Say when everything before this is done.
    Barrier(oneshot::Sender<()>),
    /// Write the fence log anew.
    Checkpoint,
    /// Begin an empty tier.
    Renew,
    /// See what else there is to do.
    Look,
    /// End in order.
    Close,
}

struct State<T> {
    jobs: VecDeque<Job<T>>,
    /// The newest entry that waits to be written, or is being written, per key.
    waiting: HashMap<String, Arc<Entry<T>>>,
    waiting_bytes: u64,
    /// Jobs were left out: what lies on disk is not to be used until an empty tier has begun.
    overflowed: bool,
    closed: bool,
}

impl<T> State<T> {
    fn push(&mut self, job: Job<T>) {
        if self.jobs.len() < 2 * JOBS_MAX || matches!(job, Job::Barrier(_) | Job::Close) {
            self.jobs.push_back(job);
        } else {
            self.overflowed = true;
        }
    }
}

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let (jobs, waiting) = (VecDeque::new(), HashMap::new());
        let state = State { jobs, waiting, waiting_bytes: 0, overflowed: false, closed: false };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Adds a job. One that comes after the end is dropped.
    pub(crate) fn push(&self, job: Job<T>) {
        let mut state = lock(&self.state);
        if !state.closed {
            state.push(job);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Adds the writing of an entry. `false` when too many wait: then whatever file has its key is removed instead.
    pub(crate) fn push_keep(&self, entry: &Arc<Entry<T>>) -> bool {
        let mut state = lock(&self.state);
        if state.closed {
            return true;
        }
        let path = entry.facts.path.clone();
        let fits = state.waiting_bytes == 0 || state.waiting_bytes + entry.bytes <= WAITING_BYTES_MAX;
        let fits = fits && state.jobs.len() < JOBS_MAX;
        if fits {
            state.waiting_bytes += entry.bytes;
            state.waiting.insert(path, entry.clone());
            state.jobs.push_back(Job::Keep(entry.clone()));
        } else {
            // An older one with this key that still waits is not written either.
            state.waiting.remove(&path);
            state.push(Job::Remove(path));
        }
        drop(state);
        self.wake.notify_one();
        fits
    }

    /// Adds the removal of whatever has this key; what still waits to be written under it is not.
    pub(crate) fn push_remove(&self, path: &str) {
        lock(&self.state).waiting.remove(path);
        self.push(Job::Remove(path.to_owned()));
    }

    pub(crate) fn take(&self) -> Option<Job<T>> {
        let mut state = lock(&self.state);
        if std::mem::take(&mut state.overflowed) {
            // Nothing is under way at this moment, and whoever waits for the end of it is told in time.
            state.jobs.retain(|job| matches!(job, Job::Barrier(_) | Job::Close));
            state.waiting.clear();
            state.waiting_bytes = 0;
            return Some(Job::Renew);
        }
        state.jobs.pop_front()
    }

    /// Waits until there is a job, or none will come any more.
    pub(crate) fn wait(&self) {
        let mut state = lock(&self.state);
        while state.jobs.is_empty() && !state.overflowed && !state.closed {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether what lies on disk may be older than what was asked for.
    pub(crate) fn has_overflowed(&self) -> bool {
        lock(&self.state).overflowed
    }

    /// Whether no entry with the same key came after this one.
    pub(crate) fn is_newest(&self, entry: &Arc<Entry<T>>) -> bool {
        lock(&self.state).waiting.get(&entry.facts.path).is_some_and(|newest| Arc::ptr_eq(newest, entry))
    }

    /// An entry was written, or not.
    pub(crate) fn finish(&self, entry: &Arc<Entry<T>>) {
        let mut state = lock(&self.state);
        state.waiting_bytes = state.waiting_bytes.saturating_sub(entry.bytes);
        if state.waiting.get(&entry.facts.path).is_some_and(|newest| Arc::ptr_eq(newest, entry)) {
            state.waiting.remove(&entry.facts.path);
        }
    }

    pub(crate) fn is_waiting(&self, path: &str) -> bool {
        lock(&self.state).waiting.contains_key(path)
    }

    /// Whether an entry that waits is as wanted.
    pub(crate) fn any_waiting(&self, wanted: impl Fn(&Entry<T>) -> bool) -> bool {
        lock(&self.state).waiting.values().any(|entry| wanted(entry))
    }

    /// Nothing is taken any more, and nobody waits for more.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        // Whoever waits for one of them is told that nobody will do it.
        state.jobs.clear();
        state.waiting.clear();
        drop(state);
        self.wake.notify_all();
    }
}
