//! Paths that want out of where the pictures are.

use afterimage_testkit::{Server, Step, Upstream, answer, colour_of, one_colour};

use crate::{BINARY, over};

/// What lies outside, and nobody may see.
const MARK: [u8; 3] = [7, 77, 177];

/// Ways to `outside.png` beside the folder, `ENDING` apart.
const PATHS: [&str; 36] = [
    "/../outside",
    "/a/../../outside",
    "/./../outside",
    "//../outside",
    "/..//outside",
    "/%2e%2e/outside",
    "/%2E%2E%2Foutside",
    "/..%2foutside",
    "/.%2e/outside",
    "/a/%2e%2e/%2e%2e/outside",
    "/%252e%252e/outside",
    "/%252e%252e%252foutside",
    "/..%252foutside",
    "/%25252e%25252e/outside",
    "/..%c0%afoutside",
    "/%c0%ae%c0%ae/outside",
    "/%c0%ae%c0%ae%c0%afoutside",
    "/%e0%80%ae%e0%80%ae/outside",
    "/..%00/outside",
    "/../outside%00",
    "/..\\outside",
    "/..%5coutside",
    "/%2e%2e%5coutside",
    "/..%255coutside",
    "/%ef%bc%8e%ef%bc%8e/outside",
    "/..%ef%bc%8foutside",
    "/..;/outside",
    "/..;a=b/outside",
    "/..%3b/outside",
    "/....//outside",
    "/a.png/-/../../../outside",
    "/-/../outside",
    "/=2E=2E/outside",
    "/=2E=2E=2Foutside",
    "/link",
    "/linked/outside",
];

/// Every path, with and without a size, as a canonical one, and as an absolute one.
fn targets(outside: &str) -> Vec<String> {
    let stem = outside.trim_end_matches(".png");
    let absolute = [stem.to_owned(), format!("/{stem}"), format!("/file://{stem}"), format!("/%2f{}", &stem[1..])];
    PATHS
        .iter()
        .map(ToString::to_string)
        .chain(absolute)
        .flat_map(|path| ["", "?w=16&fm=png", "/-/w16.png"].map(|behind| format!("{path}.png{behind}")))
        .collect()
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let server = Server::start(BINARY, &[], &[]);
    let outside = server.home().join("outside.png");
    std::fs::write(&outside, one_colour(24, MARK)).expect("written");
    std::os::unix::fs::symlink(&outside, server.originals.join("link.png")).expect("a link");
    std::os::unix::fs::symlink(server.home(), server.originals.join("linked")).expect("a link");
    std::fs::create_dir(server.originals.join("a")).expect("a folder");
    std::fs::write(server.originals.join("a.png"), one_colour(24, [1, 2, 3])).expect("written");
    for target in targets(&outside.display().to_string()) {
        let answer = server.get(&target);
        assert_ne!(colour_of(&answer.body), Some(MARK), "{target}");
        assert!((400..500).contains(&answer.status), "{target}: {}", answer.status);
    }
    assert_eq!(server.get("/a.png?w=16").status, 200);
}

/// What a server that decodes as often as it can, and knows every disguise, would take a target for.
fn climbs(target: &str) -> bool {
    let mut text = target.split('?').next().unwrap_or_default().to_lowercase();
    loop {
        let parts = text.split(['/', '\\', '\u{ff0f}']);
        if parts.map(|part| part.split(';').next().unwrap_or_default()).any(|part| part == ".." || part == ".") {
            return true;
        }
        let decoded = text.replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\").replace("%3b", ";");
        let decoded = decoded.replace("%25", "%");
        if decoded == text {
            return false;
        }
        text = decoded;
    }
}

#[test]
fn what_climbs_is_known() {
    for target in ["/base/../x", "/base/%252e%252e/x", "/base/..%5cx", "/base/..;a/x", "/base/a/."] {
        assert!(climbs(target), "{target}");
    }
    for target in ["/base/a..b/x", "/base/.../x", "/base/x?a=/../"] {
        assert!(!climbs(target), "{target}");
    }
}

#[test]
fn no_path_leads_out_of_an_origin_s_folder() {
    let upstream = Upstream::start(|asked| match asked.method.as_str() {
        "HEAD" => vec![Step::Send(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 9\r\n\r\n".to_vec())],
        _ => answer(200, &[("ETag", "\"1\"")], &one_colour(24, MARK)),
    });
    let pass = format!("pass.origin={}/base/", upstream.base);
    let server = over(&upstream, &[&pass]);
    let pictures = targets("/outside.png");
    let files = PATHS.iter().map(|path| format!("{path}.txt"));
    for target in pictures.into_iter().chain(files) {
        upstream.forget();
        let answer = server.get(&target);
        for asked in upstream.asked() {
            let inside = asked.target.starts_with("/base/") && !climbs(&asked.target);
            assert!(inside, "{target}: the origin was asked for {}", asked.target);
        }
        assert!(answer.status < 500, "{target}: {} {}", answer.status, answer.text());
    }
}
