//! JPEG in and out. The header is read here, by our own reader, so that every limit is checked before a decoder sees a byte. Nearly
//! every file is decoded by our own [`scaled`] decoder; the rest (arithmetic coding, CMYK, RGB, odd sampling) by libjpeg-turbo, or by
//! pure Rust in builds without it. Another decoder's warning is an error: it would otherwise fill what is missing with gray.

pub(crate) mod fuzzing;
mod header;
#[cfg(feature = "native")]
mod libjpeg;
mod light;
mod planes;
#[cfg(not(feature = "native"))]
mod pure;
mod quantisers;
mod scaled;
#[cfg(feature = "native")]
mod turbo;
mod ycc;

#[cfg(feature = "native")]
use libjpeg as encoder;
#[cfg(not(feature = "native"))]
use pure as decoder;
#[cfg(not(feature = "native"))]
use pure as encoder;
#[cfg(feature = "native")]
use turbo as decoder;

pub(crate) use encoder::ENCODES_PLANES;
pub(crate) use planes::{Layout, Picture, Wanted, enough, to_pixels};
pub use quantisers::Quantisers;

use afterimage_variant::Window;

pub(crate) use self::header::{Header, Walk};
use crate::colour;
use crate::copyright::Copyright;
use crate::encode::About;
use crate::pixels::{Channels, Frames, Pixels};
use crate::plane::Plane;
use crate::stop::{Stop, check};
use crate::{Error, Limits, Probe, Source};

/// Longest side of a JPEG that libjpeg-turbo writes.
const SIDE_MAX: u32 = 65_500;

/// What an encoder needs besides pixels.
#[derive(Debug, Clone)]
pub(crate) struct Encoding<'a> {
    pub(crate) quantisers: Quantisers,
    pub(crate) progressive: bool,
    pub(crate) about: About<'a>,
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

/// What the headers say, and the headers, so that a render need not walk the file twice.
pub(crate) fn probe<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Probe, Header<'a>), Error> {
    let header = header::read(bytes, limits)?;
    let mut probe = Probe::still(Source::Jpeg, header.width, header.height, header.facts.orientation, false, limits)?;
    // Ink is converted where it is decoded: both pictures are there at once.
    probe.channels = if header.components == 4 { 7 } else { header.components };
    probe.blocks = if header.progressive { header.blocks() } else { Vec::new() };
    probe.gain_map = header.gain_map;
    probe.scales = if Picture::is_known(&header) { &[1, 2, 3, 4, 5, 6, 7, 8] } else { decoder::SCALES };
    Ok((probe, header))
}

/// Decodes at `eighths`/8 of the full scale, one of the scales that probing names.
pub(crate) fn decode(bytes: &[u8], eighths: u32, limits: &Limits, stop: &dyn Stop) -> Result<Frames<'static>, Error> {
    let mut header = header::read(bytes, limits)?;
    check(stop)?;
    let samples = if Picture::is_known(&header) {
        let picture = Picture { bytes, header };
        let pixels = decode_whole(&picture, eighths, stop)?;
        header = picture.header;
        Samples::Pixels(pixels)
    } else {
        decoder::decode(bytes, &header, eighths, stop)?
    };
    check(stop)?;
    let (pixels, icc) = match samples {
        Samples::Pixels(pixels) => (pixels, header.icc.take()),
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
        copyright: copyright(&header),
        ..Frames::still(pixels)
    })
}

/// All of a picture by our own decoder, every sample of luma as it is.
fn decode_whole(picture: &Picture<'_>, eighths: u32, stop: &dyn Stop) -> Result<Pixels, Error> {
    let side = |side: u32| (side * eighths).div_ceil(8);
    let (width, height) = (side(picture.header.width), side(picture.header.height));
    // The last column may reach beyond the picture; here it is a whole one.
    let reach = |side: u32| f64::from(side) * 8.0 / f64::from(eighths);
    let window = Window { x: 0.0, y: 0.0, width: reach(width), height: reach(height) };
    let wanted = Wanted { window, width, height, residual_min: 1.0, layout: Layout::Full, as_decoded: true };
    to_pixels(picture.planes(&wanted, stop)?)
}

/// Bytes that a decoder keeps of each block of a progressive file at a scale.
pub(crate) fn coefficient_bytes(eighths: u32, scales: &[u32]) -> u64 {
    // libjpeg-turbo keeps all 64.
    if scales.len() < 8 { 128 } else { scaled::coefficient_bytes(eighths) }
}

pub(crate) fn copyright(header: &Header<'_>) -> Copyright {
    header.app13.iter().fold(Copyright::of_exif(&header.facts), |known, block| known.or_iptc(block))
}

/// Encodes gray or RGB, 4:2:0 with optimised Huffman tables.
pub(crate) fn encode(pixels: &Pixels, encoding: Encoding<'_>) -> Result<Vec<u8>, Error> {
    check_side(pixels.width.max(pixels.height))?;
    debug_assert_ne!(pixels.channels, Channels::Rgba, "alpha ends on the canvas");
    let jpeg = encoder::encode(pixels, &encoding.quantisers, encoding.progressive)?;
    Ok(with_about(jpeg, &encoding.about))
}

/// The same from Y, Cb and Cr at 4:2:0, or from Y alone, where [`ENCODES_PLANES`].
pub(crate) fn encode_planes(planes: &[Plane], encoding: Encoding<'_>) -> Result<Vec<u8>, Error> {
    check_side(planes[0].width.max(planes[0].height) as u32)?;
    let jpeg = encoder::encode_planes(planes, &encoding.quantisers, encoding.progressive)?;
    Ok(with_about(jpeg, &encoding.about))
}

fn check_side(side: u32) -> Result<(), Error> {
    if side > SIDE_MAX { Err(Error::OutputTooLarge { asked: side.into(), max: SIDE_MAX.into() }) } else { Ok(()) }
}

/// Puts APP1 and APP2 segments behind SOI. Exif asks to be first, and JFIF readers find APP0 behind it all the same. What is too long
/// for a segment is left out.
fn with_about(jpeg: Vec<u8>, about: &About<'_>) -> Vec<u8> {
    let mut head = jpeg[..2].to_vec();
    let mut put = |marker: u8, name: &[u8], body: &[u8]| {
        let Ok(segment_bytes) = u16::try_from(name.len() + body.len() + 2) else { return };
        head.extend_from_slice(&[0xff, marker]);
        head.extend_from_slice(&segment_bytes.to_be_bytes());
        head.extend_from_slice(name);
        head.extend_from_slice(body);
    };
    if let Some(tiff) = about.exif {
        put(0xe1, b"Exif\0\0", tiff);
    }
    if let Some(icc) = about.icc {
        // The first of one part.
        put(0xe2, b"ICC_PROFILE\0\x01\x01", icc);
    }
    if head.len() == 2 { jpeg } else { [&head, &jpeg[2..]].concat() }
}
