//! Conditional requests and ranges, in the order of RFC 9110, section 13.2.2. Pure: headers in, decision out.

use std::time::SystemTime;

use afterimage_cache::http::{Wanted, any_tag_matches, wanted};
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};

/// What the conditions of a request say of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Send all of it.
    Full,
    /// Send these bytes: first and last, both inclusive.
    Part {
        /// The first byte.
        first: u64,
        /// The last byte.
        last: u64,
    },
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    RangeNotSatisfiable,
}

/// Decides for GET and HEAD of a representation that exists. `etag` is strong and quoted.
pub(crate) fn decide(
    headers: &HeaderMap,
    is_get: bool,
    etag: &str,
    modified: Option<SystemTime>,
    bytes: u64,
) -> Decision {
    if headers.is_empty() {
        return Decision::Full;
    }
    if headers.contains_key(IF_MATCH) {
        if !any_tag_matches(headers, IF_MATCH, etag, false) {
            return Decision::PreconditionFailed;
        }
    } else if let (Some(limit), Some(modified)) = (date(headers, IF_UNMODIFIED_SINCE), modified)
        && modified > limit
    {
        return Decision::PreconditionFailed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        if any_tag_matches(headers, IF_NONE_MATCH, etag, true) {
            return Decision::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(headers, IF_MODIFIED_SINCE), modified)
        // Only equality: an original may be replaced by an older file, and then "not later" would keep the newer picture.
        && since == modified
    {
        return Decision::NotModified;
    }
    if is_get && headers.contains_key(RANGE) && if_range_holds(headers, etag, modified) {
        return match wanted(headers, bytes) {
            Wanted::Whole => Decision::Full,
            Wanted::Part { first, last } => Decision::Part { first, last },
            Wanted::Outside => Decision::RangeNotSatisfiable,
        };
    }
    Decision::Full
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

fn if_range_holds(headers: &HeaderMap, etag: &str, modified: Option<SystemTime>) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else { return true };
    match condition.to_str() {
        Ok(text) if text.starts_with('"') => text == etag,
        Ok(text) => httpdate::parse_http_date(text).is_ok_and(|date| Some(date) == modified),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ETAG: &str = "\"abc\"";

    fn modified() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn check(given: &[(&str, &str)], want: Decision) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        assert_eq!(decide(&headers, true, ETAG, Some(modified()), 100), want, "{given:?}");
    }

    #[test]
    fn conditions_follow_the_standard() {
        let date = httpdate::fmt_http_date(modified());
        let later = httpdate::fmt_http_date(modified() + Duration::from_secs(1));
        let earlier = httpdate::fmt_http_date(modified() - Duration::from_secs(1));
        check(&[("accept", "*/*")], Decision::Full);
        check(&[("if-none-match", ETAG)], Decision::NotModified);
        check(&[("if-none-match", "W/\"abc\"")], Decision::NotModified);
        check(&[("if-none-match", "\"x,\", \"abc\"")], Decision::NotModified);
        check(&[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")], Decision::NotModified);
        check(&[("if-none-match", "*")], Decision::NotModified);
        check(&[("if-none-match", "\"abcd\"")], Decision::Full);
        check(&[("if-none-match", "\"x\""), ("if-modified-since", &date)], Decision::Full);
        check(&[("if-modified-since", &date)], Decision::NotModified);
        check(&[("if-modified-since", &later)], Decision::Full);
        check(&[("if-modified-since", "yesterday")], Decision::Full);
        check(&[("if-match", ETAG)], Decision::Full);
        check(&[("if-match", "W/\"abc\"")], Decision::PreconditionFailed);
        check(&[("if-match", "\"x\"")], Decision::PreconditionFailed);
        check(&[("if-unmodified-since", &earlier)], Decision::PreconditionFailed);
        check(&[("if-unmodified-since", &date)], Decision::Full);
    }

    #[test]
    fn one_range_is_served() {
        let part = |first, last| Decision::Part { first, last };
        for (spec, want) in [
            ("bytes=0-9", part(0, 9)),
            ("bytes=90-", part(90, 99)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=-10", part(90, 99)),
            ("bytes=-1000", part(0, 99)),
            ("bytes=99-99", part(99, 99)),
            ("bytes=100-", Decision::RangeNotSatisfiable),
            ("bytes=99999999999999999999999-", Decision::RangeNotSatisfiable),
            ("bytes=-0", Decision::RangeNotSatisfiable),
            ("bytes=9-0", Decision::Full),
            ("bytes=0-1,3-4", Decision::Full),
            ("bytes=a-b", Decision::Full),
            ("bytes=+1-2", Decision::Full),
            ("items=0-1", Decision::Full),
            ("bytes=-", Decision::Full),
        ] {
            check(&[("range", spec)], want);
        }
    }

    #[test]
    fn a_range_depends_on_its_condition() {
        let date = httpdate::fmt_http_date(modified());
        let part = Decision::Part { first: 0, last: 9 };
        check(&[("range", "bytes=0-9"), ("if-range", ETAG)], part);
        check(&[("range", "bytes=0-9"), ("if-range", &date)], part);
        check(&[("range", "bytes=0-9"), ("if-range", "\"old\"")], Decision::Full);
        check(&[("range", "bytes=0-9"), ("if-range", "W/\"abc\"")], Decision::Full);
        check(&[("range", "bytes=0-9"), ("if-none-match", ETAG)], Decision::NotModified);
    }

    #[test]
    fn head_has_no_range() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=0-9".parse().unwrap());
        assert_eq!(decide(&headers, false, ETAG, None, 100), Decision::Full);
    }
}
