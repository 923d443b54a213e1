//! Canonical names: how a variant is spelled after `/-/`, in a path and at rest. Each name has exactly one spelling, made
//! of `A-Z a-z 0-9 . _ - / =` alone, so nothing ever needs encoding; reading accepts only what writing writes.
//!
//! `/p/a.jpg/-/w300-h200-crop-top-q75.webp` is words joined by `-` in a fixed order, a dot and the format; `full` where
//! only the format is named. No segment of an original's key is `-`, so neither can be taken for the other.

use std::fmt::Write as _;

use afterimage_identity::{OriginalKey, Revision, Version, unescape};
use serde::Serialize;

use crate::Format;
use crate::value::{RECT_PIXELS_MAX, whole};
use crate::variant::{
    Anchor, Blur, Fit, Gamut, Length, OUTPUT_SIDE_MAX, Quality, Ratio, Rect, Rgba, Sharpen, Start, Trim, Turn, Variant,
    Wanted,
};

/// What stands between an original's key and the name of what was made from it.
pub(crate) const SEPARATOR: &str = "/-/";
/// The name of a stored bare original.
const ORIGINAL: &str = "original";
/// The words of a variant that only names a format.
const WHOLE: &str = "full";
/// Room for nearly every name, so that writing one allocates once.
const NAME_BYTES_USUAL: usize = 48;

impl Variant {
    /// The canonical name: `w300-h200-crop-top-q75.webp`.
    pub fn name(&self) -> String {
        let mut name = String::with_capacity(NAME_BYTES_USUAL);
        self.write_name(&mut name);
        name
    }

    /// The variant that has exactly this canonical name.
    pub fn from_name(name: &str) -> Option<Self> {
        let (words, extension) = name.split_once('.')?;
        let mut variant = Self::of_format(Format::from_extension(extension)?);
        if words != WHOLE {
            for word in words.split('-') {
                variant.read_word(word)?;
            }
        }
        // Order, repetition, leading zeros, defaults written out: whatever is not canonical is written differently.
        let variant = variant.canonical();
        (variant.name() == name && variant.wanted_is_variant()).then_some(variant)
    }

    fn wanted_is_variant(&self) -> bool {
        *self != Self::of_format(Format::Same)
    }

    /// Appends the name.
    fn write_name(&self, into: &mut String) {
        self.write_words(into);
        into.push('.');
        into.push_str(self.format.extension());
    }

    /// Appends the name without its format. Every request comes through here, hence no text in between.
    fn write_words(&self, words: &mut String) {
        let from = words.len();
        let mut word = |text: &dyn std::fmt::Display| {
            let joint = if words.len() == from { "" } else { "-" };
            // Writing into a string cannot fail.
            let _ = write!(words, "{joint}{text}");
        };
        if self.turn.rotate_degrees > 0 {
            word(&format_args!("rot{}", self.turn.rotate_degrees));
        }
        if self.turn.flip_h {
            word(&"fliph");
        }
        if self.turn.flip_v {
            word(&"flipv");
        }
        if let Some(rect) = self.rect {
            let (x, y) = (start_text(rect.x), start_text(rect.y));
            word(&format_args!("rect{x}x{y}x{}x{}", length_text(rect.width), length_text(rect.height)));
        }
        match self.trim {
            Some(Trim::Auto) => word(&"trim"),
            Some(Trim::Color) => word(&"trimcolor"),
            Some(Trim::Alpha) => word(&"trimalpha"),
            None => {}
        }
        let sides = [
            ("w", self.width),
            ("h", self.height),
            ("maxw", self.width_max),
            ("maxh", self.height_max),
            ("minw", self.width_min),
            ("minh", self.height_min),
        ];
        for (name, side) in sides {
            if let Some(side) = side {
                word(&format_args!("{name}{side}"));
            }
        }
        if let Some(ratio) = self.ratio {
            word(&format_args!("ar{}x{}", ratio.width(), ratio.height()));
        }
        if self.fit != Fit::Max {
            word(&self.fit.name());
        }
        if self.anchor != Anchor::CENTER {
            word(&anchor_text(self.anchor));
        }
        if let Some(Rgba { r, g, b, a }) = self.background {
            let opacity = if a == 255 { String::new() } else { format!("{a:02x}") };
            word(&format_args!("bg{r:02x}{g:02x}{b:02x}{opacity}"));
        }
        if let Some(Blur(strength)) = self.blur {
            word(&format_args!("blur{strength}"));
        }
        if let Some(Sharpen(strength)) = self.sharpen {
            word(&format_args!("sharp{strength}"));
        }
        if self.padding > 0 {
            word(&format_args!("pad{}", self.padding));
        }
        if let Some(gamut) = self.gamut {
            word(&gamut.name());
        }
        if let Some(quality) = self.quality {
            word(&format_args!("q{quality}"));
        }
        if words.len() == from {
            words.push_str(WHOLE);
        }
    }

    /// Takes one word in. Spelling, order and repetition are checked afterwards, on the whole.
    fn read_word(&mut self, word: &str) -> Option<()> {
        if let Some(fit) = Fit::ALL.into_iter().find(|fit| fit.name() == word) {
            self.fit = fit;
        } else if let Some(anchor) = read_anchor(word) {
            self.anchor = anchor;
        } else if let Some((gamut, _)) = Gamut::NAMES.into_iter().find(|(_, name)| *name == word) {
            self.gamut = Some(gamut);
        } else if let Some(degrees) = word.strip_prefix("rot") {
            self.turn = Turn { rotate_degrees: whole(degrees, 1, 270).filter(|d| d % 90 == 0)? as u16, ..self.turn };
        } else if word == "fliph" {
            self.turn.flip_h = true;
        } else if word == "flipv" {
            self.turn.flip_v = true;
        } else if let Some(rect) = word.strip_prefix("rect") {
            self.rect = Some(read_rect(rect)?);
        } else if let Some(trim) = word.strip_prefix("trim") {
            self.trim = Some(match trim {
                "" => Trim::Auto,
                "color" => Trim::Color,
                "alpha" => Trim::Alpha,
                _ => return None,
            });
        } else if let Some(ratio) = word.strip_prefix("ar") {
            let (width, height) = ratio.split_once('x')?;
            self.ratio = Some(Ratio::new(whole(width, 1, 10_000)?, whole(height, 1, 10_000)?)?);
        } else if let Some(hex) = word.strip_prefix("bg") {
            self.background = Some(read_background(hex)?);
        } else if let Some(strength) = word.strip_prefix("blur") {
            self.blur = Some(Blur(whole(strength, 1, 2_000)? as u16));
        } else if let Some(strength) = word.strip_prefix("sharp") {
            self.sharpen = Some(Sharpen(whole(strength, 1, 100)? as u8));
        } else if let Some(padding) = word.strip_prefix("pad") {
            self.padding = whole(padding, 1, OUTPUT_SIDE_MAX)?;
        } else if let Some(quality) = word.strip_prefix('q') {
            self.quality = Some(Quality::from_parameter(quality)?);
        } else {
            let at = word.find(|c: char| c.is_ascii_digit())?;
            let side = Some(whole(&word[at..], 1, OUTPUT_SIDE_MAX)?);
            match &word[..at] {
                "w" => self.width = side,
                "h" => self.height = side,
                "maxw" => self.width_max = side,
                "maxh" => self.height_max = side,
                "minw" => self.width_min = side,
                "minh" => self.height_min = side,
                _ => return None,
            }
        }
        Some(())
    }
}

/// Points that have a name of their own.
const POINTS: &[(&str, u16, u16)] = &[
    ("top", 5_000, 0),
    ("bottom", 5_000, 10_000),
    ("left", 0, 5_000),
    ("right", 10_000, 5_000),
    ("topleft", 0, 0),
    ("topright", 10_000, 0),
    ("bottomleft", 0, 10_000),
    ("bottomright", 10_000, 10_000),
];

/// The points that unsigned requests may name, the middle first.
pub(crate) fn named_points() -> impl Iterator<Item = Anchor> {
    std::iter::once(Anchor::CENTER).chain(POINTS.iter().map(|&(_, x, y)| Anchor::Point { x, y }))
}

fn anchor_text(anchor: Anchor) -> String {
    match anchor {
        Anchor::Entropy => "entropy".to_owned(),
        Anchor::Edges => "edges".to_owned(),
        Anchor::Smart => "smart".to_owned(),
        Anchor::Point { x, y } => match POINTS.iter().find(|point| (point.1, point.2) == (x, y)) {
            Some((name, ..)) => (*name).to_owned(),
            None => format!("fp{x}x{y}"),
        },
    }
}

fn read_anchor(word: &str) -> Option<Anchor> {
    match word {
        "entropy" => Some(Anchor::Entropy),
        "edges" => Some(Anchor::Edges),
        "smart" => Some(Anchor::Smart),
        _ => match POINTS.iter().find(|point| point.0 == word) {
            Some(&(_, x, y)) => Some(Anchor::Point { x, y }),
            None => {
                let (x, y) = word.strip_prefix("fp")?.split_once('x')?;
                Some(Anchor::Point { x: whole(x, 0, 10_000)? as u16, y: whole(y, 0, 10_000)? as u16 })
            }
        },
    }
}

fn start_text(start: Start) -> String {
    match start {
        Start::Pixels(pixels) => pixels.to_string(),
        Start::Part(part) => format!("p{part}"),
        Start::Center => "c".to_owned(),
        Start::End => "e".to_owned(),
    }
}

fn length_text(length: Length) -> String {
    match length {
        Length::Pixels(pixels) => pixels.to_string(),
        Length::Part(part) => format!("p{part}"),
    }
}

fn read_rect(text: &str) -> Option<Rect> {
    let mut fields = text.split('x');
    let mut start = || {
        let field = fields.next()?;
        Some(match (field, field.strip_prefix('p')) {
            ("c", _) => Start::Center,
            ("e", _) => Start::End,
            (_, Some(part)) => Start::Part(whole(part, 1, 10_000)? as u16),
            _ => Start::Pixels(whole(field, 0, RECT_PIXELS_MAX)?),
        })
    };
    let (x, y) = (start()?, start()?);
    let mut length = || {
        let field = fields.next()?;
        Some(match field.strip_prefix('p') {
            Some(part) => Length::Part(whole(part, 1, 10_000)? as u16),
            None => Length::Pixels(whole(field, 1, RECT_PIXELS_MAX)?),
        })
    };
    let (width, height) = (length()?, length()?);
    fields.next().is_none().then_some(Rect { x, y, width, height })
}

fn read_background(hex: &str) -> Option<Rgba> {
    if !matches!(hex.len(), 6 | 8) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or("ff"), 16).ok();
    let (r, g, b, a) = (byte(0)?, byte(2)?, byte(4)?, byte(6)?);
    (a > 0 || (r, g, b) == (0, 0, 0)).then_some(Rgba { r, g, b, a })
}

/// The one path under which this is cached and invalidated: `/p/a.jpg/-/w300.webp`; for the bare original, `/p/a.jpg`.
///
/// Equal wishes for one original have equal paths, different ones different paths.
pub fn canonical_path(key: &OriginalKey, wanted: &Wanted) -> String {
    let escaped = key.escaped();
    let mut path = String::with_capacity(1 + escaped.as_str().len() + SEPARATOR.len() + NAME_BYTES_USUAL);
    path.push('/');
    path.push_str(escaped.as_str());
    if let Wanted::Variant(variant) = wanted {
        path.push_str(SEPARATOR);
        variant.write_name(&mut path);
    }
    path
}

/// Names one derivative at rest: `p/a.jpg/-/w300.<version>.<revision>.webp`; for the bare original (sanitised),
/// `p/a.jpg/-/original.<version>.<revision>`.
///
/// - Never empty, never absolute, never holds `..` or anything outside `A-Z a-z 0-9 . _ - / =`.
/// - Equal facts have equal keys; different ones different keys; each names exactly one original.
pub fn derivative_key(key: &OriginalKey, wanted: &Wanted, version: &Version, revision: &Revision) -> String {
    let prefix = derivative_prefix(key);
    match wanted {
        Wanted::Original => format!("{prefix}{ORIGINAL}.{version}.{revision}"),
        Wanted::Variant(variant) => {
            let mut words = String::with_capacity(NAME_BYTES_USUAL);
            variant.write_words(&mut words);
            format!("{prefix}{words}.{version}.{revision}.{}", variant.format.extension())
        }
    }
}

/// What the keys of all derivatives of this original begin with, and no other's: `p/a.jpg/-/`.
pub fn derivative_prefix(key: &OriginalKey) -> String {
    format!("{}{SEPARATOR}", key.escaped())
}

/// What a derivative's key says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DerivativeName {
    /// The original's key in escaped form.
    pub escaped_key: String,
    /// The original's key; `None` where the name holds only its digest and the key stands in metadata.
    pub key: Option<OriginalKey>,
    /// The version of the original that it was made from.
    pub version: Version,
    /// The revision it was made at.
    pub revision: Revision,
    /// What it is: `w300.webp`, or `original`. Not read further, so that names of older grammars are recognised too.
    pub wanted: String,
}

/// Reads the key of a derivative, or `None` when [`derivative_key`] has never written such a key.
pub fn parse_derivative_key(text: &str) -> Option<DerivativeName> {
    let (escaped_key, name) = text.split_once(SEPARATOR)?;
    let fields: Vec<&str> = name.split('.').collect();
    let (version, revision, wanted) = match fields[..] {
        [ORIGINAL, version, revision] => (version, revision, ORIGINAL.to_owned()),
        [words, version, revision, extension] if is_word(words) && is_word(extension) && words != ORIGINAL => {
            (version, revision, format!("{words}.{extension}"))
        }
        _ => return None,
    };
    Some(DerivativeName {
        escaped_key: escaped_key.to_owned(),
        key: key_at_rest(escaped_key)?,
        version: Version::new(version).ok()?,
        revision: Revision::new(revision).ok()?,
        wanted,
    })
}

/// Names the copy of a derivative that a CDN asks a bucket for: the canonical path without its first slash, and so without
/// version and revision, which who asks cannot know: `p/a.jpg/-/w300.webp`. Bare originals have no copies.
///
/// - Begins with [`derivative_prefix`], so that whoever lists an original's derivatives sees its copies.
/// - Is the key of no derivative, and no derivative's key is that of a copy.
pub fn copy_key(key: &OriginalKey, variant: &Variant) -> String {
    let mut name = derivative_prefix(key);
    variant.write_name(&mut name);
    name
}

/// What a copy's key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyName {
    /// The original's key in escaped form.
    pub escaped_key: String,
    /// The original's key; `None` where the name holds only its digest and the key stands in metadata.
    pub key: Option<OriginalKey>,
    /// What it is: `w300.webp`. Not read further, so that names of older grammars are recognised too.
    pub wanted: String,
}

/// Reads the key of a copy, or `None` when [`copy_key`] has never written such a key.
pub fn parse_copy_key(text: &str) -> Option<CopyName> {
    let (escaped_key, name) = text.split_once(SEPARATOR)?;
    let (words, extension) = name.split_once('.')?;
    if !is_word(words) || !is_word(extension) || words == ORIGINAL {
        return None;
    }
    Some(CopyName { escaped_key: escaped_key.to_owned(), key: key_at_rest(escaped_key)?, wanted: name.to_owned() })
}

/// Whether a text may be words of a name, or a format.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The original that a name at rest begins with: `Some(None)` where only its digest stands there.
fn key_at_rest(escaped: &str) -> Option<Option<OriginalKey>> {
    match escaped.strip_prefix("=.") {
        Some(digest) if digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => {
            Some(None)
        }
        _ => key_from_escaped(escaped).map(Some),
    }
}

/// The original whose key is escaped exactly like this.
pub(crate) fn key_from_escaped(escaped: &str) -> Option<OriginalKey> {
    OriginalKey::new(&unescape(escaped)?).ok()
}
