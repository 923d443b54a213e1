//! What the functions of AWS Lambda share: how a process begins, where its settings come from, how it says that it cannot work,
//! and how calls of the write story come in. Nothing is decided here about pictures or purges.

#![forbid(unsafe_code)]

mod call;
mod refuse;
mod settings;
mod start;

pub use call::{Answers, now_ms, run_until, serve};
pub use settings::{list, settings};
pub use start::{Ended, start};
