//! https to others, tried on the built binary: servers of originals, and caches in front.
#![cfg(feature = "tls")]

mod origin;
mod outer;
mod world;
