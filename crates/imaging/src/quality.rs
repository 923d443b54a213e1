//! What a quality comes to in each encoder. Encoders count in scales of their own; here one number means one SSIMULACRA2 score in
//! every format, as far as a table can say that for all pictures. The anchor is JPEG with the standard's tables, whose scale people
//! know; ours reach the same scores with fewer bytes.
//!
//! The table is measured, not thought out: `examples/equal_quality.rs` makes it and states its error, docs/imaging-quality.md
//! keeps both. It must never depend on the picture: that is the business of `auto`.

pub(crate) mod auto;

use serde::{Deserialize, Serialize};

use crate::jpeg::Quantisers;

/// What a quality number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum QualityScale {
    /// The same number is about the same SSIMULACRA2 score in every format; libjpeg's scale is the measure.
    #[default]
    Equal,
    /// Each encoder's own number, as other image servers have it: libjpeg's quality and tables, libwebp's quality, avifenc's for AVIF.
    Encoder,
}

impl QualityScale {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Encoder => "encoder",
        }
    }
}

/// A quality and the scale that it is counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// 1 to 100.
    pub(crate) quality: u8,
    pub(crate) scale: QualityScale,
}

/// Qualities that were measured; between them the tables are straight. The ends are the encoders' own.
const MEASURED: [u8; 14] = [1, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 100];

/// The place on our own JPEG tables' scale, at each of [`MEASURED`].
const JPEG: [f32; 14] = [1.0, 7.7, 17.6, 26.6, 35.3, 44.2, 52.0, 63.8, 69.0, 76.0, 81.0, 87.0, 93.4, 100.0];
/// libwebp's quality, at each of [`MEASURED`].
const WEBP: [f32; 14] = [0.0, 5.0, 13.2, 28.9, 42.6, 55.3, 66.3, 77.3, 80.5, 84.2, 87.8, 92.3, 98.8, 100.0];
/// libaom's quantiser, 1 (best) to 63, with halved chroma.
#[cfg(any(test, feature = "native"))]
const AVIF_HALVED: [f32; 14] = [62.0, 52.2, 42.8, 37.6, 33.9, 31.5, 29.6, 26.9, 24.9, 21.7, 17.0, 11.7, 6.0, 1.0];
/// The same with whole chroma.
#[cfg(any(test, feature = "native"))]
const AVIF_WHOLE: [f32; 14] = [62.0, 53.7, 45.0, 39.9, 36.7, 34.0, 32.1, 29.7, 28.4, 26.0, 22.6, 16.9, 11.4, 1.0];

impl Level {
    fn own(self) -> u8 {
        self.quality.clamp(1, 100)
    }

    pub(crate) fn jpeg(self) -> Quantisers {
        match self.scale {
            QualityScale::Equal => Quantisers::fitted(between(&JPEG, self.quality)),
            QualityScale::Encoder => Quantisers::annex_k(self.own()),
        }
    }

    /// libwebp's quality, in tenths: finer steps change no byte that anybody sees.
    pub(crate) fn webp(self) -> f32 {
        match self.scale {
            QualityScale::Equal => (between(&WEBP, self.quality) * 10.0).round() / 10.0,
            QualityScale::Encoder => f32::from(self.own()),
        }
    }

    /// libaom's quantiser. Never 0: that is AV1's lossless mode, which doubles the bytes and cannot be lossless in 4:2:0.
    #[cfg(any(test, feature = "native"))]
    pub(crate) fn avif(self, whole_chroma: bool) -> u8 {
        match self.scale {
            QualityScale::Equal => {
                let table = if whole_chroma { &AVIF_WHOLE } else { &AVIF_HALVED };
                between(table, self.quality).round().clamp(1.0, 63.0) as u8
            }
            // As avifenc and sharp have it.
            QualityScale::Encoder => {
                let lost = 100 - u32::from(self.own());
                ((lost * 63 + 50) / 100).max(1) as u8
            }
        }
    }
}

/// A table's value at a quality; outside of it, the nearest end's.
fn between(table: &[f32; MEASURED.len()], quality: u8) -> f32 {
    let quality = quality.clamp(MEASURED[0], MEASURED[MEASURED.len() - 1]);
    let above = MEASURED.partition_point(|measured| *measured < quality);
    if MEASURED[above] == quality {
        return table[above];
    }
    let (from, to) = (f32::from(MEASURED[above - 1]), f32::from(MEASURED[above]));
    let part = (f32::from(quality) - from) / (to - from);
    table[above - 1] + (table[above] - table[above - 1]) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(quality: u8, scale: QualityScale) -> Level {
        Level { quality, scale }
    }

    #[test]
    fn more_quality_never_means_less_in_any_encoder() {
        for scale in [QualityScale::Equal, QualityScale::Encoder] {
            for quality in 1..100 {
                let (less, more) = (level(quality, scale), level(quality + 1, scale));
                let (coarse, fine) = (less.jpeg(), more.jpeg());
                assert!(coarse.luma.iter().zip(&fine.luma).all(|(coarse, fine)| coarse >= fine), "{scale:?} {quality}");
                assert!(
                    coarse.chroma.iter().zip(&fine.chroma).all(|(coarse, fine)| coarse >= fine),
                    "{scale:?} {quality}"
                );
                assert!(less.webp() <= more.webp(), "{scale:?} {quality}");
                for whole in [false, true] {
                    assert!(less.avif(whole) >= more.avif(whole), "{scale:?} {quality}");
                }
            }
            for quality in [0, 1, 100, 255] {
                let level = level(quality, scale);
                assert!((0.0..=100.0).contains(&level.webp()));
                assert!((1..=63).contains(&level.avif(false)) && (1..=63).contains(&level.avif(true)));
            }
        }
    }

    #[test]
    fn the_encoders_own_scale_is_that_of_their_tools() {
        for (quality, cq) in [(1, 62), (50, 32), (60, 25), (80, 13), (98, 1), (99, 1), (100, 1)] {
            let level = level(quality, QualityScale::Encoder);
            assert_eq!((level.avif(false), level.webp()), (cq, f32::from(quality)), "{quality}");
        }
    }
}
