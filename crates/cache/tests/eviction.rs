//! Space: the budget, what is refused, what leaves first, and that nothing stays behind.

mod support;

use std::collections::HashMap;

use afterimage_cache::{Begun, Cache, Config, Facts, Found, Kept};
use afterimage_identity::{Fence, Selector, Stamp};
use support::{Body, facts, lead, put};

const NOW: Stamp = Stamp(0);

fn bare(path: &str) -> Facts {
    Facts { path: path.to_owned(), ..Facts::default() }
}

fn touch(cache: &Cache<Vec<u8>>, path: &str) -> bool {
    matches!(cache.look(path, NOW), Found::Hit { .. })
}

#[test]
fn an_item_is_refused_exactly_past_the_bound_and_says_so() {
    let cache = Cache::new(Config { bytes_max: 100_000, item_bytes_max: 10_000, ..Config::default() });
    let overhead = put(&cache, bare("/x"), Vec::new()).bytes();
    let at = put(&cache, bare("/a"), vec![0; 10_000 - overhead as usize]);
    assert_eq!((at.kept(), at.bytes()), (Kept::Yes, 10_000));
    let past = put(&cache, bare("/b"), vec![0; 10_001 - overhead as usize]);
    assert_eq!(past.kept(), Kept::TooLarge { bytes: 10_001, max: 10_000 });
    assert!(touch(&cache, "/a") && !touch(&cache, "/b"));
}

#[test]
fn one_item_may_take_the_whole_budget() {
    let cache = Cache::new(Config { bytes_max: 10_000, item_bytes_max: 10_000, ..Config::default() });
    for at in 0..5 {
        put(&cache, bare(&format!("/{at}")), vec![0; 1000]);
    }
    let overhead = 10_000 - 512 - 2;
    assert_eq!(put(&cache, bare("/a"), vec![0; overhead]).kept(), Kept::Yes);
    assert_eq!((cache.usage().entries, cache.usage().bytes, cache.usage().evicted), (1, 10_000, 5));
}

#[test]
fn what_was_hit_stays_and_what_was_not_goes() {
    let cache = Cache::new(Config { bytes_max: 10 * 1600, item_bytes_max: 1600, ..Config::default() });
    for at in 0..10 {
        put(&cache, bare(&format!("/{at}")), vec![0; 1000]);
    }
    assert!(touch(&cache, "/0") && touch(&cache, "/1"));
    for at in 10..18 {
        put(&cache, bare(&format!("/{at}")), vec![0; 1000]);
    }
    assert!(touch(&cache, "/0") && touch(&cache, "/1"));
    assert!((2..9).all(|at| !touch(&cache, &format!("/{at}"))));
}

/// A pseudo-random sequence that is the same everywhere (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Requests with Zipf's popularity over `names`, a share `scan` of which are for names never asked for again.
fn requests(count: usize, names: f64, scan: f64) -> Vec<String> {
    let mut dice = Dice(1);
    (0..count)
        .map(|at| match dice.roll() < scan {
            true => format!("/once{at}"),
            // The inverse of the harmonic numbers, near enough.
            false => format!("/{}", (names + 1.0).powf(dice.roll()) as u64),
        })
        .collect()
}

fn hits_of_least_recently_used(requests: &[String], room: usize) -> usize {
    let (mut clock, mut hits) = (0_u64, 0);
    let mut last = HashMap::<&str, u64>::new();
    let mut order = std::collections::BTreeMap::<u64, &str>::new();
    for path in requests {
        clock += 1;
        match last.insert(path, clock) {
            Some(before) => {
                order.remove(&before);
                hits += 1;
            }
            None if last.len() > room => {
                let (_, oldest) = order.pop_first().unwrap();
                last.remove(oldest);
            }
            None => {}
        }
        order.insert(clock, path);
    }
    hits
}

#[test]
fn hits_are_at_least_those_of_least_recently_used() {
    const ROOM: usize = 500;
    for (names, scan) in [(20_000.0, 0.0), (20_000.0, 0.3), (100_000.0, 0.1), (2_000.0, 0.2)] {
        let requests = requests(100_000, names, scan);
        // All paths weigh the same: the budget is in entries.
        let cache = Cache::new(Config { bytes_max: (ROOM * 700) as u64, ..Config::default() });
        let mut hits = 0;
        for path in &requests {
            if touch(&cache, path) {
                hits += 1;
            } else {
                put(&cache, bare(path), vec![0; 700 - 512 - path.len()]);
            }
        }
        assert_eq!(cache.usage().entries, ROOM as u64);
        let reference = hits_of_least_recently_used(&requests, ROOM);
        assert!(hits >= reference, "{names} names, {scan} scanned: {hits} hits, {reference} of least recently used");
    }
}

#[test]
fn a_million_names_leave_nothing_behind() {
    let cache = Cache::new(Config { bytes_max: 1 << 20, item_bytes_max: 1 << 16, ..Config::default() });
    let rounds: u32 = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1_000_000 } else { 100_000 };
    for at in 0..rounds {
        let (path, key) = (format!("/f{}/{at}", at % 7), format!("f{}/{at}", at % 7));
        let fill = lead(&cache, &path);
        let waiter = match cache.begin(&path, None, &[], NOW) {
            Begun::Join(waiter) => waiter,
            Begun::Lead(_) => panic!("two fill one path"),
        };
        match at % 5 {
            0 => drop(fill),
            1 => drop(fill.publish(facts(&path, &key, 1, 0), Body(at), false, NOW).unwrap()),
            _ => drop(fill.publish(facts(&path, &key, 1, 0), Body(at), true, NOW).unwrap()),
        }
        drop(waiter);
        if at % 11 == 0 {
            cache.raise(&Selector::Path(path));
        }
    }
    let usage = cache.usage();
    assert!(usage.bytes <= 1 << 20);
    assert!(usage.entries <= (1 << 20) / 512 && usage.groups <= usage.entries);
    assert_eq!((usage.fills, usage.questions), (0, 0));
    assert!(usage.fences <= 10_000);
    let folder = facts("/f1/1", "f1/1", 1, 0).tags[1].clone();
    let before = cache.usage().entries;
    assert!(cache.raise(&Selector::Tag(folder)).matched > before / 10, "the index of tags lost its members");
    cache.raise(&Selector::All);
    while cache.sweep(1000) {}
    assert_eq!((cache.usage().entries, cache.usage().bytes, cache.usage().groups), (0, 0, 0));
}

#[test]
fn bounds_that_cannot_be_are_all_named() {
    assert_eq!(Config::default().validate(), Ok(()));
    let bad = Config { bytes_max: 0, item_bytes_max: 1, fence_log_max: 0, shards: 1025, ..Config::default() };
    let keys: Vec<_> = bad.validate().unwrap_err().into_iter().map(|mistake| mistake.key).collect();
    assert_eq!(keys, ["bytes_max", "item_bytes_max", "fence_log_max", "shards"]);
    let edges = Config { bytes_max: 5, item_bytes_max: 5, fence_log_max: 1, shards: 1024, ..Config::default() };
    assert_eq!(edges.validate(), Ok(()));
    let past = Config { item_bytes_max: 6, shards: 0, ..edges };
    assert_eq!(past.validate().unwrap_err().len(), 2);
    assert!(past.validate().unwrap_err()[0].to_string().starts_with("cache.item_bytes_max = 6"));
}
