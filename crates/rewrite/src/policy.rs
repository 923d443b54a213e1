//! What the function is made from, which parts of the template that takes, and what is put into them.

use std::collections::{BTreeMap, BTreeSet};

use afterimage_variant::{Hosts, LACKING, Name, PARAMETERS, Parameter, Policy, Rules, Scheme};
use serde_json::{Value, json};

use crate::{ITEM_BYTES_MAX, Obstacle};

/// What a public listener goes by: the language's rules and the few settings of the edge that decide before any cache is asked.
#[derive(Clone, Debug, Default)]
pub struct EdgePolicy {
    /// The language's rules.
    pub rules: Rules,
    /// Which hosts have which part of the keys.
    pub hosts: Hosts,
    /// Bare originals are refused unless signed.
    pub denies_originals: bool,
    /// The id of the origin that bare originals are sent to; `None`: to the one that everything is sent to.
    pub originals_origin: Option<String>,
    /// Header fields of every answer that the function gives itself.
    pub headers: Vec<(String, String)>,
    /// Origins whose scripts may read answers, where not all may.
    pub cors_origins: Vec<String>,
    /// How long anybody may keep a refusal, in seconds.
    pub error_age_s: u32,
}

/// A part of the template that not every policy needs, by the word of its directive.
pub(crate) type Part = &'static str;

/// Parameters whose reading is a part of its own.
const PARAMETER_PARTS: [(Part, &[Name]); 10] = [
    ("bg", &[Name::Background]),
    ("cs", &[Name::Gamut]),
    ("turn", &[Name::Rotate, Name::Flip]),
    ("blur", &[Name::Blur]),
    ("sharp", &[Name::Sharpen]),
    ("rect", &[Name::Rect]),
    ("trim", &[Name::Trim]),
    ("pad", &[Name::Padding]),
    ("fp", &[Name::FocusX, Name::FocusY]),
    ("bounds", &[Name::WidthMax, Name::HeightMax, Name::WidthMin, Name::HeightMin]),
];

/// What unsigned requests may name beside a preset.
const BESIDE_PRESET: [Name; 8] =
    [Name::Preset, Name::Dpr, Name::Auto, Name::Format, Name::Quality, Name::Expires, Name::Signature, Name::Library];

impl EdgePolicy {
    /// What cannot be done, whatever its size.
    pub(crate) fn obstacles(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        if let Some(front) = &self.rules.imgproxy {
            obstacles.push(Obstacle::Front { path: front.path.clone() });
        }
        for key in &self.rules.keys {
            let bytes = scheme_word(key.scheme).len() + 1 + key.secret.len();
            if bytes > ITEM_BYTES_MAX {
                obstacles.push(Obstacle::Secret { name: key.name.clone(), bytes });
            }
        }
        obstacles
    }

    /// The parts that this policy needs.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let rules = &self.rules;
        let (keys, presets) = (!rules.keys.is_empty(), !rules.presets.is_empty());
        // Where nobody may ask unsigned, no policy is left to apply. Presets may come out over the limits, hosts may have what is
        // asked for to themselves; both are said before the signature is missed.
        let ladder = rules.policy == Policy::Ladder;
        let sealed = rules.require_signature && ladder && !presets && self.hosts.is_empty();
        let named = rules.preset_parameters();
        let mut parts: Vec<Part> = PARAMETER_PARTS
            .iter()
            .filter(|(_, names)| keys || names.iter().any(|name| named.contains(name)))
            .map(|(part, _)| *part)
            .collect();
        for (part, needed) in [
            ("keys", keys),
            ("presets", presets),
            ("modules", keys || self.originals_origin.is_some()),
            ("sealed", sealed),
            ("public", !sealed),
            ("ladder", ladder && !sealed),
            ("dims", !ladder),
            ("shrink", keys || presets),
            ("shrinkElse", ladder && !sealed && (keys || presets)),
            ("shrinkAlone", (sealed || !ladder) && (keys || presets)),
            ("hosts", !self.hosts.is_empty()),
            ("required", rules.require_signature),
            ("deny", self.denies_originals),
            ("cheap", self.originals_origin.is_some()),
            ("origins", !self.cors_origins.is_empty()),
        ] {
            if needed {
                parts.push(part);
            }
        }
        parts
    }

    /// What stands for each `$name` of the template.
    pub(crate) fn values(&self) -> BTreeMap<&'static str, String> {
        let rules = &self.rules;
        // Beside a preset, unsigned, the others.
        let rank = |row: &Parameter| if BESIDE_PRESET.contains(&row.id) { 0 } else { 1 + usize::from(!row.public) };
        let mut rows: Vec<&Parameter> = PARAMETERS.iter().collect();
        rows.sort_by_key(|row| rank(row));
        let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
        let aliases = PARAMETERS.iter().flat_map(|row| row.aliases.iter().map(|alias| (*alias, json!(row.name))));
        let presets: Vec<(String, Value)> =
            rules.presets.iter().map(|(name, text)| (format!(".{name}"), json!(text))).collect();
        let spaces = self.hosts.spaces();
        let hosts: Vec<_> = spaces
            .iter()
            .flat_map(|space| space.hosts().iter().map(|host| (host.as_str(), json!(space.prefix()))))
            .collect();
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), json!({ "value": value }))).collect();
        // In lowest terms, as the language compares them.
        let ratios: Vec<_> = rules.listed_ratios().map(|ratio| json!([ratio.width(), ratio.height()])).collect();
        let (dims, dims_default, dims_variance) = match &rules.policy {
            Policy::Dims { sizes, default, variance_percent } => (sizes.as_slice(), *default, *variance_percent),
            Policy::Ladder => (&[][..], 0, 0),
        };
        let keys: Vec<&str> = rules.keys.iter().map(|key| key.name.as_str()).collect();
        BTreeMap::from([
            ("names", names.join(" ")),
            ("beside", rows.iter().filter(|row| rank(row) == 0).count().to_string()),
            ("open", rows.iter().filter(|row| rank(row) < 2).count().to_string()),
            ("aliases", object(aliases)),
            ("lacking", LACKING.join(" ")),
            ("ladder", literal(&json!(rules.ladder))),
            ("ratios", literal(&json!(ratios))),
            ("qualities", literal(&json!(rules.qualities))),
            ("presets", object(presets.iter().map(|(name, text)| (name.as_str(), text.clone())))),
            ("hosts", object(hosts)),
            ("prefixes", literal(&json!(spaces.iter().map(|space| space.prefix()).collect::<Vec<_>>()))),
            ("keys", literal(&json!(keys))),
            ("dprMost", (rules.dpr_max * 100).to_string()),
            ("sideMost", rules.output_side_max.to_string()),
            ("pixelsMost", rules.output_pixels_max.to_string()),
            ("dimsVariance", dims_variance.to_string()),
            ("dimsDefault", dims_default.to_string()),
            ("dims", literal(&json!(dims))),
            ("originalsOrigin", literal(&json!(self.originals_origin))),
            ("origins", literal(&json!(self.cors_origins))),
            ("headers", object(headers)),
            ("errorAge", self.error_age_s.to_string()),
        ])
    }

    /// What could be left out, in the settings' words, and the policy without it.
    pub(crate) fn dispensable(&self) -> Vec<(String, Self)> {
        let rules = &self.rules;
        let without = |change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            other
        };
        let names: BTreeSet<&str> = rules.keys.iter().map(|key| key.name.as_str()).collect();
        vec![
            (
                format!("presets ({} of them)", rules.presets.len()),
                without(&|other| other.rules.presets = BTreeMap::new()),
            ),
            (
                format!("signing.keys ({}), and with them all that only signed requests may name", names.len()),
                without(&|other| {
                    other.rules.keys.clear();
                    other.rules.require_signature = false;
                }),
            ),
            (
                format!("all but one of policy.ladder ({} sizes)", rules.ladder.len()),
                without(&|other| other.rules.ladder.truncate(1)),
            ),
            (
                format!("all but one of policy.ratios ({})", rules.ratios.len()),
                without(&|other| other.rules.ratios.truncate(1)),
            ),
            (
                format!("hosts of mounts ({} prefixes)", self.hosts.spaces().len()),
                without(&|other| other.hosts = Hosts::default()),
            ),
            (
                format!("http.cors_origins ({})", self.cors_origins.len()),
                without(&|other| other.cors_origins = Vec::new()),
            ),
        ]
    }
}

/// The scheme as items of the store and settings name it.
pub(crate) fn scheme_word(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::HmacSha256 => "hmac-sha256",
        Scheme::ImgixMd5 => "imgix-md5",
    }
}

/// A value as JavaScript writes it, in ASCII: not every engine takes every letter in its source.
fn literal(value: &Value) -> String {
    let mut text = String::new();
    for unit in value.to_string().chars() {
        if unit.is_ascii() {
            text.push(unit);
        } else {
            let mut units = [0; 2];
            unit.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

/// An object, its names without quotes where they need none.
fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> String {
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let field = |(name, value): (&str, Value)| {
        let name = if plain(name) { name.to_owned() } else { literal(&json!(name)) };
        format!("{name}:{}", literal(&value))
    };
    format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(","))
}
