//! What an invalidation costs over 1,000,000 small entries: `cargo bench -p afterimage-cache --bench fences`.
//!
//! First, once each: the bytes kept about an entry, how long a fence over all of them takes to stand and to count, what the
//! next look says, and how long erasure takes. Then, by criterion: looks before any fence, the first look at an entry after
//! one, and looks afterwards.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use afterimage_cache::{Admission, Begun, Cache, Config, Facts, Found, MissWhy};
use afterimage_identity::{CacheTag, Fence, Original, OriginalKey, Selector, SourceId, Stamp, Version};
use criterion::{Criterion, criterion_group, criterion_main};

const ENTRIES: usize = 1_000_000;
const BODY_BYTES: usize = 64;

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

fn path(at: usize) -> String {
    format!("/photos/2026/picture-{at:07}.jpg/-/w640.webp")
}

fn key(at: usize) -> String {
    format!("photos/2026/picture-{at:07}.jpg")
}

fn put(cache: &Cache<Vec<u8>>, path: String, key: &str) {
    let original = Original::new(SourceId::default(), OriginalKey::new(key).expect("a key"));
    let Begun::Lead(fill) = cache.begin(&path, Some(&original), &[], Stamp(0)) else { return };
    let facts = Facts {
        path,
        tags: original.tags(),
        original: Some(original),
        version: Version::new("1").ok(),
        proved_at: Some(Stamp(0)),
        fresh_until: None,
    };
    fill.publish(facts, vec![0; BODY_BYTES], true, Stamp(0)).expect("no fence");
}

fn full() -> Cache<Vec<u8>> {
    let cache = Cache::new(Config { bytes_max: 4 << 30, ..Config::default() });
    for at in 0..ENTRIES {
        put(&cache, path(at), &key(at));
    }
    assert_eq!(cache.usage().entries, ENTRIES as u64);
    cache
}

fn serve(cache: &Cache<Vec<u8>>, path: &str) -> bool {
    match cache.look(path, Stamp(1)) {
        Found::Hit { entry, .. } => cache.admit(&entry) == Admission::Admit,
        _ => false,
    }
}

/// One fence over everything, step by step.
fn story(what: &str, selector: &Selector) {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let cache = full();
    let each = (ALLOCATED.load(Ordering::Relaxed) - before) / ENTRIES;
    let charged = cache.usage().bytes as usize / ENTRIES;
    let names = path(0).len() + key(0).len();
    println!(
        "{what}: {each} bytes an entry with {BODY_BYTES} of body and {names} of names: {} kept about it, {} charged",
        each - BODY_BYTES - names,
        charged - BODY_BYTES - names
    );
    let began = Instant::now();
    for at in 0..3000 {
        cache.raise(&Selector::Path(format!("/other/{at}")));
    }
    println!("{what}: 3,000 exact paths stand after {:?}", began.elapsed());
    let began = Instant::now();
    let raised = cache.raise(selector);
    println!("{what}: {} entries matched, acknowledged after {:?}", raised.matched, began.elapsed());
    assert_eq!(raised.matched, ENTRIES as u64);
    let last = path(ENTRIES - 1);
    let began = Instant::now();
    let found = cache.look(&last, Stamp(1));
    println!("{what}: the next look misses after {:?}", began.elapsed());
    assert!(matches!(found, Found::Miss { why: MissWhy::Fenced }), "{found:?}");
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    loop {
        let slice = Instant::now();
        let more = cache.sweep(2048);
        longest = longest.max(slice.elapsed());
        if !more {
            break;
        }
    }
    println!("{what}: erased after {:?}, the longest slice {longest:?}", began.elapsed());
    assert_eq!(cache.usage().entries, 0);
}

/// The time of `iterations` looks, each at another entry and the first since a fence.
fn first_looks(cache: &Cache<Vec<u8>>, paths: &[String], iterations: u64, fence: impl Fn(u64) -> Selector) -> Duration {
    const AFTER_EACH: u64 = 1000;
    let (mut total, mut at, mut left, mut round) = (Duration::ZERO, 0, iterations, 0);
    while left > 0 {
        round += 1;
        cache.raise(&fence(round));
        let looks = left.min(AFTER_EACH);
        let began = Instant::now();
        for _ in 0..looks {
            at = (at + 7919) % paths.len();
            assert!(serve(cache, black_box(&paths[at])));
        }
        total += began.elapsed();
        left -= looks;
    }
    total
}

fn fences(criterion: &mut Criterion) {
    story("prefix", &Selector::Prefix("/photos/2026/".into()));
    story("tag", &Selector::Tag(CacheTag::folder(&SourceId::default(), "photos/2026/")));
    let cache = full();
    let paths: Vec<_> = (0..ENTRIES).map(path).collect();
    let mut group = criterion.benchmark_group("1,000,000 entries");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let looks = |group: &mut criterion::BenchmarkGroup<'_, _>, name: &str| {
        let mut at = 0;
        group.bench_function(name, |bench| {
            bench.iter(|| {
                at = (at + 7919) % ENTRIES;
                assert!(serve(&cache, black_box(&paths[at])));
            });
        });
    };
    looks(&mut group, "look and admit, before any fence");
    group.bench_function("first look after a prefix fence", |bench| {
        bench.iter_custom(|iterations| {
            first_looks(&cache, &paths, iterations, |round| Selector::Prefix(format!("/videos/{round}/")))
        });
    });
    group.bench_function("first look after a tag fence", |bench| {
        bench.iter_custom(|iterations| {
            let tag = |round| CacheTag::parse(&format!("t{round}")).expect("a tag");
            first_looks(&cache, &paths, iterations, |round| Selector::Tag(tag(round)))
        });
    });
    // The log as long as it gets, with prefixes of sixty lengths.
    for at in 0..Config::default().fence_log_max as u64 {
        let prefix = format!("/videos/{}{at}", "x".repeat(at as usize % 60));
        cache.raise(&Selector::Prefix(prefix));
    }
    group.bench_function("first look after a prefix fence, with a full log of 60 lengths", |bench| {
        bench.iter_custom(|iterations| {
            let prefix = |round: u64| format!("/videos/{}{round}", "x".repeat(round as usize % 60));
            first_looks(&cache, &paths, iterations, |round| Selector::Prefix(prefix(round)))
        });
    });
    while cache.sweep(4096) {}
    looks(&mut group, "look and admit, after all of them");
    group.finish();
}

criterion_group!(benches, fences);
criterion_main!(benches);
