//! What size comes out, and that it is the right part of the picture.

use afterimage_imaging::{Limits, probe};

use crate::support::{SAMPLES, is_long, mean_difference, pixels, rendered, sample};

#[test]
fn samples_are_what_their_readme_says() {
    let cases = [
        ("museum.jpg", (4032, 3024), (4032, 3024), 1, 1, false),
        ("flower.jpg", (2268, 1512), (1512, 2268), 6, 1, false),
        ("flower-gray.jpg", (2268, 1512), (2268, 1512), 1, 1, false),
        ("landscape.jpg", (450, 600), (600, 450), 6, 1, false),
        ("earth.gif", (400, 400), (400, 400), 1, 44, true),
        ("park.webp", (1024, 772), (1024, 772), 1, 1, false),
        ("rose.webp", (300, 300), (300, 300), 1, 1, true),
        ("flower-16bit.png", (510, 532), (510, 532), 1, 1, false),
        ("paper.png", (2048, 1536), (2048, 1536), 1, 1, true),
        // Its EXIF names orientation 6; in AVIF only the container turns a picture, and this one is upright.
        ("breakfast.avif", (3024, 4032), (3024, 4032), 1, 1, false),
    ];
    for (name, stored, upright, orientation, frames, alpha) in cases {
        let probe = probe(&sample(name), &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = ((probe.width, probe.height), (probe.upright.width, probe.upright.height));
        assert_eq!(found, (stored, upright), "{name}");
        assert_eq!((probe.orientation, probe.frames, probe.alpha), (orientation, frames, alpha), "{name}");
    }
}

#[test]
fn every_fit_gives_its_size() {
    let bytes = sample("landscape.jpg");
    let cases = [
        ("w=300", (300, 225)),
        ("h=90", (120, 90)),
        ("w=300&h=300", (300, 225)),
        ("w=100&h=100&fit=crop", (100, 100)),
        ("d=100", (100, 100)),
        ("w=1200", (600, 450)),
        ("w=1200&fit=clip", (1200, 900)),
        ("w=1200&h=1200&fit=crop", (1200, 1200)),
        ("w=1200&h=1200&fit=min", (450, 450)),
        ("w=200&h=200&fit=fill", (200, 200)),
        ("w=1000&h=1000&fit=fillmax", (1000, 1000)),
        ("w=123&h=45&fit=scale", (123, 45)),
        ("w=200&h=200&fit=clamp", (200, 200)),
        ("w=100&dpr=2", (200, 150)),
        ("ar=1:1&w=80", (80, 80)),
        ("rot=90&w=100", (100, 133)),
        ("rect=0,0,60,45", (60, 45)),
        ("w=100&h=80&fit=crop&pad=10", (100, 80)),
        ("rect=0,0,60,45&pad=10", (80, 65)),
        ("w=1&h=1&fit=scale", (1, 1)),
    ];
    for (query, size) in cases {
        let picture = rendered(&bytes, &format!("{query}&fm=png")).unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!((picture.width, picture.height), size, "{query}");
        let (width, height, _) = pixels(&picture.bytes);
        assert_eq!((width, height), size, "{query}: in the file");
    }
}

/// Scaled decoding, turning after scaling and fractional windows must show what the plain way shows: decode all, turn, cut, scale.
#[test]
fn short_cuts_show_the_same_picture() {
    let names: &[&str] =
        if is_long() { &["flower.jpg", "museum.jpg", "flower-progressive.jpg"] } else { &["flower.jpg"] };
    for name in names {
        let bytes = sample(name);
        // At full scale and losslessly, so that the second step starts from every pixel.
        let whole = rendered(&bytes, "fm=png").expect("renders").bytes;
        for query in [
            "w=150",
            "w=100&h=150&fit=crop&crop=top,left",
            "w=150&h=60&fit=crop&crop=bottom,right",
            "rot=90&w=99",
            "flip=h&rot=270&w=101&h=33&fit=crop&crop=right",
            "rect=301,203,777,555&w=97",
        ] {
            let query = format!("{query}&fm=png");
            let fast = pixels(&rendered(&bytes, &query).expect("renders").bytes);
            let plain = pixels(&rendered(&whole, &query).expect("renders").bytes);
            assert_eq!((fast.0, fast.1), (plain.0, plain.1), "{name} {query}");
            let difference = mean_difference(&fast.2, &plain.2);
            assert!(difference < 0.8, "{name} {query}: {difference}");
        }
    }
}

/// JPEG and WebP are encoded from planes that were never RGB. Odd sides, where pairs of columns begin at one end or the other, must
/// lose no more to that than to 4:2:0 itself, whichever way the picture is turned.
#[test]
fn planes_show_the_same_picture_as_pixels() {
    // Without libjpeg-turbo a JPEG is not encoded from planes.
    let formats: &[&str] = if cfg!(feature = "native") { &["jpg", "webp"] } else { &["webp"] };
    for name in ["flower.jpg", "landscape.jpg", "flower-gray.jpg"] {
        let bytes = sample(name);
        for format in formats {
            let lost = |query: &str| {
                let exact = pixels(&rendered(&bytes, &format!("{query}&fm=png")).expect("renders").bytes);
                let coded = pixels(&rendered(&bytes, &format!("{query}&q=100&fm={format}")).expect("renders").bytes);
                assert_eq!((exact.0, exact.1), (coded.0, coded.1), "{name} {query}");
                mean_difference(&exact.2, &coded.2)
            };
            let plain = lost("w=151&h=101&fit=scale");
            assert!(plain < 4.0, "{name} {format}: {plain}");
            for turn in ["flip=h", "flip=v", "rot=180", "flip=h&rot=270", "rot=90"] {
                let size = if turn.contains("90") || turn.contains("270") { "w=101&h=151" } else { "w=151&h=101" };
                let turned = lost(&format!("{size}&fit=scale&{turn}"));
                assert!(turned < plain * 1.15 + 0.05, "{name} {format} {turn}: {turned}, unturned {plain}");
            }
        }
    }
}

#[test]
fn orientation_is_applied_exactly_once() {
    let upright = pixels(&rendered(&sample("flower.jpg"), "w=120&fm=png").expect("renders").bytes);
    assert_eq!((upright.0, upright.1), (120, 180));
    for format in ["jpg", "png", "webp"] {
        let file = rendered(&sample("flower.jpg"), &format!("w=120&q=100&fm={format}")).expect("renders").bytes;
        let again = pixels(&file);
        assert_eq!((again.0, again.1), (120, 180), "{format}");
        let difference = mean_difference(&upright.2, &again.2);
        assert!(difference < 8.0, "{format}: {difference}");
    }
}

#[test]
fn extreme_sizes_do_not_fail() {
    for name in SAMPLES.iter().filter(|name| is_long() || !["museum.jpg", "breakfast.avif", "earth.gif"].contains(name))
    {
        for query in ["w=1", "w=1&h=500&fit=scale", "h=1&w=500&fit=scale", "rect=0,0,1,1&w=64&fit=clip", "w=7&pad=3"] {
            let query = format!("{query}&fm=png");
            rendered(&sample(name), &query).unwrap_or_else(|error| panic!("{name} {query}: {error}"));
        }
    }
}

#[test]
fn trimming_takes_the_border_and_nothing_else() {
    let bytes = sample("landscape.jpg");
    let framed = rendered(&bytes, "rect=200,200,140,105&pad=30&bg=ff00ff&fm=png").expect("renders");
    let trimmed = rendered(&framed.bytes, "trim=color&fm=png").expect("renders");
    assert_eq!((framed.width, framed.height), (200, 165));
    assert_eq!((trimmed.width, trimmed.height), (140, 105));
    let turned = rendered(&framed.bytes, "trim=auto&rot=90&rect=10,0,155,200&fm=png").expect("renders");
    assert_eq!((turned.width, turned.height), (105, 140));
    let transparent = rendered(&bytes, "rect=200,200,140,105&pad=30&fm=png").expect("renders");
    for trim in ["auto", "alpha"] {
        let trimmed = rendered(&transparent.bytes, &format!("trim={trim}&fm=png")).expect("renders");
        assert_eq!((trimmed.width, trimmed.height), (140, 105), "{trim}");
    }
}
