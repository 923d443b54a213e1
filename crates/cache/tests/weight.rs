//! What entries are charged is held against what is allocated for them: the ceiling is true, whatever they are like.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use afterimage_cache::{Begun, Cache, Config, Facts};
use afterimage_identity::{CacheTag, Original, OriginalKey, SourceId, Stamp, Version};

/// Counts what is allocated, as allocators round it: to sixteen bytes, and beyond 128 to an eighth of the next power of two.
struct Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);
/// The count is of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

fn rounded(bytes: usize) -> u64 {
    let step = if bytes <= 128 { 16 } else { bytes.next_power_of_two() / 8 };
    bytes.next_multiple_of(step) as u64
}

// SAFETY: it does what `System` does, and adds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(rounded(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(rounded(layout.size()), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Maps that double are at their emptiest just past seven eighths of a power of two.
const ENTRIES: usize = (1 << 17) / 8 * 7 + 300;
const BODY_BYTES: usize = 64;

/// What is charged and what is allocated, an entry.
fn check(what: &str, facts: impl Fn(usize) -> Facts) {
    let _alone = ALONE.lock();
    let before = ALLOCATED.load(Ordering::SeqCst);
    let cache = Cache::new(Config { bytes_max: 1 << 30, ..Config::default() });
    for at in 0..ENTRIES {
        let facts = facts(at);
        let Begun::Lead(fill) = cache.begin(&facts.path, facts.original.as_ref(), &[], Stamp(0)) else {
            panic!("nobody else fills {}", facts.path)
        };
        fill.publish(facts, vec![0_u8; BODY_BYTES], true, Stamp(0)).expect("no fence");
    }
    let (entries, charged) = (cache.usage().entries, cache.usage().bytes / ENTRIES as u64);
    let allocated = (ALLOCATED.load(Ordering::SeqCst) - before) / ENTRIES as u64;
    println!("{what}: {charged} bytes charged, {allocated} allocated");
    assert_eq!(entries, ENTRIES as u64);
    assert!(allocated <= charged, "{what}: {allocated} bytes an entry are allocated, {charged} charged");
    // What entries share is charged to each: who came first cannot be known, and any may stay alone.
    assert!(charged <= 3 * allocated, "{what}: {charged} bytes an entry are charged, {allocated} allocated");
}

fn of(key: &str, path: String) -> Facts {
    let original = Original::new(SourceId::default(), OriginalKey::new(key).expect("a key"));
    Facts {
        path,
        tags: original.tags(),
        original: Some(original),
        version: Version::new(&"5".repeat(40)).ok(),
        proved_at: Some(Stamp(0)),
        fresh_until: None,
    }
}

#[test]
fn a_budget_is_not_exceeded_by_what_is_kept_about_entries() {
    check("an original each", |at| {
        let key = format!("photos/2026/picture-{at:07}.jpg");
        of(&key, format!("/{key}/-/w640.webp"))
    });
    check("an original and a folder each", |at| {
        let key = format!("users/{at:07}/a.jpg");
        of(&key, format!("/{key}/-/w640.webp"))
    });
    check("ten of one original", |at| {
        let key = format!("photos/2026/picture-{:07}.jpg", at / 10);
        of(&key, format!("/{key}/-/w{}.webp", 100 + at % 10))
    });
    check("an answer without a name but its own", |at| Facts { path: format!("/{at}"), ..Facts::default() });
    check("twenty tags that nobody shares", |at| {
        let tag = |tag| CacheTag::parse(&format!("tag-{at}-{tag}")).expect("a tag");
        Facts { path: format!("/{at}"), tags: (0..20).map(tag).collect(), ..Facts::default() }
    });
}
