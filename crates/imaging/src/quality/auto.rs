//! The quality that a picture needs to reach a score, told from the picture without encoding it. What SSIMULACRA2 sees of a JPEG
//! is what quantising took from each block beside what the block had; that can be computed for a few hundred blocks in a fraction
//! of the time of one encoding. Since a quality means the same score in every format, the answer holds for all of them.
//!
//! The weights are fitted by `examples/equal_quality.rs`; its error on pictures it was not fitted to is in docs/imaging-quality.md.
//! Deterministic: the same pixels give the same quality on every machine.

use crate::jpeg::Quantisers;
use crate::pixels::{Channels, Pixels};
use crate::plane::Plane;
use crate::quality::{Level, QualityScale};

/// Squares of 16 by 16 pixels that are looked at: more change the answer by less than its error.
const SQUARES_MAX: usize = 256;

/// The qualities that may be chosen: below, blocks show whatever the score says; above, bytes buy nothing that is seen.
const QUALITY_MIN: u8 = 30;
const QUALITY_MAX: u8 = 95;

/// Numbers that describe what a quality would take from a picture: for luma at three scales and chroma at two, the mean of
/// what is lost and its fourth norm, which tells the worst places.
pub(crate) const FEATURES: usize = 10;

/// Whose score is expected. Encoders take different things from a picture at the same quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoder {
    Jpeg,
    Webp,
    Avif,
}

impl Encoder {
    /// What quantising is taken for the measure of what an encoder takes from a picture.
    fn quantisers(self, quality: u8) -> Quantisers {
        match self {
            Self::Jpeg => Level { quality, scale: QualityScale::Equal }.jpeg(),
            // Their weights belong to the tables that the scale of qualities was made by.
            Self::Webp | Self::Avif => Quantisers::annex_k(quality),
        }
    }

    /// SSIMULACRA2's losses, from [`FEATURES`] numbers and a constant.
    fn weights(self) -> [f64; FEATURES + 1] {
        match self {
            Self::Jpeg => [0.0, 37.231, 0.0, 0.0, 129.192, 53.48, 0.0, 13.924, 0.0, 0.0, 0.55],
            Self::Webp => [8.763, 15.534, 215.109, 0.0, 60.688, 0.0, 0.0, 0.751, 0.0, 9.393, 1.078],
            Self::Avif => [0.538, 28.412, 166.079, 0.0, 163.93, 0.0, 0.573, 0.0, 0.0, 0.0, 1.236],
        }
    }
}

/// The power that SSIMULACRA2 takes its sum of losses to.
const POWER: f64 = 0.627_633_653_831_436;

/// What stands beside a block's own variance when an error is weighed: below it eyes see no structure. SSIMULACRA2's constant,
/// 0.0009 of the square of its range, in levels of 256.
const FLOOR: f32 = 0.0009 * 255.0 * 255.0;

/// The coefficients of 8 by 8 samples (an orthonormal DCT), row by row.
type Block = [f32; 64];

/// A few blocks of a picture.
pub(crate) struct Look {
    luma: Vec<Block>,
    chroma: Vec<Block>,
}

impl Look {
    /// Looks at gray, RGB or RGBA; what is transparent is looked at as if it were not.
    pub(crate) fn at_pixels(pixels: &Pixels) -> Self {
        let (width, height) = (pixels.width as usize, pixels.height as usize);
        let (step, row_bytes) = (pixels.channels.bytes(), pixels.row_bytes());
        let is_gray = pixels.channels == Channels::Gray;
        let mut look = Self { luma: Vec::new(), chroma: Vec::new() };
        for (left, top) in squares(width, height) {
            let (mut luma, mut chroma) = ([[0.0; 64]; 4], [[0.0; 64]; 2]);
            for at in 0..256 {
                let (x, y) = (at % 16, at / 16);
                let from = (top + y).min(height - 1) * row_bytes + (left + x).min(width - 1) * step;
                let pixel = &pixels.data[from..from + step];
                let [r, g, b] = if is_gray { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] }.map(f32::from);
                let level = 0.299 * r + 0.587 * g + 0.114 * b;
                luma[y / 8 * 2 + x / 8][y % 8 * 8 + x % 8] = level - 128.0;
                chroma[0][y / 2 * 8 + x / 2] += (b - level) / (1.772 * 4.0);
                chroma[1][y / 2 * 8 + x / 2] += (r - level) / (1.402 * 4.0);
            }
            look.luma.extend(luma);
            if !is_gray {
                look.chroma.extend(chroma);
            }
        }
        look.transformed()
    }

    /// Looks at Y, Cb and Cr at 4:2:0, or Y alone; `video`: in the ranges of video.
    pub(crate) fn at_planes(planes: &[Plane], video: bool) -> Self {
        let (luma_range, chroma_range, black) =
            if video { (255.0 / 219.0, 255.0 / 224.0, 16.0) } else { (1.0, 1.0, 0.0) };
        let block = |plane: &Plane, left: usize, top: usize, middle: f32, range: f32| {
            std::array::from_fn(|at| {
                let (x, y) = ((left + at % 8).min(plane.width - 1), (top + at / 8).min(plane.height - 1));
                (f32::from(plane.data[y * plane.width + x]) - middle) * range
            })
        };
        let mut look = Self { luma: Vec::new(), chroma: Vec::new() };
        for (left, top) in squares(planes[0].width, planes[0].height) {
            for (x, y) in [(0, 0), (8, 0), (0, 8), (8, 8)] {
                look.luma.push(block(&planes[0], left + x, top + y, black + 128.0 / luma_range, luma_range));
            }
            for plane in &planes[1..] {
                look.chroma.push(block(plane, left / 2, top / 2, 128.0, chroma_range));
            }
        }
        look.transformed()
    }

    fn transformed(mut self) -> Self {
        let cosines = cosines();
        self.luma.iter_mut().chain(&mut self.chroma).for_each(|block| transform(block, &cosines));
        self
    }

    /// The least quality, of those that may be chosen, that is expected to reach a score.
    pub(crate) fn quality_for(&self, encoder: Encoder, score: u8) -> u8 {
        let (mut low, mut high) = (QUALITY_MIN, QUALITY_MAX);
        while low < high {
            let middle = low.midpoint(high);
            if self.score(encoder, middle) >= f64::from(score) { high = middle } else { low = middle + 1 }
        }
        low
    }

    /// The SSIMULACRA2 score that a quality is expected to reach.
    fn score(&self, encoder: Encoder, quality: u8) -> f64 {
        let weights = encoder.weights();
        let losses: f64 = self
            .features(&encoder.quantisers(quality))
            .iter()
            .zip(&weights)
            .map(|(feature, weight)| feature * weight)
            .sum();
        100.0 - 10.0 * (losses + weights[FEATURES]).powf(POWER)
    }

    pub(crate) fn features(&self, quantisers: &Quantisers) -> [f64; FEATURES] {
        let luma = losses::<3>(&self.luma, &quantisers.luma.map(f32::from));
        let chroma = losses::<2>(&self.chroma, &quantisers.chroma.map(f32::from));
        let mut all = luma.into_iter().chain(chroma).flatten();
        std::array::from_fn(|_| all.next().unwrap_or(0.0))
    }
}

/// The corners of the squares that are looked at, spread evenly.
fn squares(width: usize, height: usize) -> impl Iterator<Item = (usize, usize)> {
    let (columns, rows) = (width.div_ceil(16), height.div_ceil(16));
    let count = columns * rows;
    let looked = count.min(SQUARES_MAX);
    // Even steps along a line through all squares. Where a step is a multiple of the row they would fall into columns, so each
    // row begins elsewhere.
    (0..looked).map(move |n| {
        let at = n * count / looked;
        let (row, column) = (at / columns, at % columns);
        ((column + row * 5) % columns * 16, row * 16)
    })
}

/// Row by frequency, column by place.
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|frequency| {
        let scale = if frequency == 0 { 0.125f64.sqrt() } else { 0.5 };
        std::array::from_fn(|at| {
            let angle = (2 * at + 1) as f64 * frequency as f64 * std::f64::consts::PI / 16.0;
            (angle.cos() * scale) as f32
        })
    })
}

fn transform(block: &mut Block, cosines: &[[f32; 8]; 8]) {
    let mut across = [0.0f32; 64];
    for (row, out) in block.chunks_exact(8).zip(across.chunks_exact_mut(8)) {
        for (frequency, out) in cosines.iter().zip(out) {
            *out = row.iter().zip(frequency).map(|(sample, cosine)| sample * cosine).sum();
        }
    }
    for (frequency, out) in cosines.iter().zip(block.chunks_exact_mut(8)) {
        out.fill(0.0);
        for (row, cosine) in across.chunks_exact(8).zip(frequency) {
            out.iter_mut().zip(row).for_each(|(out, value)| *out += value * cosine);
        }
    }
}

/// What quantising takes from blocks at scales of 1, 1/2 and 1/4, of which a block of 8 by 8 knows the first 8, 4 and 2
/// frequencies: the mean and the fourth norm over all blocks.
fn losses<const SCALES: usize>(blocks: &[Block], quantisers: &Block) -> [[f64; 2]; SCALES] {
    let mut sums = [[0.0f64; 2]; SCALES];
    for block in blocks {
        let mut had = [[0.0f32; 8]; SCALES];
        let mut lost = [[0.0f32; 8]; SCALES];
        for (row, (values, steps)) in block.as_chunks::<8>().0.iter().zip(quantisers.as_chunks::<8>().0).enumerate() {
            // Eight columns at once: bisection comes here some hundred thousand times a picture.
            let mut energies = values.map(|value| value * value);
            let errors: [f32; 8] = std::array::from_fn(|column| {
                let error = values[column] - nearest(values[column] / steps[column]) * steps[column];
                error * error
            });
            if row == 0 {
                // What a block has as a whole, its brightness, hides nothing.
                energies[0] = 0.0;
            }
            for scale in (0..SCALES).filter(|scale| row < 8 >> scale) {
                had[scale].iter_mut().zip(energies).for_each(|(sum, energy)| *sum += energy);
                lost[scale].iter_mut().zip(errors).for_each(|(sum, error)| *sum += error);
            }
        }
        for scale in 0..SCALES {
            // At half the scale there are a quarter of the samples, each of a quarter of the energy: 64 divides at every scale.
            let [had, lost] = [had[scale], lost[scale]].map(|sums| sums[..8 >> scale].iter().sum::<f32>() / 64.0);
            let loss = f64::from(lost / (2.0 * had + lost + FLOOR));
            sums[scale][0] += loss;
            sums[scale][1] += loss.powi(4);
        }
    }
    let count = blocks.len().max(1) as f64;
    sums.map(|[sum, fourth]| [sum / count, (fourth / count).sqrt().sqrt()])
}

/// The nearest whole number, the even one of two. Where every x86 has to be able to run it, `round_ties_even` is a call for each
/// number; at 1.5 * 2^23 an f32 has no fractions left, and the addition rounds.
fn nearest(value: f32) -> f32 {
    const WHOLE: f32 = 12_582_912.0;
    // No coefficient of 8-bit samples comes near 2^22, where this would end.
    value + WHOLE - WHOLE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Pixels;

    const ENCODERS: [Encoder; 3] = [Encoder::Jpeg, Encoder::Webp, Encoder::Avif];

    fn picture(width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Pixels {
        let data = (0..width * height).flat_map(|at| colour(at % width, at / width)).collect();
        Pixels::new(width, height, Channels::Rgb, data).expect("right length")
    }

    /// Noise that is the same on every machine, of so many levels around gray.
    fn noise(levels: u32) -> Pixels {
        picture(120, 90, |x, y| {
            let value =
                x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)).wrapping_mul(2_246_822_519) >> 16;
            [(128 + value % levels - levels / 2) as u8; 3]
        })
    }

    #[test]
    fn a_transform_keeps_energy_and_knows_flat() {
        let cosines = cosines();
        let mut flat = [10.0; 64];
        transform(&mut flat, &cosines);
        assert!((flat[0] - 80.0).abs() < 1e-3 && flat[1..].iter().all(|value| value.abs() < 1e-3), "{flat:?}");
        let mut block: Block = std::array::from_fn(|at| ((at * 37) % 101) as f32 - 50.0);
        let energy: f32 = block.iter().map(|value| value * value).sum();
        transform(&mut block, &cosines);
        let after: f32 = block.iter().map(|value| value * value).sum();
        assert!((after / energy - 1.0).abs() < 1e-4, "{energy} {after}");
    }

    #[test]
    fn the_nearest_is_as_the_library_has_it() {
        for value in (-4_200..=4_200).flat_map(|n| [n as f32 / 2.0, n as f32 / 7.0, n as f32 + 0.499_9]) {
            assert_eq!(nearest(value), value.round_ties_even(), "{value}");
        }
    }

    #[test]
    fn more_is_expected_of_more_quality_and_more_is_needed_for_more() {
        for pixels in [noise(40), noise(200), picture(64, 64, |x, y| [(x * 3) as u8, (y * 3) as u8, 90])] {
            let look = Look::at_pixels(&pixels);
            for encoder in ENCODERS {
                let scores = [30, 50, 70, 90].map(|quality| look.score(encoder, quality));
                assert!(scores.is_sorted() && scores[3] > scores[0], "{encoder:?} {scores:?}");
                let needed = [30, 50, 70, 80, 90].map(|score| look.quality_for(encoder, score));
                assert!(needed.is_sorted(), "{encoder:?} {needed:?}");
                assert!(needed.iter().all(|quality| (QUALITY_MIN..=QUALITY_MAX).contains(quality)));
            }
        }
    }

    #[test]
    fn faint_texture_needs_more_than_what_hides_its_loss() {
        let needed = |pixels: &Pixels| Look::at_pixels(pixels).quality_for(Encoder::Jpeg, 75);
        let flat = picture(64, 64, |_, _| [90, 120, 40]);
        assert!(needed(&flat) < needed(&noise(24)), "{} {}", needed(&flat), needed(&noise(24)));
        assert!(needed(&noise(24)) > needed(&noise(200)), "{} {}", needed(&noise(24)), needed(&noise(200)));
    }

    #[test]
    fn pixels_and_planes_of_a_picture_look_alike() {
        let pixels = picture(160, 112, |x, y| [(x * 7 % 200) as u8, (y * 5 % 180) as u8, ((x + y) * 3 % 220) as u8]);
        let of_pixels = Look::at_pixels(&pixels);
        for video in [false, true] {
            let (luma, chroma, black) = if video { (219.0 / 255.0, 224.0 / 255.0, 16.0) } else { (1.0, 1.0, 0.0) };
            let at = |x: usize, y: usize| [0, 1, 2].map(|c| f64::from(pixels.data[(y * 160 + x) * 3 + c]));
            let luma_of = |[r, g, b]: [f64; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
            let plane = |width: usize, height: usize, sample: &dyn Fn(usize, usize) -> f64| {
                let data = (0..width * height).map(|n| sample(n % width, n / width).round() as u8).collect();
                Plane { width, height, data }
            };
            let halved = |channel: usize, divisor: f64| {
                plane(80, 56, &|x, y| {
                    let square = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(i, j)| at(2 * x + i, 2 * y + j));
                    let mean = square.map(|rgb| rgb[channel] - luma_of(rgb)).iter().sum::<f64>() / 4.0;
                    mean / divisor * chroma + 128.0
                })
            };
            let planes =
                [plane(160, 112, &|x, y| luma_of(at(x, y)) * luma + black), halved(2, 1.772), halved(0, 1.402)];
            let of_planes = Look::at_planes(&planes, video);
            for encoder in ENCODERS {
                let (a, b) = (of_pixels.quality_for(encoder, 75), of_planes.quality_for(encoder, 75));
                assert!(a.abs_diff(b) <= 2, "{encoder:?} {video} {a} {b}");
            }
        }
    }

    #[test]
    fn any_size_has_a_look() {
        for (width, height) in [(1, 1), (1, 40), (40, 1), (17, 33), (16, 5000), (5000, 16)] {
            let look = Look::at_pixels(&picture(width, height, |x, _| [x as u8, 9, 9]));
            assert!(look.luma.len() >= 4 && look.luma.len() <= 4 * SQUARES_MAX, "{width}x{height}");
            let gray = Pixels::filled(width, height, Channels::Gray, &[7]).expect("small");
            let quality = Look::at_pixels(&gray).quality_for(Encoder::Jpeg, 90);
            assert!((QUALITY_MIN..=QUALITY_MAX).contains(&quality), "{width}x{height}: {quality}");
        }
    }

    #[test]
    fn squares_are_each_looked_at_once() {
        for (width, height) in [(16, 16), (160, 96), (1000, 700), (4096, 2048), (16, 9000)] {
            let seen: std::collections::BTreeSet<_> = squares(width, height).collect();
            assert_eq!(seen.len(), squares(width, height).count(), "{width}x{height}");
            assert!(seen.iter().all(|(x, y)| *x < width && *y < height));
        }
    }
}
