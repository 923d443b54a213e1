//! Durations, written with a unit: `"250ms"`, `"1s"`, `"1d"`. A bare number is refused, because nobody remembers whether
//! it was seconds or milliseconds; `0` needs no unit.

use crate::define::Kind;
use crate::number::decimal;
use crate::value::{Raw, Setting};
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Longer spellings of the same units.
const ALIASES: [(&str, &str); 9] = [
    ("sec", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
];

fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let split = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let unit = ALIASES.iter().find(|(alias, _)| *alias == unit).map_or(unit, |(_, unit)| unit);
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    decimal(number.trim_end(), *unit_ms).map(Duration::from_millis)
}

/// The duration in its largest exact unit: `90s`, `1d`, `250ms`, `0s`.
pub(crate) fn display(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms == 0 {
        return "0s".into();
    }
    let exact = UNITS.iter().find(|(_, unit_ms)| ms.is_multiple_of(u128::from(*unit_ms)));
    exact.map_or_else(|| format!("{ms}ms"), |(unit, unit_ms)| format!("{}{unit}", ms / u128::from(*unit_ms)))
}

fn suggestion(raw: &Raw) -> String {
    let number = match raw {
        Raw::Integer(number) if *number >= 0 => Some(number.to_string()),
        Raw::Text(text) => {
            let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
            (!digits.is_empty()).then_some(digits)
        }
        _ => None,
    };
    match (raw, number) {
        (Raw::Integer(_), Some(number)) => format!("a duration needs a unit; try \"{number}s\" or \"{number}ms\""),
        (_, Some(number)) => format!("not a duration; try \"{number}s\" (units ms, s, m, h, d)"),
        _ => "not a duration; try \"1s\" (units ms, s, m, h, d)".into(),
    }
}

impl Setting for Duration {
    fn read(raw: &Raw, kind: &Kind) -> Result<Self, String> {
        let (Kind::Duration { min, max } | Kind::WordOrDuration { min, max, .. }) = kind else {
            return Err(format!("is no duration but {kind:?}"));
        };
        let duration = match raw {
            Raw::Integer(0) => Duration::ZERO,
            Raw::Text(text) => parse(text).ok_or_else(|| suggestion(raw))?,
            _ => return Err(suggestion(raw)),
        };
        if (*min..=*max).contains(&duration) {
            return Ok(duration);
        }
        Err(format!("outside {} to {}; choose a duration between them", display(*min), display(*max)))
    }

    fn text(&self) -> String {
        display(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(60) };

    #[test]
    fn durations() {
        for (raw, ms) in [
            (Raw::Text("1s".into()), Ok(1000)),
            (Raw::Text("250ms".into()), Ok(250)),
            (Raw::Text("1.5 s".into()), Ok(1500)),
            (Raw::Text("1 minute".into()), Ok(60_000)),
            (Raw::Text("0".into()), Ok(0)),
            (Raw::Integer(0), Ok(0)),
            (Raw::Integer(5), Err("a duration needs a unit; try \"5s\" or \"5ms\"")),
            (Raw::Text("5".into()), Err("not a duration; try \"5s\" (units ms, s, m, h, d)")),
            (Raw::Text("soon".into()), Err("not a duration; try \"1s\" (units ms, s, m, h, d)")),
            (Raw::Text("60001ms".into()), Err("outside 0s to 1m; choose a duration between them")),
        ] {
            assert_eq!(Duration::read(&raw, &KIND), ms.map(Duration::from_millis).map_err(str::to_owned), "{raw}");
        }
    }

    proptest::proptest! {
        #[test]
        fn displayed_durations_read_back(ms in 0u64..60_000) {
            let duration = Duration::from_millis(ms);
            proptest::prop_assert_eq!(Duration::read(&Raw::Text(duration.text()), &KIND), Ok(duration));
        }
    }
}
