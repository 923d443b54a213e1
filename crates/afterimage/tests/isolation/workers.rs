//! A server whose workers are stopped and killed under it.

use std::time::{Duration, Instant};

use afterimage_testkit::{Server, get, run};

use crate::{BINARY, workers_of};

fn server(settings: &[&str]) -> Server {
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = std::iter::once("--open").chain(settings).collect();
    Server::start(BINARY, &["museum.jpg", "rose.webp"], &arguments)
}

fn signal(process: u32, name: &str) {
    let done = std::process::Command::new("kill").args([name, &process.to_string()]).status().expect("kill");
    assert!(done.success(), "kill {name} {process}");
}

fn metric(server: &Server, name: &str) -> u64 {
    let text = get(&server.admin, "/metrics").text();
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name} in:\n{text}")).parse().expect("a number")
}

#[test]
fn a_worker_that_hangs_is_one_timeout_and_is_followed_by_another() {
    let server = server(&["render.isolation=all", "render.threads=1", "render.timeout=1s"]);
    assert_eq!(server.get("/rose.webp?w=20&fm=png").status, 200);
    let [worker] = workers_of(server.id())[..] else { panic!("one thread, one worker") };
    signal(worker, "-STOP");
    let begun = Instant::now();
    let answer = server.get("/rose.webp?w=21&fm=png");
    assert_eq!((answer.status, answer.header("retry-after")), (503, "10"), "{}", answer.text());
    assert!(answer.header("cache-status").contains("render-timeout"), "{:?}", answer.headers);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(server.get("/rose.webp?w=22&fm=png").status, 200);
    assert!(!workers_of(server.id()).contains(&worker));
    assert_eq!(metric(&server, "afterimage_worker_deaths_total{cause=\"deadline\"}"), 1);
}

#[test]
fn a_worker_killed_with_a_picture_in_hand_is_one_error() {
    let server = server(&["render.isolation=all", "render.threads=2"]);
    for width in 20..24 {
        assert_eq!(server.get(&format!("/rose.webp?w={width}&fm=png")).status, 200);
    }
    let workers = workers_of(server.id());
    assert_eq!(workers.len(), 2);
    workers.iter().for_each(|worker| signal(*worker, "-STOP"));
    let base = server.base.clone();
    let asking = std::thread::spawn(move || get(&base, "/rose.webp?w=30&fm=png"));
    let begun = Instant::now();
    while metric(&server, "afterimage_renders_running") == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never got there");
    }
    std::thread::sleep(Duration::from_millis(100));
    workers.iter().for_each(|worker| signal(*worker, "-KILL"));
    let answer = asking.join().expect("answered");
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(answer.header("cache-status").contains("renderer-died"), "{:?}", answer.headers);
    // The one that had nothing in hand is replaced without a word.
    for width in 31..36 {
        assert_eq!(server.get(&format!("/rose.webp?w={width}&fm=png")).status, 200);
    }
    assert_eq!(metric(&server, "afterimage_worker_deaths_total{cause=\"killed\"}"), 1);
}

#[test]
fn workers_go_with_their_server_however_that_ends() {
    for kill in [false, true] {
        let mut server = server(&["render.isolation=all"]);
        assert_eq!(server.get("/rose.webp?w=20&fm=png").status, 200);
        let workers = workers_of(server.id());
        assert!(!workers.is_empty());
        server.stop(kill);
        let begun = Instant::now();
        let is_there = |worker: &u32| {
            std::fs::read_to_string(format!("/proc/{worker}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
        };
        while workers.iter().any(is_there) {
            assert!(begun.elapsed() < Duration::from_secs(10), "killed: {kill}; a worker is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn how_well_workers_are_enclosed_is_told() {
    let server = server(&[]);
    for wall in ["files", "network", "processes", "system-calls", "privileges", "resources", "descriptors", "parent"] {
        assert_eq!(metric(&server, &format!("afterimage_worker_protected{{protection=\"{wall}\"}}")), 1);
    }
    assert_eq!(get(&server.admin, "/readyz").text(), "ready\n");
    let checked = server.run(&["check-config"]);
    let words = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(words.contains("worker processes are kept from: files, network, processes, system-calls"), "{words}");
    let none = server.run(&["check-config", "--set", "render.isolation=none"]);
    let words = String::from_utf8_lossy(&none.stdout).into_owned();
    assert!(words.contains("IN THIS PROCESS") && !words.contains("worker processes are kept"), "{words}");
}

#[test]
fn nobody_starts_a_worker_by_hand() {
    let home = tempfile::tempdir().expect("a folder");
    let ran = run(BINARY, home.path(), &["worker"]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("never by hand"), "{ran:?}");
}
