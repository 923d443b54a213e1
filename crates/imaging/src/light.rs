//! Linear light: numbers in proportion to light, 16 bits each, so that a mean of two pixels is what the eye makes of them from afar.
//! sRGB's curve is used for every picture; those of other RGB spaces in use are near enough for what resampling asks of it.

use std::marker::PhantomData;
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
    match pixels.channels {
        Channels::Gray => shrunk::<S, 1>(pixels, shrink, stop),
        Channels::Rgb => shrunk::<S, 3>(pixels, shrink, stop),
        Channels::Rgba => shrunk::<S, 4>(pixels, shrink, stop),
    }
}

fn shrunk<S: Sample, const SAMPLES: usize>(
    pixels: &Pixels<S>,
    shrink: u32,
    stop: &dyn Stop,
) -> Result<Pixels<u16>, Error> {
    let mut light = Shrink::<S, SAMPLES>::new(pixels.width, pixels.height, pixels.channels, shrink)?;
    for (at, row) in (0u32..).zip(pixels.rows()) {
        if at.is_multiple_of(ROWS_PER_CHECK * shrink) {
            check(stop)?;
        }
        light.push(row.as_chunks().0);
    }
    light.finish()
}

/// Brings a picture to linear light and makes it smaller by a whole number while its rows come, so that no more of it is kept.
pub(crate) struct Shrink<S, const SAMPLES: usize> {
    source: (u32, u32),
    channels: Channels,
    shrink: u32,
    /// What a sample is in linear light. Bytes have a table of their own, which stays in the first-level cache.
    table: Vec<u16>,
    received: u32,
    /// Of every cell of the row in progress: sums of light times weight, and of weights.
    sums: Vec<([u64; SAMPLES], u64)>,
    out: Vec<u16>,
    sample: PhantomData<S>,
}

impl<S: Sample, const SAMPLES: usize> Shrink<S, SAMPLES> {
    pub(crate) fn new(width: u32, height: u32, channels: Channels, shrink: u32) -> Result<Self, Error> {
        let cells = width.div_ceil(shrink);
        let out = Vec::with_capacity(buffer_len(cells, height.div_ceil(shrink), channels)?);
        let table = curves().to_light.iter().step_by(Self::TO_WORD as usize).copied().collect();
        let sums = vec![([0; SAMPLES], 0); cells as usize];
        Ok(Self { source: (width, height), channels, shrink, table, received: 0, sums, out, sample: PhantomData })
    }

    /// What brings a sample to 16 bits.
    const TO_WORD: u32 = 65_535 / S::FULL;

    /// Takes the next row.
    pub(crate) fn push(&mut self, row: &[[S; SAMPLES]]) {
        self.received += 1;
        match (self.shrink, SAMPLES) {
            (1, _) => return self.copy(row),
            (_, 4) => self.add_weighted(row),
            _ => self.add(row),
        }
        if self.received.is_multiple_of(self.shrink) || self.received == self.source.1 {
            self.complete_row();
        }
    }

    fn light(&self, sample: S) -> u16 {
        self.table[sample.into() as usize]
    }

    fn copy(&mut self, row: &[[S; SAMPLES]]) {
        for pixel in row {
            let mut lit = pixel.map(|sample| self.light(sample));
            if SAMPLES == 4 {
                lit[SAMPLES - 1] = (pixel[SAMPLES - 1].into() * Self::TO_WORD) as u16;
            }
            self.out.extend_from_slice(&lit);
        }
    }

    fn add(&mut self, row: &[[S; SAMPLES]]) {
        for (cell, (sums, weights)) in row.chunks(self.shrink as usize).zip(&mut self.sums) {
            // A row of a cell is at most 65,535 pixels of 65,535.
            let mut lit = [0u32; SAMPLES];
            for pixel in cell {
                for (sum, sample) in lit.iter_mut().zip(pixel) {
                    *sum += u32::from(self.table[(*sample).into() as usize]);
                }
            }
            sums.iter_mut().zip(lit).for_each(|(sum, lit)| *sum += u64::from(lit));
            *weights += cell.len() as u64;
        }
    }

    /// The same for pixels with opacity, the last of their samples.
    fn add_weighted(&mut self, row: &[[S; SAMPLES]]) {
        for (cell, (sums, weights)) in row.chunks(self.shrink as usize).zip(&mut self.sums) {
            for pixel in cell {
                let weight = u64::from(pixel[SAMPLES - 1].into() * Self::TO_WORD);
                for (sum, sample) in sums.iter_mut().zip(pixel) {
                    *sum += u64::from(self.table[(*sample).into() as usize]) * weight;
                }
                *weights += weight;
            }
        }
    }

    fn complete_row(&mut self) {
        let rows = u64::from((self.received - 1) % self.shrink + 1);
        for (x, (sums, weights)) in (0u32..).zip(&mut self.sums) {
            let mut cell = sums.map(|sum| (sum + *weights / 2).checked_div(*weights).unwrap_or(0) as u16);
            if SAMPLES == 4 {
                let count = rows * u64::from((self.source.0 - x * self.shrink).min(self.shrink));
                cell[SAMPLES - 1] = ((*weights + count / 2) / count) as u16;
            }
            self.out.extend_from_slice(&cell);
            (*sums, *weights) = ([0; SAMPLES], 0);
        }
    }

    /// The picture, once every row was pushed.
    pub(crate) fn finish(self) -> Result<Pixels<u16>, Error> {
        let (width, height) = self.source;
        Pixels::new(width.div_ceil(self.shrink), height.div_ceil(self.shrink), self.channels, self.out)
    }
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
