//! From luma and chroma to RGB, by JFIF's matrix in fixed point.

const BITS: i32 = 16;

const fn fixed(factor: f64) -> i32 {
    (factor * (1 << BITS) as f64 + 0.5) as i32
}

const RED_OF_CR: i32 = fixed(1.402);
const GREEN_OF_CB: i32 = fixed(0.344_136_286);
const GREEN_OF_CR: i32 = fixed(0.714_136_286);
const BLUE_OF_CB: i32 = fixed(1.772);

/// Joins samples to pixels, as many as there are of all.
pub(super) fn join(luma: &[u8], blue: &[u8], red: &[u8], pixels: &mut [[u8; 3]]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has what the function asks for.
        return unsafe { join_avx2(luma, blue, red, pixels) };
    }
    join_plain(luma, blue, red, pixels);
}

/// The same code, for which the compiler has wider vectors.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn join_avx2(luma: &[u8], blue: &[u8], red: &[u8], pixels: &mut [[u8; 3]]) {
    join_plain(luma, blue, red, pixels);
}

#[inline(always)]
fn join_plain(luma: &[u8], blue: &[u8], red: &[u8], pixels: &mut [[u8; 3]]) {
    /// Pixels at a time: each channel is computed on its own, and only then are they woven together.
    const WIDE: usize = 32;
    let byte = |sum: i32| (sum >> BITS).clamp(0, 255) as u8;
    let one = |luma: u8, blue: u8, red: u8| {
        let (luma, blue, red) =
            ((i32::from(luma) << BITS) + (1 << (BITS - 1)), i32::from(blue) - 128, i32::from(red) - 128);
        [
            byte(luma + RED_OF_CR * red),
            byte(luma - GREEN_OF_CB * blue - GREEN_OF_CR * red),
            byte(luma + BLUE_OF_CB * blue),
        ]
    };
    let (wide_luma, luma) = luma.as_chunks::<WIDE>();
    let (wide_blue, blue) = blue.as_chunks::<WIDE>();
    let (wide_red, red) = red.as_chunks::<WIDE>();
    let (wide_pixels, pixels) = pixels.as_chunks_mut::<WIDE>();
    for (pixels, ((luma, blue), red)) in wide_pixels.iter_mut().zip(wide_luma.iter().zip(wide_blue).zip(wide_red)) {
        let mut channels = [[0; WIDE]; 3];
        for at in 0..WIDE {
            [channels[0][at], channels[1][at], channels[2][at]] = one(luma[at], blue[at], red[at]);
        }
        for (at, pixel) in pixels.iter_mut().enumerate() {
            *pixel = [channels[0][at], channels[1][at], channels[2][at]];
        }
    }
    for (pixel, ((&luma, &blue), &red)) in pixels.iter_mut().zip(luma.iter().zip(blue).zip(red)) {
        *pixel = one(luma, blue, red);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Join = fn(&[u8], &[u8], &[u8], &mut [[u8; 3]]);

    #[test]
    fn every_length_is_joined_as_the_plain_way_does() {
        let samples = |factor: usize| -> Vec<u8> { (0..200).map(|at| (at * factor % 256) as u8).collect() };
        let (luma, blue, red) = (samples(7), samples(31), samples(101));
        for length in 0..200 {
            let run = |join: Join| {
                let mut pixels = vec![[0; 3]; length];
                join(&luma[..length], &blue[..length], &red[..length], &mut pixels);
                pixels
            };
            assert_eq!(run(join), run(join_plain), "{length}");
            let exact = luma.iter().zip(&blue).zip(&red).map(|((y, b), r)| {
                let (y, b, r) = (f64::from(*y), f64::from(*b) - 128.0, f64::from(*r) - 128.0);
                [y + 1.402 * r, y - 0.344_136_286 * b - 0.714_136_286 * r, y + 1.772 * b]
            });
            for (pixel, exact) in run(join).iter().zip(exact) {
                assert!(
                    pixel
                        .iter()
                        .zip(exact)
                        .all(|(got, exact)| (f64::from(*got) - exact.clamp(0.0, 255.0)).abs() <= 0.51)
                );
            }
        }
    }
}
