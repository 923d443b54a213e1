//! Pixels to an AVIF file: 8 bits, full range, BT.709 matrix, sRGB, alpha as an auxiliary picture of the same quality. Chroma is
//! halved (4:2:0) unless the picture shows that: then it is kept whole (4:4:4). It must never write metadata of the original
//! other than what it is handed.

use avif_serialize::{Aviffy, constants};

use super::cicp::{Cicp, PRIMARIES_BT_709, TRANSFER_SRGB, UNSPECIFIED};
use super::codec::{self, Effort, Planes};
use super::convert;
use super::{Encoded, Encoding};
use crate::copyright::Copyright;
use crate::pixels::{Channels, Pixels};
use crate::stop::check;
use crate::{Chroma, Error, Stop};

/// AV1 holds no longer side.
const SIDE_MAX: u32 = 65_536;

/// BT.709 rather than BT.601: with it the container's `colr` box differs from what its writer leaves out, so it is always written.
const CICP: Cicp = Cicp { primaries: PRIMARIES_BT_709, transfer: TRANSFER_SRGB, matrix: 1, full_range: true };

/// Alpha has no colour: only its range means anything.
const ALPHA_CICP: Cicp = Cicp { primaries: UNSPECIFIED, transfer: UNSPECIFIED, matrix: UNSPECIFIED, full_range: true };

/// Encodes one still picture. Alpha is written only where some pixel is translucent.
///
/// The stop is asked between the steps; libaom itself cannot be interrupted.
///
/// # Errors
/// A side over 65,536, an expired stop, or libaom's own.
pub(crate) fn encode(
    pixels: &Pixels,
    encoding: Encoding,
    copyright: &Copyright,
    stop: &dyn Stop,
) -> Result<Encoded, Error> {
    let (width, height) = (pixels.width, pixels.height);
    if width.max(height) > SIDE_MAX {
        return Err(Error::OutputTooLarge { asked: width.max(height).into(), max: SIDE_MAX.into() });
    }
    let planes = colour_planes(pixels, encoding.chroma);
    let whole_chroma = planes.whole_chroma;
    let cq_level = encoding.level.avif(whole_chroma);
    let effort = Effort { cq_level, speed: encoding.speed.min(9), perceptual: true };
    check(stop)?;
    let colour = codec::encode(&planes, CICP, effort)?;
    drop(planes);
    check(stop)?;
    let alpha = match pixels.is_translucent() {
        true => {
            let luma = pixels.data.iter().skip(3).step_by(4).copied().collect();
            let planes = Planes { width, height, luma, chroma: None, whole_chroma: false };
            Some(codec::encode(&planes, ALPHA_CICP, Effort { perceptual: false, ..effort })?)
        }
        false => None,
    };
    check(stop)?;
    let mut file = Aviffy::new();
    file.set_width(width)
        .set_height(height)
        .set_bit_depth(8)
        .set_seq_profile(u8::from(whole_chroma))
        .set_chroma_subsampling((!whole_chroma, !whole_chroma))
        .set_color_primaries(constants::ColorPrimaries::Bt709)
        .set_transfer_characteristics(constants::TransferCharacteristics::Srgb)
        .set_matrix_coefficients(constants::MatrixCoefficients::Bt709)
        .set_full_color_range(true);
    if let Some(tiff) = copyright.to_tiff() {
        file.set_exif(tiff);
    }
    let mut bytes = Vec::new();
    file.write_slice(&mut bytes, &colour, alpha.as_deref()).map_err(Error::encode)?;
    Ok(Encoded { bytes, cq_level, whole_chroma })
}

/// Where chroma has so little detail beside luma, it is nearly free, and keeping it whole saves more bytes at an equal score than it
/// costs: docs/imaging-quality.md has the measurements. Where it has none there is nothing to keep.
const LITTLE_BESIDE_LUMA: f64 = 0.26;
const LITTLE_MIN: f64 = 0.5;
/// Where halving would take so much from chroma, colour is all that the picture has. Levels of 256, as root mean squares.
const MUCH_MIN: f64 = 12.0;

fn colour_planes(pixels: &Pixels, chroma: Chroma) -> Planes {
    let keeps_whole = match chroma {
        _ if pixels.channels == Channels::Gray => false,
        Chroma::ByContent => {
            let (luma, chroma) = halving_loss(pixels);
            chroma >= MUCH_MIN || (chroma >= LITTLE_MIN && chroma <= luma * LITTLE_BESIDE_LUMA)
        }
        Chroma::Halved => false,
        Chroma::Whole => true,
    };
    if keeps_whole { whole_planes(pixels) } else { halved_planes(pixels) }
}

/// What halving takes, or would take, from luma and from both differences of chroma: how far each pixel is off the mean of its square
/// of four, as root mean squares. Every other square in every other row of squares is looked at, which is enough.
pub(crate) fn halving_loss(pixels: &Pixels) -> (f64, f64) {
    let step = pixels.channels.bytes();
    if pixels.channels == Channels::Gray {
        return (0.0, 0.0);
    }
    let (mut luma, mut chroma, mut count) = (0.0, 0.0, 0u32);
    for rows in pixels.data.chunks_exact(2 * pixels.row_bytes()).step_by(2) {
        let (upper, lower) = rows.split_at(pixels.row_bytes());
        for (upper, lower) in upper.chunks_exact(2 * step).zip(lower.chunks_exact(2 * step)).step_by(2) {
            let [of_luma, blue, red] = square_loss([&upper[..step], &upper[step..], &lower[..step], &lower[step..]]);
            luma += of_luma;
            chroma += blue + red;
            count += 1;
        }
    }
    let root = |sum: f64| (sum / f64::from(count.max(1))).sqrt();
    (root(luma), root(chroma))
}

/// The mean square of what four pixels are off their mean: luma, blue and red difference (BT.709).
fn square_loss(square: [&[u8]; 4]) -> [f64; 3] {
    let samples = square.map(|pixel| {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f64::from);
        let luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        [luma, (b - luma) / 1.8556, (r - luma) / 1.5748]
    });
    std::array::from_fn(|side| {
        let mean = samples.iter().map(|sample| sample[side]).sum::<f64>() / 4.0;
        samples.iter().map(|sample| (sample[side] - mean).powi(2)).sum::<f64>() / 4.0
    })
}

/// Luma and chroma at full size.
fn whole_planes(pixels: &Pixels) -> Planes {
    let step = pixels.channels.bytes();
    let mut luma = vec![0; pixels.data.len() / step];
    convert::luma_row(pixels.data.chunks_exact(step).map(|pixel| [pixel[0], pixel[1], pixel[2]]), &mut luma);
    let pairs =
        pixels.data.chunks_exact(step).map(|pixel| convert::chroma([pixel[0], pixel[1], pixel[2]].map(u32::from), 1));
    let (first, second) = pairs.unzip();
    Planes { width: pixels.width, height: pixels.height, luma, chroma: Some([first, second]), whole_chroma: true }
}

/// Luma at full size, chroma from the mean of each square of four (of what is there of it at odd edges).
fn halved_planes(pixels: &Pixels) -> Planes {
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
    Planes { width: pixels.width, height: pixels.height, luma, chroma: Some(chroma), whole_chroma: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QualityScale;
    use crate::quality::Level;

    const GOOD: Encoding =
        Encoding { level: Level { quality: 80, scale: QualityScale::Equal }, speed: 9, chroma: Chroma::ByContent };

    /// Red and blue in stripes of so many columns.
    fn stripes(columns: u32) -> Pixels {
        let colour = |x: u32| if (x / columns).is_multiple_of(2) { [250, 20, 20] } else { [20, 20, 250] };
        Pixels::new(64, 64, Channels::Rgb, (0..64 * 64).flat_map(|at| colour(at % 64)).collect()).unwrap()
    }

    #[test]
    fn chroma_is_whole_where_halving_would_show() {
        for (columns, whole) in [(1, true), (3, true), (64, false)] {
            let made = encode(&stripes(columns), GOOD, &Copyright::default(), &crate::Never).unwrap();
            assert_eq!(made.whole_chroma, whole, "{columns}: {:?}", halving_loss(&stripes(columns)));
        }
        // Letters in a dark blue on white: nearly all of their edges is brightness.
        let letters = |x: u32, y: u32| if x % 9 < 3 && (10..30).contains(&y) { [10, 10, 60] } else { [255; 3] };
        let data = (0..64 * 64).flat_map(|at| letters(at % 64, at / 64)).collect();
        let letters = Pixels::new(64, 64, Channels::Rgb, data).unwrap();
        assert!(encode(&letters, GOOD, &Copyright::default(), &crate::Never).unwrap().whole_chroma);
        for (chroma, whole) in [(Chroma::Halved, false), (Chroma::Whole, true)] {
            let made = encode(&stripes(3), Encoding { chroma, ..GOOD }, &Copyright::default(), &crate::Never).unwrap();
            assert_eq!(made.whole_chroma, whole);
        }
        let gray = Pixels::filled(3, 3, Channels::Gray, &[9]).unwrap();
        let made = encode(&gray, Encoding { chroma: Chroma::Whole, ..GOOD }, &Copyright::default(), &crate::Never);
        assert!(!made.unwrap().whole_chroma, "gray has none");
    }

    #[test]
    fn the_smallest_pictures_have_no_chroma_to_lose() {
        for (width, height) in [(1, 1), (1, 9), (9, 1), (2, 1)] {
            let pixels = Pixels::filled(width, height, Channels::Rgb, &[200, 10, 10]).unwrap();
            assert_eq!(halving_loss(&pixels), (0.0, 0.0));
            assert!(encode(&pixels, GOOD, &Copyright::default(), &crate::Never).is_ok());
        }
    }

    #[test]
    fn odd_sides_have_rounded_up_chroma() {
        let pixels = Pixels::filled(3, 5, Channels::Rgb, &[255, 0, 0]).unwrap();
        let planes = halved_planes(&pixels);
        assert_eq!(planes.luma, [54; 15]);
        assert_eq!(planes.chroma.unwrap(), [vec![99; 6], vec![255; 6]]);
    }

    #[test]
    fn a_side_beyond_the_format_is_refused_before_any_work() {
        let pixels = Pixels::filled(SIDE_MAX + 1, 1, Channels::Gray, &[0]).unwrap();
        let error = encode(&pixels, GOOD, &Copyright::default(), &crate::Never).unwrap_err();
        assert_eq!(error, Error::OutputTooLarge { asked: 65_537, max: 65_536 });
    }
}
