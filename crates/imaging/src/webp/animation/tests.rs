use proptest::prelude::*;

use super::super::decode::decode;
use super::*;
use crate::pixels::Frames;
use crate::{Limits, Never};

const GOOD: Encoding = Encoding { quality: 100.0, method: 2 };

fn made(film: &[(Pixels, u32)], encoding: Encoding) -> Vec<u8> {
    let mut frames = film.iter().map(|(pixels, delay_ms)| Ok(Frame { pixels: pixels.clone(), delay_ms: *delay_ms }));
    encode_animation(&mut frames, 0, encoding, &Never).expect("encodes").0
}

/// What shows, and for how long.
fn played(bytes: &[u8]) -> Vec<(Pixels, u32)> {
    let Frames { frames, .. } = decode(bytes, &Limits::default(), &Never).expect("decodes");
    let frames = frames.map(|frame| frame.expect("a frame"));
    frames.map(|frame| (frame.pixels.into_bytes().into_rgba(), frame.delay_ms)).collect()
}

/// Left, top, width, height and flags of each frame.
fn written(bytes: &[u8]) -> Vec<(u32, u32, u32, u32, u8)> {
    let container = riff::read(bytes, &Limits::default()).expect("a container");
    let of = |body: &[u8]| {
        let number = |at: usize| riff::u24(&body[at..]);
        (number(0) * 2, number(3) * 2, number(6) + 1, number(9) + 1, body[15])
    };
    container.frames.iter().map(|range| of(&bytes[range.clone()])).collect()
}

fn gray(width: u32, height: u32, value: u8) -> Pixels {
    Pixels::filled(width, height, Channels::Rgb, &[value; 3]).expect("small")
}

fn paint(pixels: &mut Pixels, area: Area, pixel: [u8; 4]) {
    let samples = pixels.channels.samples();
    let from = Pixels::filled(pixels.width, pixels.height, pixels.channels, &pixel[..samples]).expect("small");
    lay(&from, area, pixels);
}

fn area(left: usize, top: usize, width: usize, height: usize) -> Area {
    Area { left, top, right: left + width, bottom: top + height }
}

/// Whether pictures are as alike as the encoder leaves them; what is invisible may be anything.
fn alike(a: &Pixels, b: &Pixels) -> bool {
    let close = |a: &[u8], b: &[u8]| a[..3].iter().zip(&b[..3]).all(|(a, b)| a.abs_diff(*b) <= 16);
    let mut pairs = a.data.chunks_exact(4).zip(b.data.chunks_exact(4));
    pairs.all(|(a, b)| a[3] == b[3] && (a[3] == 0 || close(a, b)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Rectangles of gray, or of nothing, come and go: at every moment what shows is what was to show.
    #[test]
    fn what_shows_is_what_was_to_show(
        (width, height) in (1u32..70, 1u32..50),
        strokes in proptest::collection::vec(
            ((0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0), 0u8..7, prop_oneof![4 => Just(255u8), 1 => Just(0)], 1u32..90),
            1..7,
        ),
        is_opaque in any::<bool>(),
    ) {
        let mut pixels = gray(width, height, 120).into_rgba();
        let mut film = vec![(pixels.clone(), 20)];
        for ((x, y, wide, high), value, alpha, delay_ms) in strokes {
            let place = |at: f64, side: u32| (at * f64::from(side)) as usize;
            let (left, top) = (place(x, width), place(y, height));
            let (right, bottom) = (left + 1 + place(wide, width - left as u32 - 1), top + 1 + place(high, height - top as u32 - 1));
            let alpha = if is_opaque { 255 } else { alpha };
            let value = value * 40;
            paint(&mut pixels, Area { left, top, right, bottom }, [value, value, value, alpha]);
            film.push((pixels.clone(), delay_ms));
        }
        let bytes = made(&film, GOOD);
        let mut wanted: Vec<(u32, &Pixels)> = Vec::new();
        let mut at_ms = 0;
        for (pixels, delay_ms) in &film {
            wanted.push((at_ms, pixels));
            at_ms += delay_ms;
        }
        let (mut from_ms, mut met) = (0, 0);
        for (pixels, delay_ms) in played(&bytes) {
            for (_, wanted) in wanted.iter().filter(|(at, _)| (from_ms..from_ms + delay_ms).contains(at)) {
                prop_assert!(alike(&pixels, wanted), "at {} ms", from_ms);
                met += 1;
            }
            from_ms += delay_ms;
        }
        prop_assert_eq!((met, from_ms), (film.len(), at_ms));
    }
}

#[test]
fn only_what_changed_is_written_from_even_places() {
    let first = gray(101, 67, 40);
    for (changed, wanted) in [
        (area(33, 21, 5, 3), (32, 20, 6, 4)),
        (area(32, 20, 1, 1), (32, 20, 1, 1)),
        (area(100, 66, 1, 1), (100, 66, 1, 1)),
        (area(99, 65, 2, 2), (98, 64, 3, 3)),
        (area(0, 0, 101, 67), (0, 0, 101, 67)),
    ] {
        let mut second = first.clone();
        paint(&mut second, changed, [200; 4]);
        let frames = written(&made(&[(first.clone(), 50), (second, 50)], GOOD));
        assert_eq!(frames[0], (0, 0, 101, 67, REPLACES));
        let (left, top, width, height) = wanted;
        assert_eq!(frames[1], (left, top, width, height, REPLACES), "{changed:?}");
    }
}

/// Two corners change, and not the noise between them.
#[test]
fn what_lies_between_changes_is_left_out() {
    let noise = (0..128u32 * 128 * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let first = Pixels::new(128, 128, Channels::Rgb, noise).expect("whole");
    let mut second = first.clone();
    paint(&mut second, area(0, 0, 8, 8), [250; 4]);
    paint(&mut second, area(120, 120, 8, 8), [5; 4]);
    let one = made(&[(first.clone(), 50)], GOOD).len();
    let two = made(&[(first.clone(), 50), (second.clone(), 50)], GOOD);
    assert_eq!(written(&two)[1], (0, 0, 128, 128, 0));
    assert!(two.len() < one + one / 10, "{one} then {}", two.len());
    let frames = played(&two);
    let (before, after) = (&frames[0].0, &frames[1].0);
    let row = |pixels: &Pixels, y: usize| pixels.data[y * 128 * 4..(y + 1) * 128 * 4].to_vec();
    assert_eq!(row(before, 64), row(after, 64), "the middle is as it was");
    assert!(alike(&Pixels { data: row(after, 3)[..16].to_vec(), ..after.clone() }, &gray(4, 1, 250).into_rgba()));
}

#[test]
fn a_slow_fade_arrives() {
    let encoding = Encoding { quality: 60.0, method: 2 };
    let film: Vec<(Pixels, u32)> = (0..100).map(|value| (gray(32, 32, 50 + value), 10)).collect();
    let bytes = made(&film, encoding);
    let frames = played(&bytes);
    assert!(frames.len() < 20, "{} frames for a hundred of small steps", frames.len());
    let last = frames.last().expect("a frame");
    assert!(last.0.data[0].abs_diff(149) <= 8 + 4, "{}", last.0.data[0]);
    assert_eq!(frames.iter().map(|frame| frame.1).sum::<u32>(), 1000);
}

#[test]
fn what_changes_nothing_lengthens_up_to_the_longest_time() {
    let times = |delays: &[u32]| {
        let film: Vec<(Pixels, u32)> = delays.iter().map(|delay_ms| (gray(8, 8, 9), *delay_ms)).collect();
        let bytes = made(&film, GOOD);
        assert!(played(&bytes).iter().all(|(pixels, _)| alike(pixels, &gray(8, 8, 9).into_rgba())));
        played(&bytes).iter().map(|frame| frame.1).collect::<Vec<u32>>()
    };
    assert_eq!(times(&[70, 80]), [150]);
    assert_eq!(times(&[SHOWN_MS_MAX - 1, 1]), [SHOWN_MS_MAX]);
    assert_eq!(times(&[SHOWN_MS_MAX, 1]), [SHOWN_MS_MAX, 1]);
    assert_eq!(times(&[SHOWN_MS_MAX + 1]), [SHOWN_MS_MAX]);
}

#[test]
fn alpha_is_told_only_where_there_is_some() {
    let flags = |film: &[(Pixels, u32)]| riff::read(&made(film, GOOD), &Limits::default()).expect("a container").alpha;
    let (opaque, bare) = (gray(20, 20, 9), Pixels::filled(20, 20, Channels::Rgba, &[0; 4]).expect("small"));
    assert!(!flags(&[(opaque.clone(), 9), (gray(20, 20, 99), 9)]));
    assert!(!flags(&[(opaque.clone().into_rgba(), 9)]));
    assert!(flags(&[(opaque, 9), (bare, 9)]));
}

#[test]
fn errors_and_ends_are_passed_on() {
    let frames = || [Ok(Frame { pixels: gray(4, 4, 1), delay_ms: 1 }), Err(Error::broken("x"))].into_iter();
    assert_eq!(encode_animation(&mut frames(), 0, GOOD, &Never), Err(Error::broken("x")));
    assert_eq!(encode_animation(&mut frames().take(1), 0, GOOD, &|| true), Err(Error::Expired));
    assert!(encode_animation(&mut std::iter::empty(), 0, GOOD, &Never).is_err());
}
