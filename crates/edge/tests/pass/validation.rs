//! Asking again, standing in for an origin that fails, and what HEAD and unsafe methods do to what is stored.

use std::time::Duration;

use afterimage_edge::PassThrough;
use afterimage_origin::{Error, Phase};

use crate::world::{World, ok, says, settle};

#[tokio::test]
async fn a_304_makes_a_stale_answer_fresh_with_new_fields() {
    let world = World::plain();
    world.origin.next(says(200, &["cache-control: max-age=1", "etag: \"a\"", "test: 1"], "one"));
    world.get("/a").await;
    world.wait(2);
    world.origin.next(says(304, &["cache-control: max-age=60", "etag: \"a\"", "test: 2"], ""));
    let got = world.ask("GET", "/a", &["if-none-match: \"z\""]).await;
    assert_eq!(world.origin.last().header("if-none-match"), "\"a\"");
    assert_eq!((got.status, &*got.body, got.header("test")), (200, "one", "2"));
    assert_eq!(got.cache(), "fwd=stale; fwd-status=304; ttl=60; stored; detail=revalidated");
    world.wait(59);
    let again = world.get("/a").await;
    assert_eq!((&*again.body, again.header("test"), again.is_hit()), ("one", "2", true));
}

#[tokio::test]
async fn a_304_about_another_answer_is_not_believed() {
    let world = World::plain();
    world.origin.next(says(200, &["cache-control: max-age=1", "etag: \"a\""], "one"));
    world.get("/a").await;
    world.wait(2);
    world.origin.next(says(304, &["etag: \"b\""], ""));
    world.origin.next(ok("max-age=60", "two"));
    assert_eq!(world.get("/a").await.body, "two");
    assert_eq!(world.origin.last().header("if-none-match"), "");
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_goes_to_whoever_did() {
    let world = World::plain();
    world.origin.next(says(304, &["etag: \"a\""], ""));
    let got = world.ask("GET", "/a", &["if-none-match: \"a\""]).await;
    assert_eq!((got.status, world.origin.last().header("if-none-match")), (304, "\"a\""));
    world.origin.next(ok("max-age=60", "one"));
    assert_eq!(world.get("/a").await.body, "one");
}

#[tokio::test]
async fn a_stale_answer_stands_in_as_long_as_allowed() {
    for (cache_control, allowed, works) in [
        ("max-age=1, stale-if-error=60", 0, true),
        ("max-age=1", 60, true),
        ("max-age=1", 0, false),
        ("max-age=1, must-revalidate", 60, false),
        ("s-maxage=1", 60, false),
    ] {
        let failures: [fn() -> crate::world::Says; 2] =
            [|| Err(Error::Connect("refused".into())), || says(503, &[], "broken")];
        for fails in failures {
            let world =
                World::new(PassThrough { stale_if_error: Duration::from_secs(allowed), ..PassThrough::default() });
            world.origin.next(ok(cache_control, "one"));
            world.origin.always(fails);
            world.get("/a").await;
            world.wait(10);
            let got = world.get("/a").await;
            assert_eq!(got.body == "one", works, "{cache_control}, {allowed}: {got:?}");
            assert_eq!(got.status == 200, works, "{cache_control}, {allowed}");
        }
    }
}

#[tokio::test]
async fn a_stale_answer_is_given_once_more_while_it_is_renewed() {
    let world = World::plain();
    world.origin.next(ok("max-age=1, stale-while-revalidate=60", "one"));
    world.get("/a").await;
    world.wait(10);
    world.origin.next(ok("max-age=60", "two"));
    world.origin.open(false);
    for _ in 0..3 {
        let got = world.get("/a").await;
        assert_eq!((&*got.body, got.cache()), ("one", "hit; ttl=-9; detail=stale"));
    }
    settle().await;
    assert_eq!(world.origin.seen().len(), 2, "one renews it for all");
    world.origin.open(true);
    settle().await;
    assert_eq!(world.get("/a").await.body, "two");
}

#[tokio::test]
async fn failures_have_their_statuses() {
    for (error, status) in [
        (Error::Connect("10.0.0.1: refused".into()), 502),
        (Error::Malformed("x".into()), 502),
        (Error::Timeout { phase: Phase::FirstByte }, 504),
        (Error::Busy, 503),
        (Error::Open { retry_after: Duration::from_secs(9) }, 503),
        (Error::Request("x".into()), 400),
        (Error::Loop { hops: 20 }, 508),
    ] {
        let world = World::plain();
        world.origin.next(Err(error.clone()));
        let got = world.get("/a").await;
        assert_eq!(got.status, status, "{error}");
        assert!(!got.body.contains("10.0.0.1"), "{}", got.body);
        assert_eq!(got.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn head_updates_what_get_left_or_takes_it_away() {
    for (status, line, want) in [
        (200, "cache-control: max-age=60", "one"),
        (200, "etag: \"b\"", "two"),
        (410, "x: y", "two"),
        (503, "x: y", "two, but asked"),
    ] {
        let world = World::plain();
        world.origin.next(says(200, &["cache-control: max-age=1", "etag: \"a\""], "one"));
        world.get("/a").await;
        world.wait(5);
        world.origin.next(says(status, &[line], ""));
        let head = world.ask("HEAD", "/a", &[]).await;
        assert_eq!((head.status, world.origin.last().method.as_str()), (status, "HEAD"));
        world.origin.next(ok("max-age=60", "two"));
        let got = world.get("/a").await;
        assert_eq!(got.body, want.split(',').next().unwrap(), "{status} {line}");
        // Taken away means that nothing is asked about it any more.
        let asked = world.origin.last().header("if-none-match") == "\"a\"";
        assert_eq!(asked, want.contains("asked"), "{status} {line}");
    }
}

#[tokio::test]
async fn a_successful_change_invalidates_before_it_is_answered() {
    for (method, status, line, gone) in [
        ("POST", 200, "x: y", &["/a?q"][..]),
        ("PUT", 204, "location: /b", &["/a?q", "/b"]),
        ("DELETE", 200, "content-location: b", &["/a?q", "/b"]),
        ("M-SEARCH", 200, "location: http://edge.example/b", &["/a?q", "/b"]),
        ("POST", 200, "location: http://elsewhere.example/b", &["/a?q"]),
        ("POST", 500, "location: /b", &[]),
        ("POST", 404, "location: /b", &[]),
        ("OPTIONS", 200, "location: /b", &[]),
    ] {
        let world = World::plain();
        world.origin.always(|| says(200, &["cache-control: max-age=60", "vary: foo"], "one"));
        for target in ["/a?q", "/b"] {
            world.get(target).await;
            world.ask("GET", target, &["foo: 1"]).await;
        }
        world.origin.next(says(status, &[line], ""));
        world.ask(method, "/a?q", &[]).await;
        for target in ["/a?q", "/b"] {
            for lines in [&[][..], &["foo: 1"]] {
                let hit = world.ask("GET", target, lines).await.is_hit();
                assert_eq!(hit, !gone.contains(&target), "{method} {status} {line}: {target} {lines:?}");
            }
        }
    }
}
