//! What may be used, and when.

use std::time::Duration;

use afterimage_cache::http::{Reuse, ask_alone, reuse};

use crate::support::{after, fields, stored};

#[test]
fn fresh_stale_or_to_be_checked() {
    use Reuse::{Fresh, Stale, StaleWhileRenewed, Validate};
    for (response, request, at, want) in [
        ("max-age=60", "", 59, Fresh),
        ("max-age=60", "", 60, Validate),
        ("max-age=60, no-cache", "", 0, Validate),
        ("max-age=60, no-cache=\"a\"", "", 0, Fresh),
        ("max-age=60, must-revalidate", "", 0, Fresh),
        ("max-age=60", "no-cache", 0, Validate),
        ("max-age=60", "max-age=10", 10, Fresh),
        ("max-age=60", "max-age=10", 11, Validate),
        ("max-age=60", "max-age=0", 1, Validate),
        ("max-age=60", "min-fresh=10", 49, Fresh),
        ("max-age=60", "min-fresh=10", 50, Validate),
        ("max-age=60", "max-stale", 1000, Stale),
        ("max-age=60", "max-stale=10", 70, Stale),
        ("max-age=60", "max-stale=10", 71, Validate),
        ("max-age=60", "max-stale=10, max-age=65", 70, Validate),
        // What forbids a stale answer, whoever would take one.
        ("max-age=60, must-revalidate", "max-stale", 61, Validate),
        ("max-age=60, proxy-revalidate", "max-stale", 61, Validate),
        ("s-maxage=60", "max-stale", 61, Validate),
        ("max-age=60, no-cache", "max-stale", 61, Validate),
        ("max-age=60, stale-while-revalidate=30", "", 90, StaleWhileRenewed),
        ("max-age=60, stale-while-revalidate=30", "", 91, Validate),
        ("s-maxage=60, stale-while-revalidate=30", "", 61, StaleWhileRenewed),
        ("max-age=60, must-revalidate, stale-while-revalidate=30", "", 61, Validate),
        ("max-age=60, stale-while-revalidate=30", "max-age=1000", 61, Validate),
    ] {
        let stored = stored(&[&format!("cache-control: {response}"), "etag: \"a\""]);
        let request = if request.is_empty() { fields(&[]) } else { fields(&[&format!("cache-control: {request}")]) };
        assert_eq!(reuse(&request, &stored, after(at)), want, "{response} / {request:?} at {at}");
    }
}

#[test]
fn pragma_counts_where_nothing_newer_is_said() {
    let stored = stored(&["cache-control: max-age=60"]);
    assert_eq!(reuse(&fields(&["pragma: no-cache"]), &stored, after(0)), Reuse::Validate);
    assert_eq!(reuse(&fields(&["pragma: foo"]), &stored, after(0)), Reuse::Fresh);
    assert_eq!(reuse(&fields(&["pragma: no-cache", "cache-control: foo"]), &stored, after(0)), Reuse::Fresh);
}

#[test]
fn a_failing_origin_is_covered_for_as_long_as_allowed() {
    for (response, allowed_s, at, want) in [
        ("max-age=60, stale-if-error=30", 0, 90, true),
        ("max-age=60, stale-if-error=30", 0, 91, false),
        ("s-maxage=60, stale-if-error=30", 0, 61, true),
        ("max-age=60, stale-if-error=30, must-revalidate", 0, 61, false),
        ("max-age=60", 0, 60, false),
        ("max-age=60", 10, 70, true),
        ("max-age=60", 10, 71, false),
        ("max-age=60, must-revalidate", 10, 61, false),
        ("max-age=60, proxy-revalidate", 10, 61, false),
        ("s-maxage=60", 10, 61, false),
        ("max-age=60, no-cache", 10, 61, false),
    ] {
        let stored = stored(&[&format!("cache-control: {response}")]);
        assert_eq!(stored.serves_on_error(after(at), Duration::from_secs(allowed_s)), want, "{response} at {at}");
    }
}

#[test]
fn whose_answer_may_be_useless_to_others_asks_alone() {
    let lasting = stored(&["cache-control: max-age=60", "etag: \"a\""]);
    let checked = stored(&["cache-control: no-cache", "etag: \"a\""]);
    for (request, stored, want) in [
        (&[][..], None, false),
        (&["cookie: a=b"], None, false),
        (&["authorization: me"], None, true),
        (&["range: bytes=0-1"], None, true),
        (&["if-none-match: \"a\""], None, true),
        (&["if-none-match: \"a\""], Some(&lasting), false),
        (&["range: bytes=0-1"], Some(&lasting), false),
        (&["authorization: me"], Some(&lasting), true),
        (&["cache-control: no-cache"], Some(&lasting), true),
        (&[], Some(&lasting), false),
        (&[], Some(&checked), true),
    ] {
        assert_eq!(ask_alone(&fields(request), stored), want, "{request:?}, stored: {}", stored.is_some());
    }
}
