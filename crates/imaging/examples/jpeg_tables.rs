//! Fits the quantisation tables of our JPEGs, and says what tables come to.
//!
//! ```sh
//! cargo build --release -p afterimage-imaging --example jpeg_tables
//! target/release/examples/jpeg_tables compare WIDTHS PICTURE…   # bytes at equal scores, beside the standard's tables
//! target/release/examples/jpeg_tables fit WIDTHS PICTURE…       # the shape that takes the fewest bytes, and its tables
//! ```
//! A table is N. Robidoux's, bent by a few numbers, so that a fit over a dozen pictures cannot learn their blocks by heart. What counts
//! is the mean logarithm of bytes beside the standard's tables, at the scores that those reach at some qualities.

#[path = "scoring/references.rs"]
mod references;
mod scoring;

use afterimage_imaging::measuring::{Quantisers, jpeg};
use references::references;
use scoring::{Reference, Rgb, pixels};

const USAGE: &str = "jpeg_tables compare WIDTHS PICTURE… | fit WIDTHS PICTURE…";

/// Qualities of the standard's tables whose scores are to be reached.
const ANCHORS: [u8; 5] = [30, 50, 65, 80, 90];
/// Percents of a table where it is measured; between them a parabola tells.
const PERCENTS: [f64; 7] = [200.0, 130.0, 90.0, 62.0, 40.0, 24.0, 14.0];

/// Luma's slope, curve, diagonal and mean; chroma's level, slope, curve, diagonal and mean. All nought is Robidoux's table for both.
type Shape = [f64; 9];

#[rustfmt::skip]
const ROBIDOUX: [u16; 64] = [
    16, 16,  16,  18,  25,  37,  56,  85, 16, 17,  20,  27,  34,  40,  53,  75,
    16, 20,  24,  31,  43,  62,  91, 135, 18, 27,  31,  40,  53,  74, 106, 156,
    25, 34,  43,  53,  69,  94, 131, 189, 37, 40,  62,  74,  94, 124, 169, 238,
    56, 53,  91, 106, 131, 169, 226, 311, 85, 75, 135, 156, 189, 238, 311, 418,
];

/// A picture, and what the standard's tables make of it.
struct Picture {
    name: String,
    rgb: Rgb,
    reference: Reference,
    wanted: Vec<Point>,
}

/// A score, and the logarithm of the bytes that it takes.
#[derive(Clone, Copy)]
struct Point {
    score: f64,
    bytes: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["compare", widths, pictures @ ..] => compare(&read(widths, pictures)),
        ["fit", widths, pictures @ ..] => fit(&read(widths, pictures)),
        _ => {
            eprintln!("{USAGE}");
            std::process::exit(2);
        }
    }
}

fn read(widths: &str, pictures: &[&str]) -> Vec<Picture> {
    let pictures = references(widths, pictures).map(|(name, width, _, rgb)| {
        let reference = Reference::new(&rgb);
        let mut picture = Picture { name: format!("{name}@{width}"), rgb, reference, wanted: Vec::new() };
        picture.wanted = ANCHORS.map(|anchor| picture.point(&Quantisers::annex_k(anchor))).to_vec();
        picture
    });
    pictures.collect()
}

impl Picture {
    fn point(&self, quantisers: &Quantisers) -> Point {
        let file = jpeg(self.rgb.width, self.rgb.height, &self.rgb.data, quantisers).expect("encodes");
        let score = self.reference.score(&pixels(&file));
        Point { score, bytes: (file.len() as f64).ln() }
    }

    /// For each anchor the logarithm of the bytes for its score beside the standard's.
    fn cost(&self, tables: &[[f64; 64]; 2]) -> Vec<f64> {
        let made = PERCENTS.map(|percent| self.point(&scaled(tables, percent)));
        self.wanted.iter().map(|wanted| at(&made, wanted.score) - wanted.bytes).collect()
    }
}

/// The bytes for a score, by the parabola through the three points around it.
fn at(made: &[Point], score: f64) -> f64 {
    let above = made.partition_point(|point| point.score < score).clamp(1, made.len() - 1);
    let first = above.saturating_sub(2);
    let points = &made[first..first + 3];
    let part = |of: usize| {
        let others = (0..3).filter(|other| *other != of);
        others.map(|other| (score - points[other].score) / (points[of].score - points[other].score)).product::<f64>()
    };
    (0..3).map(|of| points[of].bytes * part(of)).sum()
}

fn scaled(tables: &[[f64; 64]; 2], percent: f64) -> Quantisers {
    let [luma, chroma] = tables.map(|table| table.map(|step| (step * percent / 100.0).round().clamp(1.0, 255.0) as u8));
    Quantisers { luma, chroma }
}

fn tables(shape: &Shape) -> [[f64; 64]; 2] {
    let [luma, chroma] =
        [[0.0, shape[0], shape[1], shape[2], shape[3]], [shape[4], shape[5], shape[6], shape[7], shape[8]]];
    [luma, chroma].map(|[level, slope, curve, diagonal, mean]| {
        std::array::from_fn(|at| {
            let (x, y) = ((at % 8) as f64, (at / 8) as f64);
            let far = x.hypot(y) / 7.0;
            let slanted = if at == 0 { 0.0 } else { 2.0 * x * y / (x * x + y * y) };
            let mean = if at == 0 { mean } else { 0.0 };
            f64::from(ROBIDOUX[at]) * (level + slope * far + curve * far * far + diagonal * slanted * far + mean).exp()
        })
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn cost(pictures: &[Picture], shape: &Shape) -> f64 {
    let tables = tables(shape);
    mean(&pictures.iter().map(|picture| mean(&picture.cost(&tables))).collect::<Vec<f64>>())
}

fn percent(logarithm: f64) -> f64 {
    (logarithm.exp() - 1.0) * 100.0
}

/// One number after the other, by steps that shrink.
fn fit(pictures: &[Picture]) {
    let mut shape = Shape::default();
    let mut best = cost(pictures, &shape);
    println!("Robidoux\t{:.2} %", percent(best));
    let mut steps = [0.3; 9];
    for round in 0..5 {
        for number in 0..shape.len() {
            let mut moved = false;
            for step in [steps[number], -steps[number]] {
                let mut tried = shape;
                tried[number] += step;
                let found = cost(pictures, &tried);
                if found < best - 1e-5 {
                    (shape, best, moved, steps[number]) = (tried, found, true, step);
                    break;
                }
            }
            if !moved {
                steps[number] /= 2.0;
            }
        }
        println!("{round}\t{:.2} %\t{shape:.3?}", percent(best));
    }
    let whole = |table: [f64; 64]| table.map(|step| step.round() as u16);
    for table in tables(&shape).map(whole) {
        table.chunks_exact(8).for_each(|row| println!("{row:?}"));
    }
}

/// Bytes beside the standard's tables at each anchor and on average, of Robidoux's and of the build's own.
fn compare(pictures: &[Picture]) {
    let own = Quantisers::table();
    for (name, tables) in [("robidoux", tables(&Shape::default())), ("own", own.map(|table| table.map(f64::from)))] {
        let costs: Vec<Vec<f64>> = pictures.iter().map(|picture| picture.cost(&tables)).collect();
        for (picture, costs) in pictures.iter().zip(&costs) {
            let each: Vec<String> = costs.iter().map(|cost| format!("{:.1}", percent(*cost))).collect();
            println!("{name}\t{}\t{}", picture.name, each.join("\t"));
        }
        let each = (0..ANCHORS.len()).map(|at| mean(&costs.iter().map(|costs| costs[at]).collect::<Vec<f64>>()));
        let each: Vec<String> = each.map(|cost| format!("{:.1}", percent(cost))).collect();
        let all = mean(&costs.iter().map(|costs| mean(costs)).collect::<Vec<f64>>());
        println!("{name}\tall at {ANCHORS:?}\t{}\t{:.2} %", each.join("\t"), percent(all));
    }
}
