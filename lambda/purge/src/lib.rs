//! The write story as a function of AWS Lambda. It is called with what a bucket says, directly, through SQS or by EventBridge,
//! and with its own messages of what is to be done later. A call translates and bounds time; what is done is `purge`'s.

#![forbid(unsafe_code)]

mod event;
mod function;

pub use function::{Function, Pace};
