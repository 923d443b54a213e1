//! Filters through a scaled decoding. A sample decoded at n/8 is a sum over the 8 by 8 samples of its block: at 1/8 their mean, which
//! blurs as a box does. A filter that is to act on the full-size samples is therefore projected: of all filters over the decoded
//! samples, the one whose effect on the full-size samples is nearest.
//!
//! Nearest for pictures: their spectrum falls with the square of the frequency, as that of a sum of noise does, so the distance is taken
//! between the running sums of both filters. That is linear least squares, and its solution for each decoded sample is a fixed
//! kernel over the full-size samples around it.

use std::f64::consts::PI;
use std::sync::{LazyLock, OnceLock};

use super::taps::{LOBES, lanczos};

/// Samples of a block edge at full size.
const BLOCK: usize = 8;

/// Blocks on either side that a kernel reaches; what it has behind them is less than a twentieth.
const REACH: usize = 2;

/// Full-size samples under a kernel.
const KERNEL: usize = (2 * REACH + 1) * BLOCK;

/// Blocks of the system that the kernels are the middle of: so far from its ends that they do not show.
const SYSTEM: usize = 11;

/// Projects filters onto samples decoded at some eighths.
pub(super) struct Projection {
    /// Decoded samples of a block edge.
    eighths: usize,
    kernels: &'static [[f32; KERNEL]],
    /// The filter over the full-size samples of whole blocks.
    line: Vec<f32>,
}

impl Projection {
    /// None at full size, where there is nothing to make up for.
    pub(super) fn of(eighths: usize) -> Option<Self> {
        static KERNELS: [OnceLock<Vec<[f32; KERNEL]>>; 7] = [const { OnceLock::new() }; 7];
        let kernels = KERNELS.get(eighths.checked_sub(1)?)?.get_or_init(|| kernels(eighths));
        Some(Self { eighths, kernels, line: Vec::new() })
    }

    /// The weights of the decoded samples `start..end` that stand for Lanczos3 around `centre`, which reaches `spread` samples a
    /// lobe; all in decoded samples. Far inside the picture they sum up to `spread`.
    pub(super) fn weights(&mut self, start: usize, end: usize, centre: f64, spread: f64) -> Vec<f64> {
        static LANCZOS: LazyLock<Vec<f32>> = LazyLock::new(|| {
            (0..LOBES as usize * STEPS + 2).map(|at| lanczos(at as f64 / STEPS as f64) as f32).collect()
        });
        const STEPS: usize = 512;
        let (table, eighths) = (&**LANCZOS, self.eighths);
        let full = BLOCK as f64 / eighths as f64;
        let blocks = start / eighths..end.div_ceil(eighths);
        self.line.clear();
        let first = (blocks.start * BLOCK) as f64 - (REACH * BLOCK) as f64 + 0.5 - centre * full;
        let step = STEPS as f64 / (spread * full);
        self.line.extend((0..(blocks.len() + 2 * REACH) * BLOCK).map(|at| {
            let place = ((first + at as f64) * step).abs() as f32;
            let (left, part) = (place as usize, place.fract());
            match table.get(left..left + 2) {
                Some(near) => near[0] + (near[1] - near[0]) * part,
                None => 0.0,
            }
        }));
        (start..end)
            .map(|sample| {
                let from = (sample / eighths - blocks.start) * BLOCK;
                f64::from(dot(&self.kernels[sample % eighths], &self.line[from..from + KERNEL])) / full
            })
            .collect()
    }
}

/// In lanes, because the compiler may not change the order of a sum.
fn dot(left: &[f32; KERNEL], right: &[f32]) -> f32 {
    let mut sums = [0f32; BLOCK];
    for (left, right) in left.as_chunks::<BLOCK>().0.iter().zip(right.as_chunks::<BLOCK>().0) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    sums.iter().sum()
}

/// What each decoded sample of a block takes of the eight full-size ones: their DCT, its first coefficients, and the smaller inverse.
fn decoding(eighths: usize) -> Vec<[f64; BLOCK]> {
    let wave = |frequency: usize, at: usize, of: usize| {
        ((2 * at + 1) as f64 * frequency as f64 * PI / (2 * of) as f64).cos() * if frequency == 0 { 1.0 } else { 2.0 }
    };
    let weight = |sample, full| {
        let both = |frequency| wave(frequency, sample, eighths) * wave(frequency, full, BLOCK);
        // The factor 2 of a wave is the square of its norm's: it counts once for both.
        both(0) / BLOCK as f64 + (1..eighths).map(both).sum::<f64>() / (2 * BLOCK) as f64
    };
    (0..eighths).map(|sample| std::array::from_fn(|full| weight(sample, full))).collect()
}

/// The kernels of a block's decoded samples, over the full-size samples of the blocks around it.
fn kernels(eighths: usize) -> Vec<[f32; KERNEL]> {
    let (unknowns, full) = (SYSTEM * eighths, SYSTEM * BLOCK);
    // Running sums of each decoded sample's weights; behind its block they stay at one.
    let mut running = vec![vec![1.0; full]; unknowns];
    for (at, sums) in running.iter_mut().enumerate() {
        let block = at / eighths * BLOCK;
        sums[..block].fill(0.0);
        let mut sum = 0.0;
        for (place, weight) in sums[block..block + BLOCK].iter_mut().zip(decoding(eighths)[at % eighths]) {
            sum += weight;
            *place = sum;
        }
    }
    let product = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(left, right)| left * right).sum::<f64>();
    let gram: Vec<Vec<f64>> =
        running.iter().map(|left| running.iter().map(|right| product(left, right)).collect()).collect();
    let (middle, edge) = (SYSTEM / 2 * eighths, (SYSTEM / 2 - REACH) * BLOCK);
    (middle..middle + eighths)
        .map(|sample| {
            let unit = (0..unknowns).map(|at| if at == sample { 1.0 } else { 0.0 }).collect();
            let solved = solve(gram.clone(), unit);
            // A full-size sample counts in all running sums from its own on.
            let mut kernel = vec![0.0; full];
            let mut behind = 0.0;
            for at in (0..full).rev() {
                behind += solved.iter().zip(&running).map(|(share, sums)| share * sums[at]).sum::<f64>();
                kernel[at] = behind;
            }
            std::array::from_fn(|at| kernel[edge + at] as f32)
        })
        .collect()
}

/// Solves a symmetric, positive definite system.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let side = right.len();
    for pivot in 0..side {
        let (upper, lower) = matrix.split_at_mut(pivot + 1);
        for (row, place) in lower.iter_mut().zip(pivot + 1..) {
            let factor = row[pivot] / upper[pivot][pivot];
            for (value, above) in row[pivot..].iter_mut().zip(&upper[pivot][pivot..]) {
                *value -= factor * above;
            }
            right[place] -= factor * right[pivot];
        }
    }
    for at in (0..side).rev() {
        let known: f64 = (at + 1..side).map(|other| matrix[at][other] * right[other]).sum();
        right[at] = (right[at] - known) / matrix[at][at];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_samples_are_those_of_the_scaled_transform() {
        assert_eq!(decoding(1), [[0.125; 8]]);
        for eighths in 1..=8 {
            for (at, weights) in decoding(eighths).iter().enumerate() {
                assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{eighths} {at}");
            }
        }
        // At full size they are the samples themselves.
        for (at, weights) in decoding(8).iter().enumerate() {
            assert!(
                weights
                    .iter()
                    .enumerate()
                    .all(|(full, weight)| (weight - f64::from(u8::from(full == at))).abs() < 1e-12)
            );
        }
    }

    /// What is asked of a kernel: a filter that decoded samples can make is given back.
    #[test]
    fn a_filter_that_is_one_of_decoded_samples_is_found_again() {
        for eighths in 1..=7 {
            let decoding = decoding(eighths);
            let kernels = Projection::of(eighths).expect("not full size").kernels;
            for (from, weights) in decoding.iter().enumerate() {
                for (to, kernel) in kernels.iter().enumerate() {
                    for block in 0..=2 * REACH {
                        let got: f64 =
                            weights.iter().zip(&kernel[block * BLOCK..]).map(|(a, b)| a * f64::from(*b)).sum();
                        let wanted = f64::from(u8::from(block == REACH && from == to));
                        assert!((got - wanted).abs() < 0.01, "{eighths}: {from} of block {block} to {to}: {got}");
                    }
                }
            }
        }
    }

    /// The mean error of pictures whose spectrum falls as it does in photographs: smaller than that of Lanczos3 over the decoded samples.
    #[test]
    fn projected_filters_are_nearer_than_those_over_the_decoded_samples() {
        for eighths in 1..=7 {
            for spread in [1.0, 1.3, 2.6] {
                let (mut plain, mut projected) = (0.0, 0.0);
                for phase in 0..8 {
                    let centre = 40.0 * eighths as f64 + f64::from(phase) * 0.37;
                    let reach = (LOBES * spread + 1.0) as usize;
                    let (start, end) = (centre as usize - reach, centre as usize + reach + 1);
                    let over_decoded: Vec<f64> =
                        (start..end).map(|at| lanczos((at as f64 + 0.5 - centre) / spread)).collect();
                    let ours = Projection::of(eighths).expect("not full size").weights(start, end, centre, spread);
                    plain += distance(eighths, start, &over_decoded, centre, spread);
                    projected += distance(eighths, start, &ours, centre, spread);
                }
                let most = if eighths == 1 { 0.86 } else { 0.92 };
                assert!(projected < plain * most, "{eighths} {spread}: {projected} of {plain}");
            }
        }
    }

    /// Between the running sums of a filter's effect and of the one that it stands for.
    fn distance(eighths: usize, start: usize, weights: &[f64], centre: f64, spread: f64) -> f64 {
        let scale = BLOCK as f64 / eighths as f64;
        let mut effect = vec![0.0; 80 * BLOCK];
        let sum: f64 = weights.iter().sum();
        for (sample, weight) in (start..).zip(weights) {
            for (place, part) in effect[sample / eighths * BLOCK..].iter_mut().zip(decoding(eighths)[sample % eighths])
            {
                *place += part * weight / sum;
            }
        }
        let full: Vec<f64> =
            (0..effect.len()).map(|at| lanczos((at as f64 + 0.5 - centre * scale) / (spread * scale))).collect();
        let (mut error, mut running, total) = (0.0, 0.0, full.iter().sum::<f64>());
        for (effect, full) in effect.iter().zip(&full) {
            running += effect - full / total;
            error += running * running;
        }
        error
    }
}
