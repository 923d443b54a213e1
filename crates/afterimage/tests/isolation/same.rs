//! What a worker makes is, byte for byte, what this process makes.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use afterimage_confine::{Command, Job, Limits, Place, Protection, Workers};
use afterimage_identity::{Clock, Stamp};
use afterimage_imaging::{Never, Settings, job, predicted_bytes, probe, render, strip};
use afterimage_testkit::{picture, pictures};
use afterimage_variant::Variant;

use crate::BINARY;

pub struct RealClock(pub Instant);

impl Clock for RealClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.elapsed().as_nanos() as u64)
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A place for one worker of the binary, as a server makes it.
pub fn place(clock: Arc<RealClock>) -> Place {
    let environment = vec![("MIMALLOC_ARENA_RESERVE".into(), "32MiB".into())];
    let command = Command { program: BINARY.into(), arguments: vec!["worker".into()], environment };
    Workers::new(command, Limits::default(), clock).place()
}

/// Every way in, and every way out, with every step between.
const VARIANTS: &[&str] = &[
    "w120.jpg",
    "w120.pjpg",
    "w120.png",
    "w120.webp",
    "w120.avif",
    "w120.gif",
    "w64.json",
    "w90-h60-crop-entropy.webp",
    "w100-h100-crop-bg336699-blur20.jpg",
    "rot90-w80-sharp30.png",
    "trim-w70.webp",
];

#[test]
fn every_picture_is_the_same_from_a_worker() {
    let clock = Arc::new(RealClock(Instant::now()));
    let mut place = place(clock.clone());
    let report = place.ready().expect("starts");
    assert!(Protection::ALL.iter().all(|each| report.holds(*each)), "{report}");
    let settings = Settings::default();
    let mut run = |order: job::Order<'_>, original: &[u8], memory_bytes: u64| {
        let message = order.message(&settings);
        let deadline = clock.now().after(Duration::from_secs(60));
        let asked = Job { message: &message, input: original, memory_bytes, deadline };
        let answer = place.run(&asked, &|| false).unwrap_or_else(|error| panic!("{error}"));
        job::outcome(&answer.message, answer.output).expect("understood")
    };
    let mut made = 0;
    let mut names: Vec<String> = std::fs::read_dir(pictures())
        .expect("pictures")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .filter(|name| !name.ends_with(".md"))
        .collect();
    names.sort();
    for name in &names {
        let original = picture(name);
        let Ok(probed) = probe(&original, &settings.limits) else { continue };
        assert_eq!(run(job::Order::Strip, &original, original.len() as u64), strip(&original, &settings), "{name}");
        for variant in VARIANTS {
            let variant = Variant::from_name(variant).unwrap_or_else(|| panic!("{variant} is not canonical"));
            let here = render(&original, &variant, &settings, &Never);
            let there = run(job::Order::Render(&variant), &original, predicted_bytes(&probed, &variant, &settings));
            assert!(there == here, "{name} as {}: {:?} here", variant.name(), here.map(|made| made.bytes.len()));
            made += usize::from(there.is_ok());
        }
    }
    assert!(made > 100, "only {made} pictures were made of {}", names.len());
}
