//! Caches in front that are told over https: Cloudflare and a webhook. What is not the server it says it is learns nothing, and
//! the receipt stays open.

use std::process::Command;
use std::time::{Duration, Instant};

use afterimage_testkit::{get, pictures};

use crate::world::{Serving, authority, start};

/// Cloudflare's API and a webhook in one: both take a JSON body, and only with their proof of who asks.
fn take(head: &str, body: &[u8]) -> Vec<u8> {
    let lower = head.to_ascii_lowercase();
    let is_purge = head.starts_with("POST /client/v4/zones/zone/purge_cache ");
    let is_shown = if is_purge {
        lower.contains("authorization: bearer token\r\n")
    } else {
        lower.contains("afterimage-signature: t=")
    };
    let is_told = serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body["tags"][0].is_string());
    let status = if is_shown && is_told { "200 OK" } else { "403 Forbidden" };
    let body = "{\"success\":true,\"errors\":[],\"messages\":[],\"result\":{\"id\":\"1\"}}";
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The layers of the newest receipt, once each is `done` or has said why it waits.
fn layers(home: &std::path::Path, source: &str) -> Vec<(String, String)> {
    let begun = Instant::now();
    loop {
        let output = Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .args(["--source", source, "receipts", "--json", "--limit", "1"])
            .envs(["XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"].map(|name| (name, home.join(name))))
            .output()
            .expect("the binary runs");
        let receipts: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let all = receipts[0]["layers"].as_array().cloned().unwrap_or_default();
        let outer: Vec<_> = all
            .iter()
            .filter(|layer| ["flare", "hook"].contains(&layer["name"].as_str().unwrap_or_default()))
            .map(|layer| {
                let said = layer["last_error"].as_str().or(layer["state"].as_str()).unwrap_or_default();
                (layer["name"].as_str().unwrap_or_default().to_owned(), said.to_owned())
            })
            .collect();
        if outer.len() == 2 && outer.iter().all(|(_, said)| said != "waiting") {
            return outer;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{receipts:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn cloudflare_and_a_webhook_are_told_over_tls_and_nobody_in_their_place() {
    let (ours, issuer) = authority();
    let (theirs, _) = authority();
    let port = start(&issuer, take).port();
    for (name, trusted, host, words) in [
        ("trusted", &ours, "localhost", "done"),
        ("an authority that is not trusted", &theirs, "localhost", "certificate"),
        ("another name than the certificate's", &ours, "127.0.0.1", "certificate"),
    ] {
        let home = tempfile::tempdir().expect("a folder");
        let (originals, trusts) = (home.path().join("pictures"), home.path().join("trusted.pem"));
        std::fs::create_dir(&originals).expect("a new folder");
        std::fs::copy(pictures().join("museum.jpg"), originals.join("a.jpg")).expect("a sample picture");
        std::fs::write(&trusts, trusted).expect("a new file");
        let cdn = format!(
            "cdn=name=flare kind=cloudflare zone=zone secret=token plan=enterprise \
             endpoint=https://{host}:{port}/client/v4 name=hook kind=webhook secret=secret url=https://{host}:{port}/forget"
        );
        let source = originals.display().to_string();
        let server = Serving::start(home.path(), &source, &trusts, &[&cdn]);
        assert_eq!(get(&server.base, "/a.jpg?w=400").status, 200);
        std::fs::remove_file(originals.join("a.jpg")).expect("it was there");
        let layers = layers(home.path(), &source);
        for (layer, said) in layers {
            assert!(said.to_lowercase().contains(words), "{name}: {layer}: {said}");
        }
    }
}
