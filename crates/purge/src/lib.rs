//! The write story: something happened to an original, so what was made from it has to go.
//!
//! event → observe (ask the source what is true) → plan (pure) → fence → journal → delete → tell the CDNs → sweep again →
//! receipt. Each step is independent of the others' failure, retried, and finished by a fresh process if this one is
//! killed. Nothing here can delete an original: it has none in its hands, only the right to ask.

mod config;
mod journal;
mod lock;
mod observe;
mod plan;
mod purger;
mod queue;
mod reconcile;
mod run;

pub use config::{Config, Error, Parts};
pub use journal::JOURNAL_BYTES_MAX;
pub use lock::{Held, StateLock};
pub use plan::{Stored, plan};
pub use purger::{Health, Order, Purger};
pub use reconcile::{Mode, Progress, Report};
