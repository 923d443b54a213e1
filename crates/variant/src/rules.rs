//! What the operator allows: sizes, ratios, qualities, presets, keys and limits, and the check that they make sense.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::query::Query;
use crate::variant::{OUTPUT_SIDE_MAX, Ratio};
use crate::wish::Wish;
use crate::{Imgproxy, Name, SIGNATURE_BYTES_MAX, SIGNATURE_BYTES_MIN, SigningKey};

/// The longest request target that is read, in bytes: a key of 4,096 bytes, each escaped, and a query.
pub const TARGET_BYTES_MAX: usize = 16_384;

/// How close to a listed ratio a box must be to be taken for it, in percent.
pub const RATIO_TOLERANCE_PERCENT: u32 = 2;

/// Which sizes an unsigned request may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The longer named side snaps up to [`Rules::ladder`], the ratio to [`Rules::ratios`].
    Ladder,
    /// As the functions published with the resizing recipe did it: `d` alone, squares alone.
    Dims {
        /// The squares, in the order they are tried; the first whose band holds the width is taken.
        sizes: Vec<u32>,
        /// The square when no band holds it, or when it is no number.
        default: u32,
        /// How far from a size its band reaches on both sides, in percent of the size.
        variance_percent: u32,
    },
}

impl Policy {
    /// The published functions' constants: 100, 200, 300, 400, each plus or minus 20 percent, and 200 when none fits.
    pub fn dims() -> Self {
        Self::Dims { sizes: vec![100, 200, 300, 400], default: 200, variance_percent: 20 }
    }
}

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Sides in pixels that unsigned requests may have, ascending.
    pub ladder: Vec<u32>,
    /// Ratios of width to height that unsigned requests may have.
    pub ratios: Vec<(u32, u32)>,
    /// Qualities that unsigned requests may have, ascending; others snap up, and the last one clamps.
    pub qualities: Vec<u8>,
    /// Named queries, such as `thumb` = `w=150&h=150&fit=crop`.
    pub presets: BTreeMap<String, String>,
    /// The keys that signatures are checked with, any of them; the first one signs.
    pub keys: Vec<SigningKey>,
    /// Nothing is served without a signature, bare originals included.
    pub require_signature: bool,
    /// Which sizes an unsigned request may have.
    pub policy: Policy,
    /// The front for imgproxy's URLs, where there is one.
    pub imgproxy: Option<Imgproxy>,
    /// The longest side of any box, in pixels.
    pub output_side_max: u32,
    /// The most pixels in any box.
    pub output_pixels_max: u64,
    /// The largest `dpr`.
    pub dpr_max: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            ladder: vec![
                16, 32, 48, 64, 96, 100, 128, 160, 200, 256, 300, 320, 384, 400, 480, 512, 640, 750, 768, 800, 828,
                960, 1024, 1080, 1200, 1280, 1440, 1600, 1920, 2048, 2560, 3840,
            ],
            ratios: vec![
                (1, 1),
                (5, 4),
                (4, 5),
                (4, 3),
                (3, 4),
                (7, 5),
                (5, 7),
                (3, 2),
                (2, 3),
                (16, 10),
                (10, 16),
                (5, 3),
                (3, 5),
                (16, 9),
                (9, 16),
                (40, 21),
                (2, 1),
                (1, 2),
                (21, 9),
                (9, 21),
                (3, 1),
                (1, 3),
                (4, 1),
                (1, 4),
            ],
            qualities: vec![20, 35, 50, 65, 75, 85, 95],
            presets: BTreeMap::new(),
            keys: Vec::new(),
            require_signature: false,
            policy: Policy::Ladder,
            imgproxy: None,
            output_side_max: 8_192,
            output_pixels_max: 50_000_000,
            dpr_max: 5,
        }
    }
}

/// A setting that makes no sense, and what would.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// The setting.
    pub key: String,
    /// What it was set to. Never a secret.
    pub value: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.key, self.value, self.remedy)
    }
}

impl Rules {
    /// Checks everything and reports every mistake at once.
    ///
    /// # Errors
    /// Each mistake with its key, value and remedy.
    pub fn validate(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        self.check_numbers(&mut mistakes);
        self.check_ratios(&mut mistakes);
        self.check_policy(&mut mistakes);
        self.check_keys(&mut mistakes);
        self.check_presets(&mut mistakes);
        self.check_imgproxy(&mut mistakes);
        if mistakes.0.is_empty() { Ok(()) } else { Err(mistakes.0) }
    }

    fn check_numbers(&self, mistakes: &mut Mistakes) {
        if !(1..=OUTPUT_SIDE_MAX).contains(&self.output_side_max) {
            mistakes.add("output_side_max", self.output_side_max, format!("set 1 to {OUTPUT_SIDE_MAX} pixels"));
        }
        if self.output_pixels_max == 0 {
            mistakes.add("output_pixels_max", 0, "set at least 1; 50000000 is the default");
        }
        if !(1..=10).contains(&self.dpr_max) {
            mistakes.add("dpr_max", self.dpr_max, "set 1 to 10");
        }
        if self.ladder.is_empty() || self.ladder.len() > 1_000 {
            mistakes.add("ladder", format_args!("{} sizes", self.ladder.len()), "name 1 to 1000 sizes");
        }
        for pair in self.ladder.windows(2).filter(|pair| pair[0] >= pair[1]) {
            mistakes.add(
                "ladder",
                format_args!("{}, {}", pair[0], pair[1]),
                "name the sizes in ascending order, each once",
            );
        }
        for rung in self.ladder.iter().filter(|rung| !(1..=self.output_side_max).contains(*rung)) {
            mistakes.add("ladder", rung, format!("each size is 1 to output_side_max = {}", self.output_side_max));
        }
        if self.qualities.is_empty() {
            mistakes.add("qualities", "none", "name at least one; 75 is common");
        }
        for pair in self.qualities.windows(2).filter(|pair| pair[0] >= pair[1]) {
            mistakes.add(
                "qualities",
                format_args!("{}, {}", pair[0], pair[1]),
                "name the qualities in ascending order, each once",
            );
        }
        for quality in self.qualities.iter().filter(|quality| !(1..=100).contains(*quality)) {
            mistakes.add("qualities", quality, "each quality is 1 to 100");
        }
    }

    fn check_ratios(&self, mistakes: &mut Mistakes) {
        let mut seen = BTreeSet::new();
        if self.ratios.len() > 200 {
            mistakes.add("ratios", format_args!("{} ratios", self.ratios.len()), "name at most 200");
        }
        for &(width, height) in &self.ratios {
            let value = format!("{width}:{height}");
            match Ratio::new(width, height) {
                None => mistakes.add("ratios", value, "each side is 1 to 10000"),
                Some(ratio) if !seen.insert(ratio) => mistakes.add("ratios", value, "this ratio is listed twice"),
                Some(_) => {}
            }
        }
    }

    fn check_policy(&self, mistakes: &mut Mistakes) {
        let Policy::Dims { sizes, default, variance_percent } = &self.policy else { return };
        if sizes.is_empty() {
            mistakes.add("policy.sizes", "none", "name at least one size");
        }
        for size in sizes.iter().chain([default]).filter(|size| !(1..=self.output_side_max).contains(*size)) {
            mistakes.add("policy.sizes", size, format!("each size is 1 to output_side_max = {}", self.output_side_max));
        }
        if !sizes.contains(default) {
            mistakes.add("policy.default", default, "choose one of `policy.sizes`, or add it there");
        }
        if *variance_percent > 100 {
            mistakes.add("policy.variance_percent", variance_percent, "set 0 to 100");
        }
    }

    fn check_keys(&self, mistakes: &mut Mistakes) {
        let mut names = BTreeSet::new();
        for key in &self.keys {
            let least = key.scheme.secret_bytes_min();
            if key.secret.len() < least {
                let value = format!("{} ({} bytes)", key.name, key.secret.len());
                mistakes.add(
                    "keys.secret",
                    value,
                    format!("use at least {least} bytes; `afterimage keygen` makes one"),
                );
            }
            if !names.insert(&key.name) {
                mistakes.add("keys.name", &key.name, "give each key a name of its own");
            }
        }
        if self.require_signature && self.keys.is_empty() {
            mistakes.add(
                "require_signature",
                true,
                "add a key, or nothing could ever be served; `afterimage keygen` makes one",
            );
        }
    }

    fn check_presets(&self, mistakes: &mut Mistakes) {
        for (name, text) in &self.presets {
            let key = format!("presets.{name}");
            let named_well = (1..=64).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
            if !named_well {
                mistakes.add(&key, name, "name a preset with 1 to 64 of A-Z, a-z, 0-9, - and _");
            }
            if let Err(remedy) = self.check_preset(text) {
                mistakes.add(&key, text, remedy);
            }
        }
    }

    fn check_imgproxy(&self, mistakes: &mut Mistakes) {
        let Some(front) = &self.imgproxy else { return };
        let framed = front.path.starts_with('/') && front.path.ends_with('/');
        if !framed || front.path.contains("//") || !front.path.bytes().all(|byte| byte.is_ascii_graphic()) {
            mistakes.add(
                "imgproxy.path",
                &front.path,
                "write `/` or a path with a slash at both ends, such as /imgproxy/",
            );
        }
        if !(SIGNATURE_BYTES_MIN..=SIGNATURE_BYTES_MAX).contains(&front.signature_bytes) {
            let remedy = format!("set {SIGNATURE_BYTES_MIN} to {SIGNATURE_BYTES_MAX}");
            mistakes.add("imgproxy.signature_bytes", front.signature_bytes, remedy);
        }
        if front.keys.iter().any(|pair| pair.key.is_empty()) {
            mistakes.add("imgproxy.keys", "an empty key", "write KEY:SALT, both in hex as imgproxy has them");
        }
        for mapping in
            front.mappings.iter().filter(|mapping| !mapping.url.contains("://") || !mapping.url.ends_with('/'))
        {
            let remedy = "begin with a scheme and end with a slash: s3://photos/, https://example.com/img/, local:///";
            mistakes.add("imgproxy.sources", &mapping.url, remedy);
        }
    }

    fn check_preset(&self, text: &str) -> Result<(), String> {
        let query = Query::new(text).map_err(|refusal| refusal.to_string())?;
        if let Some(name) = query.unknown.first() {
            return Err(format!("`{name}` is not a parameter"));
        }
        let misplaced = |name: Name| matches!(name, Name::Preset | Name::Expires | Name::Signature);
        if let Some((name, _)) = query.pairs.iter().find(|(name, _)| misplaced(*name)) {
            return Err(format!("`{}` cannot stand in a preset", name.parameter().name));
        }
        let mut ignored = Vec::new();
        let wish = Wish::new(&query.pairs, self.dpr_max, &mut ignored).map_err(|refusal| refusal.to_string())?;
        if let Some(hint) = ignored.first() {
            return Err(format!("`{hint}` is not understood"));
        }
        let draft = wish.draft(wish.dpr.unwrap_or(100));
        crate::limits::check(self, draft.canonical()).map_err(|refusal| refusal.to_string()).map(|_| ())
    }

    /// Whether a path is written in a front's grammar, so that it names a picture whatever it ends in.
    pub fn is_fronts(&self, path: &str) -> bool {
        self.imgproxy.as_ref().is_some_and(|front| front.claims(path).is_some())
    }

    /// Every parameter that a preset names, under whichever of its names.
    pub fn preset_parameters(&self) -> BTreeSet<Name> {
        let queries = self.presets.values().filter_map(|text| Query::new(text).ok());
        queries.flat_map(|query| query.pairs.into_iter().map(|(name, _)| name)).collect()
    }

    /// The listed ratios, in lowest terms.
    pub fn listed_ratios(&self) -> impl Iterator<Item = Ratio> + '_ {
        self.ratios.iter().filter_map(|&(width, height)| Ratio::new(width, height))
    }
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, key: &str, value: impl ToString, remedy: impl Into<String>) {
        self.0.push(Mistake { key: key.to_owned(), value: value.to_string(), remedy: remedy.into() });
    }
}
