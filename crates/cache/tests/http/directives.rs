//! Reading Cache-Control, CDN-Cache-Control and Surrogate-Control.

use afterimage_cache::http::{Directives, Listed, MaxStale};

use crate::support::fields;

fn of(lines: &[&str]) -> Directives {
    Directives::of_response(&fields(lines)).0
}

#[test]
fn an_age_in_doubt_is_the_shorter_one() {
    for (lines, want) in [
        (&["cache-control: max-age=60"][..], Some(60)),
        (&["cache-control: MaX-aGe=60"], Some(60)),
        (&["cache-control: max-age=\"60\""], Some(60)),
        (&["cache-control: max-age=0060"], Some(60)),
        (&["cache-control: foobar, max-age=60"], Some(60)),
        (&["cache-control: max-age=60, max-age=5"], Some(5)),
        (&["cache-control: max-age=5", "cache-control: max-age=60"], Some(5)),
        (&["cache-control: extension=\"max-age=60\", max-age=1"], Some(1)),
        (&["cache-control: extension=\"a\\\", max-age=60\""], None),
        (&["cache-control: max-age='60'"], Some(0)),
        (&["cache-control: max-age=-60"], Some(0)),
        (&["cache-control: max-age=60.0"], Some(0)),
        (&["cache-control: max-age=60a"], Some(0)),
        (&["cache-control: max-age =60"], Some(0)),
        (&["cache-control: max-age= 60"], Some(0)),
        (&["cache-control: max-age="], Some(0)),
        (&["cache-control: max-age"], Some(0)),
        (&["cache-control: max-age=2147483648"], Some(1 << 31)),
        (&["cache-control: max-age=2147483649"], Some(1 << 31)),
        (&["cache-control: max-age=99999999999999999999"], Some(1 << 31)),
        (&["cache-control: smax-age=60"], None),
    ] {
        assert_eq!(of(lines).max_age, want, "{lines:?}");
    }
}

#[test]
fn words_are_found_in_any_case_and_on_any_line() {
    let directives = of(&["cache-control: Public , No-StOrE", "cache-control: must-revalidate,proxy-revalidate"]);
    assert!(directives.public && directives.no_store && directives.must_revalidate && directives.proxy_revalidate);
    assert!(of(&["cache-control: must-understand"]).must_understand);
    assert!(!of(&["cache-control: x=\"no-store\""]).no_store);
    assert!(of(&["cache-control: private=\"a, no-store"]).no_store, "a field that does not end forbids storing");
}

#[test]
fn some_hold_for_some_fields_only() {
    let names = |names: &[&str]| Listed::Fields(names.iter().map(|name| name.parse().unwrap()).collect());
    for (line, want) in [
        ("no-cache", Listed::All),
        ("no-cache=\"a\"", names(&["a"])),
        ("no-cache=\"A , b\"", names(&["a", "b"])),
        ("no-cache=a", names(&["a"])),
        ("no-cache=\"a\", no-cache=\"b\"", names(&["a", "b"])),
        ("no-cache=\"a\", no-cache", Listed::All),
        ("no-cache, no-cache=\"a\"", Listed::All),
        ("no-cache=\"\"", Listed::All),
        ("no-cache=\"a b\"", Listed::All),
        ("max-age=1", Listed::No),
    ] {
        assert_eq!(of(&[&format!("cache-control: {line}")]).no_cache, want, "{line}");
        let private = line.replace("no-cache", "private");
        assert_eq!(of(&[&format!("cache-control: {private}")]).private, want, "{private}");
    }
}

#[test]
fn a_targeted_field_takes_the_place_of_the_general_one() {
    let general = "cache-control: max-age=60, no-store";
    for (lines, want) in [
        (&["cdn-cache-control: max-age=5"][..], (Some(5), false)),
        (&["cdn-cache-control: max-age=5", "cdn-cache-control: no-store"], (Some(5), true)),
        (&["cdn-cache-control: no-store=?0, max-age=5"], (Some(5), false)),
        (&["cdn-cache-control: no-store"], (None, true)),
        // A number that is none, in a field that can be parsed.
        (&["cdn-cache-control: max-age=5.5"], (Some(0), false)),
        (&["cdn-cache-control: max-age=(5 6)"], (Some(0), false)),
        (&["cdn-cache-control: max-age=-5"], (Some(0), false)),
        // The later of two members holds: so Structured Fields have it.
        (&["cdn-cache-control: max-age=5, max-age=7"], (Some(7), false)),
        // Empty, or not a dictionary: as if it were not there.
        (&["cdn-cache-control:"], (Some(60), true)),
        (&["cdn-cache-control: Max-Age=5"], (Some(60), true)),
        (&["cdn-cache-control: max-age=5,"], (Some(60), true)),
        (&["cdn-cache-control: &&"], (Some(60), true)),
        (&["surrogate-control: max-age=7"], (Some(7), false)),
        (&["surrogate-control: max-age=7;afterimage"], (Some(7), false)),
        (&["surrogate-control: max-age=7;somebody"], (Some(60), true)),
        (&["surrogate-control: content=\"ESI/1.0\", max-age=7"], (Some(7), false)),
        (&["surrogate-control: no-store"], (None, true)),
        (&["surrogate-control: max-age=7", "cdn-cache-control: max-age=5"], (Some(5), false)),
    ] {
        let lines: Vec<_> = lines.iter().copied().chain([general]).collect();
        let (directives, targeted) = Directives::of_response(&fields(&lines));
        assert_eq!((directives.max_age, directives.no_store), want, "{lines:?}");
        assert_eq!(targeted, want != (Some(60), true), "{lines:?}");
    }
}

#[test]
fn requests_say_how_stale_and_how_fresh() {
    let asked = |line: &str| Directives::of_cache_control(&fields(&[&format!("cache-control: {line}")]));
    assert_eq!(asked("max-stale").max_stale, Some(MaxStale::Any));
    assert_eq!(asked("max-stale=9").max_stale, Some(MaxStale::Seconds(9)));
    assert_eq!(asked("max-stale=9, max-stale").max_stale, Some(MaxStale::Seconds(9)));
    assert_eq!(asked("max-stale=x").max_stale, Some(MaxStale::Seconds(0)));
    assert_eq!(asked("min-fresh=9, min-fresh=5").min_fresh, Some(9));
    assert_eq!(asked("min-fresh=x").min_fresh, Some(1 << 31));
    assert!(asked("only-if-cached").only_if_cached);
}
