//! What happened to an original, from every dialect: the watch of a directory, and what buckets say by queue or webhook.
//!
//! An event is a hint that makes deletion fast. It names a key, a folder or everything, and says what seems to have
//! happened; whoever hears it asks the source. This crate must never decide what to remove, and must never stay silent
//! about what it could not see: when it lost count it says "everything".

#![forbid(unsafe_code)]

mod coalesce;
mod counters;
pub mod dialect;
mod ignored;
#[cfg(target_os = "linux")]
mod inotify;
mod intake;
mod keys;
mod places;
mod poll;
mod snapshot;
#[cfg(feature = "sns")]
mod sns;
#[cfg(feature = "sqs")]
mod sqs;
mod stop;
#[cfg(target_os = "linux")]
mod tree;
mod watch;
mod webhook;

pub use counters::{Counted, Counters, Counts};
pub use ignored::Ignored;
pub use intake::{Failed, Intake};
pub use places::{Originals, Place, Places};
#[cfg(feature = "sns")]
pub use sns::{Fetch, Topics};
#[cfg(feature = "sqs")]
pub use sqs::{Consumer, DELAY_MAX, QueueConfig, Sender};
pub use watch::{Config, Error, Mode, Prefer, Sink, Watch};
pub use webhook::{Delivery, Distrust, Signatures, Webhook};
