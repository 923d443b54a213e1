//! Originals on an HTTP server, tried on the built binary from outside: what people see when pictures change, go, or cannot be
//! had.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use afterimage_testkit::{Asked, Server, Step, Upstream, answer, pictures, request, run, size_of};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
const ALLOW: [&str; 2] = ["--set", "origin.allow=127.0.0.1/32"];

/// What a path answers.
#[derive(Clone)]
enum File {
    Bytes { etag: &'static str, body: Vec<u8>, control: &'static str },
    Broken(Vec<Step>),
}

type Files = Arc<Mutex<BTreeMap<String, File>>>;

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(pictures().join(name)).expect("a sample picture")
}

fn file(etag: &'static str, name: &str) -> File {
    File::Bytes { etag, body: sample(name), control: "max-age=60" }
}

fn upstream(files: &Files) -> Upstream {
    Upstream::start(upstream_script(files))
}

fn upstream_script(files: &Files) -> impl Fn(&Asked) -> Vec<Step> + Send + Sync + 'static {
    let files = files.clone();
    move |asked: &Asked| {
        let found = files.lock().expect("no test panics with it").get(&asked.target).cloned();
        match found {
            None => answer(404, &[], b""),
            Some(File::Broken(steps)) => steps,
            Some(File::Bytes { etag, body, control }) => {
                let headers = [("ETag", etag), ("Cache-Control", control)];
                if asked.method == "HEAD" {
                    let head = format!("Content-Length: {}\r\nETag: {etag}\r\nCache-Control: {control}", body.len());
                    return vec![Step::Send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").into_bytes())];
                }
                answer(200, &headers, &body)
            }
        }
    }
}

/// The question about a key that nobody has.
fn is_probe(asked: &Asked) -> bool {
    asked.target.contains("/afterimage-absent-")
}

fn put(files: &Files, target: &str, file: File) {
    files.lock().expect("no test panics with it").insert(target.to_owned(), file);
}

fn delete(files: &Files, target: &str) {
    files.lock().expect("no test panics with it").remove(target);
}

fn serve(upstream: &Upstream, more: &[&str]) -> Server {
    let arguments = [&ALLOW[..], &["--set", "source.window=200ms"], more].concat();
    Server::of_url(BINARY, &format!("{}/base/", upstream.base), &arguments)
}

#[test]
fn pictures_come_from_a_url_and_go_with_their_originals() {
    let files = Files::default();
    put(&files, "/base/a%20b.jpg", file("\"1\"", "museum.jpg"));
    let upstream = upstream(&files);
    let server = serve(&upstream, &[]);
    assert!(server.greeting.contains("/base/"), "{}", server.greeting);
    let first = server.get("/a%20b.jpg?w=400");
    assert_eq!((first.status, size_of(&first.body)), (200, Some(("jpg", 400, 300))), "{}", first.text());
    assert!(first.header("cache-status").contains("stored"), "{:?}", first.headers);
    assert_eq!(server.get("/a%20b.jpg?w=400").header("cache-status"), "afterimage; hit; detail=memory");
    // Replaced: within the window the new one is there, and the old derivative goes.
    put(&files, "/base/a%20b.jpg", file("\"2\"", "flower.jpg"));
    server.until("/a%20b.jpg?w=400", |answer| answer.status == 200 && answer.body != first.body);
    // Deleted: within the window nobody gets it, and everything made of it is removed.
    delete(&files, "/base/a%20b.jpg");
    server.until("/a%20b.jpg?w=400", |answer| answer.status == 404);
    let begun = Instant::now();
    while !server.derivatives().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", server.derivatives());
        std::thread::sleep(Duration::from_millis(20));
    }
    let receipts = server.run(&["receipts"]);
    assert!(String::from_utf8_lossy(&receipts.stdout).contains("a b.jpg"), "{receipts:?}");
}

/// HEAD, GET, and HEAD again once the derivative is stored: were the original gone or unprovable by then, it would be taken back.
fn until_stored(upstream: &Upstream) {
    let begun = Instant::now();
    while upstream.asked().iter().filter(|asked| !is_probe(asked)).count() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", upstream.asked());
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
}

/// Whatever else the server says proves nothing: what was made stays, and is not served beyond the window.
#[test]
fn an_origin_in_trouble_loses_nothing() {
    let files = Files::default();
    put(&files, "/base/a.jpg", file("\"1\"", "museum.jpg"));
    let upstream = upstream(&files);
    let server = serve(&upstream, &["--set", "origin.failures_max=0"]);
    assert_eq!(server.get("/a.jpg?w=400").status, 200);
    until_stored(&upstream);
    for steps in [
        answer(500, &[], b""),
        answer(403, &[], b""),
        answer(429, &[], b""),
        answer(206, &[("ETag", "\"1\""), ("Content-Range", "bytes 0-0/9")], b"x"),
        answer(302, &[("Location", "http://169.254.169.254/")], b""),
        vec![Step::Reset],
    ] {
        put(&files, "/base/a.jpg", File::Broken(steps.clone()));
        server.until("/a.jpg?w=400", |answer| answer.status == 503);
        assert_eq!(server.derivatives().len(), 1, "{steps:?}");
        put(&files, "/base/a.jpg", file("\"1\"", "museum.jpg"));
        server.until("/a.jpg?w=400", |answer| answer.status == 200);
    }
    let told = server.run(&["explain", "/a.jpg?w=400"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("present"), "{told:?}");
}

/// A server that has an answer for everything cannot say that something is gone: it is said loudly, and nothing is removed.
#[test]
fn a_server_that_cannot_prove_absence_is_named_and_nothing_is_removed_for_it() {
    let files = Files::default();
    put(&files, "/base/a.jpg", file("\"1\"", "museum.jpg"));
    let script = upstream_script(&files);
    let probe = Arc::new(Mutex::new(answer(403, &[], b"")));
    let says = probe.clone();
    let upstream = Upstream::start(move |asked: &Asked| match is_probe(asked) {
        true => says.lock().expect("no test panics with it").clone(),
        false => script(asked),
    });
    let server = serve(&upstream, &[]);
    assert_eq!(server.get("/a.jpg?w=400").status, 200);
    until_stored(&upstream);
    let operator = |target: &str| request(&server.admin, "GET", target, &[], b"").text();
    let begun = Instant::now();
    while !operator("/readyz").contains("cannot prove absence: it refuses") {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", operator("/readyz"));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(operator("/metrics").contains("afterimage_source_proves_absence{prefix=\"\"} 0"));
    delete(&files, "/base/a.jpg");
    server.until("/a.jpg?w=400", |answer| answer.status == 503);
    assert!(server.get("/a.jpg?w=400").text().contains("cannot prove that something is absent"));
    let told = server.run(&["reconcile"]);
    assert!(told.status.success(), "{told:?}");
    assert_eq!(server.derivatives().len(), 1, "nothing is removed on no proof");
}

#[test]
fn broken_bodies_are_never_pictures() {
    let files = Files::default();
    let upstream = upstream(&files);
    let deadlines = ["--set", "origin.first_byte_timeout=300ms", "--set", "origin.idle_timeout=300ms"];
    let server = serve(&upstream, &[&deadlines[..], &["--set", "origin.failures_max=0"]].concat());
    let body = sample("museum.jpg");
    let half = &body[..body.len() / 2];
    let with = |head: &str, body: &[u8]| Step::Send([head.as_bytes(), b"\r\n\r\n", body].concat());
    let length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}", body.len());
    for (name, steps, status) in [
        ("cut", vec![with(&length, half), Step::Close], 503),
        ("no length", vec![with("HTTP/1.1 200 OK", half), Step::Close], 503),
        ("whole without length", vec![with("HTTP/1.1 200 OK", &body), Step::Close], 503),
        ("packed", vec![with(&format!("{length}\r\nContent-Encoding: gzip"), &body)], 503),
        ("hangs", vec![with(&length, half), Step::Hang], 504),
        ("silent", vec![Step::Hang], 504),
        ("no picture", answer(200, &[("Content-Type", "image/jpeg")], b"<html>soft 404</html>"), 415),
    ] {
        put(&files, "/base/a.jpg", File::Broken(steps));
        let begun = Instant::now();
        let found = server.get("/a.jpg?w=400");
        assert_eq!(found.status, status, "{name}: {}", found.text());
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}");
        assert!(!found.text().contains("127.0.0.1"), "{name}: {}", found.text());
        assert!(server.derivatives().is_empty(), "{name}");
    }
    put(&files, "/base/a.jpg", file("\"1\"", "museum.jpg"));
    server.until("/a.jpg?w=400", |answer| answer.status == 200);
}

#[test]
fn what_may_not_be_stored_is_not() {
    let files = Files::default();
    for control in ["no-store", "private, max-age=60"] {
        put(&files, "/base/a.jpg", File::Bytes { etag: "\"1\"", body: sample("museum.jpg"), control });
        let upstream = upstream(&files);
        let server = serve(&upstream, &[]);
        for _ in 0..2 {
            let found = server.get("/a.jpg?w=400");
            assert_eq!((found.status, found.header("cache-control")), (200, "no-store"), "{:?}", found.headers);
            assert_eq!(found.header("cdn-cache-control"), "");
            assert_eq!(found.header("cache-status"), "afterimage; fwd=uri-miss; detail=rendered");
        }
        assert!(server.derivatives().is_empty(), "{control}");
    }
}

#[test]
fn servers_are_mounted_beside_folders() {
    let files = Files::default();
    put(&files, "/media/a.jpg", file("\"1\"", "museum.jpg"));
    let upstream = upstream(&files);
    let mount = format!("source.mounts=shop/ {}/media/", upstream.base);
    let server = Server::start(
        BINARY,
        &["museum.jpg"],
        &[&ALLOW[..], &["--set", &mount, "--set", "source.window=200ms"]].concat(),
    );
    assert!(server.greeting.contains("mounted      shop/ from http://127.0.0.1:"), "{}", server.greeting);
    for target in ["/museum.jpg?w=400", "/shop/a.jpg?w=400"] {
        let found = server.get(target);
        assert_eq!((found.status, size_of(&found.body)), (200, Some(("jpg", 400, 300))), "{target}: {}", found.text());
    }
    // What the folder has below the prefix is not seen.
    std::fs::create_dir(server.originals.join("shop")).expect("a new folder");
    std::fs::copy(server.originals.join("museum.jpg"), server.originals.join("shop/b.jpg")).expect("a copy");
    assert_eq!(server.get("/shop/b.jpg?w=400").status, 404);
    delete(&files, "/media/a.jpg");
    server.until("/shop/a.jpg?w=400", |answer| answer.status == 404);
    std::fs::remove_file(server.originals.join("museum.jpg")).expect("it is there");
    server.until("/museum.jpg?w=400", |answer| answer.status == 404);
    let asked: Vec<_> = upstream.asked().into_iter().map(|asked| asked.target).collect();
    assert!(asked.iter().all(|target| target.starts_with("/media/")), "{asked:?}");
}

/// A herd at an origin in trouble: one question serves all who wait, and nobody gets stale or half an answer.
#[test]
fn many_viewers_of_one_picture_are_one_question() {
    let files = Files::default();
    let slow = [vec![Step::Wait(Duration::from_millis(700))], answer(503, &[("Retry-After", "1")], b"")].concat();
    put(&files, "/base/a.jpg", File::Broken(slow));
    let upstream = upstream(&files);
    let server = serve(&upstream, &[]);
    let ask = |wanted: u16| {
        std::thread::scope(|scope| {
            let viewers: Vec<_> = (0..100).map(|_| scope.spawn(|| server.get("/a.jpg?w=400").status)).collect();
            for viewer in viewers {
                assert_eq!(viewer.join().expect("an answer"), wanted);
            }
        });
    };
    ask(503);
    // Whoever comes after the first answer asks anew; on a busy machine some of the hundred do.
    assert!(upstream.asked().len() <= 5, "{} questions for 100 viewers", upstream.asked().len());
    upstream.forget();
    put(&files, "/base/a.jpg", file("\"1\"", "museum.jpg"));
    ask(200);
    let gets = upstream.asked().iter().filter(|asked| asked.method == "GET").count();
    assert_eq!(gets, 1, "it was read {gets} times for 100 viewers");
}

/// The reconciler finds what nobody asks for any more.
#[test]
fn a_reconciliation_asks_the_server() {
    let files = Files::default();
    put(&files, "/base/a.jpg", file("\"1\"", "museum.jpg"));
    put(&files, "/base/b.jpg", file("\"1\"", "museum.jpg"));
    let upstream = upstream(&files);
    let server = serve(&upstream, &[]);
    for target in ["/a.jpg?w=400", "/b.jpg?w=400"] {
        assert_eq!(server.get(target).status, 200);
    }
    delete(&files, "/base/a.jpg");
    let told = server.run(&["reconcile"]);
    assert!(told.status.success(), "{told:?}");
    let begun = Instant::now();
    while server.derivatives().len() != 1 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", server.derivatives());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.derivatives()[0].contains("b.jpg"), "{:?}", server.derivatives());
}

#[test]
fn addresses_that_are_not_allowed_are_refused_at_start() {
    let home = tempfile::tempdir().expect("a folder");
    for (url, words) in [
        ("http://127.0.0.1:9/", "origin.allow"),
        ("http://169.254.169.254/", "link-local"),
        ("http://[::ffff:127.0.0.1]/", "IPv4 address in IPv6"),
        ("http://0x7f.1/", "four decimal numbers"),
        ("http://user:secret@origin.example/", "user and password"),
        ("http://origin.example/pictures", "end the path with a slash"),
        ("ftp://origin.example/", "only http and https"),
    ] {
        let told = run(BINARY, home.path(), &["serve", url]);
        let text = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(3), "{url}: {text}");
        assert!(text.contains("source.url") && text.contains(words), "{url}: {text}");
    }
}
