//! Where redirects of an origin may lead, and who sees what on the way.

use std::sync::Arc;

use afterimage_origin::{Config, Error, Originals, OriginalsConfig, Unseen};
use afterimage_testkit::{Upstream, answer};

use crate::originals::{file, key};
use crate::support::{config, with};

fn redirecting(upstream: &Upstream, hosts: &[&str], most: usize) -> Originals {
    let config = Config {
        redirect_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        redirects_max: most,
        ports: vec![upstream.address.port()],
        headers: vec![("Authorization".into(), "secret".into())],
        ..config(&format!("{}/base/", upstream.base))
    };
    Originals::new(Arc::new(with(config)), OriginalsConfig::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_lead_only_where_they_may() {
    let upstream = Upstream::start(|asked| match asked.target.strip_prefix("/base/") {
        Some("away") => answer(302, &[("Location", "http://elsewhere.example/x")], b""),
        Some("round") => answer(307, &[("Location", "round")], b""),
        Some("far") => answer(301, &[("Location", "/two")], b""),
        _ if asked.target == "/two" => answer(308, &[("Location", "?three")], b""),
        _ if asked.target == "/two?three" => answer(303, &[("Location", "//127.0.0.1:1/x")], b""),
        Some("query") => answer(301, &[("Location", "picture?a=b#fragment")], b""),
        _ => file(asked, &[("ETag", "\"a\"")], b"x"),
    });
    let refused = |found: Result<_, Unseen>| match found {
        Err(Unseen::Failed(error @ Error::Redirect(_))) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let none = redirecting(&upstream, &[], 3);
    for name in ["away", "round", "far", "query"] {
        assert!(refused(none.stat(&key(name)).await).contains("not among the hosts"), "{name}");
        assert!(refused(none.get(&key(name), 9).await.map(|read| read.seen)).contains("not among the hosts"), "{name}");
    }
    let own = redirecting(&upstream, &["127.0.0.1"], 3);
    assert!(refused(own.stat(&key("away")).await).contains("elsewhere.example"));
    assert!(refused(own.stat(&key("round")).await).contains("more than 3 times"));
    assert!(refused(own.stat(&key("far")).await).contains("port 1 "));
    upstream.forget();
    assert!(own.stat(&key("query")).await.is_ok());
    let targets: Vec<_> = upstream.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/base/query", "/base/picture?a=b"]);
    let zero = redirecting(&upstream, &["127.0.0.1"], 0);
    assert!(refused(zero.stat(&key("query")).await).contains("more than 0 times"));
}

/// Another server than the configured one never sees the configured credentials.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_redirects() {
    let other = Upstream::start(|asked| file(asked, &[("ETag", "\"a\"")], b"x"));
    let location = format!("{}/x", other.base);
    let upstream = Upstream::start(move |_| answer(302, &[("Location", &location)], b""));
    let config = Config {
        redirect_hosts: vec!["127.0.0.1".into()],
        redirects_max: 1,
        ports: vec![other.address.port()],
        headers: vec![("Authorization".into(), "secret".into())],
        ..config(&format!("{}/", upstream.base))
    };
    let originals = Originals::new(Arc::new(with(config)), OriginalsConfig::default());
    assert!(originals.stat(&key("a")).await.is_ok());
    assert_eq!(upstream.asked()[0].header("authorization"), "secret");
    let asked = other.asked().remove(0);
    assert_eq!((asked.header("authorization"), asked.header("host")), ("", &other.base["http://".len()..]));
}

/// Redirects to each forbidden place, in each spelling; every host in question is even listed. The canary sees nothing.
#[tokio::test(flavor = "multi_thread")]
async fn redirects_to_forbidden_addresses_reach_nobody() {
    let canary = Upstream::at("0.0.0.0:0".parse().unwrap(), |_| answer(200, &[("ETag", "\"a\"")], b"secret"));
    let port = canary.address.port();
    let places = [
        "http://127.0.0.2:PORT/",
        "http://0.0.0.0:PORT/",
        "http://[::1]:PORT/",
        "http://[::]:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/",
        "http://[::ffff:7f00:1]:PORT/",
        "http://[64:ff9b::7f00:1]:PORT/",
        "http://[::127.0.0.1]:PORT/",
        "http://[2002:7f00:1::]:PORT/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://100.64.0.1/",
        "http://2130706433:PORT/",
        "http://0x7f000001:PORT/",
        "http://0177.0.0.1:PORT/",
        "http://127.1:PORT/",
        "http://127.0.0.1.:PORT/",
        "http://localhost:PORT/",
        "http://localhost.:PORT/",
        "http://user@127.0.0.2:PORT/",
        "http://127.0.0.1@127.0.0.2:PORT/",
        "//127.0.0.2:PORT/",
        "http://127.0.0.2:PORT\\@127.0.0.1/",
        "HTTP://127.0.0.2:PORT/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:PORT/",
        "http:127.0.0.2:PORT/",
        "javascript:alert(1)",
        "http://127.0.0.1:22/",
        "http://127.0.0.1:PORT/../x",
        "http://",
    ];
    let locations: Vec<String> = places.iter().map(|place| place.replace("PORT", &port.to_string())).collect();
    let script = locations.clone();
    let upstream = Upstream::start(move |asked| {
        let index: usize = asked.target.trim_start_matches("/base/").parse().unwrap_or(usize::MAX);
        match script.get(index) {
            Some(location) => answer(302, &[("Location", location)], b""),
            None => answer(404, &[], b""),
        }
    });
    let hosts = [
        "127.0.0.1",
        "127.0.0.2",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[::127.0.0.1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.64.0.1",
        "localhost",
    ];
    // Only the double itself is allowed; names resolve as the system does.
    let config = Config {
        redirect_hosts: hosts.map(str::to_owned).to_vec(),
        redirects_max: 2,
        ports: vec![port],
        allow: vec!["127.0.0.1/32".into()],
        ..config(&format!("{}/base/", upstream.base))
    };
    let originals = Originals::new(Arc::new(with(config)), OriginalsConfig::default());
    for (index, location) in locations.iter().enumerate() {
        // `localhost` is 127.0.0.1, which is allowed here: the one place that may be reached.
        if location.starts_with("http://localhost:") {
            continue;
        }
        let found = originals.get(&key(&index.to_string()), 1000).await;
        assert!(matches!(found, Err(Unseen::Failed(_) | Unseen::Gone)), "{location}: {found:?}");
    }
    assert_eq!(canary.connections(), 0, "the canary saw a connection");
}
