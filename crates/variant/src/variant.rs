//! The canonical description of a derived image: pure data in fixed point, so that equal descriptions are equal values.
//!
//! A [`Variant`] is only ever made by normalising what somebody asked for, or by reading back a canonical name; so two
//! spellings of one wish can never be two values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Format;
use crate::value::whole;

/// The most pixels a side of any output may have: what WebP can hold, the narrowest of our formats.
pub const OUTPUT_SIDE_MAX: u32 = 16_383;

/// What a request comes to: the original itself, or something made from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// The bare original; whether it is sanitised, sent as it is or denied is for the edge to say.
    Original,
    /// Something made from it.
    Variant(Box<Variant>),
}

/// How the picture is fitted into the box that `w`, `h` and `ar` describe. See [`Variant::plan`] for small sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Inside the box, whole, never enlarged. What is done when no fit is named.
    Max,
    /// Inside the box, whole, enlarged if need be.
    Clip,
    /// Fills the box, the excess cut off; enlarged if need be.
    Crop,
    /// Like [`Fit::Crop`], but the box shrinks until nothing is enlarged.
    Min,
    /// Like [`Fit::Crop`], but never enlarged: a side that the picture does not reach stays as short as it is.
    CropMax,
    /// Inside the box, whole, enlarged if need be; the rest of the box is background.
    Fill,
    /// Inside the box, whole, never enlarged; the rest of the box is background.
    FillMax,
    /// Stretched to the box, proportions given up; enlarged if need be.
    Scale,
    /// Like [`Fit::Scale`], but the box shrinks until nothing is enlarged.
    ScaleMax,
    /// Like [`Fit::Fill`], but the rest of the box repeats the picture's edge.
    Clamp,
}

impl Fit {
    /// Every fit.
    pub const ALL: [Self; 10] = [
        Self::Max,
        Self::Clip,
        Self::Crop,
        Self::Min,
        Self::CropMax,
        Self::Fill,
        Self::FillMax,
        Self::Scale,
        Self::ScaleMax,
        Self::Clamp,
    ];

    /// Its name in URLs and canonical paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Clip => "clip",
            Self::Crop => "crop",
            Self::Min => "min",
            Self::CropMax => "cropmax",
            Self::Fill => "fill",
            Self::FillMax => "fillmax",
            Self::Scale => "scale",
            Self::ScaleMax => "scalemax",
            Self::Clamp => "clamp",
        }
    }

    /// The fit of this name, or of the CSS word that means the same.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "cover" => Some(Self::Crop),
            "contain" => Some(Self::Fill),
            "inside" => Some(Self::Max),
            "outside" => Some(Self::Min),
            _ => Self::ALL.into_iter().find(|fit| fit.name() == name),
        }
    }

    /// Whether it may cut something off, so that it matters from where.
    pub fn cuts(self) -> bool {
        matches!(self, Self::Crop | Self::Min | Self::CropMax)
    }

    /// Whether it may show a source pixel larger than it is.
    pub fn enlarges(self) -> bool {
        !matches!(self, Self::Max | Self::Min | Self::CropMax | Self::FillMax | Self::ScaleMax)
    }
}

/// Where a cut is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Anchor {
    /// As near to this point as the source's edges allow: ten-thousandths of width and height from the top left.
    /// The middle is (5000, 5000), `top` is (5000, 0).
    Point {
        /// 0 (left) to 10,000 (right).
        x: u16,
        /// 0 (top) to 10,000 (bottom).
        y: u16,
    },
    /// Where there is most detail, by entropy.
    Entropy,
    /// Where there are most edges.
    Edges,
    /// Where edges, colours that stand out and skin draw the eye.
    Smart,
}

impl Anchor {
    /// The middle, the default.
    pub const CENTER: Self = Self::Point { x: 5_000, y: 5_000 };
}

/// How an upright picture is turned before anything else: **first flipped, then rotated clockwise**.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Turn {
    /// Clockwise: 0, 90, 180 or 270. Done last.
    pub rotate_degrees: u16,
    /// Left and right exchanged. Done first.
    pub flip_h: bool,
    /// Top and bottom exchanged. Done first.
    pub flip_v: bool,
}

impl Turn {
    /// Of the sixteen ways to write the eight turns, the one with the smallest rotation: `flip=hv` is `rot=180`.
    pub(crate) fn canonical(self) -> Self {
        // A half turn is both flips, and flips go first: (flip_v, r) = (flip_h, r + 180).
        let mirrored = self.flip_h != self.flip_v;
        let degrees = (self.rotate_degrees + if self.flip_v { 180 } else { 0 }) % 360;
        let flip_v = mirrored && degrees >= 180;
        Self { rotate_degrees: if flip_v { degrees - 180 } else { degrees }, flip_h: mirrored && !flip_v, flip_v }
    }

    /// Whether nothing is turned.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// Whether width and height change places.
    pub fn swaps_sides(self) -> bool {
        self.rotate_degrees % 180 == 90
    }
}

/// Which uniform border is cut away before the picture is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Trim {
    /// A transparent border where the picture has transparency, else one of the top left pixel's colour.
    Auto,
    /// A border of the top left pixel's colour.
    Color,
    /// A transparent border.
    Alpha,
}

/// A colour, not premultiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Rgba {
    /// Red, sRGB.
    pub r: u8,
    /// Green, sRGB.
    pub g: u8,
    /// Blue, sRGB.
    pub b: u8,
    /// Opacity: 255 is opaque.
    pub a: u8,
}

/// Which colour space an answer is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gamut {
    /// sRGB, which is what pictures without a profile are.
    Srgb,
    /// Adobe RGB (1998), with a profile that says so.
    AdobeRgb,
    /// The original's own, with its profile, where that is one for RGB; else sRGB.
    Origin,
}

impl Gamut {
    /// Every colour space with its name in canonical paths.
    pub(crate) const NAMES: [(Self, &'static str); 3] =
        [(Self::Srgb, "cssrgb"), (Self::AdobeRgb, "csadobergb"), (Self::Origin, "csorigin")];

    /// The colour space that `cs=` spells like this. What imgix calls `tinysrgb` and `strip` is what sRGB is here: no profile.
    pub(crate) fn from_parameter(value: &str) -> Option<Self> {
        match value {
            "srgb" | "tinysrgb" | "strip" => Some(Self::Srgb),
            "adobergb1998" => Some(Self::AdobeRgb),
            "origin" => Some(Self::Origin),
            _ => None,
        }
    }

    /// Its name in canonical paths.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A Gaussian blur of imgix's strength, 1 to 2,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Blur(pub u16);

impl Blur {
    /// Its standard deviation in output pixels: a tenth of the strength.
    pub fn sigma(self) -> f32 {
        f32::from(self.0) / 10.0
    }
}

/// Sharpening of imgix's strength, 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Sharpen(pub u8);

impl Sharpen {
    /// How much of the difference to the blurred picture is added: 0.01 to 1.0.
    pub fn amount(self) -> f32 {
        f32::from(self.0) / 100.0
    }
}

/// Where a `rect` begins, on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// So many pixels in.
    Pixels(u32),
    /// So many ten-thousandths of the side in, 1 to 10,000.
    Part(u16),
    /// So that what is left over is the same on both sides.
    Center,
    /// At the far edge.
    End,
}

/// How long a `rect` is, on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// So many pixels, at least 1.
    Pixels(u32),
    /// So many ten-thousandths of the side, 1 to 10,000.
    Part(u16),
}

/// The part of the upright, turned picture that is used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Rect {
    /// Where it begins from the left.
    pub x: Start,
    /// Where it begins from the top.
    pub y: Start,
    /// How wide it is.
    pub width: Length,
    /// How high it is.
    pub height: Length,
}

impl Rect {
    /// The whole picture, which is no `rect` at all.
    pub const WHOLE: Self =
        Self { x: Start::Pixels(0), y: Start::Pixels(0), width: Length::Part(10_000), height: Length::Part(10_000) };
}

/// A ratio of width to height in lowest terms, each side 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Ratio {
    width: u32,
    height: u32,
}

impl Ratio {
    /// The ratio of `width` to `height`; `None` where a side is zero or, in lowest terms, over 10,000.
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let divisor = greatest_common_divisor(width, height);
        let ratio = Self { width: width.checked_div(divisor)?, height: height.checked_div(divisor)? };
        (ratio.width.min(ratio.height) >= 1 && ratio.width.max(ratio.height) <= 10_000).then_some(ratio)
    }

    /// The width, in lowest terms.
    pub fn width(self) -> u32 {
        self.width
    }

    /// The height, in lowest terms.
    pub fn height(self) -> u32 {
        self.height
    }

    /// Width by height.
    pub fn value(self) -> f64 {
        f64::from(self.width) / f64::from(self.height)
    }

    /// The height that goes with this width, rounded to the nearest pixel, at least 1.
    pub fn height_for(self, width: u32) -> u32 {
        divide_rounded(u64::from(width) * u64::from(self.height), u64::from(self.width))
    }

    /// The width that goes with this height, rounded to the nearest pixel, at least 1.
    pub fn width_for(self, height: u32) -> u32 {
        divide_rounded(u64::from(height) * u64::from(self.width), u64::from(self.height))
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

fn divide_rounded(dividend: u64, divisor: u64) -> u32 {
    u32::try_from((dividend * 2 + divisor) / (divisor * 2)).unwrap_or(u32::MAX).max(1)
}

/// How much a lossy encoder may lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// 1 to 100, the same scale for every format.
    Of(u8),
    /// As much as this picture can lose before it falls below the server's target.
    Auto,
}

impl Quality {
    /// The quality that `q=` spells like this.
    pub(crate) fn from_parameter(text: &str) -> Option<Self> {
        if text == "auto" { Some(Self::Auto) } else { whole(text, 1, 100).map(|quality| Self::Of(quality as u8)) }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(quality) => write!(f, "{quality}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

/// The canonical description of a derived image.
///
/// Equal variants have equal canonical names and the other way round. Every value is within the range its parameter
/// documents; sides are in output pixels with `dpr` already multiplied in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Variant {
    pub(crate) turn: Turn,
    pub(crate) rect: Option<Rect>,
    pub(crate) trim: Option<Trim>,
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
    pub(crate) ratio: Option<Ratio>,
    pub(crate) width_max: Option<u32>,
    pub(crate) height_max: Option<u32>,
    pub(crate) width_min: Option<u32>,
    pub(crate) height_min: Option<u32>,
    pub(crate) fit: Fit,
    pub(crate) anchor: Anchor,
    pub(crate) background: Option<Rgba>,
    pub(crate) blur: Option<Blur>,
    pub(crate) sharpen: Option<Sharpen>,
    pub(crate) padding: u32,
    pub(crate) gamut: Option<Gamut>,
    pub(crate) quality: Option<Quality>,
    pub(crate) format: Format,
}

impl Variant {
    /// The picture as it is, in this format.
    pub fn of_format(format: Format) -> Self {
        Self {
            turn: Turn::default(),
            rect: None,
            trim: None,
            width: None,
            height: None,
            ratio: None,
            width_max: None,
            height_max: None,
            width_min: None,
            height_min: None,
            fit: Fit::Max,
            anchor: Anchor::CENTER,
            background: None,
            blur: None,
            sharpen: None,
            padding: 0,
            gamut: None,
            quality: None,
            format,
        }
    }

    /// What the answer is encoded as.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The same picture in another format. A quality or a colour space that means nothing to it is dropped.
    #[must_use]
    pub fn with_format(&self, format: Format) -> Self {
        let quality = self.quality.filter(|_| format.takes_quality());
        let gamut = self.gamut.filter(|_| format.takes_gamut());
        Self { format, quality, gamut, ..self.clone() }
    }

    /// The quality of a lossy format, or `None` for the server's default.
    pub fn quality(&self) -> Option<Quality> {
        self.quality
    }

    /// The colour space of the answer, or `None` for the server's choice.
    pub fn gamut(&self) -> Option<Gamut> {
        self.gamut
    }

    /// The box's width, if named, in output pixels.
    pub fn width(&self) -> Option<u32> {
        self.width
    }

    /// The box's height, if named, in output pixels.
    pub fn height(&self) -> Option<u32> {
        self.height
    }

    /// How the picture is fitted into the box.
    pub fn fit(&self) -> Fit {
        self.fit
    }

    /// Where a cut is taken from.
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// How the picture is turned after its EXIF orientation and before everything else.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// Which border is cut away, after [`Variant::rect`].
    pub fn trim(&self) -> Option<Trim> {
        self.trim
    }

    /// What shows where the picture does not: behind transparency and in padding.
    pub fn background(&self) -> Option<Rgba> {
        self.background
    }

    /// How the scaled picture is blurred.
    pub fn blur(&self) -> Option<Blur> {
        self.blur
    }

    /// How the scaled picture is sharpened.
    pub fn sharpen(&self) -> Option<Sharpen> {
        self.sharpen
    }

    /// Pixels of background on every side; inside the box where a side is named, else around the picture.
    pub fn padding(&self) -> u32 {
        self.padding
    }
}
