//! The reconciler as a function of AWS Lambda: on a schedule it compares what is stored with its originals, a part at a call,
//! and goes on where the last call stopped.

#![forbid(unsafe_code)]

mod function;

pub use function::Function;
