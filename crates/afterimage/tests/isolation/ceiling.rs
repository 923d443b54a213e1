//! Sixty-four worst cases of each kind at once: server and workers together stay below what the settings say, and would not if nobody
//! counted. The short form takes the kinds that are quick; `AFTERIMAGE_LONG=1` takes all.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use afterimage_imaging::{Limits, Never, Settings, predicted_bytes, probe, render};
use afterimage_testkit::{Server, get, one_colour, pictures};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};

use crate::{BINARY, workers_of};

const MIB: u64 = 1 << 20;

/// Threads that would all render at once if they could.
const THREADS: u64 = 8;
/// Beside the budget and the originals: the cache, and the 24 MiB that a worker may keep between renders, as much for the server.
const BESIDE: u64 = CACHE + (1 + THREADS) * 24 * MIB;
const CACHE: u64 = 16 * MIB;

/// One kind of worst case.
struct Kind {
    name: &'static str,
    /// The name of the original, and its bytes.
    original: (&'static str, fn() -> Vec<u8>),
    /// Width of the first; each further one is a pixel wider, so that none is another's.
    width: u32,
    query: &'static str,
    linear_light: bool,
    /// So quick that the suite has time for it.
    quick: bool,
    /// So large that the ceiling would not hold without the budget: more than the 24 MiB that every worker is allowed anyway.
    large: bool,
}

const PLAIN: Kind = Kind {
    name: "one colour in a small file",
    original: ("large.png", || one_colour(5000, [10, 200, 90])),
    width: 20,
    query: "fm=jpg",
    linear_light: false,
    quick: true,
    large: true,
};

const KINDS: &[Kind] = &[
    PLAIN,
    Kind {
        name: "JPEG, 12 MP, best",
        original: ("museum.jpg", || sample("museum.jpg")),
        width: 1500,
        quick: false,
        large: false,
        ..PLAIN
    },
    Kind {
        name: "progressive JPEG, 27 MP",
        original: ("tiled.jpg", || enlarged("museum.jpg", "w=6048&fit=clip&fm=pjpg")),
        width: 2600,
        quick: false,
        ..PLAIN
    },
    Kind {
        name: "AVIF in and out, 12 MP",
        original: ("breakfast.avif", || sample("breakfast.avif")),
        width: 320,
        query: "fm=avif",
        quick: false,
        ..PLAIN
    },
    Kind {
        name: "AVIF in and out, 1 MP",
        original: ("small.avif", || enlarged("breakfast.avif", "w=900&fm=avif")),
        width: 200,
        query: "fm=avif",
        quick: false,
        large: false,
        ..PLAIN
    },
    Kind {
        name: "PNG, 16 bits",
        original: ("deep.png", || enlarged("flower-16bit.png", "w=2200&fit=clip&fm=png16")),
        width: 100,
        query: "fm=png16",
        quick: false,
        ..PLAIN
    },
    Kind {
        name: "animated GIF to WebP",
        original: ("earth.gif", || sample("earth.gif")),
        width: 220,
        query: "fm=webp",
        quick: false,
        large: false,
        ..PLAIN
    },
    Kind {
        name: "blurred, sharpened, padded at dpr 2",
        original: ("flower.jpg", || sample("flower.jpg")),
        width: 500,
        query: "dpr=2&blur=40&sharp=30&pad=20&fm=png",
        quick: false,
        ..PLAIN
    },
    Kind {
        name: "linear light, 12 MP",
        original: ("museum.jpg", || sample("museum.jpg")),
        width: 400,
        linear_light: true,
        quick: false,
        ..PLAIN
    },
];

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(pictures().join(name)).expect("a sample picture")
}

/// A larger original than there is among the samples.
fn enlarged(name: &str, query: &str) -> Vec<u8> {
    render(&sample(name), &variant(query), &Settings::default(), &Never).expect("renders").bytes
}

fn variant(query: &str) -> Variant {
    match resolve(&Rules::default(), &format!("/x?{query}"), None, Grant::Open).expect("a query").wanted {
        Wanted::Variant(variant) => *variant,
        Wanted::Original => unreachable!("something is asked for"),
    }
}

impl Kind {
    fn query(&self, index: u32) -> String {
        format!("w={}&{}", self.width + index, self.query)
    }

    /// Memory for one of the largest at a time.
    fn budget(&self, original: &[u8]) -> u64 {
        let settings = Settings { linear_light: self.linear_light, ..Settings::default() };
        let probed = probe(original, &Limits::default()).expect("a picture");
        let predicted = predicted_bytes(&probed, &variant(&self.query(REQUESTS - 1)), &settings);
        // A worker has a copy of the original; 16 MiB is the least that can be set.
        (predicted + original.len() as u64).next_multiple_of(MIB).max(16 * MIB)
    }

    /// What all processes together stay below: the originals in hand are one for each thread and for whoever is next.
    fn ceiling(&self, original: &[u8]) -> u64 {
        self.budget(original) + (THREADS + 1) * original.len() as u64 + BESIDE
    }
}

const REQUESTS: u32 = 64;

/// For the slowest of the kinds, where each waits for all others.
const PATIENCE: Duration = Duration::from_secs(600);

/// The status of an answer, however long it takes.
fn status(base: &str, target: &str) -> u16 {
    let address = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    status.unwrap_or_else(|| panic!("{target}: no status in {} bytes", answer.len()))
}

#[test]
fn sixty_four_worst_cases_of_each_kind_at_once_stay_below_the_ceiling() {
    let all = std::env::var_os("AFTERIMAGE_LONG").is_some_and(|value| value == "1");
    println!("| kind | budget, MiB | in process: peak | isolated: peak | ceiling |\n|---|---|---|---|---|");
    let mut too_much = Vec::new();
    for kind in KINDS.iter().filter(|kind| all || kind.quick) {
        let original = (kind.original.1)();
        let budget = kind.budget(&original);
        let ceiling = kind.ceiling(&original);
        let peaks = ["none", "all"].map(|isolation| peak(kind, &original, isolation, budget));
        let [here, apart] = peaks.map(|peak| peak / MIB);
        println!("| {} | {} | {here} | {apart} | {} |", kind.name, budget / MIB, ceiling / MIB);
        too_much.extend(peaks.iter().any(|peak| *peak >= ceiling).then_some(kind.name));
    }
    assert!(too_much.is_empty(), "above the ceiling: {too_much:?}");
}

/// Were nobody to count, the ceiling would not hold: else the test above would show nothing.
#[test]
fn without_the_budget_the_ceiling_would_not_hold() {
    let all = std::env::var_os("AFTERIMAGE_LONG").is_some_and(|value| value == "1");
    for kind in KINDS.iter().filter(|kind| kind.large && (all || kind.quick)) {
        let original = (kind.original.1)();
        let ceiling = kind.ceiling(&original);
        let peak = peak(kind, &original, "none", 64 << 30);
        println!("{}: {} MiB without a budget, the ceiling is {} MiB", kind.name, peak / MIB, ceiling / MIB);
        assert!(peak > ceiling, "{}: {} MiB", kind.name, peak / MIB);
    }
}

/// Resident bytes of a process that are its own, or its share of what several have.
fn proportional_bytes(process: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

/// The most that server and workers have at once while all are asked for.
fn peak(kind: &Kind, original: &[u8], isolation: &str, budget: u64) -> u64 {
    let settings = [
        format!("render.isolation={isolation}"),
        format!("render.memory_bytes_max={}MiB", budget / MIB),
        format!("render.threads={THREADS}"),
        format!("render.timeout={}s", PATIENCE.as_secs()),
        format!("purge.fill_timeout={}s", PATIENCE.as_secs()),
        format!("server.request_timeout={}s", PATIENCE.as_secs()),
        format!("cache.memory_bytes_max={}MiB", CACHE / MIB),
        format!("cache.item_bytes_max={}MiB", CACHE / MIB),
        format!("limits.source_bytes_max={}MiB", (original.len() as u64).div_ceil(MIB)),
        format!("output.linear_light={}", kind.linear_light),
    ];
    let settings = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
    let arguments: Vec<&str> = std::iter::once("--open").chain(settings).collect();
    let server = Server::start(BINARY, &[], &arguments);
    std::fs::write(server.originals.join(kind.original.0), original).expect("written");
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
        let asking: Vec<_> = (0..REQUESTS)
            .map(|index| {
                let base = base.clone();
                scope.spawn(move || status(&base, &format!("/{}?{}", kind.original.0, kind.query(index))))
            })
            .collect();
        let statuses: Vec<u16> = asking.into_iter().map(|asked| asked.join().expect("answered")).collect();
        over.store(true, SeqCst);
        // None is refused, none is killed: they wait for each other.
        assert!(statuses.iter().all(|status| *status == 200), "{}, {isolation}: {statuses:?}", kind.name);
    });
    peak.load(SeqCst)
}

/// One that needs more than there is for all is refused before anything is taken.
#[test]
fn what_fits_nowhere_is_refused() {
    let server = Server::start(BINARY, &[], &["--open", "--set", "render.memory_bytes_max=64MiB"]);
    std::fs::write(server.originals.join("large.png"), one_colour(3600, [10, 200, 90])).expect("written");
    let refused = get(&server.base, "/large.png?w=3600&fm=avif");
    assert_eq!(refused.status, 422, "{}", refused.text());
}
