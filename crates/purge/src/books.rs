//! What is under way and what was done: in memory for whoever asks, in the journal for the next process. Changes are
//! collected and written in groups, the newest state of each purge only, so the journal never goes back in time.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use afterimage_identity::{OriginalKey, Receipt};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::journal::Journal;
use crate::order::{Filter, Target, Targets, Task};
use crate::{Config, Error};

/// The journal is not rewritten before it has this many bytes.
const REWRITE_BYTES_MIN: u64 = 4 << 20;

/// How far a scan has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScanAt {
    pub(crate) after: Option<String>,
    pub(crate) originals: u64,
    /// How many of them are gone or changed.
    pub(crate) lost: u64,
    /// More were found than are remembered.
    pub(crate) more: bool,
}

/// One record of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Base { next_id: u64, originals_known: u64 },
    Task(Box<Task>),
    Suspect(Target),
    ScanAt(ScanAt),
    ScanEnded { originals: u64 },
}

#[derive(Debug, Default)]
struct Pages {
    tasks: BTreeMap<u64, Task>,
    closed: VecDeque<(u64, u64)>,
    closed_bytes: u64,
    dirty: BTreeSet<u64>,
    held: HashSet<OriginalKey>,
    next_id: u64,
    originals_known: u64,
    scan: Option<(ScanAt, Vec<Target>)>,
    /// Scan records not yet written, in their order.
    scan_dirty: Vec<Entry>,
    journal_error: Option<String>,
}

/// The books of one state directory.
#[derive(Debug)]
pub(crate) struct Books {
    pages: Mutex<Pages>,
    journal: Mutex<(Journal, u64)>,
    changed: watch::Sender<u64>,
    receipts_max: usize,
    receipts_bytes_max: u64,
}

impl Books {
    pub(crate) fn open(state_dir: &Path, config: &Config) -> Result<Self, Error> {
        let (journal, payloads) = Journal::open(state_dir)?;
        let mut pages = Pages { next_id: 1, ..Pages::default() };
        for payload in payloads {
            let format = |_| Error::Format { path: state_dir.join("journal") };
            pages.replay(serde_json::from_slice(&payload).map_err(format)?);
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
        let rewrite_at = REWRITE_BYTES_MIN.max(journal.bytes().saturating_mul(2));
        let books = Self {
            pages: Mutex::new(pages),
            journal: Mutex::new((journal, rewrite_at)),
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

    /// Writes what changed; on disk when it returns, if `sync`. What could not be written is tried again next time.
    pub(crate) async fn flush(self: &Arc<Self>, sync: bool) -> io::Result<()> {
        let books = self.clone();
        let flushed = tokio::task::spawn_blocking(move || books.flush_now(sync)).await;
        flushed.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn flush_now(&self, sync: bool) -> io::Result<()> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let (journal, rewrite_at) = &mut *journal;
        let mut pages = self.pages();
        let (dirty, scan_dirty) = (std::mem::take(&mut pages.dirty), std::mem::take(&mut pages.scan_dirty));
        let rewrite = journal.bytes() >= *rewrite_at;
        let payloads = if rewrite { pages.all() } else { pages.some(&dirty, &scan_dirty) };
        drop(pages);
        let written = match rewrite {
            true => journal.rewrite(&payloads).inspect(|()| *rewrite_at = REWRITE_BYTES_MIN.max(journal.bytes() * 2)),
            false => journal.append(&payloads, sync),
        };
        let mut pages = self.pages();
        if let Err(error) = &written {
            tracing::error!(%error, "the journal cannot be written");
            pages.dirty.extend(dirty);
            pages.scan_dirty.splice(0..0, scan_dirty);
        }
        pages.journal_error = written.as_ref().err().map(ToString::to_string);
        written
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

    pub(crate) fn scan_ended(&self, originals: u64) {
        let mut pages = self.pages();
        pages.scan_dirty.push(Entry::ScanEnded { originals });
        pages.scan = None;
        pages.originals_known = originals;
    }
}

impl Pages {
    fn replay(&mut self, entry: Entry) {
        match entry {
            Entry::Base { next_id, originals_known } => {
                self.next_id = self.next_id.max(next_id);
                self.originals_known = originals_known;
            }
            Entry::Task(task) => drop(self.tasks.insert(task.receipt.id, *task)),
            Entry::Suspect(target) => self.scan.get_or_insert_default().1.push(target),
            Entry::ScanAt(at) => self.scan.get_or_insert_default().0 = at,
            Entry::ScanEnded { originals } => {
                self.scan = None;
                self.originals_known = originals;
            }
        }
    }

    fn some(&self, dirty: &BTreeSet<u64>, scan: &[Entry]) -> Vec<Vec<u8>> {
        let tasks = dirty.iter().filter_map(|id| self.tasks.get(id)).map(payload_of_task);
        tasks.chain(scan.iter().map(payload)).collect()
    }

    fn all(&self) -> Vec<Vec<u8>> {
        let mut payloads = vec![payload(&Entry::Base { next_id: self.next_id, originals_known: self.originals_known })];
        payloads.extend(self.tasks.values().map(payload_of_task));
        if let Some((at, suspects)) = &self.scan {
            payloads.extend(suspects.iter().cloned().map(|target| payload(&Entry::Suspect(target))));
            payloads.push(payload(&Entry::ScanAt(at.clone())));
        }
        payloads
    }

    fn count_held(&mut self) {
        let held = self.tasks.values().filter(|task| task.is_held());
        let targets = held.filter_map(|task| match &task.targets {
            Targets::Originals(targets) => Some(targets),
            Targets::Prefix(_) | Targets::All => None,
        });
        self.held = targets.flatten().map(|target| target.original.key.clone()).collect();
    }
}

fn size(task: &Task) -> u64 {
    payload_of_task(task).len() as u64
}

fn payload_of_task(task: &Task) -> Vec<u8> {
    payload(&Entry::Task(Box::new(task.clone())))
}

fn payload(entry: &Entry) -> Vec<u8> {
    // Only maps with keys that are no text, and errors of the types themselves, can fail; there are neither.
    serde_json::to_vec(entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{FoundBy, ReceiptState, SourceId, Subject};

    use super::*;

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
        books.scanned(ScanAt { after: Some("k".into()), originals: 9, lost: 1, more: false }, &[]);
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
        books.scan_ended(11);
        books.flush(true).await.unwrap();
        drop(books);
        let books = open(dir.path(), &Config::default());
        assert_eq!((books.scan(), books.originals_known()), (None, 11));
    }
}
