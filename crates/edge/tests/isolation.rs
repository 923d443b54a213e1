//! A pool with workers that misbehave on some pictures: what the viewer is told, that it is told in time, and that everybody else
//! gets theirs. The worker is this very program, started again as a test that does nothing unless it is told to.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use afterimage_confine::Answer;
use afterimage_edge::{Failure, Isolated, Isolation, Job, Pool, PoolConfig, Renderer, Work, WorkerCommand};
use afterimage_identity::{Clock, Stamp};
use afterimage_imaging::{self as imaging, Never, Settings, job};
use afterimage_variant::Variant;
use bytes::Bytes;

/// Tells this program that it is a worker.
const WORKER: &str = "AFTERIMAGE_UNRULY";

/// What stands behind a picture that makes the worker misbehave, before how.
const MARK: &[u8] = b"UNRULY:";

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.elapsed().as_nanos() as u64)
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// Does nothing unless it was started as a worker.
#[test]
fn worker() {
    if std::env::var_os(WORKER).is_none() {
        return;
    }
    let served = afterimage_confine::serve(&mut |message, original| {
        let mark = original.windows(MARK.len()).position(|bytes| bytes == MARK);
        match mark.map(|at| &original[at + MARK.len()..]) {
            Some(b"crash") => std::process::abort(),
            Some(b"panic") => panic!("an assertion of a decoder"),
            Some(b"hang") => loop {
                std::thread::park();
            },
            Some(b"eat") => {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1u8; 1 << 20]);
                }
            }
            Some(b"open") => drop(std::fs::read("/etc/passwd")),
            Some(b"lie") => {
                return Answer {
                    message: br#"{"Made":{"media_type":"text/html","width":1,"height":1,"frames":1}}"#.to_vec(),
                    output: b"<script>".to_vec(),
                };
            }
            _ => {}
        }
        let (message, output) = job::answer(message, original);
        Answer { message, output }
    });
    if let Err(error) = served {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn pool(which: Isolated, config: PoolConfig) -> Pool {
    let arguments = ["worker", "--exact", "--nocapture", "--test-threads=1"].map(Into::into).to_vec();
    // Tests run in a thread of their own, whose heap glibc would shrink after looking into a file; a worker is its main thread.
    let one_heap = ("GLIBC_TUNABLES".into(), "glibc.malloc.arena_max=1".into());
    let environment = vec![(WORKER.into(), "1".into()), one_heap];
    let command = WorkerCommand { program: "/proc/self/exe".into(), arguments, environment };
    let isolation = Isolation { which, command, jobs_max: 100 };
    Pool::isolated(config, isolation, Arc::new(RealClock(Instant::now()))).expect("workers")
}

fn config() -> PoolConfig {
    PoolConfig { threads: 2, queue_max: 100, memory_bytes_max: 256 << 20, render_time_max: Duration::from_secs(20) }
}

fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/../../examples/pictures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn job_of(bytes: Vec<u8>, variant: &str) -> Job {
    let variant = Variant::from_name(variant).expect("canonical");
    Job {
        bytes: Bytes::from(bytes),
        work: Work::Render(Box::new(variant)),
        settings: Arc::new(Settings::default()),
        background: false,
        turn: None,
    }
}

fn unruly(how: &str) -> Job {
    job_of([&sample("rose.webp"), MARK, how.as_bytes()].concat(), "w20.png")
}

#[tokio::test]
async fn what_a_worker_does_costs_one_picture() {
    let pool = pool(Isolated::All, PoolConfig { render_time_max: Duration::from_secs(3), ..config() });
    let over_limits =
        Failure::OverLimits("Making this picture takes more memory than was predicted for it.".to_owned());
    let variant = Variant::from_name("w20.png").expect("canonical");
    let wanted = imaging::render(&sample("rose.webp"), &variant, &Settings::default(), &Never);
    for (how, failure) in [
        ("crash", Failure::Crashed),
        ("panic", Failure::Crashed),
        ("open", Failure::Crashed),
        ("lie", Failure::Crashed),
        ("eat", over_limits),
        ("hang", Failure::Timeout),
    ] {
        let begun = Instant::now();
        // Beside each stands one that behaves, on the other thread.
        let (bad, good) = tokio::join!(pool.render(unruly(how)), pool.render(job_of(sample("rose.webp"), "w20.png")));
        assert_eq!(bad, Err(failure), "{how}");
        assert_eq!(good.map_err(|error| format!("{error:?}")), wanted.clone().map_err(|error| error.to_string()));
        assert!(begun.elapsed() < Duration::from_secs(10), "{how} took {:?}", begun.elapsed());
    }
    let counts = pool.load().workers.expect("counted");
    assert!(counts.deaths.contains(&("deadline", 1)) && counts.deaths.contains(&("memory", 1)), "{counts:?}");
    assert!(counts.deaths.contains(&("forbidden", 1)), "{counts:?}");
    assert_eq!(counts.jobs, 6 + 1, "six that behaved, and a liar");
}

#[tokio::test]
async fn only_what_native_code_decodes_and_avif_leave_the_process() {
    let pool = pool(Isolated::Native, config());
    // In this process the mark behind the picture means nothing.
    assert!(pool.render(unruly("crash")).await.is_ok());
    assert_eq!(pool.load().workers.expect("counted").jobs, 0);
    let settings = Arc::new(Settings::default());
    let strip = Job { bytes: sample("rose.webp").into(), work: Work::Strip, settings, background: false, turn: None };
    assert!(pool.render(strip).await.is_ok());
    let probe = imaging::probe(&sample("rose.webp"), &Settings::default().limits).expect("a picture");
    if !job::is_native(&probe, &Variant::from_name("w20.avif").expect("canonical")) {
        println!("the rest is for builds with native codecs");
        return;
    }
    for name in ["channel-cmyk.jpg", "breakfast.avif"] {
        let bytes = sample(name);
        let variant = Variant::from_name("w40.jpg").expect("canonical");
        let here = imaging::render(&bytes, &variant, &Settings::default(), &Never);
        assert_eq!(pool.render(job_of(bytes.clone(), "w40.jpg")).await.ok(), here.ok(), "{name}");
        // In AVIF nothing but boxes may follow.
        let word = [MARK, b"crash"].concat();
        let length = u32::try_from(word.len() + 8).expect("short").to_be_bytes();
        let free: &[u8] = &[&length[..], b"free"].concat();
        let before = if name.ends_with(".avif") { free } else { &[] };
        let crash = job_of([&bytes[..], before, &word].concat(), "w40.jpg");
        assert_eq!(pool.render(crash).await, Err(Failure::Crashed), "{name}");
    }
    assert_eq!(pool.load().workers.expect("counted").jobs, 2);
    let out = job_of([&sample("rose.webp"), MARK, b"crash"].concat(), "w20.avif");
    assert_eq!(pool.render(out).await, Err(Failure::Crashed), "libaom cannot be told to stop");
}

#[tokio::test]
async fn errors_are_those_of_a_render_in_this_process() {
    let pool = pool(Isolated::All, config());
    let whole = sample("rose.webp");
    let cut = pool.render(job_of(whole[..whole.len() / 2].to_vec(), "w20.png")).await;
    assert!(matches!(cut, Err(Failure::Broken(_))), "{cut:?}");
    let nothing = pool.render(job_of(b"<html>".to_vec(), "w20.png")).await;
    assert!(matches!(nothing, Err(Failure::NotAnImage(_))), "{nothing:?}");
}

#[tokio::test]
async fn nobody_waits_for_memory_beyond_the_deadline() {
    // Room for one at a time; it hangs, and the next waits for its room.
    let small = PoolConfig { memory_bytes_max: 9 << 20, render_time_max: Duration::from_secs(2), ..config() };
    let pool = pool(Isolated::All, small);
    let begun = Instant::now();
    let (first, second) = tokio::join!(pool.render(unruly("hang")), pool.render(unruly("hang")));
    assert_eq!((first, second), (Err(Failure::Timeout), Err(Failure::Timeout)));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(pool.render(job_of(sample("rose.webp"), "w20.png")).await.is_ok());
    assert_eq!(pool.load().bytes_in_flight, 0);
}

#[test]
fn without_a_worker_there_is_no_pool() {
    let command = WorkerCommand { program: "/bin/true".into(), arguments: Vec::new(), environment: Vec::new() };
    let isolation = Isolation { which: Isolated::Native, command, jobs_max: 1 };
    let pool = Pool::isolated(config(), isolation, Arc::new(RealClock(Instant::now())));
    let error = pool.err().expect("no pool").to_string();
    assert!(error.contains("before its first word"), "{error}");
}
