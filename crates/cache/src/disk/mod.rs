//! The second tier: what memory holds is written to files too, so that neither eviction nor a restart costs a fetch. It
//! obeys the same purge sequence: a file is used only if no fence since covers it, and fences are on disk before they are
//! acknowledged. Proofs are not kept; what came from an original is proven anew before it is served. Nothing here may
//! delay or spoil an answer: whatever fails on disk is a miss.
//!
//! One thread writes and removes (`work.rs`), requests read (`recall.rs`), fences are recorded by who raises them.

mod codec;
mod files;
mod handle;
mod header;
mod journal;
mod lines;
mod machine;
mod queue;
#[cfg(test)]
mod races;
mod recall;
mod usage;
mod work;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::thread::JoinHandle;

use afterimage_identity::{Clock, Digest, Original, Selector, Sequence};
use tokio::sync::oneshot;

pub use codec::{Codec, Moment, Packed};
pub use files::Files;
pub use machine::{MachineFiles, OpenError};
pub use usage::{DiskUsage, DropWhy};

use crate::Entry;
use crate::cache::Inner;
use crate::entry::Weigh;
use crate::fences::Fences;
use crate::sync::atomic::{AtomicBool, AtomicU64};
use crate::sync::{Mutex, lock};
use files::{FOLDERS, JOURNAL};
use header::TierId;
use journal::Journal;
use lines::Lines;
use queue::{Job, Queue};
use usage::Counters;

/// So many requests read at once, and requests for one key one after the other.
const READS_MAX: usize = 32;
/// How many lines are looked at in one hold of their lock.
const SLICE: usize = 256;
/// The least that is evicted when the disk is full before its budget is.
const ROOM_BYTES_MIN: u64 = 1 << 20;
/// While there is no tier, every so many entries it is tried to begin one.
const REFUSED_MAX: u64 = 64;

/// The bounds of a tier on disk, and what its entries mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// All files together, in whole blocks.
    pub bytes_max: u64,
    /// What keys and payloads mean as long as this process runs: a tier that was written under another is given up.
    pub place: String,
    /// The same, as far as it may change: see [`Cache::rescope`](crate::Cache::rescope).
    pub meaning: String,
    /// Names the boot of the machine. `None` where that cannot be told: then a tier outlives only processes that end in
    /// order.
    pub boot: Option<String>,
}

/// What a tier is made of.
pub struct DiskParts<T> {
    /// Where it lies.
    pub files: Arc<dyn Files>,
    /// How payloads become bytes.
    pub codec: Arc<dyn Codec<T>>,
    /// The machine's clocks, for the ages of what is read back.
    pub clock: Arc<dyn Clock>,
}

/// What one piece of work came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tended {
    Worked,
    Idle,
    Closed,
}

pub(crate) struct Disk<T> {
    files: Arc<dyn Files>,
    codec: Arc<dyn Codec<T>>,
    clock: Arc<dyn Clock>,
    bytes_max: u64,
    place: String,
    /// This process, to itself.
    run: u64,
    /// Held while a fence is raised, so that log and queue have all fences in order.
    journal: Mutex<Journal>,
    lines: Mutex<Lines>,
    queue: Arc<Queue<T>>,
    counters: Counters,
    /// Told when the folders have been counted.
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    /// The last write failed; said once.
    failing: AtomicBool,
    /// Entries that were refused because there is no tier.
    refused: AtomicU64,
    /// A file could not be removed: what the folders hold is not known for certain.
    stuck: AtomicBool,
    reads: Box<[tokio::sync::Mutex<()>]>,
    keyed: RandomState,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn new_tier() -> TierId {
    let mut tier = [0; 16];
    tier[..8].copy_from_slice(&random().to_le_bytes());
    tier[8..].copy_from_slice(&random().to_le_bytes());
    tier
}

fn scope(place: &str, meaning: &str) -> String {
    Digest::new("disk tier").part(place.as_bytes()).part(meaning.as_bytes()).hex(64)
}

impl<T> Disk<T> {
    /// Takes over what lies there if it may be believed, and the fences with it; else begins an empty tier.
    pub(crate) fn open(config: DiskConfig, parts: DiskParts<T>, fences: &Fences) -> Self {
        let DiskConfig { bytes_max, place, meaning, boot } = config;
        let DiskParts { files, codec, clock } = parts;
        let scope = scope(&place, &meaning);
        let (tier, swept) = match Journal::find(&*files, &scope, boot.as_deref()) {
            Ok(found) => {
                fences.restore(found.fences);
                (found.tier, found.swept)
            }
            Err(why) => {
                tracing::info!(why, "the cache on disk begins empty");
                (new_tier(), Sequence(0))
            }
        };
        let disk = Self {
            files,
            codec,
            clock,
            bytes_max,
            place,
            run: random(),
            journal: Mutex::new(Journal::new(tier, scope, boot)),
            lines: Mutex::new(Lines::new(tier, swept, fences.current())),
            queue: Arc::new(Queue::new()),
            counters: Counters::default(),
            waiting: Mutex::new(Vec::new()),
            failing: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            stuck: AtomicBool::new(false),
            reads: (0..READS_MAX).map(|_| tokio::sync::Mutex::new(())).collect(),
            keyed: RandomState::new(),
            thread: Mutex::new(None),
        };
        let mut journal = lock(&disk.journal);
        // Forced to the platter: a log from before this boot must not come back in its place.
        if let Err(error) = journal.rewrite(&*disk.files, fences.snapshot(), swept, false, true) {
            disk.give_up(&mut journal, &error);
        }
        drop(journal);
        disk
    }

    /// Without a log that can be written there is no tier: what lies on disk would come back after a crash. Its files are
    /// removed, and once that has made room a new one begins.
    fn give_up(&self, journal: &mut Journal, why: &std::io::Error) {
        tracing::error!(%why, "the fence log of the cache on disk cannot be written; it goes on in memory alone");
        let was_off = std::mem::replace(&mut journal.off, true);
        journal.tier = new_tier();
        if let Err(error) = self.files.remove(JOURNAL)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(%error, "nor can it be removed: remove the folder's contents before the next start");
        }
        // Where it was off already, its files are gone.
        if !was_off {
            self.begin_anew(journal);
        }
    }

    /// Every file is of another tier from here on.
    fn begin_anew(&self, journal: &Journal) {
        let mut lines = lock(&self.lines);
        *lines = Lines::new(journal.tier, Sequence(0), Sequence(0));
        lines.off = journal.off;
        drop(lines);
        self.queue.push(Job::Look);
    }

    /// Gives other meaning to what is written from now on.
    pub(crate) fn rescope(&self, meaning: &str, fences: &Fences) {
        let mut journal = lock(&self.journal);
        let scope = scope(&self.place, meaning);
        if journal.scope == scope {
            return;
        }
        journal.scope = scope;
        self.renew(&mut journal, fences);
    }

    /// Begins an empty tier, with the fences that stand.
    fn renew(&self, journal: &mut Journal, fences: &Fences) {
        journal.tier = new_tier();
        match journal.rewrite(&*self.files, fences.snapshot(), Sequence(0), false, false) {
            Ok(()) => {
                journal.off = false;
                self.begin_anew(journal);
            }
            Err(error) => self.give_up(journal, &error),
        }
    }

    /// Appends a fence to the log in memory and to the one on disk. When it returns, no crash brings back what the fence
    /// covers.
    pub(crate) fn raise(&self, fences: &Fences, selector: &Selector) -> Sequence {
        let mut journal = lock(&self.journal);
        let sequence = fences.append(selector);
        if journal.off {
            return sequence;
        }
        let room = || self.evict(ROOM_BYTES_MIN, |_| false);
        if let Err(error) = journal.add(&*self.files, sequence, selector, || fences.snapshot(), room) {
            self.give_up(&mut journal, &error);
            return sequence;
        }
        if journal.appended.is_multiple_of((fences.selectors_max() / 2).max(1)) {
            self.queue.push(Job::Checkpoint);
        }
        self.queue.push(Job::Cover(selector.clone(), sequence));
        sequence
    }

    /// Resolves when everything that was asked before is done, and every folder has been counted.
    pub(crate) async fn settled(&self) {
        let (tell, told) = oneshot::channel();
        self.queue.push(Job::Barrier(tell));
        // Nobody is left to do it: then nobody is left to write either.
        let _ = told.await;
    }

    /// How many files a fence covers whose entries `is_counted` does not know.
    pub(crate) fn count(&self, selector: &Selector, sequence: Sequence, is_counted: impl Fn(&str) -> bool) -> u64 {
        let (mut count, mut after) = (0, None);
        loop {
            let (found, next) = lock(&self.lines).slice(selector, sequence, after, SLICE);
            count += found.iter().filter(|path| !is_counted(path)).count() as u64;
            after = match next {
                Some(place) => Some(place),
                None => return count,
            };
        }
    }

    /// Whether a selector may cover anything that lies here or is on its way.
    pub(crate) fn may_know(&self, selector: &Selector) -> bool {
        let lines = lock(&self.lines);
        if lines.off {
            return false;
        }
        let found = lines.counted_folders < FOLDERS || !lines.slice(selector, Sequence(u64::MAX), None, 1).0.is_empty();
        drop(lines);
        found
            || self.queue.any_waiting(|entry| {
                let facts = &entry.facts;
                selector.covers(crate::entry::url(&facts.path), facts.original.as_ref(), &facts.tags)
            })
    }

    /// Takes note of an entry that memory keeps from now on: it is written, or whatever has its key is removed.
    pub(crate) fn keep(&self, entry: &Arc<Entry<T>>) {
        let facts = &entry.facts;
        let is_short_lived = facts.fresh_until.is_some() || facts.original.is_some() && facts.version.is_none();
        if is_short_lived {
            if self.queue.is_waiting(&facts.path) || self.may_have(&facts.path) {
                self.queue.push_remove(&facts.path);
            }
        } else if !self.queue.push_keep(entry) {
            self.counters.drop(DropWhy::Busy);
        }
    }

    /// An original was found gone or changed.
    pub(crate) fn forget(&self, original: &Original) {
        self.queue.push(Job::Forget(original.clone()));
    }

    pub(crate) fn usage(&self) -> DiskUsage {
        let lines = lock(&self.lines);
        DiskUsage {
            counted: lines.counted_folders == FOLDERS,
            on: !lines.off,
            entries: lines.len() as u64,
            bytes: lines.bytes,
            bytes_max: self.bytes_max,
            ..self.counters.usage()
        }
    }
}

impl<T> Drop for Disk<T> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

struct CloseQueue<T>(Arc<Queue<T>>);

impl<T> Drop for CloseQueue<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T: Weigh + Send + Sync + 'static> Inner<T> {
    /// Lets a thread do the tier's work until the cache is dropped or closed.
    pub(crate) fn attend(self: &Arc<Self>) -> std::io::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let (inner, queue) = (Arc::downgrade(self), disk.queue.clone());
        let thread = std::thread::Builder::new().name("cache-disk".into()).spawn(move || {
            // However it ends: nobody waits for it then, and memory goes on alone.
            let _closed = CloseQueue(queue.clone());
            loop {
                // Not held while it waits: the last one to let go of the cache ends it.
                let Some(tended) = inner.upgrade().map(|inner| inner.tend()) else { return };
                match tended {
                    Tended::Worked => {}
                    Tended::Idle => queue.wait(),
                    Tended::Closed => return,
                }
            }
        })?;
        *lock(&disk.thread) = Some(thread);
        Ok(())
    }

    /// Writes what waits to be written and ends in order.
    pub(crate) fn close(&self) {
        let Some(disk) = &self.disk else { return };
        disk.queue.push(Job::Close);
        let thread = lock(&disk.thread).take();
        match thread {
            Some(thread) => drop(thread.join()),
            None => while self.tend() == Tended::Worked {},
        }
    }
}
