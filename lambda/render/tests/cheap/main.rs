//! Cheap mode from end to end: a CDN that asks the bucket of derivatives first and the built render function only for what is not
//! there, and the functions of the write story behind it. What only AWS can show: that CloudFront and S3 keep to what is written
//! down in `cdn.rs`.

mod cdn;
mod records;
mod story;
mod writing;
