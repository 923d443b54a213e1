//! Proofs: how they age, who renews, and what an answer does.

mod support;

use std::time::Duration;

use afterimage_cache::{AHEAD_MAX, Admission, Cache, Config, Facts, Found, Kept, MissWhy, ProofBegun, Settled};
use afterimage_identity::{Answer, Fence, Proof, Selector, Stamp, Unprovable};
use support::{Body, block_on, facts, lead, original, put, version};

/// V = 100 ns: a proof of 1000 holds up to 1100 and is renewed after 1050.
fn cache() -> Cache<Body> {
    let cache = Cache::new(Config { window: Duration::from_nanos(100), ..Config::default() });
    put(&cache, facts("/a/-/w1", "a", 1, 1000), Body(1));
    cache
}

fn tell(found: &Found<Body>) -> &'static str {
    match found {
        Found::Hit { renew: false, .. } => "hit",
        Found::Hit { renew: true, .. } => "renew",
        Found::Prove { .. } => "prove",
        Found::Miss { why } => match why {
            MissWhy::Absent => "absent",
            MissWhy::Stale => "stale",
            MissWhy::Fenced => "fenced",
            MissWhy::OtherVersion => "other version",
            MissWhy::Unproven | MissWhy::Bypass => "?",
        },
    }
}

fn look(cache: &Cache<Body>, now: u64) -> &'static str {
    tell(&cache.look("/a/-/w1", Stamp(now)))
}

fn answer(cache: &Cache<Body>, asked_at: u64, answer: Answer) -> Settled {
    match cache.begin_proof(&original("a")) {
        ProofBegun::Lead(fill) => fill.finish(&Proof { asked_at: Stamp(asked_at), answer }),
        ProofBegun::Join(_) => panic!("somebody asks already"),
    }
}

#[test]
fn each_bound_exactly_at_and_just_past() {
    let ahead = AHEAD_MAX.as_nanos() as u64;
    let late = ahead + 5000;
    for (now, expected) in
        [(1000, "hit"), (1050, "hit"), (1051, "renew"), (1100, "renew"), (1101, "prove"), (999, "hit")]
    {
        assert_eq!(look(&cache(), now), expected, "at {now}");
    }
    for (now, expected) in [(late - ahead, "hit"), (late - ahead - 1, "prove")] {
        let cache = cache();
        assert!(cache.prove(&original("a"), &version(1), Stamp(late), cache.sequence()));
        assert_eq!(look(&cache, now), expected, "a stamp {} ns ahead", late - now);
    }
}

#[test]
fn a_stamp_that_was_none_does_not_stand_in_the_way_of_an_honest_one() {
    let cache = cache();
    cache.prove(&original("a"), &version(1), Stamp(u64::MAX), cache.sequence());
    assert_eq!(look(&cache, 1010), "prove");
    assert!(cache.prove(&original("a"), &version(1), Stamp(1020), cache.sequence()));
    assert_eq!((look(&cache, 1070), look(&cache, 1071), look(&cache, 1121)), ("hit", "renew", "prove"));
}

#[test]
fn a_published_stamp_from_the_future_counts_from_now() {
    let cache = Cache::new(Config { window: Duration::from_nanos(100), ..Config::default() });
    lead(&cache, "/a/-/w1").publish(facts("/a/-/w1", "a", 1, 9999), Body(1), true, Stamp(1000)).unwrap();
    assert_eq!((look(&cache, 1050), look(&cache, 1101)), ("hit", "prove"));
}

#[test]
fn freshness_ends_exactly_when_it_says() {
    for (now, expected) in [(29, "hit"), (30, "stale"), (31, "stale")] {
        let cache = Cache::new(Config::default());
        let path = "/a/-/w1".to_owned();
        put(&cache, Facts { path, fresh_until: Some(Stamp(30)), ..Facts::default() }, Body(1));
        assert_eq!(look(&cache, now), expected, "at {now}");
    }
}

#[test]
fn one_hit_renews_until_it_is_answered() {
    let cache = cache();
    assert_eq!((look(&cache, 1060), look(&cache, 1061), look(&cache, 1099)), ("renew", "hit", "hit"));
    assert_eq!(answer(&cache, 1062, Answer::Present(version(1))), Settled::Restamped);
    assert_eq!((look(&cache, 1112), look(&cache, 1113), look(&cache, 1114)), ("hit", "renew", "hit"));
}

#[test]
fn a_renewal_that_fails_or_goes_away_is_handed_out_again() {
    let cache = cache();
    assert_eq!(look(&cache, 1060), "renew");
    assert_eq!(answer(&cache, 1060, Answer::Unprovable(Unprovable::Unreachable)), Settled::Unproven);
    // An eighth of the window later: a source that fails is not asked by every hit.
    assert_eq!((look(&cache, 1072), look(&cache, 1073), look(&cache, 1074)), ("hit", "renew", "hit"));
    let ProofBegun::Lead(fill) = cache.begin_proof(&original("a")) else { panic!() };
    drop(fill);
    assert_eq!((look(&cache, 1075), look(&cache, 1076)), ("renew", "hit"));
}

#[test]
fn unprovable_leaves_the_age_for_the_caller_to_judge() {
    let cache = cache();
    answer(&cache, 1090, Answer::Unprovable(Unprovable::Refused));
    match cache.look("/a/-/w1", Stamp(1300)) {
        Found::Prove { entry, age } => {
            assert_eq!(age, Some(Duration::from_nanos(300)));
            assert_eq!(entry.proof_age(Stamp(1300)), age);
            assert_eq!(cache.admit(&entry), Admission::Admit, "no fence covers it");
            cache.raise(&Selector::Original(original("a")));
            assert_eq!(cache.admit(&entry), Admission::Fenced, "never for what a fence covers");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn gone_or_another_version_erases_all_sizes_and_whoever_holds_one() {
    for found in [Answer::Gone, Answer::Present(version(2))] {
        let cache = cache();
        let other = put(&cache, facts("/a/-/w2", "a", 1, 1000), Body(2));
        put(&cache, facts("/b", "b", 1, 1000), Body(3));
        assert_eq!(answer(&cache, 1010, found.clone()), Settled::Erased, "{found:?}");
        assert_eq!(look(&cache, 1010), "absent");
        assert_eq!(cache.admit(&other), Admission::Fenced);
        assert_eq!(other.proof_age(Stamp(1010)), None);
        assert_eq!((cache.usage().entries, cache.usage().groups), (1, 1));
        assert_eq!(answer(&cache, 1010, found), Settled::Nothing);
    }
}

#[test]
fn an_answer_to_a_question_from_before_a_fence_proves_nothing() {
    let cache = cache();
    let ProofBegun::Lead(fill) = cache.begin_proof(&original("a")) else { panic!() };
    let before = cache.sequence();
    cache.raise(&Selector::Tag(original("a").tag()));
    put(&cache, facts("/a/-/w1", "a", 1, 1000), Body(1));
    assert!(!cache.prove(&original("a"), &version(1), Stamp(1500), before));
    assert_eq!(fill.finish(&Proof { asked_at: Stamp(1500), answer: Answer::Present(version(1)) }), Settled::Fenced);
    assert_eq!(look(&cache, 1500), "prove");
    assert!(cache.prove(&original("a"), &version(1), Stamp(1500), cache.sequence()));
    assert_eq!(look(&cache, 1500), "hit");
}

#[test]
fn a_thousand_wishes_are_one_question_per_original_and_fence() {
    let cache = cache();
    let begin = || cache.begin_proof(&original("a"));
    let ProofBegun::Lead(first) = begin() else { panic!() };
    let waiters: Vec<_> = (0..1000).map(|_| begin()).collect();
    cache.raise(&Selector::Original(original("a")));
    let ProofBegun::Lead(second) = begin() else { panic!("joined a question from before the fence") };
    let ProofBegun::Join(late) = begin() else { panic!() };
    let proof = Proof { asked_at: Stamp(1001), answer: Answer::Gone };
    first.finish(&proof);
    for waiter in waiters {
        let ProofBegun::Join(waiter) = waiter else { panic!("two ask at once") };
        assert_eq!(block_on(waiter.wait()).unwrap(), proof);
    }
    assert_eq!(cache.usage().questions, 1, "the end of the first closed the second");
    drop(second);
    assert!(block_on(late.wait()).is_err());
    assert_eq!(cache.usage().questions, 0);
}

#[test]
fn a_window_of_zero_takes_a_question_per_request() {
    let cache = Cache::new(Config { window: Duration::ZERO, ..Config::default() });
    put(&cache, facts("/a/-/w1", "a", 1, 1000), Body(1));
    let look = |now, arrived| tell(&cache.look_since("/a/-/w1", Stamp(now), Stamp(arrived)));
    assert_eq!(look(1010, 1010), "prove");
    assert!(cache.prove(&original("a"), &version(1), Stamp(1011), cache.sequence()));
    assert_eq!(tell(&cache.look("/a/-/w1", Stamp(1020))), "prove");
    assert_eq!(look(1020, 1010), "hit", "nothing is asked for in advance");
    assert_eq!(look(1020, 1012), "prove", "the question was sent before this request came");
}

#[test]
fn of_two_versions_the_one_asked_for_later_stays() {
    for (second_asked, kept) in [(999, Kept::OtherVersion), (1000, Kept::Yes), (1001, Kept::Yes)] {
        let cache = cache();
        let entry = put(&cache, facts("/a/-/w2", "a", 2, second_asked), Body(2));
        assert_eq!(entry.kept(), kept, "asked at {second_asked}");
        assert_eq!(look(&cache, 1001) == "hit", kept != Kept::Yes);
        assert_eq!(cache.admit(&entry), Admission::Admit);
        assert_eq!(cache.usage().entries, 1);
    }
}

#[test]
fn what_can_neither_be_proven_nor_age_is_not_kept() {
    let cache = Cache::new(Config::default());
    let about = |fresh_until| Facts {
        path: "/gone".into(),
        original: Some(original("gone")),
        tags: original("gone").tags(),
        fresh_until,
        ..Facts::default()
    };
    assert_eq!(put(&cache, about(None), Body(1)).kept(), Kept::Unbounded);
    assert_eq!(put(&cache, about(Some(Stamp(5))), Body(1)).kept(), Kept::Yes);
    assert_eq!(tell(&cache.look("/gone", Stamp(4))), "hit");
    cache.raise(&Selector::Original(original("gone")));
    assert_eq!(tell(&cache.look("/gone", Stamp(4))), "absent", "an answer about absence is fenced like any other");
}

#[test]
fn a_shorter_window_holds_from_the_next_look_on() {
    let cache = cache();
    cache.set_window(Duration::from_nanos(10));
    assert_eq!((look(&cache, 1010), look(&cache, 1011)), ("hit", "prove"));
}

#[test]
fn each_source_has_its_own_window_and_renews_at_half_of_it() {
    let windows = [("m/", 10), ("m/n/", 1000)].map(|(key, window)| (key.to_owned(), Duration::from_nanos(window)));
    let cache =
        Cache::new(Config { window: Duration::from_nanos(100), windows: windows.to_vec(), ..Config::default() });
    for (key, window) in [("a", 100), ("m/a", 10), ("m/n/a", 1000), ("mm/a", 100)] {
        assert_eq!(cache.window_of(&original(key)), Duration::from_nanos(window), "{key}");
        let path = format!("/{key}/-/w1");
        put(&cache, facts(&path, key, 1, 1000), Body(1));
        let look = |now| tell(&cache.look(&path, Stamp(now)));
        let half = window / 2;
        let seen = [1000 + half, 1001 + half, 1001 + half, 1000 + window, 1001 + window].map(look);
        assert_eq!(seen, ["hit", "renew", "hit", "hit", "prove"], "{key}");
        // A proof that is renewed has the same window again.
        assert!(cache.prove(&original(key), &version(1), Stamp(5000), cache.sequence()));
        assert_eq!([5000 + half, 5001 + half, 5001 + window].map(look), ["hit", "renew", "prove"], "{key}");
    }
    cache.set_window(Duration::from_nanos(1));
    assert_eq!(cache.window_of(&original("m/n/a")), Duration::from_nanos(1000), "its own stands");
}
