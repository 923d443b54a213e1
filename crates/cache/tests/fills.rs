//! Fills: one per path, who may join, and what those who wait are told.

mod support;

use afterimage_cache::{Abandoned, Begun, Cache, Config, Facts, Fenced, Found, Kept, Waiter};
use afterimage_identity::{Fence, Selector, Stamp};
use support::{Body, block_on, facts, lead, original, poll};

const NOW: Stamp = Stamp(0);

fn join(cache: &Cache<Body>, path: &str) -> Option<Waiter<Body>> {
    match cache.begin(path, None, &[], NOW) {
        Begun::Join(waiter) => Some(waiter),
        Begun::Lead(_) => None,
    }
}

#[test]
fn a_thousand_requests_are_one_fill() {
    let cache = Cache::new(Config::default());
    let fill = lead(&cache, "/a");
    let waiters: Vec<_> = (0..1000).map(|_| join(&cache, "/a").unwrap()).collect();
    assert_eq!(cache.usage().fills, 1);
    fill.publish(facts("/a", "a", 1, 0), Body(7), true, NOW).unwrap();
    for waiter in waiters {
        assert_eq!(block_on(waiter.wait()).unwrap().payload, Body(7));
    }
}

#[test]
fn an_answer_that_is_not_kept_reaches_those_who_wait_and_nobody_else() {
    let cache = Cache::new(Config::default());
    let fill = lead(&cache, "/a");
    let waiter = join(&cache, "/a").unwrap();
    let entry = fill.publish(facts("/a", "a", 1, 0), Body(7), false, NOW).unwrap();
    assert_eq!(entry.kept(), Kept::NotAsked);
    assert_eq!(block_on(waiter.wait()).unwrap().payload, Body(7));
    assert!(matches!(cache.look("/a", NOW), Found::Miss { .. }));
    assert!(join(&cache, "/a").is_none(), "a published fill was joined");
}

#[test]
fn whoever_waits_for_a_fill_that_ends_otherwise_is_told() {
    type End = fn(&Cache<Body>, afterimage_cache::Fill<Body>);
    let cases: [(&str, End, Abandoned); 3] = [
        ("dropped", |_, fill| drop(fill), Abandoned::GivenUp),
        ("failed", |_, fill| fill.fail(), Abandoned::GivenUp),
        (
            "fenced",
            |cache, fill| {
                cache.raise(&Selector::Path("/a".into()));
                fill.publish(facts("/a", "a", 1, 0), Body(7), true, NOW).unwrap_err();
            },
            Abandoned::Fenced,
        ),
    ];
    for (name, end, expected) in cases {
        let cache = Cache::new(Config::default());
        let fill = lead(&cache, "/a");
        let waiter = join(&cache, "/a").unwrap();
        end(&cache, fill);
        assert_eq!(block_on(waiter.wait()).unwrap_err(), expected, "{name}");
        assert_eq!(cache.usage().fills, 0, "{name}");
        assert!(join(&cache, "/a").is_none(), "{name}: nobody fetches any more");
    }
}

#[test]
fn only_fills_begun_after_every_fence_that_matters_are_joined() {
    let tag = original("a").tag();
    let cases = [
        (Selector::Path("/a".into()), false),
        (Selector::Prefix("/".into()), false),
        (Selector::All, false),
        (Selector::Original(original("a")), false),
        (Selector::Tag(tag), false),
        (Selector::Path("/b".into()), true),
        (Selector::Original(original("b")), true),
    ];
    for (selector, joins) in cases {
        let cache = Cache::<Body>::new(Config::default());
        let _unknown = lead(&cache, "/a");
        cache.raise(&selector);
        // The newcomer knows the original, the fill did not.
        let begun = cache.begin("/a", Some(&original("a")), &original("a").tags(), NOW);
        assert_eq!(matches!(begun, Begun::Join(_)), joins, "{selector}");
    }
}

#[test]
fn a_fenced_fill_gives_its_place_up_but_not_its_waiters() {
    let cache = Cache::new(Config::default());
    let old = lead(&cache, "/a");
    let waits_for_old = join(&cache, "/a").unwrap();
    cache.raise(&Selector::All);
    let new = lead(&cache, "/a");
    let waits_for_new = join(&cache, "/a").unwrap();
    assert!(old.publish(facts("/a", "a", 1, 0), Body(1), true, NOW).is_err());
    drop(old);
    assert!(join(&cache, "/a").is_some(), "the end of the old fill closed the new one");
    new.publish(facts("/a", "a", 2, 0), Body(2), true, NOW).unwrap();
    assert!(block_on(waits_for_old.wait()).is_err());
    assert_eq!(block_on(waits_for_new.wait()).unwrap().payload, Body(2));
}

#[test]
fn a_fill_publishes_once() {
    let cache = Cache::new(Config::default());
    let fill = lead(&cache, "/a");
    fill.publish(facts("/a", "a", 1, 0), Body(1), true, NOW).unwrap();
    assert_eq!(fill.publish(facts("/a", "a", 1, 0), Body(2), true, NOW).unwrap_err(), Fenced::Spent);
    assert_eq!(cache.usage().fills, 1, "it is under way until it is dropped");
    drop(fill);
    assert_eq!(cache.usage().fills, 0);
}

#[test]
fn waiters_come_and_go_without_a_trace() {
    let cache = Cache::<Body>::new(Config::default());
    let fill = lead(&cache, "/a");
    for _ in 0..1000 {
        let waiter = join(&cache, "/a").unwrap();
        assert!(poll(waiter.wait()).is_none());
    }
    fill.publish(Facts { path: "/a".into(), ..Facts::default() }, Body(1), true, NOW).unwrap();
    assert_eq!(
        std::sync::Arc::strong_count(&match cache.look("/a", NOW) {
            Found::Hit { entry, .. } => entry,
            other => panic!("{other:?}"),
        }),
        5,
        "table, index by slot, index by path, the fill's last word, and this one"
    );
}

#[test]
fn a_fill_of_its_own_is_joined_by_nobody_and_fenced_like_any_other() {
    let cache = Cache::<Body>::new(Config::default());
    let alone = cache.begin_alone("/a", NOW);
    let other = lead(&cache, "/a");
    assert_eq!(cache.usage().fills, 2);
    cache.raise(&Selector::Path("/a".into()));
    assert!(alone.publish(facts("/a", "a", 1, 0), Body(1), true, NOW).is_err());
    drop((alone, other));
    let alone = cache.begin_alone("/a", NOW);
    alone.publish(facts("/a", "a", 1, 0), Body(1), true, NOW).unwrap();
    assert!(matches!(cache.look("/a", NOW), Found::Hit { .. }));
}

#[test]
fn a_closed_fill_sends_those_who_wait_away_and_goes_on() {
    let cache = Cache::<Body>::new(Config::default());
    let fill = lead(&cache, "/a");
    let waiter = join(&cache, "/a").unwrap();
    fill.close();
    assert_eq!(block_on(waiter.wait()).unwrap_err(), Abandoned::GivenUp);
    assert!(join(&cache, "/a").is_none(), "it is joined no more");
    assert_eq!(cache.usage().fills, 1, "it is under way still");
    fill.publish(facts("/a", "a", 1, 0), Body(1), true, NOW).unwrap();
    assert!(matches!(cache.look("/a", NOW), Found::Hit { .. }));
}

#[test]
fn what_is_kept_beside_passes_the_same_test() {
    let cache = Cache::<Body>::new(Config::default());
    let fill = lead(&cache, "/a");
    fill.keep_beside(Facts { path: "/a\nx".into(), ..Facts::default() }, Body(2), NOW).unwrap();
    assert!(matches!(cache.look("/a\nx", NOW), Found::Hit { .. }));
    let waiter = join(&cache, "/a").expect("those who wait still do");
    cache.raise(&Selector::Path("/a".into()));
    assert!(fill.keep_beside(Facts { path: "/a\nx".into(), ..Facts::default() }, Body(2), NOW).is_err());
    drop(fill);
    assert!(block_on(waiter.wait()).is_err());
}
