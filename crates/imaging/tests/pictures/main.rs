//! The crate from outside, on real pictures: what comes out, what is refused, what hostile bytes do, and what it looks like.

mod support;

mod colour;
mod copyright;
mod formats;
mod gain_map;
#[cfg(feature = "native")]
mod golden;
mod hostile;
mod limits;
mod memory;
mod quality;
mod sizes;
