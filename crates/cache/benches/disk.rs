//! What the tier on disk costs: `cargo bench -p afterimage-cache --bench disk`.
//!
//! First, once: the bytes kept in memory about each of 1,000,000 entries on disk, how long a fence over all of them takes to
//! be acknowledged, what the next look says, and how long erasure takes (without a file system: what is measured is ours).
//! Then, by criterion, on the temporary folder's file system and from its page cache: a hit from disk beside one from memory,
//! a miss in both tiers, and the first look after a fence.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use afterimage_cache::{
    Admission, Begun, Cache, Codec, Config, DiskConfig, DiskParts, Facts, Files, Found, MachineFiles, Moment, Packed,
};
use afterimage_identity::{CacheTag, Fence, ManualClock, Original, OriginalKey, Selector, SourceId, Stamp, Version};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};

const LINES: usize = 1_000_000;

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it does what `System` does, and adds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Plain;

impl Codec<Bytes> for Plain {
    fn pack(&self, payload: &Bytes) -> Option<Packed> {
        Some(Packed { about: String::new(), body: payload.clone() })
    }
    fn unpack(&self, packed: Packed, _: Moment) -> Option<Bytes> {
        Some(packed.body)
    }
}

/// Takes everything and has nothing.
struct Nowhere;

impl Files for Nowhere {
    fn read(&self, _: &str, _: u64) -> io::Result<(Vec<u8>, u64)> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn write(&self, _: &str, _: &[&[u8]], _: bool) -> io::Result<()> {
        Ok(())
    }
    fn append(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

fn open(memory: Config, files: Arc<dyn Files>) -> Cache<Bytes> {
    let disk = DiskConfig { bytes_max: 1 << 50, place: String::new(), meaning: String::new(), boot: None };
    let parts = DiskParts { files, codec: Arc::new(Plain), clock: Arc::new(ManualClock::default()) };
    Cache::with_disk(memory, disk, parts)
}

fn path(at: usize) -> String {
    format!("/photos/2026/picture-{at:07}.jpg/-/w640.webp")
}

fn put(cache: &Cache<Bytes>, at: usize, body: Bytes) {
    let key = OriginalKey::new(&format!("photos/2026/picture-{at:07}.jpg")).expect("a key");
    let original = Original::new(SourceId::default(), key);
    let Begun::Lead(fill) = cache.begin(&path(at), Some(&original), &[], Stamp(0)) else { return };
    let facts = Facts {
        path: path(at),
        tags: original.tags(),
        original: Some(original),
        version: Version::new("1").ok(),
        proved_at: Some(Stamp(0)),
        fresh_until: None,
    };
    fill.publish(facts, body, true, Stamp(0)).expect("no fence");
}

fn many() -> Cache<Bytes> {
    // Nothing worth counting stays in memory.
    let cache = open(Config { bytes_max: 100_000, item_bytes_max: 10_000, ..Config::default() }, Arc::new(Nowhere));
    for at in 0..LINES {
        put(&cache, at, Bytes::new());
        cache.tend();
    }
    while cache.tend() {}
    cache
}

fn story(what: &str, selector: &Selector) {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let cache = many();
    let each = (ALLOCATED.load(Ordering::Relaxed) - before) / LINES;
    println!("{what}: {each} bytes in memory for each entry on disk, {} of them its path", path(0).len());
    let began = Instant::now();
    let raised = cache.raise(selector);
    println!("{what}: {} entries matched, acknowledged after {:?}", raised.matched, began.elapsed());
    assert_eq!(raised.matched, LINES as u64);
    let began = Instant::now();
    let is_there = matches!(cache.look(&path(LINES - 1), Stamp(1)), Found::Hit { .. }) || cache.recall_now(&path(7));
    println!("{what}: the next look misses in both tiers after {:?}", began.elapsed());
    assert!(!is_there);
    let began = Instant::now();
    while cache.tend() {}
    println!("{what}: erased after {:?}, unlinking aside", began.elapsed());
    assert_eq!(cache.usage().disk.expect("a tier").entries, 0);
}

fn is_hit(cache: &Cache<Bytes>, path: &str) -> bool {
    match cache.look(path, Stamp(1)) {
        Found::Hit { entry, .. } => cache.admit(&entry) == Admission::Admit,
        _ => false,
    }
}

/// Two entries of which one has room in memory, so that each asked in turn comes from disk.
fn two(bytes: usize) -> (tempfile::TempDir, Cache<Bytes>) {
    let folder = tempfile::tempdir().expect("a folder");
    let room = bytes as u64 + 4000;
    let memory = Config { bytes_max: room, item_bytes_max: room, window: Duration::from_secs(1), ..Config::default() };
    let cache = open(memory, Arc::new(MachineFiles::open(folder.path()).expect("a folder of its own")));
    for name in ["/0", "/1"] {
        let Begun::Lead(fill) = cache.begin(name, None, &[], Stamp(0)) else { return (folder, cache) };
        let facts = Facts { path: name.into(), ..Facts::default() };
        fill.publish(facts, Bytes::from(vec![7; bytes]), true, Stamp(0)).expect("no fence");
    }
    while cache.tend() {}
    (folder, cache)
}

fn disk(criterion: &mut Criterion) {
    story("prefix", &Selector::Prefix("/photos/2026/".into()));
    story("tag", &Selector::Tag(CacheTag::folder(&SourceId::default(), "photos/2026/")));
    for (name, bytes) in [("10 KB", 10_000), ("100 KB", 100_000)] {
        let (_folder, cache) = two(bytes);
        let mut at = 0;
        criterion.bench_function(&format!("{name}: hit in memory"), |bench| {
            assert!(is_hit(&cache, "/1") || cache.recall_now("/1"));
            bench.iter(|| assert!(is_hit(&cache, black_box("/1"))));
        });
        criterion.bench_function(&format!("{name}: hit on disk, on a thread that may wait"), |bench| {
            bench.iter(|| {
                at ^= 1;
                let path = ["/0", "/1"][at];
                assert!(!is_hit(&cache, path) && cache.recall_now(path) && is_hit(&cache, path));
            });
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        criterion.bench_function(&format!("{name}: hit on disk, from an async task"), |bench| {
            bench.iter(|| {
                at ^= 1;
                let path = ["/0", "/1"][at];
                assert!(!is_hit(&cache, path) && runtime.block_on(cache.recall(path)) && is_hit(&cache, path));
            });
        });
        criterion.bench_function(&format!("{name}: miss in both"), |bench| {
            bench.iter(|| assert!(!is_hit(&cache, black_box("/2")) && !cache.recall_now("/2")));
        });
        let mut round = 0;
        criterion.bench_function(&format!("{name}: fence elsewhere, then the first look on disk"), |bench| {
            bench.iter(|| {
                round += 1;
                at ^= 1;
                let path = ["/0", "/1"][at];
                cache.raise(&Selector::Path(format!("/other/{}", round % 1000)));
                cache.tend();
                assert!(cache.recall_now(path) && is_hit(&cache, path));
            });
        });
    }
}

criterion_group!(benches, disk);
criterion_main!(benches);
