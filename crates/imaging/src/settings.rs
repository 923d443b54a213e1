//! What an operator can decide about pictures, with its bounds. It must never read files, flags or the environment: `setup` does.

use afterimage_identity::Revision;
use afterimage_variant::Gamut;
use serde::{Deserialize, Serialize};

use crate::QualityScale;

/// Bounds that are checked before anything of the picture's size is allocated. Every bound is inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of a source file. Default 100 MiB.
    pub source_bytes_max: u64,
    /// Width x height x frames of a source. Default 100 million.
    pub pixels_max: u64,
    /// Frames of an animation. Default 500.
    pub frames_max: u32,
    /// Width x height x frames of a derivative. Default 40 million.
    pub output_pixels_max: u64,
    /// Bytes of metadata that are read, after inflation, together. Default 8 MiB.
    pub metadata_bytes_max: u64,
    /// Scans of a JPEG: each is a pass over the whole picture. Default 64.
    pub scans_max: u32,
    /// Wall time of one render in milliseconds. Default 15,000. Nothing here reads a clock: the caller's
    /// [`Stop`](crate::Stop) enforces it.
    pub render_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes_max: 100 << 20,
            pixels_max: 100_000_000,
            frames_max: 500,
            output_pixels_max: 40_000_000,
            metadata_bytes_max: 8 << 20,
            scans_max: 64,
            render_ms_max: 15_000,
        }
    }
}

/// The quality of each lossy format when a variant names none. 1 to 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityDefaults {
    /// JPEG, baseline and progressive. Default 80.
    pub jpeg: u8,
    /// WebP. Default 80.
    pub webp: u8,
    /// AVIF. Default 80.
    pub avif: u8,
}

impl Default for QualityDefaults {
    fn default() -> Self {
        Self { jpeg: 80, webp: 80, avif: 80 }
    }
}

/// How far a JPEG is shrunk by its own decoder, which is fast, and how far by the resampler, which is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Scaling {
    /// The resampler shrinks to 1/1.4 at least: nobody can tell the result from a full decoding.
    #[default]
    Best,
    /// The decoder shrinks as far as it can without falling below the output, as libvips does: up to twice as fast.
    Fast,
}

impl Scaling {
    /// How much a JPEG must still be shrunk by the resampler after scaled decoding.
    pub(crate) fn residual_min(self) -> f64 {
        match self {
            Self::Best => 1.4,
            Self::Fast => 1.0,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Fast => "fast",
        }
    }
}

/// How AVIF keeps colour beside brightness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Chroma {
    /// Halved, unless the picture shows it.
    #[default]
    ByContent,
    /// At half the columns and rows: 4:2:0.
    Halved,
    /// At every pixel: 4:4:4.
    Whole,
}

impl Chroma {
    fn word(self) -> &'static str {
        match self {
            Self::ByContent => "by-content",
            Self::Halved => "halved",
            Self::Whole => "whole",
        }
    }
}

/// How hard PNG is compressed; the pixels are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PngEffort {
    /// As fast as it goes.
    #[default]
    Fast,
    /// By zlib's deflate and the better of two filters.
    Small,
}

impl PngEffort {
    fn word(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Small => "small",
        }
    }
}

/// What an operator decides about pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Bounds on what is read and made.
    pub limits: Limits,
    /// Keep the artist and the copyright notice (EXIF, IPTC) of an original in its derivatives and in sanitised originals. All
    /// other metadata always goes. Default off.
    pub keep_copyright: bool,
    /// libaom's speed, 0 (slow, small) to 9. Default 8.
    pub avif_speed: u8,
    /// libwebp's method, 0 (fast) to 6 (small). Default 2.
    pub webp_method: u8,
    /// How hard PNG is compressed. Default fast.
    pub png_effort: PngEffort,
    /// How much detail scaled decoding of a JPEG may give up. Default best.
    pub scaling: Scaling,
    /// Shrink in linear light, where fine bright lines keep their brightness. Costs a whole decoding of every JPEG. Default off.
    pub linear_light: bool,
    /// The colour space where a variant names none. Default sRGB.
    pub gamut_default: Gamut,
    /// Qualities where a variant names none.
    pub quality_default: QualityDefaults,
    /// What a quality counts. Default equal.
    pub quality_scale: QualityScale,
    /// The SSIMULACRA2 score that the quality `auto` is for, 30 to 90. Default 75.
    pub auto_score: u8,
    /// Colour in AVIF. Default by content.
    pub avif_chroma: Chroma,
    /// Pass SVG files on as they are. Default off; they are never rendered.
    pub allow_svg: bool,
    /// Widths in pixels that the JSON answer names in its `srcset`; those that would enlarge are left out. Each 1 to 65,535, 64
    /// at most. Default 320 640 960 1280 1600 1920 2560 3840.
    pub srcset_widths: Vec<u32>,
}

/// Most widths in a `srcset`: browsers gain nothing from more, and the answer stays small.
const SRCSET_WIDTHS_MAX: usize = 64;

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            keep_copyright: false,
            avif_speed: 8,
            webp_method: 2,
            png_effort: PngEffort::Fast,
            scaling: Scaling::Best,
            linear_light: false,
            gamut_default: Gamut::Srgb,
            quality_default: QualityDefaults::default(),
            quality_scale: QualityScale::Equal,
            auto_score: 75,
            avif_chroma: Chroma::ByContent,
            allow_svg: false,
            srcset_widths: vec![320, 640, 960, 1280, 1600, 1920, 2560, 3840],
        }
    }
}

/// A setting that cannot be, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The setting, such as `webp_method`.
    pub key: &'static str,
    /// Its value as given.
    pub value: String,
    /// What would do.
    pub remedy: String,
}

/// Raised by one whenever a change to this crate changes the bytes of derivatives; part of every derivative's name.
const PIPELINE: &str = "pipeline 6";

impl Settings {
    /// Every setting that is out of range.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn validate(&self) -> Result<(), Vec<Mistake>> {
        let limits = &self.limits;
        let quality = &self.quality_default;
        let widths = &self.srcset_widths;
        let narrowest = widths.iter().min().copied().unwrap_or(1);
        let widest = widths.iter().max().copied().unwrap_or(1);
        let checks = [
            ("srcset_widths", u64::from(narrowest), 1, 65_535),
            ("srcset_widths", u64::from(widest), 1, 65_535),
            ("srcset_widths.len", widths.len() as u64, 0, SRCSET_WIDTHS_MAX as u64),
            ("avif_speed", u64::from(self.avif_speed), 0, 9),
            ("webp_method", u64::from(self.webp_method), 0, 6),
            ("quality_default.jpeg", u64::from(quality.jpeg), 1, 100),
            ("quality_default.webp", u64::from(quality.webp), 1, 100),
            ("quality_default.avif", u64::from(quality.avif), 1, 100),
            ("auto_score", u64::from(self.auto_score), 30, 90),
            ("limits.source_bytes_max", limits.source_bytes_max, 1, 4 << 30),
            ("limits.pixels_max", limits.pixels_max, 1, 1_000_000_000),
            ("limits.frames_max", u64::from(limits.frames_max), 1, 100_000),
            ("limits.output_pixels_max", limits.output_pixels_max, 1, 1_000_000_000),
            ("limits.metadata_bytes_max", limits.metadata_bytes_max, 1, 1 << 30),
            ("limits.scans_max", u64::from(limits.scans_max), 1, 1_000),
            ("limits.render_ms_max", limits.render_ms_max, 1, 600_000),
        ];
        let mistakes: Vec<Mistake> = checks
            .into_iter()
            .filter(|(_, value, min, max)| value < min || value > max)
            .map(|(key, value, min, max)| Mistake {
                key,
                value: value.to_string(),
                remedy: format!("use {min} to {max}"),
            })
            .collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// The digest of everything but original and variant that changes the bytes of a derivative: this crate's pipeline, the
    /// codecs of this build, and those settings that reach pixels or metadata. Limits do not: they decide whether, not what.
    pub fn revision(&self) -> Revision {
        let codecs = if cfg!(feature = "native") {
            "libjpeg-turbo 3.1 libwebp libaom 3.11"
        } else {
            "zune-jpeg jpeg-encoder libwebp"
        };
        let settings = format!(
            "copyright {} scaling {} linear {} gamut {:?} avif {} {} webp {} png {} quality {} {} {} {} auto {} srcset {:?}",
            self.keep_copyright,
            self.scaling.word(),
            self.linear_light,
            self.gamut_default,
            self.avif_speed,
            self.avif_chroma.word(),
            self.webp_method,
            self.png_effort.word(),
            self.quality_scale.word(),
            self.quality_default.jpeg,
            self.quality_default.webp,
            self.quality_default.avif,
            self.auto_score,
            self.srcset_widths
        );
        Revision::of([env!("CARGO_PKG_VERSION"), PIPELINE, codecs, settings.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_ranges_are_inclusive() {
        assert_eq!(Settings::default().validate(), Ok(()));
        let edge = Settings { avif_speed: 9, webp_method: 6, ..Settings::default() };
        assert_eq!(edge.validate(), Ok(()));
        let past = Settings { avif_speed: 10, webp_method: 7, ..Settings::default() };
        let mistakes = past.validate().expect_err("both are out of range");
        assert_eq!(mistakes.iter().map(|m| m.key).collect::<Vec<_>>(), ["avif_speed", "webp_method"]);
        let none =
            Settings { quality_default: QualityDefaults { jpeg: 0, ..Default::default() }, ..Settings::default() };
        assert_eq!(none.validate().expect_err("0 is no quality").len(), 1);
    }

    #[test]
    fn revision_follows_what_changes_bytes_and_nothing_else() {
        let base = Settings::default();
        for other in [
            Settings { keep_copyright: true, ..base.clone() },
            Settings { avif_speed: 1, ..base.clone() },
            Settings { webp_method: 6, ..base.clone() },
            Settings { png_effort: PngEffort::Small, ..base.clone() },
            Settings { scaling: Scaling::Fast, ..base.clone() },
            Settings { quality_scale: QualityScale::Encoder, ..base.clone() },
            Settings { auto_score: 70, ..base.clone() },
            Settings { avif_chroma: Chroma::Whole, ..base.clone() },
            Settings { linear_light: true, ..base.clone() },
            Settings { gamut_default: Gamut::Origin, ..base.clone() },
            Settings { quality_default: QualityDefaults { webp: 1, ..Default::default() }, ..base.clone() },
            Settings { srcset_widths: vec![1], ..base.clone() },
        ] {
            assert_ne!(other.revision(), base.revision(), "{other:?}");
        }
        let limits = Limits { pixels_max: 1, ..Limits::default() };
        assert_eq!(Settings { limits, ..base.clone() }.revision(), base.revision());
    }
}
