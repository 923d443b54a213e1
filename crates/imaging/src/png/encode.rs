//! PNG out: 8 bits, a palette where that loses nothing or is asked for, or 16 bits.

use std::io::Write;

use png::{DeflateCompression, Filter};

use super::palette::{self, Indexed};
use crate::encode::About;
use crate::pixels::{Channels, Pixels, Sample};
use crate::quantise::{self, Reduced};
use crate::stop::{Stop, check};
use crate::{Error, PngEffort};

/// How to encode.
#[derive(Clone, Copy)]
pub(crate) struct Encoding<'a> {
    pub(crate) effort: PngEffort,
    pub(crate) about: About<'a>,
    pub(crate) stop: &'a dyn Stop,
}

/// Bytes deflated between two questions to [`Stop`]: some milliseconds at the slowest.
const BYTES_PER_CHECK: usize = 1 << 16;

/// Filters that are tried where files shall be small. Photographs want the one, drawings the other; which it is shows when it is done.
const TRIED: [Filter; 2] = [Filter::Adaptive, Filter::NoFilter];
/// What deflate is told then. Levels above take ten times as long for a fiftieth.
const SMALL: DeflateCompression = DeflateCompression::Level(6);

fn info<'a, S: Sample>(pixels: &Pixels<S>, about: &About<'a>) -> png::Info<'a> {
    let mut info = png::Info::with_size(pixels.width, pixels.height);
    info.exif_metadata = about.exif.map(Into::into);
    // A profile for RGB beside gray samples would be damage.
    info.icc_profile = about.icc.filter(|_| pixels.channels != Channels::Gray).map(Into::into);
    info.bit_depth = if S::FULL > 255 { png::BitDepth::Sixteen } else { png::BitDepth::Eight };
    info.color_type = match pixels.channels {
        Channels::Gray => png::ColorType::Grayscale,
        Channels::Rgb => png::ColorType::Rgb,
        Channels::Rgba => png::ColorType::Rgba,
    };
    info
}

/// Encodes 16 bits a sample.
pub(crate) fn encode_wide(pixels: &Pixels<u16>, encoding: &Encoding<'_>) -> Result<Vec<u8>, Error> {
    let data: Vec<u8> = pixels.data.iter().flat_map(|sample| sample.to_be_bytes()).collect();
    write(&info(pixels, &encoding.about), &data, encoding)
}

/// Encodes with a palette of at most 256 colours, and says how many: exact where there are no more, else the nearest, dithered. Gray
/// has no more.
pub(crate) fn encode_palette(pixels: Pixels, encoding: &Encoding<'_>) -> Result<(Vec<u8>, usize), Error> {
    if pixels.channels == Channels::Gray {
        return Ok((encode(&pixels, encoding)?, 256));
    }
    if let Some(indexed) = palette::index(&pixels) {
        return Ok((write_indexed(&pixels, &indexed, encoding)?, indexed.colours.len() / 3));
    }
    let pixels = pixels.into_rgba();
    let Reduced { colours, indices } = quantise::reduce(&pixels.data, pixels.width as usize, &pixels.data, 256)?;
    let data = indices.iter().flat_map(|index| colours[usize::from(*index)]).collect();
    let pixels = Pixels { data, ..pixels };
    let indexed = palette::index(&pixels).ok_or_else(|| Error::encode("a palette of more than 256 colours"))?;
    Ok((write_indexed(&pixels, &indexed, encoding)?, indexed.colours.len() / 3))
}

/// Encodes, with a palette where that loses nothing.
pub(crate) fn encode(pixels: &Pixels, encoding: &Encoding<'_>) -> Result<Vec<u8>, Error> {
    match palette::index(pixels) {
        Some(indexed) => write_indexed(pixels, &indexed, encoding),
        None => write(&info(pixels, &encoding.about), &pixels.data, encoding),
    }
}

fn write_indexed(pixels: &Pixels, indexed: &Indexed, encoding: &Encoding<'_>) -> Result<Vec<u8>, Error> {
    let mut info = info(pixels, &encoding.about);
    info.color_type = png::ColorType::Indexed;
    info.bit_depth = indexed.depth;
    info.palette = Some((&indexed.colours).into());
    info.trns = (!indexed.alphas.is_empty()).then(|| (&indexed.alphas).into());
    // Neighbouring indices are no neighbouring colours: filters only hurt, and a slower deflate pays.
    let deflate = match encoding.effort {
        PngEffort::Fast => DeflateCompression::default(),
        PngEffort::Small => DeflateCompression::Level(9),
    };
    deflated(&info, &indexed.rows, deflate, Filter::NoFilter, encoding.stop)
}

fn write(info: &png::Info<'_>, data: &[u8], encoding: &Encoding<'_>) -> Result<Vec<u8>, Error> {
    match encoding.effort {
        // fdeflate, in one go: there are rows enough only for milliseconds.
        PngEffort::Fast => {
            let mut out = Vec::new();
            let mut encoder = png::Encoder::with_info(&mut out, info.clone()).map_err(Error::encode)?;
            encoder.set_compression(png::Compression::Fast);
            let mut writer = encoder.write_header().map_err(Error::encode)?;
            writer.write_image_data(data).map_err(Error::encode)?;
            writer.finish().map_err(Error::encode)?;
            Ok(out)
        }
        PngEffort::Small => {
            let mut smallest: Option<Vec<u8>> = None;
            for filter in TRIED {
                let made = deflated(info, data, SMALL, filter, encoding.stop)?;
                if smallest.as_ref().is_none_or(|smallest| made.len() < smallest.len()) {
                    smallest = Some(made);
                }
            }
            smallest.ok_or_else(|| Error::encode("no filter was tried"))
        }
    }
}

/// Writes with zlib's deflate, which takes long enough to be asked to stop.
fn deflated(
    info: &png::Info<'_>,
    data: &[u8],
    deflate: DeflateCompression,
    filter: Filter,
    stop: &dyn Stop,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::with_info(&mut out, info.clone()).map_err(Error::encode)?;
    encoder.set_deflate_compression(deflate);
    encoder.set_filter(filter);
    let mut writer = encoder.write_header().map_err(Error::encode)?;
    let mut rows = writer.stream_writer().map_err(Error::encode)?;
    for part in data.chunks(BYTES_PER_CHECK) {
        check(stop)?;
        rows.write_all(part).map_err(Error::encode)?;
    }
    rows.finish().map_err(Error::encode)?;
    writer.finish().map_err(Error::encode)?;
    Ok(out)
}
