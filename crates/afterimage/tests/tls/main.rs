//! TLS on our listeners, tried from outside: what is agreed on, what is refused, and certificates that change.
#![cfg(feature = "tls")]

mod certificates;
mod client;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterimage_testkit::{Server, size_of};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ALL_VERSIONS, ClientConfig, HandshakeKind, ProtocolVersion};

use client::{BINARY, Pki, address, ask, client, connect, connect_as, log, metric};

const PICTURE: &str = "/museum.jpg?w=100";

#[test]
fn both_versions_and_both_protocols_are_spoken() {
    let pki = Pki::new();
    let server = pki.serve(&[]);
    assert!(server.base.starts_with("https://"), "{}", server.greeting);
    for (versions, version) in [(&[&TLS12], ProtocolVersion::TLSv1_2), (&[&TLS13], ProtocolVersion::TLSv1_3)] {
        for (protocols, agreed) in [
            (&[][..], None),
            (&["http/1.1"], Some("http/1.1")),
            (&["h2", "http/1.1"], Some("h2")),
            (&["spdy/3", "http/1.1"], Some("http/1.1")),
        ] {
            let mut stream = connect(&server.base, &pki.client(protocols, versions)).expect("a handshake");
            assert_eq!(stream.conn.protocol_version(), Some(version));
            assert_eq!(stream.conn.alpn_protocol(), agreed.map(str::as_bytes), "{protocols:?}");
            if agreed != Some("h2") {
                assert_eq!(ask(&mut stream, PICTURE).expect("an answer"), 200);
                assert_eq!(ask(&mut stream, PICTURE).expect("another on the same connection"), 200);
            }
        }
    }
    // A name is looked at by nobody: there is one certificate.
    for name in ["localhost", "127.0.0.1"] {
        let mut stream = connect_as(&server.base, &pki.client(&[], ALL_VERSIONS), name).expect("a handshake");
        assert_eq!(ask(&mut stream, PICTURE).expect("an answer"), 200, "{name}");
    }
    let refused = connect(&server.base, &pki.client(&["spdy/3"], ALL_VERSIONS));
    assert!(refused.is_err(), "a protocol that nobody speaks here was agreed on");
    let failed = "afterimage_tls_handshakes_failed_total{listener=\"pictures\",reason=\"nothing-in-common\"}";
    client::until("it is counted", || metric(&server.admin, failed) == 1);
    assert_eq!(metric(&server.admin, "afterimage_connections_total{listener=\"pictures\"}"), 11);
}

/// One picture over HTTP/2.
async fn over_http2(url: &str, config: Arc<ClientConfig>) -> (http::StatusCode, Bytes) {
    let tcp = tokio::net::TcpStream::connect(address(url)).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(config).connect(name, tcp).await.expect("a handshake");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a preface");
    let driver = tokio::spawn(connection);
    let asking = (0..8).map(|_| {
        let request = http::Request::get(format!("{url}{PICTURE}")).body(Empty::<Bytes>::new()).expect("a request");
        sender.send_request(request)
    });
    let mut last = None;
    for answer in asking.collect::<Vec<_>>() {
        let (head, body) = answer.await.expect("an answer").into_parts();
        last = Some((head.status, body.collect().await.expect("a whole body").to_bytes()));
    }
    driver.abort();
    last.expect("eight answers")
}

#[test]
fn http2_carries_many_requests_on_one_connection() {
    let pki = Pki::new();
    let server = pki.serve(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (status, body) = runtime.block_on(over_http2(&server.base, pki.client(&["h2"], ALL_VERSIONS)));
    assert_eq!((status.as_u16(), size_of(&body)), (200, Some(("jpg", 100, 75))));
}

#[test]
fn curl_speaks_to_it() {
    let pki = Pki::new();
    let server = pki.serve(&[]);
    let url = format!("{}{PICTURE}", server.base);
    for (flags, version) in [(&["--http1.1"][..], "1.1"), (&["--http2"], "2"), (&["--tls-max", "1.2"], "2")] {
        let curl = Command::new("curl")
            .args(["-sS", "-o", "-", "-w", "%{stderr}%{http_code} %{http_version}"])
            .args(flags)
            .arg("--cacert")
            .arg(pki.path("root.pem"))
            .arg(&url)
            .output();
        let Ok(curl) = curl else {
            // The tests of clients say so too; everything here is tried above without it.
            assert!(std::env::var_os("CI").is_none(), "there is no curl here");
            return;
        };
        assert_eq!(String::from_utf8_lossy(&curl.stderr), format!("200 {version}"), "{flags:?}");
        assert_eq!(size_of(&curl.stdout), Some(("jpg", 100, 75)), "{flags:?}");
    }
}

#[test]
fn clients_resume() {
    let pki = Pki::new();
    let server = pki.serve(&[]);
    for version in [&TLS12, &TLS13] {
        let config = pki.client(&["http/1.1"], &[version]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let mut stream = connect(&server.base, &config).expect("a handshake");
            // Tickets of TLS 1.3 come with the answer.
            assert_eq!(ask(&mut stream, PICTURE).expect("an answer"), 200);
            assert_eq!(stream.conn.handshake_kind(), Some(expected), "{version:?}");
        }
    }
    for (kind, count) in [("full", 2), ("resumed", 4)] {
        let name = format!("afterimage_tls_handshakes_total{{listener=\"pictures\",kind=\"{kind}\"}}");
        assert_eq!(metric(&server.admin, &name), count, "{kind}");
    }
}

fn failed(server: &Server, reason: &str) -> u64 {
    metric(
        &server.admin,
        &format!("afterimage_tls_handshakes_failed_total{{listener=\"pictures\",reason=\"{reason}\"}}"),
    )
}

#[test]
fn http_without_tls_is_told_so() {
    let pki = Pki::new();
    let server = pki.serve(&[]);
    let mut plain = TcpStream::connect(address(&server.base)).expect("a connection");
    plain.write_all(b"GET /museum.jpg?w=100 HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
    let mut heard = String::new();
    plain.read_to_string(&mut heard).expect("an answer and an end");
    assert!(heard.starts_with("HTTP/1.1 400 ") && heard.ends_with("ask it with an https URL.\n"), "{heard}");
    assert!(!heard.to_ascii_lowercase().contains("location:"), "no redirect: the request was in the clear already");
    let (head, body) = heard.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    let mut junk = TcpStream::connect(address(&server.base)).expect("a connection");
    junk.write_all(b"\x00\x01\x02hello, is this TLS? it is not").expect("written");
    // An alert, then the end; or a reset.
    let _ = junk.read_to_end(&mut Vec::new());
    client::until("both are counted", || (failed(&server, "plain-http"), failed(&server, "malformed")) == (1, 1));
    let strangers = client(&[Pki::new().root.der().clone()], &[], ALL_VERSIONS);
    assert!(connect(&server.base, &strangers).is_err(), "an unknown authority was believed");
    client::until("it is counted", || failed(&server, "refused-by-client") == 1);
    drop(TcpStream::connect(address(&server.base)).expect("a connection"));
    client::until("it is counted", || failed(&server, "closed") == 1);
}

/// The first bytes of a real ClientHello.
fn half_hello(pki: &Pki) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client =
        tokio_rustls::rustls::ClientConnection::new(pki.client(&[], ALL_VERSIONS), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("written to memory");
    hello.truncate(hello.len() / 2);
    hello
}

#[test]
fn a_handshake_that_does_not_end_is_cut_and_keeps_nobody_waiting() {
    let pki = Pki::new();
    let server = pki.serve(&["--set", "server.header_timeout=1500ms"]);
    let hello = half_hello(&pki);
    let begun = Instant::now();
    let mut clients: Vec<_> = (0..50).map(|_| TcpStream::connect(address(&server.base)).expect("connected")).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        // Nothing, one byte, or half of it.
        client.write_all(&hello[..[0, 1, hello.len()][number % 3]]).expect("written");
    }
    let asked = Instant::now();
    let mut stream = connect(&server.base, &pki.client(&[], ALL_VERSIONS)).expect("a handshake");
    assert_eq!(ask(&mut stream, PICTURE).expect("an answer"), 200);
    assert!(asked.elapsed() < Duration::from_secs(1), "others waited {:?}", asked.elapsed());
    // Drips: every byte is an event, and none is a reason to wait longer.
    let mut dripping = TcpStream::connect(address(&server.base)).expect("connected");
    let drip_begun = Instant::now();
    dripping.set_nonblocking(true).expect("settable");
    let dripped = hello.iter().find(|byte| {
        std::thread::sleep(Duration::from_millis(100));
        let ended = dripping.read(&mut [0; 16]).is_ok() || dripping.take_error().is_ok_and(|e| e.is_some());
        ended || dripping.write_all(&[**byte]).is_err()
    });
    assert!(dripped.is_some() && drip_begun.elapsed() < Duration::from_secs(5), "{:?}", drip_begun.elapsed());
    for client in &mut clients {
        let ended = client.read_to_end(&mut Vec::new());
        assert!(!ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "still connected");
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    client::until("all are counted", || failed(&server, "timeout") == 51);
    client::until("none is open", || metric(&server.admin, "afterimage_connections_open{listener=\"pictures\"}") <= 1);
}

#[test]
fn connections_count_from_the_moment_they_are_accepted() {
    let pki = Pki::new();
    let server = pki.serve(&["--set", "server.connections_max=2", "--set", "server.header_timeout=2s"]);
    let _silent: Vec<_> = (0..2).map(|_| TcpStream::connect(address(&server.base)).expect("connected")).collect();
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    let mut stream = connect(&server.base, &pki.client(&[], ALL_VERSIONS)).expect("a handshake, later");
    assert_eq!(ask(&mut stream, PICTURE).expect("an answer"), 200);
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(6), "it waited {waited:?}");
}

#[test]
fn who_does_not_take_the_answer_is_cut_off() {
    let pki = Pki::new();
    let limits = ["--set", "server.request_timeout=2s", "--set", "render.timeout=1s", "--set", "originals.mode=as-is"];
    let server = pki.serve(&limits);
    let mut large = afterimage_testkit::picture("museum.jpg");
    large.resize(32 << 20, 0);
    std::fs::write(server.originals.join("large.jpg"), large).expect("written");
    let config = pki.client(&["http/1.1"], ALL_VERSIONS);
    client::until("it lies still", || {
        let mut stream = connect(&server.base, &config).expect("a handshake");
        ask(&mut stream, "/large.jpg").is_ok_and(|status| status == 200)
    });
    let mut stream = connect(&server.base, &config).expect("a handshake");
    write!(stream, "GET /large.jpg HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
    stream.flush().expect("sent");
    let begun = Instant::now();
    while stream.sock.take_error().expect("a state").is_none() {
        stream.sock.read_exact(&mut [0]).expect("a byte of the answer");
        assert!(begun.elapsed() < Duration::from_secs(10), "still connected");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() > Duration::from_millis(1800), "cut after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(4), "cut after {:?}", begun.elapsed());
}

#[test]
fn the_operator_s_listener_has_a_certificate_of_its_own() {
    let pki = Pki::new();
    let settings = pki.settings("admin");
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let server = Server::start(BINARY, &["museum.jpg"], &settings);
    assert!(server.admin.starts_with("https://") && server.base.starts_with("http://"), "{}", server.greeting);
    assert_eq!(server.get(PICTURE).status, 200);
    let config = pki.client(&["http/1.1"], ALL_VERSIONS);
    for target in ["/healthz", "/metrics", "/"] {
        let mut stream = connect(&server.admin, &config).expect("a handshake");
        assert_eq!(ask(&mut stream, target).expect("an answer"), 200, "{target}");
    }
    // The command line speaks over its socket.
    let receipts = server.run(&["receipts"]);
    assert!(receipts.status.success(), "{}\n{}", String::from_utf8_lossy(&receipts.stderr), log(&server));
}
