//! The purge sequence and the log of fences. A test asks whether any fence after a position covers a thing; the answer
//! never depends on how long ago the fence was raised, only on whether the log still reaches back.

use std::collections::{BTreeMap, HashMap};

use afterimage_identity::{CacheTag, Original, Selector, Sequence};
use serde::{Deserialize, Serialize};

use crate::Facts;
use crate::entry::url;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{RwLock, read, write};

/// What the log says of a thing that was last known clear at some position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No fence covers it, up to and including this one.
    Clear(Sequence),
    /// A later fence covers it.
    Covered,
    /// The log no longer reaches back to that position, so nobody can tell.
    Forgotten,
}

/// What a fence can name a thing by.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) path: &'a str,
    pub(crate) original: Option<&'a Original>,
    pub(crate) tags: &'a [CacheTag],
}

impl<'a> From<&'a Facts> for Named<'a> {
    fn from(facts: &'a Facts) -> Self {
        Self { path: &facts.path, original: facts.original.as_ref(), tags: &facts.tags }
    }
}

/// The whole log, in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) last: Sequence,
    /// Fences up to here may be forgotten.
    pub(crate) floor: Sequence,
    pub(crate) selectors: Vec<(Sequence, Selector)>,
}

/// The log behind its lock, and the last position for all to read without one.
pub(crate) struct Fences {
    current: AtomicU64,
    selectors_max: usize,
    log: RwLock<Log>,
}

impl Fences {
    pub(crate) fn new(selectors_max: usize, bytes_max: usize) -> Self {
        let selectors_max = selectors_max.max(1);
        Self { current: AtomicU64::new(0), selectors_max, log: RwLock::new(Log::new(selectors_max, bytes_max)) }
    }

    /// The last fence's position.
    pub(crate) fn current(&self) -> Sequence {
        Sequence(self.current.load(Ordering::SeqCst))
    }

    /// Appends a fence. Whoever reads [`current`](Self::current) after this returns sees it.
    pub(crate) fn append(&self, selector: &Selector) -> Sequence {
        let mut log = write(&self.log);
        let sequence = log.append(selector);
        // Under the lock: a verdict that says "clear up to n" has seen fence n.
        self.current.store(sequence.0, Ordering::SeqCst);
        sequence
    }

    /// Takes over the log of a process that is gone. Before anything was fetched only.
    pub(crate) fn restore(&self, snapshot: Snapshot) {
        let mut log = write(&self.log);
        for (sequence, selector) in &snapshot.selectors {
            log.append_at(*sequence, selector);
        }
        log.last = log.last.max(snapshot.last);
        log.floor = log.floor.max(snapshot.floor);
        self.current.store(log.last.0, Ordering::SeqCst);
    }

    /// What [`restore`](Self::restore) takes over.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let log = read(&self.log);
        let selectors = log.order.iter().map(|(sequence, selector)| (*sequence, selector.clone())).collect();
        Snapshot { last: log.last, floor: log.floor, selectors }
    }

    /// Tests a thing against every fence after `since`.
    pub(crate) fn test(&self, since: Sequence, named: Named<'_>) -> Verdict {
        read(&self.log).test(since, named)
    }

    /// Tests an original, whatever the paths of its entries are, against every fence after `since`.
    pub(crate) fn test_original(&self, since: Sequence, original: &Original) -> Verdict {
        let log = read(&self.log);
        let tags = original.tags();
        log.test(since, Named { path: "", original: Some(original), tags: &tags })
    }

    /// How many selectors are remembered at most.
    pub(crate) fn selectors_max(&self) -> usize {
        self.selectors_max
    }

    /// How many selectors are remembered.
    pub(crate) fn len(&self) -> usize {
        read(&self.log).order.len()
    }
}

/// The newest position of every selector. Raising the same selector again replaces its older position, because a test
/// only asks whether *some* later fence covers.
struct Log {
    selectors_max: usize,
    bytes_max: usize,
    bytes: usize,
    last: Sequence,
    /// Fences up to here may be forgotten.
    floor: Sequence,
    order: BTreeMap<Sequence, Selector>,
    all: Sequence,
    originals: HashMap<Original, Sequence>,
    tags: HashMap<CacheTag, Sequence>,
    paths: HashMap<String, Sequence>,
    prefixes: HashMap<String, Sequence>,
    /// How many prefixes have which length in bytes, so that a path is looked up once per length and not once per prefix.
    prefix_lengths: BTreeMap<usize, usize>,
}

impl Log {
    fn new(selectors_max: usize, bytes_max: usize) -> Self {
        Self {
            selectors_max,
            bytes_max,
            bytes: 0,
            last: Sequence(0),
            floor: Sequence(0),
            order: BTreeMap::new(),
            all: Sequence(0),
            originals: HashMap::new(),
            tags: HashMap::new(),
            paths: HashMap::new(),
            prefixes: HashMap::new(),
            prefix_lengths: BTreeMap::new(),
        }
    }

    fn append(&mut self, selector: &Selector) -> Sequence {
        let sequence = Sequence(self.last.0 + 1);
        self.append_at(sequence, selector);
        sequence
    }

    fn append_at(&mut self, sequence: Sequence, selector: &Selector) {
        self.last = sequence;
        let older = match selector {
            Selector::All => Some(std::mem::replace(&mut self.all, sequence)).filter(|older| older.0 > 0),
            Selector::Original(original) => self.originals.insert(original.clone(), sequence),
            Selector::Tag(tag) => self.tags.insert(tag.clone(), sequence),
            Selector::Path(path) => self.paths.insert(path.clone(), sequence),
            Selector::Prefix(prefix) => {
                let older = self.prefixes.insert(prefix.clone(), sequence);
                if older.is_none() {
                    *self.prefix_lengths.entry(prefix.len()).or_default() += 1;
                }
                older
            }
        };
        let older = older.and_then(|older| self.order.remove(&older));
        if older.is_none() {
            self.bytes += bytes(selector);
        }
        self.order.insert(sequence, older.unwrap_or_else(|| selector.clone()));
        while self.order.len() > 1 && (self.order.len() > self.selectors_max || self.bytes > self.bytes_max) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((sequence, selector)) = self.order.pop_first() else { return };
        self.floor = sequence;
        self.bytes -= bytes(&selector);
        match &selector {
            Selector::All => self.all = Sequence(0),
            Selector::Original(original) => drop(self.originals.remove(original)),
            Selector::Tag(tag) => drop(self.tags.remove(tag)),
            Selector::Path(path) => drop(self.paths.remove(path)),
            Selector::Prefix(prefix) => {
                self.prefixes.remove(prefix);
                if let Some(count) = self.prefix_lengths.get_mut(&prefix.len()) {
                    *count -= 1;
                    if *count == 0 {
                        self.prefix_lengths.remove(&prefix.len());
                    }
                }
            }
        }
    }

    fn test(&self, since: Sequence, named: Named<'_>) -> Verdict {
        if since >= self.last {
            return Verdict::Clear(self.last);
        }
        if since < self.floor {
            return Verdict::Forgotten;
        }
        let later = |fence: Option<&Sequence>| fence.is_some_and(|fence| *fence > since);
        let url = url(named.path);
        let covered = self.all > since
            || named.original.is_some_and(|original| later(self.originals.get(original)))
            || (!self.tags.is_empty() && named.tags.iter().any(|tag| later(self.tags.get(tag))))
            || later(self.paths.get(url))
            || self.prefix_lengths.range(..=url.len()).any(|(&length, _)| {
                // Not on a character's border: then no text of this length is a prefix of it.
                url.get(..length).is_some_and(|prefix| later(self.prefixes.get(prefix)))
            });
        if covered { Verdict::Covered } else { Verdict::Clear(self.last) }
    }
}

/// What a selector takes in the log, in bytes, roughly: its text, twice where it is a `String`, and its places.
fn bytes(selector: &Selector) -> usize {
    let text = match selector {
        Selector::All => 0,
        Selector::Original(original) => original.key.as_str().len(),
        Selector::Tag(tag) => tag.as_str().len(),
        Selector::Path(text) | Selector::Prefix(text) => 2 * text.len(),
    };
    text + 160
}
