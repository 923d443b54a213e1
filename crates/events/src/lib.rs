//! What happened to an original, from every dialect; so far the watch of a directory.
//!
//! An event is a hint that makes deletion fast. It names a key, a folder or everything, and says what seems to have
//! happened; whoever hears it asks the source. This crate must never decide what to remove, and must never stay silent
//! about what it could not see: when it lost count it says "everything".

#![forbid(unsafe_code)]

mod coalesce;
#[cfg(target_os = "linux")]
mod inotify;
mod keys;
mod poll;
mod snapshot;
mod stop;
#[cfg(target_os = "linux")]
mod tree;
mod watch;

pub use watch::{Config, Error, Mode, Prefer, Sink, Watch};
