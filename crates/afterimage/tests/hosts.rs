//! Hosts with originals of their own, tried on the built binary from outside: two hosts, one file name, and a server that must
//! never take one for the other.

use std::path::Path;
use std::time::{Duration, Instant};

use afterimage_testkit::{Answer, Server, pictures, request, run, size_of};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");

fn ask(server: &Server, method: &str, host: &str, target: &str) -> Answer {
    request(&server.base, method, target, &[("Host", host), ("Accept", "image/webp,*/*")], b"")
}

fn get(server: &Server, host: &str, target: &str) -> Answer {
    ask(server, "GET", host, target)
}

fn until(server: &Server, host: &str, target: &str, wanted: impl Fn(&Answer) -> bool) {
    let begun = Instant::now();
    loop {
        let found = get(server, host, target);
        if wanted(&found) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{host}{target}: still {} {:?}",
            found.status,
            found.headers
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Derivatives are stored, and removed, a moment after an answer.
fn until_derivatives(server: &Server, wanted: impl Fn(&[String]) -> bool) {
    let begun = Instant::now();
    while !wanted(&server.derivatives()) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", server.derivatives());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder for each of two hosts, each with another picture of the same name.
fn tenants(home: &Path) -> String {
    for (folder, name) in [("one", "museum.jpg"), ("two", "flower.jpg")] {
        let folder = home.join(folder);
        std::fs::create_dir_all(&folder).expect("a new folder");
        std::fs::copy(pictures().join(name), folder.join("p.jpg")).expect("a sample picture is copied");
    }
    let at = |folder: &str| home.join(folder).display().to_string();
    format!(
        "source.mounts=tenants/one/ hosts=one.example {}, tenants/two/ hosts=*.two.example window=300ms {}",
        at("one"),
        at("two")
    )
}

fn serve(home: &Path, more: &[&str]) -> Server {
    let mounts = tenants(home);
    let arguments =
        [&["--set", mounts.as_str(), "--set", "http.show_cache_key=true", "--set", "source.settle=20ms"], more]
            .concat();
    Server::start(BINARY, &["museum.jpg"], &arguments)
}

#[test]
fn two_hosts_have_one_name_each_and_lose_it_apart() {
    let home = tempfile::tempdir().expect("a folder");
    let server = serve(home.path(), &[]);
    for words in ["tenants/one/ from", "for one.example", "of tenants/two/", "later than 300ms", "on *.two.example:"] {
        assert!(server.greeting.contains(words), "{words} in\n{}", server.greeting);
    }
    let target = "/p.jpg?w=400&auto=format";
    let one = get(&server, "one.example", target);
    let two = get(&server, "IMG.Two.Example.:8080", target);
    for (answer, key) in [(&one, "/tenants/one/p.jpg/-/w400.webp"), (&two, "/tenants/two/p.jpg/-/w400.webp")] {
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/webp"), "{}", answer.text());
        assert!(answer.header("cache-status").contains(&format!("key=\"{key}\"")), "{:?}", answer.headers);
        assert_eq!(size_of(&answer.body).map(|(_, width, _)| width), Some(400));
    }
    assert!(one.body != two.body && one.header("cache-tag") != two.header("cache-tag"));
    // What a CDN asks for after its own rewrite means the same there.
    until(&server, "one.example", "/p.jpg/-/w400.webp", |answer| {
        answer.body == one.body && answer.header("cache-status").contains("hit")
    });
    assert_eq!(get(&server, "one.example", "/museum.jpg?w=400").status, 404, "the root's is not this host's");
    assert_eq!(get(&server, "localhost", "/museum.jpg?w=400").status, 200);
    for target in ["/tenants/one/p.jpg?w=400", "/tenants/%6fne/p.jpg", "/tenants/one/p.jpg/-/w400.webp", "/p.jpg?w=400"]
    {
        assert_eq!(get(&server, "localhost", target).status, 404, "{target}");
        assert_eq!(get(&server, "two.example", target).status, 404, "the star is one label: {target}");
    }
    assert_eq!(get(&server, "a.two.example", "/../one/p.jpg?w=400").status, 400);
    assert_eq!(get(&server, "one.example:port", target).status, 400);
    let absolute = get(&server, "a.two.example", &format!("http://one.example{target}"));
    assert!(absolute.body == one.body, "the target stands over Host: {} {:?}", absolute.status, absolute.headers);

    until_derivatives(&server, |paths| paths.iter().filter(|path| path.contains("tenants/")).count() == 2);
    std::fs::remove_file(server.originals.join("museum.jpg")).expect("it is there");
    std::fs::remove_file(home.path().join("one/p.jpg")).expect("it is there");
    until(&server, "one.example", target, |answer| answer.status == 404);
    until_derivatives(&server, |paths| paths.iter().all(|path| path.contains("tenants/two/")) && paths.len() == 1);
    assert!(get(&server, "b.two.example", target).body == two.body);
    let receipts = server.run(&["receipts"]);
    assert!(String::from_utf8_lossy(&receipts.stdout).contains("tenants/one/p.jpg"), "{receipts:?}");
}

/// Whoever invalidates names the path of the URL that they know, and every host's copy of it goes from memory.
#[test]
fn a_url_is_invalidated_as_it_was_asked_for() {
    let home = tempfile::tempdir().expect("a folder");
    let server = serve(home.path(), &["--set", "invalidation.purge_method=true"]);
    let target = "/p.jpg?w=400&auto=format";
    let is_hit = |host: &str| get(&server, host, target).header("cache-status").contains("hit");
    let hosts = ["one.example", "x.two.example"];
    for item in [target, "/p.jpg*", "/tenants/*"] {
        hosts
            .iter()
            .for_each(|host| until(&server, host, target, |answer| answer.header("cache-status").contains("hit")));
        let purged = request(&server.admin, "PURGE", item, &[], b"");
        assert_eq!(purged.status, 200, "{}", purged.text());
        assert!(purged.header("afterimage-matched").ends_with("matched=2"), "{item}: {:?}", purged.headers);
        assert!(!hosts.iter().any(|host| is_hit(host)), "{item}");
    }
}

#[test]
fn commands_know_the_hosts() {
    let home = tempfile::tempdir().expect("a folder");
    let server = serve(home.path(), &[]);
    let said = |arguments: &[&str]| {
        let told = server.run(arguments);
        (told.status.code(), String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned())
    };
    for arguments in [
        &["explain", "https://x.two.example/p.jpg?w=400&fm=webp"][..],
        &["explain", "/p.jpg?w=400&fm=webp", "--host", "x.two.example"],
    ] {
        let (code, text) = said(arguments);
        assert_eq!(code, Some(0), "{text}");
        for words in
            ["tenants/two/p.jpg", "/tenants/two/p.jpg/-/w400.webp", "on that host  /p.jpg/-/w400.webp", "present"]
        {
            assert!(text.contains(words), "{words} in\n{text}");
        }
    }
    let (code, text) = said(&["explain", "/tenants/two/p.jpg"]);
    assert!(code == Some(0) && text.contains("404"), "{text}");

    let mounts = tenants(home.path());
    let set = ["--set", mounts.as_str()];
    let srcset = |arguments: &[&str]| said(&[&["srcset"], arguments, &set].concat());
    for arguments in [&["p.jpg", "--host", "one.example"][..], &["p.jpg", "--base", "http://one.example:8080"]] {
        let (code, text) = srcset(arguments);
        assert!(code == Some(0) && text.contains("http://one.example:8080/p.jpg?w=640"), "{text}");
        assert!(text.contains("width=\"4032\""), "the file itself was looked at: {text}");
    }
    let (code, text) = srcset(&["tenants/one/p.jpg"]);
    assert!(code == Some(2) && text.contains("srcset p.jpg --host one.example"), "{text}");
}

#[test]
fn hosts_that_are_a_matter_of_opinion_are_refused_at_start() {
    let home = tempfile::tempdir().expect("a folder");
    for (mounts, words) in [
        ("a/ hosts=x.example /x, b/ hosts=X.example. /y", "x.example is a host of a/ already"),
        ("a/ hosts=x.example /x, a/b/ hosts=y.example /y", "a/b/ lies below a/"),
        ("a/ hosts=*.example /x", "top-level"),
        ("a/ hosts=bücher.example /x", "xn--"),
    ] {
        let told = run(BINARY, home.path(), &["check-config", "--set", &format!("source.mounts={mounts}")]);
        let text = String::from_utf8_lossy(&told.stderr).replace("\": ", " ").replace('"', "");
        assert_eq!(told.status.code(), Some(3), "{mounts}: {text}");
        assert!(text.contains("source.mounts") && text.contains(words), "{mounts}: {text}");
    }
}
