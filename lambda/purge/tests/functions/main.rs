//! The function over a bucket in this process, CloudFront's double and a queue, in processes that die.

#[path = "../../../../crates/store/tests/bucket/double.rs"]
#[allow(dead_code)]
mod double;
#[path = "../../../../crates/store/tests/bucket/state.rs"]
#[allow(dead_code)]
mod state;

mod beside;
mod binary;
mod fuse;
mod kill;
mod queue;
mod world;
