//! A hit of the cache.
fn main() {}
