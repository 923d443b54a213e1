//! What a person does and sees, tried on the built binary from outside.

use std::time::Duration;

use afterimage_testkit::{Server, request, size_of};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
const BROWSER: (&str, &str) = ("accept", "image/avif,image/webp,image/apng,*/*;q=0.8");

fn check(server: &Server, target: &str, kind: &str, width: u32, height: u32) {
    let answer = server.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    assert_eq!(size_of(&answer.body), Some((kind, width, height)), "{target}");
}

#[test]
fn every_parameter_does_what_its_name_says() {
    let server = Server::start(BINARY, &["museum.jpg"], &["--set", "presets.thumb=w=200&h=200&fit=crop&fm=webp"]);
    check(&server, "/museum.jpg?w=400&fm=webp", "webp", 400, 300);
    check(&server, "/museum.jpg?w=400", "jpg", 400, 300);
    check(&server, "/museum.jpg?d=100x100", "jpg", 100, 100);
    check(&server, "/museum.jpg?d=100", "jpg", 100, 100);
    check(&server, "/museum.jpg?w=320&h=160&fit=crop&crop=top", "jpg", 320, 160);
    check(&server, "/museum.jpg?w=200&dpr=2", "jpg", 400, 300);
    check(&server, "/museum.jpg?p=thumb", "webp", 200, 200);
    check(&server, "/museum.jpg?w=390", "jpg", 400, 300);
    assert!(server.get("/museum.jpg?w=390").header("afterimage-changed").contains("400"));
    let answer = request(&server.base, "GET", "/museum.jpg?w=200&auto=format", &[("accept", "image/webp,*/*")], b"");
    assert_eq!(size_of(&answer.body), Some(("webp", 200, 150)));
    assert_eq!(answer.header("vary"), "Accept");
    let plain = server.get("/museum.jpg?w=200&auto=format");
    assert_eq!(size_of(&plain.body), Some(("jpg", 200, 150)));
}

#[test]
fn a_url_that_is_not_allowed_says_why() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    for (target, status, words) in [
        ("/museum.jpg?w=abc", 400, "w"),
        ("/museum.jpg?w=100&w=200", 400, "w"),
        ("/museum.jpg?w=100&h=37&fit=crop", 403, "ratio"),
        ("/museum.jpg?blur=20&w=400", 403, "blur"),
        ("/nothing.jpg?w=100", 404, "original"),
        ("/.hidden?w=100", 404, "dot"),
        ("/../museum.jpg?w=100", 400, ""),
    ] {
        let answer = server.get(target);
        assert!(answer.status == status || (status == 400 && answer.status == 404), "{target}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{target}");
        assert!(answer.text().to_lowercase().contains(words), "{target}: {}", answer.text());
    }
    let answer = request(&server.base, "POST", "/museum.jpg", &[], b"x");
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, OPTIONS"));
}

#[test]
fn asking_again_is_answered_from_memory_and_after_a_restart_from_the_store() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    let target = "/museum.jpg?w=400&fm=webp";
    // A file is stored from only once it has settled.
    server.until(target, |answer| answer.header("cache-status").contains("rendered"));
    let first = server.get(target);
    server.until(target, |answer| answer.header("cache-status").contains("memory"));
    assert_eq!(server.derivatives().len(), 1);
    let server = server.restart(false, &[], |_| {});
    let again = server.get(target);
    assert!(again.header("cache-status").contains("stored-derivative"), "{:?}", again.headers);
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("etag"), first.header("etag"));
}

#[test]
fn cache_status_says_why_memory_did_not_answer() {
    let server = Server::start(BINARY, &["landscape.jpg"], &["--set", "source.settle=20ms"]);
    let status = |target: &str| server.get(target).header("cache-status").to_owned();
    let target = "/landscape.jpg?w=200";
    server.until("/landscape.jpg?w=100", |answer| answer.header("cache-status") == "afterimage; hit; detail=memory");
    assert_eq!(status(target), "afterimage; fwd=uri-miss; stored; detail=rendered");
    assert_eq!(status(target), "afterimage; hit; detail=memory");
    assert_eq!(status("/nothing.jpg?w=200"), "afterimage; fwd=uri-miss; fwd-status=404; detail=gone");
    assert_eq!(status("/landscape.jpg?w=nothing"), "afterimage; detail=bad-request");
    // A failure that is kept comes from memory too, until it is stale.
    std::fs::write(server.originals.join("text.jpg"), "no picture").expect("written");
    server.until("/text.jpg", |answer| answer.header("cache-status") == "afterimage; hit; detail=not-an-image");
    let metrics = afterimage_testkit::get(&server.admin, "/metrics").text();
    assert!(!metrics.contains("afterimage_misses_total{why=\"uri-miss\"} 0\n"), "{metrics}");
}

#[test]
fn a_key_too_long_to_be_spelled_is_served_by_its_own_path_alone() {
    let server = Server::start(BINARY, &["landscape.jpg"], &[]);
    // 80 letters of three bytes each: 240 bytes as a file's name, 720 when they are escaped.
    let name = format!("{}.jpg", "사".repeat(80));
    std::fs::copy(server.originals.join("landscape.jpg"), server.originals.join(&name)).expect("copied");
    let target = format!("/{}.jpg?w=100", "%EC%82%AC".repeat(80));
    let answer = server.get(&target);
    assert_eq!((answer.status, size_of(&answer.body)), (200, Some(("jpg", 100, 75))), "{}", answer.text());
    let output = server.run(&["explain", &target]);
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && words.contains("its digest stands for it"), "{words}");
    let canonical = words.lines().find_map(|line| line.strip_prefix("canonical path").map(str::trim)).expect("a path");
    assert!(canonical.starts_with("/=.") && canonical.ends_with("/-/w100.same"), "{canonical}");
    let answer = server.get(canonical);
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("ask by the original's own path"), "{}", answer.text());
}

#[test]
fn conditions_ranges_and_heads_are_answered() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    let target = "/museum.jpg?w=100";
    let full = server.get(target);
    let etag = full.header("etag").to_owned();
    let ask = |method: &str, headers: &[(&str, &str)]| request(&server.base, method, target, headers, b"");
    assert_eq!(ask("GET", &[("if-none-match", &etag)]).status, 304);
    let part = ask("GET", &[("range", "bytes=0-9")]);
    assert_eq!((part.status, part.body.as_slice()), (206, &full.body[..10]));
    assert_eq!(part.header("content-range"), format!("bytes 0-9/{}", full.body.len()));
    let head = ask("HEAD", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), full.body.len().to_string());
    let preflight = ask("OPTIONS", &[("origin", "https://example.com"), ("access-control-request-method", "GET")]);
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, "*"));
    assert_eq!(full.header("x-content-type-options"), "nosniff");
    assert!(full.header("cache-tag").starts_with('o'));
    assert!(full.header("cache-control").contains("s-maxage="));
}

#[test]
fn auto_format_gets_webp_first_and_avif_when_it_is_there() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    let target = "/museum.jpg?w=400&auto=format";
    let ask = || request(&server.base, "GET", target, &[BROWSER], b"");
    let first = ask();
    assert_eq!(first.status, 200);
    let kind = size_of(&first.body).expect("a picture").0;
    assert!(
        kind == "webp" && first.header("cache-status").contains("avif-pending") || kind == "avif",
        "{:?}",
        first.headers
    );
    let begun = std::time::Instant::now();
    while size_of(&ask().body) != Some(("avif", 400, 300)) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the AVIF never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_original_without_parameters_loses_its_metadata_and_no_pixel() {
    let server = Server::start(BINARY, &["museum.jpg"], &[]);
    let answer = server.get("/museum.jpg");
    assert_eq!(answer.status, 200);
    assert_eq!(size_of(&answer.body), Some(("jpg", 4032, 3024)));
    let original = afterimage_testkit::picture("museum.jpg");
    assert!(answer.body.len() < original.len());
    assert!(server.get("/museum.jpg?utm_source=x").header("afterimage-ignored").contains("utm_source"));
}

#[test]
fn a_file_that_is_still_being_written_is_not_refused_for_good() {
    let server = Server::start(BINARY, &["museum.jpg"], &["--set", "source.settle=1s"]);
    let picture = afterimage_testkit::picture("museum.jpg");
    for (name, begun) in [("empty.jpg", 0), ("half.jpg", picture.len() / 2)] {
        let file = server.originals.join(name);
        let target = format!("/{name}?w=100");
        std::fs::write(&file, &picture[..begun]).expect("written");
        let answer = server.get(&target);
        assert_eq!(answer.status, 503, "{name}: {}", answer.text());
        assert_eq!((answer.header("cache-control"), answer.header("retry-after")), ("no-store", "2"), "{name}");
        // Nobody goes on writing: now it is what it is.
        let settled = if begun == 0 { 415 } else { 422 };
        server.until(&target, |answer| answer.status == settled);
        std::fs::write(&file, &picture).expect("written");
        server.until(&target, |answer| answer.status == 200);
    }
}
