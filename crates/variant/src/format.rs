//! What the answer is encoded as, and how that is spelled. It knows names only, no codec.

use std::fmt;

use serde::Serialize;

/// What the answer is encoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// No format was named: the source's own; sources that browsers cannot show become [`Format::Compatible`].
    Same,
    /// `auto=format` for a viewer that takes neither WebP nor AVIF: JPEG, PNG where there is alpha, GIF where animated.
    Compatible,
    /// Baseline JPEG.
    Jpg,
    /// Progressive JPEG.
    Pjpg,
    /// PNG.
    Png,
    /// PNG with a palette of at most 256 colours.
    Png8,
    /// PNG that keeps 16 bits a sample where the original has more than 8.
    Png16,
    /// WebP.
    Webp,
    /// AVIF, and the viewer waits for it.
    Avif,
    /// GIF.
    Gif,
    /// No picture: facts about it as JSON.
    Json,
    /// No picture: its ThumbHash, as base64.
    ThumbHash,
    /// No picture: its BlurHash.
    BlurHash,
    /// `auto=format` that came to AVIF. While the AVIF is not stored yet, WebP may be answered with a short life.
    AutoAvif,
}

impl Format {
    /// Every format, in the order of the canonical extensions.
    pub const ALL: [Self; 14] = [
        Self::Same,
        Self::Compatible,
        Self::Jpg,
        Self::Pjpg,
        Self::Png,
        Self::Png8,
        Self::Png16,
        Self::Webp,
        Self::Avif,
        Self::Gif,
        Self::Json,
        Self::ThumbHash,
        Self::BlurHash,
        Self::AutoAvif,
    ];

    /// What it is called at the end of a canonical path.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Compatible => "any",
            Self::Jpg => "jpg",
            Self::Pjpg => "pjpg",
            Self::Png => "png",
            Self::Png8 => "png8",
            Self::Png16 => "png16",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Gif => "gif",
            Self::Json => "json",
            Self::ThumbHash => "thumbhash",
            Self::BlurHash => "blurhash",
            Self::AutoAvif => "auto-avif",
        }
    }

    /// The format that [`Format::extension`] spells like this.
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    /// The format that `fm=` spells like this; `jpeg` is taken for `jpg`. Only nameable formats, so not `same` or `any`.
    pub(crate) fn from_parameter(value: &str) -> Option<Self> {
        match value {
            "jpg" | "jpeg" => Some(Self::Jpg),
            "pjpg" => Some(Self::Pjpg),
            "png" => Some(Self::Png),
            "png8" => Some(Self::Png8),
            "png16" => Some(Self::Png16),
            "webp" => Some(Self::Webp),
            "avif" => Some(Self::Avif),
            "gif" => Some(Self::Gif),
            "json" => Some(Self::Json),
            "thumbhash" => Some(Self::ThumbHash),
            "blurhash" => Some(Self::BlurHash),
            _ => None,
        }
    }

    /// Whether a quality means anything to it. [`Format::Same`] and [`Format::Compatible`] may come to a lossy format.
    pub fn takes_quality(self) -> bool {
        !matches!(self, Self::Png | Self::Png8 | Self::Png16 | Self::Gif) && !self.is_text()
    }

    /// Whether a colour space means anything to it: whether it can say which one its colours are in.
    pub fn takes_gamut(self) -> bool {
        self != Self::Gif && !self.is_text()
    }

    /// Whether it is something about a picture in place of one.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Json | Self::ThumbHash | Self::BlurHash)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}
