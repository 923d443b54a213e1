//! Resampling for processors with AVX2, the same to the bit as the plain kernels.

use std::arch::x86_64::*;

use super::kernel::{ACROSS_SHIFT, DOWN_BIAS, DOWN_SHIFT, GROUP, Kernels, WIDE};
use super::taps::Taps;

pub(super) fn kernels() -> Option<Kernels> {
    is_x86_feature_detected!("avx2").then_some(Kernels { down: checked_down, across: checked_across })
}

fn checked_down(ring: &[u8], places: &[usize], weights: &[i16], width: usize, line: &mut [i16]) {
    // SAFETY: `kernels` hands this function out only where AVX2 is there.
    unsafe { down(ring, places, weights, width, line) }
}

fn checked_across(line: &[i16], columns: &Taps, bias: i32, out: &mut [u8]) {
    // SAFETY: `kernels` hands this function out only where AVX2 is there.
    unsafe { across(line, columns, bias, out) }
}

#[target_feature(enable = "avx2")]
fn down(ring: &[u8], places: &[usize], weights: &[i16], width: usize, line: &mut [i16]) {
    for at in (0..width).step_by(WIDE) {
        // Columns 0-7, 8-15 of each half.
        let mut sums = [_mm256_set1_epi32(DOWN_BIAS); 4];
        for (places, weights) in places.chunks_exact(2).zip(weights.chunks_exact(2)) {
            let pair = _mm256_set1_epi32(i32::from(weights[1]) << 16 | i32::from(weights[0] as u16));
            let (upper, lower) =
                (&ring[places[0] + at..places[0] + at + WIDE], &ring[places[1] + at..places[1] + at + WIDE]);
            for half in 0..2 {
                let (upper, lower) =
                    (load_bytes(&upper[half * 16..half * 16 + 16]), load_bytes(&lower[half * 16..half * 16 + 16]));
                let left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(upper, lower));
                let right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(upper, lower));
                sums[half * 2] = _mm256_add_epi32(sums[half * 2], _mm256_madd_epi16(left, pair));
                sums[half * 2 + 1] = _mm256_add_epi32(sums[half * 2 + 1], _mm256_madd_epi16(right, pair));
            }
        }
        let sums = sums.map(|sum| _mm256_srai_epi32::<DOWN_SHIFT>(sum));
        for half in 0..2 {
            // Packing works in each half of a vector: the middle quarters change places.
            let packed = _mm256_packs_epi32(sums[half * 2], sums[half * 2 + 1]);
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            let target = &mut line[at + half * 16..at + half * 16 + 16];
            // SAFETY: sixteen numbers of 16 bits are as long as the vector.
            unsafe { _mm256_storeu_si256(target.as_mut_ptr().cast(), packed) }
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_bytes(bytes: &[u8]) -> __m128i {
    debug_assert_eq!(bytes.len(), 16);
    // SAFETY: callers cut sixteen bytes, as long as the vector.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_numbers(numbers: &[i16]) -> __m256i {
    debug_assert_eq!(numbers.len(), GROUP);
    // SAFETY: callers cut sixteen numbers, as long as the vector.
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

/// The sum of one filter, still spread over eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn filter(line: &[i16], start: usize, weights: &[i16]) -> __m256i {
    let samples = &line[start..start + weights.len()];
    if weights.len() == GROUP {
        return _mm256_madd_epi16(load_numbers(samples), load_numbers(weights));
    }
    let mut sum = _mm256_setzero_si256();
    for (samples, weights) in samples.chunks_exact(GROUP).zip(weights.chunks_exact(GROUP)) {
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load_numbers(samples), load_numbers(weights)));
    }
    sum
}

#[target_feature(enable = "avx2")]
fn across(line: &[i16], columns: &Taps, bias: i32, out: &mut [u8]) {
    let bias = _mm256_set1_epi32(bias);
    let mut filters = columns.all();
    for out in out.chunks_mut(8) {
        let mut sums = [_mm256_setzero_si256(); 8];
        for (sum, (start, weights)) in sums.iter_mut().zip(filters.by_ref().take(out.len())) {
            *sum = filter(line, start, weights);
        }
        // Neighbours are added until each lane is one filter; both halves of the vectors still have to be.
        let four = |of: &[__m256i]| _mm256_hadd_epi32(_mm256_hadd_epi32(of[0], of[1]), _mm256_hadd_epi32(of[2], of[3]));
        let (left, right) = (four(&sums[..4]), four(&sums[4..]));
        let low = _mm256_permute2x128_si256::<0x20>(left, right);
        let high = _mm256_permute2x128_si256::<0x31>(left, right);
        let total = _mm256_srai_epi32::<ACROSS_SHIFT>(_mm256_add_epi32(_mm256_add_epi32(low, high), bias));
        let words = _mm_packs_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
        let bytes = _mm_cvtsi128_si64(_mm_packus_epi16(words, words)).to_le_bytes();
        out.copy_from_slice(&bytes[..out.len()]);
    }
}
