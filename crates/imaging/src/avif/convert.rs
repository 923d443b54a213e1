//! Luma and chroma to RGB and back, row by row, in fixed point. Pure arithmetic: it must never know files or codecs.

use super::boxes::unsupported;
use super::cicp::{Cicp, PRIMARIES_BT_709, UNSPECIFIED};
use crate::Error;
use crate::pixels::Sample;

/// Fractional bits. The largest sum for bytes, 4095 x 1.2 x 2^16 x 3, stays within 31 bits; sums for words do not.
const SHIFT: u32 = 16;

/// Takes samples of one depth, range and matrix to RGB of 8 or 16 bits.
#[derive(Debug, PartialEq)]
pub(super) struct ToRgb {
    /// Rows R, G, B; columns luma, first chroma, second chroma.
    weights: [[i64; 3]; 3],
    offsets: [i32; 3],
    /// Full light in the RGB that it was made for.
    full: u32,
}

/// Red's and blue's part of luma for a matrix that has them (H.273 table 4).
fn luma_parts(cicp: Cicp) -> Result<(f64, f64), Error> {
    Ok(match (cicp.matrix, cicp.primaries) {
        (1, _) | (12, PRIMARIES_BT_709) => (0.2126, 0.0722),
        // What is not said is BT.601, as in JPEG and in every browser.
        (UNSPECIFIED | 5 | 6, _) => (0.299, 0.114),
        (4, _) => (0.30, 0.11),
        (7, _) => (0.212, 0.087),
        (9, _) | (12, 9) => (0.2627, 0.0593),
        _ => return Err(unsupported(&format!("the matrix {}", cicp.matrix))),
    })
}

impl ToRgb {
    /// `depth` is 8, 10 or 12; the RGB is of samples `S`.
    pub(super) fn new<S: Sample>(cicp: Cicp, depth: u32) -> Result<ToRgb, Error> {
        let unit = f64::from(1u32 << (depth - 8));
        let max = f64::from((1u32 << depth) - 1);
        let (luma_range, chroma_range, black) =
            if cicp.full_range { (max, max, 0.0) } else { (219.0 * unit, 224.0 * unit, 16.0 * unit) };
        let full = f64::from(S::FULL);
        let (luma, chroma) = (full / luma_range, full / chroma_range);
        let middle = 128.0 * unit;
        let (weights, offsets) = match cicp.matrix {
            // Identity: the planes are green, blue, red.
            0 => ([[0.0, 0.0, luma], [luma, 0.0, 0.0], [0.0, luma, 0.0]], [black; 3]),
            // YCgCo.
            8 => ([[luma, -chroma, chroma], [luma, chroma, 0.0], [luma, -chroma, -chroma]], [black, middle, middle]),
            _ => {
                let (red, blue) = luma_parts(cicp)?;
                let green = 1.0 - red - blue;
                let (from_cr, from_cb) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
                let rows = [
                    [luma, 0.0, from_cr * chroma],
                    [luma, -from_cb * blue / green * chroma, -from_cr * red / green * chroma],
                    [luma, from_cb * chroma, 0.0],
                ];
                (rows, [black, middle, middle])
            }
        };
        let fixed = |value: f64| (value * f64::from(1u32 << SHIFT)).round() as i64;
        let (weights, offsets) = (weights.map(|row| row.map(fixed)), offsets.map(|offset| offset as i32));
        Ok(ToRgb { weights, offsets, full: S::FULL })
    }

    /// One row; every slice has one entry per pixel or more, `rgb` pixels of `step` (3 or 4) samples, of which three are written.
    pub(super) fn row<S: Sample>(&self, planes: [&[u16]; 3], rgb: &mut [S], step: usize) {
        debug_assert_eq!(self.full, S::FULL);
        match step {
            3 => self.pixels::<S, 3>(planes, rgb),
            _ => self.pixels::<S, 4>(planes, rgb),
        }
    }

    /// The size of a pixel is known here while compiling, so that the loop is unrolled; a tenth of a decode otherwise goes here.
    fn pixels<S: Sample, const STEP: usize>(&self, planes: [&[u16]; 3], rgb: &mut [S]) {
        let (pixels, _) = rgb.as_chunks_mut::<STEP>();
        let [luma, first, second] = planes.map(|plane| &plane[..pixels.len()]);
        let narrow = self.weights.map(|row| row.map(|weight| weight as i32));
        for (x, pixel) in pixels.iter_mut().enumerate() {
            let y = i32::from(luma[x]) - self.offsets[0];
            let u = i32::from(first[x]) - self.offsets[1];
            let v = i32::from(second[x]) - self.offsets[2];
            for channel in 0..3 {
                let sum = if S::FULL == 255 {
                    let weight = narrow[channel];
                    (weight[0] * y + weight[1] * u + weight[2] * v + (1 << (SHIFT - 1))) >> SHIFT
                } else {
                    let (weight, [y, u, v]) = (self.weights[channel], [y, u, v].map(i64::from));
                    ((weight[0] * y + weight[1] * u + weight[2] * v + (1 << (SHIFT - 1))) >> SHIFT) as i32
                };
                pixel[channel] = S::hold(sum.max(0) as u32);
            }
        }
    }
}

/// Takes one-plane samples to full range, each written `step` samples after the one before.
pub(super) fn gray_row<S: Sample>(samples: &[u16], depth: u32, full_range: bool, out: &mut [S], step: usize) {
    let (black, range) = if full_range { (0, (1 << depth) - 1) } else { (16 << (depth - 8), 219 << (depth - 8)) };
    for (value, sample) in out.iter_mut().step_by(step).zip(samples) {
        // 4095 times 65,535 is less than 2^28.
        let light = (i32::from(*sample) - black).max(0);
        *value = S::hold((light as u32 * S::FULL + range as u32 / 2) / range as u32);
    }
}

/// Brings two chroma rows to one full row: 3/4 of the nearer row and 1/4 of the farther, the same along the row, which is what
/// decoders of 4:2:0 have always done. `near` and `far` are the same row where rows are not subsampled.
pub(super) fn full_row(near: &[u16], far: &[u16], halved: bool, blend: &mut Vec<u32>, out: &mut [u16]) {
    blend.clear();
    blend.extend(near.iter().zip(far).map(|(near, far)| 3 * u32::from(*near) + u32::from(*far)));
    if !halved {
        out.iter_mut().zip(&*blend).for_each(|(out, sum)| *out = ((sum + 2) >> 2) as u16);
        return;
    }
    let last = blend.len().saturating_sub(1);
    for (x, pair) in out.chunks_mut(2).enumerate() {
        let (before, here, next) = (blend[x.saturating_sub(1)], blend[x.min(last)], blend[(x + 1).min(last)]);
        pair[0] = ((3 * here + before + 8) >> 4) as u16;
        if let Some(right) = pair.get_mut(1) {
            *right = ((3 * here + next + 8) >> 4) as u16;
        }
    }
}

/// Luma of one row of RGB, BT.709, full range.
pub(super) fn luma_row(rgb: impl Iterator<Item = [u8; 3]>, out: &mut [u8]) {
    // 0.2126, 0.7152, 0.0722 in 16 bits, adding up to 2^16 so that white stays white.
    for ([r, g, b], y) in rgb.zip(out) {
        *y = ((13933 * u32::from(r) + 46871 * u32::from(g) + 4732 * u32::from(b) + 32768) >> 16) as u8;
    }
}

/// Both chroma samples of the sum of `count` RGB pixels, BT.709, full range.
pub(super) fn chroma(sum: [u32; 3], count: u32) -> (u8, u8) {
    let [r, g, b] = sum.map(i64::from);
    let luma = 13933 * r + 46871 * g + 4732 * b;
    let code = |channel: i64, divisor: f64| {
        let difference = ((channel << 16) - luma) as f64 / (65536.0 * f64::from(count));
        (difference / divisor + 128.0).round().clamp(0.0, 255.0) as u8
    };
    (code(b, 2.0 * (1.0 - 0.0722)), code(r, 2.0 * (1.0 - 0.2126)))
}

/// Divides colour by alpha, in place, on RGBA pixels.
pub(super) fn unpremultiply<S: Sample>(rgba: &mut [S]) {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha: u32 = pixel[3].into();
        if alpha == S::FULL {
            continue;
        }
        for channel in &mut pixel[..3] {
            *channel = match alpha {
                0 => S::default(),
                // 65,535 squared and half of it is less than 2^32.
                _ => S::hold(((*channel).into() * S::FULL + alpha / 2) / alpha),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cicp(matrix: u16, full_range: bool) -> Cicp {
        Cicp { primaries: 1, transfer: 13, matrix, full_range }
    }

    fn one(matrix: u16, full_range: bool, depth: u32, yuv: [u16; 3]) -> [u8; 3] {
        let mut rgb = [0; 3];
        ToRgb::new::<u8>(cicp(matrix, full_range), depth).unwrap().row([&yuv[..1], &yuv[1..2], &yuv[2..]], &mut rgb, 3);
        rgb
    }

    #[test]
    fn black_and_white_are_black_and_white_at_every_depth_and_range() {
        for depth in [8, 10, 12] {
            let unit = 1u16 << (depth - 8);
            for matrix in [1, 2, 4, 5, 6, 7, 8, 9, 12] {
                assert_eq!(one(matrix, true, depth, [0, 128 * unit, 128 * unit]), [0; 3]);
                assert_eq!(one(matrix, true, depth, [256 * unit - 1, 128 * unit, 128 * unit]), [255; 3]);
                assert_eq!(one(matrix, false, depth, [16 * unit, 128 * unit, 128 * unit]), [0; 3]);
                assert_eq!(one(matrix, false, depth, [235 * unit, 128 * unit, 128 * unit]), [255; 3]);
            }
        }
    }

    #[test]
    fn known_colours() {
        // Pure red: BT.601 limited 81, 90, 240; BT.709 limited 63, 102, 240 (both from the standards' tables).
        for (matrix, limited) in [(6, [81, 90, 240]), (1, [63, 102, 240])] {
            let [r, g, b] = one(matrix, false, 8, limited);
            assert!(r >= 253 && g <= 2 && b <= 2, "{matrix}: {r} {g} {b}");
        }
        assert_eq!(one(0, true, 8, [1, 2, 3]), [3, 1, 2]);
        assert!(ToRgb::new::<u8>(cicp(10, true), 8).is_err());
        assert!(ToRgb::new::<u16>(cicp(14, true), 8).is_err());
    }

    #[test]
    fn words_are_what_bytes_are_and_finer() {
        for matrix in [0, 1, 6, 8, 9] {
            for (depth, yuv) in
                [(10, [512, 300, 700]), (12, [4095, 2048, 2048]), (10, [64, 512, 512]), (10, [513, 300, 700])]
            {
                for full_range in [true, false] {
                    let mut words = [0u16; 3];
                    let planes = [&yuv[..1], &yuv[1..2], &yuv[2..]];
                    ToRgb::new::<u16>(cicp(matrix, full_range), depth).unwrap().row(planes, &mut words, 3);
                    for (word, byte) in words.iter().zip(one(matrix, full_range, depth, yuv)) {
                        let near = (u32::from(*word) + 128) / 257;
                        assert!(near.abs_diff(u32::from(byte)) <= 1, "{matrix} {depth} {yuv:?}: {word} {byte}");
                    }
                }
            }
        }
        let gray = |sample: u16| {
            let mut out = [0u16];
            gray_row(&[sample], 10, true, &mut out, 1);
            out[0]
        };
        assert_eq!((gray(0), gray(1), gray(1023)), (0, 64, 65_535));
        let mut rgba = [32_768u16, 65_535, 1, 32_768];
        unpremultiply(&mut rgba);
        assert_eq!(rgba, [65_535, 65_535, 2, 32_768]);
    }

    #[test]
    fn there_and_back_is_within_two() {
        for rgb in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [12, 200, 99], [255; 3], [0; 3], [127, 128, 129]] {
            let mut y = [0];
            luma_row([rgb].into_iter(), &mut y);
            let (u, v) = chroma(rgb.map(|c| u32::from(c) * 4), 4);
            let back = one(1, true, 8, [y[0].into(), u.into(), v.into()]);
            for (a, b) in rgb.iter().zip(back) {
                assert!(a.abs_diff(b) <= 2, "{rgb:?} {back:?}");
            }
        }
    }

    #[test]
    fn upsampling_keeps_flat_rows_flat_and_blends_a_step() {
        let mut out = [0; 5];
        full_row(&[700; 3], &[700; 3], true, &mut Vec::new(), &mut out);
        assert_eq!(out, [700; 5]);
        full_row(&[0, 16, 16], &[0, 16, 16], true, &mut Vec::new(), &mut out);
        assert_eq!(out, [0, 4, 12, 16, 16]);
        let mut same = [0; 3];
        full_row(&[1, 2, 3], &[1, 2, 3], false, &mut Vec::new(), &mut same);
        assert_eq!(same, [1, 2, 3]);
    }

    #[test]
    fn gray_and_alpha() {
        let mut out = [9u8; 4];
        gray_row(&[0, 1023], 10, true, &mut out, 2);
        assert_eq!(out, [0, 9, 255, 9]);
        gray_row(&[16, 235], 8, false, &mut out, 2);
        assert_eq!(out, [0, 9, 255, 9]);
        let mut rgba = [64u8, 128, 200, 128, 5, 5, 5, 0, 7, 7, 7, 255];
        unpremultiply(&mut rgba);
        assert_eq!(rgba, [128, 255, 255, 128, 0, 0, 0, 0, 7, 7, 7, 255]);
    }
}
