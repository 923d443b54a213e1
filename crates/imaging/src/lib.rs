//! Bytes of an original in, bytes of a derivative out, under limits.
//!
//! The whole of what touches pixels: what kind of file this is ([`sniff`]), what is in it ([`probe`]), what a render will cost
//! ([`predicted_bytes`]), the render itself ([`render`]) and the sanitised original ([`strip`]). Everything is synchronous and
//! deterministic: the same bytes, variant and settings give the same answer on the same machine.
//!
//! Every byte that comes in is hostile. Limits are checked from headers before anything of the picture's size is allocated, a
//! damaged or truncated picture is an [`Error`] and never half a picture, and nothing here may panic on any input. This crate
//! never knows HTTP, stores or an async runtime.
//!
//! The order of operations: decode, upright by EXIF, flip and turn, rect, trim, window and scale (in linear light where the settings
//! say so), colour, blur and sharpen, canvas and background, to 8 bits, encode. Turning is done last of all where that gives the same pixels, because the small picture is cheaper to turn.

mod avif;
mod canvas;
mod chosen;
mod colour;
mod copyright;
mod decode;
mod effect;
mod encode;
mod error;
mod exif;
mod gain_map;
mod geometry;
mod gif;
mod hash;
mod info;
pub mod job;
mod jpeg;
mod light;
mod pixels;
mod plane;
mod png;
mod predict;
mod probe;
mod quality;
mod quantise;
mod render;
mod scale;
mod search;
mod settings;
mod sniff;
mod stop;
mod strip;
mod trim;
mod webp;

pub use error::{Error, Fault};
pub use gain_map::GainMap;
pub use predict::predicted_bytes;
pub use probe::{Probe, probe};
pub use quality::QualityScale;
pub use render::{Rendered, render};
pub use settings::{Chroma, Limits, Mistake, PngEffort, QualityDefaults, Scaling, Settings};
pub use sniff::{Source, sniff};
pub use stop::{Never, Stop};
pub use strip::strip;

/// What is fuzzed by itself, because files seldom reach it whole. Not an interface.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::jpeg::fuzzing::{Rows, jpeg_rows};
}

/// What `examples/equal_quality.rs` and `examples/jpeg_tables.rs` fit. Not an interface.
#[doc(hidden)]
pub mod measuring {
    use crate::encode::About;
    pub use crate::jpeg::Quantisers;
    use crate::jpeg::{self, Encoding};
    use crate::pixels::{Channels, Pixels};
    use crate::quality::auto::Look;

    /// What an expected score is made of, for RGB pixels that are quantised so.
    pub fn features(width: u32, height: u32, rgb: &[u8], quantisers: &Quantisers) -> Option<Vec<f64>> {
        let pixels = Pixels::new(width, height, Channels::Rgb, rgb.to_vec()).ok()?;
        Some(Look::at_pixels(&pixels).features(quantisers).to_vec())
    }

    /// A JPEG of RGB pixels with any tables.
    pub fn jpeg(width: u32, height: u32, rgb: &[u8], quantisers: &Quantisers) -> Option<Vec<u8>> {
        let pixels = Pixels::new(width, height, Channels::Rgb, rgb.to_vec()).ok()?;
        let encoding = Encoding { quantisers: quantisers.clone(), progressive: false, about: About::default() };
        jpeg::encode(&pixels, encoding).ok()
    }

    /// What halving would take from luma and takes from chroma.
    #[cfg(feature = "native")]
    pub fn halving_loss(width: u32, height: u32, rgb: &[u8]) -> Option<(f64, f64)> {
        Some(crate::avif::halving_loss(&Pixels::new(width, height, Channels::Rgb, rgb.to_vec()).ok()?))
    }
}
