//! The inverse transform for 64-bit ARM, the same to the bit as its twin. A sample and its mirror image differ only in the sign of
//! the odd frequencies, so one set of products makes both; between the passes lines change places with lanes.

use std::arch::aarch64::*;

use super::{Block, FACTORS, FIRST_BIAS, FIRST_SHIFT, LAST_BIAS, LAST_SHIFT, Transform};

/// The transform for n, if n is worth it.
pub(super) fn transform(n: usize) -> Option<Transform> {
    Some(match n {
        3 => checked::<3>,
        4 => checked::<4>,
        5 => checked::<5>,
        6 => checked::<6>,
        7 => checked::<7>,
        8 => checked::<8>,
        _ => return None,
    })
}

fn checked<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    // SAFETY: NEON is part of every 64-bit ARM that Rust's targets with a standard library stand for.
    unsafe { run::<N>(block, out, stride) }
}

/// One number for each of eight lanes, the low four lanes first.
type Sums = [int32x4_t; 2];

#[target_feature(enable = "neon")]
fn run<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    // Columns of frequencies: lane v is row frequency v.
    let mut columns = [vdupq_n_s16(0); 8];
    for (column, numbers) in columns.iter_mut().zip(block.chunks_exact(8)).take(N) {
        *column = load(numbers);
    }
    // Lane v of line x is sample column x at row frequency v; turned, lane x of line v is.
    let first = pass::<N>(&columns, FIRST_BIAS)
        .map(|[low, high]| vcombine_s16(vqshrn_n_s32::<FIRST_SHIFT>(low), vqshrn_n_s32::<FIRST_SHIFT>(high)));
    let rows = pass::<N>(&turned(first), LAST_BIAS);
    for (y, [low, high]) in rows.into_iter().enumerate().take(N) {
        // Half of the shift comes with narrowing, which loses nothing, the rest with the bounds of a byte.
        let words = vcombine_s16(vshrn_n_s32::<16>(low), vshrn_n_s32::<16>(high));
        store(&mut out[y * stride..y * stride + 8], vqshrun_n_s16::<{ LAST_SHIFT - 16 }>(words));
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn pass<const N: usize>(lines: &[int16x8_t; 8], bias: i32) -> [Sums; 8] {
    let none = [vdupq_n_s32(0); 2];
    let mut samples = [none; 8];
    for x in 0..N.div_ceil(2) {
        let (mut even, mut odd) = ([vdupq_n_s32(bias); 2], none);
        for u in (0..N).step_by(2) {
            even = add_product::<N>(even, lines[u], FACTORS[N][x][u]);
        }
        for u in (1..N).step_by(2) {
            odd = add_product::<N>(odd, lines[u], FACTORS[N][x][u]);
        }
        samples[N - 1 - x] = [vsubq_s32(even[0], odd[0]), vsubq_s32(even[1], odd[1])];
        samples[x] = [vaddq_s32(even[0], odd[0]), vaddq_s32(even[1], odd[1])];
    }
    samples
}

/// What is behind the first N lanes counts nothing, so at half the scale and below half of the products are not made.
#[inline]
#[target_feature(enable = "neon")]
fn add_product<const N: usize>([low, high]: Sums, line: int16x8_t, factor: i16) -> Sums {
    let high = if N > 4 { vmlal_high_n_s16(high, line, factor) } else { high };
    [vmlal_n_s16(low, vget_low_s16(line), factor), high]
}

/// Lane x of line v is lane v of line x. Three perfect shuffles of all 64 numbers: each moves one bit of their places from the number
/// of the lane to that of the line.
#[inline]
#[target_feature(enable = "neon")]
fn turned(mut lines: [int16x8_t; 8]) -> [int16x8_t; 8] {
    for _ in 0..3 {
        let pairs: [_; 4] = std::array::from_fn(|at| {
            let (upper, lower) = (lines[at], lines[at + 4]);
            [vzip1q_s16(upper, lower), vzip2q_s16(upper, lower)]
        });
        lines = std::array::from_fn(|at| pairs[at / 2][at % 2]);
    }
    lines
}

#[inline]
#[target_feature(enable = "neon")]
fn load(numbers: &[i16]) -> int16x8_t {
    assert_eq!(numbers.len(), 8);
    // SAFETY: eight numbers of 16 bits are as long as the vector.
    unsafe { vld1q_s16(numbers.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store(bytes: &mut [u8], vector: uint8x8_t) {
    assert_eq!(bytes.len(), 8);
    // SAFETY: eight bytes are as long as the vector.
    unsafe { vst1_u8(bytes.as_mut_ptr(), vector) }
}
