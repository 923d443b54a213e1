//! The steps that a JPEG's coefficients are rounded to: the standard's example tables, which nearly everybody uses, and tables of our own,
//! which take fewer bytes for the same SSIMULACRA2 score. `examples/jpeg_tables.rs` fitted them, docs/imaging-quality.md has what they
//! come to.

/// The steps of luma and chroma, row by row: across, frequencies rise from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantisers {
    /// For Y.
    pub luma: [u8; 64],
    /// For Cb and Cr.
    pub chroma: [u8; 64],
}

impl Quantisers {
    /// The standard's examples at a quality from 1 to 100, as libjpeg has them.
    pub fn annex_k(quality: u8) -> Self {
        Self::scaled(&ANNEX_K, percent(quality.into()).floor())
    }

    /// Our own at a place on their own scale, which is libjpeg's with fractions. `quality.rs` says which place looks like which quality.
    pub fn fitted(place: f32) -> Self {
        Self::scaled(&FITTED, percent(place))
    }

    /// Our own as they are fitted, luma's and chroma's.
    pub fn table() -> [[u16; 64]; 2] {
        FITTED
    }

    fn scaled([luma, chroma]: &[[u16; 64]; 2], percent: f32) -> Self {
        let scaled = |table: &[u16; 64]| {
            // Steps beyond a byte are for the 12 bits that no browser shows.
            table.map(|step| ((f32::from(step) * percent + 50.0) / 100.0).floor().clamp(1.0, 255.0) as u8)
        };
        Self { luma: scaled(luma), chroma: scaled(chroma) }
    }
}

/// Of a table's steps at a quality from 1 to 100, where 50 is the table itself.
fn percent(quality: f32) -> f32 {
    let quality = quality.clamp(1.0, 100.0);
    if quality < 50.0 { 5000.0 / quality } else { 200.0 - quality * 2.0 }
}

/// The examples for luma and for chroma of ITU-T T.81, tables K.1 and K.2.
#[rustfmt::skip]
const ANNEX_K: [[u16; 64]; 2] = [
    [
        16, 11, 10, 16,  24,  40,  51,  61,
        12, 12, 14, 19,  26,  58,  60,  55,
        14, 13, 16, 24,  40,  57,  69,  56,
        14, 17, 22, 29,  51,  87,  80,  62,
        18, 22, 37, 56,  68, 109, 103,  77,
        24, 35, 55, 64,  81, 104, 113,  92,
        49, 64, 78, 87, 103, 121, 120, 101,
        72, 92, 95, 98, 112, 100, 103,  99,
    ],
    [
        17, 18, 24, 47, 99, 99, 99, 99,
        18, 21, 26, 66, 99, 99, 99, 99,
        24, 26, 56, 99, 99, 99, 99, 99,
        47, 66, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99,
    ],
];

/// For luma and for chroma: what N. Robidoux proposed (ImageMagick's forum, 2012; the default of mozjpeg), bent by nine numbers that
/// were fitted to the scores of photographs. Steps of brightness as a whole are finer than anybody's: blocks show there first.
#[rustfmt::skip]
const FITTED: [[u16; 64]; 2] = [
    [
          7,  17,  17,  20,  27,  38,  53,  73,
         17,  17,  19,  26,  32,  36,  44,  56,
         17,  19,  22,  27,  36,  48,  66,  88,
         20,  26,  27,  32,  40,  51,  67,  88,
         27,  32,  36,  40,  47,  57,  72,  92,
         38,  36,  48,  51,  57,  67,  81,  99,
         53,  44,  66,  67,  72,  81,  94, 111,
         73,  56,  88,  88,  92,  99, 111, 126,
    ],
    [
          7,  16,  16,  18,  25,  35,  49,  68,
         16,  17,  20,  26,  32,  36,  44,  57,
         16,  20,  23,  29,  38,  52,  71,  97,
         18,  26,  29,  35,  45,  58,  78, 104,
         25,  32,  38,  45,  55,  69,  89, 116,
         35,  36,  52,  58,  69,  85, 105, 134,
         49,  44,  71,  78,  89, 105, 128, 158,
         68,  57,  97, 104, 116, 134, 158, 189,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_scaled_as_libjpeg_scales_them() {
        for (quality, luma) in [(50, [16, 11, 10]), (80, [6, 4, 4]), (25, [32, 22, 20]), (3, [255, 183, 167])] {
            assert_eq!(Quantisers::annex_k(quality).luma[..3], luma, "{quality}");
        }
        assert_eq!(Quantisers::annex_k(50).luma.map(u16::from), ANNEX_K[0]);
        assert_eq!(Quantisers::annex_k(100), Quantisers { luma: [1; 64], chroma: [1; 64] });
    }

    #[test]
    fn finer_places_never_have_coarser_steps_and_no_place_is_beyond_a_byte() {
        let places = || (0..=1010).map(|tenth| Quantisers::fitted(tenth as f32 / 10.0));
        for (coarse, fine) in places().zip(places().skip(1)) {
            let steps = |of: &Quantisers| [of.luma, of.chroma].concat();
            assert!(steps(&coarse).iter().zip(steps(&fine)).all(|(coarse, fine)| *coarse >= fine), "{coarse:?}");
        }
        assert_eq!(Quantisers::fitted(0.0), Quantisers::fitted(1.0));
        assert_eq!(Quantisers::fitted(100.0), Quantisers::annex_k(100));
    }

    #[test]
    fn ours_treat_both_directions_alike() {
        for table in FITTED {
            assert!((0..64).all(|at| table[at] == table[at % 8 * 8 + at / 8]));
        }
    }
}
