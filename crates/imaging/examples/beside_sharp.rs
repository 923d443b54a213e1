//! Renders beside sharp, in turn and on the same pictures: speed, bytes, SSIMULACRA2 against a full-resolution Lanczos3, and the
//! peak memory of one render in a process of its own. `bench/imaging` builds and runs it.
//!
//! ```sh
//! mkdir sharp && (cd sharp && npm init -y && npm i sharp)
//! cargo build --release -p afterimage-imaging --example beside_sharp
//! (cd sharp && taskset -c 0 ../target/release/examples/beside_sharp PICTURES [ROUNDS [TASK...]])
//! ```
//! PICTURES is a folder with the files named below. Pin it to one core and leave the machine alone meanwhile; ratios hold, absolute
//! figures are those of the machine. `…-equal` tasks give sharp the quality at which its score is nearest to ours.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use afterimage_imaging::{Never, PngEffort, Scaling, Settings, render};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use serde_json::{Value, json};

// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Task {
    name: &'static str,
    file: &'static str,
    width: u32,
    format: &'static str,
    scaling: Scaling,
    /// sharp's effort, where it is not its default; 9 less libaom's speed for AVIF.
    effort: Option<u8>,
    /// `output.avif_speed`.
    avif_speed: u8,
}

const fn task(name: &'static str, file: &'static str, width: u32, format: &'static str, scaling: Scaling) -> Task {
    Task { name, file, width, format, scaling, effort: None, avif_speed: 8 }
}

const MUSEUM: &str = "museum-4032x3024.jpg";
const TILED: &str = "museum-tiled-6048x4536.jpg";

const TASKS: &[Task] = &[
    task("museum-fast", MUSEUM, 400, "jpeg", Scaling::Fast),
    task("museum-best", MUSEUM, 400, "jpeg", Scaling::Best),
    task("tiled-fast", TILED, 400, "jpeg", Scaling::Fast),
    task("saw-best", "saw-2725x2225.jpg", 720, "jpeg", Scaling::Best),
    task("saw-fast", "saw-2725x2225.jpg", 720, "jpeg", Scaling::Fast),
    task("wisteria-best", "wisteria-3264x2448.jpg", 800, "jpeg", Scaling::Best),
    task("wisteria-fast", "wisteria-3264x2448.jpg", 800, "jpeg", Scaling::Fast),
    task("flower-best", "flower-2268x1512-progressive.jpg", 400, "jpeg", Scaling::Best),
    task("flower-fast", "flower-2268x1512-progressive.jpg", 400, "jpeg", Scaling::Fast),
    task("museum-webp-fast-equal", MUSEUM, 400, "webp", Scaling::Fast),
    task("museum-webp-best-equal", MUSEUM, 400, "webp", Scaling::Best),
    Task { effort: Some(1), ..task("museum-avif-effort1-equal", MUSEUM, 400, "avif", Scaling::Best) },
    task("museum-avif-default-equal", MUSEUM, 400, "avif", Scaling::Best),
    Task { effort: Some(1), ..task("museum-avif-fast-effort1-equal", MUSEUM, 400, "avif", Scaling::Fast) },
    Task { avif_speed: 7, ..task("museum-avif-7-equal", MUSEUM, 400, "avif", Scaling::Best) },
    Task { avif_speed: 9, ..task("museum-avif-9-equal", MUSEUM, 400, "avif", Scaling::Best) },
    task("paper-png", "paper-2048x1536-alpha.png", 540, "png", Scaling::Best),
    task("paper-png-small", "paper-2048x1536-alpha.png", 540, "png", Scaling::Best),
    task("flower-png", "flower-small-rgb.png", 300, "png", Scaling::Best),
    task("flower-png-small", "flower-small-rgb.png", 300, "png", Scaling::Best),
    task("museum-png", MUSEUM, 400, "png", Scaling::Best),
    task("museum-png-small", MUSEUM, 400, "png", Scaling::Best),
    task("earth-webp", "earth-anim.gif", 200, "webp", Scaling::Best),
    task("earth-webp-equal", "earth-anim.gif", 200, "webp", Scaling::Best),
];

const ROUND: Duration = Duration::from_millis(1200);
const QUALITY: u8 = 80;

fn variant(task: &Task) -> Variant {
    let format = if task.format == "jpeg" { "jpg" } else { task.format };
    let target = format!("/x.jpg?w={}&q={QUALITY}&fm={format}", task.width);
    match resolve(&Rules::default(), &target, None, Grant::Open).expect("a good query").wanted {
        Wanted::Variant(variant) => *variant,
        Wanted::Original => unreachable!("a width is named"),
    }
}

fn settings(task: &Task) -> Settings {
    // sharp's default effort is 4.
    let png_effort = if task.name.ends_with("-small") { PngEffort::Small } else { PngEffort::Fast };
    Settings { scaling: task.scaling, avif_speed: task.avif_speed, png_effort, ..Settings::default() }
}

/// How long a picture takes, in milliseconds: the median by the clock, and the mean of the processor.
#[derive(Clone, Copy)]
struct Time {
    wall: f64,
    cpu: f64,
}

/// What this thread has used of the processor, in milliseconds.
fn cpu_ms() -> f64 {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    said.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).expect("nanoseconds") / 1e6
}

/// The time a picture takes, and the last one's bytes.
fn ours(bytes: &[u8], task: &Task) -> (Time, Vec<u8>) {
    let (settings, variant) = (settings(task), variant(task));
    let mut times = Vec::new();
    let mut picture = render(bytes, &variant, &settings, &Never).expect("renders");
    let (end, cpu) = (Instant::now() + ROUND, cpu_ms());
    while Instant::now() < end || times.len() < 3 {
        let start = Instant::now();
        picture = render(bytes, &variant, &settings, &Never).expect("renders");
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    let cpu = (cpu_ms() - cpu) / times.len() as f64;
    (Time { wall: median(times), cpu }, picture.bytes)
}

/// sharp as a process, and the file in which its pictures come back.
struct Sharp {
    file: PathBuf,
}

impl Sharp {
    fn new() -> Self {
        Self { file: std::env::temp_dir().join(format!("afterimage-sharp-{}", std::process::id())) }
    }

    /// The numbers that it prints; none where there is no sharp.
    fn run(&self, job: &Value) -> Option<Vec<f64>> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sharp.cjs");
        let ran = Command::new("node").arg(script).arg(job.to_string()).output().ok()?;
        if !ran.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&ran.stderr));
            return None;
        }
        Some(String::from_utf8_lossy(&ran.stdout).split_whitespace().filter_map(|word| word.parse().ok()).collect())
    }

    /// The time a picture takes, the peak memory of the process in KiB, and the picture.
    fn render(&self, from: &Path, task: &Task, quality: u8, time: Duration) -> Option<(Time, f64, Vec<u8>)> {
        let mut options = match task.format {
            "png" => json!({}),
            _ => json!({ "quality": quality }),
        };
        if let Some(effort) = task.effort {
            options["effort"] = json!(effort);
        }
        let said = self.run(&json!({
            "file": from, "width": task.width, "format": task.format, "options": options,
            "animated": task.file.ends_with(".gif"), "seconds": time.as_secs_f64(), "output": self.file,
        }))?;
        let [wall, cpu, peak] = said.try_into().ok()?;
        Some((Time { wall, cpu }, peak, std::fs::read(&self.file).ok()?))
    }

    /// Width, height and RGB of a file, by a reader that is not ours.
    fn pixels(&self, file: &Path) -> (u32, u32, Vec<u8>) {
        let said = self.run(&json!({ "file": file, "pixels": self.file })).expect("sharp reads it");
        let data = std::fs::read(&self.file).expect("what sharp wrote");
        (said[0] as u32, said[1] as u32, data)
    }

    fn pixels_of(&self, bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let file = self.file.with_extension("made");
        std::fs::write(&file, bytes).expect("a temporary file");
        let pixels = self.pixels(&file);
        let _ = std::fs::remove_file(file);
        pixels
    }

    /// SSIMULACRA2 of a picture against the whole original, resized.
    fn score(&self, picture: &[u8], original: &(u32, u32, Vec<u8>)) -> f64 {
        let (width, height, data) = self.pixels_of(picture);
        let reference = lanczos3(original, width, height);
        let slice =
            |data| PixelSlice::new(data, width, height, width as usize * 3, PixelDescriptor::RGB8_SRGB).expect("whole");
        compute_ssimulacra2(&slice(&reference), &slice(&data)).expect("a score")
    }

    /// The quality at which sharp's score is nearest to a wanted one.
    fn quality_for(&self, wanted: f64, from: &Path, task: &Task, original: &(u32, u32, Vec<u8>)) -> u8 {
        let scored = |quality| {
            let (_, _, picture) = self.render(from, task, quality, Duration::ZERO).expect("sharp renders");
            self.score(&picture, original)
        };
        let (mut low, mut high) = (10, 98);
        while high - low > 1 {
            let middle = (low + high) / 2;
            if scored(middle) < wanted { low = middle } else { high = middle }
        }
        if (scored(low) - wanted).abs() < (scored(high) - wanted).abs() { low } else { high }
    }
}

impl Drop for Sharp {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn lanczos3((full_width, full_height, data): &(u32, u32, Vec<u8>), width: u32, height: u32) -> Vec<u8> {
    let source = ImageRef::new(*full_width, *full_height, data, PixelType::U8x3).expect("whole");
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &options).expect("scales");
    target.into_vec()
}

/// One row of the table.
fn compare(sharp: &Sharp, folder: &Path, task: &Task, rounds: usize) -> String {
    let file = folder.join(task.file);
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (mut own, mut picture) = ours(&bytes, task);
    let original = sharp.pixels(&file);
    let score = sharp.score(&picture, &original);
    let quality =
        if task.name.ends_with("-equal") { sharp.quality_for(score, &file, task, &original) } else { QUALITY };
    let (mut times, mut others, mut theirs) = (vec![own], Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (time, _, made) = sharp.render(&file, task, quality, ROUND).expect("sharp renders");
        others.push(time);
        theirs = made;
        (own, picture) = ours(&bytes, task);
        times.push(own);
    }
    let wall = |times: &[Time]| median(times.iter().map(|time| time.wall).collect());
    let cpu = |times: &[Time]| median(times.iter().map(|time| time.cpu).collect());
    format!(
        "| {} | {:.2}, {:.2} | {:.2}, {:.2} (q{quality}) | {:.2}, {:.2} | {} / {} ({:+.1} %) | {score:.2} / {:.2} |",
        task.name,
        wall(&times),
        cpu(&times),
        wall(&others),
        cpu(&others),
        wall(&others) / wall(&times),
        cpu(&others) / cpu(&times),
        picture.len(),
        theirs.len(),
        (picture.len() as f64 / theirs.len() as f64 - 1.0) * 100.0,
        sharp.score(&theirs, &original),
    )
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// Renders once, and prints the peak memory of the process.
fn once(folder: &Path, task: &Task) {
    let bytes = std::fs::read(folder.join(task.file)).expect("the picture");
    render(&bytes, &variant(task), &settings(task), &Never).expect("renders");
    println!("{}", peak_kib());
}

fn memory(sharp: &Sharp, folder: &Path, task: &Task) -> String {
    let itself = std::env::current_exe().expect("a path");
    let ran = Command::new(itself).arg("--once").arg(folder).arg(task.name).output().expect("runs");
    let own: f64 = String::from_utf8_lossy(&ran.stdout).trim().parse().expect("a peak");
    let (_, other, _) = sharp.render(&folder.join(task.file), task, QUALITY, Duration::ZERO).expect("sharp renders");
    format!("| {} | {:.1} | {:.1} | 1/{:.1} |", task.name, own / 1024.0, other / 1024.0, other / own)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("the folder of the pictures");
    if folder == "--once" {
        let (folder, name) = (arguments.next().expect("a folder"), arguments.next().expect("a task"));
        return once(Path::new(&folder), TASKS.iter().find(|task| task.name == name).expect("a task's name"));
    }
    let folder = PathBuf::from(folder);
    let rounds: usize = arguments.next().map_or(3, |rounds| rounds.parse().expect("how many rounds"));
    let only: Vec<String> = arguments.collect();
    let sharp = Sharp::new();
    let tasks = || TASKS.iter().filter(|task| only.is_empty() || only.iter().any(|name| name == task.name));
    println!(
        "| task | ours ms, CPU ms | sharp ms, CPU ms | ratio, of CPU | bytes, ours / sharp | SSIMULACRA2, ours / sharp |\n|---|---|---|---|---|---|"
    );
    for task in tasks() {
        println!("{}", compare(&sharp, &folder, task, rounds));
    }
    println!("\n| one render, whole process | our peak MiB | sharp's peak MiB | ours to sharp's |\n|---|---|---|---|");
    for task in tasks() {
        println!("{}", memory(&sharp, &folder, task));
    }
}
