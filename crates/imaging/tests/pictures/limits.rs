//! Every limit, exactly at the bound and just past it, through the public door.

use afterimage_imaging::{Error, Limits, Never, Settings, probe, render, strip};

use crate::support::{OUTPUTS, SAMPLES, rendered, sample, variant};

fn within(name: &str, query: &str, limits: Limits) -> Result<(), Error> {
    let settings = Settings { limits, ..Settings::default() };
    render(&sample(name), &variant(query), &settings, &Never).map(|_| ())
}

#[test]
fn source_bytes() {
    let bytes = sample("rose.webp").len() as u64;
    let limits = |source_bytes_max| Limits { source_bytes_max, ..Limits::default() };
    assert_eq!(within("rose.webp", "w=8", limits(bytes)), Ok(()));
    let past = Error::TooManyBytes { asked: bytes, max: bytes - 1 };
    assert_eq!(within("rose.webp", "w=8", limits(bytes - 1)), Err(past.clone()));
    let settings = Settings { limits: limits(bytes - 1), ..Settings::default() };
    assert_eq!(strip(&sample("rose.webp"), &settings).err(), Some(past));
}

#[test]
fn pixels_of_every_kind_of_file() {
    for name in SAMPLES {
        let bytes = sample(name);
        let probed = probe(&bytes, &Limits::default()).expect("within the defaults");
        let pixels = u64::from(probed.width) * u64::from(probed.height) * u64::from(probed.frames);
        let limits = |pixels_max| Limits { pixels_max, ..Limits::default() };
        assert!(probe(&bytes, &limits(pixels)).is_ok(), "{name}");
        let past = probe(&bytes, &limits(pixels - 1)).expect_err("one too many");
        assert!(
            matches!(past, Error::TooManyPixels { asked, max } if asked >= pixels && max == pixels - 1),
            "{name}: {past}"
        );
        assert_eq!(within(name, "w=8", limits(pixels - 1)), Err(past), "{name}");
    }
}

#[test]
fn frames() {
    let limits = |frames_max| Limits { frames_max, ..Limits::default() };
    let webp = rendered(&sample("earth.gif"), "w=16&fm=webp").expect("renders").bytes;
    for bytes in [sample("earth.gif"), webp] {
        assert!(probe(&bytes, &limits(44)).is_ok());
        assert_eq!(probe(&bytes, &limits(43)), Err(Error::TooManyFrames { asked: 44, max: 43 }));
    }
}

/// What trimming leaves is known when the memory has been reserved.
#[test]
fn a_trimmed_picture_grows_to_four_times_at_most() {
    let framed =
        rendered(&sample("landscape.jpg"), "rect=100,100,8,400&pad=40&bg=ff00ff&fm=png").expect("renders").bytes;
    let of = |query: &str| rendered(&framed, query).map(|made| (made.width, made.height));
    let (_, height) = of("w=100&fit=clip&trim=color&fm=png").expect("no million of pixels");
    // The border is soft by a pixel where the frame was made.
    assert!((4_000..=5_000).contains(&height), "{height}");
    let (width, height) = of("w=250&fit=clip&fm=png").expect("renders");
    let most = u64::from(width * height * 4);
    let past = of("w=250&fit=clip&trim=color&fm=png").expect_err("fifty times as high as wide");
    assert!(matches!(past, Error::OutputTooLarge { max, .. } if max == most), "{past}");
    assert_eq!(of("w=250&h=1000&fit=crop&trim=color&fm=png"), Ok((250, 1_000)));
}

#[test]
fn output_pixels_with_frames_and_padding() {
    let limits = |output_pixels_max| Limits { output_pixels_max, ..Limits::default() };
    let cases = [
        ("landscape.jpg", "w=100&h=50&fit=crop&fm=png", 5_000),
        ("landscape.jpg", "w=100&h=50&fit=fill&fm=png", 5_000),
        ("landscape.jpg", "rect=0,0,10,10&pad=5&fm=png", 400),
        ("earth.gif", "w=10&fm=webp", 4_400),
        ("earth.gif", "w=10&fm=png", 100),
    ];
    for (name, query, pixels) in cases {
        assert_eq!(within(name, query, limits(pixels)), Ok(()), "{name} {query}");
        let past = Error::OutputTooLarge { asked: pixels, max: pixels - 1 };
        assert_eq!(within(name, query, limits(pixels - 1)), Err(past), "{name} {query}");
    }
}

#[test]
fn time_ends_a_render_at_every_step() {
    use std::sync::atomic::{AtomicU32, Ordering};
    for name in ["landscape.jpg", "rose.webp"] {
        let bytes = sample(name);
        for format in OUTPUTS {
            let variant = variant(&format!("w=40&blur=10&sharp=10&fm={format}"));
            let settings = Settings::default();
            // Expires at the n-th question; there is an n at which the render is done first.
            let mut questions = 0;
            loop {
                let asked = AtomicU32::new(0);
                let stop = || asked.fetch_add(1, Ordering::Relaxed) >= questions;
                match render(&bytes, &variant, &settings, &stop) {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error, Error::Expired, "{name} {format} after {questions} questions"),
                }
                // Every step of the first, then in strides: an animation asks hundreds of times.
                questions += if questions < 12 { 1 } else { questions * 2 };
            }
            assert!(questions > 4, "{name} {format}: hardly asked");
        }
    }
}
