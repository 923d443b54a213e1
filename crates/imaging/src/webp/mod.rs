//! WebP in and out. In: our own reader of the container, image-webp (pure Rust) for each bitstream, and our own composition of
//! animations. Out: libwebp, lossy, with alpha and animation.

mod decode;
mod encode;
mod riff;

pub(crate) use decode::{decode, probe};
pub(crate) use encode::{Encoding, encode, encode_animation, encode_planes};
pub(crate) use riff::with_about;

#[cfg(test)]
mod tests;
