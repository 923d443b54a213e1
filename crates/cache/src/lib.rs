//! A shared cache whose purges cannot lose a race.
//!
//! One purge sequence orders every fence against every fetch: a fill takes the sequence before it asks anyone, and what
//! it brings is tested against all later fences before it is kept and before it is served. Proofs that an original is
//! still there are kept per original and age from the moment the question was sent. Time is an argument. The crate knows
//! no store, no picture and no transport. What HTTP says about caching stands in [`http`], pure functions that the caller
//! asks; what they decide comes in as [`Facts`]. A second tier on disk is optional.

mod cache;
mod config;
mod disk;
mod entry;
mod fences;
mod fill;
mod group;
pub mod http;
mod index;
mod members;
mod publish;
mod question;
#[cfg(test)]
mod races;
mod sieve;
mod sweep;
mod sync;
mod table;

pub use cache::{Admission, Cache, Found, MissWhy, Usage};
pub use config::{Config, Mistake};
pub use disk::{Codec, DiskConfig, DiskParts, DiskUsage, DropWhy, Files, MachineFiles, Moment, OpenError, Packed};
pub use entry::{Entry, Facts, Kept, Weigh};
pub use fill::{Abandoned, Begun, Fenced, Fill, Waiter};
pub use group::AHEAD_MAX;
pub use question::{ProofBegun, ProofFill, ProofWaiter, Settled};
