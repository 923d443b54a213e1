//! What source text may not say in some crates, and how long it may be.

use crate::workspace::{crates, files, read, root, shipped};
use afterimage_setup::DEFINITIONS;
use std::path::PathBuf;

/// What these crates may not say, and why. Tests and comments may.
const FORBIDDEN: &[(&[&str], &[&str], &str)] = &[
    (
        &["identity", "variant", "rewrite"],
        &["std::fs", "std::env", "std::net", "std::thread", "std::process", "async fn", "tokio"],
        "pure: no I/O, no async, no environment, so that laws can be proved and an edge function can run it",
    ),
    (
        &["identity", "variant", "confine", "imaging", "store", "cache", "adopt", "edge", "purge", "control", "setup"],
        &["Instant::now", "SystemTime::now"],
        "now is an argument or a Clock; a test that waits is a test that lies",
    ),
    (
        &["imaging", "cache", "edge", "control"],
        &["std::fs", "tokio::fs"],
        "files are store's, and those of the cache's disk tier its own; the binary lends what it reads",
    ),
    (
        &["imaging", "store", "cache", "events", "edge", "purge", "control", "setup"],
        &["tokio::net", "std::net::TcpListener", "std::net::TcpStream"],
        "listeners and connections are the binary's",
    ),
    (
        &["identity", "variant", "imaging", "cache", "origin", "events", "cdn", "edge", "purge", "control", "setup"],
        &["inherited", "Inherited"],
        "what is not ours is deleted by one command, on a person's word (docs/decisions/0010-deleting-what-is-not-ours.md)",
    ),
    (
        &["identity", "variant", "imaging", "store", "cache", "events", "adopt", "edge", "purge", "control"],
        &["std::env::"],
        "only setup and the binary read the environment",
    ),
    (
        &[
            "identity",
            "variant",
            "imaging",
            "store",
            "cache",
            "events",
            "adopt",
            "edge",
            "purge",
            "control",
            "setup",
            "afterimage",
        ],
        &["todo!(", "unimplemented!(", "FIXME", "dbg!("],
        "no draft code",
    ),
];

/// Files that may say it all the same: the one place behind a seam.
const EXCEPT: &[(&str, &str)] = &[("cache/src/disk/machine.rs", "std::fs"), ("setup/src/clock.rs", "SystemTime::now")];

/// Past 400 lines look for a second reason to change; past this there is one.
const LINES_MAX: usize = 500;

#[test]
fn crates_do_not_say_what_their_rank_may_not_know() {
    for (names, words, why) in FORBIDDEN {
        for name in *names {
            let sources = shipped(name);
            assert!(!sources.is_empty(), "{name} has no sources");
            for (file, code) in sources {
                // Tests pause tokio's own clock, so pacing by it waits for nobody.
                let code = code.replace("tokio::time::Instant::now", "");
                let excepted = |word: &str| EXCEPT.iter().any(|(at, may)| file.ends_with(at) && *may == word);
                for word in words.iter().filter(|word| !excepted(word)) {
                    assert!(!code.contains(word), "{} says {word}: {why}", file.display());
                }
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_a_reader_s_patience() {
    for folder in crates() {
        for file in files(&folder, "rs") {
            let lines = read(&file).lines().count();
            assert!(
                lines <= LINES_MAX,
                "{} has {lines} lines; the most is {LINES_MAX}: split it where it changes for two reasons",
                file.display()
            );
        }
    }
}

#[test]
fn every_module_opens_with_what_it_is_for() {
    for folder in crates() {
        let is_no_test = |file: &PathBuf| file.file_name().is_some_and(|name| name != "tests.rs");
        for file in files(&folder.join("src"), "rs").into_iter().filter(is_no_test) {
            assert!(read(&file).starts_with("//!"), "{} does not open with a paragraph (//!)", file.display());
        }
    }
}

#[test]
fn no_test_is_ignored() {
    // In two parts, or this file would find itself.
    let mark = ["#[", "ignore"].concat();
    for folder in crates() {
        for file in files(&folder, "rs") {
            assert!(
                !read(&file).contains(&mark),
                "{} ignores a test: assert today's behaviour instead",
                file.display()
            );
        }
    }
}

/// A setting that is read and does nothing is a lie to the operator.
#[test]
fn every_setting_is_used() {
    let own = root().join("crates/setup/src");
    let tests_of_settings = ["check.rs", "promise.rs", "table.rs"].map(|file| own.join(file));
    let users: String = crates()
        .iter()
        .flat_map(|folder| files(&folder.join("src"), "rs"))
        .filter(|file| !tests_of_settings.contains(file))
        .map(|file| read(&file))
        .collect();
    for definition in DEFINITIONS {
        let field = definition.name.rsplit('.').next().unwrap_or(definition.name);
        assert!(users.contains(&format!(".{field}")), "{} is defined and never used", definition.name);
    }
}
