//! Bytes from an enemy: whatever comes in, what comes out is a whole picture or an error. Short by default; with
//! `AFTERIMAGE_LONG=1` a hundred thousand mutations.

use std::panic::{AssertUnwindSafe, catch_unwind};

use afterimage_imaging::{Error, Limits, Never, Settings, predicted_bytes, probe, render, sniff, strip};

use crate::support::{SAMPLES, is_long, rendered, sample, variant};

/// Small samples of every kind, so that mutations reach what matters and renders take milliseconds.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, query) in [
        ("landscape.jpg", "w=48&fm=jpg"),
        ("landscape.jpg", "w=48&fm=pjpg"),
        ("flower-gray.jpg", "w=48&fm=jpg"),
        ("landscape.jpg", "w=48&fm=png"),
        ("paper.png", "w=48&fm=png"),
        ("landscape.jpg", "w=48&fm=webp"),
        ("rose.webp", "w=48&fm=webp"),
        ("earth.gif", "w=24&fm=webp"),
        ("earth.gif", "w=24&fm=gif"),
        ("rose.webp", "w=48&fm=gif"),
        #[cfg(feature = "native")]
        ("rose.webp", "w=48&fm=avif"),
    ] {
        let settings = Settings { keep_copyright: true, ..Settings::default() };
        let seed = render(&sample(name), &variant(query), &settings, &Never).expect("renders").bytes;
        seeds.push((format!("{name}?{query}"), seed));
    }
    seeds
}

/// SplitMix64: small, seeded, the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    // Headers are where sizes and lengths are: half of all damage goes there.
    let reach = |chance: &mut Chance, length: usize| {
        if chance.below(2) == 0 { chance.below(length.min(64)) } else { chance.below(length) }
    };
    for _ in 0..=chance.below(4) {
        let at = reach(chance, bytes.len());
        match chance.below(6) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = chance.next() as u8,
            2 => bytes[at] = [0, 0xff, 0x7f, 0x80][chance.below(4)],
            3 => bytes.truncate(at.max(1)),
            4 => {
                let end = (at + chance.below(64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                let end = (at + chance.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

fn try_everything(bytes: &[u8], name: &str) {
    let limits = Limits { pixels_max: 4_000_000, output_pixels_max: 1_000_000, frames_max: 100, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    sniff(bytes);
    for query in ["w=32&fm=png", "trim=auto&w=20&h=20&fit=crop&crop=entropy&fm=webp"] {
        let variant = variant(query);
        if let Ok(probe) = probe(bytes, &settings.limits) {
            predicted_bytes(&probe, &variant, &Settings::default());
        }
        match render(bytes, &variant, &settings, &Never) {
            Ok(picture) => assert!(sniff(&picture.bytes).is_some(), "{name}: {query} is no picture"),
            // Our own side must not fail for what the input says.
            Err(Error::Encode { why }) => panic!("{name}: {query}: {why}"),
            Err(_) => {}
        }
    }
    if let Ok(clean) = strip(bytes, &settings) {
        assert!(sniff(&clean.bytes).is_some(), "{name}: sanitised to something else");
    }
}

#[test]
fn no_mutation_panics() {
    let seed = std::env::var("AFTERIMAGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_123);
    println!("AFTERIMAGE_SEED={seed}");
    let mut chance = Chance(seed);
    let seeds = seeds();
    let rounds = if is_long() { 100_000 } else { 1_500 };
    for round in 0..rounds {
        let (name, bytes) = &seeds[round % seeds.len()];
        let mut bytes = bytes.clone();
        mutate(&mut bytes, &mut chance);
        if catch_unwind(AssertUnwindSafe(|| try_everything(&bytes, name))).is_err() {
            let path = std::env::temp_dir().join(format!("afterimage-mutation-{round}"));
            std::fs::write(&path, &bytes).expect("writes the case down");
            panic!("round {round} of {name} panicked; the bytes are in {}", path.display());
        }
    }
}

/// The same on whole samples, where decoders run their longest paths; few rounds, because each takes tens of milliseconds.
#[test]
fn no_mutated_sample_panics() {
    let mut chance = Chance(7);
    let rounds = if is_long() { 200 } else { 2 };
    for name in SAMPLES {
        let bytes = sample(name);
        for round in 0..rounds {
            let mut bytes = bytes.clone();
            mutate(&mut bytes, &mut chance);
            let settings = Settings::default();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                render(&bytes, &variant("w=32&fm=png"), &settings, &Never).map(|_| ())
            }));
            assert!(outcome.is_ok(), "{name} round {round} panicked");
        }
    }
}

/// A file that ends early is an error at whatever byte it ends: half a picture never leaves.
#[test]
fn every_truncation_is_an_error() {
    for (name, bytes) in seeds() {
        // AVIF has no end of its own: its boxes and the AV1 stream say how long they are.
        for end in (0..bytes.len()).step_by(if is_long() { 1 } else { 7 }) {
            assert!(rendered(&bytes[..end], "w=16&fm=png").is_err(), "{name} cut at {end} of {}", bytes.len());
        }
    }
    for name in SAMPLES {
        let bytes = sample(name);
        for part in [1, 10, 50, 90, 99] {
            let end = bytes.len() * part / 100;
            assert!(rendered(&bytes[..end], "w=16&fm=png").is_err(), "{name} cut at {part} %");
        }
        assert!(rendered(&bytes[..bytes.len() - 1], "w=16&fm=png").is_err(), "{name} without its last byte");
    }
}

/// Damage in the middle of a JPEG's data: libjpeg-turbo alone would warn and fill the rest with gray.
#[test]
fn damaged_entropy_data_is_never_gray() {
    for name in ["landscape.jpg", "flower-progressive.jpg"] {
        let bytes = sample(name);
        let middle = bytes.len() / 2;
        let mut zeroed = bytes.clone();
        zeroed[middle..middle + 4_000].fill(0xff);
        assert!(rendered(&zeroed, "w=64&fm=png").is_err(), "{name} with a hole");
        let short = [&bytes[..middle], &[0xff, 0xd9]].concat();
        assert!(rendered(&short, "w=64&fm=png").is_err(), "{name} ended early and closed");
    }
}

#[test]
fn what_is_no_picture_is_told_apart() {
    for bytes in [b"".as_slice(), b"\0", b"hello", b"<html>", b"%PDF-1.7", b"BM\0\0\0\0"] {
        assert_eq!(rendered(bytes, "w=8").err(), Some(Error::NotAnImage));
    }
    assert!(matches!(rendered(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "w=8"), Err(Error::NotAllowed(_))));
}
