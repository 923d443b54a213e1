//! Sanitising through the front door: real pictures with planted secrets come out without them and with the same pixels.

use std::io::Cursor;

use afterimage_imaging::{Error, Limits, Settings, Source, probe, strip};
use proptest::prelude::*;

/// Planted in every place that must not survive.
const SECRET: &[u8] = b"48.858370N 2.294481E";

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../examples/pictures/{name}", env!("CARGO_MANIFEST_DIR"))).expect("a sample picture")
}

fn clean(bytes: &[u8]) -> Vec<u8> {
    strip(bytes, &Settings::default()).expect("a clean picture").bytes
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// A big-endian EXIF block: orientation, artist, copyright, a GPS directory with the secret, a maker note with the secret.
fn exif(orientation: u8) -> Vec<u8> {
    let texts: [(u16, u16, &[u8]); 3] = [(0x013b, 2, b"Ann Artist\0"), (0x8298, 2, b"(c) Ann\0"), (0x927c, 7, SECRET)];
    let entries = texts.len() as u16 + 2;
    let mut directory = [&entries.to_be_bytes()[..], &[0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]].concat();
    let data_at = 8 + 2 + u32::from(entries) * 12 + 4;
    let mut data = Vec::new();
    for (tag, kind, text) in texts {
        directory.extend([&tag.to_be_bytes()[..], &kind.to_be_bytes(), &(text.len() as u32).to_be_bytes()].concat());
        directory.extend((data_at + data.len() as u32).to_be_bytes());
        data.extend_from_slice(text);
    }
    directory
        .extend([&[0x88, 0x25, 0, 4, 0, 0, 0, 1][..], &(data_at + data.len() as u32).to_be_bytes(), &[0; 4]].concat());
    data.extend([&[0, 1, 0, 0x1b, 0, 7][..], &(SECRET.len() as u32).to_be_bytes(), &[0; 8], SECRET].concat());
    [b"MM\0\x2a\0\0\0\x08".as_slice(), &directory, &data].concat()
}

fn jpeg_segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
}

fn with_secrets_in_jpeg(bytes: &[u8]) -> Vec<u8> {
    let planted = [
        jpeg_segment(0xe1, &[b"Exif\0\0", &exif(6)[..]].concat()),
        jpeg_segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat()),
        jpeg_segment(0xed, &[b"Photoshop 3.0\0", SECRET].concat()),
        jpeg_segment(0xe2, &[b"MPF\0", SECRET].concat()),
        jpeg_segment(0xfe, SECRET),
    ];
    [&bytes[..2], &planted.concat(), &bytes[2..], SECRET].concat()
}

fn jpeg_pixels(bytes: &[u8]) -> Vec<u8> {
    zune_jpeg::JpegDecoder::new(Cursor::new(bytes)).decode().expect("a JPEG")
}

#[test]
fn jpeg_keeps_pixels_orientation_and_profile() {
    for name in [
        "landscape.jpg",
        "flower.jpg",
        "flower-progressive.jpg",
        "flower-gray.jpg",
        "channel-cmyk.jpg",
        "portrait-cmyk.jpg",
    ] {
        let plain = picture(name);
        let dirty = with_secrets_in_jpeg(&plain);
        let stripped = clean(&dirty);
        assert!(!holds(&stripped, SECRET) && !holds(&stripped, b"Ann"), "{name}");
        assert_eq!(probe(&stripped, &Limits::default()).expect("a JPEG").orientation, 6, "{name}");
        assert!(jpeg_pixels(&stripped) == jpeg_pixels(&plain), "{name}");
        assert_eq!(holds(&stripped, b"ICC_PROFILE\0"), holds(&plain, b"ICC_PROFILE\0"), "{name}");
        assert!(clean(&stripped) == stripped, "{name}: twice is once");
    }
}

#[test]
fn a_camera_file_loses_what_the_camera_wrote() {
    let museum = picture("museum.jpg");
    let stripped = clean(&museum);
    assert!(stripped.len() < museum.len());
    assert_eq!(stripped.windows(6).filter(|window| window == b"Exif\0\0").count(), 0, "upright: nothing to say");
    assert!(!holds(&stripped, b"http://ns.adobe.com"));
}

#[test]
fn copyright_stays_by_choice_and_nothing_else_does() {
    let dirty = with_secrets_in_jpeg(&picture("landscape.jpg"));
    let kept = strip(&dirty, &Settings { keep_copyright: true, ..Settings::default() }).expect("clean").bytes;
    assert!(holds(&kept, b"Ann Artist\0") && holds(&kept, b"(c) Ann\0") && !holds(&kept, SECRET));
    assert_eq!(probe(&kept, &Limits::default()).expect("a JPEG").orientation, 6);
}

fn png_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let covered = [name.as_slice(), content].concat();
    let sum = covered.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 })
    });
    [&(content.len() as u32).to_be_bytes()[..], &covered, &(!sum).to_be_bytes()].concat()
}

fn png_pixels(bytes: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().expect("a PNG");
    let mut samples = vec![0; reader.output_buffer_size().expect("fits")];
    reader.next_frame(&mut samples).expect("a whole PNG");
    samples
}

#[test]
fn png_keeps_pixels_and_orientation() {
    for name in ["paper.png", "flower-16bit.png", "flower-small.png"] {
        let plain = picture(name);
        let planted = [
            png_chunk(b"tEXt", &[b"Comment\0", SECRET].concat()),
            png_chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", SECRET].concat()),
            png_chunk(b"eXIf", &exif(8)),
            png_chunk(b"zzZz", SECRET),
        ];
        let dirty = [&plain[..33], &planted.concat(), &plain[33..], SECRET].concat();
        let stripped = clean(&dirty);
        assert!(!holds(&stripped, SECRET) && !holds(&stripped, b"Ann"), "{name}");
        assert_eq!(probe(&stripped, &Limits::default()).expect("a PNG").orientation, 8, "{name}");
        assert!(png_pixels(&stripped) == png_pixels(&plain), "{name}");
    }
}

fn webp_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [name.as_slice(), &(content.len() as u32).to_le_bytes(), content, &[0][..content.len() % 2]].concat()
}

fn webp_pixels(bytes: &[u8]) -> Vec<u8> {
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(bytes)).expect("a WebP");
    let mut samples = vec![0; decoder.output_buffer_size().expect("fits")];
    decoder.read_image(&mut samples).expect("a whole WebP");
    samples
}

#[test]
fn webp_keeps_pixels_and_orientation() {
    for name in ["park.webp", "rose.webp"] {
        let plain = picture(name);
        let facts = probe(&plain, &Limits::default()).expect("a WebP");
        let side = |side: u32| (side - 1).to_le_bytes();
        let (width, height) = (side(facts.width), side(facts.height));
        let mut body = plain[12..].to_vec();
        let mut flags = 0x0c;
        if body.starts_with(b"VP8X") {
            flags |= body[8];
            body.drain(..18);
        }
        let header = [&[flags, 0, 0, 0][..], &width[..3], &height[..3]].concat();
        let chunks = [
            webp_chunk(b"VP8X", &header),
            body,
            webp_chunk(b"EXIF", &exif(3)),
            webp_chunk(b"XMP ", SECRET),
            webp_chunk(b"what", SECRET),
        ];
        let content = [b"WEBP".as_slice(), &chunks.concat()].concat();
        let dirty = [b"RIFF".as_slice(), &(content.len() as u32).to_le_bytes(), &content].concat();
        let stripped = clean(&dirty);
        assert!(!holds(&stripped, SECRET) && !holds(&stripped, b"XMP ") && !holds(&stripped, b"Ann"), "{name}");
        assert_eq!(probe(&stripped, &Limits::default()).expect("a WebP").orientation, 3, "{name}");
        assert!(webp_pixels(&stripped) == webp_pixels(&plain), "{name}");
    }
}

fn gif_frames(bytes: &[u8]) -> Vec<(Vec<u8>, u16, gif::DisposalMethod)> {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(Cursor::new(bytes)).expect("a GIF");
    let mut frames = Vec::new();
    while let Some(frame) = decoder.read_next_frame().expect("a whole GIF") {
        frames.push((frame.buffer.to_vec(), frame.delay, frame.dispose));
    }
    frames
}

#[test]
fn gif_keeps_every_frame_and_its_timing() {
    let plain = picture("earth.gif");
    let comment = [&[0x21, 0xfe, SECRET.len() as u8][..], SECRET, &[0]].concat();
    let palette = if plain[10] & 0x80 == 0 { 0 } else { 3 << ((plain[10] & 7) + 1) };
    let dirty = [&plain[..13 + palette], &comment, &plain[13 + palette..], SECRET].concat();
    let stripped = clean(&dirty);
    assert!(!holds(&stripped, SECRET));
    assert_eq!(holds(&stripped, b"NETSCAPE2.0"), holds(&plain, b"NETSCAPE2.0"));
    assert!(gif_frames(&stripped) == gif_frames(&plain));
}

#[test]
fn avif_keeps_its_pictures_bytes_and_loses_its_exif() {
    let plain = picture("breakfast.avif");
    assert!(holds(&plain, b"iPhone") || holds(&plain, b"Exif"));
    let rendered = strip(&plain, &Settings::default()).expect("clean");
    assert_eq!((rendered.media_type, rendered.width, rendered.height, rendered.frames), ("image/avif", 3024, 4032, 1));
    let stripped = rendered.bytes;
    assert_eq!(stripped.len(), plain.len(), "nothing moves");
    // The picture of this file lies at 0x357, 0x26cea bytes long, and its EXIF behind it.
    assert!(stripped[..0x357 + 0x26cea] == plain[..0x357 + 0x26cea]);
    let exif = &stripped[0x27041..0x27041 + 0x89a];
    assert!(exif.starts_with(b"\0\0\0\0MM\0\x2a\0\0\0\x08\0\0") && exif[18..].iter().all(|byte| *byte == 0));
    assert!(strip(&stripped, &Settings::default()).expect("again").bytes == stripped);
}

#[test]
fn what_cannot_be_sanitised_is_refused() {
    let settings = Settings::default();
    assert_eq!(strip(b"", &settings), Err(Error::NotAnImage));
    assert_eq!(strip(b"plain text", &settings), Err(Error::NotAnImage));
    assert_eq!(strip(b"<svg xmlns='http://www.w3.org/2000/svg'/>", &settings), Err(Error::NotAllowed(Source::Svg)));
    for name in ["landscape.jpg", "flower-small.png", "park.webp", "rose.webp", "earth.gif", "breakfast.avif"] {
        let whole = picture(name);
        for end in [1, 13, 40, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            assert!(strip(&whole[..end], &settings).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn source_bytes_are_limited_at_the_bound_and_just_past() {
    let bytes = picture("rose.webp");
    let settings =
        |max| Settings { limits: Limits { source_bytes_max: max, ..Limits::default() }, ..Settings::default() };
    let length = bytes.len() as u64;
    assert!(strip(&bytes, &settings(length)).is_ok());
    assert_eq!(strip(&bytes, &settings(length - 1)), Err(Error::TooManyBytes { asked: length, max: length - 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("AFTERIMAGE_LONG").is_some() { 20_000 } else { 400 }))]
    /// Damage anywhere, most of it in the head where lengths are: an error or a clean file that is clean again, and no crash.
    #[test]
    fn damage_is_no_crash(which in 0..6usize, hits in prop::collection::vec((0..1_200usize, any::<u8>()), 1..8), end in any::<prop::sample::Index>()) {
        let mut bytes = samples()[which].clone();
        let length = bytes.len();
        for (place, value) in hits {
            bytes[place % length] = value;
        }
        if value_is_odd(end.index(length)) {
            bytes.truncate(end.index(length));
        }
        if let Ok(once) = strip(&bytes, &Settings::default()) {
            let twice = strip(&once.bytes, &Settings::default());
            prop_assert_eq!(twice.map(|twice| twice.bytes == once.bytes), Ok(true));
        }
    }
}

fn value_is_odd(value: usize) -> bool {
    value % 2 == 1
}

fn samples() -> &'static [Vec<u8>; 6] {
    static SAMPLES: std::sync::OnceLock<[Vec<u8>; 6]> = std::sync::OnceLock::new();
    SAMPLES.get_or_init(|| {
        ["landscape.jpg", "flower-small.png", "park.webp", "rose.webp", "earth.gif", "breakfast.avif"].map(|name| {
            match name {
                "landscape.jpg" => with_secrets_in_jpeg(&picture(name)),
                _ => picture(name),
            }
        })
    })
}
