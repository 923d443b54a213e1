//! What may be stored.

use afterimage_cache::http::{Behaviour, NotStored, Policy, storable};
use http::{Method, StatusCode};

use crate::support::{fields, stored, wall};

fn check(method: Method, request: &[&str], status: u16, response: &[&str], want: Result<(), NotStored>) {
    let (request, headers) = (fields(request), fields(response));
    let policy = Policy::of(&headers, wall());
    let status = StatusCode::from_u16(status).unwrap();
    let keep = Behaviour::default().keep(status, &policy);
    let found = storable((&method, &request), (status, &headers), &policy, keep);
    assert_eq!(found, want, "{method} {request:?} -> {status} {response:?}");
}

#[test]
fn responses() {
    use NotStored as No;
    let fresh = "cache-control: max-age=60";
    for (status, lines, want) in [
        (200, &[fresh][..], Ok(())),
        (404, &[fresh], Ok(())),
        (299, &[fresh], Ok(())),
        (500, &[fresh], Ok(())),
        (599, &[fresh], Ok(())),
        (302, &[fresh], Ok(())),
        (206, &[fresh], Err(No::Partial)),
        (304, &[fresh], Err(No::Partial)),
        (412, &[fresh], Err(No::Partial)),
        (416, &[fresh], Err(No::Partial)),
        (200, &["cache-control: max-age=60, no-store"], Err(No::NoStore)),
        (200, &["cache-control: max-age=60, private"], Err(No::Private)),
        (200, &["cache-control: max-age=60, private=\"set-cookie\""], Ok(())),
        (200, &["cache-control: max-age=60, must-understand, no-store"], Ok(())),
        (599, &["cache-control: max-age=60, must-understand"], Err(No::NotUnderstood)),
        (200, &[fresh, "vary: *"], Err(No::Unknowable)),
        // Not fresh for any time: worth its place only where its origin can be asked.
        (200, &[], Err(No::Useless)),
        (200, &["etag: \"a\""], Ok(())),
        (200, &["last-modified: Sat, 01 Jan 2000 00:00:00 GMT"], Ok(())),
        (201, &["etag: \"a\""], Err(No::Useless)),
        (599, &["etag: \"a\"", "cache-control: public"], Ok(())),
        (200, &["cache-control: max-age=0"], Err(No::Useless)),
        (200, &["cache-control: max-age=0", "etag: \"a\""], Ok(())),
        (200, &["cache-control: max-age=0, stale-if-error=60"], Ok(())),
        (200, &["cache-control: max-age=60, no-cache"], Err(No::Useless)),
        (200, &["cache-control: max-age=60, no-cache", "etag: \"a\""], Ok(())),
        (200, &["expires: 0"], Err(No::Useless)),
    ] {
        check(Method::GET, &[], status, lines, want);
    }
}

#[test]
fn requests() {
    use NotStored as No;
    let fresh = "cache-control: max-age=60";
    check(Method::POST, &[], 200, &[fresh], Err(No::Method));
    check(Method::HEAD, &[], 200, &[fresh], Err(No::Method));
    check(Method::GET, &["cache-control: no-store"], 200, &[fresh], Err(No::AskedNotTo));
    check(Method::GET, &["range: bytes=0-1"], 200, &[fresh], Ok(()));
    check(Method::GET, &["range: bytes=0-1"], 404, &[fresh], Err(No::Partial));
    let authorised = &["authorization: me"][..];
    for (line, want) in [
        ("max-age=60", Err(No::Authorization)),
        ("max-age=60, public", Ok(())),
        ("max-age=60, must-revalidate", Ok(())),
        ("s-maxage=60", Ok(())),
        ("max-age=60, proxy-revalidate", Err(No::Authorization)),
    ] {
        check(Method::GET, authorised, 200, &[&format!("cache-control: {line}")], want);
    }
}

#[test]
fn listed_fields_are_not_kept() {
    let stored =
        stored(&["cache-control: max-age=60, no-cache=\"a\", private=\"b\"", "a: 1", "b: 2", "c: 3", "age: 9"]);
    for (name, kept) in [("a", false), ("b", false), ("c", true), ("age", false), ("date", true)] {
        assert_eq!(stored.headers.contains_key(name), kept, "{name}");
    }
}
