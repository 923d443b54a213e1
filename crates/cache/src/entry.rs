//! One cached answer and what is known about it. An entry never changes, except for what it was last checked against.

use std::borrow::Borrow;
use std::cmp::Ordering as Order;
use std::sync::Arc;

use afterimage_identity::{CacheTag, Original, Sequence, Stamp, Version};

use crate::group::Group;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What is kept about an entry beside its payload, path and tags, in bytes: the entry itself, its share of the table, of
/// the four indexes and of its group, in maps that have just grown. Charged to the budget, so that a million empty answers
/// are not free; `tests/weight.rs` holds it against what is allocated.
const OVERHEAD_BYTES: u64 = 512;
/// The same for one tag beside its text: one place in the entry and one in the index of tags, as if nobody shared it.
const TAG_OVERHEAD_BYTES: u64 = 160;

/// How much of the budget a payload takes.
pub trait Weigh {
    /// Its size in memory, in bytes. It must not change while the payload is cached.
    fn bytes(&self) -> usize;
}

impl Weigh for bytes::Bytes {
    fn bytes(&self) -> usize {
        self.len()
    }
}

impl Weigh for Vec<u8> {
    fn bytes(&self) -> usize {
        self.capacity()
    }
}

/// What is known about an answer: its name, and everything a fence or a proof could name it by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The cache key. What stands behind a line feed, which no URL has, tells apart the answers of one URL: fences name the
    /// part before it.
    pub path: String,
    /// The original that it was made from.
    pub original: Option<Original>,
    /// The version of the original that it was made from. `None` with an original is an answer *about* an original that
    /// is not there: no proof is asked for it, so it is kept only with a `fresh_until`.
    pub version: Option<Version>,
    /// The local clock just before the question was sent that proved `version` present (GUARANTEE, rule 2). `None`: not
    /// proven, or not by this fill; then the entry is not served until [`prove`](crate::Cache::prove) says so, unless
    /// other entries of the same version are proven already.
    pub proved_at: Option<Stamp>,
    /// All its tags, those learnt from the response included.
    pub tags: Vec<CacheTag>,
    /// The first moment at which it is not fresh; `None` when it does not age by itself.
    pub fresh_until: Option<Stamp>,
}

/// Whether an entry was kept, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is in the cache, until it is evicted or invalidated.
    Yes,
    /// The caller did not want it kept.
    NotAsked,
    /// It weighs more than an entry may.
    TooLarge {
        /// Its weight, with what is kept about it.
        bytes: u64,
        /// The most an entry may weigh.
        max: u64,
    },
    /// A later question found another version of its original.
    OtherVersion,
    /// It is about an original, but has neither a version that could be proven nor an end of freshness.
    Unbounded,
}

/// One answer, shared by all who send it.
///
/// Holding one is no leave to serve it: ask [`admit`](crate::Cache::admit) immediately before the first byte.
#[derive(Debug)]
pub struct Entry<T> {
    /// What is known about it.
    pub facts: Facts,
    /// The answer itself.
    pub payload: T,
    pub(crate) bytes: u64,
    pub(crate) hash: u64,
    pub(crate) kept: Kept,
    pub(crate) group: Option<Arc<Group>>,
    /// Every fence up to here was found not to cover it.
    pub(crate) checked: AtomicU64,
    /// Set by a hit, cleared by the eviction hand.
    pub(crate) visited: AtomicBool,
    /// Its place in the index; means nothing once it has been removed.
    pub(crate) slot: AtomicU32,
}

impl<T> Entry<T> {
    /// One that `checked` is the last fence found not to cover, not hit yet and in no place of the index.
    pub(crate) fn new(
        facts: Facts,
        payload: T,
        bytes: u64,
        hash: u64,
        kept: Kept,
        group: Option<Arc<Group>>,
        checked: Sequence,
    ) -> Self {
        Self {
            facts,
            payload,
            bytes,
            hash,
            kept,
            group,
            checked: AtomicU64::new(checked.0),
            visited: AtomicBool::new(false),
            slot: AtomicU32::new(0),
        }
    }

    /// Whether it went into the cache, and why not.
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// What it takes of the budget, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last fence that was found not to cover it.
    pub fn checked(&self) -> Sequence {
        Sequence(self.checked.load(Ordering::Acquire))
    }

    /// How long ago at `now` the question was sent that last proved its original; `None` when it was never proven, has
    /// been disproven since, or needs no proof.
    pub fn proof_age(&self, now: Stamp) -> Option<std::time::Duration> {
        self.group.as_ref()?.age(now)
    }

    pub(crate) fn mark_visited(&self) {
        // A store only when needed: a hot entry's line stays shared between cores.
        if !self.visited.load(Ordering::Relaxed) {
            self.visited.store(true, Ordering::Relaxed);
        }
    }
}

/// The part of a key that a fence can name.
pub(crate) fn url(path: &str) -> &str {
    path.split_once('\n').map_or(path, |(url, _)| url)
}

/// The weight of an entry with these facts.
pub(crate) fn weight(facts: &Facts, payload_bytes: usize) -> u64 {
    let tags: u64 = facts.tags.iter().map(|tag| tag.as_str().len() as u64 + TAG_OVERHEAD_BYTES).sum();
    let key = facts.original.as_ref().map_or(0, |original| original.key.as_str().len());
    OVERHEAD_BYTES + tags + (facts.path.len() + key) as u64 + payload_bytes as u64
}

/// An entry in order of its path, so that a prefix is a range.
pub(crate) struct ByPath<T>(pub(crate) Arc<Entry<T>>);

impl<T> Borrow<str> for ByPath<T> {
    fn borrow(&self) -> &str {
        &self.0.facts.path
    }
}

impl<T> Ord for ByPath<T> {
    fn cmp(&self, other: &Self) -> Order {
        self.0.facts.path.cmp(&other.0.facts.path)
    }
}

impl<T> PartialOrd for ByPath<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for ByPath<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for ByPath<T> {}
