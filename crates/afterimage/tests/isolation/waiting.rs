//! Memory of the built server while many wait and nothing is kept: a few originals and a few renders, however long the queue is; and
//! at rest none of it.

use std::time::{Duration, Instant};

use afterimage_testkit::{Server, get, pictures};

use crate::BINARY;

const MIB: u64 = 1 << 20;
const REQUESTS: u32 = 32;
/// A JPEG ends where its end is marked; what lies behind costs memory and no time.
const ORIGINAL_BYTES: usize = 8 << 20;
const THREADS: u64 = 2;
/// An original for each thread and for whoever is next.
const ORIGINALS: u64 = (THREADS + 1) * ORIGINAL_BYTES as u64;
/// The server with its code, two renders at a time, and what was freed just now and not given back yet. Measured: 30.
const BESIDE: u64 = 48 * MIB;

/// A figure of a process in bytes, as the system names it.
fn bytes(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a figure");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn a_queue_costs_no_memory() {
    let settings = [
        format!("render.threads={THREADS}"),
        "cache.memory_bytes_max=1MiB".to_owned(),
        "cache.item_bytes_max=1KiB".to_owned(),
        "derivatives.bytes_max=1MiB".to_owned(),
    ];
    let settings = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
    let server = Server::start(BINARY, &[], &std::iter::once("--open").chain(settings).collect::<Vec<_>>());
    let mut original = std::fs::read(pictures().join("museum.jpg")).expect("a sample picture");
    original.resize(ORIGINAL_BYTES, 0);
    std::fs::write(server.originals.join("large.jpg"), original).expect("written");
    std::thread::scope(|scope| {
        for index in 0..REQUESTS {
            let base = &server.base;
            scope.spawn(move || {
                let answer = get(base, &format!("/large.jpg?w={}&fm=webp", 300 + index));
                assert_eq!(answer.status, 200, "{}", answer.text());
            });
        }
    });
    let peak = bytes(server.id(), "VmHWM");
    println!("peak {} MiB, at most {} MiB", peak / MIB, (ORIGINALS + BESIDE) / MIB);
    assert!(peak < ORIGINALS + BESIDE, "{} MiB", peak / MIB);
    // Whoever rests holds neither originals nor what renders needed.
    let begun = Instant::now();
    while bytes(server.id(), "RssAnon") > 16 * MIB {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} MiB at rest", bytes(server.id(), "RssAnon") / MIB);
        std::thread::sleep(Duration::from_millis(100));
    }
}
