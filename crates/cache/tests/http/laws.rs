//! What holds for any message, however broken.

use afterimage_cache::http::{
    Behaviour, Directives, Policy, Wanted, evaluate, forwardable_request, forwardable_response, if_range_holds,
    invalidated, reuse, secondary, selecting, storable, tags, wanted,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;

use crate::support::{after, fields, stored, wall};

const NAMES: [&str; 18] = [
    "cache-control",
    "cdn-cache-control",
    "surrogate-control",
    "expires",
    "date",
    "age",
    "vary",
    "etag",
    "last-modified",
    "connection",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "location",
    "content-location",
    "cache-tag",
    "pragma",
];

/// Bits of what such fields hold, put together at random, and any bytes that a field may have.
fn value() -> impl Strategy<Value = HeaderValue> {
    let bits = prop::sample::select(vec![
        "max-age",
        "s-maxage",
        "no-store",
        "no-cache",
        "private",
        "=",
        "\"",
        ",",
        ";",
        " ",
        "60",
        "0",
        "-1",
        "*",
        "/",
        "..",
        "bytes=",
        "-",
        "W/",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "http://",
        "//",
        ":",
        "?",
        "\\",
        "(",
        ")",
        "?1",
        "@",
    ]);
    let some = prop::collection::vec(bits, 0..8).prop_map(|bits| bits.concat().into_bytes());
    let any = prop::collection::vec(prop_oneof![Just(b'\t'), 0x20..=0x7eu8, 0x80..=0xffu8], 0..40);
    prop_oneof![some, any].prop_filter_map("no field has it", |bytes| HeaderValue::from_bytes(&bytes).ok())
}

fn message() -> impl Strategy<Value = HeaderMap> {
    let line = (prop::sample::select(NAMES.to_vec()), value());
    prop::collection::vec(line, 0..6)
        .prop_map(|lines| lines.into_iter().map(|(name, value)| (HeaderName::from_static(name), value)).collect())
}

proptest! {
    #[test]
    fn nothing_from_outside_panics(request in message(), response in message(), status in 200u16..600, bytes in 0u64..50) {
        let status = StatusCode::from_u16(status).unwrap();
        let policy = Policy::of(&response, wall());
        let directives = HeaderValue::try_from(policy.directives.to_string()).unwrap();
        let again = HeaderMap::from_iter([(http::header::CACHE_CONTROL, directives)]);
        prop_assert_eq!(&Directives::of_cache_control(&again), &policy.directives);
        let keep = Behaviour::default().keep(status, &policy);
        let _ = storable((&Method::GET, &request), (status, &response), &policy, keep);
        let _ = (evaluate(&request, &response, wall()), if_range_holds(&request, &response, wall()));
        let _ = (forwardable_request(&request), forwardable_response(&response), selecting(&response));
        prop_assert!(tags(&response).len() <= 50);
        for target in invalidated(&Method::POST, &"/a/b?c".parse().unwrap(), &[], StatusCode::OK, &response) {
            prop_assert!(target.path().starts_with('/'));
        }
        if let Wanted::Part { first, last } = wanted(&request, bytes) {
            prop_assert!(first <= last && last < bytes);
        }
    }

    /// One more word on a further line never makes a response live longer.
    #[test]
    fn a_further_line_never_adds_time(value in value(), more in value()) {
        let mut headers = HeaderMap::new();
        headers.append("cache-control", value);
        let before = Directives::of_cache_control(&headers);
        headers.append("cache-control", more);
        let after = Directives::of_cache_control(&headers);
        prop_assert!(after.no_store >= before.no_store);
        prop_assert!(before.max_age.is_none_or(|seconds| after.max_age.is_some_and(|after| after <= seconds)));
        prop_assert!(before.s_maxage.is_none_or(|seconds| after.s_maxage.is_some_and(|after| after <= seconds)));
        prop_assert!(!before.no_cache.is_all() || after.no_cache.is_all());
        prop_assert!(!before.private.is_all() || after.private.is_all());
    }

    /// Whatever a request says, a response that its origin wants checked is not used unchecked.
    #[test]
    fn no_request_overrules_what_forbids_stale_answers(request in message(), at in 0u64..1000) {
        for line in ["no-cache", "max-age=60, must-revalidate", "max-age=60, proxy-revalidate", "s-maxage=60"] {
            let stored = stored(&[&format!("cache-control: {line}"), "etag: \"a\""]);
            let used = reuse(&request, &stored, after(at)) != afterimage_cache::http::Reuse::Validate;
            prop_assert!(!used || (stored.is_fresh(after(at)) && line != "no-cache"), "{line}");
        }
    }

    #[test]
    fn equal_requests_have_equal_keys(request in message()) {
        let names: Vec<HeaderName> = NAMES.iter().map(|name| HeaderName::from_static(name)).collect();
        let key = secondary(&names, &request);
        prop_assert_eq!(&key, &secondary(&names, &request.clone()));
        prop_assert!(!key.contains('\n'), "what stands behind the line feed has none of its own");
    }
}

#[test]
fn a_user_agent_on_two_lines_is_one_key() {
    let names: [HeaderName; 1] = [http::header::USER_AGENT];
    assert!(!secondary(&names, &fields(&["user-agent: a", "user-agent: b"])).contains('\n'));
}
