//! A bucket in the test's own process, with whatever is ordered to go wrong with it.

mod double;
mod state;

pub use double::{BUCKET, Double};
pub use s3s::S3ErrorCode;
pub use state::{Fault, State, Version};
