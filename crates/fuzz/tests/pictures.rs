//! Cut files of every kind: half a picture never leaves.

use afterimage_fuzz::{small_pictures, variant};
use afterimage_imaging::{Never, Settings, render};

#[test]
fn every_truncation_is_an_error() {
    let step = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1 } else { 7 };
    for (name, bytes) in small_pictures() {
        // AVIF has no end of its own: its boxes and the AV1 stream say how long they are.
        for end in (0..bytes.len()).step_by(step) {
            let rendered = render(&bytes[..end], &variant("w=16&fm=png"), &Settings::default(), &Never);
            assert!(rendered.is_err(), "{name} cut at {end} of {}", bytes.len());
        }
    }
}
