//! Reads settings from file, environment and command line, later over earlier, and reports every mistake at once.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::define::{Definition, Kind};
use crate::mistake::did_you_mean;
use crate::table::DEFINITIONS;
use crate::value::{Raw, Setting};
use crate::{Mistake, Place, Settings, check};

/// Reads a file that holds a secret.
pub type ReadSecret<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Where values may come from.
pub struct Sources<'a> {
    /// The configuration file: its name for messages, and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment; only names that begin with `AFTERIMAGE_` are looked at.
    pub environment: BTreeMap<String, String>,
    /// Flags and `--set`, in order: dotted name and value.
    pub overrides: Vec<(String, String)>,
    /// Reads the files that `…_file` names.
    pub read_secret: ReadSecret<'a>,
}

/// Variables that the command line itself reads; they are no settings.
const NOT_SETTINGS: &[&str] = &["AFTERIMAGE_CONFIG", "AFTERIMAGE_LONG"];

impl Settings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// Every mistake, in the order of where it stands.
    pub fn load(sources: &Sources<'_>) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader { read_secret: sources.read_secret, values: BTreeMap::new(), mistakes: Vec::new() };
        if let Some((path, text)) = &sources.file {
            reader.file(path, text);
        }
        reader.environment(&sources.environment);
        for (name, value) in &sources.overrides {
            reader.put_text(name, value, &Place::CommandLine);
        }
        let settings = Self::read(&mut reader);
        let Reader { values, mut mistakes, .. } = reader;
        if mistakes.is_empty() {
            mistakes.extend(check::check(&settings).into_iter().map(|mistake| {
                let place = values.get(mistake.key.as_str()).map(|(_, place)| place.clone()).unwrap_or_default();
                mistake.at(&place)
            }));
        }
        mistakes.sort_by(|one, other| one.place.cmp(&other.place));
        if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
    }

    /// The names of settings that differ and need a restart, and of those that take effect at a reload.
    pub fn differences(old: &Self, new: &Self) -> (Vec<&'static str>, Vec<&'static str>) {
        let differing = DEFINITIONS.iter().zip(old.texts()).zip(new.texts()).filter(|((_, old), new)| old != new);
        let (restart, live): (Vec<_>, Vec<_>) =
            differing.map(|((definition, _), _)| definition).partition(|definition| definition.reload == crate::Reload::Restart);
        let names = |definitions: Vec<&'static Definition>| definitions.into_iter().map(|d| d.name).collect();
        (names(restart), names(live))
    }
}

/// What was written, by setting, and what was wrong with it.
pub(crate) struct Reader<'a> {
    read_secret: ReadSecret<'a>,
    values: BTreeMap<String, (Raw, Place)>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// One typed setting; what cannot be read is reported and replaced by the default.
    pub(crate) fn take<T: Setting>(&mut self, name: &str) -> T {
        let Some(definition) = definition(name) else { unreachable!("{name} is taken by the table that defines it") };
        if let Some((raw, place)) = self.values.get(name) {
            match T::read(raw, &definition.kind) {
                Ok(value) => return value,
                Err(remedy) => {
                    let shown = (!definition.kind.is_secret()).then(|| raw.to_string());
                    self.mistakes.push(Mistake::new(name, shown, remedy).at(place));
                }
            }
        }
        match T::read(&Raw::Text(definition.default.to_owned()), &definition.kind) {
            Ok(value) => value,
            Err(remedy) => unreachable!("the default of {name} does not read: {remedy}"),
        }
    }

    fn put(&mut self, name: &str, raw: Raw, place: &Place) {
        self.values.insert(name.to_owned(), (raw, place.clone()));
    }

    fn unknown(&mut self, written: &str, place: &Place) {
        let names: Vec<String> =
            DEFINITIONS.iter().flat_map(|definition| [Some(definition.name.to_owned()), definition.file_name()]).flatten().collect();
        let remedy = match did_you_mean(written, names.iter().map(String::as_str)) {
            Some(near) => format!("there is no such setting; did you mean {near}?"),
            None => "there is no such setting; docs/reference/settings.md lists them all".to_owned(),
        };
        self.mistakes.push(Mistake::new(written, None, remedy).at(place));
    }

    /// A text for a name: a setting, a secret's file, or one preset.
    fn put_text(&mut self, name: &str, text: &str, place: &Place) {
        if definition(name).is_some() {
            self.put(name, Raw::Text(text.to_owned()), place);
        } else if let Some(secret) = secret_of_file(name) {
            self.put_secret(secret.name, Path::new(text), place);
        } else if let Some(preset) = name.strip_prefix("presets.") {
            self.put_preset(preset, Raw::Text(text.to_owned()), place);
        } else {
            self.unknown(name, place);
        }
    }

    /// Presets add up over places; one of the same name is replaced.
    fn put_preset(&mut self, preset: &str, parameters: Raw, place: &Place) {
        let mut fields = match self.values.remove("presets") {
            Some((Raw::Table(fields), _)) => fields,
            _ => Vec::new(),
        };
        fields.retain(|(name, _)| name != preset);
        fields.push((preset.to_owned(), parameters));
        self.put("presets", Raw::Table(fields), place);
    }

    fn put_secret(&mut self, name: &str, path: &Path, place: &Place) {
        match (self.read_secret)(path) {
            Ok(secret) => self.put(name, Raw::Text(secret.trim_end_matches(['\n', '\r']).to_owned()), place),
            Err(error) => {
                let remedy = format!("cannot be read: {error}; name a readable file");
                let value = Some(format!("\"{}\"", path.display()));
                self.mistakes.push(Mistake::new(&format!("{name}_file"), value, remedy).at(place));
            }
        }
    }

    fn environment(&mut self, environment: &BTreeMap<String, String>) {
        let known: BTreeMap<String, String> = DEFINITIONS
            .iter()
            .flat_map(|definition| {
                let file = definition.file_name().map(|name| (crate::define::environment(&name), name));
                [Some((definition.environment(), definition.name.to_owned())), file]
            })
            .flatten()
            .collect();
        for (variable, value) in environment.iter().filter(|(name, _)| name.starts_with("AFTERIMAGE_")) {
            let place = Place::Environment(variable.clone());
            match known.get(variable) {
                Some(name) => self.put_text(name, value, &place),
                None if NOT_SETTINGS.contains(&variable.as_str()) => {}
                None => {
                    let remedy = match did_you_mean(variable, known.keys().map(String::as_str)) {
                        Some(near) => format!("there is no such setting; did you mean {near}?"),
                        None => "there is no such setting; unset it".to_owned(),
                    };
                    self.mistakes.push(Mistake::new(variable, None, remedy).at(&place));
                }
            }
        }
    }

    fn file(&mut self, path: &Path, text: &str) {
        let place = |offset: usize| Place::File {
            path: path.display().to_string(),
            line: text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1),
        };
        let table = match DeTable::parse(text) {
            Ok(table) => table.into_inner(),
            Err(error) => {
                let at = place(error.span().map_or(0, |span| span.start));
                self.mistakes.push(Mistake::new("the file", None, format!("is not TOML: {}", error.message())).at(&at));
                return;
            }
        };
        self.table("", &table, &place);
    }

    fn table(&mut self, above: &str, table: &DeTable<'_>, place: &dyn Fn(usize) -> Place) {
        for (key, value) in table {
            let name = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
            let at = place(key.span().start);
            match (definition(&name), value.get_ref()) {
                (Some(definition), DeValue::Table(presets)) if definition.kind == Kind::Presets => {
                    for (preset, parameters) in presets {
                        self.put_preset(preset.get_ref(), raw(parameters.get_ref()), &place(preset.span().start));
                    }
                }
                (Some(definition), value) if definition.kind == Kind::SigningKeys => {
                    let keys = self.signing_keys(raw(value), &at);
                    self.put(&name, keys, &at);
                }
                (Some(_), value) => self.put(&name, raw(value), &at),
                (None, DeValue::Table(inner)) if is_group(&name) => self.table(&name, inner, place),
                (None, DeValue::String(file)) if secret_of_file(&name).is_some() => self.put_text(&name, file, &at),
                _ => self.unknown(&name, &at),
            }
        }
    }

    /// `secret_file` of a key becomes its `secret`.
    fn signing_keys(&mut self, keys: Raw, place: &Place) -> Raw {
        let Raw::List(tables) = keys else { return keys };
        let read = |reader: &mut Self, table: Raw| {
            let Raw::Table(fields) = table else { return table };
            let fields = fields.into_iter().map(|(name, value)| match (name.as_str(), value) {
                ("secret_file", Raw::Text(path)) => match (reader.read_secret)(Path::new(&path)) {
                    Ok(secret) => ("secret".to_owned(), Raw::Text(secret.trim_end_matches(['\n', '\r']).to_owned())),
                    Err(error) => {
                        let remedy = format!("cannot be read: {error}; name a readable file");
                        let mistake = Mistake::new("signing.keys.secret_file", Some(format!("\"{path}\"")), remedy);
                        reader.mistakes.push(mistake.at(place));
                        // One mistake is enough: the key's own check shall not add another.
                        ("secret".to_owned(), Raw::Text("unreadable-file-placeholder".to_owned()))
                    }
                },
                (_, value) => (name, value),
            });
            Raw::Table(fields.collect())
        };
        Raw::List(tables.into_iter().map(|table| read(self, table)).collect())
    }
}

fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name == name)
}

fn secret_of_file(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.file_name().as_deref() == Some(name))
}

fn is_group(name: &str) -> bool {
    DEFINITIONS.iter().any(|definition| definition.group() == name)
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str();
            i64::from_str_radix(digits, number.radix()).map_or_else(|_| Raw::Other(digits.to_owned()), Raw::Integer)
        }
        DeValue::Float(number) => Raw::Other(number.as_str().to_owned()),
        DeValue::Boolean(yes) => Raw::Bool(*yes),
        DeValue::Datetime(moment) => Raw::Other(moment.to_string()),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Table(fields) => {
            Raw::Table(fields.iter().map(|(name, value)| (name.get_ref().to_string(), raw(value.get_ref()))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, environment: &[(&str, &str)], overrides: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let sources = Sources {
            file: Some(("afterimage.toml".into(), file.to_owned())),
            environment: pairs(environment).into_iter().collect(),
            overrides: pairs(overrides),
            read_secret: &|path| match path.to_str() {
                Some("/run/secret") => Ok("from-a-file-0123456789\n".to_owned()),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
        };
        Settings::load(&sources).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn defaults_are_right_and_later_places_win() {
        let settings = load("", &[], &[]).unwrap();
        assert_eq!(settings.server.listen.to_string(), "127.0.0.1:8080");
        let settings = load(
            "[cache]\nmemory_bytes_max = \"1GiB\"\n[render]\nthreads = 3\nqueue_max = 7",
            &[("AFTERIMAGE_RENDER_THREADS", "4"), ("HOME", "/h"), ("AFTERIMAGE_RENDER_QUEUE_MAX", "8")],
            &[("render.threads", "5")],
        )
        .unwrap();
        assert_eq!(settings.cache.memory_bytes_max.get(), 1 << 30);
        assert_eq!((settings.render.threads, settings.render.queue_max), (5, 8));
    }

    #[test]
    fn every_mistake_is_reported_at_once_with_its_place() {
        let mistakes = load(
            "[cache]\nmemory_bytes_max = \"2 gigs\"\nmemory = 1\n[server]\nlisten = \"8080\"",
            &[("AFTERIMAGE_RENDER_THREDS", "4")],
            &[("limits.frames_max", "0")],
        )
        .unwrap_err();
        assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
        assert!(mistakes.iter().any(|m| m.starts_with("afterimage.toml:2: cache.memory_bytes_max = \"2 gigs\"")), "{mistakes:#?}");
        assert!(mistakes.iter().any(|m| m.contains("AFTERIMAGE_RENDER_THREADS")), "{mistakes:#?}");
    }

    #[test]
    fn presets_add_up_and_secrets_come_from_files() {
        let settings = load(
            "[presets]\nthumb = \"w=100\"\n[[signing.keys]]\nname = \"a\"\nsecret_file = \"/run/secret\"\n[admin]\ntoken_file = \"/run/secret\"",
            &[],
            &[("presets.big", "w=2000")],
        )
        .unwrap();
        assert_eq!(settings.presets.keys().collect::<Vec<_>>(), ["big", "thumb"]);
        assert_eq!(settings.signing.keys.0[0].secret.expose(), "from-a-file-0123456789");
        assert_eq!(settings.admin.token.unwrap().expose(), "from-a-file-0123456789");
        let missing = load("[admin]\ntoken_file = \"/nowhere\"", &[], &[]).unwrap_err();
        assert!(missing[0].contains("admin.token_file"), "{missing:?}");
    }

    #[test]
    fn rules_across_settings_are_checked() {
        let mistakes = load("[admin]\nlisten = \"0.0.0.0:8081\"\n[signing]\nrequired = true", &[], &[]).unwrap_err();
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
        assert!(mistakes[0].starts_with("afterimage.toml:2: admin.listen"), "{mistakes:?}");
    }

    #[test]
    fn what_needs_a_restart_is_known() {
        let old = load("", &[], &[]).unwrap();
        let new = load("", &[], &[("render.threads", "9"), ("http.browser_age", "5s")]).unwrap();
        assert_eq!(Settings::differences(&old, &new), (vec!["render.threads"], vec!["http.browser_age"]));
    }
}
