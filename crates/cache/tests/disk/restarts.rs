//! What outlives a process, what outlives a boot, and what may not.

use afterimage_cache::{Found, MissWhy};
use afterimage_identity::{Fence, Selector, Sequence};

use super::world::{World, bare, original, picture, settle, usage, version};

#[test]
fn a_killed_process_leaves_what_it_wrote_to_the_next() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"first");
    settle(&cache);
    world.put(&cache, bare("/b"), b"never written");
    drop(cache);
    let cache = world.open();
    assert_eq!(world.body(&cache, "/a").as_deref(), Some(&b"first"[..]), "before anything was counted");
    settle(&cache);
    assert_eq!((usage(&cache).entries, usage(&cache).hits), (1, 0));
    assert_eq!(world.body(&cache, "/b"), None);
}

#[test]
fn a_process_that_ends_in_order_leaves_everything() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"first");
    cache.close();
    drop(cache);
    let next_boot = World { boot: "two", ..world };
    let cache = next_boot.open();
    settle(&cache);
    assert_eq!(next_boot.body(&cache, "/a").as_deref(), Some(&b"first"[..]));
}

#[test]
fn after_a_power_failure_it_begins_empty() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"first");
    settle(&cache);
    drop(cache);
    let next_boot = World { boot: "two", ..world.clone() };
    let cache = next_boot.open();
    assert_eq!(next_boot.body(&cache, "/a"), None);
    settle(&cache);
    assert!(world.files.entries().is_empty(), "files of a tier that was given up stay");
    // Nor is it believed because the boot before once ended in order.
    world.put(&cache, bare("/a"), b"second");
    cache.close();
    drop(cache);
    let third_boot = World { boot: "three", ..world };
    let cache = third_boot.open();
    assert_eq!(third_boot.body(&cache, "/a").as_deref(), Some(&b"second"[..]));
    drop(cache);
    let fourth_boot = World { boot: "four", ..third_boot };
    assert_eq!(fourth_boot.body(&fourth_boot.open(), "/a"), None);
}

#[test]
fn an_unknown_boot_is_never_the_same_boot() {
    let world = World::new();
    let nameless = |world: &World| {
        let disk = afterimage_cache::DiskConfig {
            bytes_max: world.bytes_max,
            place: "here".into(),
            meaning: String::new(),
            boot: None,
        };
        let parts = afterimage_cache::DiskParts {
            files: world.files.clone(),
            codec: std::sync::Arc::new(super::world::Plain),
            clock: world.clock.clone(),
        };
        afterimage_cache::Cache::with_disk(world.memory.clone(), disk, parts)
    };
    let cache = nameless(&world);
    world.put(&cache, bare("/a"), b"first");
    settle(&cache);
    drop(cache);
    assert_eq!(world.body(&nameless(&world), "/a"), None);
}

#[test]
fn a_fence_that_was_acknowledged_holds_after_a_crash() {
    for selector in [
        Selector::Original(original("p/a")),
        Selector::Tag(original("p/a").tags()[1].clone()),
        Selector::Path("/p/a/-/w1.png".into()),
        Selector::Prefix("/p/".into()),
        Selector::All,
    ] {
        let world = World::new();
        let cache = world.open();
        world.put(&cache, picture("/p/a/-/w1.png", "p/a", 1, world.now()), b"old");
        world.put(&cache, bare("/other"), b"stays");
        settle(&cache);
        let raised = cache.raise(&selector);
        // Dead before anything was removed.
        drop(cache);
        let cache = world.open();
        assert_eq!(cache.sequence(), raised.sequence, "{selector}");
        let found = world.find(&cache, "/p/a/-/w1.png");
        assert!(matches!(found, Found::Miss { .. }), "{selector}: {found:?}");
        settle(&cache);
        let kept = usize::from(selector != Selector::All);
        assert_eq!(world.files.entries().len(), kept, "{selector}");
        assert_eq!(cache.raise(&Selector::All).sequence, Sequence(raised.sequence.0 + 1));
    }
}

#[test]
fn a_fence_that_was_being_recorded_when_the_process_died_makes_it_empty_or_holds() {
    // With none left it dies before the first byte, and nobody was told of the fence.
    for dies_after in 1..4 {
        let world = World::new();
        let cache = world.open();
        world.put(&cache, bare("/a"), b"old");
        settle(&cache);
        cache.raise(&Selector::Path("/x".into()));
        world.files.faults.lock().unwrap().dies_after = Some(dies_after);
        cache.raise(&Selector::Path("/a".into()));
        drop(cache);
        world.files.set(Default::default());
        assert_eq!(world.body(&world.open(), "/a"), None, "after {dies_after} changes");
    }
}

#[test]
fn a_fence_is_remembered_over_many_others_and_many_restarts() {
    let world =
        World { memory: afterimage_cache::Config { fence_log_max: 8, ..super::world::memory() }, ..World::new() };
    let mut cache = world.open();
    for round in 0..40 {
        world.put(&cache, bare(&format!("/{round}")), b"kept");
        world.put(&cache, bare("/fenced"), b"fenced");
        settle(&cache);
        cache.raise(&Selector::Path("/fenced".into()));
        for other in 0..3 {
            cache.raise(&Selector::Path(format!("/other/{round}/{other}")));
        }
        settle(&cache);
        if round % 3 == 0 {
            drop(cache);
            cache = world.open();
        }
        assert_eq!(world.body(&cache, "/fenced"), None, "round {round}");
        // Files are told that older fences are behind them, so that the log may forget those.
        assert!(world.body(&cache, &format!("/{round}")).is_some(), "round {round} was forgotten");
    }
}

#[test]
fn proofs_do_not_outlive_the_memory_they_were_given_to() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, picture("/a/-/w1.png", "a", 1, world.now()), b"one");
    assert!(matches!(world.find(&cache, "/a/-/w1.png"), Found::Hit { .. }));
    cache.close();
    drop(cache);
    let cache = world.open();
    let found = world.find(&cache, "/a/-/w1.png");
    assert!(matches!(found, Found::Prove { age: None, .. }), "{found:?}");
    assert!(cache.prove(&original("a"), &version(1), world.now(), cache.sequence()));
    assert!(matches!(world.find(&cache, "/a/-/w1.png"), Found::Hit { .. }));
}

#[test]
fn what_was_found_gone_or_changed_leaves_the_disk_too() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, picture("/a/-/w1.png", "a", 1, world.now()), b"one");
    world.put(&cache, picture("/b/-/w1.png", "b", 1, world.now()), b"one");
    settle(&cache);
    cache.disprove(&original("a"));
    assert!(!cache.prove(&original("b"), &version(2), world.now(), cache.sequence()));
    settle(&cache);
    assert!(world.files.entries().is_empty());
    assert!(matches!(world.find(&cache, "/a/-/w1.png"), Found::Miss { why: MissWhy::Absent }));
}

#[test]
fn a_proven_version_shuts_out_another_that_lies_on_disk() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, picture("/a/-/w1.png", "a", 1, world.now()), b"old");
    settle(&cache);
    drop(cache);
    let cache = world.open();
    settle(&cache);
    world.put(&cache, picture("/a/-/w2.png", "a", 2, world.now()), b"new");
    assert!(matches!(world.find(&cache, "/a/-/w1.png"), Found::Miss { .. }));
    settle(&cache);
    assert_eq!(world.files.entries().len(), 1);
}

#[test]
fn other_meaning_or_another_place_begins_empty() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"first");
    cache.close();
    drop(cache);
    let other = World { meaning: "other", ..world.clone() };
    let cache = other.open();
    assert_eq!(other.body(&cache, "/a"), None);
    settle(&cache);
    world.put(&cache, bare("/a"), b"second");
    settle(&cache);
    // Under way, and back at the next start: neither sees what belongs to the other.
    cache.rescope("");
    assert_eq!(world.body(&cache, "/a").as_deref(), Some(&b"second"[..]), "memory is the caller's to fence");
    settle(&cache);
    drop(cache);
    assert_eq!(world.body(&world.open(), "/a"), None);
    assert!(world.files.entries().is_empty());
}

#[test]
fn fences_after_the_end_still_hold_after_a_boot() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"first");
    world.put(&cache, bare("/b"), b"first");
    cache.close();
    cache.raise(&Selector::Path("/a".into()));
    drop(cache);
    let next_boot = World { boot: "two", ..world };
    let cache = next_boot.open();
    assert_eq!(next_boot.body(&cache, "/a"), None);
    assert!(next_boot.body(&cache, "/b").is_some());
}

#[test]
fn what_is_kept_for_a_moment_only_stays_in_memory_and_takes_the_place_of_what_lies_on_disk() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"whole");
    settle(&cache);
    let until = afterimage_identity::Stamp(world.now().0 + 5);
    world.put(&cache, afterimage_cache::Facts { fresh_until: Some(until), ..bare("/a") }, b"passes");
    settle(&cache);
    assert!(world.files.entries().is_empty());
    assert_eq!(world.body(&cache, "/a").as_deref(), Some(&b"passes"[..]));
    // So does one that comes before the first was written.
    world.put(&cache, bare("/b"), b"whole");
    world.put(&cache, afterimage_cache::Facts { fresh_until: Some(until), ..bare("/b") }, b"passes");
    settle(&cache);
    assert!(world.files.entries().is_empty());
}
