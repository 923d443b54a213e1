//! The function says of every request what the server says: generated code, run under a shim of CloudFront's runtime in Node,
//! against `variant` itself. And it is seen when a rule of the code is broken.

#[path = "agreement/mutants.rs"]
mod mutants;
#[path = "agreement/native.rs"]
mod native;
#[path = "agreement/policies.rs"]
mod policies;
#[path = "agreement/random.rs"]
mod random;
#[path = "agreement/requests.rs"]
mod requests;
#[path = "agreement/values.rs"]
mod values;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::process::{Child, Command, Stdio};

use afterimage_rewrite::{generate, readable};
use native::{Verdict, verdict};
use policies::{Case, cases};
use random::Random;
use requests::{Request, request};
use serde::Serialize;
use serde_json::json;

/// A function for Node.
#[derive(Serialize)]
struct Loaded {
    name: String,
    policy: usize,
    code: String,
    items: Option<BTreeMap<String, String>>,
    mutant: bool,
}

/// Node with the shim, or `None` where there is no Node; in CI there is.
fn node() -> Option<Child> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agreement/run.mjs");
    match Command::new("node").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
        Ok(child) => Some(child),
        Err(error) => {
            println!("!!! THE CLOUDFRONT FUNCTION WAS NOT RUN: there is no node here ({error}) !!!");
            assert!(std::env::var_os("CI").is_none(), "CI has node");
            None
        }
    }
}

/// A request and what the server says of it, as the scripts read it.
fn vector(random: &mut Random, at: usize, case: &Case) -> (serde_json::Value, String) {
    let request = request(random, &case.policy);
    // A key that is not in the store is no key, for the server too.
    let mut policy = case.policy.clone();
    policy.rules.keys.pop();
    let (first, second, word) = match verdict(&policy, &request) {
        Verdict::GoesOn { path, origin } => (json!(path), json!(origin), "goes on".to_owned()),
        Verdict::Refused { status, reason } => (json!(status), json!(reason), format!("{status} {reason}")),
    };
    let Request { method, path, query, host, accept, now_unix_s } = request;
    (json!([at, method, path, query, host, accept, now_unix_s, first, second]), word)
}

/// Sends functions and requests; whether Node has nothing to say against them, and what it says.
fn run(loaded: &[Loaded], cases: &[Case], seed: u64, requests: usize) -> Option<(bool, String)> {
    let mut child = node()?;
    let mut input = BufWriter::new(child.stdin.take().expect("stdin is piped"));
    let mut tally: BTreeMap<String, usize> = BTreeMap::new();
    writeln!(input, "{}", serde_json::to_string(loaded).expect("functions are JSON")).expect("node reads");
    let mut random = Random(seed);
    for at in (0..cases.len()).cycle().take(requests) {
        let (vector, word) = vector(&mut random, at, &cases[at]);
        *tally.entry(word).or_default() += 1;
        writeln!(input, "{vector}").expect("node reads");
    }
    input.flush().expect("node reads");
    drop(input);
    let output = child.wait_with_output().expect("node ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("seed {seed}, {requests} requests: {tally:?}\n{said}");
    // A generator that came to one thing alone would prove nothing.
    for (word, one_in) in [
        ("goes on", 5),
        ("400 bad-request", 20),
        ("403 forbidden", 50),
        ("404 not-found", 100),
        ("403 expired", 1_000),
        ("414 uri-too-long", 10_000),
    ] {
        assert!(tally.get(word).copied().unwrap_or(0) * one_in >= requests, "too few came to {word}: {tally:?}");
    }
    Some((output.status.success(), said))
}

#[test]
fn edge_and_server_agree() {
    let cases = cases();
    let mut loaded = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let uploaded = generate(&case.policy).unwrap_or_else(|obstacles| panic!("{}: {obstacles:?}", case.name));
        println!("{}: {} bytes", case.name, uploaded.len());
        for (form, code) in [("uploaded", uploaded), ("readable", readable(&case.policy).expect("as above"))] {
            let name = format!("{} ({form})", case.name);
            loaded.push(Loaded { name, policy: at, code, items: case.items.clone(), mutant: false });
        }
    }
    let long = std::env::var_os("AFTERIMAGE_LONG").is_some();
    let (seed, requests) = if long { (std::process::id().into(), 1_000_000) } else { (1, 44_000) };
    let Some((agree, said)) = run(&loaded, &cases, seed, requests) else { return };
    assert!(agree, "{said}");
}

#[test]
fn a_broken_rule_is_noticed() {
    let cases = cases();
    let broken = |(name, from, to): &(&str, &str, &str)| {
        let policy = cases.iter().position(|case| case.name == *name).expect("there is such a case");
        let code = readable(&cases[policy].policy).expect("it can be made");
        assert!(code.contains(from), "{name} has no `{from}`");
        let name = format!("{name}: `{from}` -> `{to}`");
        Loaded { name, policy, code: code.replacen(from, to, 1), items: cases[policy].items.clone(), mutant: true }
    };
    let mutants: Vec<Loaded> = mutants::MUTANTS.iter().map(broken).collect();
    let Some((all_noticed, said)) = run(&mutants, &cases, 2, 88_000) else { return };
    assert!(all_noticed, "{said}");
}

/// Another engine than V8, nearer to CloudFront's.
#[test]
fn njs_agrees() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut random = Random(3);
    for (at, case) in cases().iter().enumerate() {
        let vectors: Vec<_> = (0..300).map(|_| vector(&mut random, at, case).0).collect();
        let code = generate(&case.policy).expect("it can be made").replacen("import cf from 'cloudfront';", "", 1);
        let script = format!(
            "{}{code}\ncheck({}, {});\n",
            include_str!("agreement/njs.js"),
            json!(case.items),
            serde_json::Value::from(vectors)
        );
        let file = folder.join(format!("function-{at}.js"));
        std::fs::write(&file, script).expect("the folder can be written");
        let output = match Command::new("njs").arg(&file).output() {
            Ok(output) => output,
            Err(error) => {
                println!("!!! THE CLOUDFRONT FUNCTION WAS NOT RUN IN NJS: there is none here ({error}) !!!");
                assert!(std::env::var_os("CI").is_none(), "CI has njs");
                return;
            }
        };
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(said.trim_end().ends_with("300 verdicts, 0 wrong"), "{}: {said}", case.name);
    }
}
