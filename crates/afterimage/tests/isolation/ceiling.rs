//! Sixty-four worst cases at once: server and workers together stay below what the settings say.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use afterimage_testkit::{Server, get, one_colour};

use crate::{BINARY, workers_of};

const MIB: u64 = 1 << 20;

/// What renders may take, as `render.memory_bytes_max` says: one of them at a time.
const BUDGET: u64 = 64 * MIB;
/// Threads that would all render at once if they could: together five times the budget.
const THREADS: u64 = 8;
/// Beside that: the cache, and the 24 MiB that a worker may keep between renders, as much for the server. The originals are small.
const BESIDE: u64 = 32 * MIB + (1 + THREADS) * 24 * MIB;

/// Resident bytes of a process that are its own, or its share of what several have.
fn proportional_bytes(process: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

#[test]
fn sixty_four_worst_cases_at_once_stay_below_the_ceiling() {
    for isolation in ["none", "all"] {
        let peak = peak(isolation);
        println!("{isolation}: peak {} MiB, ceiling {} MiB", peak / MIB, (BUDGET + BESIDE) / MIB);
        assert!(peak < BUDGET + BESIDE, "{isolation}: {} MiB", peak / MIB);
        // Were the pictures small, this would show nothing.
        assert!(peak > 60 * MIB, "{isolation}: {} MiB", peak / MIB);
    }
}

fn peak(isolation: &str) -> u64 {
    let settings = [
        format!("render.isolation={isolation}"),
        format!("render.memory_bytes_max={}MiB", BUDGET / MIB),
        format!("render.threads={THREADS}"),
        "render.timeout=50s".to_owned(),
        "cache.memory_bytes_max=32MiB".to_owned(),
        "limits.source_bytes_max=64MiB".to_owned(),
    ];
    let settings = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
    let arguments: Vec<&str> = std::iter::once("--open").chain(settings).collect();
    let server = Server::start(BINARY, &[], &arguments);
    // 39 MB of pixels in a small file.
    let original = one_colour(3600, [10, 200, 90]);
    std::fs::write(server.originals.join("large.png"), original).expect("written");
    let (over, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let (process, base) = (server.id(), server.base.clone());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                let workers = workers_of(process);
                let all = workers.iter().chain([&process]).map(|process| proportional_bytes(*process)).sum();
                peak.fetch_max(all, SeqCst);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let asking: Vec<_> = (0..64)
            .map(|index| {
                let base = base.clone();
                scope.spawn(move || get(&base, &format!("/large.png?w={}&fm=jpg", 20 + index)).status)
            })
            .collect();
        let statuses: Vec<u16> = asking.into_iter().map(|asked| asked.join().expect("answered")).collect();
        over.store(true, SeqCst);
        // None is refused, none is killed: they wait for each other.
        assert!(statuses.iter().all(|status| *status == 200), "{isolation}: {statuses:?}");
    });
    // One that needs more than there is for all is refused before anything is taken.
    let refused = get(&server.base, "/large.png?w=3600&fm=avif");
    assert_eq!(refused.status, 422, "{}", refused.text());
    peak.load(SeqCst)
}
