//! JPEG in and out. The header is read here, by our own reader, so that every limit is checked before a decoder sees a byte; pixels
//! come from libjpeg-turbo, or from pure Rust in builds without it. A decoder's warning is an error: it would otherwise fill what is
//! missing with gray.

mod header;
#[cfg(not(feature = "native"))]
mod pure;
#[cfg(feature = "native")]
mod turbo;

#[cfg(not(feature = "native"))]
use pure as codec;
#[cfg(feature = "native")]
use turbo as codec;

use crate::colour;
use crate::copyright::Copyright;
use crate::pixels::{Channels, Frames, Pixels};
use crate::stop::{Stop, check};
use crate::{Error, Limits, Probe, Source};

/// Longest side of a JPEG that libjpeg-turbo writes.
const SIDE_MAX: u32 = 65_500;

/// What an encoder needs besides pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoding<'a> {
    /// 1 to 100.
    pub(crate) quality: u8,
    pub(crate) progressive: bool,
    /// Body of an EXIF block to write.
    pub(crate) exif: Option<&'a [u8]>,
}

/// Samples as a decoder gives them.
enum Samples {
    Pixels(Pixels),
    /// Four bytes a pixel as stored, not yet told apart from Adobe's inversion.
    Cmyk {
        width: u32,
        height: u32,
        data: Vec<u8>,
    },
}

pub(crate) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, Error> {
    let header = header::read(bytes, limits)?;
    let mut probe = Probe::still(Source::Jpeg, header.width, header.height, header.facts.orientation, false, limits)?;
    // Ink is converted where it is decoded: both pictures are there at once.
    probe.channels = if header.components == 4 { 7 } else { header.components };
    probe.progressive = header.progressive;
    Ok(probe)
}

/// The scales in eighths at which decoding is cheaper than at the next one.
pub(crate) const SCALES: &[u32] = codec::SCALES;

/// Decodes at `eighths`/8 of the full scale, one of [`SCALES`].
pub(crate) fn decode(bytes: &[u8], eighths: u32, limits: &Limits, stop: &dyn Stop) -> Result<Frames<'static>, Error> {
    let header = header::read(bytes, limits)?;
    limits.admit(header.width, header.height, 1)?;
    check(stop)?;
    let samples = codec::decode(bytes, &header, eighths, stop)?;
    check(stop)?;
    let (pixels, icc) = match samples {
        Samples::Pixels(pixels) => (pixels, header.icc),
        Samples::Cmyk { width, height, mut data } => {
            // Adobe's writers store how much light is left, everybody else how much ink there is.
            if header.adobe_transform.is_some() {
                data.iter_mut().for_each(|value| *value = 255 - *value);
            }
            (colour::cmyk_to_srgb(width, height, &data, header.icc.as_deref())?, None)
        }
    };
    let scaled = |side: u32| f64::from(side) * f64::from(eighths) / 8.0;
    Ok(Frames {
        width: header.width,
        height: header.height,
        extent: (scaled(header.width), scaled(header.height)),
        orientation: header.facts.orientation,
        icc,
        copyright: header.app13.iter().fold(Copyright::of_exif(&header.facts), |known, block| known.or_iptc(block)),
        ..Frames::still(pixels)
    })
}

/// Encodes gray or RGB, 4:2:0 with optimised Huffman tables.
pub(crate) fn encode(pixels: &Pixels, encoding: Encoding<'_>) -> Result<Vec<u8>, Error> {
    let side = pixels.width.max(pixels.height);
    if side > SIDE_MAX {
        return Err(Error::OutputTooLarge { asked: side.into(), max: SIDE_MAX.into() });
    }
    debug_assert_ne!(pixels.channels, Channels::Rgba, "alpha ends on the canvas");
    let jpeg = codec::encode(pixels, encoding.quality.clamp(1, 100), encoding.progressive)?;
    Ok(match encoding.exif {
        Some(tiff) => with_exif(jpeg, tiff),
        None => jpeg,
    })
}

/// Puts an APP1 segment behind SOI. Exif asks to be first, and JFIF readers find APP0 behind it all the same.
fn with_exif(jpeg: Vec<u8>, tiff: &[u8]) -> Vec<u8> {
    let Ok(segment_bytes) = u16::try_from(tiff.len() + 8) else { return jpeg };
    let [high, low] = segment_bytes.to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1, high, low], b"Exif\0\0", tiff, &jpeg[2..]].concat()
}
