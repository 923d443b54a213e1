//! Child processes that can do nothing but their job: no files, no network, no other processes, so much memory and time, and
//! not a word to anybody but the parent. What runs in them is the caller's; this crate hands over bytes and takes bytes.
//!
//! The parent keeps a [`Place`] on each thread that has jobs: one worker at a time, started when needed, given one job at a time,
//! replaced after so many, killed at the deadline, and restarted, ever more slowly if it keeps dying. The child calls
//! [`serve`], which puts up the walls around itself before the first byte of a job is read. Where the kernel lacks one, the
//! [`Report`] says so and the others stand.
//!
//! What crosses: a message of at most [`MESSAGE_BYTES_MAX`] each way over a socket, the input in a sealed memory file that the
//! child maps, the output in another that the parent copies out. Nothing that a child says is believed further than that.

mod death;
mod inside;
mod limits;
mod link;
mod place;
mod report;
mod sheet;
mod tally;
mod walls;
mod worker;

pub use death::{Cause, Death};
pub use inside::{Answer, ServeError, serve};
pub use limits::{Command, Limits};
pub use link::MESSAGE_BYTES_MAX;
pub use place::{Error, Place, Workers};
pub use report::{Lack, Protection, Report};
pub use tally::Snapshot;
pub use worker::Job;
