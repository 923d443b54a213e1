//! Bytes from an enemy: whatever comes in, what comes out is a whole picture or an error. Mutations of files are the crate `fuzz`'s.

use afterimage_imaging::Error;

use crate::support::{SAMPLES, rendered, sample};

/// A file that ends early is an error at whatever byte it ends: half a picture never leaves.
#[test]
fn every_truncation_is_an_error() {
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
