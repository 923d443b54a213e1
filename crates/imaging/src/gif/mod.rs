//! GIF in and out. In: our own walk over the blocks for limits, the `gif` crate for the codes, our own composition of partial
//! frames. Out: a palette for each frame, and only what changed since the frame before.

mod blocks;
mod decode;
mod encode;
mod quantise;

pub(crate) use decode::{decode, probe};
pub(crate) use encode::encode;

#[cfg(test)]
mod tests;
