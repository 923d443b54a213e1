//! A disk that is full or fails: answers do not need it, nothing half-written is seen, and it recovers.

use std::io::ErrorKind;

use afterimage_cache::DropWhy;
use afterimage_identity::{Fence, Selector};

use super::world::{Faults, World, bare, dropped, settle, usage};

const BODY: [u8; 10_000] = [7; 10_000];

#[test]
fn the_budget_is_kept_exactly_and_room_is_made() {
    // Two blocks an entry and one for each that is small.
    let world = World { bytes_max: 10 * 4096, ..World::new() };
    let cache = world.open();
    for at in 0..50 {
        world.put(&cache, bare(&format!("/{at}")), &BODY[..if at % 2 == 0 { 5000 } else { 100 }]);
        settle(&cache);
        assert!(usage(&cache).bytes <= 10 * 4096);
        assert_eq!(usage(&cache).entries, world.files.entries().len() as u64);
    }
    assert!(usage(&cache).evicted >= 40);
    // One that takes all of it does, one block more is refused.
    let head = world.files.files.lock().unwrap()[&super::world::file_of("/49")].len() - 100;
    world.put(&cache, bare("/5"), &vec![1; 10 * 4096 - head + 1]);
    world.put(&cache, bare("/6"), &vec![1; 10 * 4096 - head + 2]);
    settle(&cache);
    assert_eq!(dropped(&cache, DropWhy::TooLarge), 1);
    assert!(usage(&cache).bytes <= 10 * 4096);
}

#[test]
fn a_tier_that_became_smaller_is_evicted_down_at_the_start() {
    let world = World::new();
    let cache = world.open();
    for at in 0..50 {
        world.put(&cache, bare(&format!("/{at}")), b"small");
    }
    settle(&cache);
    drop(cache);
    let smaller = World { bytes_max: 7 * 4096, ..world };
    let cache = smaller.open();
    settle(&cache);
    assert_eq!((usage(&cache).entries, smaller.files.entries().len()), (7, 7));
}

#[test]
fn a_full_disk_evicts_and_goes_on() {
    let world = World::new();
    let cache = world.open();
    world.files.set(Faults { bytes_max: Some(200_000), ..Faults::default() });
    for at in 0..200 {
        world.put(&cache, bare(&format!("/{at}")), &BODY);
        settle(&cache);
        assert_eq!(world.body(&cache, &format!("/{at}")).unwrap(), BODY, "memory has it");
        assert_eq!(usage(&cache).entries, world.files.entries().len() as u64, "a partial file is there");
    }
    assert!(usage(&cache).evicted > 0);
    assert!(usage(&cache).writes > 150, "it did not recover: {:?}", usage(&cache));
    drop(cache);
    let cache = world.open();
    settle(&cache);
    let left = (0..200).filter(|at| world.body(&cache, &format!("/{at}")).is_some_and(|body| body == BODY)).count();
    assert_eq!(left as u64, usage(&cache).entries);
    assert!(left > 0);
}

#[test]
fn a_disk_with_no_room_at_all_or_that_fails_costs_no_answer() {
    for (kind, why) in [(ErrorKind::StorageFull, DropWhy::Full), (ErrorKind::Other, DropWhy::Failed)] {
        let world = World::new();
        let cache = world.open();
        // The log can be written, entries cannot.
        for folder in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"] {
            world.files.set(Faults { error: Some(kind), only: folder, ..Faults::default() });
            world.put(&cache, bare(&format!("/{folder}")), &BODY);
            settle(&cache);
            assert_eq!(world.body(&cache, &format!("/{folder}")).unwrap(), BODY);
        }
        let refused = dropped(&cache, why);
        world.files.set(Faults { error: Some(kind), only: "", ..Faults::default() });
        world.put(&cache, bare("/last"), &BODY);
        settle(&cache);
        assert_eq!(dropped(&cache, why), refused + 1);
        assert_eq!(world.body(&cache, "/last").unwrap(), BODY);
        world.files.set(Faults::default());
        world.put(&cache, bare("/last"), &BODY);
        settle(&cache);
        assert_eq!(world.body(&world.open(), "/last").unwrap(), BODY, "it did not recover");
    }
}

#[test]
fn what_could_not_be_replaced_is_not_served_any_more() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"old");
    settle(&cache);
    world.files.set(Faults { bytes_max: Some(1), ..Faults::default() });
    world.put(&cache, bare("/a"), b"new");
    settle(&cache);
    world.files.set(Faults::default());
    drop(cache);
    assert_eq!(world.body(&world.open(), "/a"), None);
}

#[test]
fn a_fence_that_cannot_be_recorded_gives_the_tier_up_until_it_can() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"old");
    world.put(&cache, bare("/b"), b"old");
    settle(&cache);
    world.files.set(Faults { bytes_max: Some(1), ..Faults::default() });
    cache.raise(&Selector::Path("/a".into()));
    // Dead at once: nothing says any more what may be used.
    drop(cache);
    world.files.set(Faults::default());
    let cache = world.open();
    assert_eq!((world.body(&cache, "/a"), world.body(&cache, "/b")), (None, None));

    world.put(&cache, bare("/b"), b"old");
    settle(&cache);
    world.files.set(Faults { bytes_max: Some(1), ..Faults::default() });
    cache.raise(&Selector::Path("/a".into()));
    settle(&cache);
    assert!(!usage(&cache).on);
    assert_eq!(world.body(&cache, "/b").as_deref(), Some(&b"old"[..]), "memory has it");
    world.files.set(Faults::default());
    for at in 0..65 {
        world.put(&cache, bare(&format!("/{at}")), b"goes on");
    }
    settle(&cache);
    assert!(usage(&cache).on, "it did not recover");
    world.put(&cache, bare("/c"), b"new");
    settle(&cache);
    drop(cache);
    let cache = world.open();
    assert_eq!(world.body(&cache, "/c").as_deref(), Some(&b"new"[..]));
    assert_eq!(world.body(&cache, "/b"), None);
}

#[test]
fn a_fence_finds_room_for_itself() {
    let world = World::new();
    let cache = world.open();
    for at in 0..20 {
        world.put(&cache, bare(&format!("/{at}")), &BODY);
    }
    settle(&cache);
    let taken: usize = world.files.files.lock().unwrap().values().map(Vec::len).sum();
    world.files.set(Faults { bytes_max: Some(taken), ..Faults::default() });
    cache.raise(&Selector::Path("/0".into()));
    assert!(usage(&cache).on && usage(&cache).evicted > 0);
    drop(cache);
    world.files.set(Faults::default());
    assert_eq!(world.body(&world.open(), "/0"), None);
}

#[test]
fn a_start_on_a_full_disk_serves_from_memory() {
    let world = World::new();
    world.files.set(Faults { error: Some(ErrorKind::StorageFull), ..Faults::default() });
    let cache = world.open();
    assert!(!usage(&cache).on);
    world.put(&cache, bare("/a"), b"a");
    settle(&cache);
    assert_eq!(world.body(&cache, "/a").as_deref(), Some(&b"a"[..]));
    assert_eq!(dropped(&cache, DropWhy::Off), 1);
}

#[test]
fn a_disk_that_hangs_fills_no_memory_and_begins_empty_when_it_comes_back() {
    let world = World::new();
    let cache = world.open();
    world.put(&cache, bare("/a"), b"old");
    settle(&cache);
    // Nobody does any work: 32 MiB wait, then nothing more, and at last not even removals.
    for at in 0..40 {
        world.put(&cache, bare(&format!("/large/{at}")), &vec![0; 1 << 20]);
    }
    assert_eq!(dropped(&cache, DropWhy::Busy), 40 - 31);
    for at in 0..(3 << 16) {
        cache.raise(&Selector::Path(format!("/{}", at % 7)));
    }
    assert!(!cache.recall_now("/a"));
    world.put(&cache, bare("/b"), b"new");
    settle(&cache);
    assert!(world.files.entries().is_empty(), "it is not known what of it is current");
    world.put(&cache, bare("/b"), b"new");
    settle(&cache);
    assert_eq!(world.body(&world.open(), "/b").as_deref(), Some(&b"new"[..]));
    assert!(usage(&cache).on && usage(&cache).counted);
}
