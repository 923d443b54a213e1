//! Damaged files: whatever the bytes, the decoder ends, with whole planes or with an error, and never panics. Short by default; with
//! `AFTERIMAGE_LONG=1` a million mutations from one seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::{Frame, Sink, decode};
use crate::jpeg::header;
use crate::{Error, Limits, Never};

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

/// Files of every sampling that the encoder knows, 4:1:0 and its like among them, in every way of coding.
fn seeds(width: u16, height: u16, quality: u8) -> Vec<Vec<u8>> {
    use SamplingFactor as F;
    let mut chance = Chance(u64::from(width));
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3)
        .map(|at| ((at / 3 % usize::from(width) * 5 + at / 90) as u8).wrapping_add(chance.below(40) as u8))
        .collect();
    let mut seeds = Vec::new();
    for sampling in [F::F_1_1, F::F_2_1, F::F_1_2, F::F_2_2, F::F_4_1, F::F_4_2, F::F_1_4, F::F_2_4] {
        for (progressive, optimised, restarts) in
            // The encoder cannot have both tables of its own and restarts.
            [(false, false, 0), (false, true, 0), (false, false, 2), (true, false, 0), (true, true, 0)]
        {
            for kind in [ColorType::Rgb, ColorType::Luma] {
                let mut file = Vec::new();
                let mut encoder = Encoder::new(&mut file, quality);
                encoder.set_sampling_factor(sampling);
                encoder.set_progressive(progressive);
                encoder.set_optimized_huffman_tables(optimised);
                if restarts > 0 {
                    encoder.set_restart_interval(restarts);
                }
                let bytes = usize::from(width) * usize::from(height) * if kind == ColorType::Luma { 1 } else { 3 };
                encoder.encode(&pixels[..bytes], width, height, kind).expect("encodes");
                seeds.push(file);
            }
        }
    }
    seeds
}

struct Rows(Vec<usize>);

impl Sink for Rows {
    fn rows(&mut self, component: usize, rows: &[u8], stride: usize) -> Result<(), Error> {
        self.0[component] += rows.len() / stride;
        Ok(())
    }
}

/// Whether the file decodes; then every row of every plane must have come.
fn decodes(bytes: &[u8], eighths: [u32; 3]) -> Option<bool> {
    let limits = Limits { pixels_max: 1 << 20, ..Limits::default() };
    let header = header::read(bytes, &limits).ok()?;
    let frame = Frame::of(&header, eighths)?;
    let mut rows = Rows(vec![0; frame.components.len()]);
    if decode(bytes, &header, &frame, &Never, &mut rows).is_err() {
        return Some(false);
    }
    assert!(frame.components.iter().map(|component| component.height).eq(rows.0), "rows are missing");
    Some(true)
}

fn mutate(bytes: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        match chance.below(7) {
            0 | 1 => bytes[at] ^= 1 << chance.below(8),
            2 => bytes[at] = chance.next() as u8,
            3 => bytes[at] = [0, 0xff, 0x7f, 0x80, 0x11, 0xd0, 0xda, 0xc4][chance.below(8)],
            4 => {
                let end = (at + chance.below(40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = chance.below(bytes.len());
                bytes.splice(to..to, part);
            }
            5 => drop(bytes.drain(at..(at + chance.below(40)).min(bytes.len()))),
            // Cut, and closed as if nothing were missing.
            _ => {
                bytes.truncate(at.max(2));
                bytes.extend([0xff, 0xd9]);
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

fn attack(seeds: &[Vec<u8>], rounds: usize, chance: &mut Chance) -> usize {
    let mut reached = 0;
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].clone();
        mutate(&mut bytes, chance);
        let luma = 1 + chance.below(8) as u32;
        let chroma = 1 + chance.below(8) as u32;
        match catch_unwind(AssertUnwindSafe(|| decodes(&bytes, [luma, chroma, chroma]))) {
            Ok(outcome) => reached += usize::from(outcome.is_some()),
            Err(_) => {
                let path = std::env::temp_dir().join(format!("afterimage-jpeg-{round}.jpg"));
                std::fs::write(&path, &bytes).expect("writes the case down");
                panic!("round {round} panicked at {luma}/8 and {chroma}/8; the bytes are in {}", path.display());
            }
        }
    }
    reached
}

#[test]
fn no_mutation_panics() {
    let seed = std::env::var("AFTERIMAGE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_127);
    println!("AFTERIMAGE_SEED={seed}");
    let mut chance = Chance(seed);
    let (small, large) = match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => (980_000, 20_000),
        None => (20_000, 200),
    };
    let reached = attack(&seeds(41, 27, 80), small, &mut chance);
    assert!(reached > small / 2, "most mutations must get past the header: {reached}");
    // Longer than the decoder holds at once.
    attack(&seeds(300, 200, 99), large, &mut chance);
}

#[test]
fn seeds_decode_at_every_scale() {
    for seed in seeds(41, 27, 80).iter().chain(&seeds(300, 200, 99)) {
        for luma in 1..=8 {
            for chroma in [1, luma, 8] {
                assert_eq!(decodes(seed, [luma, chroma, chroma]), Some(true));
            }
        }
    }
}

/// A scan that ends early is an error wherever it ends, also where an end marker hides it.
#[test]
fn every_cut_is_an_error() {
    for seed in seeds(41, 27, 80) {
        let step = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1 } else { 11 };
        for end in (2..seed.len() - 2).step_by(step) {
            let cut = [&seed[..end], &[0xff, 0xd9]].concat();
            // A progressive file's last scan may hold nothing that a small scale shows, and is then jumped over.
            let is_progressive = header::read(&seed, &Limits::default()).expect("whole").progressive;
            for eighths in if is_progressive { 8..=8 } else { 1..=8 } {
                let is_whole = decodes(&cut, [eighths; 3]) == Some(true);
                // Scans that are left out altogether are allowed; data that ends within one is not.
                let is_marker = |at: usize| seed[at] == 0xff && seed[at + 1] != 0;
                let ends_a_scan = is_marker(end) || is_marker(end - 1);
                assert!(!is_whole || ends_a_scan, "cut at {end} of {}, at {eighths}/8", seed.len());
            }
        }
    }
}

#[test]
fn damage_has_a_place() {
    let seed = &seeds(300, 200, 99)[0];
    let header = header::read(seed, &Limits::default()).expect("whole");
    let frame = Frame::of(&header, [1; 3]).expect("known");
    let middle = seed.len() / 2;
    let cut = [&seed[..middle], &[0xff, 0xd9]].concat();
    let error = decode(&cut, &header, &frame, &Never, &mut Rows(vec![0; 3])).expect_err("half of it is missing");
    assert_eq!(error, Error::truncated(format!("a scan's data ends within a block at byte {middle}")));
}

#[test]
fn time_ends_it() {
    let seed = &seeds(300, 200, 99);
    for seed in [&seed[0], &seed[6]] {
        let header = header::read(seed, &Limits::default()).expect("whole");
        let frame = Frame::of(&header, [8; 3]).expect("known");
        let outcome = decode(seed, &header, &frame, &|| true, &mut Rows(vec![0; 3]));
        assert_eq!(outcome, Err(Error::Expired));
    }
}
