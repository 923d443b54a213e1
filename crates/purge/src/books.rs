//! What is under way and what was done: in memory for whoever asks, in the journal for the next process. Changes are
//! collected and written in groups, the newest state of each purge only, so the journal never goes back in time.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afterimage_identity::{OriginalKey, Receipt};
use tokio::sync::watch;

use crate::journal::Journal;
use crate::log::Log;
use crate::order::{Filter, Target, Task};
use crate::pages::{Entry, Pages, ScanAt, size};
use crate::shard::Shard;
use crate::shelf::MadeWith;
use crate::{Config, Error};

/// The journal is not rewritten before it has this many bytes.
const REWRITE_BYTES_MIN: u64 = 4 << 20;

/// The books of one state directory, or of one journal in a bucket.
pub(crate) struct Books {
    pages: Mutex<Pages>,
    journal: tokio::sync::Mutex<(Log, u64)>,
    changed: watch::Sender<u64>,
    receipts_max: usize,
    receipts_bytes_max: u64,
}

impl Books {
    pub(crate) fn open(state_dir: &Path, config: &Config) -> Result<Self, Error> {
        let (journal, payloads) = Journal::open(state_dir)?;
        Self::read(Log::file(journal), payloads, 1, config)
            .map_err(|_| Error::Format { path: state_dir.join("journal") })
    }

    /// The books of a journal in a bucket: of one that earlier runs wrote, it is this run's when this returns.
    pub(crate) async fn take_over(mut shard: Shard, config: &Config) -> Result<Self, Error> {
        let (name, first_id) = (shard.name().to_owned(), shard.run().first_id());
        let failed = |why: String| Error::Journal { name: name.clone(), why };
        let (payloads, is_written) = (shard.take_records(), shard.is_written());
        let read = Self::read(Log::Shard(Box::new(shard)), payloads, first_id, config);
        let books = read.map_err(|error| failed(error.to_string()))?;
        if is_written {
            let all = books.pages().all();
            if let (Log::Shard(shard), _) = &mut *books.journal.lock().await {
                shard.take_over(&all).await.map_err(|error| failed(error.to_string()))?;
            }
        }
        Ok(books)
    }

    fn read(log: Log, payloads: Vec<Vec<u8>>, first_id: u64, config: &Config) -> serde_json::Result<Self> {
        let mut pages = Pages { next_id: first_id, ..Pages::default() };
        for payload in payloads {
            pages.replay(serde_json::from_slice(&payload)?);
        }
        pages.next_id = pages.next_id.max(pages.tasks.last_key_value().map_or(0, |(id, _)| id + 1));
        for (id, task) in &pages.tasks {
            if task.is_closed() {
                let bytes = size(task);
                pages.closed.push_back((*id, bytes));
                pages.closed_bytes += bytes;
            }
        }
        pages.count_held();
        let rewrite_at = REWRITE_BYTES_MIN.max(log.bytes().saturating_mul(2));
        let books = Self {
            pages: Mutex::new(pages),
            journal: tokio::sync::Mutex::new((log, rewrite_at)),
            changed: watch::Sender::new(0),
            receipts_max: config.receipts_max,
            receipts_bytes_max: config.receipts_bytes_max,
        };
        books.prune(&mut books.pages());
        Ok(books)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters new purges and gives them their ids.
    pub(crate) fn add(&self, tasks: Vec<Task>) -> Vec<u64> {
        let mut pages = self.pages();
        let ids = tasks.into_iter().map(|mut task| {
            let id = pages.next_id;
            pages.next_id += 1;
            task.receipt.id = id;
            pages.dirty.insert(id);
            pages.tasks.insert(id, task);
            id
        });
        let ids = ids.collect();
        pages.count_held();
        drop(pages);
        self.announce();
        ids
    }

    pub(crate) fn get(&self, id: u64) -> Option<Task> {
        self.pages().tasks.get(&id).cloned()
    }

    /// Changes a purge; whether it is there.
    pub(crate) fn update(&self, id: u64, change: impl FnOnce(&mut Task)) -> bool {
        let mut pages = self.pages();
        let Some(task) = pages.tasks.get_mut(&id) else { return false };
        let (was_closed, was_held) = (task.is_closed(), task.is_held());
        change(task);
        let (is_closed, is_held, bytes) = (task.is_closed(), task.is_held(), if was_closed { 0 } else { size(task) });
        pages.dirty.insert(id);
        if was_held != is_held {
            pages.count_held();
        }
        if is_closed && !was_closed {
            pages.closed.push_back((id, bytes));
            pages.closed_bytes += bytes;
            self.prune(&mut pages);
        }
        drop(pages);
        self.announce();
        true
    }

    fn prune(&self, pages: &mut Pages) {
        while pages.closed.len() > self.receipts_max || pages.closed_bytes > self.receipts_bytes_max {
            let Some((id, bytes)) = pages.closed.pop_front() else { return };
            pages.closed_bytes -= bytes;
            pages.tasks.remove(&id);
        }
    }

    /// Writes what changed; it survives when this returns, if `sync`. What could not be written is tried again next time.
    pub(crate) async fn flush(self: &Arc<Self>, sync: bool) -> io::Result<()> {
        let books = self.clone();
        // Whoever waits may be stopped; what is being written has to be remembered as written.
        let flushed = tokio::spawn(async move { books.flush_now(sync).await }).await;
        flushed.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    async fn flush_now(&self, sync: bool) -> io::Result<()> {
        let mut journal = self.journal.lock().await;
        let (log, rewrite_at) = &mut *journal;
        if log.is_dear() && !sync {
            return Ok(());
        }
        let rewrite = log.bytes() >= *rewrite_at;
        let (dirty, scan_dirty, payloads) = {
            let mut pages = self.pages();
            let (dirty, scan_dirty) = (std::mem::take(&mut pages.dirty), std::mem::take(&mut pages.scan_dirty));
            let payloads = if rewrite { pages.all() } else { pages.some(&dirty, &scan_dirty) };
            (dirty, scan_dirty, payloads)
        };
        let written = match rewrite {
            true => log.rewrite(payloads).await.inspect(|()| *rewrite_at = REWRITE_BYTES_MIN.max(log.bytes() * 2)),
            false => log.append(payloads, sync).await,
        };
        let mut pages = self.pages();
        if let Err(error) = &written {
            tracing::error!(%error, "the journal cannot be written");
            pages.dirty.extend(dirty);
            pages.scan_dirty.splice(0..0, scan_dirty);
        }
        pages.journal_error = written.as_ref().err().map(ToString::to_string);
        pages.is_lost |= log.is_lost();
        drop(pages);
        if written.is_err() {
            self.announce();
        }
        written
    }

    /// Whether another process goes on with the journal: whatever this one does, it is not written down.
    pub(crate) fn is_lost(&self) -> bool {
        self.pages().is_lost
    }

    /// Hands the journal to `work` with everything that is to be remembered; `None` where it is a file of this machine.
    pub(crate) async fn with_shard<R>(&self, work: impl AsyncFnOnce(&mut Shard, Vec<Vec<u8>>) -> R) -> Option<R> {
        let mut journal = self.journal.lock().await;
        let Log::Shard(shard) = &mut journal.0 else { return None };
        let all = self.pages().all();
        Some(work(shard, all).await)
    }

    /// Forgets the purges that are done: their receipts lie elsewhere.
    pub(crate) fn forget_closed(&self) {
        let mut pages = self.pages();
        let closed: Vec<u64> = pages.closed.drain(..).map(|(id, _)| id).collect();
        closed.iter().for_each(|id| drop(pages.tasks.remove(id)));
        pages.closed_bytes = 0;
    }

    pub(crate) fn journal_error(&self) -> Option<String> {
        self.pages().journal_error.clone()
    }

    /// Wakes whoever waits for changes.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|turn| *turn += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The newest first.
    pub(crate) fn receipts(&self, filter: &Filter) -> Vec<Receipt> {
        let pages = self.pages();
        let receipts = pages.tasks.values().rev().map(|task| &task.receipt).filter(|receipt| filter.takes(receipt));
        receipts.take(filter.limit()).cloned().collect()
    }

    /// The ids of what is under way and not held.
    pub(crate) fn unfinished(&self) -> Vec<u64> {
        self.ids(|task| !task.is_closed() && !task.is_held())
    }

    /// When the event of the oldest of them was heard.
    pub(crate) fn oldest_unfinished_ms(&self) -> Option<u64> {
        let pages = self.pages();
        let open = pages.tasks.values().filter(|task| !task.is_closed() && !task.is_held());
        open.map(|task| task.receipt.heard_at_ms).min()
    }

    pub(crate) fn ids(&self, which: impl Fn(&Task) -> bool) -> Vec<u64> {
        self.pages().tasks.iter().filter(|(_, task)| which(task)).map(|(id, _)| *id).collect()
    }

    /// How many originals wait for a person.
    pub(crate) fn held(&self) -> usize {
        self.pages().held.len()
    }

    pub(crate) fn is_held(&self, key: &OriginalKey) -> bool {
        self.pages().held.contains(key)
    }

    pub(crate) fn originals_known(&self) -> u64 {
        self.pages().originals_known
    }

    pub(crate) fn scan(&self) -> Option<(ScanAt, Vec<Target>)> {
        self.pages().scan.clone()
    }

    /// Remembers how far a scan has come, and what it has found since it was here last.
    pub(crate) fn scanned(&self, at: ScanAt, found: &[Target]) {
        let mut pages = self.pages();
        pages.scan_dirty.extend(found.iter().cloned().map(Entry::Suspect));
        pages.scan_dirty.push(Entry::ScanAt(at.clone()));
        let (here, suspects) = pages.scan.get_or_insert_default();
        suspects.extend_from_slice(found);
        *here = at;
    }

    /// The revision that is made with, where a whole scan has seen it.
    pub(crate) fn made_with(&self) -> Option<MadeWith> {
        self.pages().made_with.clone()
    }

    /// `made_with` is what was written last with, where the scan has seen everything.
    pub(crate) fn scan_ended(&self, originals: u64, made_with: Option<MadeWith>) {
        let mut pages = self.pages();
        let ended = Entry::ScanEnded { originals, made_with: made_with.clone() };
        pages.scan_dirty.push(ended);
        pages.scan = None;
        pages.originals_known = originals;
        pages.made_with = made_with.or(pages.made_with.take());
    }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{FoundBy, ReceiptState, Revision, SourceId, Subject};

    use super::*;
    use crate::order::Targets;

    fn task() -> Task {
        Task::new(Subject::Everything { source: SourceId::default() }, Targets::All, "asked for", FoundBy::Operator, 0)
    }

    fn open(dir: &Path, config: &Config) -> Arc<Books> {
        Arc::new(Books::open(dir, config).unwrap())
    }

    fn close(books: &Books, id: u64) {
        assert!(books.update(id, |task| task.receipt.state = ReceiptState::Done));
    }

    fn ids(books: &Books) -> Vec<u64> {
        books.ids(|_| true)
    }

    #[tokio::test]
    async fn the_oldest_finished_receipts_go_past_the_bound_and_open_ones_never() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { receipts_max: 2, ..Config::default() };
        let books = open(dir.path(), &config);
        books.add((0..4).map(|_| task()).collect());
        close(&books, 2);
        close(&books, 3);
        assert_eq!(ids(&books), [1, 2, 3, 4]);
        close(&books, 4);
        assert_eq!(ids(&books), [1, 3, 4]);
        books.flush(true).await.unwrap();
        drop(books);
        let books = open(dir.path(), &Config { receipts_bytes_max: 0, ..config });
        assert_eq!(ids(&books), [1]);
        assert_eq!(books.add(vec![task()]), [5], "an id is never given twice");
    }

    #[tokio::test]
    async fn the_journal_is_rewritten_when_it_has_grown_and_says_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let books = open(dir.path(), &Config::default());
        let mut large = task();
        large.receipt.reason = "x".repeat(1 << 20);
        let id = books.add(vec![large])[0];
        books.scanned(ScanAt { after: Some("k".into()), originals: 9, lost: 1, ..ScanAt::default() }, &[]);
        let length = || std::fs::metadata(dir.path().join("journal")).unwrap().len();
        for turn in 0..20 {
            books.update(id, |task| task.receipt.heard_at_ms = turn);
            books.flush(false).await.unwrap();
            assert!(length() < REWRITE_BYTES_MIN + (2 << 20), "{}", length());
        }
        let (scan, receipts) = (books.scan(), books.receipts(&Filter::default()));
        assert_eq!(receipts[0].heard_at_ms, 19);
        drop(books);
        let books = open(dir.path(), &Config::default());
        assert_eq!((books.scan(), books.receipts(&Filter::default())), (scan, receipts));
        let made_with = (7, Revision::new("r1").unwrap());
        books.scan_ended(11, Some(made_with.clone()));
        books.scan_ended(11, None);
        books.flush(true).await.unwrap();
        drop(books);
        let books = open(dir.path(), &Config::default());
        assert_eq!((books.scan(), books.originals_known()), (None, 11));
        assert_eq!(books.made_with(), Some(made_with), "a scan that saw a part has not forgotten it");
    }
}
