//! The function over a bucket in this process, CloudFront's double and a queue, in processes that die.

mod beside;
mod binary;
mod fuse;
mod kill;
mod many;
mod noticed;
mod world;
