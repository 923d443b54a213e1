//! Our own JPEG decoder over its seeds: whole files at every scale, cut ones, and how damage and lateness are told.

use afterimage_fuzz::jpeg::{decodes, seeds};
use afterimage_imaging::fuzzing::jpeg_rows;
use afterimage_imaging::{Error, Limits, Never};

#[test]
fn seeds_decode_at_every_scale() {
    for seed in seeds(41, 27, 80).iter().chain(&seeds(300, 200, 99)) {
        for luma in 1..=8 {
            for chroma in [1, luma, 8] {
                assert_eq!(decodes(seed, [luma, chroma, chroma]), Some(Ok(())));
            }
        }
    }
}

/// A scan that ends early is an error wherever it ends, also where an end marker hides it.
#[test]
fn every_cut_is_an_error() {
    for seed in seeds(41, 27, 80) {
        let step = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1 } else { 11 };
        // A progressive file's last scan may hold nothing that a small scale shows, and is then jumped over.
        let is_progressive = seed.windows(2).any(|pair| pair == [0xff, 0xc2]);
        for end in (2..seed.len() - 2).step_by(step) {
            let cut = [&seed[..end], &[0xff, 0xd9]].concat();
            for eighths in if is_progressive { 8..=8 } else { 1..=8 } {
                let is_whole = decodes(&cut, [eighths; 3]) == Some(Ok(()));
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
    let middle = seed.len() / 2;
    let cut = [&seed[..middle], &[0xff, 0xd9]].concat();
    let error = Error::Truncated { why: format!("a scan's data ends within a block at byte {middle}") };
    assert_eq!(jpeg_rows(&cut, [1; 3], &Limits::default(), &Never), Some(Err(error)));
}

#[test]
fn time_ends_it() {
    let seeds = seeds(300, 200, 99);
    for seed in [&seeds[0], &seeds[6]] {
        assert_eq!(jpeg_rows(seed, [8; 3], &Limits::default(), &|| true), Some(Err(Error::Expired)));
    }
}
