//! `predicted_bytes` against what a render really takes. Native code allocates too, so this asks the kernel, in a process of its own.

use std::process::Command;

use afterimage_imaging::{Limits, Never, PngEffort, Settings, predicted_bytes, probe, render};

use crate::support::{OUTPUTS, SAMPLES, rendered, sample, variant};

const CHILD: &str = "AFTERIMAGE_MEMORY_CHILD";

/// A prediction may be so many times what is needed, and [`SPARE_BYTES`] beside: what is predicted twice halves what runs at once.
const RATIO_MAX: u64 = 2;
/// Tables, stacks and what libraries keep, which a render may find already there.
const SPARE_BYTES: u64 = 8 << 20;

/// Peak resident memory of this process so far, in bytes; `None` where there is no /proc.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The settings that a word names.
fn settings(word: &str) -> Settings {
    let base = Settings::default();
    match word {
        "" => base,
        "linear light" => Settings { linear_light: true, ..base },
        "small" => Settings { png_effort: PngEffort::Small, ..base },
        other => panic!("{other}"),
    }
}

/// Renders one picture and prints by how much the peak rose. Does nothing unless started by the test below.
#[test]
fn memory_child() {
    let Ok(job) = std::env::var(CHILD) else { return };
    let (asked, word) = job.split_once('#').expect("NAME?QUERY#SETTINGS");
    let (name, query) = asked.split_once('?').expect("NAME?QUERY");
    let (bytes, variant, settings) = (sample(name), variant(query), settings(word));
    // A first small render pays for tables and stacks that stay.
    render(&sample("rose.webp"), &variant.with_format(afterimage_variant::Format::Png), &Settings::default(), &Never)
        .expect("renders");
    // Writing 5 sets the peak to what is resident now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").expect("resets the peak");
    let before = peak_bytes().expect("a peak");
    render(&bytes, &variant, &settings, &Never).expect("renders");
    println!("rose={}", peak_bytes().expect("a peak").saturating_sub(before));
}

/// Side of a square of noise: nothing takes more bytes to encode, and hostile pictures are so.
const NOISE_SIDE: u32 = 1200;

/// Where a picture is: a sample; or noise, in a file of some format. It is not made where memory is measured, because what was used
/// and given back would hide what is used again.
fn file_of(name: &str) -> String {
    let Some(query) = name.strip_prefix("noise as ") else { return name.to_owned() };
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(query.replace('=', "-"));
    let file = path.to_str().expect("UTF-8").to_owned();
    if path.exists() {
        return file;
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    });
    let data: Vec<u8> = random.take((NOISE_SIDE * NOISE_SIDE * 4) as usize).collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, NOISE_SIDE, NOISE_SIDE);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_compression(png::Compression::Fastest);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&data).expect("pixels");
    writer.finish().expect("an end");
    std::fs::write(&path, rendered(&bytes, query).expect("renders").bytes).expect("written");
    file
}

/// Whether a prediction has to be near to what is measured. Nobody knows from headers that a picture is no noise, which takes several
/// times as much in WebP and in palettes; so it is for noise that those are held to it. Nor how much trimming leaves.
fn is_held(name: &str, query: &str) -> bool {
    if query.contains("trim=color") {
        return false;
    }
    let depends = ["webp", "png", "gif", "jpg"].iter().any(|format| query.contains(&format!("fm={format}")));
    name.starts_with("noise") || !depends || query.contains("w=400&fm=jpg")
}

/// What is rendered: every kind of original to a small JPEG, one to every format, and what is large in some other way.
fn jobs() -> Vec<(&'static str, String, &'static str)> {
    let mut jobs: Vec<(&str, String, &str)> = Vec::new();
    jobs.extend(SAMPLES.iter().map(|name| (*name, "w=400&fm=jpg".to_owned(), "")));
    jobs.extend(OUTPUTS.iter().map(|format| ("landscape.jpg", format!("w=1600&fit=clip&fm={format}"), "")));
    let large = [
        ("museum.jpg", "w=2000&fm=webp", ""),
        ("museum.jpg", "w=2000&fm=jpg", ""),
        ("museum.jpg", "w=1200&blur=50&fm=jpg", ""),
        ("museum.jpg", "w=1200&blur=20&sharp=20&pad=20&fm=png", ""),
        // Nothing around an opaque picture is alpha around it.
        ("museum.jpg", "w=2000&pad=40&fm=webp", ""),
        ("noise as fm=jpg", "w=1800&pad=40&fm=webp&q=100", ""),
        ("museum.jpg", "fm=png", ""),
        ("museum.jpg", "w=1600&fm=png", "small"),
        ("museum.jpg", "w=400&trim=auto&fm=jpg", ""),
        ("museum.jpg", "w=400&fm=jpg", "linear light"),
        ("flower-progressive.jpg", "w=400&fm=jpg", "linear light"),
        ("paper.png", "w=400&fm=jpg", "linear light"),
        ("museum.jpg", "w=400&h=400&crop=smart&fm=jpg", ""),
        ("museum.jpg", "fm=json", ""),
        ("museum.jpg", "fm=thumbhash", ""),
        ("flower-progressive.jpg", "w=1600&fm=jpg", ""),
        // Turned, a picture is as high as it was wide: three times as many pixels in this width.
        ("flower.jpg", "w=1600&rot=90&fm=jpg", ""),
        ("flower-gray.jpg", "w=1600&rot=90&fm=png", ""),
        ("flower.jpg", "rect=0,0,2000,300&h=900&fit=clip&fm=png", ""),
        ("flower-16bit.png", "w=1600&fit=clip&fm=png16", ""),
        ("paper.png", "w=1600&fm=png", ""),
        ("paper.png", "w=1600&fm=webp", ""),
        ("earth.gif", "w=200&fm=webp", ""),
        ("earth.gif", "w=200&fm=gif", ""),
        ("earth.gif", "w=400&fm=webp", ""),
    ];
    jobs.extend(large.map(|(name, query, word)| (name, query.to_owned(), word)));
    jobs.extend(OUTPUTS.iter().map(|format| ("noise as fm=png", format!("fm={format}"), "")));
    let noise = [
        ("noise as fm=png", "fm=webp&q=100", ""),
        ("noise as fm=png", "fm=png", "small"),
        ("noise as fm=jpg", "fm=jpg&q=100", ""),
        ("noise as fm=jpg", "fm=png", ""),
        ("noise as fm=jpg", "fm=webp&q=100", ""),
        // What is left inside the border is a third as wide for its height.
        ("noise as rect=0,0,110,1200&pad=200&bg=fff&fm=png", "w=800&fit=clip&trim=color&fm=png", ""),
        ("noise as fm=pjpg", "fm=jpg&q=100", ""),
        ("noise as fm=webp", "fm=webp&q=100", ""),
    ];
    jobs.extend(noise.map(|(name, query, word)| (name, query.to_owned(), word)));
    #[cfg(feature = "native")]
    jobs.push(("breakfast.avif", "w=800&fm=avif".to_owned(), ""));
    jobs
}

#[test]
fn predictions_hold() {
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        println!("skipped: this kernel does not tell peaks");
        return;
    }
    println!("| original | asked for | predicted, MiB | measured, MiB | ratio |\n|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for (name, query, word) in jobs() {
        let file = file_of(name);
        let probe = probe(&sample(&file), &Limits::default()).expect("probes");
        let predicted = predicted_bytes(&probe, &variant(&query), &settings(word));
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "memory::memory_child", "--nocapture"])
            .env(CHILD, format!("{file}?{query}#{word}"))
            .output()
            .expect("starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let rose = text.split("rose=").nth(1).and_then(|rest| rest.lines().next());
        let rose = rose.and_then(|rose| rose.trim().parse::<u64>().ok());
        let rose = rose.unwrap_or_else(|| panic!("{name}?{query}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        let (mib, ratio) = (|bytes: u64| bytes as f64 / f64::from(1 << 20), predicted as f64 / rose.max(1) as f64);
        let word = if word.is_empty() { String::new() } else { format!(" ({word})") };
        let row = format!("| {name} | `{query}`{word} | {:.1} | {:.1} | {ratio:.2} |", mib(predicted), mib(rose));
        println!("{row}");
        if rose > predicted || is_held(name, &query) && predicted > rose * RATIO_MAX + SPARE_BYTES {
            wrong.push(row);
        }
    }
    assert!(wrong.is_empty(), "too low, or far too high:\n{}", wrong.join("\n"));
}
