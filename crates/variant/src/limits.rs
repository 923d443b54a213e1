//! The hard limits that hold for everybody: no box longer or larger than the operator allows, whoever signed it.

use crate::variant::Variant;
use crate::{Change, Name, Refusal, Rules, Why};

/// The variant, when it is inside the limits.
pub(crate) fn check(rules: &Rules, variant: Variant) -> Result<Variant, Refusal> {
    let side_max = rules.output_side_max;
    let sides = [
        (Name::Width, variant.width),
        (Name::Height, variant.height),
        (Name::WidthMax, variant.width_max),
        (Name::HeightMax, variant.height_max),
        (Name::WidthMin, variant.width_min),
        (Name::HeightMin, variant.height_min),
    ];
    for (name, side) in sides {
        if let Some(side) = side.filter(|side| *side > side_max) {
            let help = format!("times dpr this is {side} pixels; a side has 1 to {side_max}");
            return Err(Refusal::because(name, &side.to_string(), help));
        }
    }
    if let (Some(width), Some(height)) = (variant.width, variant.height) {
        let (pixels, pixels_max) = (u64::from(width) * u64::from(height), rules.output_pixels_max);
        if pixels > pixels_max {
            let help = format!("{width} by {height} are {pixels} pixels; at most {pixels_max} are made");
            return Err(Refusal::because(Name::Width, &width.to_string(), help));
        }
    }
    // At least one pixel of picture has to be left between the paddings.
    let narrowest = [variant.width, variant.height, variant.width_max, variant.height_max].into_iter().flatten().min();
    let padding_max = (narrowest.unwrap_or(side_max) - 1) / 2;
    if variant.padding > padding_max {
        let help = format!(
            "times dpr this is {} pixels; here at most {padding_max} leave room for the picture",
            variant.padding
        );
        return Err(Refusal::because(Name::Padding, &variant.padding.to_string(), help));
    }
    Ok(variant)
}

/// Shrinks a box that only its dpr has made too large, its ratio kept, and says so.
pub(crate) fn shrink(rules: &Rules, mut draft: Variant, changed: &mut Vec<Change>) -> Variant {
    let side_max = rules.output_side_max;
    for bound in [&mut draft.width_max, &mut draft.height_max, &mut draft.width_min, &mut draft.height_min] {
        *bound = bound.map(|side| side.min(side_max));
    }
    let asked = draft.clone().canonical();
    let (width, height) = (asked.width.unwrap_or(1), asked.height.unwrap_or(1));
    let (longest, pixels) = (f64::from(width.max(height)), f64::from(width) * f64::from(height));
    let scale = (f64::from(side_max) / longest).min((rules.output_pixels_max as f64 / pixels).sqrt()).min(1.0);
    if scale < 1.0 {
        let scaled = |side: u32| ((f64::from(side) * scale).floor() as u32).max(1);
        for (name, side) in [(Name::Width, &mut draft.width), (Name::Height, &mut draft.height)] {
            if let Some(side) = side {
                let to = scaled(*side);
                changed.push(Change::new(name, *side, to, Why::Clamped));
                *side = to;
            }
        }
    }
    draft
}
