//! The inverse transform at n/8: the n x n lowest frequencies of a block to n x n samples. This is the transform of n points, the
//! definition that libjpeg uses from version 7 on: the picture loses the frequencies that n samples cannot hold, and nothing else.
//!
//! Fixed point as in libjpeg's accurate integer transform: factors of 13 bits, two more bits kept between the passes.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;

/// Dequantised coefficients, transposed: `block[column * 8 + row]`.
pub(super) type Block = [i16; 64];

/// Turns a block into n rows of n samples, each written as 8: what is right of the n is left undefined.
pub(super) type Transform = fn(block: &Block, out: &mut [u8], stride: usize);

const FACTOR_BITS: i32 = 13;
const KEPT_BITS: i32 = 2;
/// The 8 of the transform's own scale is the last 3.
const LAST_SHIFT: i32 = FACTOR_BITS + KEPT_BITS + 3;
/// Half a unit, and the 128 that samples are stored less.
const LAST_BIAS: i32 = (1 << (LAST_SHIFT - 1)) + (128 << LAST_SHIFT);
const FIRST_SHIFT: i32 = FACTOR_BITS - KEPT_BITS;
const FIRST_BIAS: i32 = 1 << (FIRST_SHIFT - 1);

/// `FACTORS[n][x][u]`: how much frequency u counts at sample x of n: 1 for u = 0, else √2 cos((2x + 1) u π / 2n).
static FACTORS: [[[i16; 8]; 8]; 9] = factors();

const fn factors() -> [[[i16; 8]; 8]; 9] {
    let mut factors = [[[0; 8]; 8]; 9];
    let mut n = 1;
    while n <= 8 {
        let mut x = 0;
        while x < n {
            factors[n][x][0] = 1 << FACTOR_BITS;
            let mut u = 1;
            while u < n {
                let turns = ((2 * x + 1) * u % (4 * n)) as f64 / (4 * n) as f64;
                let factor = std::f64::consts::SQRT_2 * cosine(turns) * (1 << FACTOR_BITS) as f64;
                factors[n][x][u] = if factor < 0.0 { (factor - 0.5) as i16 } else { (factor + 0.5) as i16 };
                u += 1;
            }
            x += 1;
        }
        n += 1;
    }
    factors
}

/// The cosine of a part of a full turn, 0 to 1, by its series: the library's is not there at compile time.
const fn cosine(turns: f64) -> f64 {
    let turns = if turns > 0.5 { 1.0 - turns } else { turns };
    let (turns, sign) = if turns > 0.25 { (0.5 - turns, -1.0) } else { (turns, 1.0) };
    let x = turns * std::f64::consts::TAU;
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while k < 20.0 {
        term *= -x * x / ((2.0 * k - 1.0) * 2.0 * k);
        sum += term;
        k += 1.0;
    }
    sign * sum
}

/// The fastest transform for n of this processor; n is 1 to 8.
pub(super) fn transform(n: usize) -> Transform {
    #[cfg(target_arch = "x86_64")]
    let kernel = avx2::transform(n);
    #[cfg(target_arch = "aarch64")]
    let kernel = neon::transform(n);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let kernel = None;
    let twins =
        [plain::<1>, plain::<1>, plain::<2>, plain::<3>, plain::<4>, plain::<5>, plain::<6>, plain::<7>, plain::<8>];
    kernel.unwrap_or(twins[n])
}

/// The transform without vectors: what the kernels are held against.
fn plain<const N: usize>(block: &Block, out: &mut [u8], stride: usize) {
    let factors = &FACTORS[N];
    // `first[x][v]`: sample column x, row frequency v.
    let mut first = [[0i16; 8]; N];
    for (x, line) in first.iter_mut().enumerate() {
        for (v, kept) in line.iter_mut().enumerate().take(N) {
            let sum = (0..N)
                .fold(FIRST_BIAS, |sum, u| sum.wrapping_add(i32::from(factors[x][u]) * i32::from(block[u * 8 + v])));
            *kept = (sum >> FIRST_SHIFT).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }
    for (y, row) in out.chunks_mut(stride).take(N).enumerate() {
        for (x, sample) in row.iter_mut().enumerate().take(N) {
            let sum =
                (0..N).fold(LAST_BIAS, |sum, v| sum.wrapping_add(i32::from(factors[y][v]) * i32::from(first[x][v])));
            *sample = (sum >> LAST_SHIFT).clamp(0, 255) as u8;
        }
    }
}

/// The sample that a block of nothing but a DC coefficient shows everywhere.
#[inline(always)]
pub(super) fn flat(dc: i16) -> u8 {
    (((i32::from(dc) + 4) >> 3) + 128).clamp(0, 255) as u8
}

/// The two by two samples of the four lowest frequencies, whose factors are all 1.
#[inline(always)]
fn two(block: &Block) -> [[u8; 2]; 2] {
    let [dc, down, right, both] = [block[0], block[1], block[8], block[9]].map(i32::from);
    let sample = |sum: i32| (((sum + 4) >> 3) + 128).clamp(0, 255) as u8;
    [
        [sample(dc + down + right + both), sample(dc + down - right - both)],
        [sample(dc - down + right - both), sample(dc - down - right + both)],
    ]
}

/// The same as a [`Transform`], small enough to be inlined.
#[inline(always)]
pub(super) fn draw_two(block: &Block, out: &mut [u8], stride: usize) {
    let [upper, lower] = two(block);
    out[..2].copy_from_slice(&upper);
    out[stride..stride + 2].copy_from_slice(&lower);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, in floating point.
    fn exact(block: &Block, n: usize) -> Vec<f64> {
        let factor = |x: usize, u: usize| match u {
            0 => 1.0,
            u => std::f64::consts::SQRT_2 * (std::f64::consts::PI * ((2 * x + 1) * u) as f64 / (2 * n) as f64).cos(),
        };
        let sample = |x: usize, y: usize| {
            let terms = (0..n).flat_map(|u| (0..n).map(move |v| (u, v)));
            terms.map(|(u, v)| factor(x, u) * factor(y, v) * f64::from(block[u * 8 + v])).sum::<f64>() / 8.0 + 128.0
        };
        (0..n * n).map(|at| sample(at % n, at / n).clamp(0.0, 255.0)).collect()
    }

    fn run(transform: Transform, block: &Block, n: usize) -> Vec<u8> {
        let stride = 19;
        let mut out = vec![0; (n - 1) * stride + 8];
        transform(block, &mut out, stride);
        out.chunks(stride).flat_map(|row| row[..n].to_vec()).collect()
    }

    proptest! {
        /// What a picture can hold: coefficients that fall off with frequency.
        #[test]
        fn samples_are_within_one_of_the_definition(seed in proptest::collection::vec(-1.0f64..1.0, 64)) {
            let mut block = [0; 64];
            for (at, value) in seed.iter().enumerate() {
                block[at] = (value * 900.0 / (1.0 + (at / 8 + at % 8) as f64)) as i16;
            }
            for n in 1..=8 {
                let exact = exact(&block, n);
                for (got, exact) in run(transform(n), &block, n).iter().zip(&exact) {
                    prop_assert!((f64::from(*got) - exact).abs() <= 1.0, "{n}: {got} {exact}");
                }
            }
            let by_two: Vec<u8> = two(&block).concat();
            prop_assert_eq!(by_two, run(plain::<2>, &block, 2));
        }

        /// Any coefficients at all, also those that only an enemy writes.
        #[test]
        fn kernels_are_the_same_as_their_twins(block in proptest::collection::vec(any::<i16>(), 64), shift in 0..12u32) {
            let block: Block = std::array::from_fn(|at| block[at] >> shift);
            let plain: [Transform; 8] =
                [plain::<1>, plain::<2>, plain::<3>, plain::<4>, plain::<5>, plain::<6>, plain::<7>, plain::<8>];
            for (n, plain) in (1..=8).zip(plain) {
                prop_assert_eq!(run(transform(n), &block, n), run(plain, &block, n), "{}", n);
            }
        }
    }

    /// What the kernel for ARM rests on.
    #[test]
    fn a_sample_and_its_mirror_image_differ_in_the_sign_of_odd_frequencies() {
        for n in 1..=8 {
            for (x, u) in (0..n).flat_map(|x| (0..n).map(move |u| (x, u))) {
                let sign = if u % 2 == 0 { 1 } else { -1 };
                assert_eq!(FACTORS[n][n - 1 - x][u], sign * FACTORS[n][x][u], "{n} {x} {u}");
            }
        }
    }

    #[test]
    fn a_flat_block_is_flat() {
        for dc in [-32_768, -1030, -5, -4, -3, 0, 3, 4, 1017, 32_767] {
            let mut block = [0; 64];
            block[0] = dc;
            for n in 1..=8 {
                assert_eq!(run(transform(n), &block, n), vec![flat(dc); n * n], "{dc} {n}");
            }
        }
    }
}
