//! Reading the layers: defaults, then the file, then the environment, then the command line. Every mistake of every
//! layer is collected; nothing is silently ignored.

use crate::define::{Definition, Kind, environment};
use crate::file;
use crate::list::Presets;
use crate::mistake::{Mistake, Place, did_you_mean};
use crate::table::{DEFINITIONS, Settings};
use crate::value::{Raw, Setting};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Variables that begin like ours and are not settings: the command line's own, and the test suite's.
const NOT_SETTINGS: [&str; 2] = ["AFTERIMAGE_CONFIG", "AFTERIMAGE_LONG"];

/// Reads a file that holds a secret.
pub type ReadSecret<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// Where settings come from.
pub struct Sources<'a> {
    /// The configuration file: its path as named, and its text.
    pub file: Option<(PathBuf, String)>,
    /// The environment. Only names that begin with `AFTERIMAGE_` are looked at.
    pub environment: BTreeMap<String, String>,
    /// `--set KEY=VALUE` and the flags that stand for one, in order; a later one wins.
    pub overrides: Vec<(String, String)>,
    /// Reads a file that holds a secret.
    pub read_secret: ReadSecret<'a>,
}

impl Default for Sources<'_> {
    /// No file, no environment, no overrides.
    fn default() -> Self {
        Self {
            file: None,
            environment: BTreeMap::new(),
            overrides: Vec::new(),
            read_secret: &|path| std::fs::read_to_string(path),
        }
    }
}

impl Sources<'_> {
    /// Defaults with a few settings on top.
    pub fn overriding(settings: &[(&str, &str)]) -> Self {
        let overrides = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { overrides, ..Self::default() }
    }
}

impl Settings {
    /// Reads every layer and checks the whole.
    ///
    /// # Errors
    /// Every mistake at once: unknown names, values that cannot be read, settings that contradict each other. A file that
    /// is not TOML is reported by its syntax alone.
    pub fn load(sources: &Sources<'_>) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader {
            read_secret: sources.read_secret,
            values: BTreeMap::new(),
            places: BTreeMap::new(),
            mistakes: Vec::new(),
        };
        if let Some((path, text)) = &sources.file {
            let layer = file::read(path, text).map_err(sorted)?;
            reader.layer(layer);
        }
        let layer = environment_layer(&sources.environment, &mut reader.mistakes);
        reader.layer(layer);
        for (key, value) in &sources.overrides {
            reader.layer(vec![Entry { key: key.clone(), raw: Raw::Text(value.clone()), place: Place::CommandLine }]);
        }
        let settings = Self::read(&mut reader);
        reader.check(&settings);
        if reader.mistakes.is_empty() { Ok(settings) } else { Err(sorted(reader.mistakes)) }
    }
}

impl Default for Settings {
    /// Every setting at its default.
    fn default() -> Self {
        Self::load(&Sources::default()).unwrap_or_else(|mistakes| unreachable!("the defaults are tested: {mistakes:?}"))
    }
}

/// In the order a reader of the file, then of the environment, meets them.
fn sorted(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by(|one, other| one.place.cmp(&other.place));
    mistakes
}

/// One value of one layer, not yet matched to a setting.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) raw: Raw,
    pub(crate) place: Place,
}

/// The settings among the environment's variables; what begins like one and is none is a mistake.
fn environment_layer(env: &BTreeMap<String, String>, mistakes: &mut Vec<Mistake>) -> Vec<Entry> {
    let names: Vec<(String, String)> = DEFINITIONS
        .iter()
        .flat_map(|definition| [Some(definition.name.to_owned()), definition.file_name()])
        .flatten()
        .map(|name| (environment(&name), name))
        .collect();
    let mut layer = Vec::new();
    for (variable, value) in env.iter().filter(|(name, _)| name.starts_with("AFTERIMAGE_")) {
        if NOT_SETTINGS.contains(&variable.as_str()) || is_service_link(variable) {
            continue;
        }
        let place = Place::Environment(variable.clone());
        if let Some((_, key)) = names.iter().find(|(name, _)| name == variable) {
            layer.push(Entry { key: key.clone(), raw: Raw::Text(value.clone()), place });
            continue;
        }
        let remedy = match did_you_mean(variable, names.iter().map(|(name, _)| name.as_str())) {
            Some(near) => format!("no such setting; did you mean {near}?"),
            None => "no such setting; unset it, or see docs/reference/settings.md".into(),
        };
        // The value is not shown: a misspelt secret is still a secret.
        mistakes.push(Mistake::new(variable, None, remedy).at(&place));
    }
    layer
}

/// Kubernetes announces a service called `afterimage` to every pod with variables such as `AFTERIMAGE_PORT_8080_TCP` and
/// `AFTERIMAGE_SERVICE_HOST`; they are not ours, and no group of settings is called `port` or `service`.
fn is_service_link(variable: &str) -> bool {
    variable == "AFTERIMAGE_PORT"
        || variable.starts_with("AFTERIMAGE_PORT_")
        || variable.starts_with("AFTERIMAGE_SERVICE_")
}

/// Collects values and mistakes while the typed settings are built.
pub(crate) struct Reader<'a> {
    read_secret: ReadSecret<'a>,
    values: BTreeMap<&'static str, Raw>,
    /// Where each setting, and each preset, was written.
    places: BTreeMap<String, Place>,
    mistakes: Vec<Mistake>,
}

fn definition(name: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|definition| definition.name == name)
}

impl Reader<'_> {
    /// Puts one layer over those before it.
    fn layer(&mut self, entries: Vec<Entry>) {
        let mut written: BTreeMap<&'static str, String> = BTreeMap::new();
        for Entry { key, raw, place } in entries {
            let Some((definition, raw)) = self.resolve(&key, raw, &place) else { continue };
            let is_part = definition.name != key && definition.kind == Kind::Presets;
            if is_part {
                self.places.insert(key.clone(), place.clone());
            } else if let Some(other) = written.insert(definition.name, key.clone()) {
                let remedy = format!("both {other} and {key} are set; keep one");
                self.mistakes.push(Mistake::new(&key, None, remedy).at(&place));
                continue;
            }
            self.places.insert(definition.name.to_owned(), place);
            self.values.insert(definition.name, raw);
        }
    }

    /// Finds the setting that a name means and reads the secret files it names.
    fn resolve(&mut self, key: &str, raw: Raw, place: &Place) -> Option<(&'static Definition, Raw)> {
        if let Some(definition) = definition(key) {
            let raw = match raw {
                Raw::List(tables)
                    if matches!(definition.kind, Kind::SigningKeys | Kind::AccessKeys | Kind::OuterCaches) =>
                {
                    Raw::List(
                        tables.into_iter().map(|table| self.secret_field(definition.name, table, place)).collect(),
                    )
                }
                Raw::Text(text) if definition.kind == Kind::Path => Raw::Text(beside_file(&text, place)),
                raw => raw,
            };
            return Some((definition, raw));
        }
        let secret = key.strip_suffix("_file").and_then(definition_of_secret);
        if let Some(definition) = secret {
            let raw = self.secret_file(key, raw, place)?;
            return Some((definition, raw));
        }
        if let Some(name) = key.strip_prefix("presets.") {
            return definition("presets").map(|definition| (definition, self.with_preset(name, raw)));
        }
        self.mistakes.push(unknown(key).at(place));
        None
    }

    /// The presets so far with one more; one of the same name is replaced.
    fn with_preset(&self, name: &str, parameters: Raw) -> Raw {
        let mut fields = match self.values.get("presets") {
            Some(Raw::Table(fields)) => fields.clone(),
            Some(text) => match Presets::read(text, &Kind::Presets) {
                Ok(presets) => presets.into_iter().map(|(name, text)| (name, Raw::Text(text))).collect(),
                // Kept as it is, to be reported when it is typed.
                Err(_) => return text.clone(),
            },
            None => Vec::new(),
        };
        fields.retain(|(other, _)| other != name);
        fields.push((name.to_owned(), parameters));
        Raw::Table(fields)
    }

    /// Replaces `secret_file` of one key by the `secret` it holds.
    fn secret_field(&mut self, name: &str, table: Raw, place: &Place) -> Raw {
        let Raw::Table(mut fields) = table else { return table };
        let Some(at) = fields.iter().position(|(field, _)| field == "secret_file") else { return Raw::Table(fields) };
        let (_, path) = fields.remove(at);
        if fields.iter().any(|(field, _)| field == "secret") {
            self.mistakes.push(Mistake::new(name, None, "a key has both secret and secret_file; keep one").at(place));
        } else if let Some(secret) = self.secret_file(&format!("{name}.secret_file"), path, place) {
            fields.push(("secret".into(), secret));
        } else {
            // Reported already; the stand-in keeps the rest of the key from being reported for it.
            fields.push(("secret".into(), Raw::Text("unreadable-unreadable".into())));
        }
        Raw::Table(fields)
    }

    /// Reads the file that a value names, without its last line break.
    fn secret_file(&mut self, key: &str, path: Raw, place: &Place) -> Option<Raw> {
        let remedy = match &path {
            Raw::Text(text) if !text.is_empty() => match (self.read_secret)(Path::new(&beside_file(text, place))) {
                // Unset by accident, a token would leave its door open.
                Ok(secret) if secret.trim().is_empty() => "holds nothing; write the secret into it".into(),
                Ok(secret) => return Some(Raw::Text(secret.trim_end_matches(['\n', '\r']).to_owned())),
                Err(error) => format!("cannot be read ({error}); name a readable file that holds the secret alone"),
            },
            _ => "not a path; name a file that holds the secret alone".into(),
        };
        self.mistakes.push(Mistake::new(key, Some(path.to_string()), remedy).at(place));
        None
    }

    /// The typed value of one setting; a mistake stands for its default.
    pub(crate) fn take<T: Setting>(&mut self, name: &'static str) -> T {
        let Some(definition) = definition(name) else { unreachable!("{name} comes from the table") };
        if let Some(raw) = self.values.get(name) {
            match T::read(raw, &definition.kind) {
                Ok(value) => return value,
                Err(remedy) => {
                    let shown = (!definition.kind.is_secret()).then(|| raw.to_string());
                    self.mistakes.push(Mistake::new(name, shown, remedy).at(self.place(name)));
                }
            }
        }
        let default = Raw::Text(definition.default.to_owned());
        T::read(&default, &definition.kind).unwrap_or_else(|remedy| unreachable!("default of {name}: {remedy}"))
    }

    /// Where a key was written; a key inside a table is where its table is.
    fn place(&self, key: &str) -> &Place {
        let table = key.split('.').next().unwrap_or(key);
        self.places.get(key).or_else(|| self.places.get(table)).unwrap_or(&Place::Default)
    }

    /// Adds what the settings contradict, except about settings that could not be read at all.
    fn check(&mut self, settings: &Settings) {
        let unread: Vec<String> = self.mistakes.iter().map(|mistake| mistake.key.clone()).collect();
        let found = crate::check::mistakes(settings).into_iter().filter(|mistake| !unread.contains(&mistake.key));
        let placed: Vec<Mistake> = found
            .map(|mistake| {
                let place = self.place(&mistake.key).clone();
                mistake.at(&place)
            })
            .collect();
        self.mistakes.extend(placed);
    }
}

fn definition_of_secret(name: &str) -> Option<&'static Definition> {
    definition(name).filter(|definition| definition.kind.is_secret())
}

/// A relative path in a configuration file starts at that file's folder; any other at the working directory.
fn beside_file(text: &str, place: &Place) -> String {
    let relative = !text.is_empty() && !text.starts_with(['/', '~']);
    match place {
        Place::File { path, .. } if relative => match Path::new(path).parent() {
            Some(folder) => folder.join(text).to_string_lossy().into_owned(),
            None => text.to_owned(),
        },
        _ => text.to_owned(),
    }
}

/// The mistake of naming a setting that does not exist.
pub(crate) fn unknown(key: &str) -> Mistake {
    let remedy = match did_you_mean(key, DEFINITIONS.iter().map(|definition| definition.name)) {
        Some(near) => format!("no such setting; did you mean {near}?"),
        None => "no such setting; remove it, or see docs/reference/settings.md".into(),
    };
    Mistake::new(key, None, remedy)
}

#[cfg(test)]
mod tests;
