//! The write story's one process: takes events, observes, and carries out what follows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use afterimage_identity::{
    Answer, Event, FoundBy, Happened, Layer, LayerState, Notice, Original, OriginalKey, Receipt, ReceiptState, Stamp,
    Subject,
};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::journal::Journal;
use crate::observe::{reason, stored_below, stored_of};
use crate::plan::plan;
use crate::queue::Queue;
use crate::run::{Scope, Which};
use crate::{Config, Error, Mode, Parts};

/// Losses that reads found are counted over this time.
const READ_LOSSES_OVER: Duration = Duration::from_secs(600);

/// What somebody asks to purge, unconditionally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Everything made from one original.
    Key(OriginalKey),
    /// Everything made from originals whose key begins so.
    Prefix(String),
    /// Everything.
    All,
}

/// How the write story fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Purges that wait for a person.
    pub held: usize,
    /// Subjects that wait to be looked at.
    pub queued: usize,
    /// Purges not finished.
    pub open: usize,
}

/// The write story. Its events come through [`Notice`]; [`run`](Purger::run) has to run for anything to happen.
pub struct Purger {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
    pub(crate) reconciling: AtomicBool,
    /// How many originals had derivatives when the last scan looked.
    pub(crate) originals_known: AtomicU64,
    queue: Queue,
    journal: Mutex<Journal>,
    places: Arc<Semaphore>,
    read_losses: Mutex<VecDeque<Stamp>>,
    changed: watch::Sender<u64>,
}

impl Purger {
    /// Opens the journal. What an earlier process left unfinished is finished by [`run`](Purger::run).
    ///
    /// # Errors
    /// When the journal cannot be read or written.
    pub fn open(config: Config, parts: Parts) -> Result<Arc<Self>, Error> {
        let journal = Journal::open(&config.state_directory, config.receipts_max)?;
        Ok(Arc::new(Self {
            queue: Queue::new(config.source.clone(), config.queue_max),
            places: Arc::new(Semaphore::new(config.concurrent_max.max(1))),
            journal: Mutex::new(journal),
            reconciling: AtomicBool::new(false),
            originals_known: AtomicU64::new(0),
            read_losses: Mutex::default(),
            changed: watch::Sender::new(0),
            config,
            parts,
        }))
    }

    /// Works until `stop` turns true: finishes what was left, scans once, then follows events.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for receipt in self.journal().unfinished() {
            tasks.spawn(self.clone().resume(receipt));
        }
        tasks.spawn(self.clone().scan_periodically());
        loop {
            let place = tokio::select! {
                place = self.places.clone().acquire_owned() => place,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let Ok(place) = place else { break };
            let event = tokio::select! {
                event = self.queue.take() => event,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let purger = self.clone();
            tasks.spawn(async move {
                purger.hear(event).await;
                drop(place);
            });
            while tasks.try_join_next().is_some() {}
        }
        // What is cut off here stands in the journal.
        tasks.shutdown().await;
    }

    async fn scan_periodically(self: Arc<Self>) {
        loop {
            if let Err(error) = self.reconcile(Mode::Run, &|_| {}).await {
                tracing::warn!(%error, "the originals and what was made from them cannot be compared now");
            }
            if self.config.reconcile_interval.is_zero() {
                return;
            }
            tokio::time::sleep(self.config.reconcile_interval).await;
        }
    }

    async fn resume(self: Arc<Self>, receipt: Receipt) {
        tracing::info!(id = receipt.id, subject = ?receipt.subject, "finishing a purge that was cut off");
        let which = if receipt.found_by == FoundBy::Operator { Which::All } else { Which::NotCurrent };
        let scope = scope_of(&receipt.subject);
        let fencing = self.fence(scope.selector(&self));
        let mut receipt = receipt;
        self.note_fence(&mut receipt, &fencing);
        self.carry_out(receipt, &scope, which, &fencing).await;
    }

    async fn hear(self: &Arc<Self>, event: Event) {
        match &event.subject {
            Subject::Original(original) => self.hear_of_one(&event, original).await,
            Subject::Folder { prefix, .. } => self.hear_of_folder(&event, prefix).await,
            Subject::Everything { .. } => {
                while let Err(Error::Busy) = self.reconcile(Mode::Run, &|_| {}).await {
                    tokio::time::sleep(self.config.retry_pause).await;
                }
            }
        }
    }

    async fn hear_of_one(self: &Arc<Self>, event: &Event, original: &Original) {
        let answer = self.parts.ask.ask(&original.key).await.answer;
        if let Answer::Unprovable(why) = &answer {
            tracing::warn!(%original, %why, "an event cannot be confirmed; reads and scans will find out");
            return;
        }
        let goes = match stored_of(&*self.parts.derivatives, &original.key).await {
            Ok(stored) => plan(&answer, &stored),
            Err(error) => {
                tracing::warn!(%original, %error, "the derivatives cannot be listed; a scan will find them");
                Vec::new()
            }
        };
        let is_new = matches!(answer, Answer::Present(_)) && event.happened == Happened::Created;
        if is_new && goes.is_empty() {
            return;
        }
        let scope = Scope::One(original.key.clone());
        let fencing = self.fence(scope.selector(self));
        let is_gone = answer == Answer::Gone;
        if goes.is_empty() && !(is_gone && fencing.matched + fencing.overlapping > 0) {
            return;
        }
        let mut receipt = self.receipt_for(event.subject.clone(), reason(&answer), event.found_by);
        self.note_fence(&mut receipt, &fencing);
        if event.found_by == FoundBy::Read && self.is_mass_loss_of_reads() {
            self.hold(receipt).await;
        } else {
            self.carry_out(receipt, &scope, Which::NotCurrent, &fencing).await;
        }
    }

    async fn hear_of_folder(self: &Arc<Self>, event: &Event, prefix: &str) {
        let scope = Scope::Below(prefix.to_owned());
        // The fence comes first: listing a large folder takes time, and what is still right is cached again soon.
        let fencing = self.fence(scope.selector(self));
        let stored = stored_below(&*self.parts.derivatives, prefix).await.unwrap_or_default();
        if stored.is_empty() && fencing.matched + fencing.overlapping == 0 {
            return;
        }
        let mut any = false;
        for (key, stored) in &stored {
            any |= !plan(&self.parts.ask.ask(key).await.answer, stored).is_empty();
        }
        if any || (event.happened == Happened::Removed && fencing.matched + fencing.overlapping > 0) {
            let mut receipt = self.receipt_for(event.subject.clone(), "gone", event.found_by);
            self.note_fence(&mut receipt, &fencing);
            self.carry_out(receipt, &scope, Which::NotCurrent, &fencing).await;
        }
    }

    /// Purges what somebody asks for, unconditionally: every version goes, and the next request renders anew. Returns the
    /// numbers of the receipts once the fence is raised and the journal written.
    ///
    /// # Errors
    /// Never for now; a journal that cannot be written is said in the log, and the purge goes on.
    pub async fn purge(self: &Arc<Self>, order: Order) -> Result<Vec<u64>, Error> {
        let source = self.config.source.clone();
        let (subject, scope) = match order {
            Order::Key(key) => (Subject::Original(self.original(&key)), Scope::One(key)),
            Order::Prefix(prefix) => (Subject::Folder { source, prefix: prefix.clone() }, Scope::Below(prefix)),
            Order::All => (Subject::Everything { source }, Scope::Below(String::new())),
        };
        let fencing = self.fence(scope.selector(self));
        let mut receipt = self.receipt_for(subject, "asked for", FoundBy::Operator);
        self.note_fence(&mut receipt, &fencing);
        let id = receipt.id;
        self.record(&receipt, true).await;
        let purger = self.clone();
        tokio::spawn(async move { purger.carry_out(receipt, &scope, Which::All, &fencing).await });
        Ok(vec![id])
    }

    /// Waits until a purge is done or held.
    pub async fn wait(&self, id: u64) -> Option<Receipt> {
        let mut changed = self.changed.subscribe();
        loop {
            let receipt = self.receipt(id)?;
            if matches!(receipt.state, ReceiptState::Done | ReceiptState::Held) || changed.changed().await.is_err() {
                return Some(receipt);
            }
        }
    }

    /// One receipt as it stands now.
    pub fn receipt(&self, id: u64) -> Option<Receipt> {
        self.journal().receipt(id).cloned()
    }

    /// Receipts, the newest first; with a key, those about it, about a folder it is in, or about everything.
    pub fn receipts(&self, key: Option<&str>, limit: usize) -> Vec<Receipt> {
        let about = |receipt: &&Receipt| match (&receipt.subject, key) {
            (_, None) | (Subject::Everything { .. }, _) => true,
            (Subject::Original(original), Some(key)) => original.key.as_str() == key,
            (Subject::Folder { prefix, .. }, Some(key)) => key.starts_with(prefix.as_str()),
        };
        self.journal().receipts().filter(about).take(limit).cloned().collect()
    }

    /// How it fares.
    pub fn health(&self) -> Health {
        let journal = self.journal();
        let count = |wanted: fn(&Receipt) -> bool| journal.receipts().filter(|receipt| wanted(receipt)).count();
        Health {
            held: count(|receipt| receipt.state == ReceiptState::Held),
            open: count(|receipt| !matches!(receipt.state, ReceiptState::Held | ReceiptState::Done)),
            queued: self.queue.len(),
        }
    }

    pub(crate) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn original(&self, key: &OriginalKey) -> Original {
        Original::new(self.config.source.clone(), key.clone())
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        let since = self.parts.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn receipt_for(&self, subject: Subject, reason: &str, found_by: FoundBy) -> Receipt {
        let id = self.journal().number();
        let waiting = |name: &str| Layer {
            name: name.to_owned(),
            state: LayerState::Waiting { last_error: None, attempts: 0 },
        };
        let edges = self.parts.fences.iter().map(|fence| Layer { name: fence.name().to_owned(), state: LayerState::Done });
        Receipt {
            id,
            subject,
            reason: reason.to_owned(),
            found_by,
            state: ReceiptState::Planned,
            heard_at_ms: self.wall_ms(),
            fenced_at_ms: None,
            clean_at_ms: None,
            done_at_ms: None,
            sequence: None,
            entries_matched: 0,
            fills_overlapping: 0,
            removed: Vec::new(),
            removed_count: 0,
            layers: edges.chain(std::iter::once(waiting("derivatives"))).collect(),
        }
    }

    /// Writes a receipt where the next process finds it. A journal that cannot be written must not keep a deleted picture
    /// alive: it is said loudly, and the purge goes on.
    pub(crate) async fn record(self: &Arc<Self>, receipt: &Receipt, sync: bool) {
        let (purger, receipt) = (self.clone(), receipt.clone());
        let written = tokio::task::spawn_blocking(move || purger.journal().write(&receipt, sync)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a receipt could not be written"),
            Err(error) => tracing::error!(%error, "a receipt could not be written"),
        }
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) async fn hold(self: &Arc<Self>, mut receipt: Receipt) {
        receipt.state = ReceiptState::Held;
        tracing::error!(
            id = receipt.id,
            subject = ?receipt.subject,
            "very many originals seem gone; nothing is deleted until `afterimage reconcile --confirm`"
        );
        self.record(&receipt, true).await;
    }

    /// Whether a loss of this size is left to a person.
    pub(crate) fn is_mass_loss(&self, lost: u64, known: u64) -> bool {
        lost > self.config.mass_loss_count
            && u128::from(lost) * 100 > u128::from(known) * u128::from(self.config.mass_loss_percent)
    }

    fn is_mass_loss_of_reads(&self) -> bool {
        let now = self.parts.clock.now();
        let mut losses = self.read_losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.push_back(now);
        while losses.front().is_some_and(|first| now.since(*first) > READ_LOSSES_OVER) {
            losses.pop_front();
        }
        self.is_mass_loss(losses.len() as u64, self.originals_known.load(Ordering::Relaxed))
    }
}

impl Notice for Purger {
    fn notice(&self, event: Event) {
        self.queue.put(event);
    }
}

fn scope_of(subject: &Subject) -> Scope {
    match subject {
        Subject::Original(original) => Scope::One(original.key.clone()),
        Subject::Folder { prefix, .. } => Scope::Below(prefix.clone()),
        Subject::Everything { .. } => Scope::Below(String::new()),
    }
}
