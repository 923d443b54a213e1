//! What is stored answers, or does not.

use crate::world::{World, ok, says};

#[tokio::test]
async fn a_fresh_answer_is_given_again_and_grows_older() {
    let world = World::plain();
    world.origin.next(says(
        200,
        &["cache-control: max-age=60", "age: 7", "x-other: 1", "content-type: text/plain"],
        "one",
    ));
    let first = world.get("/a?b").await;
    assert_eq!((first.status, &*first.body, first.cache()), (200, "one", "fwd=uri-miss; fwd-status=200; stored"));
    world.wait(5);
    let again = world.get("/a?b").await;
    assert_eq!((again.status, &*again.body, again.cache()), (200, "one", "hit; ttl=48; detail=memory"));
    assert_eq!([again.header("age"), again.header("x-other"), again.header("content-length")], ["12", "1", "3"]);
    world.wait(48);
    world.origin.next(ok("max-age=60", "two"));
    let late = world.get("/a?b").await;
    assert_eq!((&*late.body, late.cache()), ("two", "fwd=stale; fwd-status=200; stored"));
    assert_eq!(world.get("/a?c").await.status, 404, "another query is another answer");
    assert_eq!(world.origin.seen().len(), 3);
}

#[tokio::test]
async fn what_may_not_be_kept_is_not() {
    for lines in [
        &["cache-control: no-store"][..],
        &["cache-control: private, max-age=60"],
        &["cache-control: max-age=60", "vary: *"],
        &["cache-control: no-cache"],
        &[],
    ] {
        let world = World::plain();
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        world.origin.always(move || says(200, &lines.iter().map(String::as_str).collect::<Vec<_>>(), "one"));
        world.get("/a").await;
        assert!(!world.get("/a").await.is_hit());
        assert_eq!(world.origin.seen().len(), 2);
    }
}

#[tokio::test]
async fn an_authorised_answer_is_for_all_only_if_it_says_so() {
    for (cache_control, shared) in [("max-age=60", false), ("max-age=60, public", true), ("s-maxage=60", true)] {
        let world = World::plain();
        world.origin.always(move || ok(cache_control, "one"));
        world.ask("GET", "/a", &["authorization: me"]).await;
        assert_eq!(world.origin.last().header("authorization"), "me");
        assert_eq!(world.get("/a").await.is_hit(), shared, "{cache_control}");
    }
}

#[tokio::test]
async fn several_answers_of_one_url_are_told_apart() {
    let world = World::plain();
    for body in ["one", "two", "none"] {
        world.origin.next(says(200, &["cache-control: max-age=60", "vary: Foo"], body));
    }
    for lines in [&["foo: 1"][..], &["foo: 2"], &[]] {
        world.ask("GET", "/a", lines).await;
    }
    for (lines, want) in [(&["foo: 1", "bar: x"][..], "one"), (&["foo: 2"], "two"), (&[], "none")] {
        let got = world.ask("GET", "/a", lines).await;
        assert_eq!((&*got.body, got.is_hit()), (want, true), "{lines:?}");
    }
    world.origin.next(says(200, &["cache-control: max-age=60", "vary: Bar"], "three"));
    let got = world.ask("GET", "/a", &["foo: 3", "bar: y"]).await;
    assert_eq!((&*got.body, got.cache()), ("three", "fwd=vary-miss; fwd-status=200; stored"));
    let got = world.ask("GET", "/a", &["foo: 3", "bar: y"]).await;
    assert_eq!((&*got.body, got.is_hit()), ("three", true), "selected by other fields than its elders");
}

#[tokio::test]
async fn a_viewers_conditions_and_ranges_are_met_from_what_is_stored() {
    let world = World::plain();
    world.origin.next(says(200, &["cache-control: max-age=60", "etag: \"a\"", "content-type: x/y"], "0123456789"));
    world.get("/a").await;
    for (lines, status, body, range) in [
        (&["if-none-match: \"a\""][..], 304, "", ""),
        (&["if-none-match: \"b\""], 200, "0123456789", ""),
        (&["range: bytes=2-4"], 206, "234", "bytes 2-4/10"),
        (&["range: bytes=-2"], 206, "89", "bytes 8-9/10"),
        (&["range: bytes=10-"], 416, "", "bytes */10"),
        (&["range: bytes=0-1,3-4"], 200, "0123456789", ""),
        (&["range: bytes=2-4", "if-range: \"a\""], 206, "234", "bytes 2-4/10"),
        (&["range: bytes=2-4", "if-range: \"b\""], 200, "0123456789", ""),
        (&["range: bytes=2-4", "if-none-match: \"a\""], 304, "", ""),
    ] {
        let got = world.ask("GET", "/a", lines).await;
        assert_eq!((got.status, &*got.body, got.header("content-range")), (status, body, range), "{lines:?}");
        assert_eq!(got.header("etag"), "\"a\"", "{lines:?}");
        assert!(got.is_hit(), "{lines:?}");
    }
    let head = world.ask("HEAD", "/a", &[]).await;
    assert_eq!((head.status, &*head.body, head.header("content-length")), (200, "", "10"));
    assert_eq!(world.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_part_is_never_taken_for_the_whole() {
    let world = World::plain();
    world.origin.next(says(206, &["cache-control: max-age=60", "content-range: bytes 0-1/10"], "01"));
    let part = world.ask("GET", "/a", &["range: bytes=0-1"]).await;
    assert_eq!((part.status, world.origin.last().header("range")), (206, "bytes=0-1"));
    world.origin.next(ok("max-age=60", "0123456789"));
    assert_eq!(world.get("/a").await.body, "0123456789");
}

#[tokio::test]
async fn requests_say_what_is_good_enough() {
    let world = World::plain();
    world.origin.always(|| ok("max-age=60", "one"));
    assert_eq!(world.ask("GET", "/a", &["cache-control: only-if-cached"]).await.status, 504);
    assert!(world.origin.seen().is_empty());
    world.get("/a").await;
    world.wait(10);
    for (line, forwarded) in [
        ("only-if-cached", ""),
        ("max-age=5", "fwd=request; fwd-status=200; stored"),
        ("min-fresh=61", "fwd=request; fwd-status=200; stored"),
        ("no-cache", "fwd=request; fwd-status=200; stored"),
    ] {
        let got = world.ask("GET", "/a", &[&format!("cache-control: {line}")]).await;
        assert_eq!(got.cache().trim_start_matches("hit; ttl=50; detail=memory"), forwarded, "{line}");
        world.wait(10);
        world.get("/b").await;
        world.wait(50);
        world.get("/a").await;
        world.wait(10);
    }
    world.wait(60);
    let stale = world.ask("GET", "/a", &["cache-control: max-stale=60"]).await;
    assert_eq!(stale.cache(), "hit; ttl=-10; detail=stale");
}

#[tokio::test]
async fn pictures_stay_pictures() {
    let world = World::plain();
    world.origin.always(|| ok("max-age=60", "one"));
    for (method, target, passes) in [
        ("GET", "/a.jpg", false),
        ("GET", "/a.JPEG?w=100", false),
        ("HEAD", "/a.avif", false),
        ("GET", "/a/-/w100.webp", false),
        ("GET", "/a.html", true),
        ("GET", "/", true),
        ("GET", "/jpg", true),
        ("PUT", "/a.jpg", true),
    ] {
        let before = world.origin.seen().len();
        world.ask(method, target, &[]).await;
        assert_eq!(world.origin.seen().len() > before, passes, "{method} {target}");
    }
}
