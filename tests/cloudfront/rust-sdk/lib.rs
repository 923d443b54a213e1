//! A built edge and CloudFront's Rust SDK as its client; everything is in `client.rs`.
