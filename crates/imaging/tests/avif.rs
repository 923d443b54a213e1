//! AVIF through the front door: a real photograph is shown upright, what is rendered to AVIF can be read again, and damage is an
//! error and never a crash.
#![cfg(feature = "native")]

use afterimage_imaging::{Error, Limits, Never, Rendered, Settings, Source, probe, render};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};
use proptest::prelude::*;

const BREAKFAST: &[u8] = include_bytes!("../../../examples/pictures/breakfast.avif");
const ROSE: &[u8] = include_bytes!("../../../examples/pictures/rose.webp");

fn variant(query: &str) -> Variant {
    match resolve(&Rules::default(), &format!("/a.jpg?{query}"), None, Grant::Open).expect("a good query").wanted {
        Wanted::Variant(variant) => *variant,
        Wanted::Original => panic!("{query} asks for the original"),
    }
}

fn rendered(bytes: &[u8], query: &str) -> Result<Rendered, Error> {
    render(bytes, &variant(query), &Settings::default(), &Never)
}

/// Width, height and 8-bit samples of a PNG.
fn decoded(png: &Rendered) -> (u32, u32, usize, Vec<u8>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(&png.bytes));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().expect("a PNG");
    let mut samples = vec![0; reader.output_buffer_size().expect("fits")];
    let info = reader.next_frame(&mut samples).expect("a whole PNG");
    samples.truncate(info.buffer_size());
    (info.width, info.height, info.color_type.samples(), samples)
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0f64.powi(2) * a.len() as f64 / squares.max(1.0)).log10()
}

#[test]
fn a_photograph_is_shown_upright() {
    let facts = probe(BREAKFAST, &Limits::default()).expect("an AVIF");
    assert_eq!((facts.format, facts.width, facts.height, facts.orientation), (Source::Avif, 3024, 4032, 1));
    assert_eq!((facts.upright.width, facts.upright.height, facts.frames, facts.alpha), (3024, 4032, 1, false));
    let small = rendered(BREAKFAST, "w=300&fm=png").expect("a render");
    assert_eq!((small.width, small.height), (300, 400));
}

#[test]
fn what_is_rendered_to_avif_is_the_same_picture() {
    let plain = rendered(BREAKFAST, "w=320&fm=png").expect("PNG");
    let (width, height, channels, wanted) = decoded(&plain);
    for (quality, decibels_min) in [(30, 28.0), (60, 33.0), (90, 38.0)] {
        let avif = rendered(BREAKFAST, &format!("w=320&fm=avif&q={quality}")).expect("AVIF");
        assert_eq!((avif.media_type, avif.width, avif.height), ("image/avif", width, height));
        let again = rendered(&avif.bytes, "w=320&fm=png").expect("read again");
        let (.., samples) = decoded(&again);
        let decibels = psnr(&wanted, &samples);
        assert!(decibels > decibels_min, "quality {quality}: {decibels} with {channels} channels");
    }
}

#[test]
fn alpha_survives() {
    let plain = decoded(&rendered(ROSE, "w=200&fm=png").expect("PNG"));
    let avif = rendered(ROSE, "w=200&fm=avif&q=90").expect("AVIF");
    assert!(probe(&avif.bytes, &Limits::default()).expect("an AVIF").alpha);
    let back = decoded(&rendered(&avif.bytes, "w=200&fm=png").expect("PNG"));
    assert_eq!((back.0, back.1, back.2), (plain.0, plain.1, 4));
    let alpha = |samples: &[u8]| samples.iter().skip(3).step_by(4).copied().collect::<Vec<u8>>();
    assert!(psnr(&alpha(&plain.3), &alpha(&back.3)) > 35.0);
}

#[test]
fn pixels_are_limited_before_decoding_at_the_bound_and_just_past() {
    let limits = |pixels_max| Limits { pixels_max, ..Limits::default() };
    assert!(probe(BREAKFAST, &limits(3024 * 4032)).is_ok());
    let refused = Error::TooManyPixels { asked: 3024 * 4032, max: 3024 * 4032 - 1 };
    assert_eq!(probe(BREAKFAST, &limits(3024 * 4032 - 1)), Err(refused));
}

#[test]
fn a_cut_file_is_an_error() {
    for end in [0, 11, 12, 40, 400, 900, 5_000, BREAKFAST.len() / 2, BREAKFAST.len() - 1] {
        assert!(rendered(&BREAKFAST[..end], "w=64&fm=png").is_err(), "cut at {end}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("AFTERIMAGE_LONG").is_some() { 5_000 } else { 200 }))]
    /// Damage in the boxes and in the stream: an error or a picture of the announced size, and never a crash.
    #[test]
    fn damage_is_no_crash(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut bytes = small_avif().to_vec();
        for (place, value) in hits {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let settings = Settings { limits: Limits { pixels_max: 100_000, ..Limits::default() }, ..Settings::default() };
        if let Ok(picture) = render(&bytes, &variant("w=16&fm=png"), &settings, &Never) {
            prop_assert!(picture.width <= 16 && !picture.bytes.is_empty());
        }
    }
}

fn small_avif() -> &'static [u8] {
    static FILE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    FILE.get_or_init(|| rendered(ROSE, "w=96&fm=avif").expect("AVIF").bytes)
}
