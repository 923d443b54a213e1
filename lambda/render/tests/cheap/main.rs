//! Cheap mode from end to end: a CDN that asks the bucket of derivatives first and the built render function only for what is not
//! there, and the functions of the write story behind it. What only AWS can show: that CloudFront and S3 keep to what is written
//! down in `cdn.rs`.

mod cdn;
mod records;
mod story;
mod writing;

#[allow(dead_code)]
#[path = "../../../../crates/store/tests/bucket/double.rs"]
mod double;
#[allow(dead_code)]
#[path = "../../../purge/tests/functions/queue.rs"]
mod queue;
#[allow(dead_code)]
#[path = "../../../../crates/store/tests/bucket/state.rs"]
mod state;
