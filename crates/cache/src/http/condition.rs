//! What a viewer's own conditions say of a stored response (RFC 9110, 13; RFC 9111, 4.3.2).

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{DATE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

use super::freshness::date;

/// What becomes of a conditional request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is none, or it does not hold: send the response.
    Send,
    /// The viewer has it already: 304.
    NotModified,
}

/// Evaluates `If-None-Match`, else `If-Modified-Since`, against a stored response that came at `received`. Those that
/// only an origin can judge (`If-Match`, `If-Unmodified-Since`) are not for a cache.
pub fn evaluate(request: &HeaderMap, stored: &HeaderMap, received: SystemTime) -> Condition {
    let held = if request.contains_key(IF_NONE_MATCH) {
        let tag = stored.get(ETAG).and_then(|tag| tag.to_str().ok());
        match tag {
            Some(tag) => any_tag_matches(request, IF_NONE_MATCH, tag, true),
            None => request.get_all(IF_NONE_MATCH).iter().any(|line| line.as_bytes().trim_ascii() == b"*"),
        }
    } else if let Some(since) = date(request, IF_MODIFIED_SINCE) {
        // Without Last-Modified it is at most as new as the moment it was made.
        let modified = date(stored, LAST_MODIFIED).or_else(|| date(stored, DATE)).unwrap_or(received);
        modified <= since
    } else {
        false
    };
    if held { Condition::NotModified } else { Condition::Send }
}

/// Whether a list of entity tags has `etag`, which is quoted and may be weak. `weak` compares without the mark of
/// weakness; else both have to be strong. Tags may hold commas, so the list is walked tag by tag.
pub fn any_tag_matches(headers: &HeaderMap, name: HeaderName, etag: &str, weak: bool) -> bool {
    let (opaque, etag_is_weak) = match etag.strip_prefix("W/") {
        Some(opaque) => (opaque, true),
        None => (etag, false),
    };
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        let mut rest = list.trim();
        if rest == "*" || (!rest.contains('"') && rest == opaque) {
            return true;
        }
        while let Some(start) = rest.find('"') {
            let is_weak = rest[..start].trim_end().ends_with("W/");
            let Some(length) = rest[start + 1..].find('"') else { return false };
            let tag = &rest[start..start + length + 2];
            if tag == opaque && (weak || !(is_weak || etag_is_weak)) {
                return true;
            }
            rest = &rest[start + length + 2..];
        }
        false
    })
}
