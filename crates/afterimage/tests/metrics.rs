//! What the built binary counts: every name that it says is explained, and every name that is explained is said.

use std::collections::BTreeSet;
use std::path::Path;

use afterimage_testkit::{Server, Upstream, answer, get};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

/// The names in the ledger: first cells of the tables' rows, in backquotes.
fn explained() -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operating/metrics.md");
    let text = std::fs::read_to_string(&file).expect("the ledger");
    let names = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next());
    names.map(|name| format!("afterimage_{name}")).collect()
}

/// The names in a scrape, as they stand before labels and values.
fn said(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect()
}

fn value(text: &str, name: &str) -> i64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name} in:\n{text}")).parse().expect("a number")
}

/// A server that has everything that can be counted: both kinds of upstream, a cache in front, and TLS where it is built in.
fn server(upstream: &Upstream, certificates: &Path) -> Server {
    let mut settings = vec![
        format!("pass.origin={}/pass/", upstream.base),
        format!("source.mounts=m/ {}/pictures/", upstream.base),
        "origin.allow=127.0.0.0/8".to_owned(),
        "cdn=name=v kind=varnish url=http://127.0.0.1:9/".to_owned(),
    ];
    if cfg!(feature = "tls") {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let files =
            [("certificate", params.self_signed(&key).expect("a certificate").pem()), ("key", key.serialize_pem())];
        for (what, pem) in files {
            let path = certificates.join(what);
            std::fs::write(&path, pem).expect("written");
            settings.push(format!("server.tls_{what}={}", path.display()));
        }
    }
    let arguments: Vec<_> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    Server::start(BINARY, &["museum.jpg"], &arguments)
}

#[test]
fn every_metric_is_explained_and_every_explained_metric_is_there() {
    let upstream = Upstream::start(|_| answer(200, &[], b"x"));
    let certificates = tempfile::tempdir().expect("a folder");
    let server = server(&upstream, certificates.path());
    let answer = get(&server.admin, "/metrics");
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"), "{:?}", answer.headers);
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (mut explained, said) = (explained(), said(&text));
    if !cfg!(feature = "tls") {
        explained.retain(|name| !name.starts_with("afterimage_tls_"));
    }
    assert!(explained.len() > 30, "{explained:?}");
    assert_eq!(said.difference(&explained).collect::<Vec<_>>(), Vec::<&String>::new(), "are said and not explained");
    assert_eq!(explained.difference(&said).collect::<Vec<_>>(), Vec::<&String>::new(), "are explained and not said");
}

#[test]
fn what_happens_is_counted() {
    let upstream = Upstream::start(|asked| match asked.target.starts_with("/pass/") {
        true => answer(200, &[("Cache-Control", "max-age=60")], b"12345"),
        false => answer(404, &[], b""),
    });
    let (origin, mount) = (format!("{}/pass/", upstream.base), format!("{}/pictures/", upstream.base));
    let (set_origin, set_mount) = (format!("pass.origin={origin}"), format!("source.mounts=m/ {mount}"));
    let settings = [&*set_origin, &*set_mount, "origin.allow=127.0.0.0/8", "source.settle=20ms"];
    let arguments: Vec<_> = settings.into_iter().flat_map(|setting| ["--set", setting]).collect();
    let server = Server::start(BINARY, &["museum.jpg"], &arguments);
    server.until("/museum.jpg?w=100", |answer| answer.header("cache-status").contains("memory"));
    let before = get(&server.admin, "/metrics").text();
    assert_eq!(server.get("/museum.jpg?w=100").status, 200);
    assert_eq!(server.get("/museum.jpg?w=100").status, 200);
    assert_eq!(server.get("/page").text(), "12345");
    assert_eq!(server.get("/page").text(), "12345");
    assert_eq!(server.get("/m/gone.jpg?w=100").status, 404);
    let purged = server.run(&["purge", "museum.jpg", "--wait"]);
    assert!(purged.status.success(), "{}", String::from_utf8_lossy(&purged.stderr));
    let after = get(&server.admin, "/metrics").text();
    let more = |name: &str| value(&after, name) - value(&before, name);
    assert_eq!(more("afterimage_answers_total{reason=\"memory\"}"), 3, "{after}");
    assert_eq!(more("afterimage_answers_total{reason=\"gone\"}"), 1, "{after}");
    assert_eq!(more("afterimage_connections_total{listener=\"pictures\"}"), 5);
    let of = |name: &str, url: &str, purpose: &str| {
        more(&format!("afterimage_origin_{name}_total{{origin=\"{url}\",purpose=\"{purpose}\"}}"))
    };
    assert_eq!((of("requests", &origin, "pass"), of("failures", &origin, "pass")), (1, 0));
    assert!(of("requests", &mount, "originals") >= 1);
    assert!(more("afterimage_body_bytes_total") > 1000);
    assert_eq!(value(&after, "afterimage_purges_open"), 0);
    assert_eq!(value(&after, "afterimage_purge_oldest_seconds"), 0);
    assert_eq!(value(&after, "afterimage_connections_max{listener=\"pictures\"}"), 10_000);
}
