//! The settings as the language's rules. Here, not beside the other conversions, because checking settings and stating
//! the promise both ask `variant` what the rules come to.

use crate::choice::{PolicyKind, Scheme};
use crate::mistake::Mistake;
use crate::table::Settings;
use crate::value::quoted;
use afterimage_variant as variant;

impl Settings {
    /// What may be asked for, as `variant` takes it.
    pub fn rules(&self) -> variant::Rules {
        let key = |key: &crate::secret::SigningKey| variant::SigningKey {
            name: key.name.clone(),
            secret: key.secret.expose().as_bytes().to_vec(),
            scheme: match key.scheme {
                Scheme::HmacSha256 => variant::Scheme::HmacSha256,
                Scheme::ImgixMd5 => variant::Scheme::ImgixMd5,
            },
        };
        let policy = &self.policy;
        variant::Rules {
            ladder: policy.ladder.clone(),
            ratios: policy.ratios.iter().map(|ratio| (ratio.width, ratio.height)).collect(),
            qualities: policy.qualities.clone(),
            presets: self.presets.clone(),
            keys: self.signing.keys.0.iter().map(key).collect(),
            require_signature: self.signing.required,
            policy: match policy.kind {
                PolicyKind::Ladder => variant::Policy::Ladder,
                PolicyKind::Dims => variant::Policy::Dims {
                    sizes: policy.dims.clone(),
                    default: policy.dims_default,
                    variance_percent: policy.dims_variance_percent,
                },
            },
            imgproxy: crate::imgproxy::front(self),
            output_side_max: self.limits.output_side_max,
            output_pixels_max: self.limits.output_pixels_max,
            dpr_max: policy.dpr_max,
        }
    }
}

/// The language's own check, in the settings' names.
pub(crate) fn mistakes(settings: &Settings) -> Vec<Mistake> {
    let found = settings.rules().validate().err().unwrap_or_default();
    found
        .into_iter()
        .map(|mistake| {
            let key = setting_name(&mistake.key);
            let value = if key.starts_with("presets.") { quoted(&mistake.value) } else { mistake.value };
            Mistake::new(&key, Some(value), setting_names(&mistake.remedy))
        })
        .collect()
}

/// The language's names of its rules, and the settings they come from.
const NAMES: [(&str, &str); 12] = [
    ("output_side_max", "limits.output_side_max"),
    ("output_pixels_max", "limits.output_pixels_max"),
    ("dpr_max", "policy.dpr_max"),
    ("ladder", "policy.ladder"),
    ("ratios", "policy.ratios"),
    ("qualities", "policy.qualities"),
    ("policy.sizes", "policy.dims"),
    ("policy.default", "policy.dims_default"),
    ("policy.variance_percent", "policy.dims_variance_percent"),
    ("keys.secret", "signing.keys"),
    ("keys.name", "signing.keys"),
    ("require_signature", "signing.required"),
];

fn setting_name(rule: &str) -> String {
    NAMES.iter().find(|(name, _)| *name == rule).map_or(rule, |(_, setting)| setting).to_owned()
}

/// Renames the rules that a remedy mentions.
fn setting_names(remedy: &str) -> String {
    let words = remedy.split(' ').map(|word| {
        let bare = word.trim_matches(|letter: char| matches!(letter, '`' | ',' | '.'));
        match NAMES.iter().find(|(name, _)| *name == bare) {
            Some((name, setting)) => word.replacen(name, setting, 1),
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Sources;
    use crate::table::DEFINITIONS;

    #[test]
    fn defaults_are_the_language_s_own() {
        let (ours, theirs) = (Settings::default().rules(), variant::Rules::default());
        assert_eq!(ours.ladder, theirs.ladder);
        assert_eq!(ours.ratios, theirs.ratios);
        assert_eq!(ours.qualities, theirs.qualities);
        assert_eq!((ours.output_side_max, ours.dpr_max), (theirs.output_side_max, theirs.dpr_max));
        assert_eq!(ours.policy, theirs.policy);
    }

    #[test]
    fn the_published_policy_is_the_default_of_dims() {
        let settings = Settings::load(&Sources::overriding(&[("policy.kind", "dims")])).unwrap();
        assert_eq!(settings.rules().policy, variant::Policy::dims());
    }

    #[test]
    fn every_rule_has_a_setting() {
        for (_, setting) in NAMES {
            assert!(DEFINITIONS.iter().any(|definition| definition.name == setting), "{setting}");
        }
        assert_eq!(
            setting_names("choose one of `policy.sizes`, or add it there"),
            "choose one of `policy.dims`, or add it there"
        );
    }

    #[test]
    fn wrong_rules_are_reported_in_the_settings_names() {
        for (key, value, remedy) in [
            ("policy.ladder", "320, 160", "policy.ladder = 320, 160: name the sizes in ascending order, each once"),
            ("policy.ratios", "4:3, 8:6", "policy.ratios = 8:6: this ratio is listed twice"),
            ("policy.qualities", "50, 20", "policy.qualities = 50, 20"),
            ("presets.thumb", "w=-3", "presets.thumb = \"w=-3\""),
            ("signing.required", "true", "signing.required = true: add a key"),
        ] {
            let mistakes = Settings::load(&Sources::overriding(&[(key, value)])).unwrap_err();
            assert!(mistakes.iter().any(|mistake| mistake.to_string().contains(remedy)), "{key}: {mistakes:?}");
        }
    }
}
