//! Pixels to an AVIF file: 8-bit 4:2:0, full range, BT.709 matrix, sRGB, alpha as an auxiliary picture. It must never write
//! metadata of the original other than what it is handed.
//!
//! Quality 1 to 100 becomes libaom's quantiser as avifenc and sharp have it: `(100 - quality) * 63 / 100`, rounded, so that a
//! quality means here what it means there. It stops at 1: quantiser 0 is AV1's lossless mode, which doubles the bytes and
//! cannot be lossless after 4:2:0. Alpha takes the same quality.

use avif_serialize::{Aviffy, constants};

use super::cicp::{Cicp, PRIMARIES_BT_709, TRANSFER_SRGB, UNSPECIFIED};
use super::codec::{self, Effort, Planes};
use super::convert;
use crate::copyright::Copyright;
use crate::pixels::{Channels, Pixels};
use crate::stop::check;
use crate::{Error, Stop};

/// AV1 holds no longer side.
const SIDE_MAX: u32 = 65_536;

/// BT.709 rather than BT.601: with it the container's `colr` box differs from what its writer leaves out, so it is always written.
const CICP: Cicp = Cicp { primaries: PRIMARIES_BT_709, transfer: TRANSFER_SRGB, matrix: 1, full_range: true };

/// Alpha has no colour: only its range means anything.
const ALPHA_CICP: Cicp = Cicp { primaries: UNSPECIFIED, transfer: UNSPECIFIED, matrix: UNSPECIFIED, full_range: true };

/// libaom's quantiser for a quality of 1 to 100; beyond those, the nearest.
fn cq_level(quality: u8) -> u8 {
    let lost = 100 - u32::from(quality.clamp(1, 100));
    ((lost * 63 + 50) / 100).max(1) as u8
}

/// Encodes one still picture; `speed` is libaom's, 0 to 9. Alpha is written only where some pixel is translucent.
///
/// The stop is asked between the steps; libaom itself cannot be interrupted.
///
/// # Errors
/// A side over 65,536, an expired stop, or libaom's own.
pub(crate) fn encode(
    pixels: &Pixels,
    quality: u8,
    speed: u8,
    copyright: &Copyright,
    stop: &dyn Stop,
) -> Result<Vec<u8>, Error> {
    let (width, height) = (pixels.width, pixels.height);
    if width.max(height) > SIDE_MAX {
        return Err(Error::OutputTooLarge { asked: width.max(height).into(), max: SIDE_MAX.into() });
    }
    let effort = Effort { cq_level: cq_level(quality), speed: speed.min(9), perceptual: true };
    let planes = colour_planes(pixels);
    check(stop)?;
    let colour = codec::encode(&planes, CICP, effort)?;
    drop(planes);
    check(stop)?;
    let alpha = match pixels.is_translucent() {
        true => {
            let luma = pixels.data.iter().skip(3).step_by(4).copied().collect();
            let planes = Planes { width, height, luma, chroma: None };
            Some(codec::encode(&planes, ALPHA_CICP, Effort { perceptual: false, ..effort })?)
        }
        false => None,
    };
    check(stop)?;
    let mut file = Aviffy::new();
    file.set_width(width)
        .set_height(height)
        .set_bit_depth(8)
        .set_seq_profile(0)
        .set_chroma_subsampling((true, true))
        .set_color_primaries(constants::ColorPrimaries::Bt709)
        .set_transfer_characteristics(constants::TransferCharacteristics::Srgb)
        .set_matrix_coefficients(constants::MatrixCoefficients::Bt709)
        .set_full_color_range(true);
    if let Some(tiff) = copyright.to_tiff() {
        file.set_exif(tiff);
    }
    let mut bytes = Vec::new();
    file.write_slice(&mut bytes, &colour, alpha.as_deref()).map_err(Error::encode)?;
    Ok(bytes)
}

/// Luma at full size, chroma from the mean of each square of four (of what is there of it at odd edges).
fn colour_planes(pixels: &Pixels) -> Planes {
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    let step = pixels.channels.bytes();
    let colour = |pixel: &[u8]| match pixels.channels {
        Channels::Gray => [pixel[0]; 3],
        Channels::Rgb | Channels::Rgba => [pixel[0], pixel[1], pixel[2]],
    };
    let mut luma = vec![0; width * height];
    let mut chroma = [Vec::new(), Vec::new()].map(|mut plane: Vec<u8>| {
        plane.reserve_exact(width.div_ceil(2) * height.div_ceil(2));
        plane
    });
    for (rows, out) in pixels.data.chunks(2 * pixels.row_bytes()).zip(luma.chunks_mut(2 * width)) {
        for (row, out) in rows.chunks_exact(pixels.row_bytes()).zip(out.chunks_exact_mut(width)) {
            convert::luma_row(row.chunks_exact(step).map(colour), out);
        }
        let (upper, lower) = rows.split_at(pixels.row_bytes());
        for x in (0..width).step_by(2) {
            let mut sum = [0; 3];
            let mut count = 0;
            for row in [upper, lower] {
                for pixel in row.chunks_exact(step).skip(x).take(2) {
                    colour(pixel).iter().zip(&mut sum).for_each(|(value, sum)| *sum += u32::from(*value));
                    count += 1;
                }
            }
            let (first, second) = convert::chroma(sum, count);
            chroma[0].push(first);
            chroma[1].push(second);
        }
    }
    Planes { width: pixels.width, height: pixels.height, luma, chroma: Some(chroma) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_are_those_of_avifenc() {
        for (quality, wanted) in [(0, 62), (1, 62), (50, 32), (60, 25), (80, 13), (98, 1), (99, 1), (100, 1), (255, 1)]
        {
            assert_eq!(cq_level(quality), wanted, "{quality}");
        }
    }

    #[test]
    fn odd_sides_have_rounded_up_chroma() {
        let pixels = Pixels::filled(3, 5, Channels::Rgb, &[255, 0, 0]).unwrap();
        let planes = colour_planes(&pixels);
        assert_eq!(planes.luma, [54; 15]);
        assert_eq!(planes.chroma.unwrap(), [vec![99; 6], vec![255; 6]]);
    }

    #[test]
    fn a_side_beyond_the_format_is_refused_before_any_work() {
        let pixels = Pixels::filled(SIDE_MAX + 1, 1, Channels::Gray, &[0]).unwrap();
        let error = encode(&pixels, 50, 9, &Copyright::default(), &crate::Never).unwrap_err();
        assert_eq!(error, Error::OutputTooLarge { asked: 65_537, max: 65_536 });
    }
}
