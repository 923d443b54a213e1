//! Quality as eyes see it: one scale for all formats, `q=auto` for a score, palettes that look like what they stand for. Scores are
//! SSIMULACRA2 beside the same picture without loss.

use afterimage_imaging::{Never, QualityScale, Settings, render};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};

use crate::support::{OUTPUTS, mean_difference, pixels, rendered, sample, variant};

/// Pictures of different kinds, none of which a table could be good for alone.
const PICTURES: [&str; 4] = ["museum.jpg", "landscape.jpg", "flower-small.png", "park.webp"];

fn lossy() -> impl Iterator<Item = &'static str> {
    OUTPUTS.iter().copied().filter(|format| ["jpg", "webp", "avif"].contains(format))
}

/// The score of what a query makes of a picture, at 320 columns.
fn score(name: &str, query: &str, settings: &Settings) -> f64 {
    let (bytes, size) = (sample(name), "w=320&bg=fff");
    let opaque = |file: &[u8]| -> (u32, u32, Vec<u8>) {
        let (width, height, data) = pixels(file);
        (width, height, data.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
    };
    let (width, height, reference) = opaque(&rendered(&bytes, &format!("{size}&fm=png")).expect("renders").bytes);
    let made = render(&bytes, &variant(&format!("{size}&{query}")), settings, &Never).expect("renders");
    let shown = opaque(&made.bytes).2;
    let slice =
        |data| PixelSlice::new(data, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB).expect("whole");
    compute_ssimulacra2(&slice(&reference), &slice(&shown)).expect("a score")
}

#[test]
fn the_same_quality_scores_alike_in_every_format() {
    let settings = Settings::default();
    for quality in [65, 80] {
        for format in lossy().filter(|format| *format != "jpg") {
            let off: Vec<f64> = PICTURES
                .iter()
                .map(|name| {
                    let of = |format: &str| score(name, &format!("fm={format}&q={quality}"), &settings);
                    of(format) - of("jpg")
                })
                .collect();
            // docs/imaging-quality.md has the error over more pictures; this notices a table that is off.
            let mean = off.iter().sum::<f64>() / off.len() as f64;
            assert!(mean.abs() < 5.0 && off.iter().all(|off| off.abs() < 11.0), "{format} {quality}: {off:?}");
        }
    }
}

#[test]
fn the_encoders_own_scale_can_be_had() {
    let own = Settings { quality_scale: QualityScale::Encoder, ..Settings::default() };
    for format in lossy() {
        let query = variant(&format!("w=160&fm={format}&q=75"));
        let made = |settings: &Settings| render(&sample("landscape.jpg"), &query, settings, &Never).expect("renders");
        assert_ne!(made(&own).bytes, made(&Settings::default()).bytes, "{format}");
        assert!(made(&own).chosen.contains("quality=75;by=request;scale=encoder"), "{}", made(&own).chosen);
    }
}

/// docs/imaging-quality.md has the figures over more pictures.
#[test]
fn our_tables_score_as_the_standards_with_fewer_bytes() {
    let libjpegs = Settings { quality_scale: QualityScale::Encoder, ..Settings::default() };
    for (quality, part) in [(30, 0.94), (50, 0.94), (80, 0.96), (90, 0.96)] {
        let query = format!("fm=jpg&q={quality}");
        let (mut off, mut bytes) = (Vec::new(), [0, 0]);
        for name in PICTURES {
            off.push(score(name, &query, &Settings::default()) - score(name, &query, &libjpegs));
            for (bytes, settings) in bytes.iter_mut().zip([&Settings::default(), &libjpegs]) {
                let query = variant(&format!("w=320&bg=fff&{query}"));
                *bytes += render(&sample(name), &query, settings, &Never).expect("renders").bytes.len();
            }
        }
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        assert!(mean.abs() < 2.0 && off.iter().all(|off| off.abs() < 6.0), "{quality}: {off:?}");
        assert!((bytes[0] as f64) < part * bytes[1] as f64, "{quality}: {bytes:?}");
    }
}

#[test]
fn auto_comes_near_its_target_whatever_the_picture() {
    for auto_score in [65, 80] {
        let settings = Settings { auto_score, ..Settings::default() };
        for format in lossy() {
            let off: Vec<f64> = PICTURES
                .iter()
                .map(|name| score(name, &format!("fm={format}&q=auto"), &settings) - f64::from(auto_score))
                .collect();
            let mean = off.iter().sum::<f64>() / off.len() as f64;
            assert!(mean.abs() < 5.0 && off.iter().all(|off| off.abs() < 12.0), "{format} {auto_score}: {off:?}");
        }
    }
}

#[test]
fn a_render_says_what_it_chose_and_why() {
    let chosen = |name: &str, query: &str| rendered(&sample(name), query).expect("renders").chosen;
    let quality_of = |said: &str| -> u32 {
        let text = said.split("quality=").nth(1).and_then(|rest| rest.split(';').next()).expect("a quality");
        text.parse().expect("a number")
    };
    let cases = [
        ("museum.jpg", "w=300", "format=jpeg;by=source, quality=80;by=default, chroma=420, decoded-eighths=1"),
        (
            "museum.jpg",
            "w=2000&q=50&fm=pjpg",
            "format=pjpeg;by=request, quality=50;by=request, chroma=420, decoded-eighths=6",
        ),
        ("park.webp", "w=64&auto=format", "format=jpeg;by=accept, quality=80;by=default, chroma=420"),
        ("rose.webp", "w=64&auto=format", "format=png;by=alpha"),
        ("earth.gif", "w=64&auto=format", "format=gif;by=accept"),
        ("paper.png", "w=64&fm=json", ""),
        ("flower-gray.jpg", "w=64&fm=png8", "format=png8;by=request, colours=256, decoded-eighths=1"),
    ];
    for (name, query, expected) in cases {
        assert_eq!(chosen(name, query), expected, "{name} {query}");
    }
    let said = chosen("museum.jpg", "w=64&fm=webp&q=auto");
    assert!(
        said.starts_with("format=webp;by=request, quality=") && said.contains(";by=auto;score=75, encoder="),
        "{said}"
    );
    // What hides its loss takes more of it.
    let (busy, soft) = (chosen("park.webp", "w=320&fm=jpg&q=auto"), chosen("flower.jpg", "w=320&fm=jpg&q=auto"));
    assert_ne!(quality_of(&busy), quality_of(&soft), "{busy} {soft}");
}

#[test]
fn a_palette_has_256_colours_and_looks_like_the_picture() {
    for name in PICTURES {
        let query = "w=320&bg=fff&fm=png8";
        let made = rendered(&sample(name), query).expect("renders");
        let reader = png::Decoder::new(std::io::Cursor::new(&made.bytes)).read_info().expect("a PNG");
        let info = reader.info();
        assert_eq!(info.color_type, png::ColorType::Indexed, "{name}");
        // Not every colour of a palette has to be somebody's nearest.
        let colours = info.palette.as_ref().map_or(0, |palette| palette.len() / 3);
        assert!((200..=256).contains(&colours), "{name}: {colours}");
        assert!(made.chosen.contains(&format!("colours={colours}")), "{name}: {}", made.chosen);
        let full = rendered(&sample(name), "w=320&bg=fff&fm=png").expect("renders");
        assert!(made.bytes.len() * 3 < full.bytes.len() * 2, "{name}: {} {}", made.bytes.len(), full.bytes.len());
        let reached = score(name, "fm=png8", &Settings::default());
        assert!(reached > 45.0, "{name}: {reached}");
    }
}

#[test]
fn a_palette_keeps_alpha_soft() {
    let whole = pixels(&rendered(&sample("rose.webp"), "w=200&fm=png").expect("renders").bytes);
    let made = rendered(&sample("rose.webp"), "w=200&fm=png8").expect("renders");
    let shown = pixels(&made.bytes);
    let alpha = |pixels: &[u8]| pixels.iter().skip(3).step_by(4).copied().collect::<Vec<u8>>();
    let (wanted, got) = (alpha(&whole.2), alpha(&shown.2));
    assert!(mean_difference(&wanted, &got) < 3.0, "{}", mean_difference(&wanted, &got));
    let soft = |alpha: &[u8]| alpha.iter().filter(|alpha| (32..224).contains(*alpha)).count();
    assert!(soft(&got) * 2 > soft(&wanted), "{} of {} soft pixels", soft(&got), soft(&wanted));
    assert!(wanted.iter().zip(&got).all(|(wanted, got)| *wanted != 0 || *got < 16), "nothing becomes something");
}
