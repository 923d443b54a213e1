//! Colour spaces, depth and light, from file to file.

use std::sync::OnceLock;

use afterimage_imaging::{Never, Rendered, Settings, render};
use afterimage_variant::Gamut;
use moxcms::ColorProfile;

use crate::support::{pixels, rendered, sample, variant};

/// Formats whose files can say which colour space they are in.
const TAGGED: &[&str] = &[
    "jpg",
    "pjpg",
    "png",
    "png16",
    "webp",
    #[cfg(feature = "native")]
    "avif",
];

/// Made once: the library puts the clock into a profile.
fn p3() -> Vec<u8> {
    static P3: OnceLock<Vec<u8>> = OnceLock::new();
    P3.get_or_init(|| ColorProfile::new_display_p3().encode().expect("encodes")).clone()
}

/// A PNG of rows of 16-bit RGB.
fn png16(width: u32, height: u32, icc: Option<&[u8]>, pixel: impl Fn(u32, u32) -> [u16; 3]) -> Vec<u8> {
    let mut info = png::Info::with_size(width, height);
    info.color_type = png::ColorType::Rgb;
    info.bit_depth = png::BitDepth::Sixteen;
    info.icc_profile = icc.map(Into::into);
    let mut out = Vec::new();
    let mut writer = png::Encoder::with_info(&mut out, info).and_then(|e| e.write_header()).expect("header");
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let data: Vec<u8> = places.flat_map(|(x, y)| pixel(x, y)).flat_map(u16::to_be_bytes).collect();
    writer.write_image_data(&data).expect("rows");
    writer.finish().expect("end");
    out
}

/// A patch of P3's own red, which sRGB has not, and its profile.
fn wide() -> Vec<u8> {
    png16(64, 48, Some(&p3()), |_, _| [230 * 257, 30 * 257, 40 * 257])
}

/// Whether a profile stands in a file as it is; a PNG deflates it.
fn holds(file: &[u8], icc: &[u8]) -> bool {
    file.windows(icc.len()).any(|window| window == icc)
}

/// The profile of a PNG, and its samples with 16 bits.
fn read_png(file: &[u8]) -> (Option<Vec<u8>>, png::BitDepth, Vec<u16>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().expect("a PNG");
    let mut data = vec![0; reader.output_buffer_size().expect("fits")];
    let depth = reader.next_frame(&mut data).expect("pixels").bit_depth;
    let words = data.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]])).collect();
    (reader.info().icc_profile.as_deref().map(<[u8]>::to_vec), depth, words)
}

fn with(settings: Settings, bytes: &[u8], query: &str) -> Rendered {
    render(bytes, &variant(query), &settings, &Never).unwrap_or_else(|error| panic!("{query}: {error}"))
}

#[test]
fn the_originals_space_is_kept_where_asked_and_nowhere_else() {
    let original = wide();
    let shown = pixels(&original).2;
    for format in TAGGED {
        let kept = rendered(&original, &format!("w=32&q=95&cs=origin&fm={format}")).expect("renders").bytes;
        let plain = rendered(&original, &format!("w=32&q=95&fm={format}")).expect("renders").bytes;
        match format.starts_with("png") {
            true => assert_eq!((read_png(&kept).0, read_png(&plain).0), (Some(p3()), None), "{format}"),
            false => assert!(holds(&kept, &p3()) && !holds(&plain, b"acsp"), "{format}"),
        }
        // Read by its profile, each is the same colour as the original; without it, a duller one.
        let near = |file: &[u8], slack: u8| {
            pixels(file).2.chunks_exact(4).all(|p| p.iter().zip(&shown).all(|(a, b)| a.abs_diff(*b) <= slack))
        };
        assert!(near(&kept, 6) && near(&plain, 6), "{format}: {:?} {:?}", &pixels(&kept).2[..4], &shown[..4]);
    }
    // A server may say so for everybody; a request has the last word.
    let origin = || Settings { gamut_default: Gamut::Origin, ..Settings::default() };
    assert!(holds(&with(origin(), &original, "w=32&fm=webp").bytes, &p3()));
    assert!(!holds(&with(origin(), &original, "w=32&fm=webp&cs=srgb").bytes, b"acsp"));
    for query in ["w=32&fm=gif&cs=origin", "w=32&fm=json&cs=origin", "w=32&fm=blurhash&cs=origin"] {
        assert_eq!(
            with(origin(), &original, query).bytes,
            rendered(&original, query).expect("renders").bytes,
            "{query}"
        );
    }
}

#[test]
fn a_jpeg_keeps_its_space_by_the_short_way_and_by_the_long_one() {
    let jpeg = rendered(&wide(), "cs=origin&fm=jpg&q=95").expect("renders").bytes;
    for query in [
        "w=32&cs=origin",
        "w=32&cs=origin&blur=5",
        "w=32&cs=origin&fm=webp",
        "w=32&cs=origin&trim=auto",
        "w=32&h=32&fit=fill&bg=0f0&cs=origin",
    ] {
        let made = rendered(&jpeg, query).expect("renders").bytes;
        assert!(holds(&made, &p3()), "{query}");
        let middle = pixels(&made);
        let at = ((middle.1 / 2 * middle.0 + middle.0 / 2) * 4) as usize;
        let shown = pixels(&jpeg).2;
        assert!(middle.2[at..at + 3].iter().zip(&shown).all(|(a, b)| a.abs_diff(*b) <= 6), "{query}");
    }
    // A named colour is named in sRGB, whatever the picture is in.
    let framed = pixels(&rendered(&jpeg, "w=32&h=32&fit=fill&bg=00c000&cs=origin&fm=png").expect("renders").bytes).2;
    assert!(framed[..3].iter().zip([0u8, 192, 0]).all(|(a, b)| a.abs_diff(b) <= 2), "{:?}", &framed[..3]);
}

#[test]
fn adobe_rgb_is_said_and_read_back() {
    for format in TAGGED {
        let made =
            rendered(&sample("flower-small.png"), &format!("w=64&q=95&cs=adobergb1998&fm={format}")).expect("renders");
        let plain = rendered(&sample("flower-small.png"), &format!("w=64&q=95&fm={format}")).expect("renders");
        let difference = crate::support::mean_difference(&pixels(&made.bytes).2, &pixels(&plain.bytes).2);
        assert!(difference < 2.5, "{format}: {difference}");
        assert!(format.starts_with("png") || holds(&made.bytes, b"acsp"), "{format}");
    }
}

#[test]
fn ink_and_gray_never_carry_a_profile_that_is_not_theirs() {
    for name in ["channel-cmyk.jpg", "portrait-cmyk.jpg", "flower-gray.jpg"] {
        for format in TAGGED {
            let made = rendered(&sample(name), &format!("w=64&cs=origin&fm={format}")).expect("renders").bytes;
            match format.starts_with("png") {
                true => assert_eq!(read_png(&made).0, None, "{name} {format}"),
                false => assert!(!holds(&made, b"acsp"), "{name} {format}"),
            }
        }
    }
}

#[test]
fn sixteen_bits_stay_sixteen_until_the_end() {
    // A ramp so flat that 8 bits would have eleven steps of it.
    let ramp = png16(1024, 16, None, |x, _| [20_000 + 3 * x as u16; 3]);
    let (_, depth, words) = read_png(&rendered(&ramp, "w=512&fm=png16").expect("renders").bytes);
    let distinct: std::collections::BTreeSet<u16> = words.iter().copied().collect();
    assert_eq!(depth, png::BitDepth::Sixteen);
    assert!(distinct.len() > 500, "{} of 512", distinct.len());
    // Through a profile, a frame, a turn and a blur as well.
    let query = "w=400&rot=90&pad=3&bg=fff&blur=10&fm=png16";
    let tagged = png16(1024, 16, Some(&p3()), |x, _| [20_000 + 3 * x as u16; 3]);
    let (_, depth, words) = read_png(&rendered(&tagged, query).expect("renders").bytes);
    let distinct: std::collections::BTreeSet<u16> = words.iter().copied().collect();
    assert_eq!(depth, png::BitDepth::Sixteen);
    assert!(distinct.len() > 300, "{}", distinct.len());
    // Rounded once: no byte is further from the truth than half a step.
    let (_, _, fine) =
        read_png(&rendered(&sample("flower-16bit.png"), "w=200&cs=srgb&fm=png16").expect("renders").bytes);
    let bytes = pixels(&rendered(&sample("flower-16bit.png"), "w=200&cs=srgb&fm=png").expect("renders").bytes).2;
    for (fine, byte) in fine.chunks_exact(3).zip(bytes.chunks_exact(4)) {
        assert!(fine.iter().zip(byte).all(|(fine, byte)| fine.abs_diff(u16::from(*byte) * 257) <= 128));
    }
    // What has 8 bits gets no more of them.
    let eight = rendered(&sample("flower-small.png"), "w=64&fm=png16").expect("renders").bytes;
    assert_eq!(eight, rendered(&sample("flower-small.png"), "w=64&fm=png").expect("renders").bytes);
}

fn lit() -> Settings {
    Settings { linear_light: true, ..Settings::default() }
}

/// Lines of one pixel: white on black, and red on green, by column.
fn lines() -> Vec<u8> {
    png16(512, 512, None, |x, y| match (y < 256, x % 2) {
        (true, 0) => [65_535; 3],
        (true, _) => [0; 3],
        (false, 0) => [65_535, 0, 0],
        (false, _) => [0, 65_535, 0],
    })
}

#[test]
fn in_linear_light_fine_lines_keep_their_brightness() {
    let lines = lines();
    let jpeg = rendered(&lines, "fm=jpg&q=100").expect("renders").bytes;
    let middle = |file: &[u8], upper: bool| {
        let (width, height, rgba) = pixels(file);
        let y = if upper { height / 4 } else { height * 3 / 4 };
        let at = ((y * width + width / 2) * 4) as usize;
        [rgba[at], rgba[at + 1], rgba[at + 2]]
    };
    for (width, original) in [(64, &lines), (100, &lines), (200, &lines), (64, &jpeg), (100, &jpeg)] {
        let query = format!("w={width}&fm=png");
        // Half the light of white is 188; the mean of the numbers is 128.
        let (white, yellow) = (with(lit(), original, &query), with(Settings::default(), original, &query));
        let (lit, coded) = (middle(&white.bytes, true), middle(&yellow.bytes, true));
        assert!(lit.iter().all(|v| v.abs_diff(188) <= 3), "{width}: {lit:?}");
        assert!(coded.iter().all(|v| v.abs_diff(128) <= 3), "{width}: {coded:?}");
        if *original == lines {
            let [red, green, blue] = middle(&white.bytes, false);
            assert!(red.abs_diff(188) <= 3 && green.abs_diff(188) <= 3 && blue <= 3, "{width}: {red} {green} {blue}");
        }
    }
}

#[test]
fn in_linear_light_nothing_moves_and_even_pictures_stay() {
    for name in ["museum.jpg", "paper.png", "rose.webp", "earth.gif", "flower-16bit.png", "flower-gray.jpg"] {
        let original = sample(name);
        for query in ["w=90&bg=fff&fm=png", "w=64&h=64&fit=crop&bg=fff&fm=png", "w=90&rot=90&bg=fff&fm=png"] {
            let (lit, coded) = (with(lit(), &original, query), rendered(&original, query).expect("renders"));
            assert_eq!((lit.width, lit.height), (coded.width, coded.height), "{name} {query}");
            let difference = crate::support::mean_difference(&pixels(&lit.bytes).2, &pixels(&coded.bytes).2);
            assert!(difference < 8.0, "{name} {query}: {difference}");
        }
    }
    let even = png16(300, 200, None, |_, _| [120 * 257, 40 * 257, 200 * 257]);
    for width in [299, 150, 77, 10, 1] {
        let shown = pixels(&with(lit(), &even, &format!("w={width}&fm=png")).bytes).2;
        assert!(
            shown.chunks_exact(4).all(|p| p[0].abs_diff(120) <= 1 && p[1].abs_diff(40) <= 1 && p[2].abs_diff(200) <= 1),
            "{width}"
        );
    }
}

#[test]
fn placeholders_are_text_of_the_picture_as_asked_for() {
    let museum = sample("museum.jpg");
    for (format, length) in [("thumbhash", 20..=36), ("blurhash", 28..=28)] {
        let hash = |query: &str| {
            let made = rendered(&museum, &format!("{query}&fm={format}")).expect("renders");
            assert_eq!(made.media_type, "text/plain; charset=utf-8");
            String::from_utf8(made.bytes).expect("text")
        };
        let whole = hash("");
        assert!(length.contains(&whole.len()), "{format}: {whole}");
        // The size says nothing, effects neither; what is cut off and turned does.
        assert_eq!(hash("w=640"), hash("w=320"), "{format}");
        assert_eq!(hash("blur=50"), whole);
        assert_ne!(hash("w=300&h=300&fit=crop&crop=left"), whole, "{format}");
        assert_ne!(hash("rot=180"), whole, "{format}");
        assert!(hash("w=1&h=1").len() > 5);
        for query in ["w=3000&h=30&fit=crop", "pad=40&bg=f00&w=500", "trim=auto", "w=500&h=500&crop=edges&fit=crop"] {
            assert!(hash(query).len() > 5, "{query}");
        }
    }
    // Transparency shows white behind BlurHash and stays in ThumbHash.
    let rose = sample("rose.webp");
    assert_eq!(rendered(&rose, "fm=blurhash").unwrap().bytes, rendered(&rose, "bg=fff&fm=blurhash").unwrap().bytes);
    assert_ne!(rendered(&rose, "fm=thumbhash").unwrap().bytes, rendered(&rose, "bg=fff&fm=thumbhash").unwrap().bytes);
}
