//! What becomes of open connections when the server is told to stop.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use afterimage_testkit::{Server, Step, Upstream, answer};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::{Pid, Signal, kill_process};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

fn tell_to_stop(server: &Server) {
    let id = Pid::from_raw(i32::try_from(server.id()).expect("an id")).expect("a process");
    kill_process(id, Signal::TERM).expect("it runs");
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection")
}

/// One request and the head of its answer, in lower case.
fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET /nothing.jpg HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        heard.push(byte[0]);
    }
    String::from_utf8_lossy(&heard).to_ascii_lowercase()
}

#[test]
fn a_request_on_an_idle_connection_is_answered_and_told_that_it_is_the_last() {
    let server = &mut Server::start(BINARY, &["museum.jpg"], &[]);
    let (mut used, mut idle) = (connect(server), connect(server));
    for stream in [&mut used, &mut idle] {
        let head = ask(stream);
        assert!(head.starts_with("http/1.1 404") && !head.contains("connection: close"), "{head}");
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let mut body = vec![0; length.and_then(|length| length.parse().ok()).expect("a length")];
        stream.read_exact(&mut body).expect("a body");
    }
    tell_to_stop(server);
    let begun = Instant::now();
    std::thread::sleep(Duration::from_millis(500));
    assert!(TcpStream::connect(server.base.trim_start_matches("http://")).is_err(), "it still listens");
    let head = ask(&mut used);
    assert!(head.starts_with("http/1.1 404") && head.contains("connection: close"), "{head}");
    used.read_to_end(&mut Vec::new()).expect("an end");
    assert_eq!(idle.read(&mut [0]).expect("an end"), 0);
    assert_eq!(server.stop(false), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Streams that are under way finish, and no new ones are begun.
#[test]
fn http2_finishes_its_streams() {
    let upstream = Upstream::start(|_| {
        let mut steps = vec![Step::Wait(Duration::from_secs(4))];
        steps.extend(answer(200, &[], b"late"));
        steps
    });
    let origin = format!("pass.origin={}/", upstream.base);
    let server = &mut Server::start(BINARY, &["museum.jpg"], &["--set", &origin, "--set", "origin.allow=127.0.0.0/8"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (address, url) = (server.base.trim_start_matches("http://").to_owned(), format!("{}/late", server.base));
    runtime.block_on(async {
        let tcp = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp));
        let (mut sender, connection) = handshake.await.expect("a preface");
        let connection = tokio::spawn(connection);
        let request = http::Request::get(url).body(Empty::<Bytes>::new()).expect("a request");
        let late = sender.send_request(request);
        tokio::time::sleep(Duration::from_millis(500)).await;
        tell_to_stop(server);
        let (head, body) = late.await.expect("an answer").into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        assert_eq!((head.status.as_u16(), &body[..]), (200, &b"late"[..]));
        assert!(!head.headers.contains_key("connection"), "{:?}", head.headers);
        let ended = tokio::time::timeout(Duration::from_secs(5), connection).await;
        ended.expect("told to go away").expect("no panic").expect("a proper end");
    });
    assert_eq!(server.stop(false), Some(0));
}

#[test]
fn a_drain_ends_whatever_a_client_does() {
    let settings = ["--set", "server.drain_timeout=1s"];
    let server = &mut Server::start(BINARY, &["museum.jpg"], &settings);
    let mut half = connect(server);
    half.write_all(b"PRI * HTTP/2.0\r\n\r\nSM").expect("written");
    let mut slow = connect(server);
    slow.write_all(b"GET /museum.jpg?w=100 HT").expect("written");
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    assert_eq!(server.stop(false), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}
