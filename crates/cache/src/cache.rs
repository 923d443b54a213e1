//! The cache itself: look, publish, admit, prove and fence, each a few steps over the parts beside it. It asks no clock
//! and no source; whatever it serves was tested against every fence raised before it was asked.

use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{BoxFuture, CacheTag, Fence, Original, Raised, Selector, Sequence, Stamp, Version};

use crate::Entry;
use crate::config::Config;
use crate::disk::{Disk, DiskUsage};
use crate::entry::Weigh;
use crate::fences::{Fences, Verdict};
use crate::fill::{self, Begun, Fill, Fills};
use crate::index::Index;
use crate::question::{self, ProofBegun, Questions, Settled};
use crate::sweep::Sweep;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock};
use crate::table::Table;

/// How many entries are looked at between two turns of other tasks while erasure is waited for, about a millisecond.
const ERASED_PER_TURN: usize = 2048;

/// Why there is nothing to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissWhy {
    /// Nothing has this path.
    Absent,
    /// It is no longer fresh.
    Stale,
    /// A fence covers it, or the fence log no longer reaches back to it.
    Fenced,
    /// Its original could not be proven. Never said by a look: the caller who could not prove it says so.
    Unproven,
    /// Its original was found gone or changed.
    OtherVersion,
    /// The cache was not asked. Never said by a look.
    Bypass,
}

/// What a look found.
#[derive(Debug)]
pub enum Found<T> {
    /// It may be served, once [`Cache::admit`] agrees immediately before the first byte.
    Hit {
        /// The answer.
        entry: Arc<Entry<T>>,
        /// The proof is older than half the window and nobody renews it: the caller has to, in the background, through
        /// [`Cache::begin_proof`].
        renew: bool,
    },
    /// The proof is too old: ask through [`Cache::begin_proof`], then look again. Where the source proves nothing, the
    /// operator's policy may allow the entry up to some `age`; `admit` still has to agree.
    Prove {
        /// The answer.
        entry: Arc<Entry<T>>,
        /// How old the proof is; `None` when there never was one.
        age: Option<Duration>,
    },
    /// There is nothing to serve.
    Miss {
        /// Why.
        why: MissWhy,
    },
}

/// The last word before the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send it.
    Admit,
    /// A fence covers it, or its original was found gone or changed since: start over.
    Fenced,
}

/// What the cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All entries with what is kept about them, in bytes; never more than `bytes_max`.
    pub bytes: u64,
    /// The budget, in bytes.
    pub bytes_max: u64,
    /// Entries.
    pub entries: u64,
    /// Originals that entries were made from.
    pub groups: u64,
    /// Fills under way.
    pub fills: u64,
    /// Questions under way.
    pub questions: u64,
    /// Selectors in the fence log.
    pub fences: u64,
    /// Entries evicted for space since the start.
    pub evicted: u64,
    /// Entries erased for truth since the start.
    pub erased: u64,
    /// The tier on disk, where there is one.
    pub disk: Option<DiskUsage>,
}

pub(crate) struct Inner<T> {
    pub(crate) config: Config,
    window_ns: AtomicU64,
    pub(crate) fences: Fences,
    pub(crate) table: Table<T>,
    pub(crate) index: Mutex<Index<T>>,
    pub(crate) fills: Fills<T>,
    pub(crate) questions: Questions,
    pub(crate) sweep: Sweep,
    pub(crate) evicted: AtomicU64,
    pub(crate) erased: AtomicU64,
    pub(crate) disk: Option<Disk<T>>,
}

/// A shared cache with a purge sequence and proof groups. A handle: clones share one cache.
pub struct Cache<T: Weigh> {
    pub(crate) inner: Arc<Inner<T>>,
}

impl<T: Weigh> Clone for Cache<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T: Weigh> std::fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

impl<T: Weigh> Cache<T> {
    /// An empty cache. Bounds outside [`Config::validate`] are moved to the nearest possible.
    pub fn new(config: Config) -> Self {
        Self::build(config, |_| None)
    }

    pub(crate) fn build(config: Config, disk: impl FnOnce(&Fences) -> Option<Disk<T>>) -> Self {
        let fences = Fences::new(config.fence_log_max, config.fence_log_bytes_max);
        let inner = Inner {
            window_ns: AtomicU64::new(nanos(config.window)),
            disk: disk(&fences),
            fences,
            table: Table::new(config.shards),
            index: Mutex::new(Index::new()),
            fills: Fills::new(),
            questions: Questions::new(),
            sweep: Sweep::new(),
            evicted: AtomicU64::new(0),
            erased: AtomicU64::new(0),
            config,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The validation window in force.
    pub fn window(&self) -> Duration {
        self.inner.window()
    }

    /// The validation window in force for one original.
    pub fn window_of(&self, original: &Original) -> Duration {
        self.inner.own_window(original).unwrap_or_else(|| self.inner.window())
    }

    /// Changes the validation window of all originals that have none of their own; a shorter one holds from the next look on.
    pub fn set_window(&self, window: Duration) {
        self.inner.window_ns.store(nanos(window), Ordering::Release);
    }

    /// Finds what may be served at `path` at the moment `now`.
    pub fn look(&self, path: &str, now: Stamp) -> Found<T> {
        self.inner.look(path, now, None)
    }

    /// Like [`look`](Self::look), for a request that arrived at `arrived` and may have asked since: a question sent at
    /// or after `arrived` counts whatever its age is. With a window shorter than the source takes to answer, zero for
    /// one, nothing else would ever be a hit; the promise is then the longest question instead of the window.
    pub fn look_since(&self, path: &str, now: Stamp, arrived: Stamp) -> Found<T> {
        self.inner.look(path, now, Some(arrived))
    }

    /// The last fence's position. Taken before a question is sent, it goes with the answer into [`prove`](Self::prove).
    pub fn sequence(&self) -> Sequence {
        self.inner.fences.current()
    }

    /// Registers a fill of `path`, or joins one that began after every fence that covers what is known of it.
    pub fn begin(&self, path: &str, original: Option<&Original>, tags: &[CacheTag], now: Stamp) -> Begun<T> {
        fill::begin(&self.inner, path, original, tags, now)
    }

    /// Registers a fill that nobody joins, because what it brings may be of no use to others. What it publishes is tested
    /// like any other's.
    pub fn begin_alone(&self, path: &str, now: Stamp) -> Fill<T> {
        fill::begin_alone(&self.inner, path, now)
    }

    /// Whether a selector covers anything that is here or, as far as one can know, on its way. Where it does not, a fence
    /// would only fill the log: whatever is fetched from now on is newer than the reason for it.
    pub fn knows(&self, selector: &Selector) -> bool {
        // Fills first: one that ends between the two looks is seen by the first or found by the second.
        self.inner.fills.overlapping(Sequence(u64::MAX), selector) > 0
            || !lock(&self.inner.index).slice(selector, None, 1).0.is_empty()
            || self.inner.disk.as_ref().is_some_and(|disk| disk.may_know(selector))
    }

    /// The test before the first byte, for leaders, waiters and hits alike, and for 304, 206 and HEAD too. Once a fence
    /// that covers the entry has been raised, it never says `Admit` again.
    pub fn admit(&self, entry: &Entry<T>) -> Admission {
        match self.inner.is_unfenced(entry) && !is_retired(entry) {
            true => Admission::Admit,
            false => Admission::Fenced,
        }
    }

    /// The version that what is here of an original was made of. No proof of anything: it says what to look for while the
    /// source is asked.
    pub fn version_of(&self, original: &Original) -> Option<Version> {
        lock(&self.inner.index).group(original).map(|group| group.version.clone())
    }

    /// Begins or joins the one question about an original.
    pub fn begin_proof(&self, original: &Original) -> ProofBegun<T> {
        question::begin(&self.inner, original)
    }

    /// Takes in that `version` was present when a question sent at `asked_at` was answered. `asked_sequence` is the
    /// [`sequence`](Self::sequence) from before it was sent; a fence over the original since then voids the answer.
    /// Another version than the entries' erases them. `true` when entries of this version are proven now.
    pub fn prove(&self, original: &Original, version: &Version, asked_at: Stamp, asked_sequence: Sequence) -> bool {
        self.inner.settle_present(original, version, asked_at, asked_sequence) == Settled::Restamped
    }

    /// Takes in that an original is gone: the entries of it that are here are erased and, even where handed out already,
    /// not admitted. What was never kept, is evicted, or is being filled is not touched: that takes a fence.
    pub fn disprove(&self, original: &Original) {
        self.inner.settle_gone(original);
    }

    /// Erases some of what fences hide, and tells entries that older fences are behind them, so that the log may forget
    /// those. Looks at `entries_max` entries at most; `true` while more is to be done. Fills and fences do a little of
    /// it in passing; a caller who wants memory back sooner calls it in a loop.
    pub fn sweep(&self, entries_max: usize) -> bool {
        self.inner.sweep(entries_max)
    }

    /// What the cache holds.
    pub fn usage(&self) -> Usage {
        let inner = &self.inner;
        let index = lock(&inner.index);
        let (bytes, entries, groups) = (index.bytes, index.len() as u64, index.groups() as u64);
        drop(index);
        Usage {
            bytes,
            bytes_max: inner.config.bytes_max,
            entries,
            groups,
            fills: inner.fills.len() as u64,
            questions: inner.questions.len() as u64,
            fences: inner.fences.len() as u64,
            evicted: inner.evicted.load(Ordering::Relaxed),
            erased: inner.erased.load(Ordering::Relaxed),
            disk: inner.disk.as_ref().map(Disk::usage),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn is_retired<T>(entry: &Entry<T>) -> bool {
    entry.group.as_ref().is_some_and(|group| group.is_retired())
}

impl<T: Weigh> Inner<T> {
    pub(crate) fn window(&self) -> Duration {
        Duration::from_nanos(self.window_ns.load(Ordering::Acquire))
    }

    /// The window of the longest beginning that the original's key has.
    pub(crate) fn own_window(&self, original: &Original) -> Option<Duration> {
        let key = original.key.as_str();
        let fitting = self.config.windows.iter().filter(|(beginning, _)| key.starts_with(beginning.as_str()));
        fitting.max_by_key(|(beginning, _)| beginning.len()).map(|(_, window)| *window)
    }

    fn look(&self, path: &str, now: Stamp, arrived: Option<Stamp>) -> Found<T> {
        let Some(entry) = self.table.get(path) else {
            return Found::Miss { why: MissWhy::Absent };
        };
        if !self.is_unfenced(&entry) {
            self.erase(std::slice::from_ref(&entry));
            return Found::Miss { why: MissWhy::Fenced };
        }
        if is_retired(&entry) {
            self.erase(std::slice::from_ref(&entry));
            return Found::Miss { why: MissWhy::OtherVersion };
        }
        if entry.facts.fresh_until.is_some_and(|until| now >= until) {
            return Found::Miss { why: MissWhy::Stale };
        }
        let Some(group) = &entry.group else {
            entry.mark_visited();
            return Found::Hit { entry, renew: false };
        };
        let age = group.age(now);
        let asked_since = || arrived.is_some_and(|arrived| group.proved_at() >= Some(arrived));
        let window = group.window(self.window());
        if !age.is_some_and(|age| age <= window || asked_since()) {
            return Found::Prove { entry, age };
        }
        // With a window of zero each hit was just asked for: a question in the background would be one more, for nobody.
        let renew = !window.is_zero() && group.take_renewal(now);
        entry.mark_visited();
        Found::Hit { entry, renew }
    }

    /// One integer compare when nothing was fenced since the entry was last checked.
    pub(crate) fn is_unfenced(&self, entry: &Entry<T>) -> bool {
        let checked = Sequence(entry.checked.load(Ordering::Acquire));
        if checked == self.fences.current() {
            return true;
        }
        match self.fences.test(checked, (&entry.facts).into()) {
            Verdict::Clear(upto) => {
                entry.checked.fetch_max(upto.0, Ordering::AcqRel);
                true
            }
            Verdict::Covered | Verdict::Forgotten => false,
        }
    }

    /// Takes entries out. How many were still in.
    pub(crate) fn erase(&self, entries: &[Arc<Entry<T>>]) -> usize {
        let mut index = lock(&self.index);
        let erased = entries.iter().filter(|entry| index.remove(&self.table, entry)).count();
        drop(index);
        self.erased.fetch_add(erased as u64, Ordering::Relaxed);
        erased
    }
}

impl<T: Weigh + Send + Sync + 'static> Fence for Cache<T> {
    fn name(&self) -> &str {
        &self.inner.config.name
    }

    fn raise(&self, selector: &Selector) -> Raised {
        // From this line on every look, publish, join and admit knows.
        let inner = &self.inner;
        let sequence = match &inner.disk {
            Some(disk) => disk.raise(&inner.fences, selector),
            None => inner.fences.append(selector),
        };
        // What memory has too is counted there.
        let on_disk =
            inner.disk.as_ref().map(|disk| disk.count(selector, sequence, |path| inner.table.get(path).is_some()));
        let matched = inner.erase_covered(selector, sequence) + on_disk.unwrap_or(0);
        let overlapping = self.inner.fills.overlapping(sequence, selector);
        self.inner.sweep_in_passing();
        Raised { sequence, matched, overlapping }
    }

    fn drained<'a>(&'a self, sequence: Sequence, selector: &'a Selector) -> BoxFuture<'a, ()> {
        Box::pin(self.inner.fills.drained(sequence, selector))
    }

    fn erased(&self, sequence: Sequence) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while !self.inner.sweep.is_done(sequence) {
                self.inner.sweep(ERASED_PER_TURN);
                tokio::task::yield_now().await;
            }
            if let Some(disk) = &self.inner.disk {
                disk.settled().await;
            }
        })
    }
}
