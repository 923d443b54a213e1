//! What the function answers, and that it is what a server answers.

use std::collections::BTreeMap;

use afterimage_testkit::lambda::url_event;
use afterimage_testkit::size_of;

use crate::world::{World, ask, header};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_derivative_is_made_once_and_read_by_every_other_sandbox() {
    let world = World::new(&["museum.jpg"]).await;
    let mut first = world.function.start();
    assert_eq!(world.calls(), [""; 0], "nothing is asked before there is something to ask");
    let answered = first.invoke(&url_event("GET", "/museum.jpg/-/w320.webp", &[]));
    assert!(answered.streamed);
    let made = answered.http();
    assert_eq!((made.status().as_u16(), size_of(made.body())), (200, Some(("webp", 320, 240))));
    assert_eq!(header(&made, "content-type"), "image/webp");
    assert_eq!(header(&made, "cache-control"), "public, max-age=60, s-maxage=86400");
    assert_eq!(header(&made, "content-length"), made.body().len().to_string());
    assert!(header(&made, "cache-status").contains("detail=rendered"), "{made:?}");
    assert!(!header(&made, "cache-tag").is_empty());
    first.settle();
    let calls = ["HeadObject", "GetObject", "GetObject", "PutObject", "HeadObject"];
    assert_eq!(world.calls(), calls, "asked, looked for, read, stored, asked again");
    assert!(matches!(&world.stored()[..], [one] if one.starts_with("d/museum.jpg/-/w320.")), "{:?}", world.stored());

    let mut second = world.function.start();
    let read = second.invoke(&url_event("GET", "/museum.jpg/-/w320.webp", &[]));
    let stored = read.http();
    assert!(header(&stored, "cache-status").contains("detail=stored-derivative"), "{stored:?}");
    assert_eq!((stored.body(), header(&stored, "etag")), (made.body(), header(&made, "etag")));
    second.settle();
    assert_eq!(world.calls(), ["HeadObject", "GetObject"]);
    eprintln!(
        "start to first question {:?} and {:?}; made {:?} (first byte {:?}), read {:?}",
        first.init, second.init, answered.last_byte, answered.first_byte, read.last_byte
    );
    for sandbox in [&first, &second] {
        let files: Vec<_> = std::fs::read_dir(sandbox.root()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["bootstrap"], "nothing is written there");
    }
}

/// Everything that is said, but for the times and for where it came from.
fn said<B: Clone + Into<Vec<u8>>>(answer: &http::Response<B>) -> (u16, BTreeMap<String, String>, Vec<u8>) {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in answer.headers() {
        let known = headers.entry(name.to_string()).or_default();
        known.push_str(if known.is_empty() { "" } else { ", " });
        known.push_str(value.to_str().unwrap());
    }
    headers.remove("server-timing");
    headers.remove("cache-status");
    (answer.status().as_u16(), headers, answer.body().clone().into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_and_headers_are_those_of_a_server() {
    let world = World::new(&["flower.jpg", "rose.webp", "paper.png"]).await;
    world.bucket.state().write("o/words.jpg", b"these are no pixels");
    let mut sandbox = world.function.start();
    let server = world.server();
    let etag = header(&ask(&mut sandbox, "GET", "/flower.jpg/-/w200.jpg", &[]), "etag").to_owned();
    let origin = ("origin", "https://elsewhere.example");
    for (method, target, headers) in [
        ("GET", "/flower.jpg/-/w200.jpg", vec![]),
        ("GET", "/flower.jpg/-/w200.jpg", vec![origin]),
        ("GET", "/flower.jpg/-/w200.jpg", vec![("range", "bytes=10-19")]),
        ("GET", "/flower.jpg/-/w200.jpg", vec![("range", "bytes=99999999-")]),
        ("GET", "/flower.jpg/-/w200.jpg", vec![("if-match", "\"another\"")]),
        ("GET", "/flower.jpg/-/w200.jpg", vec![("if-none-match", "\"another\"")]),
        ("HEAD", "/flower.jpg/-/w200.jpg", vec![]),
        ("HEAD", "/flower.jpg", vec![]),
        ("GET", "/flower.jpg", vec![]),
        ("GET", "/rose.webp", vec![]),
        ("GET", "/rose.webp/-/w100.avif", vec![]),
        ("GET", "/paper.png/-/w333-h111-crop.webp", vec![]),
        ("GET", "/gone.jpg", vec![]),
        ("HEAD", "/gone.jpg", vec![]),
        ("GET", "/gone.jpg/-/w200.jpg", vec![origin]),
        ("GET", "/words.jpg", vec![]),
        ("GET", "/words.jpg/-/w200.jpg", vec![]),
        ("GET", "/flower.jpg?w=abc", vec![]),
        ("GET", "/", vec![]),
        ("OPTIONS", "/flower.jpg", vec![origin]),
        ("POST", "/flower.jpg", vec![]),
    ] {
        let ours = said(&ask(&mut sandbox, method, target, &headers));
        sandbox.settle();
        let mut theirs = said(&server.answer(method, target, &headers).await);
        // The library says it of what has no type.
        let is_typed = theirs.1.contains_key("content-type");
        if !is_typed {
            let made_up = if target.starts_with("/flower.jpg/-/") { "image/jpeg" } else { "application/octet-stream" };
            theirs.1.insert("content-type".into(), made_up.into());
        }
        assert_eq!(ours, theirs, "{method} {target} {headers:?}");
    }
    // Not to be compared as a whole: what the CDN keeps must stay what it is.
    let not_modified = ask(&mut sandbox, "GET", "/flower.jpg/-/w200.jpg", &[("if-none-match", &etag)]);
    assert_eq!((not_modified.status().as_u16(), not_modified.body().len()), (304, 0));
    assert_eq!((header(&not_modified, "etag"), header(&not_modified, "content-type")), (&*etag, "image/jpeg"));
    assert!(header(&not_modified, "cache-control").contains("s-maxage=86400"), "{not_modified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_said_to_be_reached_by_the_cdn_alone_trusts_paths() {
    let world = World::new(&["flower.jpg"]).await;
    // On no ladder.
    let target = "/flower.jpg/-/w333.jpg";
    assert_eq!(ask(&mut world.function.start(), "GET", target, &[]).status(), 200);
    let public = world.function.clone().with("AFTERIMAGE_SERVER_TRUST", "public");
    let refused = ask(&mut public.start(), "GET", target, &[]);
    assert!(refused.status().is_client_error(), "{refused:?}");
    let beyond = ask(&mut world.function.start(), "GET", "/flower.jpg/-/w99999.jpg", &[]);
    assert!(beyond.status().is_client_error(), "the hard limits hold: {beyond:?}");
}
