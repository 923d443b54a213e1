//! Many ask, one fetches; and nobody is held up by another for long.

use std::sync::Arc;
use std::time::Duration;

use afterimage_edge::PassThrough;
use afterimage_origin::Error;
use bytes::Bytes;
use http::Response;

use crate::world::{Got, Slow, World, fields, ok, read, says, settle};

/// So many ask at once; returns once each has got as far as it can.
async fn crowd(world: &Arc<World>, count: usize, lines: &'static [&'static str]) -> Vec<tokio::task::JoinHandle<Got>> {
    let asking: Vec<_> = (0..count)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.ask("GET", "/a", lines).await })
        })
        .collect();
    settle().await;
    asking
}

#[tokio::test]
async fn one_fetch_answers_all() {
    let world = Arc::new(World::plain());
    world.origin.open(false);
    let asking = crowd(&world, 100, &[]).await;
    world.origin.next(ok("max-age=60", "one"));
    world.origin.open(true);
    let mut collapsed = 0;
    for got in asking {
        let got = got.await.unwrap();
        assert_eq!(got.body, "one");
        collapsed += usize::from(got.cache().contains("collapsed"));
    }
    assert_eq!((world.origin.seen().len(), collapsed), (1, 99));
}

#[tokio::test]
async fn answers_that_are_of_no_use_to_others_are_not_waited_for() {
    for cache_control in ["no-store", "private", "max-age=0", "no-cache"] {
        let world = Arc::new(World::plain());
        world.origin.always(move || says(200, &[&format!("cache-control: {cache_control}"), "etag: \"a\""], "one"));
        world.origin.open(false);
        let asking = crowd(&world, 20, &[]).await;
        assert_eq!(world.origin.seen().len(), 1);
        world.origin.open(true);
        for got in asking {
            assert_eq!(got.await.unwrap().body, "one", "{cache_control}");
        }
        // Now it is known: all ask at the same time.
        world.origin.open(false);
        let before = world.origin.seen().len();
        let asking = crowd(&world, 20, &[]).await;
        assert_eq!(world.origin.seen().len() - before, 20, "{cache_control}");
        world.origin.open(true);
        for got in asking {
            assert_eq!(got.await.unwrap().body, "one", "{cache_control}");
        }
    }
}

#[tokio::test]
async fn a_url_that_becomes_cacheable_is_cached() {
    let world = World::plain();
    world.origin.next(ok("no-store", "one"));
    world.get("/a").await;
    world.origin.next(ok("max-age=60", "two"));
    world.get("/a").await;
    assert!(world.get("/a").await.is_hit());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_stalled_fetch_for_ever() {
    let wait = Duration::from_secs(5);
    let world = Arc::new(World::new(PassThrough { collapse_wait: wait, ..PassThrough::default() }));
    let (stalled, body) = Slow::body();
    let mut response = Response::new(body);
    *response.headers_mut() = fields(&["cache-control: max-age=60"]);
    world.origin.next(Ok(response));
    world.origin.next(ok("max-age=60", "two"));
    let leader = world.begin("GET", "/a", &[]).await;
    let begun = tokio::time::Instant::now();
    let asking = crowd(&world, 1, &[]).await;
    for got in asking {
        assert_eq!(got.await.unwrap().body, "two");
    }
    assert_eq!(begun.elapsed().as_secs(), 5);
    stalled.send(Ok(Bytes::from_static(b"one"))).unwrap();
    drop(stalled);
    assert_eq!(read(leader).await.body, "one", "it goes on all the same");
}

#[tokio::test]
async fn a_leader_that_breaks_off_hands_over() {
    let world = Arc::new(World::plain());
    let (breaking, body) = Slow::body();
    let mut response = Response::new(body);
    *response.headers_mut() = fields(&["cache-control: max-age=60"]);
    world.origin.next(Ok(response));
    world.origin.always(|| ok("max-age=60", "two"));
    let leader = world.begin("GET", "/a", &[]).await;
    let asking = crowd(&world, 10, &[]).await;
    breaking.send(Ok(Bytes::from_static(b"on"))).unwrap();
    breaking.send(Err(std::io::Error::other("cut"))).unwrap();
    let leader = read(leader).await;
    assert_eq!((&*leader.body, leader.whole), ("on", false), "its viewer sees that it is not whole");
    for got in asking {
        let got = got.await.unwrap();
        assert_eq!((&*got.body, got.whole), ("two", true));
    }
    assert_eq!(world.origin.seen().len(), 2, "one of them leads for the others");
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_wait() {
    let world = Arc::new(World::plain());
    world.origin.always(|| Err(Error::Connect("refused".into())));
    world.origin.open(false);
    let asking = crowd(&world, 50, &[]).await;
    world.origin.open(true);
    for got in asking {
        assert_eq!(got.await.unwrap().status, 502);
    }
    assert_eq!(world.origin.seen().len(), 1);
}

#[tokio::test]
async fn a_fetch_goes_on_when_its_viewer_goes_away() {
    let world = Arc::new(World::plain());
    world.origin.open(false);
    world.origin.next(ok("max-age=60", "one"));
    let asking = crowd(&world, 1, &[]).await;
    asking[0].abort();
    world.origin.open(true);
    settle().await;
    assert!(world.get("/a").await.is_hit());
}

#[tokio::test]
async fn whoever_asks_for_another_answer_of_the_same_url_fetches_it() {
    let world = Arc::new(World::plain());
    world.origin.open(false);
    let one = crowd(&world, 3, &["foo: 1"]).await;
    let two = crowd(&world, 3, &["foo: 2"]).await;
    world.origin.always(|| says(200, &["cache-control: max-age=60", "vary: foo"], "x"));
    world.origin.open(true);
    for got in one.into_iter().chain(two) {
        assert_eq!(got.await.unwrap().status, 200);
    }
    assert_eq!(world.origin.seen().len(), 2);
}
