//! The cache's tier on disk through the built binary: warm after a restart, killed in the middle of fills, on a disk that is
//! full, damaged between two starts, and fenced for good.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use afterimage_testkit::{Answer, Server, Step, Upstream, answer, get, request, run, try_request};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
const SEED: u64 = 0x00d1_5c5e_ed00_0001;

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

/// The body of a target, 1 to 40,000 bytes of noise.
fn body_of(target: &str) -> Vec<u8> {
    let seed = target.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut chance = Chance(seed);
    let bytes = 1 + chance.below(40_000);
    (0..bytes).map(|_| chance.below(256) as u8).collect()
}

/// Says the same of a target for an hour.
fn upstream() -> Upstream {
    Upstream::start(|asked| answer(200, &[("cache-control", "max-age=3600")], &body_of(&asked.target)))
}

/// What a server is told that passes to `upstream` and keeps its answers below `folder`.
fn settings(upstream: &Upstream, folder: &Path, more: &[&str]) -> Vec<String> {
    let own = [
        format!("pass.origin={}/", upstream.base),
        "origin.allow=127.0.0.0/8".to_owned(),
        format!("cache.disk_directory={}", folder.display()),
        "invalidation.purge_method=true".to_owned(),
        "log.level=warn".to_owned(),
    ];
    let all = own.into_iter().chain(more.iter().map(|&setting| setting.to_owned()));
    all.flat_map(|setting| ["--set".to_owned(), setting]).collect()
}

fn texts(settings: &[String]) -> Vec<&str> {
    settings.iter().map(String::as_str).collect()
}

fn is_from(answer: &Answer, tier: &str) -> bool {
    answer.header("cache-status").contains(&format!("detail={tier}"))
}

fn metric(server: &Server, name: &str) -> u64 {
    let text = get(&server.admin, "/metrics").text();
    let line = text.lines().find(|line| line.starts_with(name) && line.as_bytes().get(name.len()) == Some(&b' '));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// The files of entries.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found = files_in(folder);
    found.retain(|path| path.file_name().is_some_and(|name| name.len() == 62));
    found.sort();
    found
}

#[test]
fn a_restart_begins_warm_and_says_so() {
    let (upstream, folder) = (upstream(), TempDir::new().unwrap());
    let settings = settings(&upstream, folder.path(), &["source.settle=20ms"]);
    let mut server = Server::start(BINARY, &["museum.jpg"], &texts(&settings));
    std::thread::sleep(Duration::from_millis(30));
    assert!(server.greeting.contains(&folder.path().display().to_string()), "{}", server.greeting);
    for kill in [false, true] {
        server.get("/a.html?kill");
        assert_eq!(server.get("/a.html").body, body_of("/a.html"));
        assert_eq!(server.get("/museum.jpg?w=100&fm=png").status, 200);
        until("all is written", || entries(folder.path()).len() >= 3);
        server = server.restart(kill, &texts(&settings), |_| upstream.forget());
        let first = server.get("/a.html");
        assert_eq!((first.body.clone(), is_from(&first, "disk")), (body_of("/a.html"), true), "{:?}", first.headers);
        assert!(first.header("cache-status").contains("hit"), "{:?}", first.headers);
        assert!(is_from(&server.get("/a.html"), "memory"));
        // The picture was proven anew first.
        let picture = server.get("/museum.jpg?w=100&fm=png");
        assert!(picture.status == 200 && is_from(&picture, "disk"), "{:?}", picture.headers);
        assert!(upstream.asked().is_empty());
        assert_eq!(metric(&server, "afterimage_cache_disk_hits_total"), 2);
    }
}

#[test]
fn what_was_purged_or_deleted_stays_gone_over_a_kill() {
    let (upstream, folder) = (upstream(), TempDir::new().unwrap());
    let settings = settings(&upstream, folder.path(), &["source.settle=20ms"]);
    let mut server = Server::start(BINARY, &["museum.jpg"], &texts(&settings));
    std::thread::sleep(Duration::from_millis(30));
    for target in ["/a.html", "/b.html", "/museum.jpg?w=100&fm=png"] {
        assert_eq!(server.get(target).status, 200);
    }
    until("all is written", || entries(folder.path()).len() == 3);
    let purged = request(&server.admin, "PURGE", "/a.html", &[], b"");
    assert_eq!((purged.status, purged.header("afterimage-matched").contains('1')), (200, true), "{:?}", purged.headers);
    server.stop(true);
    std::fs::remove_file(server.originals.join("museum.jpg")).unwrap();
    let server = server.restart(true, &texts(&settings), |_| upstream.forget());
    assert!(is_from(&server.get("/b.html"), "disk"));
    assert!(!is_from(&server.get("/a.html"), "disk"));
    assert_eq!(upstream.asked().len(), 1, "what was purged is fetched anew");
    assert_eq!(server.get("/museum.jpg?w=100&fm=png").status, 404);
    until("nothing of it lies on disk", || entries(folder.path()).len() == 2);
}

#[test]
fn two_servers_never_share_a_folder_and_it_lies_apart() {
    let (upstream, folder) = (upstream(), TempDir::new().unwrap());
    let settings = settings(&upstream, folder.path(), &[]);
    let server = Server::start(BINARY, &["museum.jpg"], &texts(&settings));
    let refused = |home: &Path, pictures: &Path, setting: &str, words: &str| {
        let pictures = pictures.display().to_string();
        let arguments = ["serve", &pictures, "--set", setting, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let output = run(BINARY, home, &arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{setting}: {text}");
    };
    let other = TempDir::new().unwrap();
    let pictures = other.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let directory = |path: &Path| format!("cache.disk_directory={}", path.display());
    refused(other.path(), &pictures, &directory(folder.path()), "another process keeps its cache there");
    refused(other.path(), &pictures, &directory(&pictures.join("tier")), "lies inside the originals");
    refused(other.path(), &pictures, &directory(other.path()), "contains the originals");
    refused(other.path(), &pictures, &directory(&other.path().join("cache/afterimage")), "contains the derivatives");
    refused(other.path(), &pictures, &directory(&other.path().join("state/afterimage")), "contains the state");
    std::fs::write(pictures.join("a.txt"), "mine").unwrap();
    std::os::unix::fs::symlink(&pictures, other.path().join("link")).unwrap();
    refused(other.path(), &pictures, &directory(&other.path().join("link/tier")), "lies inside the originals");
    let full = other.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("holiday.jpg"), "mine").unwrap();
    refused(other.path(), &pictures, &directory(&full), "`holiday.jpg`");
    assert_eq!(server.get("/a.html").status, 200);
}

/// Flips a bit, cuts, zeroes, or swaps two, in turn.
fn spoil(files: &[PathBuf], chance: &mut Chance) {
    for (at, pair) in files.chunks_exact(2).enumerate() {
        let (one, other) = (std::fs::read(&pair[0]).unwrap(), std::fs::read(&pair[1]).unwrap());
        let spoilt = match at % 4 {
            0 => {
                let mut flipped = one;
                let bit = chance.below(flipped.len() as u64 * 8) as usize;
                flipped[bit / 8] ^= 1 << (bit % 8);
                flipped
            }
            1 => one[..one.len() - 1 - chance.below(one.len() as u64 - 1) as usize].to_vec(),
            2 => vec![0; one.len()],
            _ => {
                std::fs::write(&pair[1], one).unwrap();
                other
            }
        };
        std::fs::write(&pair[0], spoilt).unwrap();
    }
}

#[test]
fn damaged_files_are_dropped_counted_and_fetched_anew() {
    let (upstream, folder) = (upstream(), TempDir::new().unwrap());
    let settings = settings(&upstream, folder.path(), &[]);
    let server = Server::start(BINARY, &[], &texts(&settings));
    let targets: Vec<_> = (0..64).map(|at| format!("/f{at}")).collect();
    targets.iter().for_each(|target| drop(server.get(target)));
    until("all is written", || entries(folder.path()).len() == targets.len());
    // While it runs: memory has everything, so the damage is seen by the next process, before or after counting.
    spoil(&entries(folder.path()), &mut Chance(SEED));
    let server = server.restart(true, &texts(&settings), |_| upstream.forget());
    let from_disk = targets.iter().filter(|target| {
        let answer = server.get(target);
        assert_eq!(answer.body, body_of(target), "{target}");
        is_from(&answer, "disk")
    });
    // Of each eight files, one is flipped, one cut, one zeroed, and two are swapped.
    assert_eq!((from_disk.count(), upstream.asked().len()), (64 - 40, 40));
    let dropped = |why: &str| metric(&server, &format!("afterimage_cache_disk_dropped_total{{why=\"{why}\"}}"));
    until("all is counted", || metric(&server, "afterimage_cache_disk_counted") == 1);
    let all = || dropped("damaged") + dropped("other-format") + dropped("misplaced");
    until("the last one is dropped", || all() >= 40);
    assert_eq!((dropped("damaged") + dropped("other-format"), dropped("misplaced")), (24, 16));
    until("all is written anew", || entries(folder.path()).len() == targets.len());
}

#[test]
fn killed_in_the_middle_of_fills_every_entry_is_whole() {
    let fills = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1000 } else { 200 };
    println!("seed {SEED:#x}, {fills} fills");
    let (upstream, folder) = (upstream(), TempDir::new().unwrap());
    let settings = settings(&upstream, folder.path(), &["cache.memory_bytes_max=1MiB", "cache.item_bytes_max=256KiB"]);
    let mut chance = Chance(SEED);
    let mut server = Server::start(BINARY, &[], &texts(&settings));
    let (next, mut kills, mut cut_off, mut from_disk) = (AtomicUsize::new(0), 0, 0, 0);
    while next.load(Ordering::SeqCst) < fills || kills < 5 {
        let cut = AtomicU64::new(0);
        let dead = AtomicBool::new(false);
        let (base, life) = (server.base.clone(), Duration::from_micros(2_000 + chance.below(30_000)));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !dead.load(Ordering::Relaxed) {
                        let target = format!("/f{}", next.fetch_add(1, Ordering::SeqCst));
                        match try_request(&base, "GET", &target, &[], b"") {
                            Ok(answer) => assert_eq!(answer.body, body_of(&target), "{target}"),
                            Err(_) => {
                                cut.fetch_add(1, Ordering::SeqCst);
                                return;
                            }
                        }
                    }
                });
            }
            std::thread::sleep(life);
            server.stop(true);
            dead.store(true, Ordering::Relaxed);
        });
        (kills, cut_off) = (kills + 1, cut_off + cut.load(Ordering::SeqCst));
        server = server.restart(true, &texts(&settings), |_| {});
        assert!(files_in(&folder.path().join("tmp")).is_empty(), "a temporary file is left");
    }
    for at in 0..next.load(Ordering::SeqCst) {
        let target = format!("/f{at}");
        let answer = server.get(&target);
        assert_eq!(answer.body, body_of(&target), "{target}");
        from_disk += u64::from(is_from(&answer, "disk"));
    }
    println!("{kills} kills, {cut_off} requests cut off, {from_disk} of {next:?} entries from disk");
    assert!(cut_off > 0, "no kill came in the middle of anything");
    assert!(from_disk > 0, "nothing lay on disk");
    // Killed processes lose what waits, never what was acknowledged as written; nothing at all is damaged.
    for why in ["damaged", "misplaced", "other-tier"] {
        assert_eq!(metric(&server, &format!("afterimage_cache_disk_dropped_total{{why=\"{why}\"}}")), 0, "{why}");
    }
}

#[test]
fn a_disk_that_is_full_costs_no_answer() {
    let (upstream, folder) = (upstream(), TempDir::new().unwrap());
    let tier = folder.path().join("tier");
    std::fs::create_dir(&tier).unwrap();
    // A mount namespace of its own, with a small file system in it.
    let script = folder.path().join("small");
    let lines = format!(
        "#!/bin/sh\nexec unshare --user --map-root-user --mount sh -c \
         'mount -t tmpfs -o size=1m none {} && exec {BINARY} \"$@\"' sh \"$@\"\n",
        tier.display()
    );
    std::fs::write(&script, lines).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let can = std::process::Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("SKIPPED: this machine lets nobody make a mount namespace");
        return;
    }
    let settings = settings(&upstream, &tier, &["cache.memory_bytes_max=1MiB", "cache.item_bytes_max=256KiB"]);
    let server = Server::start(&script.display().to_string(), &[], &texts(&settings));
    for round in 0..2 {
        for at in 0..150 {
            let target = format!("/f{at}");
            assert_eq!(server.get(&target).body, body_of(&target), "round {round}: {target}");
        }
    }
    let (writes, evicted) =
        (metric(&server, "afterimage_cache_disk_writes_total"), metric(&server, "afterimage_cache_disk_evicted_total"));
    assert!(writes > 100 && evicted > 0, "{writes} written, {evicted} evicted");
    assert!(metric(&server, "afterimage_cache_disk_bytes") <= 1 << 20);
    assert_eq!(metric(&server, "afterimage_cache_disk_on"), 1);
    let newest = ["/f147", "/f148", "/f149"].map(|target| server.get(target));
    assert!(newest.iter().all(|answer| answer.status == 200));
    // A fence finds room for itself on a disk without any.
    assert_eq!(request(&server.admin, "PURGE", "/f149", &[], b"").status, 200);
    assert!(!is_from(&server.get("/f149"), "disk"));
}

/// The origin hangs: what lies on disk is served all the same, and no worker waits for it.
#[test]
fn a_tier_serves_while_its_origin_hangs() {
    let folder = TempDir::new().unwrap();
    let hangs = std::sync::Arc::new(AtomicBool::new(false));
    let told = hangs.clone();
    let upstream = Upstream::start(move |asked| match told.load(Ordering::SeqCst) {
        true => vec![Step::Hang],
        false => answer(200, &[("cache-control", "max-age=3600")], &body_of(&asked.target)),
    });
    let settings = settings(&upstream, folder.path(), &[]);
    let server = Server::start(BINARY, &[], &texts(&settings));
    assert_eq!(server.get("/a").body, body_of("/a"));
    until("it is written", || entries(folder.path()).len() == 1);
    hangs.store(true, Ordering::SeqCst);
    let server = server.restart(true, &texts(&settings), |_| {});
    let base = server.base.clone();
    let waits = std::thread::spawn(move || drop(try_request(&base, "GET", "/other", &[], b"")));
    assert!(is_from(&server.get("/a"), "disk"));
    drop(server);
    let _ = waits.join();
}
