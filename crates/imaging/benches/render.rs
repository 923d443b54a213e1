//! What a picture costs, whole and by its parts: `cargo bench -p afterimage-imaging`.
//!
//! The parts are told apart from outside. *Decode* is a picture brought to one pixel: with the resampler's share next to
//! nothing, what is left is header, entropy decoding and inverse transform at the scale that the size allows. *Resize* starts
//! from PNG pixels that decode in next to no time, *encode* from a picture of the size that is asked for.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use afterimage_imaging::{Never, Settings, probe, render, strip};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};
use criterion::{Criterion, criterion_group, criterion_main};

fn sample(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pictures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn variant(query: &str) -> Variant {
    match resolve(&Rules::default(), &format!("/x?{query}"), None, Grant::Open).map(|resolution| resolution.wanted) {
        Ok(Wanted::Variant(variant)) => *variant,
        other => panic!("{query}: {other:?}"),
    }
}

fn made(bytes: &[u8], query: &str) -> Vec<u8> {
    render(bytes, &variant(query), &Settings::default(), &Never).expect("a sample picture renders").bytes
}

fn measure(criterion: &mut Criterion, name: &str, bytes: &[u8], query: &str) {
    let (variant, settings) = (variant(query), Settings::default());
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| render(black_box(bytes), &variant, &settings, &Never).expect("a sample picture renders"));
    });
}

fn decode(criterion: &mut Criterion) {
    for name in ["museum.jpg", "flower.jpg", "flower-progressive.jpg", "paper.png", "park.webp"] {
        measure(criterion, &format!("decode/{name}"), &sample(name), "w=1&h=1&fit=scale&fm=png");
    }
}

fn resize(criterion: &mut Criterion) {
    // A flat picture compresses to next to nothing, so that decoding and encoding hardly count.
    let flat = made(&sample("flower.jpg"), "w=8&h=8&fit=scale&blur=2000&fm=png");
    for (from, to) in [(800, 400), (1600, 400), (1600, 1200)] {
        let source = made(&flat, &format!("w={from}&h={from}&fit=scale&fm=png"));
        measure(criterion, &format!("resize/{from} to {to}"), &source, &format!("w={to}&h={to}&fit=scale&fm=png"));
    }
}

fn encode(criterion: &mut Criterion) {
    let source = made(&sample("flower.jpg"), "w=720&fm=png");
    let formats: &[&str] = if cfg!(feature = "native") {
        &["jpg", "pjpg", "png", "png8", "webp", "gif", "avif"]
    } else {
        &["jpg", "png", "webp"]
    };
    for format in formats {
        measure(criterion, &format!("encode/720 {format}"), &source, &format!("fm={format}&w=720"));
    }
}

fn whole(criterion: &mut Criterion) {
    for (name, query) in [
        ("museum.jpg", "w=400&fm=jpg&q=80"),
        ("museum.jpg", "w=400&fm=jpg&q=auto"),
        ("museum.jpg", "w=400&fm=webp&q=80"),
        ("museum.jpg", "w=400&fm=webp&q=auto"),
        ("flower.jpg", "w=400&fm=jpg&q=80"),
        ("flower-progressive.jpg", "w=400&fm=jpg&q=80"),
        ("paper.png", "w=540&fm=png"),
    ] {
        measure(criterion, &format!("render/{name} {query}"), &sample(name), query);
    }
}

fn without_pixels(criterion: &mut Criterion) {
    let (museum, settings) = (sample("museum.jpg"), Settings::default());
    criterion.bench_function("probe/museum.jpg", |bencher| {
        bencher.iter(|| probe(black_box(&museum), &settings.limits).expect("a picture"));
    });
    criterion.bench_function("strip/museum.jpg", |bencher| {
        bencher.iter(|| strip(black_box(&museum), &settings).expect("a picture"));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = whole, decode, resize, encode, without_pixels
}
criterion_main!(benches);
