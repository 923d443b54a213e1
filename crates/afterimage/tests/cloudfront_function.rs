//! The command that prints the CloudFront Function: what it prints says of requests what a server with the same settings says,
//! and what cannot be said the same of is refused with its name.

use std::io::Write;
use std::process::{Command, Stdio};

use afterimage_testkit::{Server, request};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage");
const ACCEPT: &str = "image/webp,*/*";

/// What the function makes of each request, or `None` where there is no Node; in CI there is.
fn at_the_edge(code: &str, items: &Value, requests: &[Value]) -> Option<Vec<Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../rewrite/tests/agreement/ask.mjs");
    let mut child = match Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("!!! THE CLOUDFRONT FUNCTION WAS NOT RUN: there is no node here ({error}) !!!");
            assert!(std::env::var_os("CI").is_none(), "CI has node");
            return None;
        }
    };
    let input = json!({ "code": code, "items": items, "requests": requests }).to_string();
    child.stdin.take().expect("stdin is piped").write_all(input.as_bytes()).expect("node reads");
    let output = child.wait_with_output().expect("node ends");
    assert!(output.status.success(), "{output:?}");
    Some(serde_json::from_slice(&output.stdout).expect("it prints JSON"))
}

#[test]
fn edge_and_server_say_the_same() {
    let settings = [
        "--set",
        "signing.keys=a 0123456789abcdef; old imgix-md5 FOO123bar",
        "--set",
        "presets.thumb=w=150&h=150&fit=crop&bg=fff",
        "--set",
        "http.show_cache_key=true",
    ];
    let server = Server::start(BINARY, &["museum.jpg"], &settings);
    let code = server.run(&[&["cloudfront-function"], &settings[..]].concat());
    assert!(code.status.success(), "{code:?}");
    let code = String::from_utf8(code.stdout).expect("it is text");
    assert!(code.len() <= 10_240, "{} bytes", code.len());

    let sign = |target: &str, more: &[&str]| {
        let printed = server.run(&[&["sign", target], more, &settings[..]].concat());
        String::from_utf8(printed.stdout).expect("a URL").trim().to_owned()
    };
    let signed = sign("/museum.jpg?w=333&rot=90&fm=png", &["--expires-in", "600"]);
    let mut targets =
        vec![signed.replacen("w=333", "w=334", 1), signed, sign("/museum.jpg?h=77&blur=20", &["--key", "old"])];
    targets.extend(
        [
            "/museum.jpg",
            "/%6Duseum.jpg",
            "/museum.jpg?w=301&auto=format",
            "/museum.jpg?d=100",
            "/museum.jpg?p=thumb&dpr=1.5",
            "/museum.jpg?w=100&w=1",
            "/museum.jpg?rot=90",
            "/museum.jpg?w=100&h=5000",
            "/museum.jpg?fp-z=1",
            "/museum.jpg?w=100&s=abc",
            "/museum.jpg?w=abc",
            "/museum.jpg?utm=1&ar=16:9&w=300",
            "/.hidden?w=100",
            "/a//b",
            "/a/../b",
            "/%ff",
            "/",
            "/museum.jpg/-/rot90.webp",
        ]
        .map(str::to_owned),
    );
    targets.push(format!("/{}", "a".repeat(4_097)));

    let requests: Vec<Value> = targets
        .iter()
        .map(|target| {
            let (path, query) =
                target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
            json!({ "method": "GET", "uri": path, "query": query, "accept": [ACCEPT] })
        })
        .collect();
    let items = json!({ "signing.a": "hmac-sha256 0123456789abcdef", "signing.old": "imgix-md5 FOO123bar" });
    let Some(outcomes) = at_the_edge(&code, &items, &requests) else { return };
    let mut went_on = 0;
    for (target, edge) in targets.iter().zip(&outcomes) {
        let answer = request(&server.base, "GET", target, &[("Accept", ACCEPT)], b"");
        let status = answer.header("cache-status");
        match edge["path"].as_str() {
            Some(path) => {
                went_on += 1;
                assert_eq!(answer.status, 200, "{target}: {edge}");
                assert!(status.contains(&format!("key=\"{path}\"")), "{target}: {edge}, the server {status}");
            }
            None => {
                let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                assert_eq!(edge["status"], json!(answer.status), "{target}: {edge}, the server {status}");
                assert_eq!(edge["reason"], problem["reason"], "{target}");
                assert_eq!(edge["title"], problem["title"], "{target}");
                assert_eq!(edge["headers"]["content-type"]["value"], json!(answer.header("content-type")));
            }
        }
    }
    assert_eq!(went_on, 8, "{outcomes:?}");
    // The method, and HEAD, which has no body.
    let odd = [
        json!({ "method": "POST", "uri": "/museum.jpg", "query": null }),
        json!({ "method": "HEAD", "uri": "/", "query": null }),
    ];
    let outcomes = at_the_edge(&code, &items, &odd).expect("there was a node");
    let post = request(&server.base, "POST", "/museum.jpg", &[], b"");
    assert_eq!((&outcomes[0]["status"], &outcomes[0]["reason"]), (&json!(post.status), &json!("method")));
    assert_eq!(outcomes[0]["headers"]["allow"]["value"], json!(post.header("allow")));
    assert_eq!(outcomes[1]["status"], json!(404));
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let arguments = [&["cloudfront-function"], arguments].concat();
        let output = afterimage_testkit::run(BINARY, folder.path(), &arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let many: String = (0..200).map(|at| format!("preset-{at} = \"w=1{at:03}&h=100&fit=crop\"\n")).collect();
    let config = folder.path().join("many.toml");
    std::fs::write(&config, format!("[presets]\n{}", many)).expect("a file");
    let config = config.display().to_string();
    for (arguments, words) in [
        (&["--set", "imgproxy.path=/imgproxy/"][..], "imgproxy.path = \"/imgproxy/\""),
        (&["--set", "pass.origin=https://www.example.com/"], "pass.origin"),
        (&["--cheap"], "originals.mode = \"sanitised\""),
        (&["--config", &config], "presets (200 of them): "),
    ] {
        let (code, said) = run(arguments);
        assert!(code == Some(3) && said.contains(words), "{arguments:?}: {code:?} {said}");
    }
    assert_eq!(run(&["--originals-origin", "x"]).0, Some(2));
    let file = folder.path().join("rewrite.js").display().to_string();
    let (code, said) =
        run(&["--cheap", "--originals-origin", "pictures", "--set", "originals.mode=as-is", "-o", &file]);
    assert!(code == Some(0) && said.contains("note: --cheap") && said.contains("of 10240 bytes"), "{said}");
    let code = std::fs::read_to_string(file).expect("it was written");
    assert!(
        code.starts_with("import cf from 'cloudfront';\n") && code.contains("selectRequestOriginById(\"pictures\")")
    );
}
