//! Whole numbers with a range, and the decimal reader that sizes and durations share.

use crate::define::Kind;
use crate::value::{Raw, Setting};

/// `text` (digits, at most one point, at most nine places) times `unit`, if that is a whole number in range.
pub(crate) fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    if text.contains('.') && fraction.is_empty() {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let scale = 10u128.pow(fraction.len() as u32);
    let fraction: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scaled = whole.checked_mul(scale)?.checked_add(fraction)?.checked_mul(u128::from(unit))?;
    (scaled % scale == 0).then(|| u64::try_from(scaled / scale).ok()).flatten()
}

/// Reads a whole number and holds it to the kind's range.
pub(crate) fn integer(raw: &Raw, kind: &Kind) -> Result<u64, String> {
    let (Kind::Integer { min, max } | Kind::Integers { min, max, .. }) = kind else {
        return Err(format!("is no number but {kind:?}"));
    };
    let number = match raw {
        Raw::Integer(number) => Some(i128::from(*number)),
        Raw::Text(text) => {
            let text: String = text.trim().chars().filter(|letter| *letter != '_').collect();
            text.parse::<i128>().ok()
        }
        _ => None,
    };
    let number = number.ok_or_else(|| format!("not a whole number; write one from {min} to {max}"))?;
    match u64::try_from(number) {
        Ok(number) if (*min..=*max).contains(&number) => Ok(number),
        _ => Err(format!("outside {min} to {max}; write a whole number between them")),
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn read(raw: &Raw, kind: &Kind) -> Result<Self, String> {
                let number = integer(raw, kind)?;
                Self::try_from(number).map_err(|_| format!("too large; the most is {}", Self::MAX))
            }

            fn text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
integers!(u8, u32, u64, usize);

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind::Integer { min: 1, max: 100 };

    #[test]
    fn numbers_at_each_bound_and_just_past_it() {
        for (raw, number) in [
            (Raw::Integer(1), Ok(1)),
            (Raw::Integer(100), Ok(100)),
            (Raw::Text("1_0".into()), Ok(10)),
            (Raw::Integer(0), Err("outside 1 to 100; write a whole number between them")),
            (Raw::Integer(101), Err("outside 1 to 100; write a whole number between them")),
            (Raw::Integer(-1), Err("outside 1 to 100; write a whole number between them")),
            (Raw::Text("ten".into()), Err("not a whole number; write one from 1 to 100")),
            (Raw::Other("1.5".into()), Err("not a whole number; write one from 1 to 100")),
        ] {
            assert_eq!(u32::read(&raw, &KIND), number.map_err(str::to_owned), "{raw}");
        }
    }

    #[test]
    fn decimals() {
        for (text, unit, number) in [
            ("1.5", 1000, Some(1500)),
            ("0.0005", 1000, None),
            ("18446744073709551615", 1, Some(u64::MAX)),
            ("18446744073709551616", 1, None),
            (".5", 1000, None),
            ("5.", 1000, None),
            ("", 1, None),
            ("-1", 1, None),
            ("1.0000000000", 1, None),
        ] {
            assert_eq!(decimal(text, unit), number, "{text}");
        }
    }
}
