//! Settings with several entries: numbers, ratios, texts and presets. In environment and command line a list is
//! one text with commas; presets, whose values hold commas themselves, are separated by `;`.

use crate::define::Kind;
use crate::number::integer;
use crate::value::{Raw, Setting};
use std::collections::BTreeMap;
use std::fmt;

/// A list longer than this is a mistake, not a policy.
const ENTRIES_MAX: usize = 1000;

/// Tables written as pairs of name and value, without spaces inside; a further `name=` begins a further table. Never repeats a
/// value: it may be a secret. `named` stands for a name in what is said.
pub(crate) fn named_tables(text: &str, named: &str) -> Result<Vec<Raw>, String> {
    let mut tables: Vec<Vec<(String, Raw)>> = Vec::new();
    for pair in text.split_whitespace() {
        let (name, value) = pair.split_once('=').ok_or("here each value stands as FIELD=VALUE, without spaces")?;
        let field = (name.to_owned(), Raw::Text(value.to_owned()));
        match tables.last_mut() {
            Some(table) if name != "name" => table.push(field),
            None if name != "name" => return Err(format!("begin with name={named}")),
            _ => tables.push(vec![field]),
        }
    }
    Ok(tables.into_iter().map(Raw::Table).collect())
}

/// The entries of a list, whichever way it was written.
fn entries(raw: &Raw, what: &str) -> Result<Vec<Raw>, String> {
    let entries: Vec<Raw> = match raw {
        Raw::List(items) => items.clone(),
        Raw::Text(text) if text.trim().is_empty() => Vec::new(),
        Raw::Text(text) => text.split(',').map(|entry| Raw::Text(entry.trim().to_owned())).collect(),
        Raw::Integer(_) => vec![raw.clone()],
        _ => return Err(format!("not a list; write {what}")),
    };
    if entries.len() > ENTRIES_MAX {
        return Err(format!("{} entries; the most is {ENTRIES_MAX}", entries.len()));
    }
    Ok(entries)
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

macro_rules! integer_lists {
    ($($type:ty),*) => {$(
        impl Setting for Vec<$type> {
            fn read(raw: &Raw, kind: &Kind) -> Result<Self, String> {
                let entries = entries(raw, "numbers in brackets: [320, 640]")?;
                entries
                    .iter()
                    .map(|entry| {
                        let number = integer(entry, kind).map_err(|remedy| format!("{entry} is {remedy}"))?;
                        <$type>::try_from(number).map_err(|_| format!("{entry} is too large; the most is {}", <$type>::MAX))
                    })
                    .collect()
            }

            fn text(&self) -> String {
                joined(self)
            }
        }
    )*};
}
integer_lists!(u32, u8);

/// A ratio of width to height, as written: `16:9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Parts of width, 1 to 10,000.
    pub width: u32,
    /// Parts of height, 1 to 10,000.
    pub height: u32,
}

/// The most parts of one side of a ratio.
const RATIO_PARTS_MAX: u32 = 10_000;

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.width, self.height)
    }
}

impl Ratio {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let part = |text: &str| text.trim().parse().ok().filter(|part| (1..=RATIO_PARTS_MAX).contains(part));
        let pair = match raw {
            Raw::Text(text) => text.split_once(':'),
            _ => None,
        };
        let ratio = pair.and_then(|(width, height)| Some(Self { width: part(width)?, height: part(height)? }));
        ratio.ok_or_else(|| {
            format!("{raw} is not two whole numbers from 1 to {RATIO_PARTS_MAX} with a colon; try \"16:9\"")
        })
    }
}

impl Setting for Vec<Ratio> {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        entries(raw, "texts in brackets: [\"16:9\"]")?.iter().map(Ratio::parse).collect()
    }

    fn text(&self) -> String {
        joined(self)
    }
}

impl Setting for Vec<String> {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let entries = entries(raw, "texts in brackets: [\"a\", \"b\"]")?;
        entries
            .into_iter()
            .map(|entry| match entry {
                Raw::Text(text) if text.trim().is_empty() => Err("has an empty entry; leave it out".into()),
                Raw::Text(text) => Ok(text.trim().to_owned()),
                other => Err(format!("{other} is not a text; write it in quotes")),
            })
            .collect()
    }

    fn text(&self) -> String {
        self.join(", ")
    }
}

/// Presets by name: the parameters that `p=NAME` stands for.
pub type Presets = BTreeMap<String, String>;

/// Longest name of a preset, in bytes: it is part of URLs.
const PRESET_NAME_BYTES_MAX: usize = 64;

/// Checks one preset's name and parameters as far as this crate can; what they mean is `variant`'s to say.
fn preset(name: &str, parameters: &Raw) -> Result<(String, String), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > PRESET_NAME_BYTES_MAX || !name.bytes().all(fits) {
        return Err(format!(
            "the name \"{name}\" is not 1 to {PRESET_NAME_BYTES_MAX} of A-Z, a-z, 0-9, - and _; rename it"
        ));
    }
    match parameters {
        Raw::Text(text) if text.trim().is_empty() => {
            Err(format!("\"{name}\" is empty; write parameters such as \"w=200\""))
        }
        Raw::Text(text) if text.starts_with('?') => Err(format!("\"{name}\" starts with \"?\"; leave it out")),
        Raw::Text(text) => Ok((name.to_owned(), text.trim().to_owned())),
        _ => Err(format!("\"{name}\" is not a text; write parameters such as \"w=200&h=200&fit=crop\"")),
    }
}

impl Setting for Presets {
    fn read(raw: &Raw, _: &Kind) -> Result<Self, String> {
        let pairs: Vec<(String, Raw)> = match raw {
            Raw::Table(fields) => fields.clone(),
            Raw::Text(text) => {
                let entries = text.split(';').map(str::trim).filter(|entry| !entry.is_empty());
                entries
                    .map(|entry| {
                        let (name, parameters) = entry.split_once('=').unwrap_or((entry, ""));
                        (name.trim().to_owned(), Raw::Text(parameters.to_owned()))
                    })
                    .collect()
            }
            _ => return Err("not a table; write [presets] and below it thumb = \"w=200&h=200&fit=crop\"".into()),
        };
        if pairs.len() > ENTRIES_MAX {
            return Err(format!("{} presets; the most is {ENTRIES_MAX}", pairs.len()));
        }
        let mut presets = Self::new();
        for (name, parameters) in &pairs {
            let (name, parameters) = preset(name, parameters)?;
            if presets.insert(name.clone(), parameters).is_some() {
                return Err(format!("\"{name}\" is there twice; keep one"));
            }
        }
        Ok(presets)
    }

    fn text(&self) -> String {
        self.iter().map(|(name, parameters)| format!("{name}={parameters}")).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn lists_of_numbers() {
        let kind = Kind::Integers { min: 1, max: 100 };
        assert_eq!(Vec::<u32>::read(&text("16, 32,48"), &kind), Ok(vec![16, 32, 48]));
        assert_eq!(Vec::<u8>::read(&Raw::List(vec![Raw::Integer(7)]), &kind), Ok(vec![7]));
        assert_eq!(Vec::<u8>::read(&text(""), &kind), Ok(vec![]));
        let error = Vec::<u32>::read(&text("16,101"), &kind).unwrap_err();
        assert_eq!(error, "\"101\" is outside 1 to 100; write a whole number between them");
        let long = Raw::List(vec![Raw::Integer(1); ENTRIES_MAX + 1]);
        assert_eq!(Vec::<u32>::read(&long, &kind), Err("1001 entries; the most is 1000".into()));
        assert!(Vec::<u32>::read(&Raw::List(vec![Raw::Integer(1); ENTRIES_MAX]), &kind).is_ok());
    }

    #[test]
    fn pairs() {
        assert_eq!(Vec::<Ratio>::read(&text("16:9"), &Kind::Ratios), Ok(vec![Ratio { width: 16, height: 9 }]));
        for wrong in ["16", "0:9", "16:10001", "16:9:1", "a:b", ":", "16x9", "-1:1"] {
            assert!(Ratio::parse(&text(wrong)).is_err(), "{wrong}");
        }
        assert!(Ratio::parse(&text("1:10000")).is_ok());
    }

    #[test]
    fn presets() {
        let read = Presets::read(&text("thumb=w=200&h=200&fit=crop; hero=w=1600"), &Kind::Presets).unwrap();
        assert_eq!(read["thumb"], "w=200&h=200&fit=crop");
        assert_eq!(Presets::read(&text(&read.text()), &Kind::Presets), Ok(read));
        for wrong in ["thumb", "=w=1", "a b=w=1", "a=w=1;a=w=2", "a=?w=1", "a/b=w=1"] {
            assert!(Presets::read(&text(wrong), &Kind::Presets).is_err(), "{wrong}");
        }
        let named = |bytes: usize| text(&format!("{}=w=1", "n".repeat(bytes)));
        assert!(Presets::read(&named(64), &Kind::Presets).is_ok());
        assert!(Presets::read(&named(65), &Kind::Presets).is_err());
    }
}
