//! Very many at once, all for the same: how often the origin is asked, and who waits for whom.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use afterimage_testkit::{Server, Step, Upstream, answer, one_colour};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{BINARY, given, metric, over, set};

/// Shut until everybody is there: an origin that waits for it is as slow as a test needs it.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn wait(&self) {
        let begun = Instant::now();
        while !self.0.load(SeqCst) && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Opens once the server has so many connections, and has had a moment to read from them.
    fn open_for(&self, server: &Server, connections: usize) {
        let begun = Instant::now();
        let open = || std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("a process").count();
        while open() < connections {
            assert!(begun.elapsed() < Duration::from_secs(20), "only {} files are open", open());
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(300));
        self.0.store(true, SeqCst);
    }
}

/// Servers inherit it.
fn many_files() {
    let allowed = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, maximum: allowed.maximum });
}

/// Everybody asks, one connection each.
fn ask(server: &Server, targets: impl Iterator<Item = String>) -> Vec<TcpStream> {
    let begin = |target: String| {
        let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection");
        write!(client, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("written");
        client
    };
    targets.map(begin).collect()
}

/// The status and the whole of an answer.
fn hear(mut client: TcpStream) -> (u16, String) {
    client.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).expect("an answer");
    let text = String::from_utf8_lossy(&heard).into_owned();
    (text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {text:?}")), text)
}

fn resident_bytes(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn a_thousand_for_one_cold_picture_are_one_fetch_and_one_render() {
    many_files();
    let gate = Gate::default();
    let gate_of_origin = gate.clone();
    let upstream = Upstream::start(move |asked| {
        gate_of_origin.wait();
        given(asked, "1", &one_colour(400, [1, 2, 3]))
    });
    let server = over(&upstream, &[]);
    let before = resident_bytes(&server);
    let clients = ask(&server, (0..1000).map(|_| "/a.png?w=100".to_owned()));
    gate.open_for(&server, 1000);
    let each = resident_bytes(&server).saturating_sub(before) / 1000;
    let answers: Vec<_> = clients.into_iter().map(hear).collect();
    assert!(answers.iter().all(|(status, _)| *status == 200));
    let asked = |method: &str| upstream.asked().iter().filter(|asked| asked.method == method).count();
    assert_eq!(asked("GET"), 1, "fetches for a thousand");
    let about_it =
        upstream.asked().iter().filter(|asked| asked.method == "HEAD" && asked.target.ends_with("/a.png")).count();
    assert!((1..=2).contains(&about_it), "asked {about_it} times, before and after");
    assert_eq!(metric(&server, "afterimage_answers_total{reason=\"rendered\"}"), 1);
    assert_eq!(metric(&server, "afterimage_fills_total"), 1);
    let collapsed = metric(&server, "afterimage_answers_total{reason=\"collapsed\"}");
    println!("{collapsed} of 1000 waited, at {each} bytes each");
    assert!(collapsed > 900, "only {collapsed} waited for the one fetch");
    assert!(each < 64 << 10, "{each} bytes for each who waits");
}

/// An origin that answers 503 once the gate is open.
fn storm(gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::start(move |asked| {
        gate.wait();
        answer(503, &[("Retry-After", "7")], if asked.method == "HEAD" { b"" } else { b"no" })
    })
}

/// 500 ask for ten things in a storm; returns how often the origin was asked.
fn in_a_storm(server: &Server, upstream: &Upstream, gate: &Gate, target: impl Fn(u64) -> String) -> usize {
    let clients = ask(server, (0..500).map(|at| target(at % 10)));
    gate.open_for(server, 500);
    for (status, text) in clients.into_iter().map(hear) {
        assert!(status == 503 && text.to_lowercase().contains("\r\nretry-after: "), "{text}");
    }
    upstream.asked().len()
}

#[test]
fn five_hundred_in_a_storm_of_5xx_are_one_question_for_each_picture() {
    many_files();
    let gate = Gate::default();
    let upstream = storm(&gate);
    let server = over(&upstream, &["origin.failures_max=0"]);
    let asked = in_a_storm(&server, &upstream, &gate, |at| format!("/{at}.png?w=100"));
    assert!((10..=11).contains(&asked), "{asked} questions about ten pictures");
    // It is not remembered: the next viewer may be luckier.
    server.get("/0.png?w=100");
    assert_eq!(upstream.asked().len(), asked + 1);
}

/// What passes through: where errors have a lifetime, one fetch each; elsewhere an error is its own viewer's, and everybody
/// asks once and never again.
#[test]
fn five_hundred_in_a_storm_of_5xx_that_pass_through_ask_once_at_most() {
    many_files();
    for (errors, most) in [("behaviours=path=/* errors=503:5s", 11), ("behaviours=path=/* ttl_default=0s", 550)] {
        let gate = Gate::default();
        let upstream = storm(&gate);
        let origin = format!("pass.origin={}/", upstream.base);
        let settings = [&origin, "origin.allow=127.0.0.0/8", "origin.failures_max=0", errors];
        let server = Server::start(BINARY, &[], &set(&settings));
        let asked = in_a_storm(&server, &upstream, &gate, |at| format!("/{at}.txt"));
        println!("{errors}: {asked} questions for 500");
        assert!((10..=most).contains(&asked), "{errors}: {asked} questions for 500");
    }
}

/// One original never comes. Whoever asks for it is told so together, and nobody else waits.
#[test]
fn a_stalled_picture_holds_up_nobody_else() {
    const DEADLINE: Duration = Duration::from_millis(1500);
    let stalls = Arc::new(AtomicBool::new(true));
    let stalled = stalls.clone();
    let upstream = Upstream::start(move |asked| match asked.target.as_str() {
        "/base/stalled.png" if stalled.load(SeqCst) => vec![Step::Hang],
        _ => given(asked, "1", &one_colour(24, [1, 2, 3])),
    });
    let settings = ["origin.first_byte_timeout=1500ms", "origin.failures_max=0", "source.window=200ms"];
    let server = over(&upstream, &settings);
    assert_eq!(server.get("/b.png?w=16").status, 200);
    let begun = Instant::now();
    let stuck = ask(&server, (0..50).map(|_| "/stalled.png?w=16".to_owned()));
    for at in 0..10 {
        for target in ["/b.png?w=16".to_owned(), format!("/{at}.png?w=16")] {
            let begun = Instant::now();
            assert_eq!(server.get(&target).status, 200, "{target}");
            assert!(begun.elapsed() < Duration::from_secs(1), "{target} took {:?}", begun.elapsed());
        }
    }
    assert!(stuck.into_iter().map(hear).all(|(status, _)| status == 504));
    let took = begun.elapsed();
    // One after the other, fifty would take fifty deadlines.
    assert!(took < 4 * DEADLINE, "it took {took:?}");
    let asked = upstream.asked().iter().filter(|asked| asked.target.contains("stalled")).count();
    assert!(asked <= 3, "asked {asked} times for fifty");
    stalls.store(false, SeqCst);
    assert_eq!(server.get("/stalled.png?w=16").status, 200);
}

/// Who leads a fetch and goes away leaves it to those who wait; what it brought is kept.
#[test]
fn a_leader_that_goes_away_leaves_its_fetch_to_the_others() {
    let upstream = Upstream::start(|asked| {
        let waits = Duration::from_millis(if asked.method == "GET" { 700 } else { 0 });
        match asked.target.as_str() {
            "/base/a.png" => [vec![Step::Wait(waits)], given(asked, "1", &one_colour(24, [1, 2, 3]))].concat(),
            _ => [vec![Step::Wait(waits)], answer(200, &[("Cache-Control", "max-age=60")], b"text")].concat(),
        }
    });
    let pass = format!("pass.origin={}/", upstream.base);
    let server = over(&upstream, &[&pass]);
    for target in ["/a.png?w=16", "/a.txt"] {
        upstream.forget();
        let mut leader = ask(&server, std::iter::once(target.to_owned()));
        let begun = Instant::now();
        while !upstream.asked().iter().any(|asked| asked.method == "GET") {
            assert!(begun.elapsed() < Duration::from_secs(10), "{target} was never fetched");
            std::thread::sleep(Duration::from_millis(5));
        }
        let others = ask(&server, (0..20).map(|_| target.to_owned()));
        drop(leader.pop());
        assert!(others.into_iter().map(hear).all(|(status, _)| status == 200), "{target}");
        let fetches = upstream.asked().iter().filter(|asked| asked.method == "GET").count();
        assert_eq!(fetches, 1, "{target}");
        assert!(server.get(target).header("cache-status").contains("hit"), "{target}");
    }
}
