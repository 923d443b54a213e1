//! Resampling for 64-bit ARM, the same to the bit as the plain kernels.

use std::arch::aarch64::*;

use super::kernel::{ACROSS_SHIFT, DOWN_BIAS, DOWN_SHIFT, Kernels, WIDE};
use super::taps::Taps;

pub(super) fn kernels() -> Option<Kernels> {
    Some(Kernels { down: checked_down, across: checked_across })
}

fn checked_down(ring: &[u8], places: &[usize], weights: &[i16], width: usize, line: &mut [i16]) {
    // SAFETY: NEON is part of every 64-bit ARM that Rust's targets with a standard library stand for.
    unsafe { down(ring, places, weights, width, line) }
}

fn checked_across(line: &[i16], columns: &Taps, bias: i32, out: &mut [u8]) {
    // SAFETY: as above.
    unsafe { across(line, columns, bias, out) }
}

#[target_feature(enable = "neon")]
fn down(ring: &[u8], places: &[usize], weights: &[i16], width: usize, line: &mut [i16]) {
    for at in (0..width).step_by(WIDE) {
        // Four columns each.
        let mut sums = [vdupq_n_s32(DOWN_BIAS); WIDE / 4];
        for (place, weight) in places.iter().zip(weights) {
            let row = &ring[place + at..place + at + WIDE];
            for (sums, samples) in sums.chunks_exact_mut(4).zip(row.chunks_exact(16)) {
                let samples = load_bytes(samples);
                let left = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(samples)));
                let right = vreinterpretq_s16_u16(vmovl_high_u8(samples));
                sums[0] = vmlal_n_s16(sums[0], vget_low_s16(left), *weight);
                sums[1] = vmlal_high_n_s16(sums[1], left, *weight);
                sums[2] = vmlal_n_s16(sums[2], vget_low_s16(right), *weight);
                sums[3] = vmlal_high_n_s16(sums[3], right, *weight);
            }
        }
        for (sums, kept) in sums.chunks_exact(2).zip(line[at..at + WIDE].chunks_exact_mut(8)) {
            let (low, high) = (vqshrn_n_s32::<DOWN_SHIFT>(sums[0]), vqshrn_n_s32::<DOWN_SHIFT>(sums[1]));
            store_numbers(kept, vcombine_s16(low, high));
        }
    }
}

#[target_feature(enable = "neon")]
fn across(line: &[i16], columns: &Taps, bias: i32, out: &mut [u8]) {
    let bias = vdupq_n_s32(bias);
    let mut filters = columns.all();
    for out in out.chunks_mut(8) {
        let mut sums = [vdupq_n_s32(0); 8];
        for (sum, (start, weights)) in sums.iter_mut().zip(filters.by_ref().take(out.len())) {
            *sum = filter(line, start, weights);
        }
        // Neighbours are added until each lane is one filter.
        let four = |of: &[int32x4_t]| vpaddq_s32(vpaddq_s32(of[0], of[1]), vpaddq_s32(of[2], of[3]));
        let (left, right) = (vaddq_s32(four(&sums[..4]), bias), vaddq_s32(four(&sums[4..]), bias));
        // Most of the shift comes with narrowing, which loses nothing, the rest with the bounds of a byte.
        let words = vcombine_s16(vshrn_n_s32::<16>(left), vshrn_n_s32::<16>(right));
        let mut bytes = [0; 8];
        store_bytes(&mut bytes, vqshrun_n_s16::<{ ACROSS_SHIFT - 16 }>(words));
        out.copy_from_slice(&bytes[..out.len()]);
    }
}

/// The sum of one filter, still spread over four lanes.
#[inline]
#[target_feature(enable = "neon")]
fn filter(line: &[i16], start: usize, weights: &[i16]) -> int32x4_t {
    let mut sum = vdupq_n_s32(0);
    for (samples, weights) in line[start..start + weights.len()].chunks_exact(8).zip(weights.chunks_exact(8)) {
        let (samples, weights) = (load_numbers(samples), load_numbers(weights));
        sum = vmlal_s16(sum, vget_low_s16(samples), vget_low_s16(weights));
        sum = vmlal_high_s16(sum, samples, weights);
    }
    sum
}

#[inline]
#[target_feature(enable = "neon")]
fn load_bytes(bytes: &[u8]) -> uint8x16_t {
    assert_eq!(bytes.len(), 16);
    // SAFETY: sixteen bytes are as long as the vector.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_numbers(numbers: &[i16]) -> int16x8_t {
    assert_eq!(numbers.len(), 8);
    // SAFETY: eight numbers of 16 bits are as long as the vector.
    unsafe { vld1q_s16(numbers.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store_numbers(numbers: &mut [i16], vector: int16x8_t) {
    assert_eq!(numbers.len(), 8);
    // SAFETY: eight numbers of 16 bits are as long as the vector.
    unsafe { vst1q_s16(numbers.as_mut_ptr(), vector) }
}

#[inline]
#[target_feature(enable = "neon")]
fn store_bytes(bytes: &mut [u8; 8], vector: uint8x8_t) {
    // SAFETY: eight bytes are as long as the vector.
    unsafe { vst1_u8(bytes.as_mut_ptr(), vector) }
}
