//! Renders beside sharp, in turn and on the same pictures: speed, bytes and SSIMULACRA2 against a full-resolution Lanczos3.
//!
//! ```sh
//! mkdir sharp && (cd sharp && npm init -y && npm i sharp)
//! cargo build --release -p afterimage-imaging --example beside_sharp
//! (cd sharp && taskset -c 0 ../target/release/examples/beside_sharp PICTURES [ROUNDS [TASK...]])
//! ```
//! PICTURES is a folder with the files named below. Pin it to one core and leave the machine alone meanwhile; ratios hold, absolute
//! figures are those of the machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use afterimage_imaging::{Never, Scaling, Settings, render};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};

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
    task("museum-webp-best", "museum-4032x3024.jpg", 400, "webp", Scaling::Best),
];

const ROUND: Duration = Duration::from_millis(1200);

fn variant(task: &Task) -> Variant {
    let format = if task.format == "jpeg" { "jpg" } else { task.format };
    let target = format!("/x.jpg?w={}&q=80&fm={format}", task.width);
    match resolve(&Rules::default(), &target, None, Grant::Open).expect("a good query").wanted {
        Wanted::Variant(variant) => *variant,
        Wanted::Original => unreachable!("a width is named"),
    }
}

/// Milliseconds of the median picture, and the last one's bytes.
fn ours(bytes: &[u8], task: &Task) -> (f64, Vec<u8>) {
    // sharp's default effort is 4.
    let settings = Settings { scaling: task.scaling, webp_method: 4, ..Settings::default() };
    let variant = variant(task);
    let mut times = Vec::new();
    let mut picture = render(bytes, &variant, &settings, &Never).expect("renders");
    let end = Instant::now() + ROUND;
    while Instant::now() < end || times.len() < 3 {
        let start = Instant::now();
        picture = render(bytes, &variant, &settings, &Never).expect("renders");
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    (median(times), picture.bytes)
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

/// Width, height and RGB by readers that are not ours.
fn pixels(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    if bytes.starts_with(b"RIFF") {
        let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(bytes)).expect("a WebP");
        let (width, height) = decoder.dimensions();
        let mut data = vec![0; decoder.output_buffer_size().expect("a size")];
        decoder.read_image(&mut data).expect("decodes");
        return (width, height, data);
    }
    let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(bytes));
    let data = decoder.decode().expect("a JPEG");
    let (width, height) = decoder.dimensions().expect("a size");
    (width as u32, height as u32, data)
}

fn reference(bytes: &[u8], width: u32, height: u32) -> Vec<u8> {
    let (full_width, full_height, data) = pixels(bytes);
    let source = ImageRef::new(full_width, full_height, &data, PixelType::U8x3).expect("whole");
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &options).expect("scales");
    target.into_vec()
}

fn score(picture: &[u8], original: &[u8]) -> f64 {
    let (width, height, data) = pixels(picture);
    let reference = reference(original, width, height);
    let slice =
        |data| PixelSlice::new(data, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB).expect("whole");
    compute_ssimulacra2(&slice(&reference), &slice(&data)).expect("a score")
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
