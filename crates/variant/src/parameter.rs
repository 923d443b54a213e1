//! Every parameter of a URL, once: its name, aliases, meaning, range and who may use it. The parser, its errors and the
//! documentation are made from this table, so none of them can know a name that the others do not.

use serde::Serialize;

/// Which parameter, whatever it was spelled like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The table below says what each one means.
pub enum Name {
    Width,
    Height,
    Ratio,
    Fit,
    Crop,
    FocusX,
    FocusY,
    Format,
    Quality,
    Dpr,
    Auto,
    Background,
    Gamut,
    Rotate,
    Flip,
    Blur,
    Sharpen,
    Rect,
    Trim,
    Padding,
    WidthMax,
    HeightMax,
    WidthMin,
    HeightMin,
    Dimensions,
    Preset,
    Expires,
    Signature,
    Library,
}

/// One row of [`PARAMETERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Which it is.
    pub id: Name,
    /// Its name in a query. With `64` appended, the value is base64url of the value.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// What it does.
    pub meaning: &'static str,
    /// Which values it takes.
    pub range: &'static str,
    /// Whether it may be used without a signature or a preset.
    pub public: bool,
}

const fn row(
    id: Name,
    name: &'static str,
    aliases: &'static [&'static str],
    public: bool,
    range: &'static str,
    meaning: &'static str,
) -> Parameter {
    Parameter { id, name, aliases, meaning, range, public }
}

/// Every parameter that is understood. Names are case-sensitive.
#[rustfmt::skip]
pub const PARAMETERS: &[Parameter] = &[
    row(Name::Width, "w", &["width"], true, "1 to 1000000 pixels, decimals allowed",
        "Width of the box in CSS pixels; times dpr it may be at most the server's longest side"),
    row(Name::Height, "h", &["height"], true, "1 to 1000000 pixels, decimals allowed",
        "Height of the box in CSS pixels; times dpr it may be at most the server's longest side"),
    row(Name::Ratio, "ar", &[], true, "W:H, such as 16:9 or 1.91:1, each above 0",
        "Ratio of the box where w or h is not named; without fit it means fit=crop; not used when both sides are named"),
    row(Name::Fit, "fit", &[], true,
        "clip, max (or inside), min (or outside), crop (or cover), cropmax, fill (or contain), fillmax, scale, scalemax, clamp",
        "How the picture is fitted into the box. Without it the picture goes inside and is never enlarged"),
    row(Name::Crop, "crop", &[], true, "a comma list of top, bottom, left, right, center, focalpoint, edges, entropy, smart (or attention)",
        "Where fit=crop and fit=min cut, the first that is known; top, bottom, left and right may be joined. With both sides named and no fit it means fit=crop"),
    row(Name::FocusX, "fp-x", &[], false, "0 to 1, four decimals",
        "Focal point from the left, as a part of the width; 0.5 if not named"),
    row(Name::FocusY, "fp-y", &[], false, "0 to 1, four decimals",
        "Focal point from the top, as a part of the height; 0.5 if not named"),
    row(Name::Format, "fm", &["format"], true, "jpg (or jpeg), pjpg, png, png8, png16, webp, avif, gif, json, thumbhash, blurhash",
        "What the answer is encoded as; png8 is a palette of at most 256 colours, png16 keeps 16 bits where the original has more than 8, json gives facts about the picture, thumbhash and blurhash a placeholder as text. With auto=format it is the fallback, except for these three"),
    row(Name::Quality, "q", &["quality"], true, "1 to 100, or auto",
        "Quality of a lossy format, on one scale: equal numbers look equally good in every format. auto: the fewest bytes that reach the server's target. png, png8, png16, gif and texts have none"),
    row(Name::Dpr, "dpr", &[], true, "0.1 to the server's largest, 5 by default; two decimals",
        "Multiplies w, h, pad and the max- and min- sides before anything else looks at them"),
    row(Name::Auto, "auto", &[], true, "a comma list of format, compress",
        "format: AVIF or WebP where Accept names them, else JPEG, PNG or GIF. compress: q=auto, unless q is named"),
    row(Name::Background, "bg", &[], false, "RGB, ARGB, RRGGBB or AARRGGBB in hex, a basic CSS colour name, or transparent",
        "What shows behind transparency and in padding"),
    row(Name::Gamut, "cs", &[], false, "srgb (or tinysrgb, strip), adobergb1998, origin",
        "The colour space of the answer. srgb has no profile; adobergb1998 carries one; origin keeps the original's RGB profile. Without it, the server's choice. gif and texts are always sRGB"),
    row(Name::Rotate, "rot", &[], false, "0, 90, 180, 270 or 360 degrees",
        "Turns clockwise, after flip"),
    row(Name::Flip, "flip", &[], false, "h, v or hv",
        "Mirrors: h exchanges left and right, v top and bottom"),
    row(Name::Blur, "blur", &[], false, "0 to 2000",
        "Gaussian blur; a tenth of it is the standard deviation in output pixels"),
    row(Name::Sharpen, "sharp", &[], false, "0 to 100",
        "Sharpens the scaled picture"),
    row(Name::Rect, "rect", &[], false,
        "x,y,width,height: pixels (120), parts (0.25), left center right, top middle bottom, full",
        "Uses only this part of the upright, turned picture"),
    row(Name::Trim, "trim", &[], false, "auto, color or alpha",
        "Cuts a uniform border away, after rect"),
    row(Name::Padding, "pad", &[], false, "0 to 4000 pixels",
        "Background on every side: inside the box where a side is named, else around the picture"),
    row(Name::WidthMax, "max-w", &[], false, "1 pixel to the server's longest side",
        "The box is at most so wide"),
    row(Name::HeightMax, "max-h", &[], false, "1 pixel to the server's longest side",
        "The box is at most so high"),
    row(Name::WidthMin, "min-w", &[], false, "1 pixel to the server's longest side",
        "The box is at least so wide"),
    row(Name::HeightMin, "min-h", &[], false, "1 pixel to the server's longest side",
        "The box is at least so high"),
    row(Name::Dimensions, "d", &[], true, "N or WxH in pixels",
        "d=100 and d=100x100 mean w=100, h=100, fit=crop"),
    row(Name::Preset, "p", &[], true, "the name of a preset of the configuration",
        "Puts the preset's parameters in; unsigned, only dpr, auto, fm and q may stand beside it"),
    row(Name::Expires, "expires", &[], true, "seconds since 1970-01-01 UTC",
        "A signed URL is refused from then on. Without a signature it means nothing"),
    row(Name::Signature, "s", &[], true, "the signature of everything before it",
        "Proves that a holder of a key wrote this URL; always last"),
    row(Name::Library, "ixlib", &[], true, "anything",
        "Which imgix client wrote the URL; not used"),
];

/// imgix's names that would change geometry and are not understood: leaving them out would give another picture.
pub const LACKING: &[&str] = &[
    "fp-z",
    "faceindex",
    "facepad",
    "orient",
    "pad-left",
    "pad-right",
    "pad-top",
    "pad-bottom",
    "page",
    "frame",
    "trim-color",
    "trim-md",
    "trim-pad",
    "trim-sd",
    "trim-tol",
    "border",
];

/// The parameter of this name or alias.
pub fn parameter(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == name || parameter.aliases.contains(&name))
}

impl Name {
    /// Its row.
    pub fn parameter(self) -> &'static Parameter {
        // The rows stand in the order of the names; a test holds them to it.
        &PARAMETERS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_names() {
        for (at, parameter) in PARAMETERS.iter().enumerate() {
            assert_eq!(parameter.id as usize, at, "{}", parameter.name);
        }
        assert_eq!(Name::Library as usize + 1, PARAMETERS.len());
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = PARAMETERS.iter().flat_map(|row| row.aliases.iter().chain([&row.name])).collect();
        names.extend(LACKING);
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn unsigned_requests_may_use_what_the_documentation_says() {
        let public: Vec<_> = PARAMETERS.iter().filter(|row| row.public).map(|row| row.name).collect();
        let expected = ["w", "h", "ar", "fit", "crop", "fm", "q", "dpr", "auto", "d", "p", "expires", "s", "ixlib"];
        assert_eq!(public, expected);
    }
}
