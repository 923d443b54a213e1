//! Proxies in front of the built binary: whose word about the viewer reaches the log and the origin, and whose does not.

use std::time::{Duration, Instant};

use afterimage_testkit::{Answer, Asked, Server, Upstream, answer, request, run};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// An origin whose answers say how it was asked, and may be kept.
fn origin() -> Upstream {
    Upstream::start(|asked| {
        let body = format!("{} {}", asked.header("x-forwarded-proto"), asked.header("x-forwarded-host"));
        answer(200, &[("Cache-Control", "max-age=60")], body.as_bytes())
    })
}

fn passing(upstream: &Upstream, more: &[&str]) -> Server {
    let origin = format!("pass.origin={}/", upstream.base);
    let mut settings = vec!["--set", &*origin, "--set", "origin.allow=127.0.0.0/8", "--set", "log.access=json"];
    more.iter().for_each(|setting| settings.extend(["--set", setting]));
    Server::start(BINARY, &["museum.jpg"], &settings)
}

/// A request with fields that speak of others.
fn ask(server: &Server, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = request(&server.base, method, target, headers, b"");
    assert_eq!(answer.status, 200);
    answer
}

/// The field names that speak of a viewer, with what the origin was told in them.
fn told(asked: &Asked) -> Vec<(&str, &str)> {
    let mut told: Vec<_> = asked
        .headers
        .iter()
        .filter(|(name, _)| name == "forwarded" || name.starts_with("x-forwarded"))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    told.sort_unstable();
    told
}

/// The client in the log's line about a target.
fn logged(server: &Server, target: &str) -> serde_json::Value {
    let begun = Instant::now();
    loop {
        let log = std::fs::read_to_string(server.home().join("log")).expect("a log");
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        if let Some(line) = lines.find(|line| line["target"] == target) {
            return line["client"].clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "no line about {target}:\n{log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const LIES: [(&str, &str); 5] = [
    ("X-Forwarded-For", "203.0.113.9, 192.0.2.77"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "444"),
    ("Forwarded", "for=198.51.100.66;proto=https;host=evil.example"),
];

#[test]
fn nobody_is_believed_unless_listed() {
    let upstream = origin();
    for listed in
        ["server.trusted_proxies=", "server.trusted_proxies=10.0.0.0/8, ::1/128", "server.forwarded=forwarded"]
    {
        upstream.forget();
        let server = passing(&upstream, &[listed, "log.client_address=full"]);
        ask(&server, "POST", "/a", &LIES);
        let asked = upstream.asked().remove(0);
        let own = [
            ("forwarded", "for=127.0.0.1;proto=http"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
        ];
        assert_eq!(told(&asked), own, "{listed}");
        assert_eq!(logged(&server, "/a"), "127.0.0.1", "{listed}");
    }
}

#[test]
fn a_listed_proxy_is_believed_in_the_header_that_was_chosen() {
    let upstream = origin();
    for (by, address, network, node) in [
        ("x-forwarded", "192.0.2.77", "192.0.2.0", "192.0.2.77"),
        ("forwarded", "198.51.100.66", "198.51.100.0", "198.51.100.66"),
    ] {
        upstream.forget();
        let by = format!("server.forwarded={by}");
        let server = passing(&upstream, &["server.trusted_proxies=127.0.0.1", &by]);
        ask(&server, "POST", "/a", &LIES);
        let (forwarded, list) = (format!("for={node};proto=https, for=127.0.0.1"), format!("{address}, 127.0.0.1"));
        let own = [("forwarded", &*forwarded), ("x-forwarded-for", &*list), ("x-forwarded-proto", "https")];
        assert_eq!(told(&upstream.asked()[0]), own, "{by}");
        assert_eq!(logged(&server, "/a"), network, "{by}: the log has the viewer's network and not the proxy's");
    }
}

#[test]
fn what_an_answer_may_depend_on_is_in_its_key() {
    let upstream = origin();
    let server = passing(&upstream, &["server.trusted_proxies=127.0.0.1", "behaviours=path=/named/* headers=host"]);
    let get = |target: &str, viewer: &str, proto: &str, host: &str| {
        let headers = [("X-Forwarded-For", viewer), ("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host)];
        ask(&server, "GET", target, &headers).text()
    };
    // One fetch for each scheme, however many ask and by whatever name.
    for (viewer, proto, host) in [
        ("192.0.2.1", "http", "a"),
        ("192.0.2.2", "https", "a"),
        ("192.0.2.3", "http", "b"),
        ("192.0.2.4", "https", "b"),
    ] {
        assert_eq!(get("/plain", viewer, proto, host), format!("{proto} "));
    }
    assert_eq!(upstream.asked().len(), 2);
    // One for each name too, where the name is in the key, in whatever case it is written.
    for (proto, host) in [("http", "a.example"), ("http", "b.example"), ("https", "a.example"), ("http", "A.example")] {
        let text = get("/named/x", "192.0.2.1", proto, host).to_ascii_lowercase();
        assert_eq!(text, format!("{proto} {}", host.to_ascii_lowercase()));
    }
    assert_eq!(upstream.asked().len(), 5);
    // A change reaches the answers of both schemes.
    ask(&server, "PUT", "/plain", &[]);
    upstream.forget();
    for proto in ["http", "https"] {
        get("/plain", "192.0.2.1", proto, "a");
    }
    assert_eq!(upstream.asked().len(), 2);
}

#[test]
fn an_origin_is_told_nothing_where_that_is_wanted() {
    let upstream = origin();
    let server = passing(&upstream, &["server.trusted_proxies=127.0.0.1", "pass.tell_viewer=false"]);
    ask(&server, "POST", "/a", &LIES);
    assert_eq!(told(&upstream.asked()[0]), []);
    assert_eq!(logged(&server, "/a"), "192.0.2.0");
}

#[test]
fn a_range_that_is_none_is_a_mistake() {
    let home = tempfile::tempdir().expect("a folder");
    for range in ["all", "10.0.0.0/33", "10.0.0/8", "proxy.example", "::1/129"] {
        let setting = format!("server.trusted_proxies={range}");
        let output = run(BINARY, home.path(), &["check-config", "--set", &setting]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{range}: {said}");
        assert!(
            said.contains(&format!("server.trusted_proxies = \"{range}\"")) && said.contains("10.0.0.0/8"),
            "{said}"
        );
    }
}
