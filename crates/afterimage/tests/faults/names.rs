//! Originals whose names look like one another's, or like what is made of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use afterimage_testkit::{Asked, Server, Step, Upstream, answer, colour_of, one_colour};

use crate::{BINARY, given, over, set};

/// What nobody may see: an upload under the name of a derivative.
const POSING: [u8; 3] = [7, 77, 177];

const NAMES: [&str; 24] = [
    // One the beginning of the other.
    "a",
    "a b",
    "a/b",
    "a.png",
    "a.png b",
    "a.png.png",
    "a.png.",
    "a..png",
    // As caches and servers have named what they made.
    "a.png/w=16",
    "a_w16.png",
    "a-16x16.png",
    "16x16/png/a.png",
    "w16.png",
    "derived/a.png",
    "derivatives/a.png",
    // One spelling of a byte is another's name.
    "a+b",
    "a%20b",
    "a=20b",
    "=.a",
    "a%2Fb",
    // Case, and one letter in two ways.
    "A",
    "A.png",
    "caf\u{e9}.png",
    "cafe\u{301}.png",
];

type Originals = Arc<Mutex<BTreeMap<String, [u8; 3]>>>;

fn encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    key.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn upstream(originals: &Originals) -> Upstream {
    let originals = originals.clone();
    let find = move |target: &str| {
        let originals = originals.lock().expect("nobody panics with it");
        let found = originals.iter().find(|(key, _)| target == format!("/base/{}", encoded(key)));
        found.map(|(_, colour)| *colour)
    };
    Upstream::start(move |asked: &Asked| -> Vec<Step> {
        let posing = asked.target.contains("/-/").then_some(POSING);
        match posing.or_else(|| find(&asked.target)) {
            Some(colour) => given(asked, &format!("{colour:?}"), &one_colour(24, colour)),
            None => answer(404, &[], b""),
        }
    })
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn are_themselves(server: &Server, originals: &Originals) {
    // Not under the lock: the origin needs it to answer.
    let all = originals.lock().expect("nobody panics with it").clone();
    for (key, colour) in all {
        let answer = server.get(&format!("/{}?w=16&fm=png", encoded(&key)));
        assert_eq!((answer.status, colour_of(&answer.body)), (200, Some(colour)), "{key:?}");
    }
}

#[test]
fn no_original_is_taken_for_another_and_each_goes_alone() {
    let originals = Originals::default();
    for (at, name) in NAMES.iter().enumerate() {
        let colour = [at as u8 + 1, 100, 50];
        originals.lock().expect("nobody panics with it").insert((*name).to_owned(), colour);
    }
    let upstream = upstream(&originals);
    let server = over(&upstream, &["source.window=100ms"]);
    are_themselves(&server, &originals);
    until("each has a derivative of its own", || server.derivatives().len() == NAMES.len());
    are_themselves(&server, &originals);
    for (gone, name) in ["a", "a.png", "caf\u{e9}.png", "a%20b"].into_iter().enumerate() {
        originals.lock().expect("nobody panics with it").remove(name);
        server.until(&format!("/{}?w=16&fm=png", encoded(name)), |answer| answer.status == 404);
        until("its derivative is gone", || server.derivatives().len() < NAMES.len() - gone);
        // Long enough for whatever else would go with it.
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(server.derivatives().len(), NAMES.len() - gone - 1, "{name:?} took others along");
        are_themselves(&server, &originals);
    }
    // A name with a slash at its end is another name.
    assert_eq!(server.get("/A.png/?w=16&fm=png").status, 404);
}

/// What a directory watch reports are bytes of names; each has to be the name of the right picture.
#[test]
fn files_of_any_name_go_when_they_are_removed_and_take_no_other_along() {
    // No folder of a file's name, and nothing hidden.
    let names: Vec<_> = NAMES.into_iter().filter(|name| !name.contains('/')).chain(["사진 😀.png", "a;b"]).collect();
    let server = Server::start(BINARY, &[], &set(&["source.settle=20ms"]));
    let colour = |at: usize| [at as u8 + 1, 100, 50];
    for (at, name) in names.iter().enumerate() {
        std::fs::write(server.originals.join(name), one_colour(24, colour(at))).expect("written");
    }
    let target = |name: &str| format!("/{}?w=16&fm=png", encoded(name));
    for name in &names {
        server.until(&target(name), |answer| answer.header("cache-status").contains("memory"));
    }
    until("each has a derivative of its own", || server.derivatives().len() == names.len());
    for (gone, name) in names.iter().enumerate() {
        std::fs::remove_file(server.originals.join(name)).expect("it was there");
        let took = server.until(&target(name), |answer| answer.status == 404);
        assert!(took < Duration::from_secs(1), "{name:?} was served for {took:?}");
        until("its derivative is gone", || server.derivatives().len() == names.len() - gone - 1);
        for (at, other) in names.iter().enumerate().skip(gone + 1) {
            assert_eq!(colour_of(&server.get(&target(other)).body), Some(colour(at)), "{other:?} after {name:?}");
        }
    }
}

#[test]
fn no_upload_can_pose_as_a_derivative() {
    let originals = Originals::default();
    let colour = [1, 2, 3];
    originals.lock().expect("nobody panics with it").insert("a.png".to_owned(), colour);
    let upstream = upstream(&originals);
    let server = over(&upstream, &[]);
    let told = server.run(&["explain", "/a.png?w=16&fm=png"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let canonical = told.lines().find_map(|line| line.strip_prefix("canonical path").map(str::trim)).expect("a path");
    assert!(canonical.starts_with("/a.png/-/"), "{canonical}");
    for target in [
        canonical.to_owned(),
        format!("{canonical}?w=16&fm=png"),
        format!("{canonical}{canonical}"),
        format!("/b.png{}", canonical.trim_start_matches("/a.png")),
        "/a.png/-/original.png".to_owned(),
        "/a.png/%2D/w16.png?w=16".to_owned(),
        "/-/a.png?w=16".to_owned(),
        "/a/-?w=16".to_owned(),
    ] {
        let answer = server.get(&target);
        let seen = colour_of(&answer.body);
        assert!(answer.status != 200 || seen == Some(colour), "{target}: {} {seen:?}", answer.status);
    }
    let asked: Vec<_> = upstream.asked().into_iter().map(|asked| asked.target).collect();
    assert!(!asked.iter().any(|target| target.contains("/-")), "{asked:?}");
    assert_eq!(colour_of(&server.get(canonical).body), Some(colour));
}
