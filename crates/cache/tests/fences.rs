//! Fences: what they cover, what they count, how far back they are remembered, and what they cost.

mod support;

use std::time::Instant;

use afterimage_cache::{Admission, Begun, Cache, Config, Facts, Fenced, Found, MissWhy};
use afterimage_identity::{Fence, Selector, Sequence, Stamp};
use support::{Body, block_on, facts, lead, original, poll, put};

const NOW: Stamp = Stamp(0);

fn is_hit(cache: &Cache<Body>, path: &str) -> bool {
    matches!(cache.look(path, NOW), Found::Hit { .. })
}

#[test]
fn each_selector_erases_what_it_names_and_counts_it() {
    let cases = [
        (Selector::Original(original("p/a")), vec!["/p/a/-/w1", "/p/a/-/w2"]),
        (Selector::Tag(original("p/a").tag()), vec!["/p/a/-/w1", "/p/a/-/w2"]),
        (Selector::Tag(original("p/a").tags()[1].clone()), vec!["/p/a/-/w1", "/p/a/-/w2", "/p/a=20b/-/w1"]),
        (Selector::Path("/p/a/-/w2".into()), vec!["/p/a/-/w2"]),
        (Selector::Prefix("/p/a/-/".into()), vec!["/p/a/-/w1", "/p/a/-/w2"]),
        (Selector::Prefix("/p/a".into()), vec!["/p/a/-/w1", "/p/a/-/w2", "/p/a=20b/-/w1"]),
        (Selector::Prefix("/é".into()), vec!["/é/x"]),
        (Selector::All, vec!["/p/a/-/w1", "/p/a/-/w2", "/p/a=20b/-/w1", "/q", "/é/x"]),
        (Selector::Path("/p/a/-/".into()), vec![]),
        (Selector::Original(original("p")), vec![]),
    ];
    for (selector, covered) in cases {
        let cache = Cache::<Body>::new(Config::default());
        let all = [("/p/a/-/w1", "p/a"), ("/p/a/-/w2", "p/a"), ("/p/a=20b/-/w1", "p/a b"), ("/q", "q"), ("/é/x", "é")];
        for (path, key) in all {
            put(&cache, facts(path, key, 1, 0), Body(0));
        }
        let raised = cache.raise(&selector);
        assert_eq!((raised.matched, raised.overlapping), (covered.len() as u64, 0), "{selector}");
        for (path, _) in all {
            assert_eq!(is_hit(&cache, path), !covered.contains(&path), "{selector} and {path}");
        }
        assert_eq!(cache.usage().entries, (all.len() - covered.len()) as u64, "{selector}: fenced bytes stay");
    }
}

#[test]
fn tags_learnt_from_the_response_count() {
    let cache = Cache::<Body>::new(Config::default());
    let fill = lead(&cache, "/x");
    let tag = afterimage_identity::CacheTag::parse("learnt").unwrap();
    cache.raise(&Selector::Tag(tag.clone()));
    let facts = Facts { path: "/x".into(), tags: vec![tag], ..Facts::default() };
    assert!(fill.is_fenced(&facts));
    assert_eq!(fill.publish(facts, Body(0), true, NOW).unwrap_err(), Fenced::Covered);
}

#[test]
fn what_was_registered_counts_even_when_the_facts_say_less() {
    let cache = Cache::<Body>::new(Config::default());
    let Begun::Lead(fill) = cache.begin("/x", Some(&original("a")), &original("a").tags(), NOW) else { panic!() };
    cache.raise(&Selector::Original(original("a")));
    let bare = Facts { path: "/x".into(), ..Facts::default() };
    assert_eq!(fill.publish(bare, Body(0), true, NOW).unwrap_err(), Fenced::Covered);
}

#[test]
fn a_held_entry_is_admitted_until_a_fence_covers_it() {
    let cache = Cache::<Body>::new(Config::default());
    let entry = put(&cache, facts("/a/-/w1", "a", 1, 0), Body(0));
    assert_eq!(cache.admit(&entry), Admission::Admit);
    cache.raise(&Selector::Original(original("b")));
    assert_eq!(cache.admit(&entry), Admission::Admit);
    assert_eq!(entry.checked(), Sequence(1));
    cache.raise(&Selector::Original(original("a")));
    assert_eq!(cache.admit(&entry), Admission::Fenced);
    put(&cache, facts("/a/-/w1", "a", 1, 0), Body(1));
    assert_eq!(cache.admit(&entry), Admission::Fenced, "the same content, fetched again, revived the fenced entry");
    assert!(is_hit(&cache, "/a/-/w1"));
}

#[test]
fn the_log_forgets_exactly_past_its_bound() {
    for (fences, expected) in [(3, true), (4, false)] {
        // No entry in the cache: nothing is swept, only the log speaks.
        let cache = Cache::<Body>::new(Config { fence_log_max: 3, ..Config::default() });
        let fill = lead(&cache, "/a");
        for fence in 0..fences {
            cache.raise(&Selector::Path(format!("/other{fence}")));
        }
        assert_eq!(cache.usage().fences, 3);
        let published = fill.publish(facts("/a", "a", 1, 0), Body(0), true, NOW);
        assert_eq!(published.is_ok(), expected, "after {fences} fences");
        assert!(expected || published.unwrap_err() == Fenced::Forgotten);
    }
}

#[test]
fn the_log_is_bounded_in_bytes_and_keeps_the_newest() {
    let cache = Cache::<Body>::new(Config { fence_log_bytes_max: 1000, ..Config::default() });
    let fill = lead(&cache, "/a");
    cache.raise(&Selector::Path("/x".repeat(2000)));
    assert_eq!(cache.usage().fences, 1);
    assert!(!fill.is_fenced(&facts("/a", "a", 1, 0)), "one selector too long for the log is remembered all the same");
    cache.raise(&Selector::Path("/y".repeat(2000)));
    assert_eq!(cache.usage().fences, 1);
    assert!(fill.is_fenced(&facts("/a", "a", 1, 0)), "the first fence was forgotten, so nobody can tell");
}

#[test]
fn the_same_selector_again_takes_no_room_in_the_log() {
    let cache = Cache::<Body>::new(Config { fence_log_max: 2, ..Config::default() });
    let fill = lead(&cache, "/a");
    for _ in 0..100 {
        cache.raise(&Selector::Prefix("/b".into()));
        cache.raise(&Selector::All);
    }
    assert_eq!(cache.usage().fences, 2);
    let other = lead(&cache, "/c");
    cache.raise(&Selector::Prefix("/b".into()));
    assert!(!other.is_fenced(&facts("/c", "c", 1, 0)), "raised again, the older fence was forgotten needlessly");
    assert!(fill.is_fenced(&facts("/a", "a", 1, 0)));
}

#[test]
fn innocent_entries_outlive_any_number_of_fences() {
    let cache = Cache::<Body>::new(Config { fence_log_max: 50, ..Config::default() });
    for at in 0..500 {
        put(&cache, facts(&format!("/a{at}"), &format!("a{at}"), 1, 0), Body(0));
    }
    for fence in 0..10_000 {
        cache.raise(&Selector::Path(format!("/other{fence}")));
    }
    assert_eq!((cache.usage().entries, cache.usage().fences), (500, 50));
    assert!((0..500).all(|at| is_hit(&cache, &format!("/a{at}"))));
}

#[test]
fn many_prefixes_and_odd_borders_are_told_apart() {
    let cache = Cache::<Body>::new(Config::default());
    let fill = lead(&cache, "/é/a");
    cache.raise(&Selector::Prefix("/è".into()));
    cache.raise(&Selector::Prefix("/é/ab".into()));
    cache.raise(&Selector::Prefix("/é/a/".into()));
    // One byte long: of `/é…` the first two bytes are no text.
    cache.raise(&Selector::Prefix("x".into()));
    cache.raise(&Selector::Prefix("//".into()));
    assert!(!fill.is_fenced(&facts("/é/a", "é/a", 1, 0)));
    drop(fill);
    for prefix in ["", "/", "/é", "/é/a"] {
        let fill = lead(&cache, "/é/a");
        cache.raise(&Selector::Prefix(prefix.into()));
        assert!(fill.is_fenced(&facts("/é/a", "é/a", 1, 0)), "{prefix:?}");
    }
}

#[test]
fn drained_waits_for_those_it_may_cover_and_no_others() {
    let cache = Cache::<Body>::new(Config::default());
    let begin = |path, known: Option<&str>| {
        let original = known.map(original);
        let tags = original.as_ref().map(|original| original.tags()).unwrap_or_default();
        match cache.begin(path, original.as_ref(), &tags, NOW) {
            Begun::Lead(fill) => fill,
            Begun::Join(_) => panic!("joined"),
        }
    };
    let (a, b, unknown) = (begin("/a", Some("a")), begin("/b", Some("b")), begin("/u", None));
    let selector = Selector::Original(original("a"));
    let raised = cache.raise(&selector);
    assert_eq!(raised.overlapping, 2, "a itself, and the one that nobody knows the original of");
    let later = begin("/a", Some("a"));
    let is_drained = |selector: &Selector| poll(cache.drained(raised.sequence, selector)).is_some();
    assert!(!is_drained(&selector));
    assert!(is_drained(&Selector::Path("/nothing".into())));
    assert!(!is_drained(&Selector::Tag(original("z").tag())), "a tag may still be learnt");
    drop(a);
    assert!(!is_drained(&selector));
    unknown.learn(None, &[]);
    assert!(is_drained(&selector), "what is known to have no original is not waited for");
    b.learn(Some(&original("b")), &original("b").tags());
    assert!(is_drained(&Selector::Tag(original("z").tag())));
    drop(later);
}

#[test]
fn drained_is_woken_by_the_last_fill() {
    let cache = Cache::<Body>::new(Config::default());
    let fill = lead(&cache, "/a");
    let raised = cache.raise(&Selector::All);
    let selector = Selector::All;
    let waiting = cache.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(waiting.drained(raised.sequence, &selector));
    });
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(!thread.is_finished());
    drop(fill);
    thread.join().unwrap();
    block_on(cache.drained(raised.sequence, &Selector::All));
}

#[test]
fn a_fence_over_very_many_hides_at_once_and_erases_in_slices() {
    const ENTRIES: u32 = 100_000;
    let cache = Cache::<Body>::new(Config { bytes_max: 1 << 30, ..Config::default() });
    for at in 0..ENTRIES {
        put(&cache, Facts { path: format!("/f/{at}"), ..Facts::default() }, Body(at));
    }
    let began = Instant::now();
    cache.raise(&Selector::Path("/f/7".into()));
    let one = began.elapsed();
    // A walk through all of them takes some 10 ms; two orders of magnitude are left for a busy machine.
    assert!(one.as_millis() < 5, "one entry of {ENTRIES} took {one:?}");
    assert_eq!(cache.raise(&Selector::Prefix("/f/".into())).matched, u64::from(ENTRIES) - 1);
    assert!(cache.usage().entries > 0, "the test is too small to leave anything to the sweep");
    let why = |path: &str| match cache.look(path, NOW) {
        Found::Miss { why } => why,
        other => panic!("{other:?}"),
    };
    assert!((0..ENTRIES).all(|at| matches!(why(&format!("/f/{at}")), MissWhy::Fenced | MissWhy::Absent)));
    while cache.sweep(1000) {}
    assert_eq!((cache.usage().entries, cache.usage().bytes, cache.usage().erased), (0, 0, u64::from(ENTRIES)));
}

#[test]
fn a_path_covers_every_answer_of_its_url_and_no_other() {
    let url = |path: &str, key: &str| Facts { path: format!("{path}{key}"), ..Facts::default() };
    let all =
        [("/a?x", ""), ("/a?x", "\nfoo=1:1;"), ("/a?x", "\nfoo=1:2;"), ("/a", "\nfoo;"), ("/a?xy", ""), ("/a?x!", "")];
    for (selector, covered) in [
        (Selector::Path("/a?x".into()), &[0, 1, 2][..]),
        (Selector::Path("/a".into()), &[3]),
        (Selector::Path("/a?".into()), &[]),
        (Selector::Prefix("/a?x".into()), &[0, 1, 2, 4, 5]),
    ] {
        let cache = Cache::<Body>::new(Config::default());
        for (path, key) in all {
            put(&cache, url(path, key), Body(0));
        }
        // One that is handed out already, and one that is still being fetched.
        let held: Vec<_> = all.iter().map(|(path, key)| put(&cache, url(path, key), Body(0))).collect();
        let fills: Vec<_> = all.iter().map(|(path, key)| lead(&cache, &format!("{path}{key}"))).collect();
        let raised = cache.raise(&selector);
        assert_eq!((raised.matched, raised.overlapping), (covered.len() as u64, covered.len() as u64), "{selector}");
        for (at, ((path, key), fill)) in all.iter().zip(fills).enumerate() {
            let is_covered = covered.contains(&at);
            assert_eq!(is_hit(&cache, &format!("{path}{key}")), !is_covered, "{selector}: {path}{key:?}");
            assert_eq!(cache.admit(&held[at]) == Admission::Fenced, is_covered, "{selector}: {path}{key:?}");
            let published = fill.publish(url(path, key), Body(1), true, NOW);
            assert_eq!(published.is_err(), is_covered, "{selector}: {path}{key:?}");
        }
    }
}

#[test]
fn what_a_selector_would_cover_is_known_beforehand() {
    let cache = Cache::<Body>::new(Config::default());
    put(&cache, Facts { path: "/a\nfoo;".into(), tags: original("a").tags(), ..Facts::default() }, Body(0));
    let fill = lead(&cache, "/b");
    for (selector, known) in [
        (Selector::Path("/a".into()), true),
        (Selector::Path("/b".into()), true),
        (Selector::Path("/c".into()), false),
        (Selector::Prefix("/".into()), true),
        (Selector::Prefix("/c".into()), false),
        // What the fill will carry is not known yet.
        (Selector::Tag(original("c").tag()), true),
    ] {
        assert_eq!(cache.knows(&selector), known, "{selector}");
    }
    drop(fill);
    assert!(!cache.knows(&Selector::Tag(original("c").tag())));
    assert!(cache.knows(&Selector::Tag(original("a").tag())));
}

#[test]
fn erasure_is_waited_for_and_costs_nothing_where_nothing_was_left() {
    const ENTRIES: u32 = 20_000;
    let cache = Cache::<Body>::new(Config { bytes_max: 1 << 30, ..Config::default() });
    for at in 0..ENTRIES {
        put(&cache, Facts { path: format!("/f/{at}"), ..Facts::default() }, Body(at));
    }
    let few = cache.raise(&Selector::Prefix("/f/1999".into()));
    assert_eq!(few.matched, 11);
    // All of it went at once: nothing is walked through.
    block_on(cache.erased(few.sequence));
    let all = cache.raise(&Selector::All);
    assert!(cache.usage().entries > 0, "the test is too small to leave anything to the sweep");
    assert_eq!(poll(cache.erased(all.sequence)), None, "it is not erased yet");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(cache.erased(all.sequence));
    assert_eq!((cache.usage().entries, cache.usage().bytes, cache.usage().erased), (0, 0, u64::from(ENTRIES)));
    block_on(cache.erased(all.sequence));
}
