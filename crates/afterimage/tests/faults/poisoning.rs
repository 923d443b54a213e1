//! Whatever one visitor asks first, the next one gets what he would have got without the other.

use afterimage_testkit::{Answer, Asked, Server, Step, Upstream, answer, one_colour, request};

use crate::{BINARY, set};

/// Fields in no cache key that servers have been known to believe.
const UNKEYED: [&str; 19] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Queries that others may read as another one. `v` stands for the parameter that matters.
const QUERIES: [&str; 12] = [
    "?v=100&v=200",
    "?v=200&v=100",
    "?v=100;v=200",
    "?v=100&V=200",
    "?v=100&utm_content=%22%3E%3Cscript%3E",
    "?v=100%26v=200",
    "?v=100&",
    "??v=200",
    "?v[]=200&v=100",
    "?v=100%00",
    "?%76=200&v=100",
    "?v=100&callback=evil",
];

/// What the first visitor sends.
#[derive(Clone)]
struct Odd {
    method: &'static str,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: &'static [u8],
}

fn odd_requests(parameter: &str) -> Vec<Odd> {
    let usual = Odd { method: "GET", query: format!("?{parameter}=100"), headers: Vec::new(), body: b"" };
    let with = |name, value: &str| Odd { headers: vec![(name, value.to_owned())], ..usual.clone() };
    let mut all = Vec::new();
    for name in UNKEYED {
        let value = match name {
            "forwarded" => "for=evil;host=evil.example;proto=http",
            name if name.contains("method") => "DELETE",
            name if name.contains("url") || name.contains("path") || name.contains("prefix") => "/evil",
            name if name.contains("port") => "1",
            _ => "evil.example",
        };
        all.push(with(name, value));
    }
    // `V` is another name where it is the one letter's capital.
    let named = |query: &str| query.replace("%76", &format!("%{:02x}", parameter.as_bytes()[0]));
    let named = |query: &str| named(query).replace('v', parameter).replace('V', &parameter.to_uppercase());
    all.extend(QUERIES.map(|query| Odd { query: named(query), ..usual.clone() }));
    // A GET with a body, HEAD first, a part first, and words about formats that nobody understands.
    all.push(Odd { body: b"v=200&w=200", ..usual.clone() });
    all.push(Odd { method: "HEAD", ..usual.clone() });
    all.push(with("Range", "bytes=0-9"));
    all.push(with("Range", "bytes=5-"));
    for accept in ["", "*", "image/webp;q=x, */", "text/html;q=0, evil/*", "image/avif;q=1.5,,,;", "\u{e9}"] {
        all.push(with("Accept", accept));
    }
    all.push(with("Accept", &"image/webp,".repeat(1000)));
    // Conditions that fail or hold.
    all.push(with("If-None-Match", "*"));
    all.push(with("If-Match", "\"evil\""));
    all.push(with("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"));
    all.push(with("Cache-Control", "no-store, max-age=0"));
    all.push(with("Host", "evil.example"));
    all.push(Odd { method: "OPTIONS", ..usual.clone() });
    all
}

fn send(server: &Server, path: &str, odd: &Odd) -> Answer {
    let headers: Vec<_> = odd.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    request(&server.base, odd.method, &format!("{path}{}", odd.query), &headers, odd.body)
}

/// What a visitor gets of an answer, without what belongs to one moment or to one name.
fn got(answer: &Answer) -> (u16, &[u8], Vec<&(String, String)>) {
    const OWN: [&str; 8] =
        ["date", "age", "cache-status", "server-timing", "last-modified", "etag", "cache-tag", "connection"];
    let mut headers: Vec<_> = answer.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
    headers.sort();
    (answer.status, &answer.body, headers)
}

#[test]
fn no_odd_request_changes_the_next_visitor_s_picture() {
    let server = Server::start(BINARY, &[], &set(&["source.settle=20ms"]));
    let picture = one_colour(400, [1, 2, 3]);
    let odd = odd_requests("w");
    let name = |at: usize| format!("{at}.png");
    for at in 0..=2 * odd.len() {
        std::fs::write(server.originals.join(name(at)), &picture).expect("written");
    }
    // Nobody was here before.
    let clean = name(2 * odd.len());
    for (round, usual) in ["?w=100", "?w=100&auto=format"].into_iter().enumerate() {
        let wanted = format!("/{clean}{usual}");
        server.until(&wanted, |answer| answer.header("cache-status").contains("memory"));
        let wanted = server.get(&wanted);
        assert_eq!(wanted.status, 200);
        for (at, odd) in odd.iter().enumerate() {
            let path = format!("/{}", name(2 * at + round));
            let odd = Odd { query: odd.query.replace("?w=100", usual), ..odd.clone() };
            for _ in 0..2 {
                let answer = send(&server, &path, &odd);
                assert!(answer.status < 500, "{:?} {:?}: {}", odd.query, odd.headers, answer.text());
            }
            let next = server.get(&format!("{path}{usual}"));
            assert_eq!(got(&next), got(&wanted), "after {} {:?} {:?}", odd.method, odd.query, odd.headers);
        }
    }
}

/// An origin that repeats whatever it was told, lets everybody keep it, and keeps to what is said of parts and formats.
fn echo(asked: &Asked) -> Vec<Step> {
    let believed: Vec<_> = asked.headers.iter().filter(|(name, _)| UNKEYED.contains(&name.as_str())).collect();
    let accept = asked.header("accept");
    let text =
        format!("{} {} {accept:?} {believed:?} {:?}", asked.method, asked.target, String::from_utf8_lossy(&asked.body));
    let headers = [("Cache-Control", "max-age=60"), ("Vary", "Accept"), ("ETag", "\"a\"")];
    if asked.method == "HEAD" {
        return vec![Step::Send(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nCache-Control: max-age=60\r\nVary: Accept\r\n\r\n",
                text.len() - 1
            )
            .into_bytes(),
        )];
    }
    if asked.header("range") == "bytes=0-9" {
        let range = format!("bytes 0-9/{}", text.len());
        return answer(206, &[&headers[..], &[("Content-Range", &range)]].concat(), &text.as_bytes()[..10]);
    }
    if asked.header("if-none-match") == "*" {
        return answer(304, &headers, b"");
    }
    if !asked.header("if-match").is_empty() {
        return answer(412, &headers, text.as_bytes());
    }
    answer(200, &headers, text.as_bytes())
}

#[test]
fn no_odd_request_changes_what_passes_through_to_the_next_visitor() {
    let upstream = Upstream::start(echo);
    let origin = format!("pass.origin={}/", upstream.base);
    // Below `/one/` one parameter is in the key, everywhere else the whole query.
    let keyed = "behaviours=path=/one/* query=a";
    let server = Server::start(BINARY, &[], &set(&[&origin, "origin.allow=127.0.0.0/8", keyed]));
    for folder in ["all", "one"] {
        for (at, odd) in odd_requests("a").iter().enumerate() {
            let path = format!("/{folder}/{at}");
            for _ in 0..2 {
                send(&server, &path, odd);
            }
            let next = server.get(&format!("{path}?a=100"));
            let ours = r#"[("x-forwarded-proto", "http"), ("forwarded", "for=127.0.0.1;proto=http"), ("x-forwarded-for", "127.0.0.1")]"#;
            let wanted = format!("GET {path}?a=100 \"\" {ours} \"\"");
            assert_eq!(
                (next.status, next.text()),
                (200, wanted),
                "after {} {:?} {:?}",
                odd.method,
                odd.query,
                odd.headers
            );
            assert_eq!(next.header("content-length"), next.body.len().to_string());
        }
    }
    // None of it is for nothing: what may be kept is.
    assert!(server.get("/all/0?a=100").header("cache-status").contains("hit"));
}
