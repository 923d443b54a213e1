//! Models that check the guarantee about deletion by trying everything that may happen.
//!
//! [`protocol`] is the protocol on paper: one original, two edges, a store of derivatives, a cleaner, and a network that
//! loses, doubles and delays. It shares no code with the product, so that a mistake made in one is not made in both.

pub mod protocol;
mod step;
