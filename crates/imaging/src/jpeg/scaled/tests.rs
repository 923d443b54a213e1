//! Against libjpeg-turbo, plane by plane, at every scale.

mod turbo;

use proptest::prelude::*;

use self::turbo::{Making, Plane};
use super::{Frame, Sink, decode};
use crate::jpeg::header;
use crate::{Error, Limits, Never};

/// Collects whole planes.
struct Collecting<'a> {
    frame: &'a Frame,
    planes: Vec<Vec<u8>>,
}

impl Sink for Collecting<'_> {
    fn rows(&mut self, component: usize, rows: &[u8], stride: usize) -> Result<(), Error> {
        for row in rows.chunks(stride) {
            self.planes[component].extend_from_slice(&row[..self.frame.components[component].width]);
        }
        Ok(())
    }
}

fn ours(bytes: &[u8], eighths: u32) -> Result<Vec<Plane>, Error> {
    let header = header::read(bytes, &Limits::default())?;
    let frame = Frame::of(&header, [eighths; 3]).expect("a frame that this decoder knows");
    let mut sink = Collecting { frame: &frame, planes: vec![Vec::new(); frame.components.len()] };
    decode(bytes, &header, &frame, &Never, &mut sink)?;
    let planes = sink.planes.into_iter().zip(&frame.components);
    Ok(planes.map(|(data, component)| Plane { width: component.width, height: component.height, data }).collect())
}

/// What n/8 shows of a plane at full scale: its blocks transformed, their n lowest frequencies transformed back, in floating point.
fn lowest_frequencies(full: &Plane, n: usize) -> Plane {
    let factor = |points: usize, x: usize, u: usize| match u {
        0 => 1.0,
        u => std::f64::consts::SQRT_2 * (std::f64::consts::PI * ((2 * x + 1) * u) as f64 / (2 * points) as f64).cos(),
    };
    // One matrix for both steps: output sample from input sample.
    let weight =
        |out: usize, into: usize| -> f64 { (0..n).map(|u| factor(n, out, u) * factor(8, into, u)).sum::<f64>() / 8.0 };
    let weights: Vec<Vec<f64>> = (0..n).map(|out| (0..8).map(|into| weight(out, into)).collect()).collect();
    let (width, height) = ((full.width * n).div_ceil(8), (full.height * n).div_ceil(8));
    let sample = |x: usize, y: usize| -> f64 {
        let (left, top) = (x / n * 8, y / n * 8);
        (0..8)
            .flat_map(|down| (0..8).map(move |across| (down, across)))
            .map(|(down, across)| {
                // Whole blocks only: callers see to it.
                let value = f64::from(full.data[(top + down) * full.width + left + across]);
                value * weights[x % n][across] * weights[y % n][down]
            })
            .sum()
    };
    let data = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| sample(x, y).round().clamp(0.0, 255.0) as u8);
    Plane { width, height, data: data.collect() }
}

/// The differences between a plane and the same part of another, which may be padded to the right and below.
fn differences<'a>(a: &'a Plane, b: &'a Plane) -> impl Iterator<Item = u8> + 'a {
    let rows = a.data.chunks(a.width).zip(b.data.chunks(b.width));
    rows.flat_map(|(a, b)| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)))
}

fn most(a: &Plane, b: &Plane) -> u8 {
    differences(a, b).max().unwrap_or(0)
}

fn mean(a: &Plane, b: &Plane) -> f64 {
    differences(a, b).map(f64::from).sum::<f64>() / a.data.len() as f64
}

/// libjpeg-turbo's transforms of 1, 3, 5, 6, 7 and 8 points are ours but for rounding. Those of 2 and 4 average neighbours instead,
/// which lets in what two or four samples cannot hold; there the mean over a picture is bounded, and `of_whole_blocks` is exact.
const SAME_TRANSFORM: [u32; 6] = [1, 3, 5, 6, 7, 8];
const MOST: u8 = 1;

fn check(bytes: &[u8], what: &str) {
    for eighths in 1..=8 {
        let (ours, theirs) =
            (ours(bytes, eighths).unwrap_or_else(|e| panic!("{what} {eighths}: {e}")), turbo::planes(bytes, eighths));
        assert_eq!(ours.len(), theirs.len(), "{what}");
        for (component, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let what = format!("{what} at {eighths}/8, component {component}");
            // It pads luma to whole samples of chroma.
            let padding = (theirs.width.wrapping_sub(ours.width), theirs.height.wrapping_sub(ours.height));
            assert!(
                padding.0 < 4 && padding.1 < 4,
                "{what}: {}x{} of {}x{}",
                ours.width,
                ours.height,
                theirs.width,
                theirs.height
            );
            if SAME_TRANSFORM.contains(&eighths) {
                let most = most(ours, theirs);
                assert!(most <= MOST, "{what}: {most}");
            }
        }
    }
}

fn sample(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pictures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn real_pictures() {
    for name in ["museum.jpg", "flower.jpg", "flower-gray.jpg", "flower-progressive.jpg", "landscape.jpg"] {
        let bytes = sample(name);
        check(&bytes, name);
        for eighths in [2, 4] {
            for (ours, theirs) in ours(&bytes, eighths).expect("decodes").iter().zip(&turbo::planes(&bytes, eighths)) {
                let mean = mean(ours, theirs);
                assert!(mean < 3.0, "{name} at {eighths}/8: {mean}");
            }
        }
    }
}

/// Against what the lowest frequencies of libjpeg-turbo's own full decode show.
#[test]
fn of_whole_blocks() {
    for making in Making::all(64, 48) {
        let bytes = turbo::encode(&Making { quality: 95, ..making });
        let full = turbo::planes(&bytes, 8);
        for eighths in 1..=8 {
            for (ours, full) in ours(&bytes, eighths).expect("decodes").iter().zip(&full) {
                if full.width % 8 != 0 || full.height % 8 != 0 {
                    continue;
                }
                let most = most(ours, &lowest_frequencies(full, eighths as usize));
                assert!(most <= 2, "{making:?} at {eighths}/8: {most}");
            }
        }
    }
}

/// Every sampling, size and way of coding.
#[test]
fn made_pictures() {
    let step = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1 } else { 9 };
    for side in 1..=70usize {
        for other in (1 + side % step..=70).step_by(step) {
            for making in Making::all(side, other).into_iter().skip(side % step).step_by(step) {
                check(&turbo::encode(&making), &format!("{making:?}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_making(width in 1usize..200, height in 1usize..200, quality in 1u8..=100, which in any::<usize>(), seed in any::<u64>()) {
        let all = Making::all(width, height);
        let making = Making { quality, seed, ..all[which % all.len()] };
        check(&turbo::encode(&making), &format!("{making:?}"));
    }
}
