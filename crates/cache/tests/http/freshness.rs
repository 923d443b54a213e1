//! How long and how old.

use std::time::Duration;

use afterimage_cache::http::{Policy, Times, age_of};
use afterimage_identity::Stamp;

use crate::support::{after, date, fields, stored, times, wall};

#[test]
fn lifetimes() {
    let (now, later, past) = (date(0), date(100), date(-100));
    for (lines, want) in [
        (vec!["cache-control: max-age=60".to_owned()], Some(60)),
        (vec!["cache-control: max-age=60, s-maxage=5".into()], Some(5)),
        (vec!["cache-control: max-age=0, s-maxage=60".into(), format!("expires: {past}")], Some(60)),
        (vec!["cache-control: max-age=60".into(), format!("expires: {past}")], Some(60)),
        (vec!["cache-control: max-age=0".into(), format!("expires: {later}")], Some(0)),
        (vec![format!("expires: {later}"), format!("date: {now}")], Some(100)),
        (vec![format!("expires: {later}")], Some(100)),
        (vec![format!("expires: {later}"), "date: foo".into()], Some(100)),
        (vec![format!("expires: {later}"), format!("date: {past}")], Some(200)),
        (vec![format!("expires: {now}"), format!("date: {now}")], Some(0)),
        (vec![format!("expires: {past}")], Some(0)),
        (vec!["expires: 0".into()], Some(0)),
        (vec!["expires: Thu, 18 Aug 2050 02:01:18 AEST".into()], Some(0)),
        (vec![format!("expires: {later}"), format!("expires: {later}")], Some(0)),
        // A targeted field without a time: the others are not for us.
        (vec!["cdn-cache-control: must-revalidate".into(), "cache-control: max-age=60".into()], None),
        (vec!["surrogate-control: max-age=60".into(), format!("expires: {past}")], Some(60)),
        (vec![format!("last-modified: {past}")], None),
    ] {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let policy = Policy::of(&fields(&lines), wall());
        assert_eq!(policy.lifetime, want.map(Duration::from_secs), "{lines:?}");
    }
}

#[test]
fn ages_add_up() {
    let old = date(-100);
    for (lines, want) in [
        (vec![], 0),
        (vec!["age: 30".to_owned()], 30),
        (vec![format!("date: {old}")], 100),
        (vec![format!("date: {old}"), "age: 30".into()], 100),
        (vec![format!("date: {old}"), "age: 300".into()], 300),
        (vec![format!("date: {}", date(100))], 0),
    ] {
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        assert_eq!(age_of(&fields(&lines), times()).as_secs(), want, "{lines:?}");
    }
    let slow = Times { asked_at: Stamp(0), received_at: after(7), received_wall: wall() };
    assert_eq!(age_of(&fields(&["age: 30"]), slow).as_secs(), 37, "the time the answer took counts");
}

#[test]
fn an_age_that_cannot_be_read_is_older_than_anything_is_fresh() {
    for lines in [
        &["age: abc"][..],
        &["age: -7"],
        &["age: 7.0"],
        &["age: 7;foo=bar"],
        &["age: 7, 7"],
        &["age:"],
        &["age: 0", "age: 0"],
    ] {
        let mut lines = lines.to_vec();
        lines.push("cache-control: max-age=99999999999");
        assert!(!stored(&lines).is_fresh(after(0)), "{lines:?}");
    }
}

#[test]
fn freshness_ends_at_its_second() {
    let stored = stored(&["cache-control: max-age=60", "age: 30"]);
    assert!(stored.is_fresh(after(29)));
    assert!(!stored.is_fresh(after(30)));
    assert_eq!((stored.age(after(12)).as_secs(), stored.fresh_for_s(after(12))), (42, 18));
    assert_eq!((stored.stale_for(after(35)).as_secs(), stored.fresh_for_s(after(35))), (5, -5));
}
