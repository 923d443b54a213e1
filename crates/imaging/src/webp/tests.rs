use super::*;
use crate::encode::About;
use crate::pixels::{Channels, Decoded, Frame, Frames, Pixels};
use crate::{Error, Limits, Never};

const GOOD: Encoding = Encoding { quality: 100.0, method: 2 };

fn even(pixel: [u8; 4]) -> Pixels {
    Pixels::filled(20, 10, Channels::Rgba, &pixel).expect("small")
}

fn decoded(bytes: &[u8]) -> Result<(u16, Vec<Frame>), Error> {
    let Frames { loops, frames, .. } = decode(bytes, &Limits::default(), &Never)?;
    Ok((loops, frames.map(|frame| frame.map(|frame| frame.map(Decoded::into_bytes))).collect::<Result<_, _>>()?))
}

fn close(a: &Pixels, b: &Pixels) -> bool {
    let (a, b) = (a.clone().into_rgba(), b.clone().into_rgba());
    a.data.len() == b.data.len() && a.data.iter().zip(&b.data).all(|(a, b)| a.abs_diff(*b) <= 4)
}

#[test]
fn stills_there_and_back() {
    for pixels in [
        even([10, 200, 30, 255]).into_rgb(),
        even([10, 200, 30, 128]),
        Pixels::filled(3, 7, Channels::Gray, &[99]).expect("small"),
    ] {
        let bytes = encode(&pixels, GOOD, &Never).expect("encodes");
        let (_, frames) = decoded(&bytes).expect("decodes");
        assert!(close(&frames[0].pixels, &pixels), "{:?} became {:?}", &pixels.data[..4], &frames[0].pixels.data[..4]);
    }
}

fn film(colours: &[[u8; 4]]) -> Vec<u8> {
    let mut frames = colours.iter().map(|colour| Ok(Frame { pixels: even(*colour), delay_ms: 50 }));
    encode_animation(&mut frames, 3, GOOD, &Never).expect("encodes").0
}

#[test]
fn animations_there_and_back() {
    let colours = [[255, 0, 0, 255], [0, 0, 255, 255], [0, 0, 255, 0], [0, 255, 0, 255]];
    let (loops, frames) = decoded(&film(&colours)).expect("decodes");
    assert_eq!((loops, frames.len()), (3, 4));
    for (frame, colour) in frames.iter().zip(colours) {
        assert_eq!(frame.delay_ms, 50);
        match colour[3] {
            0 => assert!(frame.pixels.data.chunks_exact(4).all(|pixel| pixel[3] == 0)),
            _ => assert!(close(&frame.pixels, &even(colour)), "{colour:?}"),
        }
    }
}

/// An animation of 4x2 pixels: red all over, then a lossy opaque blue 2x2 on the left, then a transparent 2x2 on the right.
fn partial(dispose_second: bool) -> Vec<u8> {
    let bitstream = |colour: [u8; 3], width| {
        let file =
            encode(&Pixels::filled(width, 2, Channels::Rgb, &colour).expect("small"), GOOD, &Never).expect("encodes");
        let chunk = riff::chunks(&file, 12, file.len()).expect("chunks").remove(0);
        file[chunk.body.start - 8..chunk.body.end + (chunk.body.len() & 1)].to_vec()
    };
    let frame = |x: u8, width: u8, flags: u8, image: Vec<u8>| {
        [vec![x / 2, 0, 0, 0, 0, 0, width - 1, 0, 0, 1, 0, 0, 40, 0, 0, flags], image].concat()
    };
    let head = riff::extended_header(4, 2, 0x12);
    let first = frame(0, 4, 0, bitstream([255, 0, 0], 4));
    let second = frame(0, 2, u8::from(dispose_second), bitstream([0, 0, 255], 2));
    let third = frame(2, 2, 0, bitstream([0, 255, 0], 2));
    riff::write(&[(b"VP8X", &head), (b"ANIM", &[0; 6]), (b"ANMF", &first), (b"ANMF", &second), (b"ANMF", &third)])
}

#[test]
fn frames_are_laid_and_cleared_as_the_format_says() {
    let last = |dispose| decoded(&partial(dispose)).expect("decodes").1.pop().expect("three frames").pixels;
    let near = |pixel: &[u8], wanted: [u8; 4]| pixel.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 12);
    let (kept, cleared) = (last(false), last(true));
    assert!(near(&kept.data[..4], [0, 0, 255, 255]), "{:?}", &kept.data[..4]);
    assert_eq!(cleared.data[..4], [0; 4]);
    for picture in [kept, cleared] {
        assert!(near(&picture.data[12..16], [0, 255, 0, 255]), "{:?}", &picture.data[12..16]);
    }
}

#[test]
fn every_cut_is_an_error() {
    for bytes in [film(&[[1, 2, 3, 255], [9, 9, 9, 255]]), encode(&even([1, 2, 3, 99]), GOOD, &Never).expect("encodes")]
    {
        for end in 12..bytes.len() {
            assert!(probe(&bytes[..end], &Limits::default()).is_err(), "cut at {end}");
        }
        let behind = [bytes.as_slice(), b"anything"].concat();
        assert!(decoded(&behind).is_ok(), "what follows the end is nobody's business");
    }
}

#[test]
fn exif_goes_into_stills_and_animations() {
    let tiff = crate::exif::write(&crate::exif::Facts { artist: Some("Ann".into()), ..Default::default() })
        .expect("an artist");
    let stills = [even([1, 2, 3, 255]).into_rgb(), even([1, 2, 3, 99])]
        .map(|pixels| encode(&pixels, GOOD, &Never).expect("encodes"));
    for bytes in stills.into_iter().chain([film(&[[1, 2, 3, 255], [9, 9, 9, 0]])]) {
        let signed = with_about(&bytes, &About { exif: Some(&tiff), icc: None }).expect("has a place for it");
        let found = decode(&signed, &Limits::default(), &Never).expect("decodes");
        assert_eq!(found.copyright.artist.as_deref(), Some("Ann"));
        let before = decoded(&bytes).expect("decodes").1;
        let after = decoded(&signed).expect("decodes").1;
        assert!(before.iter().zip(&after).all(|(a, b)| a.pixels == b.pixels) && before.len() == after.len());
    }
}

#[test]
fn profiles_go_into_stills_and_animations() {
    let stills = [even([1, 2, 3, 255]).into_rgb(), even([1, 2, 3, 99])]
        .map(|pixels| encode(&pixels, GOOD, &Never).expect("encodes"));
    for bytes in stills.into_iter().chain([film(&[[1, 2, 3, 255], [9, 9, 9, 0]])]) {
        for exif in [None, Some(b"MM\0\x2a".as_slice())] {
            let tagged = with_about(&bytes, &About { exif, icc: Some(b"profile") }).expect("has a place for it");
            let found = decode(&tagged, &Limits::default(), &Never).expect("decodes");
            assert_eq!(found.icc.as_deref(), Some(b"profile".as_slice()));
            let again = with_about(&tagged, &About::default()).expect("has a place for it");
            assert_eq!(decode(&again, &Limits::default(), &Never).expect("decodes").icc, None);
            assert_eq!(decoded(&bytes).expect("decodes").1.len(), decoded(&tagged).expect("decodes").1.len());
        }
    }
}

#[test]
fn metadata_at_the_bound_and_past_it() {
    let still = encode(&even([1, 2, 3, 255]), GOOD, &Never).expect("encodes");
    let signed = with_about(&still, &About { exif: Some(&[0; 100]), icc: None }).expect("has a place for it");
    let limits = |metadata_bytes_max| Limits { metadata_bytes_max, ..Limits::default() };
    assert!(probe(&signed, &limits(100)).is_ok());
    assert_eq!(probe(&signed, &limits(99)).err(), Some(Error::MetadataTooLarge { asked: 100, max: 99 }));
}

#[test]
fn a_side_of_16383_is_the_most() {
    let tall =
        |height| encode(&Pixels::filled(1, height, Channels::Gray, &[1]).expect("small"), GOOD, &Never).map(|_| ());
    assert_eq!(tall(16_383), Ok(()));
    assert_eq!(tall(16_384), Err(Error::OutputTooLarge { asked: 16_384, max: 16_383 }));
}

#[test]
fn stops_when_told() {
    let big = Pixels::filled(300, 300, Channels::Rgb, &[1, 2, 3]).expect("small");
    assert_eq!(encode(&big, GOOD, &|| true), Err(Error::Expired));
}
