//! The write story's front: takes events and wishes, keeps the work going, and answers what was done.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use afterimage_identity::{Answer, FoundBy, OriginalKey, Receipt, ReceiptState, Stamp};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::books::Books;
use crate::drive::{drive, fence};
use crate::fences::Raises;
use crate::hold::Losses;
use crate::order::{Task, subject_of};
use crate::queue::Queue;
use crate::reconcile::Mode;
use crate::shard::Shard;
use crate::shelf::Shelf;
use crate::{Config, Error, Filter, Order, Parts, StateLock, bounded, observe};

/// How many events are looked at together, and written down with one fsync.
const BATCH_MAX: usize = 256;
/// How many batches are looked at at once: one slow folder must not keep the next deletion waiting.
const BATCHES_MAX: usize = 4;
/// How many answers about originals are remembered.
const RECENT_MAX: usize = 10_000;

/// The write story of one source.
///
/// - An event is only a hint: the source is asked. Doubled, late and reordered events do no harm; lost ones are found by
///   scans.
/// - What was begun is finished, by a fresh process if this one dies.
/// - A receipt says `fenced_at` when nothing old is served any more, `clean_at` when nothing old is stored, `done_at`
///   when the outer caches have been told.
pub struct Purger {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
    pub(crate) books: Arc<Books>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) queue: Queue,
    /// Bounds the questions and deletions under way.
    pub(crate) turns: Semaphore,
    /// Only one scan that acts at a time.
    pub(crate) scanning: tokio::sync::Mutex<()>,
    pub(crate) scan_wanted: Notify,
    /// How many events wait to be looked at again.
    pub(crate) trying: AtomicUsize,
    losses: Mutex<Losses>,
    recent: Mutex<HashMap<OriginalKey, (Stamp, Answer)>>,
    running: Mutex<JoinSet<()>>,
    pub(crate) is_stopped: AtomicBool,
    /// What an earlier run has left unfinished.
    left: Mutex<Vec<u64>>,
    /// The purges being carried out: none is twice at a time.
    driven: Mutex<HashSet<u64>>,
    /// How many sweeps are under way.
    pub(crate) sweeping: AtomicUsize,
    _lock: Option<StateLock>,
}

impl std::fmt::Debug for Purger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purger").field("config", &self.config).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Purger {
    /// Takes the lock of the state directory and reads the journal. Nothing runs before [`Purger::run`].
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Locked`], [`Error::State`] and [`Error::Format`].
    pub fn open(config: Config, parts: Parts) -> Result<Arc<Self>, Error> {
        let lock = StateLock::acquire(&config.state_dir, &*parts.clock, None)?;
        Self::open_locked(config, parts, lock)
    }

    /// As [`Purger::open`], under a lock of the same directory that was taken before.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::State`] and [`Error::Format`].
    pub fn open_locked(config: Config, parts: Parts, lock: StateLock) -> Result<Arc<Self>, Error> {
        config.validate()?;
        let books = Books::open(&config.state_dir, &config)?;
        Ok(Self::over(books, config, parts, Some(lock)))
    }

    /// With the books of a journal in a bucket; of one that earlier runs wrote, no other run goes on with it when this returns.
    /// [`Purger::visit`] does what is left in it. What is taken meanwhile is in the journal, as ever.
    ///
    /// # Errors
    /// [`Error::Config`] and [`Error::Journal`].
    pub async fn open_shard(config: Config, parts: Parts, shard: Shard) -> Result<Arc<Self>, Error> {
        config.validate()?;
        let books = Books::take_over(shard, &config).await?;
        Ok(Self::over(books, config, parts, None))
    }

    fn over(books: Books, config: Config, parts: Parts, lock: Option<StateLock>) -> Arc<Self> {
        let books = Arc::new(books);
        let shelf = Arc::new(Shelf::new(parts.derivatives.clone()));
        let left = books.unfinished();
        let window = Duration::from_millis(config.mass_loss_window_ms);
        let (queue, turns) = (Queue::new(config.queue_max), Semaphore::new(config.concurrent_max));
        Arc::new(Self {
            config,
            parts,
            books,
            shelf,
            queue,
            turns,
            scanning: tokio::sync::Mutex::default(),
            scan_wanted: Notify::new(),
            trying: AtomicUsize::new(0),
            losses: Mutex::new(Losses::new(window)),
            recent: Mutex::default(),
            running: Mutex::default(),
            is_stopped: AtomicBool::new(false),
            left: Mutex::new(left),
            driven: Mutex::default(),
            sweeping: AtomicUsize::new(0),
            _lock: lock,
        })
    }

    /// Finishes what an earlier process began, then takes events until `stop` resolves. What is unfinished then stays in
    /// the journal for the next process.
    pub async fn run(self: Arc<Self>, stop: impl Future<Output = ()>) {
        self.is_stopped.store(false, Ordering::Release);
        self.resume();
        if self.config.scan_at_start || self.books.scan().is_some() {
            self.scan_wanted.notify_one();
        }
        tokio::select! {
            () = stop => {}
            () = self.clone().take_events() => {}
            () = self.clone().scan_again_and_again() => {}
        }
        self.stop();
    }

    /// Goes on with what an earlier process has left unfinished.
    pub(crate) fn resume(self: &Arc<Self>) {
        let left = std::mem::take(&mut *locked(&self.left));
        for id in left {
            self.start(id, None, true);
        }
    }

    /// Ends whatever runs, and waits until it has ended.
    pub(crate) async fn shut_down(&self) {
        let mut running = std::mem::take(&mut *locked(&self.running));
        self.is_stopped.store(true, Ordering::Release);
        running.shutdown().await;
    }

    /// Stops every purge under way and whoever waits for one; the journal knows what is left to do.
    pub fn stop(&self) {
        locked(&self.running).abort_all();
        *locked(&self.left) = self.books.unfinished();
        self.is_stopped.store(true, Ordering::Release);
        self.books.announce();
    }

    async fn take_events(self: Arc<Self>) {
        let slots = Arc::new(Semaphore::new(BATCHES_MAX));
        loop {
            // It is never closed.
            let slot = slots.clone().acquire_owned().await;
            let (batch, everything) = self.queue.take(BATCH_MAX).await;
            if everything {
                self.scan_wanted.notify_one();
            }
            let purger = self.clone();
            self.spawn(async move {
                let taken = batch.len();
                observe::handle(&purger, batch).await;
                purger.queue.done(taken);
                drop(slot);
            });
        }
    }

    async fn scan_again_and_again(self: Arc<Self>) {
        let mut failures = 0;
        loop {
            let pause = match (failures, self.config.scan_every_ms) {
                (1.., _) => Some(self.config.backoff(failures).max(Duration::from_secs(1))),
                (0, every) => every.map(Duration::from_millis),
            };
            let time = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = time => {}
                () = self.scan_wanted.notified() => {}
            }
            for id in self.books.ids(|task| task.parked) {
                self.books.update(id, |task| task.parked = false);
                self.start(id, None, true);
            }
            match self.reconcile(Mode::Run, &|_| {}).await {
                Ok(report) => {
                    failures = 0;
                    tracing::info!(
                        originals = report.originals,
                        gone = report.gone,
                        changed = report.changed,
                        "scanned"
                    );
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, "a scan failed");
                }
            }
        }
    }

    /// Purges what is asked for, whatever the source says; the ids of the receipts.
    ///
    /// When this returns it is in the journal and fenced: nothing old is served any more. If `order.wait`, it is done (or
    /// as far as it can come: see the layers).
    ///
    /// # Errors
    /// [`Error::Config`] when a prefix is empty: that would be [`OrderOf::All`].
    pub async fn purge(self: &Arc<Self>, order: Order) -> Result<Vec<u64>, Error> {
        let (subject, targets) = subject_of(&self.config.source, order.selector)?;
        let task =
            Task::new(subject, targets, crate::plan::Reason::AskedFor.as_str(), FoundBy::Operator, self.wall_ms());
        let (ids, _) = self.enter(vec![task]).await;
        for id in &ids {
            let raises = self.books.get(*id).map(|task| fence(self, &task, None));
            self.start(*id, raises, false);
        }
        if order.wait {
            for id in &ids {
                self.wait(*id).await;
            }
        }
        Ok(ids)
    }

    /// Waits until a purge is done, held, or can come no further for now (an outer cache refused for good, or
    /// [`Purger::stop`]); its receipt,
    /// or `None` when there is none of this id (any more).
    pub async fn wait(&self, id: u64) -> Option<Receipt> {
        let mut changes = self.books.changes();
        loop {
            changes.borrow_and_update();
            let task = self.books.get(id)?;
            if task.is_closed() || task.is_held() || task.parked || self.is_stopped.load(Ordering::Acquire) {
                return Some(task.receipt);
            }
            changes.changed().await.ok()?;
        }
    }

    /// Waits until nothing is queued and nothing is under way that can come further for now.
    pub async fn settle(&self) {
        let mut changes = self.books.changes();
        loop {
            changes.borrow_and_update();
            let open = self.books.ids(|task| !task.is_closed() && !task.is_held() && !task.parked);
            if open.is_empty() && self.queue.is_idle() || self.is_stopped.load(Ordering::Acquire) {
                return;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    }

    /// Receipts, the newest first.
    pub fn receipts(&self, filter: &Filter) -> Vec<Receipt> {
        self.books.receipts(filter)
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        let since = self.parts.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes purges down before they begin. If that fails they begin all the same: what is deleted must not stay because
    /// a disk is full, and the scan at the next start finds what a crash would leave. Their ids, and whether they are written.
    pub(crate) async fn enter(self: &Arc<Self>, mut tasks: Vec<Task>) -> (Vec<u64>, io::Result<()>) {
        for task in &mut tasks {
            task.receipt.recoverable.clone_from(&self.config.recoverable);
        }
        let ids = self.books.add(tasks);
        self.give_up_oldest();
        let written = self.books.flush(true).await;
        if let Err(error) = &written {
            tracing::error!(%error, "a purge goes on without being written down");
        }
        (ids, written)
    }

    /// Keeps the number of purges that wait for outer caches bounded.
    fn give_up_oldest(&self) {
        let waiting = self.books.ids(|task| !task.is_closed() && task.receipt.state == ReceiptState::Clean);
        let excess = waiting.len().saturating_sub(self.config.open_max);
        for id in waiting.into_iter().take(excess) {
            tracing::error!(id, "too many purges wait for outer caches; this one is given up");
            self.books.update(id, |task| {
                task.receipt.state = ReceiptState::Done;
                task.parked = false;
            });
        }
    }

    /// Carries out a purge, unless somebody is at it already.
    pub(crate) fn start(self: &Arc<Self>, id: u64, raises: Option<Raises>, resumed: bool) {
        if !locked(&self.driven).insert(id) {
            return;
        }
        let driven = Driven(self.clone(), id);
        self.spawn(async move {
            drive(driven.0.clone(), id, raises, resumed).await;
            drop(driven);
        });
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = locked(&self.running);
        while running.try_join_next().is_some() {}
        running.spawn(work);
    }

    /// Asks about many originals, not too many at once; the answers in their order.
    pub(crate) async fn ask_all(&self, keys: Vec<OriginalKey>) -> Vec<Answer> {
        let ask = self.parts.ask.clone();
        bounded::each(keys, self.config.concurrent_max, move |key| {
            let ask = ask.clone();
            async move { ask.ask(&key).await.answer }
        })
        .await
    }

    pub(crate) fn note_loss(&self, key: OriginalKey) -> u64 {
        locked(&self.losses).note(key, self.parts.clock.now())
    }

    /// Remembers what was true of an original when it was purged.
    pub(crate) fn remember(&self, key: &OriginalKey, answer: Answer) {
        let mut recent = locked(&self.recent);
        if recent.len() >= RECENT_MAX {
            recent.clear();
        }
        recent.insert(key.clone(), (self.parts.clock.now(), answer));
    }

    /// Whether it was purged within `window` with the same answer.
    pub(crate) fn is_repeated(&self, key: &OriginalKey, answer: &Answer, window: Duration) -> bool {
        let now = self.parts.clock.now();
        locked(&self.recent).get(key).is_some_and(|(at, earlier)| earlier == answer && now.since(*at) < window)
    }
}

/// A purge is being carried out while this lives, which ends with its task however that ends.
struct Driven(Arc<Purger>, u64);

impl Drop for Driven {
    fn drop(&mut self) {
        locked(&self.0.driven).remove(&self.1);
    }
}
