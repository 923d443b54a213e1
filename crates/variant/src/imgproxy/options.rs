//! imgproxy's processing options, and what each is called in the primary grammar.

use crate::value;
use crate::{Refusal, RefusalKind};

/// Every option that is understood, with its short names.
pub(super) const KNOWN: &[(&str, &[&str])] = &[
    ("resize", &["rs"]),
    ("size", &["s"]),
    ("resizing_type", &["rt"]),
    ("width", &["w"]),
    ("height", &["h"]),
    ("enlarge", &["el"]),
    ("extend", &["ex"]),
    ("gravity", &["g"]),
    ("crop", &["c"]),
    ("rotate", &["rot"]),
    ("quality", &["q"]),
    ("format", &["f", "ext"]),
    ("background", &["bg"]),
    ("blur", &["bl"]),
    ("sharpen", &["sh"]),
    ("dpr", &[]),
    ("auto_rotate", &["ar"]),
    ("strip_metadata", &["sm"]),
    ("strip_color_profile", &["scp"]),
    ("expires", &["exp"]),
    ("cachebuster", &["cb"]),
    ("preset", &["pr"]),
];

/// How the picture gets into its box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Resizing {
    #[default]
    Fit,
    Fill,
    FillDown,
    Force,
}

/// What the options of one URL say; the last one of a name has the last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    resizing: Option<Resizing>,
    /// As spelled; `0` and nothing are both "as the other side says".
    width: Option<String>,
    height: Option<String>,
    enlarge: bool,
    extend: bool,
    gravity: Option<Gravity>,
    crop: Option<(String, String, Option<Gravity>)>,
    rotate: Option<String>,
    quality: Option<String>,
    format: Option<String>,
    background: Option<String>,
    blur: Option<u32>,
    sharpen: Option<u32>,
    dpr: Option<String>,
    preset: Option<String>,
    pub(super) expires_unix_s: Option<u64>,
    /// What means nothing here, as it was spelled.
    pub(super) ignored: Vec<String>,
}

/// Where a cut is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Gravity {
    /// Words for `crop=`, horizontal and vertical; nothing is the middle.
    Towards(Option<&'static str>, Option<&'static str>),
    Smart,
    Focus(String, String),
}

impl Options {
    /// Reads the segments that are options; the source is what is left.
    pub(super) fn read(signed: &str) -> Result<(Self, &str), Refusal> {
        let mut options = Self::default();
        let mut rest = signed.strip_prefix('/').unwrap_or(signed);
        loop {
            let segment = rest.split('/').next().unwrap_or_default();
            let Some((name, text)) = segment.split_once(':') else { return Ok((options, rest)) };
            options.take(name, text)?;
            rest = rest.get(segment.len() + 1..).unwrap_or_default();
        }
    }

    fn take(&mut self, name: &str, text: &str) -> Result<(), Refusal> {
        let known = KNOWN.iter().find(|(long, short)| *long == name || short.contains(&name));
        let Some((name, _)) = known else {
            let help = format!("the option `{name}` is not supported here; leave it out");
            return Err(Refusal::new(RefusalKind::BadRequest, help).blaming(name, text));
        };
        let bad = |help: &str| Refusal::new(RefusalKind::BadRequest, help).blaming(name, text);
        let parts: Vec<&str> = text.split(':').collect();
        let most = |count: usize| if parts.len() > count { Err(bad("too many values")) } else { Ok(()) };
        match *name {
            "resize" => {
                self.resizing = Some(resizing(parts[0]).ok_or_else(|| bad(RESIZING_HELP))?);
                self.size(&parts[1..]).map_err(|help| bad(&help))?;
            }
            "size" => self.size(&parts).map_err(|help| bad(&help))?,
            "resizing_type" => self.resizing = Some(resizing(text).ok_or_else(|| bad(RESIZING_HELP))?),
            "width" => self.width = side(text).ok_or_else(|| bad(SIDE_HELP))?,
            "height" => self.height = side(text).ok_or_else(|| bad(SIDE_HELP))?,
            "enlarge" => self.enlarge = boolean(text).ok_or_else(|| bad(BOOLEAN_HELP))?,
            "extend" => self.extend = extend(&parts).map_err(|help| bad(&help))?,
            "gravity" => self.gravity = Some(Gravity::read(&parts).map_err(|help| bad(&help))?),
            "crop" => {
                let gravity =
                    if parts.len() > 2 { Some(Gravity::read(&parts[2..]).map_err(|help| bad(&help))?) } else { None };
                let length = |text: &str| {
                    length(text).ok_or_else(|| bad("each side is pixels, a part below 1, or 0 for the whole"))
                };
                self.crop = Some((length(parts[0])?, length(parts.get(1).copied().unwrap_or("0"))?, gravity));
            }
            "rotate" => self.rotate = Some(text.to_owned()),
            "quality" => self.quality = (text != "0").then(|| text.to_owned()),
            "format" => self.format = Some(text.to_owned()).filter(|text| !text.is_empty()),
            "background" => {
                self.background = background(&parts).ok_or_else(|| bad("RED:GREEN:BLUE, or six or three hex digits"))?
            }
            "blur" => {
                self.blur = Some(scaled(text, 10, 2_000).ok_or_else(|| bad("a standard deviation of 0 to 200 pixels"))?)
            }
            // Another filter, the same purpose: half a pixel of imgproxy's sigma, its documented example, is our 50.
            "sharpen" => {
                self.sharpen = Some(
                    scaled(text, 100, 10_000).ok_or_else(|| bad("a standard deviation of 0 to 100 pixels"))?.min(100),
                )
            }
            "dpr" => self.dpr = Some(text.to_owned()),
            "auto_rotate" | "strip_metadata" | "strip_color_profile" => {
                most(1)?;
                if boolean(text) != Some(true) {
                    return Err(bad("this is always done here; leave the option out"));
                }
            }
            "expires" => {
                self.expires_unix_s = Some(value::seconds(text).ok_or_else(|| bad("seconds since 1970-01-01 UTC"))?)
            }
            // What was changed is never answered old here, so there is nothing to bust.
            "cachebuster" => self.ignored.push("cachebuster".to_owned()),
            "preset" => {
                most(1)?;
                self.preset = Some(text.to_owned());
            }
            other => unreachable!("`{other}` is listed as known"),
        }
        Ok(())
    }

    /// `WIDTH:HEIGHT:ENLARGE:EXTEND`, each of which may be left out.
    fn size(&mut self, parts: &[&str]) -> Result<(), String> {
        let said = |at: usize| parts.get(at).copied().filter(|text| !text.is_empty());
        if let Some(text) = said(0) {
            self.width = side(text).ok_or(SIDE_HELP)?;
        }
        if let Some(text) = said(1) {
            self.height = side(text).ok_or(SIDE_HELP)?;
        }
        if let Some(text) = said(2) {
            self.enlarge = boolean(text).ok_or(BOOLEAN_HELP)?;
        }
        if parts.len() > 3 {
            self.extend = extend(&parts[3..])?;
        }
        Ok(())
    }

    /// The query that means the same.
    pub(super) fn query(&self, extension: Option<&str>) -> Result<String, Refusal> {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        let mut add = |name: &'static str, value: &Option<String>| {
            pairs.extend(value.iter().map(|value| (name, value.clone())));
        };
        add("p", &self.preset);
        add("w", &self.width);
        add("h", &self.height);
        // A preset's own fit stays where the URL says none.
        let names_fit = self.preset.is_none() || self.resizing.is_some() || self.enlarge || self.extend;
        if names_fit && (self.width.is_some() || self.height.is_some()) {
            add("fit", &Some(self.fit()?.to_owned()));
        }
        add("rect", &self.rect()?);
        add("rot", &self.rotate);
        add("q", &self.quality);
        add("bg", &self.background);
        add("dpr", &self.dpr);
        add("blur", &self.blur.map(|strength| strength.to_string()));
        add("sharp", &self.sharpen.map(|strength| strength.to_string()));
        // The extension behind the source has the last word, as at imgproxy.
        add("fm", &extension.map(str::to_owned).or_else(|| self.format.clone()));
        if let Some(gravity) = &self.gravity {
            let (crop, focus) = gravity.words();
            add("crop", &crop);
            if let Some((x, y)) = focus {
                add("fp-x", &Some(x));
                add("fp-y", &Some(y));
            }
        }
        // A word that may hold anything is encoded whole; the names are ours.
        let encoded = |text: &str| {
            text.bytes()
                .map(|byte| match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b',' => char::from(byte).to_string(),
                    _ => format!("%{byte:02X}"),
                })
                .collect::<String>()
        };
        let joined: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        Ok(if joined.is_empty() { String::new() } else { format!("?{}", joined.join("&")) })
    }

    /// Our fit for the type, `enlarge` and `extend`.
    fn fit(&self) -> Result<&'static str, Refusal> {
        Ok(match (self.resizing.unwrap_or_default(), self.enlarge, self.extend) {
            (Resizing::Fit, false, false) => "max",
            (Resizing::Fit, true, false) => "clip",
            (Resizing::Fit, false, true) => "fillmax",
            (Resizing::Fit, true, true) => "fill",
            (Resizing::Fill, false, false) => "cropmax",
            (Resizing::FillDown, false, false) => "min",
            // Enlarged until it covers the box, it always fills it: there is nothing left to extend.
            (Resizing::Fill | Resizing::FillDown, true, _) => "crop",
            (Resizing::Force, false, false) => "scalemax",
            (Resizing::Force, true, _) => "scale",
            (_, false, true) => {
                let help = "`extend` is understood with `fit`, or with `enlarge`; leave one out";
                return Err(Refusal::new(RefusalKind::BadRequest, help).blaming("extend", "1"));
            }
        })
    }

    /// Our `rect` for `crop`, whose gravity is the picture's where it names none.
    fn rect(&self) -> Result<Option<String>, Refusal> {
        let Some((width, height, gravity)) = &self.crop else { return Ok(None) };
        let middle = Gravity::Towards(None, None);
        let Gravity::Towards(x, y) = gravity.as_ref().or(self.gravity.as_ref()).unwrap_or(&middle) else {
            let help = "`crop` is taken from an edge, a corner or the middle here; name one of no so ea we noea nowe soea sowe ce";
            return Err(Refusal::new(RefusalKind::BadRequest, help).blaming("crop", &format!("{width}:{height}")));
        };
        Ok(Some(format!("{},{},{width},{height}", x.unwrap_or("center"), y.unwrap_or("middle"))))
    }
}

impl Gravity {
    /// `TYPE:X:Y`.
    fn read(parts: &[&str]) -> Result<Self, String> {
        if parts[0] == "fp" {
            let at = |index: usize| {
                let text = parts.get(index).copied().unwrap_or("0.5");
                value::part(text).map(|_| text.to_owned()).ok_or("a focal point is fp:X:Y, each 0 to 1")
            };
            return Ok(Self::Focus(at(1)?, at(2)?));
        }
        if parts[1..].iter().any(|offset| !offset.trim_matches(['0', '.']).is_empty()) {
            return Err("offsets are not supported; leave them out, or use fp:X:Y".into());
        }
        Ok(match parts[0] {
            "no" => Self::Towards(None, Some("top")),
            "so" => Self::Towards(None, Some("bottom")),
            "ea" => Self::Towards(Some("right"), None),
            "we" => Self::Towards(Some("left"), None),
            "noea" => Self::Towards(Some("right"), Some("top")),
            "nowe" => Self::Towards(Some("left"), Some("top")),
            "soea" => Self::Towards(Some("right"), Some("bottom")),
            "sowe" => Self::Towards(Some("left"), Some("bottom")),
            "ce" => Self::Towards(None, None),
            "sm" => Self::Smart,
            _ => return Err("one of no so ea we noea nowe soea sowe ce sm, or fp:X:Y".into()),
        })
    }

    /// The value of `crop`, and the focal point.
    fn words(&self) -> (Option<String>, Option<(String, String)>) {
        match self {
            Self::Towards(None, None) => (Some("center".to_owned()), None),
            Self::Towards(x, y) => (Some([*y, *x].into_iter().flatten().collect::<Vec<_>>().join(",")), None),
            Self::Smart => (Some("smart".to_owned()), None),
            Self::Focus(x, y) => (Some("focalpoint".to_owned()), Some((x.clone(), y.clone()))),
        }
    }
}

const RESIZING_HELP: &str = "one of fit, fill, fill-down, force; `auto` depends on the picture and is not supported";
const SIDE_HELP: &str = "a side is whole pixels, or 0 to leave it to the other one";
const BOOLEAN_HELP: &str = "1, t or true, or 0, f or false";

fn resizing(text: &str) -> Option<Resizing> {
    match text {
        "" | "fit" => Some(Resizing::Fit),
        "fill" => Some(Resizing::Fill),
        "fill-down" => Some(Resizing::FillDown),
        "force" => Some(Resizing::Force),
        _ => None,
    }
}

/// Pixels; 0 is none. The outer `None` is a mistake.
fn side(text: &str) -> Option<Option<String>> {
    value::whole(text, 0, 1_000_000).map(|side| (side > 0).then(|| side.to_string()))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `EXTEND:GRAVITY`.
fn extend(parts: &[&str]) -> Result<bool, String> {
    match Gravity::read(if parts.len() > 1 { &parts[1..] } else { &["ce"] })? {
        Gravity::Towards(None, None) => boolean(parts[0]).ok_or_else(|| BOOLEAN_HELP.to_owned()),
        _ => Err("the picture is extended on all sides here; leave the gravity out".into()),
    }
}

/// A side of `crop` as a length of `rect`.
fn length(text: &str) -> Option<String> {
    let ten_thousandths = value::fixed(text, 4)?;
    Some(match ten_thousandths {
        0 => "1.0".to_owned(),
        1..=9_999 => format!("0.{ten_thousandths:04}"),
        _ => (ten_thousandths / 10_000).to_string(),
    })
}

/// The outer `None` is a mistake; the inner one is no background.
fn background(parts: &[&str]) -> Option<Option<String>> {
    match parts {
        [""] => Some(None),
        [hex] if matches!(hex.len(), 3 | 6) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Some(Some((*hex).to_owned()))
        }
        [red, green, blue] => {
            let channel = |text: &str| value::whole(text, 0, 255);
            Some(Some(format!("{:02x}{:02x}{:02x}", channel(red)?, channel(green)?, channel(blue)?)))
        }
        _ => None,
    }
}

/// A decimal times `factor`, rounded, at most `most`.
fn scaled(text: &str, factor: u64, most: u64) -> Option<u32> {
    let scaled = (value::fixed(text, 4)? * factor + 5_000) / 10_000;
    (scaled <= most).then_some(scaled as u32)
}
