//! What is no picture, through the built binary to a server of the test's own making.

use std::io::{Read, Write};
use std::net::TcpStream;

use afterimage_testkit::{Server, Step, Upstream, answer, raw, request};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

fn passing(upstream: &Upstream) -> Server {
    let origin = format!("pass.origin={}/", upstream.base);
    Server::start(BINARY, &["museum.jpg"], &["--set", &origin, "--set", "origin.allow=127.0.0.0/8"])
}

#[test]
fn nothing_passes_where_no_origin_is_named() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    assert_eq!(request(&server.base, "PUT", "/a", &[], b"x").status, 405);
    assert_eq!(server.get("/a.html").status, 404);
}

#[test]
fn any_method_status_header_and_body_passes_both_ways() {
    let upstream = Upstream::start(|asked| {
        let status = asked.target.trim_start_matches("/status/").parse().unwrap_or(200);
        answer(status, &[("X-Unknown", "kept"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], &asked.body)
    });
    let server = passing(&upstream);
    let body = vec![b'x'; 300_000];
    for method in ["PUT", "POST", "PATCH", "DELETE", "M-SEARCH"] {
        let got = request(&server.base, method, "/a?b=c", &[("x-own", "1"), ("x-forwarded-host", "evil")], &body);
        assert_eq!((got.status, got.body.len()), (200, body.len()), "{method}");
        assert_eq!(got.headers.iter().filter(|(name, _)| name == "set-cookie").count(), 2);
        assert_eq!(got.header("x-unknown"), "kept");
        let asked = upstream.asked().pop().unwrap();
        assert_eq!((&*asked.method, &*asked.target, asked.header("x-own")), (method, "/a?b=c", "1"));
        assert_eq!((asked.header("x-forwarded-host"), asked.header("host")), ("", &*upstream.address.to_string()));
    }
    for status in [200, 299, 404, 418, 499, 500, 599] {
        assert_eq!(server.get(&format!("/status/{status}")).status, status);
    }
    assert_eq!(server.get("/museum.jpg?w=100").status, 200, "pictures are made as ever");
}

#[test]
fn an_answer_that_is_not_whole_is_seen_as_such_and_never_kept() {
    let upstream = Upstream::start(|asked| match &*asked.target {
        "/short" => {
            let mut steps = raw("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf");
            steps.push(Step::Close);
            steps
        }
        "/cut" => {
            let mut steps =
                raw("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
            steps.push(Step::Close);
            steps
        }
        _ => {
            let mut steps = raw("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\nuntil the end");
            steps.push(Step::Close);
            steps
        }
    });
    let server = passing(&upstream);
    let address = server.base.trim_start_matches("http://");
    for (target, whole) in [("/short", false), ("/cut", false), ("/close", true)] {
        for count in 1..=2 {
            upstream.forget();
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
            let mut text = Vec::new();
            // It ends with the connection, or with the last chunk and an open connection.
            let _ = stream.read_to_end(&mut text);
            let text = String::from_utf8_lossy(&text).into_owned();
            // Cut early enough, nothing of it comes through.
            let is_whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                head.contains(&format!("content-length: {}\r\n", body.len())) || body.ends_with("\r\n0\r\n\r\n")
            });
            assert_eq!(is_whole, whole, "{target}: {text}");
            assert_eq!(upstream.asked().len(), 1, "{target} was kept: asked the {count}. time");
        }
    }
}

#[test]
fn mistakes_are_said_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let pictures = home.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for (setting, words) in [
        ("pass.origin=ftp://a/", "pass.origin"),
        ("pass.origin=http://127.0.0.1:1/", "pass.origin = \"http://127.0.0.1:1/\""),
        ("pass.origin=http://169.254.169.254/", "pass.origin"),
        ("origin.allow=nonsense", "origin.allow"),
        ("behaviours=path=/a serves=nobody", "behaviours"),
    ] {
        let directory = pictures.display().to_string();
        let arguments = [
            "serve",
            &directory,
            "--set",
            "pass.origin=http://www.example.com/",
            "--set",
            setting,
            "--listen",
            "127.0.0.1:0",
        ];
        let output = afterimage_testkit::run(BINARY, home.path(), &arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(words), "{setting}: {text}");
    }
}
