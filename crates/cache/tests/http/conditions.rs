//! Viewers' conditions and ranges against what is stored.

use afterimage_cache::http::{Condition, Wanted, evaluate, if_range_holds, wanted};

use crate::support::{date, fields, wall};

#[test]
fn conditions() {
    let modified = format!("last-modified: {}", date(-3000));
    let since = |seconds: i64| format!("if-modified-since: {}", date(seconds));
    let tagged = &["etag: \"abc\""][..];
    for (request, stored, not_modified) in [
        (vec![], tagged, false),
        (vec!["if-none-match: \"abc\"".to_owned()], tagged, true),
        (vec!["if-none-match: W/\"abc\"".into()], tagged, true),
        (vec!["if-none-match: \"abc\"".into()], &["etag: W/\"abc\""], true),
        (vec!["if-none-match: \"x,\", \"abc\"".into()], tagged, true),
        (vec!["if-none-match: \"x\"".into(), "if-none-match: \"abc\"".into()], tagged, true),
        (vec!["if-none-match: \"x\"".into()], tagged, false),
        (vec!["if-none-match: abc".into()], tagged, false),
        (vec!["if-none-match: *".into()], &[], true),
        (vec!["if-none-match: \"x\"".into(), since(0)], &["etag: \"abc\"", &modified], false),
        (vec![since(-3000)], &[&modified], true),
        (vec![since(-2000)], &[&modified], true),
        (vec![since(-3001)], &[&modified], false),
        (vec!["if-modified-since: yesterday".into()], &[&modified], false),
        // Without a date of its own it is as old as its Date, or as the moment it came.
        (vec![since(-3000)], &[&format!("date: {}", date(-4000))], true),
        (vec![since(0)], &[], true),
        (vec![since(-1)], &[], false),
        // For an origin to judge.
        (vec!["if-match: \"x\"".into()], tagged, false),
    ] {
        let want = if not_modified { Condition::NotModified } else { Condition::Send };
        let lines: Vec<_> = request.iter().map(String::as_str).collect();
        assert_eq!(evaluate(&fields(&lines), &fields(stored), wall()), want, "{lines:?} on {stored:?}");
    }
}

#[test]
fn ranges() {
    let part = |first, last| Wanted::Part { first, last };
    for (spec, want) in [
        ("bytes=0-9", part(0, 9)),
        ("Bytes=90-", part(90, 99)),
        ("bytes=90-1000", part(90, 99)),
        ("bytes=-10", part(90, 99)),
        ("bytes=-1000", part(0, 99)),
        ("bytes=100-", Wanted::Outside),
        ("bytes=99999999999999999999999-", Wanted::Outside),
        ("bytes=-0", Wanted::Outside),
        ("bytes=9-0", Wanted::Whole),
        ("bytes=0-1,3-4", Wanted::Whole),
        ("bytes=+1-2", Wanted::Whole),
        ("items=0-1", Wanted::Whole),
        ("bytes", Wanted::Whole),
    ] {
        assert_eq!(wanted(&fields(&[&format!("range: {spec}")]), 100), want, "{spec}");
    }
    assert_eq!(wanted(&fields(&["range: bytes=0-0", "range: bytes=1-1"]), 100), Wanted::Whole);
    assert_eq!(wanted(&fields(&["range: bytes=0-"]), 0), Wanted::Outside);
}

#[test]
fn a_part_is_of_the_response_that_the_viewer_has() {
    let old = date(-3000);
    for (condition, stored, want) in [
        ("\"abc\"".to_owned(), vec!["etag: \"abc\"".to_owned()], true),
        ("\"x\"".into(), vec!["etag: \"abc\"".into()], false),
        ("W/\"abc\"".into(), vec!["etag: W/\"abc\"".into()], false),
        (old.clone(), vec![format!("last-modified: {old}"), format!("date: {}", date(0))], true),
        // Made within the minute it says it was changed in: that date is weak.
        (old.clone(), vec![format!("last-modified: {old}"), format!("date: {}", date(-2950))], false),
        (date(-1000), vec![format!("last-modified: {old}")], false),
        (old, vec![], false),
    ] {
        let stored: Vec<_> = stored.iter().map(String::as_str).collect();
        let request = fields(&[&format!("if-range: {condition}")]);
        assert_eq!(if_range_holds(&request, &fields(&stored), wall()), want, "{condition} on {stored:?}");
    }
}
