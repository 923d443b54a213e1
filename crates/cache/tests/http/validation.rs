//! Asking again, 304, HEAD, and what an unsafe method invalidates.

use afterimage_cache::http::{
    Behaviour, Forwarded, Freshened, Report, Stored, freshen, head_says, invalidated, with_validators,
};
use http::{Method, StatusCode};

use crate::support::{after, date, fields, stored, times};

fn freshened(stored: &Stored, answer: &[&str]) -> Option<Stored> {
    match freshen(stored, &fields(&[]), &fields(answer), &Behaviour::default(), times()) {
        Freshened::Holds(stored) => Some(*stored),
        Freshened::Other => None,
    }
}

#[test]
fn the_stored_validators_take_the_place_of_the_viewers() {
    let modified = date(-100);
    let stored = stored(&["etag: W/\"a\"", &format!("last-modified: {modified}")]);
    let mut request =
        fields(&["if-none-match: \"z\"", "if-match: \"y\"", "range: bytes=0-1", "if-range: \"x\"", "accept: */*"]);
    with_validators(&mut request, &stored);
    let want = fields(&["accept: */*", "if-none-match: W/\"a\"", &format!("if-modified-since: {modified}")]);
    assert_eq!(request, want);
}

#[test]
fn a_304_updates_fields_but_not_what_describes_the_bytes() {
    let stored = stored(&[
        "etag: \"a\"",
        "cache-control: max-age=1",
        "test: 1",
        "test: 2",
        "kept: 1",
        "content-encoding: x",
        "age: 50",
    ]);
    let updated = freshened(
        &stored,
        &["etag: \"a\"", "cache-control: max-age=60", "test: 3", "content-encoding: y", "content-length: 0"],
    )
    .expect("the same");
    let text = |name: &str| {
        let values = updated.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        values.collect::<Vec<_>>().join("+")
    };
    assert_eq!([text("test"), text("kept"), text("content-encoding"), text("content-length")], ["3", "1", "x", ""]);
    assert!(updated.is_fresh(after(59)), "its age counts from the answer");
    assert_eq!(updated.body, stored.body);
}

#[test]
fn an_answer_about_another_response_updates_nothing() {
    let modified = date(-100);
    let dated = format!("last-modified: {modified}");
    for (held, answer, holds) in [
        (vec!["etag: \"a\""], vec!["etag: \"a\""], true),
        (vec!["etag: \"a\""], vec!["etag: W/\"a\""], true),
        (vec!["etag: \"a\""], vec!["etag: \"b\""], false),
        (vec!["etag: \"a\""], vec![], true),
        (vec![&dated[..]], vec!["last-modified: Sat, 01 Jan 2000 00:00:00 GMT"], false),
        (vec![&dated[..]], vec![&dated[..]], true),
        (vec![&dated[..]], vec!["etag: \"new\""], false),
    ] {
        assert_eq!(freshened(&stored(&held), &answer).is_some(), holds, "{held:?} {answer:?}");
    }
}

#[test]
fn head_describes_what_get_would_bring() {
    let stored = stored(&["cache-control: max-age=1", "etag: \"a\""]);
    for (answer, holds) in [
        (&["cache-control: max-age=60"][..], true),
        (&["cache-control: max-age=60", "content-length: 10"], true),
        (&["cache-control: max-age=60", "content-length: 11"], false),
        (&["cache-control: max-age=60", "etag: \"b\""], false),
    ] {
        match head_says(&stored, &fields(&[]), &fields(answer), &Behaviour::default(), times()) {
            Freshened::Holds(updated) => assert!(holds && updated.is_fresh(after(59)), "{answer:?}"),
            Freshened::Other => assert!(!holds, "{answer:?}"),
        }
    }
}

#[test]
fn unsafe_methods_invalidate_what_they_changed() {
    let at = |method: &str, status: u16, lines: &[&str]| {
        let hosts = ["example.org:80".parse().unwrap(), "example.org".parse().unwrap()];
        let target = "/a/b?c".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let method: Method = method.parse().unwrap();
        let targets = invalidated(&method, &target, &hosts, status, &fields(lines));
        targets.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        assert!(at(method, 200, &["location: /x"]).is_empty(), "{method}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"] {
        assert_eq!(at(method, 200, &[]), ["/a/b?c"], "{method}");
        assert_eq!(at(method, 303, &[]), ["/a/b?c"], "{method}");
        assert!(at(method, 404, &[]).is_empty() && at(method, 500, &[]).is_empty(), "{method}");
    }
    for (reference, want) in [
        ("/x", Some("/x")),
        ("x", Some("/a/x")),
        ("../x?y#z", Some("/x?y")),
        ("./", Some("/a/")),
        ("?d", Some("/a/b?d")),
        ("/x/./y/../z", Some("/x/z")),
        ("../../../x", Some("/x")),
        ("//example.org/x", Some("/x")),
        ("http://example.org/x?y", Some("/x?y")),
        ("https://EXAMPLE.org/x", Some("/x")),
        ("http://example.org:80/x", Some("/x")),
        ("http://evil.org/x", None),
        ("//evil.org/x", None),
        ("mailto:a@b", None),
        ("", None),
    ] {
        for name in ["location", "content-location"] {
            let found = at("PUT", 201, &[&format!("{name}: {reference}")]);
            assert_eq!(found.get(1).map(String::as_str), want, "{name}: {reference}");
        }
    }
}

#[test]
fn reports_are_structured_fields() {
    let report = Report { ttl_s: Some(-3), ..Report::default() };
    assert_eq!(report.to_string(), "afterimage; hit; ttl=-3");
    let report = Report {
        forwarded: Some(Forwarded::VaryMiss),
        status: Some(304),
        ttl_s: Some(9),
        stored: true,
        collapsed: true,
        detail: Some("memory"),
        key: Some("/a\"b\\c"),
    };
    assert_eq!(
        report.to_string(),
        "afterimage; fwd=vary-miss; fwd-status=304; ttl=9; stored; collapsed; detail=memory; key=\"/a\\\"b\\\\c\""
    );
}
