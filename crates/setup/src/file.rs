//! The configuration file as a list of names and values, each with its line. It knows TOML and the shape of the tables,
//! nothing of what a setting means.

use crate::mistake::{Mistake, Place};
use crate::read::Entry;
use crate::table::GROUPS;
use crate::value::Raw;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Largest file that is read, in bytes; a larger one is not a configuration.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Reads the file's text.
///
/// # Errors
/// Every syntax error, with its line.
pub(crate) fn read(path: &Path, text: &str) -> Result<Vec<Entry>, Vec<Mistake>> {
    let lines = Lines { path: path.to_string_lossy().into_owned(), text };
    if text.len() > FILE_BYTES_MAX {
        let remedy = format!("{} bytes; the most is {FILE_BYTES_MAX}", text.len());
        return Err(vec![Mistake::new("file", None, remedy).at(&lines.place(0))]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mistake = |error: &toml::de::Error| {
            let start = error.span().map_or(0, |span| span.start);
            // The line itself is not shown: it may hold a secret.
            Mistake::new("syntax", None, format!("{}; see https://toml.io", error.message())).at(&lines.place(start))
        };
        return Err(errors.iter().map(mistake).collect());
    }
    let mut entries = Vec::new();
    for (key, value) in table.get_ref() {
        let name = key.get_ref().to_string();
        let is_group = GROUPS.iter().any(|(group, _)| *group == name);
        match value.get_ref() {
            DeValue::Table(fields) if is_group => {
                for (field, value) in fields {
                    let place = lines.place(field.span().start);
                    let key = format!("{name}.{}", field.get_ref());
                    entries.push(Entry { key, raw: raw(value.get_ref()), place });
                }
            }
            value => entries.push(Entry { key: name, raw: raw(value), place: lines.place(key.span().start) }),
        }
    }
    Ok(entries)
}

struct Lines<'a> {
    path: String,
    text: &'a str,
}

impl Lines<'_> {
    /// The line that the byte at `offset` stands on.
    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().iter().take(offset);
        Place::File { path: self.path.clone(), line: 1 + before.filter(|byte| **byte == b'\n').count() }
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other(number.to_string()),
        },
        DeValue::Boolean(yes) => Raw::Bool(*yes),
        DeValue::Float(number) => Raw::Other(number.to_string()),
        DeValue::Datetime(time) => Raw::Other(time.to_string()),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Table(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.get_ref().to_string(), raw(value.get_ref())));
            Raw::Table(fields.collect())
        }
    }
}
