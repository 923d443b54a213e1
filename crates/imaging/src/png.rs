//! PNG in: every colour type and depth, transparency by tRNS, Adam7; of an animated PNG the default image. Samples of 16 bits stay so.
//! Checksums count: a wrong one is damage.

mod encode;
mod palette;

use std::io::Cursor;

pub(crate) use self::encode::{Encoding, encode, encode_palette, encode_wide};
use crate::copyright::Copyright;
use crate::pixels::{Channels, Decoded, Frames, Pixels, Sample};
use crate::stop::{Stop, check};
use crate::{Error, Limits, Probe, Source, exif};

/// Rows decoded between two questions to [`Stop`].
const ROWS_PER_CHECK: u32 = 64;

fn damage(error: png::DecodingError, limits: &Limits) -> Error {
    match error {
        png::DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::truncated(error)
        }
        png::DecodingError::LimitsExceeded => Error::MetadataTooLarge {
            asked: limits.metadata_bytes_max.saturating_add(1),
            max: limits.metadata_bytes_max,
        },
        other => Error::broken(other),
    }
}

/// Width and height from IHDR, which the format puts first (PNG third edition, section 5.6), before the library sees anything.
fn dimensions(bytes: &[u8]) -> Result<(u32, u32), Error> {
    let header = bytes.get(8..29).ok_or_else(|| Error::truncated("the file ends within IHDR"))?;
    if &header[..8] != b"\0\0\0\x0dIHDR" {
        return Err(Error::broken("IHDR is not first"));
    }
    let side = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (width, height) = (side(8), side(12));
    if width == 0 || height == 0 {
        return Err(Error::broken(format!("{width}x{height} pixels")));
    }
    Ok((width, height))
}

fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<png::Reader<Cursor<&'a [u8]>>, Error> {
    let (width, height) = dimensions(bytes)?;
    limits.admit(width, height, 1)?;
    // The library takes text, profiles and EXIF from this one budget; texts are not even kept.
    let budget = png::Limits { bytes: usize::try_from(limits.metadata_bytes_max).unwrap_or(usize::MAX) };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), budget);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::EXPAND);
    decoder.read_info().map_err(|error| damage(error, limits))
}

pub(crate) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, Error> {
    let reader = open(bytes, limits)?;
    let info = reader.info();
    let orientation = info.exif_metadata.as_deref().map_or(1, |block| exif::read(block).orientation);
    let (colour, depth) = reader.output_color_type();
    let alpha = matches!(colour, png::ColorType::GrayscaleAlpha | png::ColorType::Rgba);
    let mut probe = Probe::still(Source::Png, info.width, info.height, orientation, alpha, limits)?;
    probe.channels = colour.samples() as u8;
    probe.wide = depth == png::BitDepth::Sixteen;
    Ok(probe)
}

pub(crate) fn decode(bytes: &[u8], limits: &Limits, stop: &dyn Stop) -> Result<Frames<'static>, Error> {
    let mut reader = open(bytes, limits)?;
    let (width, height) = (reader.info().width, reader.info().height);
    let facts = reader.info().exif_metadata.as_deref().map(exif::read).unwrap_or_default();
    let icc = match reader.info().srgb {
        Some(_) => None,
        None => reader.info().icc_profile.as_deref().map(<[u8]>::to_vec),
    };
    let (colour, depth) = reader.output_color_type();
    let bytes_needed = reader.output_buffer_size().ok_or_else(|| Error::broken("rows too long"))?;
    let mut data = vec![0; bytes_needed];
    if reader.info().interlaced {
        reader.next_frame(&mut data).map_err(|error| damage(error, limits))?;
    } else {
        let row_bytes = bytes_needed / height as usize;
        for (y, row) in (0u32..).zip(data.chunks_exact_mut(row_bytes)) {
            if y % ROWS_PER_CHECK == 0 {
                check(stop)?;
            }
            if reader.read_row(row).map_err(|error| damage(error, limits))?.is_none() {
                return Err(Error::truncated("rows are missing"));
            }
        }
    }
    check(stop)?;
    // What follows the pixels is read too: a missing IEND, or a wrong checksum behind the last row, is damage.
    reader.finish().map_err(|error| damage(error, limits))?;
    let pixels: Decoded = match depth {
        png::BitDepth::Sixteen => {
            let words = data.as_chunks::<2>().0.iter().map(|word| u16::from_be_bytes(*word)).collect();
            joined(width, height, colour, words)?.without_idle_alpha().into()
        }
        _ => joined(width, height, colour, data)?.without_idle_alpha().into(),
    };
    Ok(Frames { orientation: facts.orientation, icc, copyright: Copyright::of_exif(&facts), ..Frames::still(pixels) })
}

/// Samples as the library gives them, as pixels.
fn joined<S: Sample>(width: u32, height: u32, colour: png::ColorType, data: Vec<S>) -> Result<Pixels<S>, Error> {
    match colour {
        png::ColorType::Grayscale => Pixels::new(width, height, Channels::Gray, data),
        png::ColorType::Rgb => Pixels::new(width, height, Channels::Rgb, data),
        png::ColorType::Rgba => Pixels::new(width, height, Channels::Rgba, data),
        png::ColorType::GrayscaleAlpha => {
            let data = data.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
            Pixels::new(width, height, Channels::Rgba, data)
        }
        png::ColorType::Indexed => Err(Error::broken("a palette was not expanded")),
    }
}

#[cfg(test)]
mod tests;
