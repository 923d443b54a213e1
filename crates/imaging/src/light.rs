//! Linear light: numbers in proportion to light, 16 bits each, so that a mean of two pixels is what the eye makes of them from afar.
//! sRGB's curve is used for every picture; those of other RGB spaces in use are near enough for what resampling asks of it.

use std::sync::OnceLock;

use crate::pixels::{Channels, Pixels, Sample, buffer_len};
use crate::stop::{Stop, check};
use crate::{Error, Scaling};

/// Rows of the output between two questions whether anyone still waits.
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

/// By which whole number a picture is shrunk before the resampler does the rest.
pub(crate) fn whole(shrink: f64, scaling: Scaling) -> u32 {
    ((shrink / scaling.residual_min()) as u32).max(1)
}

/// The picture in linear light, each pixel the mean of `shrink` by `shrink` of the source, weighted by opacity; at the right and at
/// the bottom of what is there.
///
/// Shrinking by whole numbers first is exact in linear light, and spares the resampler most of the picture.
pub(crate) fn to_light<S: Sample>(pixels: &Pixels<S>, shrink: u32, stop: &dyn Stop) -> Result<Pixels<u16>, Error> {
    // Bytes have a table of their own, which stays in the first-level cache.
    let scale = (65_535 / S::FULL) as usize;
    let table: Vec<u16> = curves().to_light.iter().step_by(scale).copied().collect();
    match pixels.channels {
        Channels::Gray => shrunk::<S, 1>(pixels, &table, shrink, stop),
        Channels::Rgb => shrunk::<S, 3>(pixels, &table, shrink, stop),
        Channels::Rgba => shrunk::<S, 4>(pixels, &table, shrink, stop),
    }
}

fn shrunk<S: Sample, const SAMPLES: usize>(
    pixels: &Pixels<S>,
    table: &[u16],
    shrink: u32,
    stop: &dyn Stop,
) -> Result<Pixels<u16>, Error> {
    let (width, height) = (pixels.width.div_ceil(shrink), pixels.height.div_ceil(shrink));
    let mut data = vec![0; buffer_len(width, height, pixels.channels)?];
    let light = |sample: S| table[sample.into() as usize];
    let opacity = |sample: S| sample.into() * (65_535 / S::FULL);
    let row_len = width as usize * SAMPLES;
    // Of every cell of one row of the output: sums of light times weight, and of weights.
    let mut sums = vec![([0u64; SAMPLES], 0u64); width as usize];
    for (at, rows) in pixels.data.chunks(pixels.row_len() * shrink as usize).enumerate() {
        if (at as u32).is_multiple_of(ROWS_PER_CHECK) {
            check(stop)?;
        }
        let (out, _) = data[at * row_len..][..row_len].as_chunks_mut::<SAMPLES>();
        if shrink == 1 {
            for (out, pixel) in out.iter_mut().zip(rows.as_chunks::<SAMPLES>().0) {
                *out = pixel.map(light);
                if SAMPLES == 4 {
                    out[SAMPLES - 1] = opacity(pixel[SAMPLES - 1]) as u16;
                }
            }
            continue;
        }
        for row in rows.chunks_exact(pixels.row_len()) {
            let cells = row.as_chunks::<SAMPLES>().0.chunks(shrink as usize);
            for (cell, (light_sums, weights)) in cells.zip(&mut sums) {
                for pixel in cell {
                    let weight = if SAMPLES == 4 { u64::from(opacity(pixel[SAMPLES - 1])) } else { 1 };
                    for (sum, sample) in light_sums.iter_mut().zip(pixel) {
                        *sum += u64::from(light(*sample)) * weight;
                    }
                    *weights += weight;
                }
            }
        }
        let rows = (rows.len() / pixels.row_len()) as u64;
        for (x, (out, (light_sums, weights))) in (0u32..).zip(out.iter_mut().zip(&mut sums)) {
            *out = light_sums.map(|sum| (sum + *weights / 2).checked_div(*weights).unwrap_or(0) as u16);
            if SAMPLES == 4 {
                let count = rows * u64::from((pixels.width - x * shrink).min(shrink));
                out[SAMPLES - 1] = ((*weights + count / 2) / count) as u16;
            }
            (*light_sums, *weights) = ([0; SAMPLES], 0);
        }
    }
    Pixels::new(width, height, pixels.channels, data)
}

/// Back to sRGB's curve, with 16 bits still.
pub(crate) fn to_code(mut pixels: Pixels<u16>) -> Pixels<u16> {
    let to_code = &curves().to_code;
    let samples = pixels.channels.samples();
    let colours = samples.min(3);
    for pixel in pixels.data.chunks_exact_mut(samples) {
        pixel[..colours].iter_mut().for_each(|value| *value = to_code[usize::from(*value)]);
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
