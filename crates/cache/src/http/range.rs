//! One range of a representation (RFC 9110, 14). Several, or what is not understood, mean the whole, as the standard allows.

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{DATE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};

use super::freshness::date;

/// What a request wants of a representation of some length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These bytes: first and last, both inclusive and inside.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// Bytes that it does not have: 416.
    Outside,
}

/// The part that `Range` names, whatever `If-Range` says.
pub fn wanted(request: &HeaderMap, bytes: u64) -> Wanted {
    let mut values = request.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Wanted::Whole };
    let Some((unit, spec)) = value.to_str().ok().and_then(|text| text.split_once('=')) else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else { return Wanted::Whole };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A number past u64 is past every body; it saturates.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match (digits(first), digits(last)) {
        (true, _) if last.is_empty() || digits(last) => {
            let (first, last) = (number(first), if last.is_empty() { u64::MAX } else { number(last) });
            if last < first {
                Wanted::Whole
            } else if first >= bytes {
                Wanted::Outside
            } else {
                Wanted::Part { first, last: last.min(bytes - 1) }
            }
        }
        (false, true) if first.is_empty() => match number(last).min(bytes) {
            0 => Wanted::Outside,
            suffix => Wanted::Part { first: bytes - suffix, last: bytes - 1 },
        },
        _ => Wanted::Whole,
    }
}

/// Whether the viewer's part is of this very response: a strong tag, or a date that is strong because the response was
/// made at least a minute later (RFC 9110, 8.8.2.2).
pub fn if_range_holds(request: &HeaderMap, stored: &HeaderMap, received: SystemTime) -> bool {
    let Some(condition) = request.get(IF_RANGE) else { return true };
    let Ok(text) = condition.to_str() else { return false };
    if text.starts_with('"') {
        return stored.get(ETAG).is_some_and(|tag| tag.as_bytes() == text.as_bytes());
    }
    let (Ok(wanted), Some(modified)) = (httpdate::parse_http_date(text), date(stored, LAST_MODIFIED)) else {
        return false;
    };
    let made = date(stored, DATE).unwrap_or(received);
    wanted == modified && made.duration_since(modified).is_ok_and(|age| age.as_secs() >= 60)
}
