//! Every format in, every format out: media types, alpha, animation, colour.

use afterimage_imaging::{Limits, Never, Settings, probe, render, sniff};

use crate::support::{OUTPUTS, SAMPLES, is_long, mean_difference, pixels, rendered, sample, variant_for};

#[test]
fn everything_in_becomes_everything_out() {
    for (at, name) in SAMPLES.iter().enumerate() {
        let bytes = sample(name);
        let reference =
            pixels(&rendered(&bytes, "w=96&bg=fff&fm=png").unwrap_or_else(|error| panic!("{name}: {error}")).bytes);
        // The long form goes through every pair, the short one through every name of both.
        for (_, format) in OUTPUTS.iter().enumerate().filter(|(to, _)| is_long() || (at + to) % 6 == 0) {
            let query = format!("w=96&bg=fff&q=90&fm={format}");
            let picture = rendered(&bytes, &query).unwrap_or_else(|error| panic!("{name} {format}: {error}"));
            let source = sniff(&picture.bytes).expect("a picture");
            assert_eq!(picture.media_type, source.media_type(), "{name} {format}");
            let shown = pixels(&picture.bytes);
            assert_eq!((shown.0, shown.1), (reference.0, reference.1), "{name} {format}");
            let difference = mean_difference(&shown.2, &reference.2);
            assert!(difference < 8.0, "{name} {format}: {difference}");
        }
    }
}

#[test]
fn the_format_follows_the_source_unless_named() {
    let cases = [
        ("museum.jpg", "w=64", "image/jpeg"),
        ("park.webp", "w=64", "image/webp"),
        ("earth.gif", "w=64", "image/gif"),
        ("paper.png", "w=64", "image/png"),
        // `auto=format` for a viewer without WebP or AVIF.
        ("museum.jpg", "w=64&auto=format", "image/jpeg"),
        ("park.webp", "w=64&auto=format", "image/jpeg"),
        ("rose.webp", "w=64&auto=format", "image/png"),
        ("earth.gif", "w=64&auto=format", "image/gif"),
        ("flower-small.png", "w=64&auto=format", "image/jpeg"),
    ];
    for (name, query, media_type) in cases {
        let picture = rendered(&sample(name), query).unwrap_or_else(|error| panic!("{name} {query}: {error}"));
        assert_eq!(picture.media_type, media_type, "{name} {query}");
    }
}

#[test]
fn animation_is_kept_where_both_sides_have_it() {
    let earth = sample("earth.gif");
    for (format, frames) in [("gif", 44), ("webp", 44), ("png", 1), ("jpg", 1)] {
        let picture = rendered(&earth, &format!("w=64&fm={format}")).expect("renders");
        assert_eq!(picture.frames, frames, "{format}");
        let found = probe(&picture.bytes, &Limits::default()).expect("probes");
        assert_eq!((found.frames, found.width, found.height), (frames, 64, 64), "{format}");
    }
    // There and back: what moves in WebP moves in GIF again.
    let webp = rendered(&earth, "w=64&fm=webp").expect("renders").bytes;
    let gif = rendered(&webp, "fm=gif").expect("renders");
    assert_eq!(gif.frames, 44);
    assert!(mean_difference(&pixels(&webp).2, &pixels(&gif.bytes).2) < 8.0);
}

#[test]
fn animation_is_kept_for_viewers_who_accept_avif() {
    let earth = sample("earth.gif");
    let asked = variant_for("w=64&auto=format", Some("image/avif,image/webp,*/*"));
    let picture = render(&earth, &asked, &Settings::default(), &Never).expect("renders");
    assert_eq!((picture.media_type, picture.frames), ("image/webp", 44));
}

#[test]
fn alpha_survives_or_ends_on_the_background() {
    let rose = sample("rose.webp");
    let corner = |query: &str| pixels(&rendered(&rose, query).expect("renders").bytes).2[..4].to_vec();
    assert_eq!(corner("w=100&fm=png")[3], 0);
    assert_eq!(corner("w=100&fm=webp")[3], 0);
    assert_eq!(corner("w=100&fm=gif")[3], 0);
    assert_eq!(corner("w=100&fm=png&bg=f00"), [255, 0, 0, 255]);
    let white = corner("w=100&fm=jpg");
    assert!(white.iter().all(|&value| value > 250), "{white:?}");
}

#[test]
fn gray_stays_gray() {
    let gray = rendered(&sample("flower-gray.jpg"), "w=64&fm=jpg").expect("renders").bytes;
    // The frame header of a gray JPEG names one component.
    let at = gray.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    assert_eq!(gray[at + 9], 1);
}

#[test]
fn sixteen_bits_and_eight_look_the_same() {
    let wide = pixels(&rendered(&sample("flower-16bit.png"), "w=128&fm=png").expect("renders").bytes);
    let narrow = pixels(&rendered(&sample("flower-small.png"), "w=128&fm=png").expect("renders").bytes);
    assert!(mean_difference(&wide.2, &narrow.2) < 1.0);
}

#[test]
fn progressive_is_progressive() {
    for (format, marker) in [("jpg", 0xc0), ("pjpg", 0xc2)] {
        let file = rendered(&sample("landscape.jpg"), &format!("w=64&fm={format}")).expect("renders").bytes;
        assert!(file.windows(2).any(|pair| pair == [0xff, marker]), "{format}");
    }
}

#[test]
fn quality_means_bytes() {
    for format in OUTPUTS.iter().filter(|format| !["png", "png8", "gif"].contains(format)) {
        let bytes = |quality| {
            rendered(&sample("landscape.jpg"), &format!("w=200&fm={format}&q={quality}")).expect("renders").bytes.len()
        };
        assert!(bytes(20) < bytes(60) && bytes(60) < bytes(95), "{format}");
    }
}

#[test]
fn the_same_twice() {
    for format in OUTPUTS {
        let once = || rendered(&sample("rose.webp"), &format!("w=80&fm={format}")).expect("renders");
        assert_eq!(once(), once(), "{format}");
    }
}
