//! Vary, fields that stay behind, and tags.

use afterimage_cache::http::{Varies, forwardable_request, forwardable_response, secondary, selecting, tags};
use http::HeaderName;

use crate::support::{fields, stored_under};

fn on(names: &[&str]) -> Varies {
    Varies::On(names.iter().map(|name| name.parse().unwrap()).collect())
}

#[test]
fn vary_is_a_list_over_its_lines() {
    for (lines, want) in [
        (&[][..], on(&[])),
        (&["vary: Foo"], on(&["foo"])),
        (&["vary: foo, Bar,foo"], on(&["bar", "foo"])),
        (&["vary: foo", "vary: , bar"], on(&["bar", "foo"])),
        (&["vary: *"], Varies::Unknowable),
        (&["vary: *, *"], Varies::Unknowable),
        (&["vary: , *"], Varies::Unknowable),
        (&["vary:", "vary: *"], Varies::Unknowable),
        (&["vary: foo, *"], Varies::Unknowable),
        (&["vary: *, foo"], Varies::Unknowable),
        (&["vary: foo bar"], Varies::Unknowable),
        (&["vary: \"foo"], Varies::Unknowable),
    ] {
        assert_eq!(selecting(&fields(lines)), want, "{lines:?}");
    }
    let many = |count: usize| format!("vary: {}", (0..count).map(|n| format!("f{n}")).collect::<Vec<_>>().join(","));
    assert!(matches!(selecting(&fields(&[&many(16)])), Varies::On(_)));
    assert_eq!(selecting(&fields(&[&many(17)])), Varies::Unknowable);
}

fn same(name: &str, one: &[&str], other: &[&str]) -> bool {
    let names: [HeaderName; 1] = [name.parse().unwrap()];
    let key = |lines: &[&str]| {
        let lines: Vec<_> = lines.iter().map(|value| format!("{name}: {value}")).collect();
        secondary(&names, &fields(&lines.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    key(one) == key(other)
}

#[test]
fn only_differences_that_mean_something_count() {
    for (name, one, other, want) in [
        ("foo", &["1"][..], &["1"][..], true),
        ("foo", &["1"], &["2"], false),
        ("foo", &["1"], &[], false),
        ("foo", &[""], &[], false),
        ("foo", &["1, 2"], &["1", "2"], true),
        ("foo", &["1,2"], &[" 1 ,  2 "], true),
        ("foo", &["1, 2"], &["2, 1"], false),
        ("foo", &["a"], &["A"], false),
        ("foo", &["\"a,b\""], &["\"a, b\""], false),
        ("accept-language", &["en, de"], &["de, en"], true),
        ("accept-language", &["en, de"], &["eN,De"], true),
        ("accept-language", &["en;q=1.0, de"], &["de, en"], true),
        ("accept-language", &["en;q=0.5, de"], &["en, de"], false),
        ("accept-encoding", &["gzip, br"], &["br,gzip"], true),
        ("accept-encoding", &["gzip;q=0"], &["gzip"], false),
        ("cookie", &["a=1, 2"], &["a=1,2"], false),
        ("user-agent", &["x (KHTML, y)"], &["x (KHTML,y)"], false),
        ("foo", &["\u{e4}"], &["\u{f6}"], false),
    ] {
        assert_eq!(same(name, one, other), want, "{name}: {one:?} and {other:?}");
    }
}

#[test]
fn no_value_can_pretend_to_be_two() {
    let names: [HeaderName; 2] = ["a".parse().unwrap(), "b".parse().unwrap()];
    let one = secondary(&names, &fields(&["a: 1;b=1:2", "b: 3"]));
    let other = secondary(&names, &fields(&["a: 1", "b: 2;b=3"]));
    assert_ne!(one, other);
}

#[test]
fn a_stored_response_answers_those_it_was_selected_by() {
    let stored = stored_under(&Default::default(), &["foo: 1"], &["cache-control: max-age=60", "vary: Foo"], "x");
    assert!(stored.answers(&fields(&["foo: 1", "other: 2"])));
    assert!(!stored.answers(&fields(&["foo: 2"])));
    assert!(!stored.answers(&fields(&[])));
}

#[test]
fn fields_of_one_connection_stay_behind() {
    let answer = fields(&[
        "connection: a, B",
        "a: 1",
        "b: 2",
        "c: 3",
        "keep-alive: 4",
        "te: 5",
        "upgrade: 6",
        "transfer-encoding: chunked",
        "proxy-authenticate: 7",
        "content-length: 8",
        "set-cookie: d=1",
        "set-cookie: e=2",
    ]);
    let kept = forwardable_response(&answer);
    let mut names: Vec<_> = kept.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["c", "set-cookie"]);
    assert_eq!(kept.get_all("set-cookie").iter().count(), 2);
}

#[test]
fn what_an_origin_might_believe_is_not_passed_on() {
    let sent = forwardable_request(&fields(&[
        "host: evil",
        "x-forwarded-host: evil",
        "X-Original-URL: /admin",
        "X-Forwarded-Whatever: evil",
        "x-real-ip: evil",
        "forwarded: host=evil",
        "authorization: mine",
        "x-unknown: 1",
        "connection: x-private",
        "x-private: 1",
    ]));
    let mut names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "surrogate-capability", "x-unknown"]);
}

#[test]
fn tags_are_read_from_every_field_that_names_them() {
    let found = tags(&fields(&[
        "cache-tag: a, B",
        "surrogate-key: c d",
        "edge-cache-tag: e",
        "x-amz-meta-cache-tag: f,a",
        "x-other: g",
    ]));
    assert_eq!(found.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f"]);
    let many = format!("cache-tag: {}", (0..60).map(|n| format!("t{n}")).collect::<Vec<_>>().join(","));
    assert_eq!(tags(&fields(&[&many])).len(), 50);
}
