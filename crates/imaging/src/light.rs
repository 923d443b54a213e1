//! Linear light: numbers in proportion to light, 16 bits each, so that a mean of two pixels is what the eye makes of them from afar.
//! sRGB's curve is used for every picture; those of other RGB spaces in use are near enough for what resampling asks of it.

use std::sync::OnceLock;

use crate::Error;
use crate::pixels::{Channels, Pixels, Sample, buffer_len};
use crate::stop::{Stop, check};

/// Rows between two questions whether anyone still waits.
const ROWS_PER_CHECK: u32 = 64;

/// What a sample of 16 bits is in linear light, and the other way round.
struct Curves {
    to_light: Vec<u16>,
    to_code: Vec<u16>,
}

fn curves() -> &'static Curves {
    static CURVES: OnceLock<Curves> = OnceLock::new();
    CURVES.get_or_init(|| {
        let table = |curve: fn(f64) -> f64| {
            (0..=u16::MAX).map(|at| (curve(f64::from(at) / 65_535.0) * 65_535.0).round() as u16).collect()
        };
        Curves { to_light: table(light_of_code), to_code: table(code_of_light) }
    })
}

/// IEC 61966-2-1, both parts of the curve.
fn light_of_code(code: f64) -> f64 {
    if code <= 0.040_45 { code / 12.92 } else { ((code + 0.055) / 1.055).powf(2.4) }
}

fn code_of_light(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// The picture in linear light, each pixel the mean of `shrink` by `shrink` of the source, weighted by opacity; at the right and at
/// the bottom of what is there.
///
/// Shrinking by whole numbers first is exact in linear light, and spares the resampler most of the picture.
pub(crate) fn to_light<S: Sample>(pixels: &Pixels<S>, shrink: u32, stop: &dyn Stop) -> Result<Pixels<u16>, Error> {
    let (width, height) = (pixels.width.div_ceil(shrink), pixels.height.div_ceil(shrink));
    let mut data = Vec::with_capacity(buffer_len(width, height, pixels.channels)?);
    let to_light = &curves().to_light;
    let scale = 65_535 / S::FULL;
    let light = |sample: S| u64::from(to_light[(sample.into() * scale) as usize]);
    let samples = pixels.channels.samples();
    let colours = if pixels.channels == Channels::Rgba { 3 } else { samples };
    // Sums of light times opacity, and of opacity, for every pixel of one row of the output.
    let mut sums = vec![([0u64; 3], 0u64); width as usize];
    for (y, row) in (1u32..).zip(pixels.rows()) {
        for (cell, (colour, opacity)) in row.chunks(samples * shrink as usize).zip(&mut sums) {
            for pixel in cell.chunks_exact(samples) {
                let alpha = pixel.get(3).map_or(1, |alpha| u64::from((*alpha).into()));
                for (sum, sample) in colour.iter_mut().zip(&pixel[..colours]) {
                    *sum += light(*sample) * alpha;
                }
                *opacity += alpha;
            }
        }
        if y % ROWS_PER_CHECK == 0 {
            check(stop)?;
        }
        if y % shrink != 0 && y != pixels.height {
            continue;
        }
        let rows = u64::from((y - 1) % shrink + 1);
        for (x, (colour, opacity)) in (0u32..).zip(&mut sums) {
            let mean = |sum: u64| if *opacity == 0 { 0 } else { ((sum + *opacity / 2) / *opacity) as u16 };
            data.extend(colour[..colours].iter().map(|sum| mean(*sum)));
            if pixels.channels == Channels::Rgba {
                let count = rows * u64::from((pixels.width - x * shrink).min(shrink));
                data.push(((*opacity * u64::from(scale) + count / 2) / count) as u16);
            }
            (*colour, *opacity) = Default::default();
        }
    }
    Pixels::new(width, height, pixels.channels, data)
}

/// Back to sRGB's curve, with 16 bits still.
pub(crate) fn to_code(mut pixels: Pixels<u16>) -> Pixels<u16> {
    let to_code = &curves().to_code;
    let samples = pixels.channels.samples();
    let is_colour = |at: usize| samples != 4 || at % 4 != 3;
    for (_, value) in pixels.data.iter_mut().enumerate().filter(|(at, _)| is_colour(*at)) {
        *value = to_code[usize::from(*value)];
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Never;

    fn there_and_back(pixels: &Pixels, shrink: u32) -> Pixels {
        to_code(to_light(pixels, shrink, &Never).expect("not stopped")).rounded()
    }

    #[test]
    fn every_byte_comes_back() {
        let ramp = Pixels::new(256, 1, Channels::Gray, (0..=255).collect()).expect("right length");
        assert_eq!(there_and_back(&ramp, 1), ramp);
    }

    #[test]
    fn half_black_and_half_white_is_half_the_light() {
        let checks = (0..64u8).map(|at| if (at / 8 + at) % 2 == 0 { 255 } else { 0 }).collect();
        let checks = Pixels::new(8, 8, Channels::Gray, checks).expect("right length");
        for shrink in [2, 4, 8] {
            // 188 of 255 is sRGB for half of white; the mean of the numbers would be 128.
            assert_eq!(there_and_back(&checks, shrink).data, vec![188; (8 / shrink * (8 / shrink)) as usize]);
        }
    }

    #[test]
    fn edges_that_are_no_whole_cell_are_means_of_what_is_there() {
        let picture = Pixels::new(3, 3, Channels::Gray, vec![9, 9, 200, 9, 9, 200, 70, 70, 5]).expect("right length");
        assert_eq!(there_and_back(&picture, 2).data, [9, 200, 70, 5]);
        assert_eq!(there_and_back(&picture, 5).data.len(), 1);
    }

    #[test]
    fn what_is_invisible_has_no_colour() {
        let red = [255, 0, 0, 255u8];
        let data = [red, [0, 255, 0, 0], [0, 255, 0, 0], red].concat();
        let picture = Pixels::new(2, 2, Channels::Rgba, data).expect("right length");
        assert_eq!(there_and_back(&picture, 2).data, [255, 0, 0, 128]);
        assert_eq!(there_and_back(&picture, 1).data[..4], red);
    }

    #[test]
    fn stops_when_told() {
        let tall = Pixels::filled(1, 64, Channels::Gray, &[1u8]).expect("small");
        assert_eq!(to_light(&tall, 1, &|| true), Err(Error::Expired));
    }
}
