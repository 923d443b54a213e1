//! Who may import whom: only downward, never sideways, and some crates from outside only in one place.

use crate::workspace::{read, root};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::BTreeMap;

/// The rank of every crate; the one place where it stands. What only develops and tests stands above everything.
const RANKS: &[(&str, u8)] = &[
    ("afterimage-identity", 0),
    ("afterimage-variant", 1),
    ("afterimage-confine", 1),
    ("afterimage-imaging", 2),
    ("afterimage-store", 2),
    ("afterimage-cache", 2),
    ("afterimage-origin", 2),
    ("afterimage-events", 2),
    ("afterimage-cdn", 2),
    ("afterimage-rewrite", 2),
    ("afterimage-adopt", 3),
    ("afterimage-edge", 3),
    ("afterimage-purge", 3),
    ("afterimage-control", 4),
    ("afterimage-setup", 4),
    ("afterimage", 5),
    ("afterimage-lambda", 5),
    ("afterimage-lambda-purge", 6),
    ("afterimage-lambda-reconcile", 6),
    ("afterimage-lambda-render", 6),
    ("afterimage-testkit", 9),
    ("afterimage-sim", 9),
    ("afterimage-fuzz", 9),
    ("xtask", 10),
];

/// Crates from outside that only some may be built from, and why. Tests may use anything.
const ONLY: &[(&[&str], &[&str], &str)] = &[
    (
        &["tokio"],
        &[
            "adopt",
            "cache",
            "store",
            "origin",
            "events",
            "cdn",
            "edge",
            "purge",
            "control",
            "afterimage",
            "lambda",
            "lambda-purge",
            "lambda-reconcile",
            "lambda-render",
            "testkit",
        ],
        "names and the language are pure, pictures are made by plain threads, a watch is one thread, settings never wait",
    ),
    (
        &["hyper", "hyper-util"],
        &["origin", "cdn", "afterimage", "testkit"],
        "listeners are the binary's, connections to upstream servers origin's, calls to outer caches cdn's",
    ),
    (
        &["http", "http-body", "http-body-util"],
        &["cache", "origin", "cdn", "edge", "control", "setup", "afterimage", "lambda-render", "testkit"],
        "HTTP begins at the edge, its rules of caching are cache's, and it is spoken to origins and outer caches",
    ),
    (&["tokio-rustls", "rustls-native-certs"], &["origin", "afterimage"], "TLS is for connections"),
    (&["hyper-rustls"], &["cdn"], "outer caches that have no client library are called over TLS"),
    (
        &["axum", "tower"],
        &["control", "afterimage"],
        "the operator's routes are control's, their listener the binary's",
    ),
    (&["clap", "clap_complete", "indicatif"], &["afterimage"], "they belong to a command"),
    (&["mimalloc"], &["afterimage", "lambda-render"], "it belongs to a process that renders"),
    (&["tracing-subscriber"], &["afterimage", "lambda"], "it belongs to a process"),
    (
        &["lambda_runtime", "lambda_runtime_api_client", "aws_lambda_events"],
        &["lambda", "lambda-render"],
        "functions on AWS Lambda are doors of their own",
    ),
    (&["toml", "figment", "config"], &["setup"], "one place reads configuration"),
    (&["notify", "inotify"], &["events"], "one place watches"),
    (
        &[
            "turbojpeg",
            "turbojpeg-sys",
            "libaom-sys",
            "libwebp-sys",
            "zune-jpeg",
            "zune-core",
            "jpeg-encoder",
            "image-webp",
            "png",
            "gif",
            "moxcms",
            "fast_image_resize",
            "avif-serialize",
            "avif-parse",
            "kamadak-exif",
            "quantizr",
            "thumbhash",
            "blurhash",
        ],
        &["imaging", "testkit", "fuzz"],
        "one place decodes and encodes; tests look with an eye of their own",
    ),
    (&["aws-lc-rs", "rustls-pki-types", "rustls-webpki"], &["events"], "one place checks the signatures of SNS"),
    (&["aws-sdk-s3", "aws-smithy-checksums"], &["store"], "one place speaks to buckets"),
    (&["aws-sdk-sqs"], &["events"], "one place reads queues"),
    (&["aws-sdk-cloudfront"], &["cdn"], "one place invalidates at CloudFront"),
    (&["aws-config", "aws-runtime"], &["store", "events", "cdn"], "credentials are for those who call"),
    (
        &["hmac"],
        &["variant", "control", "cdn"],
        "one place signs URLs, one verifies the operator's requests, one signs webhooks",
    ),
    (&["md-5"], &["variant"], "one place signs URLs"),
    (&["quick-xml"], &["control"], "one interface speaks XML"),
    (
        &["rustix", "libc", "nix"],
        &["confine", "store", "events", "purge", "setup", "afterimage", "testkit"],
        "system calls stay where files and processes are",
    ),
    (
        &["afterimage-adopt"],
        &["afterimage"],
        "it deletes what is not ours; one command may, on a person's word (docs/decisions/0010-deleting-what-is-not-ours.md)",
    ),
    (&["landlock", "seccompiler"], &["confine"], "one place encloses processes"),
    (&["stateright"], &["sim"], "the model is not the product"),
    (&["image", "photon-rs", "mozjpeg"], &[], "the codecs are chosen one by one; see docs/decisions"),
];

/// Crates that may not be anywhere in the tree, and why. `deny.toml` says it too; this needs no tool.
const NOWHERE: &[(&str, &str)] = &[
    ("openssl-sys", "one C crypto library at most, and not this one"),
    ("ring", "one crypto provider"),
    ("mozjpeg-sys", "defines the same symbols as libjpeg-turbo"),
    ("imagequant", "copyleft"),
];

/// Each crate of the workspace with what it is built from.
fn imports() -> BTreeMap<String, Vec<String>> {
    let metadata =
        MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata");
    let built_from = |package: &cargo_metadata::Package| {
        let built = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        built.map(|dependency| dependency.name.clone()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), built_from(package))).collect()
}

fn rank(name: &str) -> Option<u8> {
    RANKS.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank)
}

/// What `name`, of rank `own`, imports although it may not.
fn wrong_arrow(own: u8, imports: &[String]) -> Option<&String> {
    imports.iter().find(|import| rank(import).is_some_and(|below| below >= own))
}

#[test]
fn crates_import_only_downward_and_never_sideways() {
    for (name, imports) in imports() {
        let own = rank(&name).unwrap_or_else(|| panic!("{name} has no rank: give it one in RANKS"));
        if let Some(import) = wrong_arrow(own, &imports) {
            panic!(
                "{name} (rank {own}) imports {import} (rank {:?}): import only downward, meet at a trait of identity",
                rank(import)
            );
        }
    }
}

#[test]
fn every_rank_belongs_to_a_crate() {
    let imports = imports();
    for (name, _) in RANKS {
        assert!(imports.contains_key(*name), "{name} has a rank and is no crate");
    }
}

#[test]
fn a_wrong_arrow_is_seen() {
    let to = |name: &str| vec!["serde".to_owned(), name.to_owned()];
    assert!(wrong_arrow(3, &to("afterimage-purge")).is_some(), "sideways");
    assert!(wrong_arrow(1, &to("afterimage-cache")).is_some(), "upward");
    assert!(wrong_arrow(3, &to("afterimage-cache")).is_none(), "downward");
}

#[test]
fn crates_from_outside_stay_where_they_belong() {
    for (name, imports) in imports() {
        let short = name.strip_prefix("afterimage-").unwrap_or(&name);
        for (outside, allowed, why) in ONLY {
            let found = imports.iter().find(|import| outside.contains(&import.as_str()));
            if let Some(found) = found.filter(|_| !allowed.contains(&short)) {
                panic!("{name} is built from {found}, which only {allowed:?} may be: {why}");
            }
        }
    }
}

#[test]
fn nothing_forbidden_is_in_the_tree() {
    let lock = read(&root().join("Cargo.lock"));
    assert!(lock.contains("name = \"serde\""), "the lock file is not read");
    for (name, why) in NOWHERE {
        // The lock also names what an optional feature of an optional dependency would want; what is built decides.
        assert!(
            !lock.contains(&format!("name = \"{name}\"\n")) || !is_built(name),
            "{name} is built: {why}; find it with `cargo tree -i {name}`"
        );
    }
}

/// Whether any build of the workspace, with every feature, has a crate in it.
fn is_built(name: &str) -> bool {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = std::process::Command::new(cargo)
        .args(["tree", "--workspace", "--all-features", "--locked", "--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8_lossy(&tree.stdout).lines().any(|line| line.split(' ').next() == Some(name))
}
