//! What it costs that a worker makes a picture: each render in this process and in a worker of the built binary, in turn, and the
//! middle of both. `cargo bench -p afterimage --bench handover`; any number as argument is how often.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use afterimage_confine::{Command, Job, Limits, Workers};
use afterimage_identity::{Clock, Stamp};
use afterimage_imaging::{Never, Settings, job, predicted_bytes, probe, render};
use afterimage_variant::Variant;

const CASES: &[(&str, &str)] = &[
    ("museum.jpg", "w400.jpg"),
    ("museum.jpg", "w400.webp"),
    ("landscape.jpg", "w400.jpg"),
    ("portrait-cmyk.jpg", "w400.jpg"),
    ("flower-small.png", "w100.png"),
    ("rose.webp", "w100.webp"),
    ("breakfast.avif", "w400.jpg"),
    ("breakfast.avif", "w400.avif"),
];

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.elapsed().as_nanos() as u64)
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

fn main() {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(21);
    let clock = Arc::new(RealClock(Instant::now()));
    let environment = vec![("MIMALLOC_ARENA_RESERVE".into(), "32MiB".into())];
    let program = env!("CARGO_BIN_EXE_afterimage").into();
    let command = Command { program, arguments: vec!["worker".into()], environment };
    let workers = Workers::new(command, Limits { jobs_max: u32::MAX, ..Limits::default() }, clock.clone());
    let starts = (0..rounds).map(|_| {
        let begun = Instant::now();
        workers.place().ready().expect("starts");
        begun.elapsed()
    });
    println!("starting a worker and ending it: {:.2} ms", middle(starts.collect()));
    let (mut place, settings) = (workers.place(), Settings::default());
    println!("| original | as | here, ms | in a worker, ms | ratio |\n|---|---|---|---|---|");
    for (name, variant) in CASES {
        let path = format!("{}/../../examples/pictures/{name}", env!("CARGO_MANIFEST_DIR"));
        let original = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let variant = Variant::from_name(variant).expect("canonical");
        let memory_bytes =
            predicted_bytes(&probe(&original, &settings.limits).expect("a picture"), &variant, &settings);
        let mut here = Vec::new();
        let mut there = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            render(&original, &variant, &settings, &Never).expect("renders");
            here.push(begun.elapsed());
            let begun = Instant::now();
            let message = job::Order::Render(&variant).message(&settings);
            let deadline = clock.now().after(Duration::from_secs(60));
            let asked = Job { message: &message, input: &original, memory_bytes, deadline };
            let answer = place.run(&asked, &|| false).expect("answers");
            job::outcome(&answer.message, answer.output).expect("understood").expect("renders");
            there.push(begun.elapsed());
            place.rest();
        }
        let (here, there) = (middle(here), middle(there));
        println!("| {name} | {} | {here:.2} | {there:.2} | {:.2} |", variant.name(), there / here);
    }
}

/// The median, in milliseconds.
fn middle(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
