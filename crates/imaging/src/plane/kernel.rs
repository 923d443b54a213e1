//! The two sums at the heart of resampling, without vectors. Kernels with vectors give the same to the bit.

use super::taps::Taps;

/// Weights down the picture come in pairs, across it in groups of this many.
pub(super) const GROUP: usize = 16;

/// Rows are as long as a multiple of this.
pub(super) const WIDE: usize = 32;

/// Bits behind the point that a sample keeps between the passes: rounding then cannot show.
const KEPT_BITS: i32 = 6;
const WEIGHT_BITS: i32 = 14;
pub(super) const DOWN_SHIFT: i32 = WEIGHT_BITS - KEPT_BITS;
pub(super) const DOWN_BIAS: i32 = 1 << (DOWN_SHIFT - 1);
pub(super) const ACROSS_SHIFT: i32 = WEIGHT_BITS + KEPT_BITS;

/// What the pass across begins its sums with: half a unit, and what is to be added to every sample.
pub(super) fn bias(offset: f64) -> i32 {
    (offset * f64::from(1 << ACROSS_SHIFT)).round() as i32 + (1 << (ACROSS_SHIFT - 1))
}

/// Sums rows into a line: `line[x]` for x below the width, a multiple of [`WIDE`]. Rows begin at `places` in `ring`; there are as
/// many as weights, an even number.
pub(super) type Down = fn(ring: &[u8], places: &[usize], weights: &[i16], width: usize, line: &mut [i16]);

/// Sums a line into samples, one for each filter. The line goes on for [`GROUP`] numbers behind the last that counts.
pub(super) type Across = fn(line: &[i16], columns: &Taps, bias: i32, out: &mut [u8]);

/// A way to compute both.
#[derive(Clone, Copy)]
pub(super) struct Kernels {
    pub(super) down: Down,
    pub(super) across: Across,
}

impl Kernels {
    pub(super) fn plain() -> Self {
        Self { down, across }
    }

    /// The fastest ones of this processor.
    pub(super) fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        let kernels = super::avx2::kernels();
        #[cfg(target_arch = "aarch64")]
        let kernels = super::neon::kernels();
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let kernels = None;
        kernels.unwrap_or(Self::plain())
    }
}

fn down(ring: &[u8], places: &[usize], weights: &[i16], width: usize, line: &mut [i16]) {
    for at in (0..width).step_by(WIDE) {
        let mut sums = [DOWN_BIAS; WIDE];
        for (place, weight) in places.iter().zip(weights) {
            let row = &ring[place + at..place + at + WIDE];
            for (sum, sample) in sums.iter_mut().zip(row) {
                *sum += i32::from(*weight) * i32::from(*sample);
            }
        }
        for (kept, sum) in line[at..at + WIDE].iter_mut().zip(sums) {
            *kept = (sum >> DOWN_SHIFT).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }
}

fn across(line: &[i16], columns: &Taps, bias: i32, out: &mut [u8]) {
    for (sample, (start, weights)) in out.iter_mut().zip(columns.all()) {
        let sum = weights.iter().zip(&line[start..start + weights.len()]);
        let sum = sum.fold(bias, |sum, (weight, kept)| sum + i32::from(*weight) * i32::from(*kept));
        *sample = (sum >> ACROSS_SHIFT).clamp(0, 255) as u8;
    }
}
