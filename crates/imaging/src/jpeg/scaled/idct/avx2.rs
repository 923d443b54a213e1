//! The inverse transform for processors with AVX2, the same to the bit as its twin. Both passes are sums of products of pairs, which
//! one instruction makes eight of; between them pairs change places with lanes.

use std::arch::x86_64::*;

use super::{Block, FACTORS, FIRST_BIAS, FIRST_SHIFT, LAST_BIAS, LAST_SHIFT, Transform};

/// The transform for n, if this processor can run it and n is worth it.
pub(super) fn transform(n: usize) -> Option<Transform> {
    if !is_x86_feature_detected!("avx2") {
        return None;
    }
    [
        None,
        None,
        None,
        Some(checked_small::<3> as Transform),
        Some(checked_small::<4>),
        Some(checked::<5>),
        Some(checked::<6>),
        Some(checked::<7>),
        Some(checked::<8>),
    ]
    .get(n)
    .copied()
    .flatten()
}

fn checked<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    // SAFETY: `transform` hands this function out only where AVX2 is there.
    unsafe { run::<N>(block, out, stride) }
}

fn checked_small<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    // SAFETY: `transform` hands this function out only where AVX2 is there.
    unsafe { run_small::<N>(block, out, stride) }
}

/// Factors of N, each pair of neighbouring frequencies as one 32-bit lane.
#[inline(always)]
fn pair(n: usize, at: usize, pair: usize) -> i32 {
    let [low, high] = [FACTORS[n][at][pair * 2], FACTORS[n][at][pair * 2 + 1]];
    i32::from(high) << 16 | i32::from(low as u16)
}

#[target_feature(enable = "avx2")]
fn run<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    let zero = _mm256_setzero_si256();
    // Columns of frequencies u and u + 1, interleaved: lane v holds both at row frequency v.
    let mut pairs = [zero; 4];
    for (at, pair) in pairs.iter_mut().enumerate().take(N.div_ceil(2)) {
        let column = |u: usize| load(block, u);
        let (even, odd) = (column(at * 2), if at * 2 + 1 < N { column(at * 2 + 1) } else { _mm_setzero_si128() });
        *pair = _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
    }
    // first[x]: lane v holds sample column x at row frequency v.
    let first: [__m256i; 8] = pass::<N, FIRST_SHIFT>(&pairs, FIRST_BIAS);
    // As 16 bits, neighbouring row frequencies are pairs already; they change places with x.
    let packed = [0, 2, 4, 6].map(|x| _mm256_packs_epi32(first[x], first[x + 1]));
    let low = [_mm256_unpacklo_epi32(packed[0], packed[1]), _mm256_unpacklo_epi32(packed[2], packed[3])];
    let high = [_mm256_unpackhi_epi32(packed[0], packed[1]), _mm256_unpackhi_epi32(packed[2], packed[3])];
    let even = |of: [__m256i; 2]| _mm256_unpacklo_epi64(of[0], of[1]);
    let odd = |of: [__m256i; 2]| _mm256_unpackhi_epi64(of[0], of[1]);
    let (even_low, even_high, odd_low, odd_high) = (even(low), even(high), odd(low), odd(high));
    // Lanes are now sample columns 0 2 4 6 1 3 5 7.
    let pairs = [
        _mm256_permute2x128_si256::<0x20>(even_low, even_high),
        _mm256_permute2x128_si256::<0x20>(odd_low, odd_high),
        _mm256_permute2x128_si256::<0x31>(even_low, even_high),
        _mm256_permute2x128_si256::<0x31>(odd_low, odd_high),
    ];
    let rows: [__m256i; 8] = pass::<N, LAST_SHIFT>(&pairs, LAST_BIAS);
    for quarter in 0..N.div_ceil(4) {
        let at = quarter * 4;
        let wide = [_mm256_packs_epi32(rows[at], rows[at + 1]), _mm256_packs_epi32(rows[at + 2], rows[at + 3])];
        let bytes = _mm256_packus_epi16(wide[0], wide[1]);
        let (even, odd) = (_mm256_castsi256_si128(bytes), _mm256_extracti128_si256::<1>(bytes));
        let two = [_mm_unpacklo_epi8(even, odd), _mm_unpackhi_epi8(even, odd)];
        for (y, samples) in (at..N).zip([two[0], _mm_srli_si128::<8>(two[0]), two[1], _mm_srli_si128::<8>(two[1])]) {
            out[y * stride..y * stride + 8].copy_from_slice(&_mm_cvtsi128_si64(samples).to_le_bytes());
        }
    }
}

/// The same for an N of 3 or 4, which half as wide vectors hold: rows are written as 4.
#[target_feature(enable = "avx2")]
fn run_small<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    let last = if N > 3 { load(block, 3) } else { _mm_setzero_si128() };
    // Columns of frequencies u and u + 1, interleaved: lane v holds both at row frequency v.
    let pairs = [_mm_unpacklo_epi16(load(block, 0), load(block, 1)), _mm_unpacklo_epi16(load(block, 2), last)];
    let first = pass_small::<N, FIRST_SHIFT>(&pairs, FIRST_BIAS);
    // As 16 bits, neighbouring row frequencies are pairs already; those of the same frequencies come together.
    let left = _mm_castsi128_ps(_mm_packs_epi32(first[0], first[1]));
    let right = _mm_castsi128_ps(_mm_packs_epi32(first[2], first[3]));
    let (low, high) = (_mm_shuffle_ps::<0b10_00_10_00>(left, right), _mm_shuffle_ps::<0b11_01_11_01>(left, right));
    let rows = pass_small::<N, LAST_SHIFT>(&[_mm_castps_si128(low), _mm_castps_si128(high)], LAST_BIAS);
    let bytes = _mm_packus_epi16(_mm_packs_epi32(rows[0], rows[1]), _mm_packs_epi32(rows[2], rows[3]));
    let rows = [_mm_cvtsi128_si64(bytes), _mm_cvtsi128_si64(_mm_unpackhi_epi64(bytes, bytes))];
    for y in 0..N {
        let samples = (rows[y / 2] >> (y % 2 * 32)) as i32;
        out[y * stride..y * stride + 4].copy_from_slice(&samples.to_le_bytes());
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn pass_small<const N: usize, const SHIFT: i32>(pairs: &[__m128i; 2], bias: i32) -> [__m128i; 4] {
    let mut sums = [_mm_setzero_si128(); 4];
    for (at, sum) in sums.iter_mut().enumerate().take(N) {
        let product = |of: usize| _mm_madd_epi16(pairs[of], _mm_set1_epi32(pair(N, at, of)));
        let total = _mm_add_epi32(_mm_add_epi32(_mm_set1_epi32(bias), product(0)), product(1));
        *sum = _mm_srai_epi32::<SHIFT>(total);
    }
    sums
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &Block, column: usize) -> __m128i {
    let column = &block[column * 8..column * 8 + 8];
    // SAFETY: eight numbers of 16 bits are as long as the vector.
    unsafe { _mm_loadu_si128(column.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn pass<const N: usize, const SHIFT: i32>(pairs: &[__m256i; 4], bias: i32) -> [__m256i; 8] {
    let mut sums = [_mm256_setzero_si256(); 8];
    for (at, sum) in sums.iter_mut().enumerate().take(N) {
        let mut total = _mm256_set1_epi32(bias);
        for (pair_at, pair_of) in pairs.iter().enumerate().take(N.div_ceil(2)) {
            total = _mm256_add_epi32(total, _mm256_madd_epi16(*pair_of, _mm256_set1_epi32(pair(N, at, pair_at))));
        }
        *sum = _mm256_srai_epi32::<SHIFT>(total);
    }
    sums
}
