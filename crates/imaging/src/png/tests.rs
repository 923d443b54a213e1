//! PNG files of every kind, in and out.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::*;
use crate::encode::About;
use crate::{Never, PngEffort};

const PLAIN: Encoding = Encoding { effort: PngEffort::Fast, about: About { exif: None, icc: None }, stop: &Never };

fn decoded(bytes: &[u8]) -> Result<Pixels, Error> {
    let mut frames = decode(bytes, &Limits::default(), &Never)?;
    frames.frames.next().expect("one frame").map(|frame| frame.pixels.into_bytes())
}

/// A PNG of raw rows in this colour type and depth.
fn written(width: u32, height: u32, colour: png::ColorType, depth: png::BitDepth, rows: &[u8], trns: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut info = png::Info::with_size(width, height);
    info.color_type = colour;
    info.bit_depth = depth;
    if colour == png::ColorType::Indexed {
        info.palette = Some(vec![255, 0, 0, 0, 255, 0, 0, 0, 255].into());
    }
    if !trns.is_empty() {
        info.trns = Some(trns.to_vec().into());
    }
    let mut writer = png::Encoder::with_info(&mut out, info).and_then(|e| e.write_header()).expect("header");
    writer.write_image_data(rows).expect("rows");
    writer.finish().expect("end");
    out
}

#[test]
fn every_depth_and_kind() {
    use png::{BitDepth as D, ColorType as C};
    type Case<'a> = (C, D, &'a [u8], &'a [u8], Channels, &'a [u8]);
    let cases: &[Case] = &[
        (C::Grayscale, D::One, &[0b0100_0000], &[], Channels::Gray, &[0, 255]),
        (C::Grayscale, D::Two, &[0b0110_0000], &[], Channels::Gray, &[85, 170]),
        (C::Grayscale, D::Four, &[0x3f], &[], Channels::Gray, &[51, 255]),
        (C::Grayscale, D::Eight, &[7, 200], &[], Channels::Gray, &[7, 200]),
        // 0x0080 is nearer to 0, 0x0081 to 1: rounded, not cut.
        (C::Grayscale, D::Sixteen, &[0x00, 0x80, 0x00, 0x81], &[], Channels::Gray, &[0, 1]),
        (C::Grayscale, D::Eight, &[7, 200], &[0, 200], Channels::Rgba, &[7, 7, 7, 255, 200, 200, 200, 0]),
        (C::Rgb, D::Sixteen, &[255, 255, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4], &[], Channels::Rgb, &[255, 0, 1, 2, 3, 4]),
        (C::Indexed, D::Two, &[0b0110_0000], &[], Channels::Rgb, &[0, 255, 0, 0, 0, 255]),
        (C::Indexed, D::Eight, &[0, 1], &[9], Channels::Rgba, &[255, 0, 0, 9, 0, 255, 0, 255]),
        (C::GrayscaleAlpha, D::Eight, &[5, 6, 7, 8], &[], Channels::Rgba, &[5, 5, 5, 6, 7, 7, 7, 8]),
        // Alpha that says nothing is dropped.
        (C::Rgba, D::Eight, &[1, 2, 3, 255, 4, 5, 6, 255], &[], Channels::Rgb, &[1, 2, 3, 4, 5, 6]),
    ];
    for (colour, depth, rows, trns, channels, wanted) in cases {
        let picture = decoded(&written(2, 1, *colour, *depth, rows, trns)).expect("decodes");
        assert_eq!((picture.channels, picture.data.as_slice()), (*channels, *wanted), "{colour:?} {depth:?}");
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    let cases = [
        Pixels::filled(5, 3, Channels::Gray, &[9]),
        Pixels::filled(5, 3, Channels::Rgb, &[9, 8, 7]),
        Pixels::filled(5, 3, Channels::Rgba, &[9, 8, 7, 6]),
        Pixels::new(40, 25, Channels::Rgb, (0..3000u32).map(|v| (v * 7919 % 251) as u8).collect()),
        Pixels::new(20, 15, Channels::Rgba, (0..1200u32).map(|v| (v * 31 % 255) as u8).collect()),
        Pixels::new(17, 1, Channels::Rgba, (0..17u8).flat_map(|v| [v, v, v, v]).collect()),
        Pixels::new(16, 16, Channels::Rgb, (0..=255u8).flat_map(|v| [v, 0, 0]).collect()),
    ];
    for picture in cases.map(|picture| picture.expect("right length")) {
        for effort in [PngEffort::Fast, PngEffort::Small] {
            let bytes = encode(&picture, &Encoding { effort, ..PLAIN }).expect("encodes");
            assert_eq!(decoded(&bytes).expect("decodes"), picture, "{effort:?}");
        }
    }
}

#[test]
fn a_palette_holds_exactly_256_colours() {
    let colours = |count: u32| (0..count).flat_map(|v| [v as u8, (v >> 8) as u8, 77]).collect::<Vec<u8>>();
    let of = |count: u32| palette::index(&Pixels::new(count, 1, Channels::Rgb, colours(count)).expect("right length"));
    for (count, depth) in
        [(2, png::BitDepth::One), (3, png::BitDepth::Two), (16, png::BitDepth::Four), (17, png::BitDepth::Eight)]
    {
        assert_eq!(of(count).map(|indexed| indexed.depth), Some(depth), "{count}");
    }
    assert!(of(256).is_some());
    assert!(of(257).is_none());
}

#[test]
fn every_cut_and_every_damaged_checksum_is_an_error() {
    let picture = Pixels::new(8, 8, Channels::Rgb, (0..192).collect()).expect("right length");
    let bytes = encode(&picture, &PLAIN).expect("encodes");
    for end in 8..bytes.len() {
        assert!(decoded(&bytes[..end]).is_err(), "cut at {end}");
    }
    // The four bytes behind the picture's data are its chunk's checksum.
    let mut damaged = bytes.clone();
    let crc = bytes.len() - 13;
    damaged[crc] ^= 1;
    assert!(decoded(&damaged).is_err());
}

#[test]
fn pixels_and_profiles_at_the_bound_and_past_it() {
    let picture = Pixels::filled(6, 5, Channels::Gray, &[1]).expect("small");
    let bytes = encode(&picture, &PLAIN).expect("encodes");
    let limits = |max| Limits { pixels_max: max, ..Limits::default() };
    assert!(probe(&bytes, &limits(30)).is_ok());
    assert_eq!(probe(&bytes, &limits(29)).err(), Some(Error::TooManyPixels { asked: 30, max: 29 }));

    // A profile of 100,000 zeros deflates to about a hundred bytes: what counts is what it inflates to.
    let mut info = png::Info::with_size(1, 1);
    info.icc_profile = Some(vec![0; 100_000].into());
    let mut bytes = Vec::new();
    let mut writer = png::Encoder::with_info(&mut bytes, info).and_then(|e| e.write_header()).expect("header");
    writer.write_image_data(&[0]).expect("rows");
    writer.finish().expect("end");
    let limits = |max| Limits { metadata_bytes_max: max, ..Limits::default() };
    let icc = |max| decode(&bytes, &limits(max), &Never).map(|frames| frames.icc.map(|icc| icc.len()));
    assert!(bytes.len() < 1_000);
    assert_eq!(icc(200_000), Ok(Some(100_000)));
    assert_ne!(icc(99_999), Ok(Some(100_000)));
}

#[test]
fn stops_when_told() {
    let bytes = encode(&Pixels::filled(6, 5, Channels::Gray, &[1]).expect("small"), &PLAIN).expect("encodes");
    assert_eq!(decode(&bytes, &Limits::default(), &|| true).err(), Some(Error::Expired));
}

#[test]
fn small_is_small_for_drawings_and_photographs_and_stops_when_told() {
    // What no filter helps: lines of one colour on another, in more than 256 colours. And what filters are for: a slope with grain.
    let drawing = |x: u32, y: u32| if (x + y) % 16 < 2 { [(x / 2) as u8, (y / 2) as u8, 90] } else { [20, 30, 40] };
    let slope = |x: u32, y: u32| [(x + x * y % 3) as u8, (x / 2 + y / 2) as u8, (y + x % 2) as u8];
    for pixel in [&drawing as &dyn Fn(u32, u32) -> [u8; 3], &slope] {
        let data = (0..240 * 240).flat_map(|at| pixel(at % 240, at / 240)).collect();
        let picture = Pixels::new(240, 240, Channels::Rgb, data).expect("right length");
        let made = |effort| encode(&picture, &Encoding { effort, ..PLAIN }).expect("encodes");
        let small = made(PngEffort::Small);
        assert!(small.len() < made(PngEffort::Fast).len(), "{} bytes", small.len());
        assert_eq!(decoded(&small).expect("decodes"), picture);
        // Asked at least twice for each of two filters: 172,800 bytes are more than two parts.
        for end in 1..=6 {
            let asked = AtomicU32::new(0);
            let stop = || asked.fetch_add(1, Relaxed) + 1 == end;
            assert_eq!(
                encode(&picture, &Encoding { effort: PngEffort::Small, stop: &stop, ..PLAIN }).err(),
                Some(Error::Expired)
            );
        }
    }
}

#[test]
fn copyright_travels() {
    let tiff =
        exif::write(&exif::Facts { orientation: 6, artist: Some("Ann".into()), copyright: None }).expect("facts");
    let bytes = encode(
        &Pixels::filled(6, 5, Channels::Gray, &[1]).expect("small"),
        &Encoding { about: About { exif: Some(&tiff), icc: None }, ..PLAIN },
    )
    .expect("encodes");
    let frames = decode(&bytes, &Limits::default(), &Never).expect("decodes");
    assert_eq!((frames.orientation, frames.copyright.artist.as_deref()), (6, Some("Ann")));
}

#[test]
fn sixteen_bits_there_and_back() {
    for channels in [Channels::Gray, Channels::Rgb, Channels::Rgba] {
        let data = (0..7 * 3 * channels.samples() as u32).map(|at| (at * 7_919 % 65_536) as u16).collect();
        let picture = Pixels::new(7, 3, channels, data).expect("right length");
        let bytes = encode_wide(&picture, &Encoding { about: About { exif: None, icc: Some(b"profile") }, ..PLAIN })
            .expect("encodes");
        let probe = probe(&bytes, &Limits::default()).expect("probes");
        assert!(probe.wide);
        let frames = decode(&bytes, &Limits::default(), &Never).expect("decodes");
        assert_eq!(frames.icc.is_some(), channels != Channels::Gray, "a profile for RGB only beside RGB");
        let found = frames.frames.map(|frame| frame.expect("decodes").pixels).next();
        assert_eq!(found, Some(Decoded::Words(picture)));
    }
}
