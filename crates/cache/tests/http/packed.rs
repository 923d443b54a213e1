//! Stored responses that outlive their process: the same, and as old as they are.

use std::time::Duration;

use afterimage_cache::http::{Behaviour, Stored};
use afterimage_cache::{Moment, Packed};
use http::HeaderValue;

use crate::support::{after, stored, stored_under, wall};

fn at(seconds: u64, wall_seconds: u64, same_run: bool) -> Moment {
    Moment { now: after(seconds), wall: wall() + Duration::from_secs(wall_seconds), same_run }
}

const RESPONSE: [&str; 6] = [
    "cache-control: max-age=60, stale-while-revalidate=9, no-cache=\"set-cookie, x-secret\", private=\"x-mine\"",
    "vary: accept, x-lang",
    "etag: \"a\"",
    "age: 10",
    "link: <a>; rel=b, <c>; rel=d",
    "link: <e>; rel=f",
];

#[test]
fn for_its_own_process_it_is_the_same_in_every_way() {
    let mut stored = stored_under(&Behaviour::default(), &["accept: image/webp", "x-lang: de"], &RESPONSE, "body");
    stored.headers.insert("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap());
    // Whatever the wall clock did meanwhile.
    let back = Stored::unpack(stored.pack().unwrap(), at(7, 0, true)).unwrap();
    assert_eq!(format!("{back:?}"), format!("{stored:?}"));
}

#[test]
fn for_another_process_it_ages_by_the_wall_clock() {
    let stored = stored(&RESPONSE);
    assert_eq!(stored.age(after(20)), Duration::from_secs(30));
    // The machine has started anew meanwhile, so its own clock says less.
    let back = Stored::unpack(stored.pack().unwrap(), at(3, 20, false)).unwrap();
    assert_eq!(back.age(after(3)), Duration::from_secs(30));
    assert!(back.is_fresh(after(32)) && !back.is_fresh(after(33)));
    assert_eq!(back.lifetime, stored.lifetime);
    assert_eq!(back.received_wall(), wall());
}

#[test]
fn from_a_time_that_is_still_to_come_it_is_nothing() {
    let packed = stored(&RESPONSE).pack().unwrap();
    let before = Moment { wall: wall() - Duration::from_secs(1), ..at(3, 0, false) };
    assert!(Stored::unpack(packed.clone(), before).is_none());
    assert!(Stored::unpack(packed, at(3, 0, false)).is_some());
}

#[test]
fn what_cannot_be_understood_is_nothing() {
    let packed = stored(&RESPONSE).pack().unwrap();
    for (from, to) in [("200", "99"), ("etag", "e tag"), ("\"vary\"", "\"\""), ("{", "[")] {
        let about = packed.about.replace(from, to);
        assert_ne!(about, packed.about, "{from}");
        let spoilt = Packed { about, ..packed.clone() };
        assert!(Stored::unpack(spoilt, at(0, 0, true)).is_none(), "{from} became {to}");
    }
}
