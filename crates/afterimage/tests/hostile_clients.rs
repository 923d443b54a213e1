//! Clients that mean harm, against the built binary: requests framed in more than one way, heads that never end, answers
//! that nobody reads, and more connections than there are file descriptors.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use afterimage_testkit::{Server, Upstream, answer};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// Follows every hostile request: whoever lets a request out of another's body or head answers it.
const SECOND: &str = "GET /second HTTP/1.1\r\nHost: x\r\n\r\n";

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.base.trim_start_matches("http://")).expect("a connection")
}

/// What came back, and whether the server closed the connection of its own accord.
struct Heard {
    statuses: Vec<u16>,
    text: String,
    closed: bool,
}

fn say(server: &Server, bytes: &[u8]) -> Heard {
    let mut stream = connect(server);
    // It may close before it has read all of it.
    let _ = stream.write_all(bytes);
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let mut heard = Vec::new();
    let closed = match stream.read_to_end(&mut heard) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    };
    let text = String::from_utf8_lossy(&heard).into_owned();
    let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect();
    Heard { statuses, text, closed }
}

fn passing(upstream: &Upstream) -> Server {
    let origin = format!("pass.origin={}/", upstream.base);
    Server::start(BINARY, &["museum.jpg"], &["--set", &origin, "--set", "origin.allow=127.0.0.0/8"])
}

fn echo() -> Upstream {
    Upstream::start(|asked| answer(200, &[], &asked.body))
}

/// `request` is refused with `status`, or without a word where that is 0; nothing after it is read.
fn refused(server: &Server, upstream: &Upstream, request: &str, status: u16) {
    upstream.forget();
    let heard = say(server, format!("{request}{SECOND}").as_bytes());
    let wanted: &[u16] = if status == 0 { &[] } else { &[status] };
    assert_eq!(heard.statuses, wanted, "{request:?}: {}", heard.text);
    assert!(heard.closed, "{request:?} leaves the connection open");
    let asked: Vec<_> = upstream.asked().into_iter().map(|asked| asked.target).collect();
    assert!(!asked.iter().any(|target| target == "/second"), "{request:?}: {asked:?}");
}

fn post(headers: &str, body: &str) -> String {
    format!("POST /first HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
}

#[test]
fn a_request_framed_in_two_ways_is_one_request_and_the_last() {
    let upstream = echo();
    let server = passing(&upstream);
    for (headers, body, echoed) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", ""),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n", ""),
        ("Content-Length: 40\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n", "abc"),
        // Unambiguous, but where its body ends only hyper knows: nothing is read after it.
        ("Transfer-Encoding: chunked\r\n", "3;ext=\"a\"\r\nabc\r\n0\r\nTrailer: x\r\n\r\n", "abc"),
        ("Transfer-Encoding: CHUNKED\r\n", "3 \r\nabc\r\n0\r\n\r\n", "abc"),
    ] {
        let request = post(headers, body);
        refused(&server, &upstream, &request, 200);
        let asked = upstream.asked();
        assert_eq!(asked.len(), 1, "{request:?}");
        assert_eq!(String::from_utf8_lossy(&asked[0].body), echoed, "{request:?}");
    }
}

#[test]
fn requests_that_others_may_read_otherwise_are_refused_and_the_connection_closes() {
    let upstream = echo();
    let server = passing(&upstream);
    let refuse = |request: &str| refused(&server, &upstream, request, 400);
    for length in ["+5", "-5", "5 5", "0x5", "", "5,5", "5, 6", "99999999999999999999", "5\u{a0}"] {
        refuse(&post(&format!("Content-Length: {length}\r\n"), "12345"));
    }
    refuse(&post("Content-Length: 5\r\nContent-Length: 6\r\n", "123456"));
    for encoding in
        ["identity", "xchunked", "chunked, identity", "gzip", "\u{b}chunked", "chunked;q=1", "\"chunked\"", ""]
    {
        refuse(&post(&format!("Transfer-Encoding: {encoding}\r\n"), "0\r\n\r\n"));
        refuse(&post(&format!("Content-Length: 5\r\nTransfer-Encoding: {encoding}\r\n"), "0\r\n\r\n"));
    }
    for header in [
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X: a\r\n Content-Length: 5",
        "Transfer-Encoding:\r\n chunked",
        "X: a\rTransfer-Encoding: chunked",
        "X: a\0b",
        "X\0: a",
        "X: a\nTransfer-Encoding: chunked",
        "X: a\n",
        "Content-Length: 5\n",
        ": a",
        "Host: y",
    ] {
        refuse(&post(&format!("{header}\r\n"), "0\r\n\r\n"));
    }
    for head in [
        "GET /first HTTP/1.1\nHost: x\r\n\r\n",
        "GET /first HTTP/1.1\nHost: x\n\n",
        "GET /first HTTP/1.1\r\nHost: x\n\r\n",
        "GET /first HTTP/1.1\r\nHost: x\r\n\n",
        "\nGET /first HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /first HTTP/1.1\r\n\r\n",
        "GET /fi\0rst HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /first\tHTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  /first HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /first HTTP/1.1 \r\nHost: x\r\n\r\n",
        "GET /first HTTP/1.2\r\nHost: x\r\n\r\n",
        "GET /first HTTP/2.0\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n",
        "GET /first\r\nHost: x\r\n\r\n",
        "POST /first HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        refuse(head);
    }
    assert_eq!(server.get("/museum.jpg?w=100").status, 200);
}

#[test]
fn chunks_that_others_may_read_otherwise_end_the_connection() {
    let upstream = echo();
    let server = passing(&upstream);
    for body in [
        "0x3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r\n0\n\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nTrailer: a\nb: c\r\n\r\n",
    ] {
        upstream.forget();
        let request = format!("{}{SECOND}", post("Transfer-Encoding: chunked\r\n", body));
        let heard = say(&server, request.as_bytes());
        assert!(
            heard.statuses.len() <= 1 && heard.statuses.iter().all(|status| *status >= 400),
            "{body:?}: {}",
            heard.text
        );
        assert!(heard.closed, "{body:?} leaves the connection open");
        assert!(!upstream.asked().iter().any(|asked| asked.target == "/second"), "{body:?}");
    }
    // hyper takes the line feed, and the request after it, for trailers: one request all the same.
    refused(&server, &upstream, &post("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\n"), 200);
}

#[test]
fn what_can_be_read_in_one_way_only_is_answered() {
    let upstream = echo();
    let server = passing(&upstream);
    for (request, statuses) in [
        (post("Content-Length: 5\r\nContent-Length: 5\r\n", "1\n\n45"), [200, 200]),
        (post("content-length:\t5 \r\n", "12345"), [200, 200]),
        ("\r\nGET /first HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), [200, 200]),
        ("GET http://elsewhere/first HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), [200, 200]),
        // A tunnel there is not; the words after it are no part of one.
        ("CONNECT elsewhere:443 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), [400, 200]),
    ] {
        upstream.forget();
        let heard = say(&server, format!("{request}{SECOND}").as_bytes());
        assert_eq!(heard.statuses, statuses, "{request:?}: {}", heard.text);
        assert!(!heard.closed, "{request:?} closes the connection");
        assert!(upstream.asked().iter().all(|asked| asked.header("host") == upstream.address.to_string()));
    }
    // What looks like a request in a body is a body, on a picture too.
    for target in ["/first", "/museum.jpg?w=100"] {
        let heard = say(
            &server,
            format!("GET {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{SECOND}", SECOND.len()).as_bytes(),
        );
        assert_eq!(heard.statuses, [200], "{target}: {}", heard.text);
    }
}

#[test]
fn heads_have_a_size_and_a_count() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    let ask = |target: &str, headers: &str| {
        say(&server, format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes())
    };
    assert_eq!(ask("/museum.jpg?w=100", &"A: b\r\n".repeat(99)).statuses, [200]);
    assert_eq!(ask("/museum.jpg?w=100", &format!("A: {}\r\n", "b".repeat(60_000))).statuses, [200]);
    for heard in [
        ask("/museum.jpg?w=100", &"A: b\r\n".repeat(100)),
        ask("/museum.jpg?w=100", &format!("A: {}\r\n", "b".repeat(70_000))),
        ask(&format!("/{}", "a".repeat(70_000)), ""),
    ] {
        assert!(heard.closed && matches!(heard.statuses[..], [431 | 414] | []), "{}", heard.text);
    }
}

/// Everybody else is answered within a second.
fn others_are_answered(server: &Server) {
    let begun = Instant::now();
    assert_eq!(server.get("/museum.jpg?w=100").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

#[test]
fn who_does_not_come_to_the_point_is_cut_off() {
    let server = Server::start(BINARY, &["museum.jpg"], &["--set", "server.header_timeout=1500ms"]);
    others_are_answered(&server);
    let mut clients: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    let begun = Instant::now();
    // Drips a head, byte after byte.
    for byte in b"GET /mus" {
        for client in &mut clients {
            let _ = client.write_all(&[*byte]);
        }
        others_are_answered(&server);
        std::thread::sleep(Duration::from_millis(250));
    }
    // Says nothing; half of HTTP/2's preface; all of it, and no request; a request, and no further one.
    for words in [&b""[..], &PREFACE[..20], PREFACE, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut client = connect(&server);
        client.write_all(words).expect("written");
        clients.push(client);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.set_read_timeout(Some(Duration::from_secs(4))).expect("a timeout");
        let ended = client.read_to_end(&mut Vec::new());
        let is_open = ended.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(!is_open, "client {number} still holds its connection after {:?}", begun.elapsed());
    }
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[test]
fn who_does_not_take_the_answer_is_cut_off() {
    let upstream = Upstream::start(|_| answer(200, &[], &vec![b'x'; 32 << 20]));
    let origin = format!("pass.origin={}/", upstream.base);
    let settings = [
        "--set",
        &origin,
        "--set",
        "origin.allow=127.0.0.0/8",
        "--set",
        "pass.total_timeout=3s",
        "--set",
        "server.request_timeout=2s",
        "--set",
        "render.timeout=1s",
        "--set",
        "originals.mode=as-is",
    ];
    let server = Server::start(BINARY, &["museum.jpg"], &settings);
    // No decoder looks at an original that goes out as it is; it only has to be larger than what the kernel takes.
    let mut large = afterimage_testkit::picture("museum.jpg");
    large.resize(32 << 20, 0);
    std::fs::write(server.originals.join("large.jpg"), large).expect("written");
    server.until("/large.jpg", |answer| answer.status == 200);
    for (target, allowed) in [("/large.jpg", 2), ("/passed", 3)] {
        let mut client = connect(&server);
        write!(client, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
        let begun = Instant::now();
        let cut = loop {
            client.read_exact(&mut [0]).expect("a byte of the answer");
            if client.take_error().expect("an answer").is_some() {
                break begun.elapsed();
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{target}: still connected");
            std::thread::sleep(Duration::from_millis(100));
        };
        let allowed = Duration::from_secs(allowed);
        assert!(cut > allowed - Duration::from_millis(200), "{target}: cut after {cut:?}");
        assert!(cut < allowed + Duration::from_secs(2), "{target}: cut after {cut:?}");
        others_are_answered(&server);
    }
}

#[test]
fn a_full_server_still_stops() {
    let settings = ["--set", "server.connections_max=2", "--set", "server.header_timeout=5m"];
    let mut server = Server::start(BINARY, &["museum.jpg"], &settings);
    others_are_answered(&server);
    let mut clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
    for client in &mut clients {
        write!(client, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
    }
    assert!(clients[1].read(&mut [0; 4096]).expect("an answer") > 0);
    clients[2].set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    assert!(clients[2].read(&mut [0; 4096]).is_err(), "there is no third place");
    let begun = Instant::now();
    assert_eq!(server.stop(false), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
}

fn resident_bytes(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn idle_connections_cost_little() {
    let count = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 10_000 } else { 1000 };
    let allowed = getrlimit(Resource::Nofile);
    // The server inherits it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, maximum: allowed.maximum });
    let settings = ["--set", "server.connections_max=20000", "--set", "server.header_timeout=5m"];
    let server = Server::start(BINARY, &["museum.jpg"], &settings);
    others_are_answered(&server);
    let before = resident_bytes(&server);
    let mut clients = Vec::new();
    for number in 0..count {
        let mut client = connect(&server);
        // Half of them have asked before: theirs is the larger state.
        if number % 2 == 0 {
            write!(client, "GET /museum.jpg?w=100 HTTP/1.1\r\nHost: x\r\n\r\n").expect("written");
            assert!(client.read(&mut [0; 16 << 10]).expect("an answer") > 0);
        }
        clients.push(client);
    }
    others_are_answered(&server);
    let each = resident_bytes(&server).saturating_sub(before) / count;
    println!("{each} bytes for each of {count} connections");
    assert!(each < 30_000, "{each} bytes for each of {count} connections");
}

#[test]
fn running_out_of_file_descriptors_passes() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    others_are_answered(&server);
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("a process").count() as u64;
    let id = Pid::from_raw(server.id().cast_signed());
    let old = prlimit(id, Resource::Nofile, Rlimit { current: Some(open + 20), ..getrlimit(Resource::Nofile) })
        .expect("a limit");
    let clients: Vec<_> = (0..100).map(|_| connect(&server)).collect();
    let log = || std::fs::read_to_string(server.home().join("log")).expect("a log");
    let begun = Instant::now();
    while !log().contains("cannot be accepted") {
        assert!(begun.elapsed() < Duration::from_secs(5), "it never ran out");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
    let lines = log().lines().filter(|line| line.contains("cannot be accepted")).count();
    assert!(lines < 50, "it spins: {lines} lines in a second");
    drop(clients);
    server.until("/museum.jpg?w=100", |answer| answer.status == 200);
    prlimit(id, Resource::Nofile, old).expect("a limit");
    others_are_answered(&server);
}

#[test]
fn http_2_resets_are_bounded() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    others_are_answered(&server);
    let mut client = connect(&server);
    client.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    client.write_all(PREFACE).expect("written");
    let mut frames = Vec::new();
    for number in 0..10_000_u32 {
        let stream = (2 * number + 1).to_be_bytes();
        // HEADERS, the end of both: GET, http, /, :authority x. Then RST_STREAM, CANCEL.
        frames.extend_from_slice(&[0, 0, 6, 1, 5]);
        frames.extend_from_slice(&stream);
        frames.extend_from_slice(&[0x82, 0x86, 0x84, 0x41, 1, b'x']);
        frames.extend_from_slice(&[0, 0, 4, 3, 0]);
        frames.extend_from_slice(&stream);
        frames.extend_from_slice(&[0, 0, 0, 8]);
    }
    // It closes long before it has read all of them.
    let _ = client.write_all(&frames);
    let mut heard = Vec::new();
    let ended = client.read_to_end(&mut heard);
    let is_open = ended.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(!is_open, "10,000 resets on one connection");
    others_are_answered(&server);
}
