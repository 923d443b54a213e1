//! A double of the Lambda Runtime API `2018-06-01`, and of the sandbox around it: starts a built binary as the service does
//! (its environment, one event at a time, a deadline, frozen between two events), and hands back what it answered.
//!
//! What the service would refuse, the double refuses. It runs the binary as the tests' own user over the whole file system:
//! that only `/tmp` can be written to is not shown by it.

mod answer;
mod api;
mod event;
mod sandbox;

pub use answer::{Answered, Outcome};
pub use event::url_event;
pub use sandbox::{Function, Invocation, Refused, Sandbox, bootstrap};
