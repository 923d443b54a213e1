//! Renders beside sharp, in turn and on the same pictures: speed, bytes and SSIMULACRA2 against a full-resolution Lanczos3.
//!
//! ```sh
//! mkdir sharp && (cd sharp && npm init -y && npm i sharp)
//! cargo build --release -p afterimage-imaging --example beside_sharp
//! (cd sharp && taskset -c 0 ../target/release/examples/beside_sharp PICTURES [ROUNDS [TASK...]])
//! ```
//! PICTURES is a folder with the files named below. Pin it to one core and leave the machine alone meanwhile; ratios hold, absolute
//! figures are those of the machine.

mod scoring;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use afterimage_imaging::{Never, Scaling, Settings, render};
use afterimage_variant::Variant;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use scoring::{Rgb, pixels, variant};

struct Task {
    name: &'static str,
    file: &'static str,
    width: u32,
    format: &'static str,
    scaling: Scaling,
}

const fn task(name: &'static str, file: &'static str, width: u32, format: &'static str, scaling: Scaling) -> Task {
    Task { name, file, width, format, scaling }
}

const TASKS: &[Task] = &[
    task("museum-fast", "museum-4032x3024.jpg", 400, "jpeg", Scaling::Fast),
    task("museum-best", "museum-4032x3024.jpg", 400, "jpeg", Scaling::Best),
    task("tiled-fast", "museum-tiled-6048x4536.jpg", 400, "jpeg", Scaling::Fast),
    task("saw-best", "saw-2725x2225.jpg", 720, "jpeg", Scaling::Best),
    task("saw-fast", "saw-2725x2225.jpg", 720, "jpeg", Scaling::Fast),
    task("wisteria-best", "wisteria-3264x2448.jpg", 800, "jpeg", Scaling::Best),
    task("wisteria-fast", "wisteria-3264x2448.jpg", 800, "jpeg", Scaling::Fast),
    task("flower-best", "flower-2268x1512-progressive.jpg", 400, "jpeg", Scaling::Best),
    task("flower-fast", "flower-2268x1512-progressive.jpg", 400, "jpeg", Scaling::Fast),
    task("museum-webp-fast", "museum-4032x3024.jpg", 400, "webp", Scaling::Fast),
    task("museum-avif", "museum-4032x3024.jpg", 400, "avif", Scaling::Best),
    task("saw-avif", "saw-2725x2225.jpg", 720, "avif", Scaling::Best),
    task("museum-webp-best", "museum-4032x3024.jpg", 400, "webp", Scaling::Best),
];

const ROUND: Duration = Duration::from_millis(1200);

/// The request that a task is, at a quality.
fn wanted(task: &Task, quality: u8) -> Variant {
    let format = if task.format == "jpeg" { "jpg" } else { task.format };
    variant(&format!("w={}&q={quality}&fm={format}", task.width))
}

/// Milliseconds of the median picture, and the last one's bytes.
fn timed(bytes: &[u8], variant: &Variant, settings: &Settings) -> (f64, Vec<u8>) {
    let mut times = Vec::new();
    let mut picture = render(bytes, variant, settings, &Never).expect("renders");
    let end = Instant::now() + ROUND;
    while Instant::now() < end || times.len() < 3 {
        let start = Instant::now();
        picture = render(bytes, variant, settings, &Never).expect("renders");
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    (median(times), picture.bytes)
}

fn ours(bytes: &[u8], task: &Task) -> (f64, Vec<u8>) {
    // sharp's default effort is 4.
    let settings = Settings { scaling: task.scaling, webp_method: 4, ..Settings::default() };
    timed(bytes, &wanted(task, 80), &settings)
}

/// AVIF at the least quality that scores as sharp's default does, at each speed that answers a request.
fn avif(bytes: &[u8], file: &Path, task: &Task, output: &Path) {
    let Some(theirs_ms) = sharp(file, task, output) else { return println!("| {} | no sharp here |", task.name) };
    let theirs = std::fs::read(output).expect("sharp's picture");
    let wanted_score = score(&theirs, bytes);
    println!("| {}, sharp | {theirs_ms:.0} | | {} | {wanted_score:.2} |", task.name, theirs.len());
    for avif_speed in [7, 8, 9] {
        let settings = Settings { scaling: task.scaling, avif_speed, ..Settings::default() };
        let reaches = |quality: u8| {
            let made = render(bytes, &wanted(task, quality), &settings, &Never).expect("renders");
            score(&made.bytes, bytes) >= wanted_score
        };
        let (mut low, mut high) = (30, 95);
        while low < high {
            let middle = low + (high - low) / 2;
            if reaches(middle) { high = middle } else { low = middle + 1 }
        }
        let (ms, made) = timed(bytes, &wanted(task, low), &settings);
        let (ratio, more) = (theirs_ms / ms, (made.len() as f64 / theirs.len() as f64 - 1.0) * 100.0);
        let score = score(&made, bytes);
        println!("| speed {avif_speed}, q={low} | {ms:.0} | {ratio:.2} | {} ({more:+.1} %) | {score:.2} |", made.len());
    }
}

fn sharp(file: &Path, task: &Task, output: &Path) -> Option<f64> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sharp.cjs");
    let seconds = ROUND.as_secs_f64().to_string();
    let ran = Command::new("node")
        .args([&script, file])
        .args([&task.width.to_string(), task.format, &seconds])
        .arg(output)
        .output()
        .ok()?;
    String::from_utf8_lossy(&ran.stdout).split_whitespace().next()?.parse().ok()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The whole picture by Lanczos3: what a derivative of this size should look like.
fn scaled(picture: &Rgb, width: u32, height: u32) -> Rgb {
    let source = ImageRef::new(picture.width, picture.height, &picture.data, PixelType::U8x3).expect("whole");
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &options).expect("scales");
    Rgb { width, height, data: target.into_vec() }
}

/// SSIMULACRA2 of a derivative beside the whole original brought to its size.
fn score(derivative: &[u8], original: &[u8]) -> f64 {
    let picture = pixels(derivative);
    scoring::score(&scaled(&pixels(original), picture.width, picture.height), &picture)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("the folder of the pictures"));
    let rounds: usize = arguments.next().map_or(3, |rounds| rounds.parse().expect("how many rounds"));
    let only: Vec<String> = arguments.collect();
    let output = std::env::temp_dir().join(format!("afterimage-sharp-{}", std::process::id()));
    println!(
        "| task | ours ms | sharp ms | ratio | bytes, ours / sharp | SSIMULACRA2, ours / sharp |\n|---|---|---|---|---|---|"
    );
    for task in TASKS.iter().filter(|task| only.is_empty() || only.iter().any(|name| name == task.name)) {
        let file = folder.join(task.file);
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if task.format == "avif" {
            avif(&bytes, &file, task, &output);
            continue;
        }
        let (mut own, mut other, mut picture) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let (time, made) = ours(&bytes, task);
            own.push(time);
            picture = made;
            other.extend(sharp(&file, task, &output));
        }
        let own = median(own);
        let ours = score(&picture, &bytes);
        if other.is_empty() {
            println!("| {} | {own:.2} | no sharp here | | {} | {ours:.2} |", task.name, picture.len());
            continue;
        }
        let (other, theirs) = (median(other), std::fs::read(&output).expect("sharp's picture"));
        let score = score(&theirs, &bytes);
        println!(
            "| {} | {own:.2} | {other:.2} | {:.2} | {} / {} ({:+.1} %) | {ours:.2} / {score:.2} |",
            task.name,
            other / own,
            picture.len(),
            theirs.len(),
            (picture.len() as f64 / theirs.len() as f64 - 1.0) * 100.0
        );
    }
    // Left where no sharp ran: then there is none.
    let _ = std::fs::remove_file(output);
}
