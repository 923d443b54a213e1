//! What an unsigned request may have: which names, which sizes, which ratios, which qualities. Finite by construction, so
//! that nobody can fill a store by counting upwards.

use crate::name::named_points;
use crate::query::Query;
use crate::variant::{Anchor, Fit, Quality, Ratio, Variant};
use crate::wish::Wish;
use crate::{Change, Format, Name, Policy, Refusal, Rules, Why};

/// How to be allowed what the public is not; ends every help that says no.
const REMEDY: &str = "sign the URL, or use a preset of the configuration";

impl Rules {
    /// Refuses the names that need a signature or a preset.
    pub(crate) fn refuse_private_names(&self, query: &Query) -> Result<(), Refusal> {
        let has_preset = query.get(Name::Preset).is_some();
        for (name, text) in &query.pairs {
            let parameter = name.parameter();
            let beside_preset = matches!(
                name,
                Name::Preset
                    | Name::Dpr
                    | Name::Auto
                    | Name::Format
                    | Name::Quality
                    | Name::Expires
                    | Name::Signature
                    | Name::Library
            );
            let help = match self.policy {
                _ if !parameter.public => format!("`{}` is not for unsigned requests: {REMEDY}", parameter.name),
                _ if has_preset && !beside_preset => {
                    format!(
                        "beside `p`, unsigned requests may name dpr, auto, fm and q, not `{}`: sign the URL, or make a preset of it",
                        parameter.name
                    )
                }
                Policy::Dims { .. }
                    if *name == Name::Dpr && !has_preset || !beside_preset && *name != Name::Dimensions =>
                {
                    format!(
                        "this server allows unsigned requests `d`, auto, fm, q and p, not `{}`: {REMEDY}",
                        parameter.name
                    )
                }
                _ => continue,
            };
            return Err(Refusal::forbidden(*name, text, help));
        }
        Ok(())
    }

    /// Snaps the box to the ladder and the ratio to the list.
    pub(crate) fn snap_box(&self, mut draft: Variant, changed: &mut Vec<Change>) -> Result<Variant, Refusal> {
        let before = (draft.width, draft.height);
        match (draft.width, draft.height, draft.ratio) {
            (Some(width), Some(height), _) => {
                let asked = f64::from(width) / f64::from(height);
                let ratio =
                    self.listed_ratio(asked).ok_or_else(|| self.unlisted(Name::Width, &width.to_string(), asked))?;
                (draft.width, draft.height, draft.ratio) = self.nearest_box(ratio, width.max(height), width >= height);
            }
            (width, height, Some(asked)) => {
                let text = format!("{}:{}", asked.width(), asked.height());
                let ratio =
                    self.listed_ratio(asked.value()).ok_or_else(|| self.unlisted(Name::Ratio, &text, asked.value()))?;
                if ratio != asked {
                    let to = format!("{}:{}", ratio.width(), ratio.height());
                    changed.push(Change::new(Name::Ratio, text, to, Why::Ratio));
                }
                draft.ratio = Some(ratio);
                if let Some(side) = width.or(height) {
                    (draft.width, draft.height, draft.ratio) = self.nearest_box(ratio, side, width.is_some());
                }
            }
            (width, height, None) => {
                draft.width = width.map(|side| snap_up(&self.ladder, side));
                draft.height = height.map(|side| snap_up(&self.ladder, side));
            }
        }
        let longer_is_width = before.0 >= before.1;
        for (name, from, to, is_longer) in [
            (Name::Width, before.0, draft.width, longer_is_width),
            (Name::Height, before.1, draft.height, !longer_is_width),
        ] {
            if let (Some(from), Some(to)) = (from, to) {
                let why = match () {
                    () if from == to => continue,
                    () if !is_longer => Why::Ratio,
                    () if from < to => Why::Snapped,
                    () => Why::Clamped,
                };
                changed.push(Change::new(name, from, to, why));
            }
        }
        Ok(draft)
    }

    /// The listed ratio that is nearest, when it is near enough.
    fn listed_ratio(&self, asked: f64) -> Option<Ratio> {
        // How many times the one is the other: by divisions alone, which come out the same wherever this is computed.
        let distance = |ratio: &Ratio| {
            let far = asked / ratio.value();
            far.max(1.0 / far)
        };
        let nearest = self.listed_ratios().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let tolerance = f64::from(crate::RATIO_TOLERANCE_PERCENT) / 100.0;
        ((asked / nearest.value() - 1.0).abs() <= tolerance + 1e-9).then_some(nearest)
    }

    fn unlisted(&self, name: Name, value: &str, asked: f64) -> Refusal {
        let listed: Vec<String> = self.ratios.iter().map(|(width, height)| format!("{width}:{height}")).collect();
        let help = format!(
            "the ratio {asked:.4}:1 is not within {} % of one that this server allows unsigned ({}): {REMEDY}, or add the ratio to `ratios`",
            crate::RATIO_TOLERANCE_PERCENT,
            listed.join(" ")
        );
        Refusal::forbidden(name, value, help)
    }

    /// The smallest allowed box of this ratio whose named side reaches `side`; else the largest there is.
    fn nearest_box(&self, ratio: Ratio, side: u32, side_is_width: bool) -> (Option<u32>, Option<u32>, Option<Ratio>) {
        let mut allowed = self.boxes_of(ratio, side_is_width).peekable();
        let mut last = None;
        for (width, height) in &mut allowed {
            last = Some((width, height));
            if (if side_is_width { width } else { height }) >= side {
                break;
            }
        }
        // With no box of that ratio inside the limits, the ratio alone is what is left to give.
        last.map_or((None, None, Some(ratio)), |(width, height)| (Some(width), Some(height), None))
    }

    /// The boxes of this ratio with a rung for their width (or height), inside the limits, ascending.
    fn boxes_of(&self, ratio: Ratio, rung_is_width: bool) -> impl Iterator<Item = (u32, u32)> + '_ {
        let boxes = self.ladder.iter().map(move |&rung| {
            if rung_is_width { (rung, ratio.height_for(rung)) } else { (ratio.width_for(rung), rung) }
        });
        boxes.filter(|&(width, height)| {
            width.max(height) <= self.output_side_max && u64::from(width) * u64::from(height) <= self.output_pixels_max
        })
    }

    /// The quality that an unsigned request gets for the one it named.
    pub(crate) fn snap_quality(&self, asked: u8, changed: &mut Vec<Change>) -> u8 {
        let to = snap_up(&self.qualities, asked);
        if to != asked {
            let why = if to > asked { Why::Snapped } else { Why::Clamped };
            changed.push(Change::new(Name::Quality, asked, to, why));
        }
        to
    }

    /// The whole dpr (in hundredths) that an unsigned request gets beside a preset.
    pub(crate) fn snap_preset_dpr(&self, asked: u64, changed: &mut Vec<Change>) -> u64 {
        let to = asked.div_ceil(100) * 100;
        if to != asked {
            changed.push(Change::new(Name::Dpr, asked as f64 / 100.0, to / 100, Why::Snapped));
        }
        to
    }

    /// What the published functions made of `d`: the square whose band holds its width, the default where none does.
    /// `None` where there is nothing to do: `d` is empty.
    pub(crate) fn dims_square(&self, text: &str, changed: &mut Vec<Change>) -> Option<u32> {
        let Policy::Dims { sizes, default, variance_percent } = &self.policy else { return None };
        if text.is_empty() {
            return None;
        }
        // The text before the first `x`, read as a JavaScript number, as those functions read it.
        let width = text.split('x').next().unwrap_or_default().trim();
        let width: f64 = if width.is_empty() { 0.0 } else { width.parse().unwrap_or(f64::NAN) };
        let in_band = |size: &&u32| {
            let (size, band) = (f64::from(**size), f64::from(**size) * f64::from(*variance_percent) / 100.0);
            (size - band..=size + band).contains(&width)
        };
        let found = sizes.iter().find(in_band).copied();
        let square = found.unwrap_or(*default);
        if text != square.to_string() && text != format!("{square}x{square}") {
            let shown: String = text.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
            let why = match found {
                None => Why::Default,
                Some(size) if width <= f64::from(size) => Why::Snapped,
                Some(_) => Why::Clamped,
            };
            changed.push(Change::new(Name::Dimensions, shown, square, why));
        }
        Some(square)
    }

    /// Whether an unsigned request could have come to this canonical variant.
    pub(crate) fn permits(&self, variant: &Variant) -> bool {
        let quality_listed = match variant.quality {
            Some(Quality::Of(quality)) => self.qualities.contains(&quality),
            Some(Quality::Auto) | None => true,
        };
        let shape = shape_of(variant);
        if quality_listed && self.permits_shape(&shape) {
            return true;
        }
        self.preset_shapes().any(|(preset, quality)| preset == shape && (quality_listed || variant.quality == quality))
    }

    /// The geometry and effects that presets come to at each whole dpr, with the quality that the preset names.
    pub(crate) fn preset_shapes(&self) -> impl Iterator<Item = (Variant, Option<Quality>)> + '_ {
        self.presets.values().filter_map(|text| self.preset_wish(text)).flat_map(move |wish| {
            let whole = (1..=u64::from(self.dpr_max)).map(|dpr| dpr * 100);
            let quality = wish.named_quality();
            let shapes: Vec<_> = whole
                .chain([wish.dpr.unwrap_or(100)])
                .filter_map(|dpr| {
                    let draft = crate::limits::shrink(self, wish.draft(dpr), &mut Vec::new());
                    let shape = crate::limits::check(self, draft.canonical()).ok()?;
                    Some((shape, quality))
                })
                .collect();
            shapes
        })
    }

    fn preset_wish(&self, text: &str) -> Option<Wish> {
        Wish::new(&Query::new(text).ok()?.pairs, self.dpr_max, &mut Vec::new()).ok()
    }

    /// Whether an unsigned request without a preset could have come to this geometry.
    fn permits_shape(&self, shape: &Variant) -> bool {
        let plain = Variant {
            width: shape.width,
            height: shape.height,
            ratio: shape.ratio,
            fit: shape.fit,
            anchor: shape.anchor,
            ..Variant::of_format(Format::Same)
        };
        if plain != *shape
            || matches!(shape.anchor, Anchor::Point { .. }) && !named_points().any(|point| point == shape.anchor)
        {
            return false;
        }
        if let Policy::Dims { sizes, .. } = &self.policy {
            let square = |side: u32| sizes.contains(&side) && shape.fit == Fit::Crop && shape.anchor == Anchor::CENTER;
            return match (shape.width, shape.height, shape.ratio) {
                (Some(width), Some(height), None) => width == height && square(width),
                (None, None, None) => true,
                _ => false,
            };
        }
        match (shape.width, shape.height, shape.ratio) {
            (Some(width), Some(height), _) => self.listed_ratios().any(|ratio| {
                [true, false].iter().any(|&by_width| {
                    // Only the one rung can match; looking it up first spares the walk.
                    let rung = if by_width { width } else { height };
                    self.ladder.binary_search(&rung).is_ok()
                        && (if by_width { ratio.height_for(width) == height } else { ratio.width_for(height) == width })
                }) && width.max(height) <= self.output_side_max
                    && u64::from(width) * u64::from(height) <= self.output_pixels_max
            }),
            (None, None, Some(ratio)) => self.listed_ratios().any(|listed| listed == ratio),
            (side, other, _) => side.or(other).is_none_or(|side| self.ladder.binary_search(&side).is_ok()),
        }
    }

    /// How many different things an unsigned request can come to, for one original: the bare original and every variant.
    ///
    /// Exact without presets; with presets at most this many, since a preset may come to what the ladder allows anyway.
    pub fn variants_max(&self) -> u64 {
        let lossy = Format::ALL.iter().filter(|format| format.takes_quality()).count() as u64;
        let lossless = Format::ALL.len() as u64 - lossy;
        // Beside the listed ones: none, and `auto`.
        let qualities = self.qualities.len() as u64 + 2;
        let free = self.public_shapes() * (lossy * qualities + lossless);
        // One more quality than the listed ones: the preset's own.
        let preset = self.preset_shapes().count() as u64 * (lossy * (qualities + 1) + lossless);
        free + preset
    }

    /// How many geometries an unsigned request without a preset can come to.
    fn public_shapes(&self) -> u64 {
        if let Policy::Dims { sizes, .. } = &self.policy {
            let distinct: std::collections::BTreeSet<_> = sizes.iter().collect();
            return 1 + distinct.len() as u64;
        }
        let ratios: Vec<Ratio> = self.listed_ratios().collect();
        let boxes: std::collections::BTreeSet<(u32, u32)> =
            ratios.iter().flat_map(|&ratio| self.boxes_of(ratio, true).chain(self.boxes_of(ratio, false))).collect();
        let anchors = named_points().count() as u64 + 3;
        let per_box: u64 = Fit::ALL.iter().map(|fit| if fit.cuts() { anchors } else { 1 }).sum();
        // `ar` alone lies inside the source: crop from anywhere, fill, scale, clamp, and inside.
        let per_ratio = anchors + 4;
        let one_sided = self.ladder.len() as u64 * 2 * 2;
        1 + one_sided + boxes.len() as u64 * per_box + ratios.len() as u64 * per_ratio
    }
}

/// The geometry and effects of a variant, its format and quality left out.
fn shape_of(variant: &Variant) -> Variant {
    Variant { quality: None, ..variant.with_format(Format::Same) }
}

/// The smallest value of an ascending list that is not below this one; the last where there is none.
fn snap_up<T: Copy + Ord>(ascending: &[T], asked: T) -> T {
    let at = ascending.partition_point(|value| *value < asked);
    ascending.get(at).or(ascending.last()).copied().unwrap_or(asked)
}
