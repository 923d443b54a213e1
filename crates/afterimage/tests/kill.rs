//! Killed at any moment, a server leaves nothing behind that a fresh one would serve by mistake: the built binary is ended
//! with KILL at random points of fills and purges, and started again over the same folders. What was begun is finished,
//! every answer is made of the current content, and no temporary file and no derivative of what went stays.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use afterimage_identity::{Receipt, ReceiptState, Version};
use afterimage_testkit::{Answer, Server, colour_of, get, one_colour, try_request};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
/// Nothing is spared the races by not being stored.
const ARGUMENTS: [&str; 4] = ["--set", "source.settle=20ms", "--set", "log.level=warn"];
const SEED: u64 = 0x005e_ed0f_ca7a_10c5;
const ORIGINALS: usize = 4;
/// Large enough that a fill takes some milliseconds, in which it can be killed.
const SIDE: u32 = 600;
const SIZES: [&str; 6] = ["w=16&fm=png", "w=200&fm=png", "w=320&fm=png", "d=100x100&fm=png", "h=512&fm=png", "fm=png"];
const CLIENTS: u64 = 4;
/// The longest a server lives before it is killed. Most fills and purges begin, and many end, within it.
const LIFE_US_MAX: u64 = 60_000;

/// Numbers from a seed (SplitMix64), so that a failure can be run again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % bound
    }
}

/// One original, and which of its contents may be answered. Every change takes the next generation; a deletion too.
struct Original {
    path: PathBuf,
    name: String,
    number: u8,
    /// Begun to be written.
    latest: AtomicU64,
    /// Nothing older may be answered any more.
    oldest: AtomicU64,
    /// The generations that were written over the file in place: until the next, it may be only half there.
    in_place: AtomicU64,
}

impl Original {
    fn new(folder: &Path, number: usize) -> Self {
        let name = format!("k{number}.png");
        let (latest, oldest, in_place) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let number = u8::try_from(number).expect("few originals");
        let original = Self { path: folder.join(&name), name, number, latest, oldest, in_place };
        std::fs::write(&original.path, original.content(0)).expect("written");
        original
    }

    fn content(&self, generation: u64) -> Vec<u8> {
        let [low, high, ..] = generation.to_le_bytes();
        one_colour(SIDE, [low, high, 40 * (self.number + 1)])
    }

    /// Deletes it, replaces it, or writes over it.
    fn change(&self, way: u64) {
        let generation = self.latest.fetch_add(1, Ordering::SeqCst) + 1;
        match way {
            0 => drop(std::fs::remove_file(&self.path)),
            1 => {
                self.in_place.store(generation, Ordering::SeqCst);
                std::fs::write(&self.path, self.content(generation)).expect("written");
            }
            _ => {
                let fresh = self.path.with_extension("fresh");
                std::fs::write(&fresh, self.content(generation)).expect("written");
                std::fs::rename(&fresh, &self.path).expect("renamed");
            }
        }
    }

    /// The generation that an answer was made from.
    fn generation(&self, answer: &Answer) -> u64 {
        let [low, high, blue] = colour_of(&answer.body).expect("a whole PNG");
        assert_eq!(blue, 40 * (self.number + 1), "{} was answered with another original", self.name);
        u64::from(low) | u64::from(high) << 8
    }

    /// Asks for one size, while the original may be changing and the server may be dying. `None` when it was cut off.
    fn ask(&self, base: &str, size: &str) -> Option<bool> {
        let oldest = self.oldest.load(Ordering::SeqCst);
        let answer = try_request(base, "GET", &format!("/{}?{size}", self.name), &[], b"").ok()?;
        match answer.status {
            200 => {
                let (seen, latest) = (self.generation(&answer), self.latest.load(Ordering::SeqCst));
                assert!((oldest..=latest).contains(&seen), "{}: {seen} is not in {oldest}..={latest}", self.name);
            }
            404 | 503 => {}
            // A file that lies empty for as long as it takes to settle is no picture.
            415 | 422 if self.in_place.load(Ordering::SeqCst) > oldest => {}
            status => panic!("{}?{size}: {status}: {}", self.name, answer.text()),
        }
        Some(answer.status == 200)
    }

    /// Changes it and has it purged; whether the purge was acknowledged, so that nothing older may be answered.
    fn change_and_purge(&self, admin: &str, way: u64) -> bool {
        self.change(way);
        let latest = self.latest.load(Ordering::SeqCst);
        let body = format!("{{\"key\":\"{}\"}}", self.name);
        let headers = [("content-type", "application/json")];
        let Ok(answer) = try_request(admin, "POST", "/api/purge", &headers, body.as_bytes()) else { return false };
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.oldest.store(latest, Ordering::SeqCst);
        true
    }

    /// A fresh server answers every size with what is there now, or that nothing is.
    fn check(&self, server: &Server) {
        for size in SIZES {
            let target = format!("/{}?{size}", self.name);
            let answer = server.get(&target);
            if self.path.exists() {
                assert_eq!(answer.status, 200, "{target}: {}", answer.text());
                assert_eq!(self.generation(&answer), self.latest.load(Ordering::SeqCst), "{target} is old");
            } else {
                assert_eq!(answer.status, 404, "{target} is answered though it is gone");
            }
        }
    }
}

/// What was met, so that one can see that the kills came in the middle of things.
#[derive(Debug, Default)]
struct Met {
    pictures: AtomicU64,
    requests_cut_off: AtomicU64,
    purges_acknowledged: AtomicU64,
    purges_cut_off: AtomicU64,
    purges_finished_by_the_next: u64,
    temporary_files_left: u64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Fills and purges until the server is killed, which this does after `life`.
fn live_and_die(server: &mut Server, originals: &[Original], chance: &mut Chance, met: &Met) {
    let life = Duration::from_micros(chance.below(LIFE_US_MAX));
    let (base, admin) = (server.base.clone(), server.admin.clone());
    let dead = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut chance = Chance(chance.below(u64::MAX));
            let (dead, base) = (&dead, &base);
            scope.spawn(move || {
                while !dead.load(Ordering::Relaxed) {
                    let original = &originals[chance.below(ORIGINALS as u64) as usize];
                    match original.ask(base, SIZES[chance.below(SIZES.len() as u64) as usize]) {
                        Some(true) => count(&met.pictures),
                        Some(false) => {}
                        None => return count(&met.requests_cut_off),
                    }
                }
            });
        }
        let mut chance = Chance(chance.below(u64::MAX));
        let (dead, admin) = (&dead, &admin);
        scope.spawn(move || {
            // Some fills are under way, or stored, before the first purge.
            std::thread::sleep(Duration::from_micros(chance.below(LIFE_US_MAX / 2)));
            while !dead.load(Ordering::Relaxed) {
                let original = &originals[chance.below(ORIGINALS as u64) as usize];
                if !original.change_and_purge(admin, chance.below(4)) {
                    return count(&met.purges_cut_off);
                }
                count(&met.purges_acknowledged);
                std::thread::sleep(Duration::from_micros(chance.below(10_000)));
            }
        });
        std::thread::sleep(life);
        server.stop(true);
        dead.store(true, Ordering::Relaxed);
    });
}

fn until(what: &str, server: &Server, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        let log = || std::fs::read_to_string(server.home().join("log")).unwrap_or_default();
        assert!(begun.elapsed() < Duration::from_secs(20), "never: {what}\n{:#?}\n{}", server.derivatives(), log());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn receipts(server: &Server) -> Vec<Receipt> {
    serde_json::from_slice(&get(&server.admin, "/api/receipts?limit=1000").body).expect("receipts")
}

/// Waits until everything that was begun is finished and seen so. How many purges of the dead process that were.
fn check_left_overs(server: &Server, originals: &[Original], killed_at_ms: u64) -> u64 {
    until("every purge is done", server, || {
        receipts(server).iter().all(|receipt| receipt.state == ReceiptState::Done && receipt.clean_at_ms.is_some())
    });
    // What changed unheard is found by the scan at the start, so there may be more receipts in a moment.
    until("only derivatives of what is there now are left", server, || {
        let versions: Vec<_> = originals.iter().map(|original| std::fs::read(&original.path).ok()).collect();
        let is_current = |path: &String| {
            originals.iter().zip(&versions).any(|(original, content)| {
                let version = content.as_ref().map(|content| Version::of_content(content));
                path.contains(&format!("/{}/-/", original.name))
                    && version.is_some_and(|version| path.contains(version.as_str()))
            })
        };
        server.derivatives().iter().all(is_current)
    });
    until("no temporary file is left", server, || temporary_files(server.home()) == 0);
    let finished = receipts(server).into_iter().filter(|receipt| {
        receipt.heard_at_ms < killed_at_ms && receipt.done_at_ms.is_some_and(|done_at_ms| done_at_ms > killed_at_ms)
    });
    finished.count() as u64
}

/// How many files there are that some process was writing: of the store, and of the journal.
fn temporary_files(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let counted = entries.map(|path| match path.is_dir() {
        true => temporary_files(&path),
        false => u64::from(path.ends_with("journal.new") || path.components().any(|part| part.as_os_str() == ".tmp")),
    });
    counted.sum()
}

#[test]
fn killed_in_the_middle_of_fills_and_purges_a_fresh_process_finishes_and_serves_nothing_wrong() {
    let is_long = std::env::var_os("AFTERIMAGE_LONG").is_some();
    let rounds = if is_long { 200 } else { 30 };
    let mut chance = Chance(SEED);
    println!("seed {SEED:#x}, {rounds} rounds");
    let mut met = Met::default();
    let mut server = Server::start(BINARY, &[], &ARGUMENTS);
    let originals: Vec<_> = (0..ORIGINALS).map(|number| Original::new(&server.originals, number)).collect();
    for round in 0..rounds {
        live_and_die(&mut server, &originals, &mut chance, &met);
        met.temporary_files_left += temporary_files(server.home());
        let killed_at = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        server = server.restart(true, &ARGUMENTS, |_| {
            // Half of the time something changes that nobody hears.
            if chance.below(2) == 0 {
                originals[chance.below(ORIGINALS as u64) as usize].change(chance.below(4));
            }
        });
        for original in &originals {
            original.oldest.store(original.latest.load(Ordering::SeqCst), Ordering::SeqCst);
            original.check(&server);
        }
        let killed_at_ms = u64::try_from(killed_at.as_millis()).expect("a clock of this age");
        met.purges_finished_by_the_next += check_left_overs(&server, &originals, killed_at_ms);
        if round % 20 == 19 {
            println!("after {} kills: {met:?}", round + 1);
        }
    }
    assert!(*met.pictures.get_mut() > 0 && *met.requests_cut_off.get_mut() > 0, "no kill came in a fill: {met:?}");
    assert!(*met.purges_acknowledged.get_mut() > 0, "no purge was begun: {met:?}");
    assert!(!is_long || met.purges_finished_by_the_next > 0, "no kill came in a purge: {met:?}");
}
