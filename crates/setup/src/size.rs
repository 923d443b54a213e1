//! Sizes in bytes, written with a unit: `"256MiB"`. A setting of this kind is a plain `u64` wrapped in [`Bytes`], so that
//! a count of pixels is never read where bytes are meant.

use crate::define::Kind;
use crate::number::decimal;
use crate::value::{Raw, Setting};
use std::fmt;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// Binary units first: what is displayed uses only these.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = UNITS[..4].iter().find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes));
        match exact {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.0 / bytes),
            None => write!(f, "{}B", self.0),
        }
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let (_, bytes) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    decimal(number.trim_end(), *bytes)
}

/// What was most likely meant: the number kept, the unit guessed from its first letter.
fn suggestion(raw: &Raw) -> String {
    let text = match raw {
        Raw::Integer(number) if *number >= 0 => return format!("a size needs a unit; try \"{number}B\" or \"256MiB\""),
        Raw::Text(text) => text.trim(),
        _ => "",
    };
    let digits: String = text.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
    let unit = match text[digits.len()..].trim_start().chars().next().map(|letter| letter.to_ascii_lowercase()) {
        Some('k') => "KiB",
        Some('g') => "GiB",
        Some('t') => "TiB",
        _ => "MiB",
    };
    let number = if decimal(&digits, 1).is_some() { digits.as_str() } else { "256" };
    format!("not a size; try \"{number}{unit}\"")
}

impl Setting for Bytes {
    fn read(raw: &Raw, kind: &Kind) -> Result<Self, String> {
        let Kind::Size { min, max } = kind else { return Err(format!("is no size but {kind:?}")) };
        let Raw::Text(text) = raw else { return Err(suggestion(raw)) };
        let bytes = match text.trim() {
            "0" => 0,
            text => parse(text).ok_or_else(|| suggestion(raw))?,
        };
        if (*min..=*max).contains(&bytes) {
            return Ok(Self(bytes));
        }
        Err(format!("outside {} to {}; choose a size between them", Self(*min), Self(*max)))
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind::Size { min: 1024, max: 1 << 40 };

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1KiB", 1024),
            ("1 kib", 1024),
            ("2GiB", 2 << 30),
            ("1.5GiB", 3 << 29),
            ("10 MB", 10_000_000),
            ("1024B", 1024),
            ("1TiB", 1 << 40),
        ] {
            assert_eq!(Bytes::read(&Raw::Text(text.into()), &KIND), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_gets_a_size_to_try() {
        for (raw, remedy) in [
            (Raw::Text("2 gigs".into()), "not a size; try \"2GiB\""),
            (Raw::Text("256M".into()), "not a size; try \"256MiB\""),
            (Raw::Text("lots".into()), "not a size; try \"256MiB\""),
            (Raw::Text("".into()), "not a size; try \"256MiB\""),
            (Raw::Text("1.2.3k".into()), "not a size; try \"256KiB\""),
            (Raw::Text("ünf".into()), "not a size; try \"256MiB\""),
            (Raw::Text("5".into()), "not a size; try \"5MiB\""),
            (Raw::Integer(5), "a size needs a unit; try \"5B\" or \"256MiB\""),
            (Raw::Bool(true), "not a size; try \"256MiB\""),
            (Raw::Text("1023B".into()), "outside 1KiB to 1TiB; choose a size between them"),
            (Raw::Text("1025GiB".into()), "outside 1KiB to 1TiB; choose a size between them"),
            (Raw::Text("99999999999999999999TiB".into()), "not a size; try \"256TiB\""),
        ] {
            assert_eq!(Bytes::read(&raw, &KIND), Err(remedy.to_owned()), "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn displayed_sizes_read_back(bytes in 1024u64..1 << 40) {
            let text = Bytes(bytes).text();
            proptest::prop_assert_eq!(Bytes::read(&Raw::Text(text), &KIND), Ok(Bytes(bytes)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = Bytes::read(&Raw::Text(text), &KIND);
        }
    }
}
