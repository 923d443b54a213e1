//! Origins that cannot be reached, and edges that stand still: nothing is served beyond the window.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use afterimage_testkit::{Step, Upstream, answer, one_colour};
use rustix::process::{Pid, Signal, kill_process};

use crate::{given, over};

/// How an origin is cut off, and what the viewer is told.
const WAYS: [(&str, Step, u16); 3] =
    [("resets", Step::Reset, 503), ("closes", Step::Close, 503), ("hangs", Step::Hang, 504)];

#[test]
fn cut_off_from_its_origin_an_edge_serves_within_the_window_and_then_says_when_to_come_again() {
    std::thread::scope(|scope| {
        for (name, step, status) in WAYS {
            scope.spawn(move || cut_off(name, step, status));
        }
    });
}

fn cut_off(name: &str, step: Step, status: u16) {
    const WINDOW: Duration = Duration::from_millis(1500);
    let is_cut = Arc::new(AtomicBool::new(false));
    let cut = is_cut.clone();
    let upstream = Upstream::start(move |asked| match cut.load(SeqCst) {
        false => given(asked, "1", &one_colour(24, [1, 2, 3])),
        true => vec![step.clone()],
    });
    let settings = ["source.window=1500ms", "origin.first_byte_timeout=200ms", "origin.failures_max=0"];
    let server = over(&upstream, &settings);
    let target = "/a.png?w=16";
    assert_eq!(server.get(target).status, 200);
    // Asked, read, and asked again once it is stored: cut off before, it would be taken back.
    let asked = Instant::now();
    while upstream.asked().len() < 3 {
        assert!(asked.elapsed() < Duration::from_secs(10), "{name}: {:?}", upstream.asked());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
    is_cut.store(true, SeqCst);
    let begun = Instant::now();
    let mut within = 0;
    let refused = loop {
        let sent = begun.elapsed();
        let answer = server.get(target);
        if answer.status != 200 {
            break answer;
        }
        // No proof is younger than the cut.
        assert!(sent <= WINDOW, "{name}: still served {sent:?} after the cut");
        within += 1;
        std::thread::sleep(Duration::from_millis(10));
    };
    println!("{name}: {within} answers within the window");
    assert!(within > 3, "{name}: only {within} answers within the window");
    assert_eq!((refused.status, refused.header("retry-after")), (status, "5"), "{name}");
    assert_eq!(refused.header("cache-control"), "no-store", "{name}");
    is_cut.store(false, SeqCst);
    server.until(target, |answer| answer.status == 200);
    assert_eq!(server.derivatives().len(), 1, "{name}: nothing was lost");
}

/// A thread may go on for a moment after the signal was sent.
fn stands_still(id: u32) {
    let begun = Instant::now();
    let is_stopped = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    };
    while !std::fs::read_dir(format!("/proc/{id}/task")).expect("a process").flatten().all(is_stopped) {
        assert!(begun.elapsed() < Duration::from_secs(5), "it never stopped");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A process that is stopped and goes on is in another time: what it held as proven is not any more.
#[test]
fn an_edge_that_stood_still_asks_before_its_first_byte() {
    let content = Arc::new(Mutex::new(Some(1_u8)));
    let now = content.clone();
    let upstream = Upstream::start(move |asked| match *now.lock().expect("nobody panics with it") {
        Some(content) if asked.target.ends_with("/a.png") => {
            given(asked, &content.to_string(), &one_colour(24, [content, 2, 3]))
        }
        _ => answer(404, &[], b""),
    });
    let server = over(&upstream, &["source.window=800ms"]);
    let (target, id) = ("/a.png?w=16&fm=png", Pid::from_raw(server.id().cast_signed()).expect("a process"));
    // Replaced, deleted, and there again.
    for next in [Some(2_u8), None, Some(3)] {
        let old = server.get(target);
        kill_process(id, Signal::STOP).expect("it runs");
        stands_still(server.id());
        *content.lock().expect("nobody panics with it") = next;
        // The kernel takes connections and requests for it.
        let ask = |_| {
            let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection");
            write!(client, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("written");
            client
        };
        let clients: Vec<_> = (0..50).map(ask).collect();
        std::thread::sleep(Duration::from_millis(1200));
        kill_process(id, Signal::CONT).expect("it is there");
        for mut client in clients {
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).expect("an answer");
            let head = String::from_utf8_lossy(&heard[..heard.len().min(15)]).into_owned();
            let wanted = if next.is_some() { "HTTP/1.1 200" } else { "HTTP/1.1 404" };
            assert!(head.starts_with(wanted), "{next:?}: {head}");
            assert!(!heard.ends_with(&old.body), "{next:?}: the old picture");
        }
    }
}
