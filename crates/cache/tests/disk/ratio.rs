//! How often each tier has what is asked for, beside least recently used, where popularity is Zipf's with 0.9 and a tenth
//! of everything has room.

use std::collections::{BTreeMap, HashMap};

use afterimage_cache::{Cache, Config, Found};

use super::world::{World, bare, settle};

const NAMES: usize = 5_000;
const ROOM: usize = NAMES / 10;
const REQUESTS: usize = 100_000;
const EXPONENT: f64 = 0.9;

/// Requests that are the same everywhere: Knuth's MMIX generator through the inverse of the distribution.
fn requests() -> Vec<usize> {
    let mut sums = Vec::with_capacity(NAMES);
    let mut sum = 0.0;
    for rank in 1..=NAMES {
        sum += (rank as f64).powf(-EXPONENT);
        sums.push(sum);
    }
    let mut state = 42_u64;
    (0..REQUESTS)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let roll = (state >> 11) as f64 / (1_u64 << 53) as f64 * sum;
            sums.partition_point(|sum| *sum < roll)
        })
        .collect()
}

/// Hits in percent once it is warm.
fn percent(requests: &[usize], mut is_hit: impl FnMut(usize) -> bool) -> f64 {
    let warm = requests.len() / 5;
    let hits = requests.iter().enumerate().filter(|(at, name)| is_hit(**name) && *at >= warm).count();
    hits as f64 / (requests.len() - warm) as f64 * 100.0
}

fn least_recently_used(requests: &[usize]) -> f64 {
    let (mut clock, mut last, mut order) = (0_u64, HashMap::new(), BTreeMap::new());
    percent(requests, |name| {
        clock += 1;
        let before = last.insert(name, clock);
        if let Some(before) = before {
            order.remove(&before);
        } else if last.len() > ROOM {
            let (_, oldest) = order.pop_first().unwrap();
            last.remove(&oldest);
        }
        order.insert(clock, name);
        before.is_some()
    })
}

fn path(name: usize) -> String {
    format!("/{name:04}")
}

fn is_hit(world: &World, cache: &Cache<Vec<u8>>, name: usize, on_disk: bool) -> bool {
    let path = path(name);
    let is_hit = match cache.look(&path, world.now()) {
        Found::Hit { .. } => true,
        _ => on_disk && cache.recall_now(&path),
    };
    if !is_hit {
        world.put(cache, bare(&path), &[]);
        settle(cache);
    }
    is_hit
}

#[test]
fn both_tiers_have_two_points_more_than_least_recently_used() {
    let requests = requests();
    let reference = least_recently_used(&requests);
    let world = World::new();
    let weight = 512 + path(0).len() as u64;
    let memory = Cache::new(Config { bytes_max: ROOM as u64 * weight, ..Config::default() });
    let in_memory = percent(&requests, |name| is_hit(&world, &memory, name, false));
    assert_eq!(memory.usage().entries, ROOM as u64);

    // Memory for one entry: the disk has to answer.
    let world = World {
        memory: Config { bytes_max: weight, item_bytes_max: weight, ..Config::default() },
        bytes_max: ROOM as u64 * 4096,
        ..World::new()
    };
    let cache = world.open();
    settle(&cache);
    let on_disk = percent(&requests, |name| is_hit(&world, &cache, name, true));
    assert_eq!(world.files.entries().len(), ROOM);
    println!("least recently used {reference:.2} %, memory {in_memory:.2} %, disk {on_disk:.2} %");
    assert!(in_memory >= reference + 2.0, "memory: {in_memory:.2} %, least recently used {reference:.2} %");
    assert!(on_disk >= reference + 2.0, "disk: {on_disk:.2} %, least recently used {reference:.2} %");
}
