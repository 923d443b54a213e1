//! Files that are not what was written are never served: dropped, counted, fetched anew.

use afterimage_cache::DropWhy;
use afterimage_identity::{Fence, Selector};

use super::world::{World, bare, dropped, file_of, settle, usage};

const PATHS: [&str; 3] = ["/a", "/b", "/c"];

/// Three entries on disk, and none in memory.
fn written() -> World {
    let world = World::new();
    let cache = world.open();
    for path in PATHS {
        world.put(&cache, bare(path), format!("the body of {path}").as_bytes());
    }
    settle(&cache);
    assert_eq!(world.files.entries().len(), 3);
    world
}

/// Spoils files, then looks at everything: before counting, and after.
fn check(what: &str, why: DropWhy, spoilt: &[&str], spoil: impl Fn(&World)) {
    for counted_first in [false, true] {
        let world = written();
        // What counts the heads alone must not have to see it; what reads must.
        let cache = world.open();
        if counted_first {
            settle(&cache);
        }
        spoil(&world);
        for path in PATHS {
            let expected = (!spoilt.contains(&path)).then(|| format!("the body of {path}").into_bytes());
            assert_eq!(world.body(&cache, path), expected, "{what}, {path}, {counted_first}");
        }
        settle(&cache);
        assert_eq!(dropped(&cache, why), spoilt.len() as u64, "{what}: {:?}", usage(&cache));
        assert_eq!(world.files.entries().len(), PATHS.len() - spoilt.len(), "{what}: a bad file stays");
        // Fetched anew, it is there again.
        for path in spoilt {
            world.put(&cache, bare(path), b"anew");
        }
        settle(&cache);
        drop(cache);
        let cache = world.open();
        for path in spoilt {
            assert_eq!(world.body(&cache, path).as_deref(), Some(&b"anew"[..]), "{what}");
        }
    }
}

#[test]
fn a_flipped_bit_anywhere() {
    let bits = written().files.files.lock().unwrap()[&file_of("/b")].len() * 8;
    let step = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1 } else { 37 };
    for bit in (0..bits).step_by(step) {
        let world = written();
        let cache = world.open();
        world.files.edit(&file_of("/b"), |file| file[bit / 8] ^= 1 << (bit % 8));
        assert_eq!(world.body(&cache, "/b"), None, "bit {bit}");
    }
    check("a bit of the body", DropWhy::Damaged, &["/b"], |world| {
        world.files.edit(&file_of("/b"), |file| *file.last_mut().unwrap() ^= 1);
    });
}

#[test]
fn a_cut_tail_zeroes_and_a_tail_too_many() {
    check("cut", DropWhy::Damaged, &["/a", "/c"], |world| {
        world.files.edit(&file_of("/a"), |file| file.truncate(file.len() - 1));
        world.files.edit(&file_of("/c"), |file| file.truncate(20));
    });
    check("empty", DropWhy::Damaged, &["/a"], |world| world.files.edit(&file_of("/a"), Vec::clear));
    check("zeroes", DropWhy::Damaged, &["/a", "/b"], |world| {
        world.files.edit(&file_of("/a"), |file| file.fill(0));
        world.files.edit(&file_of("/b"), |file| file.iter_mut().rev().take(4).for_each(|byte| *byte = 0));
    });
    check("longer", DropWhy::Damaged, &["/b"], |world| world.files.edit(&file_of("/b"), |file| file.push(0)));
}

#[test]
fn swapped_files_never_serve_each_other() {
    check("swapped", DropWhy::Misplaced, &["/a", "/b"], |world| {
        let mut files = world.files.files.lock().unwrap();
        let (a, b) = (files[&file_of("/a")].clone(), files[&file_of("/b")].clone());
        files.insert(file_of("/a"), b);
        files.insert(file_of("/b"), a);
    });
}

#[test]
fn a_file_of_another_release_is_a_miss() {
    check("format", DropWhy::OtherFormat, &["/a"], |world| {
        world.files.edit(&file_of("/a"), |file| file[8..12].copy_from_slice(&7_u32.to_le_bytes()));
    });
}

#[test]
fn a_fence_log_that_is_not_what_was_written_makes_it_begin_empty() {
    let length = {
        let world = written();
        let cache = world.open();
        cache.raise(&Selector::Path("/x".into()));
        world.files.files.lock().unwrap()["fences"].len()
    };
    for spoil in 0..length {
        for cut in [false, true] {
            let world = written();
            let cache = world.open();
            let before = world.files.files.lock().unwrap()["fences"].len();
            cache.raise(&Selector::Path("/b".into()));
            drop(cache);
            world.files.edit("fences", |log| match cut {
                true => log.truncate(log.len() - 1 - spoil.min(log.len() - 1)),
                false => {
                    let at = spoil % log.len();
                    log[at] ^= 4;
                }
            });
            // Cut exactly between two fences, it is as if the last had never been raised; nobody can tell.
            if world.files.files.lock().unwrap()["fences"].len() == before {
                continue;
            }
            let cache = world.open();
            assert_eq!(world.body(&cache, "/b"), None, "byte {spoil}, {cut}");
            if !cut {
                assert_eq!(world.body(&cache, "/a"), None, "byte {spoil}");
                settle(&cache);
                assert!(world.files.entries().is_empty());
            }
        }
    }
}

#[test]
fn a_log_of_another_release_or_none_makes_it_begin_empty() {
    for gone in [false, true] {
        let world = written();
        match gone {
            true => drop(world.files.files.lock().unwrap().remove("fences")),
            false => world.files.edit("fences", |log| log[7] = b'X'),
        }
        let cache = world.open();
        assert_eq!(world.body(&cache, "/a"), None);
        settle(&cache);
        assert!(world.files.entries().is_empty());
        world.put(&cache, bare("/a"), b"anew");
        settle(&cache);
        assert_eq!(world.body(&world.open(), "/a").as_deref(), Some(&b"anew"[..]));
    }
}

#[test]
fn an_entry_from_the_future_tells_that_the_log_is_an_older_one() {
    let world = written();
    let older = world.files.files.lock().unwrap()["fences"].clone();
    let cache = world.open();
    cache.raise(&Selector::Path("/x".into()));
    world.put(&cache, bare("/new"), b"new");
    settle(&cache);
    drop(cache);
    world.files.files.lock().unwrap().insert("fences".into(), older);
    let cache = world.open();
    // Another fence takes the number that the entry was written under.
    cache.raise(&Selector::Path("/new".into()));
    assert_eq!(world.body(&cache, "/new"), None);
    settle(&cache);
    assert_eq!((dropped(&cache, DropWhy::OtherTier), world.files.entries().len()), (1, 3));
}

#[test]
fn other_files_in_its_folders_are_left_alone() {
    let world = written();
    for name in ["aa/picture.jpg", "zz/0", "readme"] {
        world.files.files.lock().unwrap().insert(name.into(), b"somebody's".to_vec());
    }
    settle(&world.open());
    let files = world.files.files.lock().unwrap();
    assert!(["aa/picture.jpg", "zz/0", "readme"].iter().all(|name| files.contains_key(*name)));
}
