use super::*;
use crate::pixels::{Channels, Decoded, Frame, Frames, Pixels};
use crate::{Error, Limits, Never};

fn rgba(width: u32, height: u32, colours: &[[u8; 4]]) -> Frame {
    let pixels = Pixels::new(width, height, Channels::Rgba, colours.concat()).expect("right length");
    Frame { pixels, delay_ms: 70 }
}

fn encoded(frames: &[Frame], loops: u16) -> Vec<u8> {
    let mut frames = frames.iter().cloned().map(Ok);
    encode(&mut frames, loops, &Never).expect("encodes").0
}

fn decoded(bytes: &[u8]) -> Result<(u16, Vec<Frame>), Error> {
    let Frames { loops, frames, .. } = decode(bytes, &Limits::default(), &Never)?;
    Ok((loops, frames.map(|frame| frame.map(|frame| frame.map(Decoded::into_bytes))).collect::<Result<_, _>>()?))
}

const RED: [u8; 4] = [255, 0, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const BARE: [u8; 4] = [0, 0, 0, 0];

#[test]
fn what_is_encoded_is_decoded() {
    let films = [
        vec![rgba(2, 1, &[RED, BLUE])],
        vec![rgba(2, 1, &[RED, BLUE]), rgba(2, 1, &[RED, RED]), rgba(2, 1, &[BLUE, RED])],
        // Nothing changes.
        vec![rgba(2, 1, &[RED, BLUE]), rgba(2, 1, &[RED, BLUE])],
        // Something is uncovered, twice, and covered again.
        vec![
            rgba(2, 2, &[RED, RED, BLUE, BARE]),
            rgba(2, 2, &[BARE, RED, BARE, BARE]),
            rgba(2, 2, &[BARE; 4]),
            rgba(2, 2, &[RED; 4]),
        ],
    ];
    for film in films {
        for loops in [0, 1, 2, 7] {
            let (loops_found, found) = decoded(&encoded(&film, loops)).expect("decodes");
            if film.len() > 1 {
                assert_eq!(loops_found, loops);
            }
            assert_eq!(found.len(), film.len());
            for (at, (found, wanted)) in found.iter().zip(&film).enumerate() {
                assert_eq!(found.pixels.clone().into_rgba(), wanted.pixels, "frame {at} of {}", film.len());
                assert_eq!(found.delay_ms, if film.len() > 1 { 70 } else { 0 });
            }
        }
    }
}

/// Left, top, width and height; what becomes of the frame; its indices.
type Written<'a> = ((u16, u16, u16, u16), gif::DisposalMethod, &'a [u8]);

/// A GIF written frame by frame with the `gif` crate: index 0 transparent, 1 red, 2 blue.
fn written(screen: (u16, u16), frames: &[Written<'_>]) -> Vec<u8> {
    let palette = [0, 0, 0, 255, 0, 0, 0, 0, 255, 9, 9, 9];
    let mut encoder = gif::Encoder::new(Vec::new(), screen.0, screen.1, &palette).expect("header");
    for ((left, top, width, height), dispose, indices) in frames {
        let frame = gif::Frame {
            left: *left,
            top: *top,
            width: *width,
            height: *height,
            dispose: *dispose,
            transparent: Some(0),
            buffer: indices.to_vec().into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).expect("a frame");
    }
    encoder.into_inner().expect("trailer")
}

#[test]
fn disposal_is_as_the_format_says() {
    use gif::DisposalMethod::{Background, Keep, Previous};
    let shown = |first: gif::DisposalMethod| {
        let bytes = written(
            (3, 1),
            &[((0, 0, 3, 1), Keep, &[1, 1, 1]), ((1, 0, 1, 1), first, &[2]), ((2, 0, 1, 1), Keep, &[2])],
        );
        decoded(&bytes).expect("decodes").1.pop().expect("three frames").pixels.into_rgba().data
    };
    assert_eq!(shown(Keep), [RED, BLUE, BLUE].concat());
    assert_eq!(shown(Background), [RED, BARE, BLUE].concat());
    assert_eq!(shown(Previous), [RED, RED, BLUE].concat());
}

/// There is none before a part is cleared, and none of the bytes of a palette's missing colours.
#[test]
fn alpha_comes_when_something_is_cleared() {
    use gif::DisposalMethod::{Background, Keep};
    let whole = (0, 0, 2, 1);
    let frames = [(whole, Keep, &[1, 2][..]), ((0, 0, 1, 1), Background, &[2]), (whole, Keep, &[0, 200])];
    let shown = decoded(&written((2, 1), &frames)).expect("decodes").1;
    let channels = shown.iter().map(|frame| frame.pixels.channels).collect::<Vec<_>>();
    assert_eq!(channels, [Channels::Rgb, Channels::Rgb, Channels::Rgba]);
    assert_eq!(shown[1].pixels.data, [0, 0, 255, 0, 0, 255]);
    assert_eq!(shown[2].pixels.data, [BARE, BLUE].concat());
}

#[test]
fn frames_beyond_the_canvas_are_cut() {
    let bytes = written((2, 1), &[((1, 0, 3, 2), gif::DisposalMethod::Keep, &[1, 2, 2, 2, 2, 2])]);
    let (_, frames) = decoded(&bytes).expect("decodes");
    assert_eq!(frames[0].pixels.data, [BARE, RED].concat());
    let bytes = written(
        (2, 1),
        &[((7, 7, 1, 1), gif::DisposalMethod::Background, &[1]), ((0, 0, 2, 1), gif::DisposalMethod::Keep, &[1, 1])],
    );
    let (_, frames) = decoded(&bytes).expect("decodes");
    assert_eq!(frames[0].pixels.data, [BARE, BARE].concat());
    assert_eq!(frames[1].pixels.data, [RED, RED].concat());
}

#[test]
fn many_colours_come_close() {
    let data: Vec<u8> = (0..64u32 * 64).flat_map(|at| [(at % 64 * 4) as u8, (at / 64 * 4) as u8, 128, 255]).collect();
    let picture = Pixels::new(64, 64, Channels::Rgba, data).expect("right length");
    let bytes = encoded(&[Frame { pixels: picture.clone(), delay_ms: 0 }], 1);
    let (_, frames) = decoded(&bytes).expect("decodes");
    let shown = frames[0].pixels.clone().into_rgba();
    // Single pixels are dithered; what the eye averages, 8x8 of them, must agree.
    let mean = |pixels: &Pixels, left: usize, top: usize, channel: usize| {
        let at = |x: usize, y: usize| u32::from(pixels.data[(y * 64 + x) * 4 + channel]);
        (0..64).map(|n| at(left + n % 8, top + n / 8)).sum::<u32>() / 64
    };
    for (left, top) in (0..64).step_by(8).flat_map(|top| (0..64).step_by(8).map(move |left| (left, top))) {
        for channel in 0..3 {
            let (shown, wanted) = (mean(&shown, left, top, channel), mean(&picture, left, top, channel));
            assert!(shown.abs_diff(wanted) <= 12, "{left},{top} channel {channel}: {shown}, not {wanted}");
        }
    }
}

#[test]
fn only_what_changed_is_stored() {
    let still: Vec<[u8; 4]> = (0..100u8).flat_map(|y| (0..100u8).map(move |x| [x * 2, y * 2, 0, 255])).collect();
    let mut moved = still.clone();
    moved[5050] = BLUE;
    let one = encoded(&[rgba(100, 100, &still)], 1).len();
    let two = encoded(&[rgba(100, 100, &still), rgba(100, 100, &moved)], 1).len();
    assert!(two < one + 100, "{one} then {two}");
}

#[test]
fn every_cut_is_an_error() {
    let bytes = encoded(&[rgba(2, 1, &[RED, BLUE]), rgba(2, 1, &[RED, RED])], 0);
    for end in 6..bytes.len() {
        assert!(probe(&bytes[..end], &Limits::default()).is_err(), "cut at {end}");
        assert!(decode(&bytes[..end], &Limits::default(), &Never).is_err(), "cut at {end}");
    }
}

#[test]
fn a_side_of_65535_is_the_most() {
    let tall = |height| {
        let pixels = Pixels::filled(1, height, Channels::Gray, &[1]).expect("small");
        encode(&mut std::iter::once(Ok(Frame { pixels, delay_ms: 0 })), 1, &Never).map(|_| ())
    };
    assert_eq!(tall(65_535), Ok(()));
    assert_eq!(tall(65_536), Err(Error::OutputTooLarge { asked: 65_536, max: 65_535 }));
}
