//! The traits through which siblings that never import each other meet. Siblings depend on these; the wiring joins them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::{CacheTag, Event, Original, OriginalKey, Selector, Sequence, Stamp, Version};

/// A boxed future: a pointer costs less than builds that take minutes.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a source could not say whether an original is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unprovable {
    /// The root of the directory is gone, or is another one than at start.
    RootChanged,
    /// The source refused (401, 403, EACCES), so its silence proves nothing.
    Refused,
    /// The source did not answer, or failed.
    Unreachable,
    /// The source did not answer in time.
    TimedOut,
    /// The original kept changing while it was read.
    Unstable,
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Unprovable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootChanged => f.write_str("the source's root is not the one seen at start"),
            Self::Refused => f.write_str("the source refused"),
            Self::Unreachable => f.write_str("the source did not answer"),
            Self::TimedOut => f.write_str("the source did not answer in time"),
            Self::Unstable => f.write_str("the original kept changing while it was read"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// What a source says of one original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there, with this version.
    Present(Version),
    /// It is proven not to be there.
    Gone,
    /// Nothing is proven.
    Unprovable(Unprovable),
}

/// An answer and the moment just before the question was sent; the age of a proof counts from there (GUARANTEE, rule 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The local clock just before the source was asked.
    pub asked_at: Stamp,
    /// What it said.
    pub answer: Answer,
}

/// Asks a source what is true of one original.
pub trait Ask: Send + Sync {
    /// Never fails: what cannot be learnt is [`Answer::Unprovable`].
    fn ask<'a>(&'a self, key: &'a OriginalKey) -> BoxFuture<'a, Proof>;
}

/// What raising a fence did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The fence's position.
    pub sequence: Sequence,
    /// How many entries it covered.
    pub matched: u64,
    /// How many fills were under way that it covers or may cover.
    pub overlapping: u64,
}

/// Makes everything that a selector covers and that was fetched before now unusable, at once.
pub trait Fence: Send + Sync {
    /// The layer's name in receipts.
    fn name(&self) -> &str;
    /// When it returns, nothing covered that was fetched before the call is ever served again.
    fn raise(&self, selector: &Selector) -> Raised;
    /// Resolves when no fill that began before `sequence` and that `selector` may cover is still under way.
    fn drained<'a>(&'a self, sequence: Sequence, selector: &'a Selector) -> BoxFuture<'a, ()>;
    /// Resolves when nothing that a fence up to `sequence` covers takes room here any more: a fence hides, erasure deletes.
    fn erased(&self, sequence: Sequence) -> BoxFuture<'_, ()>;
}

/// What an outer cache is told to forget: everything about one original, or about one folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invalidation {
    /// Stable per attempt, for layers that want an idempotency key.
    pub reference: String,
    /// The originals it is about.
    pub originals: Vec<Original>,
    /// The tag that covers them all, where there is one.
    pub tag: Option<CacheTag>,
    /// Exact paths to forget.
    pub paths: Vec<String>,
    /// Path prefixes to forget.
    pub prefixes: Vec<String>,
}

/// An outer cache could not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidateError {
    /// Why, in words.
    pub why: String,
    /// Whether trying again may help.
    pub retry: bool,
}

impl fmt::Display for InvalidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for InvalidateError {}

/// What telling an outer cache would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// The layer's name.
    pub layer: String,
    /// How things are named to it, in words.
    pub by: String,
    /// What it would be told, at most the first 1,000 items.
    pub items: Vec<String>,
    /// How many items there are in all.
    pub items_count: u64,
    /// In how many waves they would go out: each may begin only when the one before is complete.
    pub waves: u64,
    /// How many items a month cost nothing. How many were used is known to whoever writes the bill.
    pub free_a_month: u64,
    /// What all items cost where none is free any more, in millionths of a dollar.
    pub microdollars_max: u64,
}

/// An outer cache that can be told to forget: a CDN, another edge.
pub trait Invalidate: Send + Sync {
    /// The layer's name in receipts.
    fn name(&self) -> &str;
    /// Resolves when the layer says that it has forgotten.
    fn invalidate<'a>(&'a self, what: &'a Invalidation) -> BoxFuture<'a, Result<(), InvalidateError>>;
    /// What telling it all this would take. Nothing is told.
    fn forecast<'a>(&'a self, what: &'a [Invalidation]) -> BoxFuture<'a, Result<Forecast, InvalidateError>>;
}

/// Takes an event, sent and forgotten: the read story's only word to the write story.
pub trait Notice: Send + Sync {
    /// Never blocks. What cannot be taken now is found again by the next read or scan.
    fn notice(&self, event: Event);
}

/// Events were not taken; the messenger has to bring them again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// Why, in words.
    pub why: String,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for NotTaken {}

/// Takes events for good: a messenger that keeps them until then (a queue, a webhook that is tried again) may forget them.
pub trait Take: Send + Sync {
    /// For each event, in their order: `Ok` when it is known what follows, and that (if anything) is fenced and survives this
    /// process. Whoever stops waiting stops nothing.
    fn take(&self, events: Vec<Event>) -> BoxFuture<'_, Vec<Result<(), NotTaken>>>;
}
