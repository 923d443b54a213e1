//! WebP in and out. In: our own reader of the container, image-webp (pure Rust) for each bitstream, and our own composition of
//! animations. Out: libwebp, lossy, with alpha, and our own choice of what an animation's frames hold.

mod animation;
mod decode;
mod encode;
mod riff;

pub(crate) use animation::encode_animation;
pub(crate) use decode::{decode, probe};
pub(crate) use encode::{Encoding, encode, encode_planes};
pub(crate) use riff::with_about;

#[cfg(test)]
mod tests;
