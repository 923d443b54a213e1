//! What draws the eye: edges, more so where the colour stands out from the rest of the picture or is like skin, and a little of both
//! where there is no edge. A crop is good when what draws the eye is in its middle, so a window is weighed by a hill that falls off to
//! its borders. Everything is counted in whole numbers: mirrored pictures have mirrored crops, on every machine.

use super::{edges, luma};
use crate::pixels::{Channels, Pixels};

/// The direction of skin among colours, from the palest to the darkest: what differs between people is mostly how bright it is.
const SKIN: [f64; 3] = [0.78, 0.57, 0.44];
/// How far from that direction a colour is no skin any more, between directions of length one. Gray is 0.23 away.
const SKIN_REACH: f64 = 0.2;
/// Luma that is too dark to have a colour, and too bright.
const SKIN_LUMA: std::ops::Range<u8> = 40..250;

/// The sums of every window of so many cells, row by row.
pub(super) fn sums(map: &Pixels, columns: usize, rows: usize) -> Vec<f64> {
    let (width, height) = (map.width as usize, map.height as usize);
    let scores = scores(map);
    let across = hill(columns);
    let places = width - columns + 1;
    let beside: Vec<u64> =
        scores.chunks_exact(width).flat_map(|row| row.windows(columns).map(|cells| sum(cells, &across))).collect();
    let down = hill(rows);
    let tops = 0..=height - rows;
    let window = |top: usize, place: usize| {
        let weighed = down.iter().enumerate().map(|(row, weight)| beside[(top + row) * places + place] * weight);
        weighed.sum::<u64>() as f64
    };
    tops.flat_map(|top| (0..places).map(move |place| (top, place))).map(|(top, place)| window(top, place)).collect()
}

fn sum(cells: &[u64], weights: &[u64]) -> u64 {
    cells.iter().zip(weights).map(|(cell, weight)| cell * weight).sum()
}

/// A parabola over so many cells, nought just outside of them. At most 2^14, as the map has at most 128 cells on a side.
fn hill(length: usize) -> Vec<u64> {
    (0..length as u64).map(|at| (2 * at + 1) * (2 * (length as u64 - at) - 1)).collect()
}

/// At most some 2^12 a cell, so that the sum over a whole map fits into 64 bits with the weights of both sides.
fn scores(map: &Pixels) -> Vec<u64> {
    let (width, height) = (map.width as usize, map.height as usize);
    let luma = luma(map);
    let colours: Vec<[u8; 3]> = match map.channels {
        Channels::Gray => Vec::new(),
        Channels::Rgb => map.data.as_chunks().0.to_vec(),
        Channels::Rgba => map.data.as_chunks().0.iter().map(seen).collect(),
    };
    let standing = standing_out(&colours, &luma);
    let score = |(at, edge): (usize, f64)| {
        let (standing, skin) = match colours.get(at) {
            Some(colour) => (standing[at], skin(*colour, luma[at])),
            None => (0, 0),
        };
        edge as u64 * (510 + 8 * standing + skin) / 510 + (standing + skin) / 8
    };
    edges(&luma, width, height).into_iter().enumerate().map(score).collect()
}

/// A colour on black, by its opacity.
fn seen([red, green, blue, alpha]: &[u8; 4]) -> [u8; 3] {
    [red, green, blue].map(|value| (u32::from(*value) * u32::from(*alpha) / 255) as u8)
}

/// How far each colour is from the picture's mean colour, brightness left out. On a lawn that is not green.
fn standing_out(colours: &[[u8; 3]], luma: &[u8]) -> Vec<u64> {
    let chroma = |(colour, luma): (&[u8; 3], &u8)| [2, 0].map(|at: usize| i64::from(colour[at]) - i64::from(*luma));
    let chromas: Vec<[i64; 2]> = colours.iter().zip(luma).map(chroma).collect();
    let count = chromas.len().max(1) as i64;
    let mean = [0, 1].map(|at: usize| chromas.iter().map(|chroma| chroma[at]).sum::<i64>() / count);
    let away = |chroma: &[i64; 2]| chroma[0].abs_diff(mean[0]) + chroma[1].abs_diff(mean[1]);
    chromas.iter().map(|chroma| away(chroma).min(255)).collect()
}

/// How much a colour is like skin, 0 to 255.
fn skin(colour: [u8; 3], luma: u8) -> u64 {
    if !SKIN_LUMA.contains(&luma) {
        return 0;
    }
    let colour = colour.map(f64::from);
    let length = |vector: [f64; 3]| vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    let (long, wide) = (length(colour), length(SKIN));
    let apart = length([0, 1, 2].map(|at: usize| colour[at] / long - SKIN[at] / wide));
    ((1.0 - apart / SKIN_REACH).max(0.0) * 255.0) as u64
}

#[cfg(test)]
mod tests {
    use afterimage_variant::{Search, Window};

    use super::*;
    use crate::search::place;

    const GRAY: [u8; 3] = [128, 128, 128];

    /// Ellipses on gray, 120x60: the middle, half the width, half the height and the colour of each.
    fn ellipses(shapes: &[(f64, f64, f64, f64, [u8; 3])]) -> Pixels {
        let colour = |x: f64, y: f64| {
            let inside = |(left, top, wide, high, _): &&(f64, f64, f64, f64, [u8; 3])| {
                ((x - left) / wide).powi(2) + ((y - top) / high).powi(2) < 1.0
            };
            shapes.iter().rev().find(inside).map_or(GRAY, |shape| shape.4)
        };
        let cells = (0..60).flat_map(|y| (0..120).map(move |x| (f64::from(x) + 0.5, f64::from(y) + 0.5)));
        Pixels::new(120, 60, Channels::Rgb, cells.flat_map(|(x, y)| colour(x, y)).collect()).expect("right length")
    }

    /// The middle of the square that is chosen, in cells.
    fn middle(map: &Pixels) -> f64 {
        let window = Window { x: 30.0, y: 0.0, width: 60.0, height: 60.0 };
        place(map, Search::Smart, (120.0, 60.0), window).x + 30.0
    }

    #[test]
    fn a_disc_stands_in_the_middle() {
        for (colour, x) in
            [([220, 30, 30], 40.0), ([220, 30, 30], 83.0), ([30, 60, 200], 70.0), ([250, 250, 250], 50.0)]
        {
            assert_eq!(middle(&ellipses(&[(x, 30.0, 12.0, 12.0, colour)])), x, "{colour:?}");
        }
    }

    #[test]
    fn of_two_that_are_as_bright_the_eye_takes_the_face_and_the_colour() {
        // Each of 165 luma, as far from the gray around them.
        let (gray, green) = ([165, 165, 165], [120, 205, 80]);
        for face in [[224, 150, 112], [215, 151, 126]] {
            for (left, right, wanted) in [(gray, face, 90.0), (face, gray, 30.0), (green, gray, 30.0)] {
                let map = ellipses(&[(28.0, 30.0, 11.0, 15.0, left), (92.0, 30.0, 11.0, 15.0, right)]);
                assert!((middle(&map) - wanted).abs() < 3.0, "{left:?} {right:?}: {}", middle(&map));
            }
        }
    }

    #[test]
    fn skin_is_skin_from_pale_to_dark_and_little_else() {
        let skin =
            |colour: [u8; 3]| skin(colour, luma(&Pixels::filled(1, 1, Channels::Rgb, &colour).expect("small"))[0]);
        for colour in [
            [255, 219, 172],
            [241, 194, 125],
            [224, 172, 105],
            [198, 134, 66],
            [120, 80, 55],
            [92, 58, 42],
            [60, 46, 40],
        ] {
            assert!(skin(colour) > 0, "{colour:?}");
        }
        for colour in
            [[128, 128, 128], [255, 0, 0], [0, 128, 0], [90, 140, 200], [0, 0, 0], [255, 255, 255], [10, 7, 5]]
        {
            assert_eq!(skin(colour), 0, "{colour:?}");
        }
    }

    #[test]
    fn a_mirrored_picture_has_a_mirrored_crop() {
        let shapes = [(20.0, 18.0, 14.0, 9.0, [200, 140, 100]), (75.0, 40.0, 22.0, 12.0, [40, 90, 60])];
        let mirrored = shapes.map(|(x, y, wide, high, colour)| (120.0 - x, y, wide, high, colour));
        assert_eq!(middle(&ellipses(&shapes)), 120.0 - middle(&ellipses(&mirrored)));
    }

    #[test]
    fn the_largest_sum_fits() {
        // Checkers of the two colours with the steepest edges, on the largest map there is.
        let data =
            (0..128 * 128).flat_map(|at| if (at + at / 128) % 4 < 2 { [255, 0, 0] } else { [0, 255, 255] }).collect();
        let map = Pixels::new(128, 128, Channels::Rgb, data).expect("right length");
        let sums = sums(&map, 128, 128);
        assert!(sums.len() == 1 && sums[0] > 0.0, "{sums:?}");
        assert!(scores(&map).into_iter().max().expect("cells") < 1 << 13);
    }

    #[test]
    fn what_is_transparent_draws_nobody() {
        let clear = |pixels: Pixels| {
            let data = pixels.data.as_chunks::<3>().0.iter().enumerate();
            let data = data.flat_map(|(at, [r, g, b])| [*r, *g, *b, if at % 120 < 60 { 0 } else { 255 }]).collect();
            Pixels::new(120, 60, Channels::Rgba, data).expect("right length")
        };
        let map = ellipses(&[(30.0, 30.0, 14.0, 14.0, [255, 0, 0]), (90.0, 30.0, 6.0, 6.0, [150, 160, 150])]);
        assert!(middle(&map) < 60.0 && middle(&clear(map)) > 60.0);
    }
}
