//! What an invalidation does to this edge, asked for as clients ask: which entries it takes, what it leaves, and when the
//! answer comes.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afterimage_control::Limits;
use afterimage_identity::{Original, OriginalKey, SourceId};
use afterimage_store::Read;
use afterimage_variant::Hosts;
use support::World;

const ACCEPTS: [&str; 3] = ["*/*", "image/webp", "image/avif,image/webp"];

fn tag(key: &str) -> String {
    format!("#{}", Original::new(SourceId::default(), OriginalKey::new(key).unwrap()).tag())
}

/// Fills the cache with the old picture in every format, replaces it, and invalidates; the window never passes, so nothing
/// but the invalidation can bring the new one.
async fn check(target: &str, key: &str, items: &[&str], matched: &[u64]) {
    let world = World::new();
    world.put(key, "old").await;
    for accept in ACCEPTS {
        assert_eq!(world.ask(target, accept).await, "old");
    }
    world.put(key, "new").await;
    for accept in ACCEPTS {
        assert_eq!(world.ask(target, accept).await, "old", "something else than the invalidation took it");
    }
    let reply = world.create("r", items).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    let expected: Vec<_> =
        items.iter().zip(matched).map(|(item, matched)| format!("\"{item}\";matched={matched}")).collect();
    assert_eq!(reply.header("afterimage-matched"), expected.join(", "));
    let fresh = if matched.iter().all(|matched| *matched == 0) { "old" } else { "new" };
    for accept in ACCEPTS {
        assert_eq!(world.ask(target, accept).await, fresh, "{target} {accept} after {items:?}");
    }
}

#[tokio::test]
async fn the_url_a_person_knows_takes_every_outcome_of_negotiation() {
    check("/p/museum.jpg?w=400&auto=format", "p/museum.jpg", &["/p/museum.jpg?w=400&auto=format"], &[3]).await;
    // Another spelling of the same.
    check("/p/museum.jpg?w=400&auto=format", "p/museum.jpg", &["/p/museum.jpg?auto=format&w=390"], &[3]).await;
    check("/p/museum.jpg?w=400&fm=webp", "p/museum.jpg", &["/p/museum.jpg/-/w400.webp"], &[1]).await;
    check("/p/caf%C3%A9.jpg?w=400&fm=webp", "p/café.jpg", &["/p/caf%C3%A9.jpg?fm=webp&w=400"], &[1]).await;
    check("/p/a~b.jpg?w=400&fm=webp", "p/a~b.jpg", &["/p/a%7Eb.jpg?fm=webp&w=400"], &[1]).await;
    check("/p/museum.jpg", "p/museum.jpg", &["/p/museum.jpg"], &[1]).await;
}

#[tokio::test]
async fn what_names_nothing_says_so_and_takes_nothing() {
    let target = "/p/museum.jpg?w=400&fm=webp";
    for item in
        ["/p/Museum.jpg?w=400&fm=webp", "/p/museum.jpg", "/p/museum.jpg?w=400", "/p/museum.jpg/", "/q*", "#none"]
    {
        check(target, "p/museum.jpg", &[item], &[0]).await;
    }
}

#[tokio::test]
async fn wildcards_and_tags_take_all_sizes() {
    let target = "/p/caf%C3%A9.jpg?w=400&auto=format";
    let key = "p/café.jpg";
    for item in [
        "/p/*",
        "/p/caf%C3%A9*",
        "/p/caf*",
        "/p/caf%C3%A9.jpg?*",
        "/p/caf%C3%A9.jpg?w=4*",
        "/p/caf=C3=A9.jpg/-/*",
        "/*",
    ] {
        check(target, key, &[item], &[3]).await;
    }
    check(target, key, &[&tag(key)], &[3]).await;
    check(target, key, &[&tag(key).to_uppercase()], &[3]).await;
    check(target, key, &["/nothing", "/p/*", &tag(key)], &[0, 3, 0]).await;
}

#[tokio::test]
async fn a_key_that_stands_as_a_digest_is_found_too() {
    let key = format!("p/{}.jpg", "x".repeat(300));
    let target = format!("/{key}?w=400&fm=webp");
    for item in [target.as_str(), "/p/*", "/p/xx*", &format!("/{key}?*"), &tag(&key)] {
        check(&target, &key, &[item], &[1]).await;
    }
}

#[tokio::test]
async fn no_derivative_is_deleted_and_an_original_less_so() {
    let world = World::new();
    world.put("a.jpg", "one").await;
    world.ask("/a.jpg?w=400&fm=webp", "*/*").await;
    let stored = async || world.derivatives.list("", None, 10).await.unwrap().entries.len();
    // The derivative is stored after the viewer has its answer.
    while stored().await == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.create("r", &["/*"]).await.status, 201);
    assert_eq!(world.purge("/*", &[]).await.status, 200);
    assert_eq!(stored().await, 1);
    assert_eq!(world.ask("/a.jpg?w=400&fm=webp", "*/*").await, "one");
}

#[tokio::test]
async fn purge_takes_a_path_or_tags_by_every_name() {
    let key = "p/museum.jpg";
    let tag = tag(key)[1..].to_owned();
    let by = |name: &'static str| ("/", vec![(name, tag.clone())]);
    for (target, headers) in [
        ("/p/museum.jpg?w=400&fm=webp", vec![]),
        ("/p/*", vec![]),
        by("cache-tag"),
        by("surrogate-key"),
        by("edge-cache-tag"),
        by("x-amz-meta-cache-tag"),
    ] {
        let world = World::new();
        world.put(key, "old").await;
        world.ask("/p/museum.jpg?w=400&fm=webp", "*/*").await;
        world.put(key, "new").await;
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let reply = world.purge(target, &headers).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(reply.header("afterimage-matched").ends_with(";matched=1"), "{:?}", reply.headers);
        assert_eq!(world.ask("/p/museum.jpg?w=400&fm=webp", "*/*").await, "new", "{target} {headers:?}");
    }
}

#[tokio::test]
async fn purge_is_off_by_default_and_behind_the_token() {
    let world = World::with(Default::default(), false);
    assert_eq!(world.purge("/a", &[]).await.status, 405);
    let world = World::new();
    let request = |target: &str, token: &str| {
        let request = http::Request::builder().method("PURGE").uri(target).header("host", support::HOST);
        let request = request.header("cache-tag", "a").header("authorization", token);
        request.body(axum::body::Body::empty()).unwrap()
    };
    // Paths that others need no token for are no way around it.
    for target in ["/a", "/healthz", "/readyz", "/2020-05-31/distribution"] {
        for wrong in ["", "Bearer wrong"] {
            assert_eq!(world.send(request(target, wrong)).await.status, 401, "{target}");
        }
    }
    assert_eq!(world.purge("/a~b", &[]).await.status, 400);
    assert_eq!(world.purge("/a", &[("cache-tag", ",")]).await.status, 400);
}

/// Invalidations at every moment of a slow fill. Nothing old may be answered to whoever asks after the acknowledgement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_old_is_answered_after_an_invalidation_during_a_slow_fill() {
    const FILL_US: u64 = 4_000;
    let trials = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1_000 } else { 100 };
    let world = Arc::new(World::new());
    world.slow_us.store(FILL_US, Ordering::Relaxed);
    let (key, target) = ("p/museum.jpg", "/p/museum.jpg?w=400&fm=webp");
    let stale = Arc::new(AtomicU64::new(0));
    let mut raced = 0;
    for trial in 0..trials {
        let (old, new) = (format!("old {trial}"), format!("new {trial}"));
        world.put(key, &old).await;
        assert_eq!(world.purge("/*", &[]).await.status, 200);
        let early = world.clone();
        let filling = tokio::spawn(async move { early.ask(target, "*/*").await });
        tokio::time::sleep(Duration::from_micros(trial * 7919 % (FILL_US * 5 / 4))).await;
        world.put(key, &new).await;
        let reply = match trial % 4 {
            0 => world.create(&trial.to_string(), &[target]).await,
            1 => world.create(&trial.to_string(), &["/p/*"]).await,
            2 => world.create(&trial.to_string(), &[&tag(key)]).await,
            _ => world.purge("/p/museum.jpg*", &[]).await,
        };
        assert!([200, 201].contains(&reply.status), "{}", reply.body);
        raced += u64::from(!filling.is_finished());
        let asking = (0..4).map(|_| {
            let (world, stale, old) = (world.clone(), stale.clone(), old.clone());
            tokio::spawn(async move {
                let answer = world.ask(target, "*/*").await;
                stale.fetch_add(u64::from(answer == old), Ordering::Relaxed);
            })
        });
        for asked in asking.collect::<Vec<_>>() {
            asked.await.unwrap();
        }
        filling.await.unwrap();
        assert_eq!(world.ask(target, "*/*").await, new, "the late fill put the old picture back");
    }
    println!(
        "{} stale of {trials}; {raced} fills were still under way when the answer came",
        stale.load(Ordering::Relaxed)
    );
    assert_eq!(stale.load(Ordering::Relaxed), 0);
    assert!(raced * 2 > trials, "only {raced} of {trials} raced: the test is too fast to show anything");
}

/// Whoever invalidates names the URL that they know, without the host: it is meant on every host, and so is its wildcard.
#[tokio::test]
async fn the_url_a_person_knows_is_meant_on_every_host() {
    let (one, two) = (["one.example".to_owned()], ["*.two.example".to_owned()]);
    let hosts = Hosts::new([("t/one/", &one[..]), ("t/t wo/", &two[..])]).unwrap();
    let world = World::of(afterimage_edge::Config { hosts, ..Default::default() }, Limits::default(), false);
    let keys = ["p.jpg", "t/one/p.jpg", "t/t wo/p.jpg", "t/one/q.jpg"];
    let asked = [
        ("localhost", "/p.jpg?w=400&auto=format"),
        ("one.example", "/p.jpg?w=400&auto=format"),
        ("x.two.example", "/p.jpg?w=400&auto=format"),
        ("one.example", "/q.jpg?w=400&auto=format"),
    ];
    for (round, (items, fresh)) in [
        (&["/p.jpg?w=400&auto=format"][..], &[0, 1, 2][..]),
        (&["/p.jpg*"], &[0, 1, 2]),
        (&["/q.jpg?w=4*"], &[3]),
        // By its canonical path, as the host is asked and as the whole has it.
        (&["/q.jpg/-/w400.webp"], &[3]),
        (&["/t/one/q.jpg/-/w400.webp"], &[3]),
        (&["/t/one/*"], &[1, 3]),
        (&[tag("t/one/p.jpg").as_str()], &[1]),
    ]
    .into_iter()
    .enumerate()
    {
        for key in keys {
            world.put(key, &format!("{key} {round} old")).await;
        }
        world.create(&format!("all {round}"), &["/*"]).await;
        for ((host, target), key) in asked.iter().zip(keys) {
            assert_eq!(world.ask_host(host, target, "image/webp").await, format!("{key} {round} old"));
            world.put(key, &format!("{key} {round} new")).await;
        }
        let reply = world.create(&format!("r{round}"), items).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        let matched = fresh.len();
        assert!(
            reply.header("afterimage-matched").ends_with(&format!("matched={matched}")),
            "{items:?} {:?}",
            reply.headers
        );
        for (at, ((host, target), key)) in asked.iter().zip(keys).enumerate() {
            let content = if fresh.contains(&at) { "new" } else { "old" };
            assert_eq!(
                world.ask_host(host, target, "image/webp").await,
                format!("{key} {round} {content}"),
                "{items:?}"
            );
        }
    }
}
