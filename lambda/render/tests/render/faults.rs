//! Large answers, ends in the middle, events that are none, settings that cannot be.

use std::process::Command;

use afterimage_testkit::lambda::{Function, Outcome, Refused, bootstrap, url_event};
use afterimage_testkit::noise;
use serde_json::json;

use crate::world::{World, ask};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_megapixels_are_streamed_or_cut_and_never_half() {
    let world = World::new(&[]).await;
    let picture = noise(3464);
    assert!(picture.len() > 30_000_000, "far beyond what is answered in one piece: {}", picture.len());
    world.bucket.state().write("o/noise.png", &picture);
    let mut sandbox = world.function.start();
    sandbox.hold_at(Some(1_000_000));
    let invocation = sandbox.send(&url_event("GET", "/noise.png", &[]));
    invocation.came(1_000_000);
    match invocation.kill() {
        Outcome::Cut(bytes) => assert!(bytes.len() < picture.len(), "{}", bytes.len()),
        other => panic!("killed in the middle: {other:?}"),
    }
    sandbox.replace();
    let whole = sandbox.invoke(&url_event("GET", "/noise.png", &[]));
    let answer = whole.http();
    assert_eq!(answer.status(), 200);
    // Sanitised: a chunk less or more, and not a pixel.
    assert!(answer.body().len() > 30_000_000 && answer.body().starts_with(b"\x89PNG"), "{}", answer.body().len());
    assert_eq!(answer.headers()["content-length"], answer.body().len().to_string());
    eprintln!("{} MB: first byte {:?}, last {:?}", answer.body().len() / 1_000_000, whole.first_byte, whole.last_byte);
    // Stored once it settled, and the same bytes come from there.
    sandbox.settle();
    assert_eq!(world.stored().len(), 1);
    assert_eq!(ask(&mut world.function.start(), "GET", "/noise.png", &[]).body(), answer.body());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_fails_alone() {
    let world = World::new(&["rose.webp"]).await;
    let mut sandbox = world.function.start();
    for event in [json!({}), json!({ "Records": [] }), json!("text")] {
        match sandbox.send(&event).outcome() {
            Outcome::Failed { .. } => {}
            other => panic!("{event}: {other:?}"),
        }
    }
    let mut unreadable = url_event("GET", "/", &[]);
    unreadable["rawPath"] = "/a b".into();
    assert_eq!(sandbox.invoke(&unreadable).http().status(), 400);
    assert_eq!(ask(&mut sandbox, "GET", "/rose.webp", &[]).status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_be_are_an_error_of_the_start_with_their_remedies() {
    let function = Function::new(env!("CARGO_BIN_EXE_afterimage-render"));
    let refused = |function: Function| match function.try_start() {
        Err((Refused::Error(kind, body), log)) => {
            assert_eq!(kind, "Afterimage.Configuration");
            let words = body["errorMessage"].as_str().unwrap().to_owned();
            assert!(log.contains(&words), "{log}");
            words
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it started"),
    };
    let words = refused(function.clone());
    assert!(words.contains("source.url") && words.contains("derivatives.url"), "{words}");
    let words = refused(function.clone().with("AFTERIMAGE_SOURCE_DIRECTORY", "/tmp"));
    assert!(words.contains("source.directory") && words.contains("s3://"), "{words}");
    let words = refused(function.clone().with("AFTERIMAGE_CONFIG", "afterimage.toml"));
    assert!(words.contains("afterimage.toml"), "{words}");
    let text = b"[source]\nurl = \"s3://pictures/o\"\n[derivatives]\nurl = \"s3://pictures/o/d\"\n";
    let beside = function.file("afterimage.toml", text).with("AFTERIMAGE_CONFIG", "afterimage.toml");
    let words = refused(beside);
    assert!(words.contains("derivatives.url") && words.contains("touches"), "{words}");
}

#[test]
fn by_hand_it_says_what_it_is() {
    let output = Command::new(bootstrap(env!("CARGO_BIN_EXE_afterimage-render"))).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("AWS Lambda"));
}
