//! What a query asks for, value by value, before policy and before it is made canonical. Every value is in its
//! documented range here; nothing has been snapped, multiplied or left out yet, except hints that are not understood.

use crate::query::Query;
use crate::value::{self, Crop};
use crate::variant::{Anchor, Blur, Fit, Gamut, Quality, Ratio, Rect, Rgba, Sharpen, Trim, Turn, Variant};
use crate::{Format, Name, Refusal, RefusalKind};

/// The largest side that a URL may name, in hundredths of a CSS pixel. Policy and limits come after it.
const SIDE_HUNDREDTHS_MAX: u64 = 100_000_000;

/// The values of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Hundredths of a CSS pixel.
    width: Option<u64>,
    /// Hundredths of a CSS pixel.
    height: Option<u64>,
    ratio: Option<Ratio>,
    fit: Option<Fit>,
    anchor: Option<Anchor>,
    pub(crate) format: Option<Format>,
    pub(crate) quality: Option<Quality>,
    /// Hundredths.
    pub(crate) dpr: Option<u64>,
    pub(crate) auto_format: bool,
    pub(crate) auto_compress: bool,
    background: Option<Rgba>,
    gamut: Option<Gamut>,
    turn: Turn,
    blur: Option<Blur>,
    sharpen: Option<Sharpen>,
    rect: Option<Rect>,
    trim: Option<Trim>,
    padding: u32,
    width_max: Option<u32>,
    height_max: Option<u32>,
    width_min: Option<u32>,
    height_min: Option<u32>,
}

impl Wish {
    /// Reads the values of all pairs; what is not understood and only a hint goes to `ignored`.
    pub(crate) fn new(pairs: &[(Name, String)], dpr_max: u32, ignored: &mut Vec<String>) -> Result<Self, Refusal> {
        let mut wish = Self::default();
        let mut crop = None;
        let mut focus = (None, None);
        for (name, text) in pairs {
            let (name, text) = (*name, text.as_str());
            let bad = || Refusal::value(name, text);
            let side =
                || value::hundredths(text).filter(|side| (100..=SIDE_HUNDREDTHS_MAX).contains(side)).ok_or_else(bad);
            let bound = || value::whole(text, 1, crate::OUTPUT_SIDE_MAX).ok_or_else(bad);
            match name {
                Name::Width => wish.width = Some(side()?),
                Name::Height => wish.height = Some(side()?),
                Name::Ratio => wish.ratio = Some(value::ratio(text).ok_or_else(bad)?),
                Name::Fit => wish.fit = Some(Fit::from_name(text).ok_or_else(bad)?),
                Name::Crop => {
                    let (said, unknown) = value::crop(text).ok_or_else(|| {
                        Refusal::because(name, text, "top and bottom, and left and right, contradict each other")
                    })?;
                    ignored.extend(unknown.into_iter().map(|word| format!("crop={}", printable(word))));
                    crop = Some(said);
                }
                Name::FocusX => focus.0 = Some(value::part(text).ok_or_else(bad)?),
                Name::FocusY => focus.1 = Some(value::part(text).ok_or_else(bad)?),
                Name::Format => wish.format = Some(Format::from_parameter(text).ok_or_else(bad)?),
                Name::Quality => wish.quality = Some(Quality::from_parameter(text).ok_or_else(bad)?),
                Name::Dpr => {
                    let dpr = value::hundredths(text).filter(|dpr| (10..=u64::from(dpr_max) * 100).contains(dpr));
                    wish.dpr = Some(dpr.ok_or_else(bad)?);
                }
                Name::Auto => {
                    for word in text.split(',').filter(|word| !word.is_empty()) {
                        match word {
                            "format" => wish.auto_format = true,
                            "compress" => wish.auto_compress = true,
                            _ => ignored.push(format!("auto={}", printable(word))),
                        }
                    }
                }
                Name::Background => wish.background = Some(value::color(text).ok_or_else(bad)?),
                Name::Gamut => wish.gamut = Some(Gamut::from_parameter(text).ok_or_else(bad)?),
                Name::Rotate => {
                    let degrees = value::whole(text, 0, 360).filter(|degrees| degrees % 90 == 0).ok_or_else(bad)?;
                    wish.turn.rotate_degrees = (degrees % 360) as u16;
                }
                Name::Flip => {
                    let Turn { flip_h, flip_v, .. } = value::flip(text).ok_or_else(bad)?;
                    wish.turn = Turn { flip_h, flip_v, ..wish.turn };
                }
                Name::Blur => {
                    wish.blur = Some(value::whole(text, 0, 2_000).ok_or_else(bad)? as u16).filter(|b| *b > 0).map(Blur)
                }
                Name::Sharpen => {
                    wish.sharpen =
                        Some(value::whole(text, 0, 100).ok_or_else(bad)? as u8).filter(|s| *s > 0).map(Sharpen)
                }
                Name::Rect => wish.rect = Some(value::rect(text).ok_or_else(bad)?),
                Name::Trim => {
                    wish.trim = Some(match text {
                        "auto" => Trim::Auto,
                        "color" => Trim::Color,
                        "alpha" => Trim::Alpha,
                        _ => return Err(bad()),
                    });
                }
                Name::Padding => wish.padding = value::whole(text, 0, 4_000).ok_or_else(bad)?,
                Name::WidthMax => wish.width_max = Some(bound()?),
                Name::HeightMax => wish.height_max = Some(bound()?),
                Name::WidthMin => wish.width_min = Some(bound()?),
                Name::HeightMin => wish.height_min = Some(bound()?),
                Name::Dimensions => {
                    let (width, height) = text.split_once('x').unwrap_or((text, text));
                    let side = |text: &str| value::whole(text, 1, 1_000_000).map(|side| u64::from(side) * 100);
                    let (width, height) = (side(width).ok_or_else(bad)?, side(height).ok_or_else(bad)?);
                    if pairs.iter().any(|(other, _)| matches!(other, Name::Width | Name::Height)) {
                        return Err(Refusal::because(
                            name,
                            text,
                            "`d` and `w` or `h` both name the size; leave one out",
                        ));
                    }
                    (wish.width, wish.height) = (Some(width), Some(height));
                    wish.fit = wish.fit.or(Some(Fit::Crop));
                }
                Name::Preset | Name::Expires | Name::Signature | Name::Library => {}
            }
        }
        // `fit` may stand after `d`, and then it has the last word.
        wish.check_bounds()?;
        wish.settle_crop(crop, focus);
        Ok(wish)
    }

    fn check_bounds(&self) -> Result<(), Refusal> {
        let crossed =
            |least: Option<u32>, most: Option<u32>| matches!((least, most), (Some(least), Some(most)) if least > most);
        for (name, least, most) in
            [(Name::WidthMin, self.width_min, self.width_max), (Name::HeightMin, self.height_min, self.height_max)]
        {
            if crossed(least, most) {
                let least = least.unwrap_or_default().to_string();
                return Err(Refusal::because(name, &least, "the least side is longer than the greatest"));
            }
        }
        Ok(())
    }

    /// Where a cut is taken from, and whether naming that means a cut.
    fn settle_crop(&mut self, crop: Option<Crop>, focus: (Option<u16>, Option<u16>)) {
        let point = Anchor::Point { x: focus.0.unwrap_or(5_000), y: focus.1.unwrap_or(5_000) };
        let focused = focus.0.is_some() || focus.1.is_some();
        self.anchor = match crop {
            Some(Crop::At(anchor)) => Some(anchor),
            Some(Crop::FocalPoint) => Some(point),
            Some(Crop::Unsaid) | None if focused => Some(point),
            Some(Crop::Unsaid) | None => None,
        };
        let sides = usize::from(self.width.is_some()) + usize::from(self.height.is_some());
        let cut_is_meant = match sides {
            2 => self.anchor.is_some(),
            _ => self.ratio.is_some(),
        };
        if self.fit.is_none() && cut_is_meant {
            self.fit = Some(Fit::Crop);
        }
    }

    /// Whether the ratio has nothing to say because both sides are named.
    pub(crate) fn ratio_is_unused(&self) -> bool {
        self.ratio.is_some() && self.width.is_some() && self.height.is_some()
    }

    /// The geometry and effects at this dpr (hundredths), not canonical yet, with the format left at `Same`.
    pub(crate) fn draft(&self, dpr: u64) -> Variant {
        // Ten million at the most: a million CSS pixels times the largest dpr.
        let rounded =
            |ten_thousandths: u64| u32::try_from((ten_thousandths + 5_000) / 10_000).unwrap_or(u32::MAX).max(1);
        let times = |pixels: u32| rounded(u64::from(pixels) * 100 * dpr);
        Variant {
            turn: self.turn,
            rect: self.rect,
            trim: self.trim,
            width: self.width.map(|width| rounded(width * dpr)),
            height: self.height.map(|height| rounded(height * dpr)),
            ratio: self.ratio,
            width_max: self.width_max.map(times),
            height_max: self.height_max.map(times),
            width_min: self.width_min.map(times),
            height_min: self.height_min.map(times),
            fit: self.fit.unwrap_or(Fit::Max),
            anchor: self.anchor.unwrap_or(Anchor::CENTER),
            background: self.background,
            blur: self.blur,
            sharpen: self.sharpen,
            padding: if self.padding == 0 { 0 } else { times(self.padding) },
            gamut: self.gamut,
            quality: None,
            format: Format::Same,
        }
    }

    /// The quality that this names, `auto=compress` included.
    pub(crate) fn named_quality(&self) -> Option<Quality> {
        self.quality.or(self.auto_compress.then_some(Quality::Auto))
    }

    /// The format that this comes to for a viewer, and whether `Accept` had a say.
    pub(crate) fn format(&self, accept: Option<&str>) -> (Format, bool) {
        match (self.auto_format, self.format) {
            (false, _) => (self.format.unwrap_or(Format::Same), false),
            (true, Some(format)) if format.is_text() => (format, false),
            (true, fallback) => match crate::negotiate(accept) {
                Format::Compatible => (fallback.unwrap_or(Format::Compatible), true),
                format => (format, true),
            },
        }
    }
}

/// The pairs of a preset with those of the request on top: whatever the request names wins, name by name; `d` names both
/// sides.
pub(crate) fn overlay(preset: &Query, request: &[(Name, String)]) -> Vec<(Name, String)> {
    let names = |name: Name| request.iter().any(|(other, _)| *other == name);
    let squared = names(Name::Dimensions);
    let preset_fits = preset.get(Name::Fit).is_some();
    let written_out = preset.pairs.iter().flat_map(|(name, text)| {
        if *name != Name::Dimensions {
            return vec![(*name, text.clone())];
        }
        let (width, height) = text.split_once('x').unwrap_or((text, text));
        let mut pairs = vec![(Name::Width, width.to_owned()), (Name::Height, height.to_owned())];
        if !preset_fits {
            pairs.push((Name::Fit, Fit::Crop.name().to_owned()));
        }
        pairs
    });
    let kept = written_out.filter(|(name, _)| !(names(*name) || squared && matches!(name, Name::Width | Name::Height)));
    kept.chain(request.iter().cloned()).collect()
}

/// A parameter that stands where it may not.
pub(crate) fn misplaced(name: Name, text: &str, help: &str) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, help).blaming(name.parameter().name, text)
}

fn printable(word: &str) -> String {
    word.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
