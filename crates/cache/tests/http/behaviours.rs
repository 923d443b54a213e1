//! CloudFront's behaviours: patterns, the table of times, and keys.

use std::time::Duration;

use afterimage_cache::http::{Behaviour, ErrorTtl, KeyParts, NotStored, Pattern, Policy, Ttl, storable};
use http::{Method, StatusCode};

use crate::support::{date, fields, wall};

#[test]
fn patterns() {
    for (pattern, path, want) in [
        ("*", "/anything/at.all", true),
        ("/images/*", "/images/a/b.jpg", true),
        ("/images/*", "/images", false),
        ("images/*.jpg", "/images/a/b.jpg", true),
        ("/images/*.jpg", "/images/a.png", false),
        ("/images/*.jpg", "/Images/a.jpg", false),
        ("/a??.jpg", "/a12.jpg", true),
        ("/a??.jpg", "/a1.jpg", false),
        ("*.jpg", "/a/b.jpg", true),
        ("/a*b*c", "/aXbYbZc", true),
        ("/a*b*c", "/aXbYbZ", false),
        ("/a", "/a", true),
        ("/a", "/ab", false),
    ] {
        assert_eq!(Pattern::new(pattern).unwrap().matches(path), want, "{pattern} {path}");
    }
    assert!(Pattern::new(&"a".repeat(255)).is_some());
    for wrong in ["", "a b", "a\n", &"a".repeat(256)] {
        assert!(Pattern::new(wrong).is_none(), "{wrong:?}");
    }
    // Many stars take pattern times text steps, not more.
    assert!(!Pattern::new(&"*a".repeat(127)).unwrap().matches(&"ab".repeat(4000)));
}

/// How long a 200 with these lines is kept under minimum, default and maximum, in seconds; `None` is not at all.
fn kept(ttl: (u64, u64, u64), status: u16, errors: &[(u16, u64)], lines: &[String]) -> Option<u64> {
    let seconds = Duration::from_secs;
    let status_of = |status| StatusCode::from_u16(status).unwrap();
    let behaviour = Behaviour {
        ttl: Ttl { min: seconds(ttl.0), default: seconds(ttl.1), max: seconds(ttl.2) },
        errors: errors
            .iter()
            .map(|(status, ttl)| ErrorTtl { status: status_of(*status), ttl: seconds(*ttl) })
            .collect(),
        ..Behaviour::default()
    };
    let headers = fields(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let policy = Policy::of(&headers, wall());
    let status = status_of(status);
    let keep = behaviour.keep(status, &policy);
    match storable((&Method::GET, &fields(&[])), (status, &headers), &policy, keep) {
        Ok(()) => keep.lifetime.map(|lifetime| lifetime.as_secs()),
        Err(NotStored::NoStore | NotStored::Private | NotStored::Useless) => None,
        Err(other) => panic!("{other:?}"),
    }
}

/// Minimum zero: as the origin says, up to the maximum. Minimum above: clamped, and refusals overruled.
#[test]
fn the_table_of_times() {
    let line = |text: &str| vec![format!("cache-control: {text}")];
    let expires = |seconds| vec![format!("expires: {}", date(seconds)), format!("date: {}", date(0))];
    for (lines, at_zero, at_hundred) in [
        (line("max-age=50"), Some(50), Some(100)),
        (line("max-age=500"), Some(500), Some(500)),
        (line("max-age=5000"), Some(1000), Some(1000)),
        (line("max-age=5000, s-maxage=50"), Some(50), Some(100)),
        (line("max-age=50, s-maxage=500"), Some(500), Some(500)),
        (vec![], Some(300), Some(300)),
        (expires(50), Some(50), Some(100)),
        (expires(5000), Some(1000), Some(1000)),
        ([line("max-age=50"), expires(500)].concat(), Some(50), Some(100)),
        (line("no-store"), None, Some(100)),
        (line("private, max-age=500"), None, Some(100)),
        (line("no-cache, max-age=500"), None, Some(100)),
    ] {
        assert_eq!(kept((0, 300, 1000), 200, &[], &lines), at_zero, "minimum 0: {lines:?}");
        assert_eq!(kept((100, 300, 1000), 200, &[], &lines), at_hundred, "minimum 100: {lines:?}");
    }
    assert_eq!(kept((100, 10, 1000), 200, &[], &[]), Some(100), "the larger of minimum and default");
    assert_eq!(kept((0, 300, 1000), 201, &[], &[]), None, "a status that nobody keeps by default");
    assert_eq!(kept((100, 300, 1000), 302, &[], &line("max-age=50")), Some(100));
}

#[test]
fn errors_are_kept_at_least_so_long() {
    let line = |text: &str| vec![format!("cache-control: {text}")];
    let errors = &[(404, 10), (503, 10)][..];
    for (status, lines, want) in [
        (404, vec![], Some(10)),
        (503, vec![], Some(10)),
        (404, line("max-age=60"), Some(60)),
        (404, line("max-age=5"), Some(10)),
        (503, line("no-store"), Some(10)),
        // Not listed: only as the origin says.
        (403, vec![], None),
        (403, line("max-age=60"), Some(60)),
        (500, line("max-age=5"), Some(5)),
    ] {
        assert_eq!(kept((100, 300, 1000), status, errors, &lines), want, "{status} {lines:?}");
    }
}

#[test]
fn keys_hold_what_is_listed() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let query = |query: KeyParts, text: Option<&str>| Behaviour { query, ..Behaviour::default() }.path("/a", text);
    assert_eq!(query(KeyParts::All, Some("b=1&a=2&a=1")), "/a?b=1&a=2&a=1");
    assert_eq!(query(KeyParts::All, Some("")), "/a?");
    assert_eq!(query(KeyParts::All, None), "/a");
    assert_eq!(query(KeyParts::Only(names(&["d"])), Some("x=1&d=100&D=2&d=7")), "/a?d=100&d=7");
    assert_eq!(query(KeyParts::Only(names(&["d"])), Some("x=1")), "/a");
    assert_eq!(query(KeyParts::Only(names(&["d"])), Some("x=1;d=2")), "/a", "`;` divides nothing");
    assert_eq!(query(KeyParts::Except(names(&["utm"])), Some("utm=1&d=2&d")), "/a?d=2&d");
    assert_eq!(query(KeyParts::Only(vec![]), Some("x=1")), "/a");
}

#[test]
fn fields_and_cookies_stand_beside_the_path() {
    let none = Behaviour::default();
    assert_eq!(none.beside(&fields(&["cookie: a=1", "accept: x"])), "");
    let some = Behaviour {
        headers: vec!["accept".parse().unwrap()],
        cookies: KeyParts::Only(vec!["a".into()]),
        ..Behaviour::default()
    };
    let key = |lines: &[&str]| some.beside(&fields(lines));
    assert_eq!(key(&["cookie: a=1; b=2"]), key(&["cookie: b=3; a=1"]));
    assert_ne!(key(&["cookie: a=1"]), key(&["cookie: a=2"]));
    assert_ne!(key(&["accept: x"]), key(&["accept: y"]));
    assert_ne!(key(&[]), key(&["cookie: a=1"]));
}
