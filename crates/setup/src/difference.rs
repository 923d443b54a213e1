//! What a reload changes, and how a setting is shown: names and texts, secrets hidden.

use crate::define::{Definition, Reload};
use crate::table::{DEFINITIONS, Settings};

impl Settings {
    /// The names of settings that differ: those whose new value needs a restart, and those that take effect at a reload.
    pub fn differences(old: &Self, new: &Self) -> (Vec<&'static str>, Vec<&'static str>) {
        let (mut restart, mut live) = (Vec::new(), Vec::new());
        for ((definition, old), new) in DEFINITIONS.iter().zip(old.texts()).zip(new.texts()) {
            match definition.reload {
                _ if old == new => {}
                Reload::Live => live.push(definition.name),
                Reload::Restart => restart.push(definition.name),
            }
        }
        (restart, live)
    }

    /// Every setting with its value in text form; a secret that is set shows as `…`.
    pub fn shown(&self) -> Vec<(&'static Definition, String)> {
        let hide = |(definition, text): (&'static Definition, String)| {
            let hidden = definition.kind.is_secret() && !text.is_empty();
            (definition, if hidden { "…".into() } else { text })
        };
        DEFINITIONS.iter().zip(self.texts()).map(hide).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;

    fn with(settings: &[(&str, &str)]) -> Settings {
        Settings::load(&Sources::overriding(settings)).unwrap()
    }

    #[test]
    fn what_needs_a_restart_is_told_from_what_does_not() {
        let (old, new) = (Settings::default(), with(&[("render.threads", "9"), ("http.browser_age", "5s")]));
        assert_eq!(Settings::differences(&old, &new), (vec!["render.threads"], vec!["http.browser_age"]));
        assert_eq!(Settings::differences(&old, &with(&[("http.browser_age", "1m")])), (vec![], vec![]));
        let rotated = with(&[("signing.keys", "a 0123456789abcdef")]);
        assert_eq!(Settings::differences(&old, &rotated), (vec![], vec!["signing.keys"]));
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = with(&[("admin.token", "0123456789abcdef"), ("signing.keys", "a 0123456789abcdef")]);
        let shown = settings.shown();
        assert!(shown.iter().all(|(_, text)| !text.contains("0123456789abcdef")), "{shown:?}");
        assert_eq!(shown.iter().filter(|(_, text)| text == "…").count(), 2);
    }
}
