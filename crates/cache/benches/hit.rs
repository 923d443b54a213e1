//! What a hit costs, and what fences cost it: `cargo bench -p afterimage-cache`.

use std::hint::black_box;

use afterimage_cache::{Admission, Begun, Cache, Config, Facts, Found};
use afterimage_identity::{Fence, Original, OriginalKey, Selector, SourceId, Stamp, Version};
use criterion::{Criterion, criterion_group, criterion_main};

const ENTRIES: usize = 100_000;

fn path(at: usize) -> String {
    format!("/photos/2026/summer/picture-{at}.jpg/-/w640.h480.crop.webp")
}

fn full() -> Cache<Vec<u8>> {
    let cache = Cache::new(Config { bytes_max: 1 << 30, ..Config::default() });
    for at in 0..ENTRIES {
        let key = OriginalKey::new(&format!("photos/2026/summer/picture-{at}.jpg")).expect("a key");
        put(&cache, path(at), Original::new(SourceId::default(), key));
    }
    cache
}

fn put(cache: &Cache<Vec<u8>>, path: String, original: Original) {
    let Begun::Lead(fill) = cache.begin(&path, Some(&original), &[], Stamp(0)) else { return };
    let facts = Facts {
        path,
        tags: original.tags(),
        original: Some(original),
        version: Version::new("1").ok(),
        proved_at: Some(Stamp(0)),
        fresh_until: None,
    };
    fill.publish(facts, vec![0; 64], true, Stamp(0)).expect("no fence");
}

fn serve(cache: &Cache<Vec<u8>>, path: &str) -> bool {
    match cache.look(path, Stamp(1)) {
        Found::Hit { entry, .. } => cache.admit(&entry) == Admission::Admit,
        _ => false,
    }
}

fn hits(criterion: &mut Criterion) {
    let cache = full();
    let hot = path(7);
    criterion
        .bench_function("look and admit, one hot path", |bench| bench.iter(|| assert!(serve(&cache, black_box(&hot)))));
    let paths: Vec<_> = (0..ENTRIES).map(path).collect();
    let mut at = 0;
    criterion.bench_function("look and admit, 100,000 paths in turn", |bench| {
        bench.iter(|| {
            at = (at + 7919) % ENTRIES;
            assert!(serve(&cache, &paths[at]));
        });
    });
    criterion.bench_function("look, absent", |bench| bench.iter(|| assert!(!serve(&cache, black_box("/none")))));
    let mut fence = 0;
    criterion.bench_function("raise on another path, then look and admit", |bench| {
        bench.iter(|| {
            fence += 1;
            cache.raise(&Selector::Path(format!("/other/{}", fence % 1000)));
            assert!(serve(&cache, black_box(&hot)));
        });
    });
    let original = Original::new(SourceId::default(), OriginalKey::new("new").expect("a key"));
    criterion.bench_function("begin, publish, evict", |bench| {
        bench.iter(|| {
            fence += 1;
            put(&cache, format!("/new/{fence}"), original.clone());
        });
    });
}

criterion_group!(benches, hits);
criterion_main!(benches);
