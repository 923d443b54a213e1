//! The built function over a bucket in this process, as the service runs it: one event at a time, frozen in between.

mod absence;
mod answers;
mod faults;
mod sleep;
mod world;

// The bucket of the store's own tests: one double, one set of its faults.
#[allow(dead_code)]
#[path = "../../../../crates/store/tests/bucket/double.rs"]
mod double;
#[allow(dead_code)]
#[path = "../../../../crates/store/tests/bucket/state.rs"]
mod state;
