//! The write story: event → observe → plan → journal → run → receipt.
//!
//! An event is a hint. The source is asked what is true, a pure plan says what follows, the journal remembers it, and
//! the run fences every edge, deletes stored derivatives, tells the outer caches, and sweeps once more after the longest
//! fill. Every step is independent of the others' failure and is finished by a fresh process if this one dies. Nothing
//! here can delete an original: originals are seen through [`afterimage_store::Read`] alone.

#![forbid(unsafe_code)]

mod books;
mod bounded;
mod config;
mod copies;
mod digests;
mod drive;
mod fences;
mod forecast;
mod health;
mod hear;
mod hold;
mod journal;
mod journals;
mod later;
mod lock;
mod log;
mod named;
mod noticed;
mod observe;
mod order;
mod pages;
pub mod plan;
mod purger;
mod queue;
mod reach;
mod reconcile;
mod scan;
mod shard;
mod shelf;
mod visit;

pub use config::{Config, Error, MassLoss, Parts};
pub use health::Health;
pub use hear::Taker;
pub use journals::{Journal, Journals, STANDING};
pub use later::Later;
pub use lock::{Holder, StateLock};
pub use noticed::Noticed;
pub use order::{Filter, Order, OrderOf};
pub use purger::Purger;
pub use reconcile::{Mode, Progress, Report};
pub use shard::{Run, Shard};
pub use visit::{Ended, Left};
