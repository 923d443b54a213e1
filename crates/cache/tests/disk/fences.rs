//! Fences and the tier: counted, obeyed, and erased; and the race with a slow fill.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use afterimage_cache::{Admission, Begun, Cache, Found};
use afterimage_identity::{Fence, Selector};

use super::world::{World, bare, original, picture, settle, usage};

fn is_ready(future: impl Future<Output = ()>) -> bool {
    matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
}

#[test]
fn a_fence_counts_what_is_on_disk_once() {
    let world = World::new();
    let cache = world.open();
    for at in 0..10 {
        world.put(&cache, picture(&format!("/p/a/-/w{at}.png"), "p/a", 1, world.now()), b"x");
    }
    settle(&cache);
    drop(cache);
    let cache = world.open();
    settle(&cache);
    for at in 0..4 {
        assert!(cache.recall_now(&format!("/p/a/-/w{at}.png")));
    }
    assert!(cache.knows(&Selector::Path("/p/a/-/w9.png".into())) && !cache.knows(&Selector::Path("/p".into())));
    assert_eq!(cache.raise(&Selector::Path("/p/a/-/w9.png".into())).matched, 1);
    assert_eq!(cache.raise(&Selector::Original(original("p/a"))).matched, 10, "hidden, not yet removed");
    settle(&cache);
    assert_eq!(cache.raise(&Selector::All).matched, 0);
    assert_eq!((usage(&cache).entries, world.files.entries().len()), (0, 0));
}

#[test]
fn erased_says_so_only_when_the_disk_is_clean_too() {
    let world = World::new();
    let cache = world.open();
    for at in 0..1000 {
        world.put(&cache, bare(&format!("/{at}")), b"x");
    }
    settle(&cache);
    drop(cache);
    let cache = world.open();
    let raised = cache.raise(&Selector::Prefix("/".into()));
    let mut erased = pin!(cache.erased(raised.sequence));
    let mut context = Context::from_waker(Waker::noop());
    // While not all is counted, nobody can say so.
    let mut turns = 0;
    loop {
        let is_done = erased.as_mut().poll(&mut context).is_ready();
        assert_eq!(is_done, world.files.entries().is_empty(), "after {turns} turns");
        if is_done {
            break;
        }
        cache.tend();
        turns += 1;
    }
    assert!(turns > 3);
    assert!(usage(&cache).counted);
    // What is counted and clean already is so at once, but for the question itself.
    let again = cache.raise(&Selector::Path("/none".into()));
    let mut erased = pin!(cache.erased(again.sequence));
    assert!(erased.as_mut().poll(&mut context).is_pending());
    settle(&cache);
    assert!(erased.as_mut().poll(&mut context).is_ready());
    cache.close();
    assert!(is_ready(cache.erased(again.sequence)), "nobody is left to write");
}

#[test]
fn what_waits_to_be_written_is_fenced_there() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, picture("/p/a/-/w1.png", "p/a", 1, world.now()), b"old");
    cache.raise(&Selector::Original(original("p/a")));
    settle(&cache);
    assert_eq!((usage(&cache).writes, world.files.entries().len()), (0, 0));
}

#[test]
fn a_fill_that_a_fence_overtook_never_gets_to_disk() {
    let world = World::new();
    let cache = world.open();
    let Begun::Lead(fill) = cache.begin("/a", None, &[], world.now()) else { panic!("nobody else") };
    cache.raise(&Selector::Path("/a".into()));
    assert!(fill.publish(bare("/a"), b"old".to_vec(), true, world.now()).is_err());
    drop(fill);
    settle(&cache);
    assert!(world.files.entries().is_empty());
}

/// Fills read the source, take their time, and publish, while it is overwritten and fenced; everything is evicted at once,
/// so that reads come from disk. Nothing from before a fence that was acknowledged is admitted, nor left behind, nor found
/// by the next process.
#[test]
fn deletions_during_slow_fills_leave_nothing_old_in_memory_or_on_disk() {
    let rounds: u64 = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1000 } else { 100 };
    // Room for one entry in memory.
    let config = afterimage_cache::Config { bytes_max: 700, item_bytes_max: 700, ..super::world::memory() };
    let world = Arc::new(World { memory: config, ..World::new() });
    let cache = world.open();
    cache.attend().unwrap();
    let (truth, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let done = Arc::new(AtomicU64::new(0));
    let seen_from_disk = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4_usize)
        .map(|client| {
            let (world, cache, truth) = (world.clone(), cache.clone(), truth.clone());
            let (acknowledged, done, seen) = (acknowledged.clone(), done.clone(), seen_from_disk.clone());
            std::thread::spawn(move || {
                let mut at = client;
                while done.load(Ordering::SeqCst) == 0 {
                    at += 1;
                    let path = format!("/p/{}", at % 3);
                    ask(&world, &cache, &path, &truth, &acknowledged, &seen);
                }
            })
        })
        .collect();
    for round in 1..=rounds {
        truth.store(round, Ordering::SeqCst);
        let selector = match round % 3 {
            0 => Selector::All,
            1 => Selector::Prefix("/p/".into()),
            _ => Selector::Tag(afterimage_identity::CacheTag::parse("all").unwrap()),
        };
        cache.raise(&selector);
        acknowledged.store(round, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_micros(500));
    }
    done.store(1, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().unwrap());
    cache.close();
    assert!(seen_from_disk.load(Ordering::SeqCst) > 0, "nothing was ever read from disk");
    drop(cache);
    let cache = world.open();
    for at in 0..3 {
        if let Some(body) = world.body(&cache, &format!("/p/{at}")) {
            assert_eq!(body, rounds.to_le_bytes(), "the next process serves what was fenced");
        }
    }
}

fn ask(
    world: &World,
    cache: &Cache<Vec<u8>>,
    path: &str,
    truth: &AtomicU64,
    acknowledged: &AtomicU64,
    seen: &AtomicU64,
) {
    let serve = |entry: &afterimage_cache::Entry<Vec<u8>>| {
        let oldest = acknowledged.load(Ordering::SeqCst);
        if cache.admit(entry) == Admission::Admit {
            let body = u64::from_le_bytes(entry.payload.as_slice().try_into().unwrap());
            assert!(body >= oldest, "{path}: {body} was admitted after {oldest} was acknowledged");
        }
    };
    let mut found = cache.look(path, world.now());
    if matches!(found, Found::Miss { .. }) && cache.recall_now(path) {
        found = cache.look(path, world.now());
        seen.fetch_add(1, Ordering::SeqCst);
    }
    match found {
        Found::Hit { entry, .. } | Found::Prove { entry, .. } => serve(&entry),
        Found::Miss { .. } => {
            let Begun::Lead(fill) = cache.begin(path, None, &[], world.now()) else { return };
            let body = truth.load(Ordering::SeqCst).to_le_bytes().to_vec();
            std::thread::sleep(std::time::Duration::from_micros(200));
            let facts = afterimage_cache::Facts {
                tags: afterimage_identity::CacheTag::parse("all").into_iter().collect(),
                ..bare(path)
            };
            if let Ok(entry) = fill.publish(facts, body, true, world.now()) {
                serve(&entry);
            }
        }
    }
}
