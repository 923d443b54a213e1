//! `predicted_bytes` against what a render really takes. Native code allocates too, so this asks the kernel, in a process of its own.

use std::process::Command;

use afterimage_imaging::{Limits, Never, Settings, predicted_bytes, probe, render};

use crate::support::{OUTPUTS, SAMPLES, sample, variant};

const CHILD: &str = "AFTERIMAGE_MEMORY_CHILD";

/// Peak resident memory of this process so far, in bytes; `None` where there is no /proc.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A query, and the settings of its job: `#light` behind it stands for linear light.
fn settings(query: &str) -> (&str, Settings) {
    match query.strip_suffix("#light") {
        Some(query) => (query, Settings { linear_light: true, ..Settings::default() }),
        None => (query, Settings::default()),
    }
}

/// Renders one picture and prints by how much the peak rose. Does nothing unless started by the test below.
#[test]
fn memory_child() {
    let Ok(job) = std::env::var(CHILD) else { return };
    let (name, query) = job.split_once('?').expect("NAME?QUERY");
    let (query, settings) = settings(query);
    let (bytes, variant) = (sample(name), variant(query));
    // A first small render pays for tables and stacks that stay.
    render(&sample("rose.webp"), &variant.with_format(afterimage_variant::Format::Png), &Settings::default(), &Never)
        .expect("renders");
    // Writing 5 sets the peak to what is resident now (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").expect("resets the peak");
    let before = peak_bytes().expect("a peak");
    render(&bytes, &variant, &settings, &Never).expect("renders");
    println!("rose={}", peak_bytes().expect("a peak").saturating_sub(before));
}

#[test]
fn predictions_hold() {
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        println!("skipped: this kernel does not tell peaks");
        return;
    }
    let mut jobs: Vec<(&str, String)> = SAMPLES.iter().map(|name| (*name, "w=400&fm=jpg".to_owned())).collect();
    jobs.extend(OUTPUTS.iter().map(|format| ("landscape.jpg", format!("w=1600&fit=clip&fm={format}"))));
    jobs.extend(["w=2000&fm=webp", "w=1200&blur=50&fm=jpg", "fm=png"].map(|query| ("museum.jpg", query.to_owned())));
    jobs.extend(["w=200&fm=webp", "w=200&fm=gif"].map(|query| ("earth.gif", query.to_owned())));
    jobs.extend(
        ["museum.jpg", "flower-progressive.jpg", "paper.png"].map(|name| (name, "w=400&fm=jpg#light".to_owned())),
    );
    for (name, query) in jobs {
        let probe = probe(&sample(name), &Limits::default()).expect("probes");
        let (plain, settings) = settings(&query);
        let predicted = predicted_bytes(&probe, &variant(plain), &settings);
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "memory::memory_child", "--nocapture"])
            .env(CHILD, format!("{name}?{query}"))
            .output()
            .expect("starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let rose = text
            .split("rose=")
            .nth(1)
            .and_then(|rest| rest.lines().next())
            .and_then(|rose| rose.trim().parse::<u64>().ok());
        let rose = rose.unwrap_or_else(|| panic!("{name}?{query}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        println!("{name}?{query}: predicted {} KiB, rose by {} KiB", predicted >> 10, rose >> 10);
        assert!(rose <= predicted, "{name}?{query}: predicted {predicted}, rose by {rose}");
        // An estimate that is far too high would refuse renders that fit.
        assert!(predicted <= rose * 8 + (24 << 20), "{name}?{query}: predicted {predicted}, rose by {rose}");
    }
}
