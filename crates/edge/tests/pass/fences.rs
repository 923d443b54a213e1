//! Every fence that names an answer of an origin holds for it, kept or on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use afterimage_identity::{CacheTag, Fence, Selector};

use crate::world::{World, says};

fn selectors() -> [(Selector, bool); 9] {
    let tag = |text: &str| Selector::Tag(CacheTag::parse(text).unwrap());
    [
        (Selector::Path("/a?q".into()), true),
        (Selector::Prefix("/a".into()), true),
        (Selector::All, true),
        (tag("one"), true),
        (tag("Two"), true),
        (tag("three"), true),
        (tag("four"), true),
        (tag("five"), false),
        (Selector::Path("/a".into()), false),
    ]
}

fn tagged(body: &str) -> crate::world::Says {
    let lines = [
        "cache-control: max-age=60",
        "vary: foo",
        "cache-tag: one",
        "surrogate-key: two other",
        "edge-cache-tag: three",
        "x-amz-meta-cache-tag: four",
    ];
    says(200, &lines, body)
}

#[tokio::test]
async fn a_kept_answer_is_not_served_after_its_fence() {
    for (selector, covers) in selectors() {
        let world = World::plain();
        world.origin.next(tagged("old"));
        world.ask("GET", "/a?q", &["foo: 1"]).await;
        assert!(world.ask("GET", "/a?q", &["foo: 1"]).await.is_hit());
        world.edge.cache().raise(&selector);
        world.origin.next(tagged("new"));
        let got = world.ask("GET", "/a?q", &["foo: 1"]).await;
        assert_eq!(got.body, if covers { "new" } else { "old" }, "{selector}");
    }
}

#[tokio::test]
async fn a_fetch_begun_before_its_fence_answers_nobody() {
    for (selector, covers) in selectors() {
        let world = Arc::new(World::plain());
        world.origin.next(tagged("old"));
        world.origin.always(|| tagged("new"));
        world.origin.open(false);
        let asking: Vec<_> = (0..5)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { world.ask("GET", "/a?q", &["foo: 1"]).await })
            })
            .collect();
        while world.origin.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        world.edge.cache().raise(&selector);
        world.origin.open(true);
        for got in asking {
            assert_eq!(got.await.unwrap().body, if covers { "new" } else { "old" }, "{selector}");
        }
        let later = world.ask("GET", "/a?q", &["foo: 1"]).await;
        assert_eq!(later.body, if covers { "new" } else { "old" }, "{selector}");
    }
}

#[tokio::test]
async fn a_304_that_was_asked_for_before_the_fence_revives_nothing() {
    let world = Arc::new(World::plain());
    world.origin.next(says(200, &["cache-control: max-age=1", "etag: \"a\""], "old"));
    world.get("/a").await;
    world.wait(5);
    world.origin.open(false);
    world.origin.next(says(304, &["cache-control: max-age=60"], ""));
    world.origin.next(says(200, &["cache-control: max-age=60"], "new"));
    let asking = tokio::spawn({
        let world = world.clone();
        async move { world.get("/a").await }
    });
    while world.origin.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    world.edge.cache().raise(&Selector::All);
    world.origin.open(true);
    assert_eq!(asking.await.unwrap().body, "new");
}

/// A change at the origin, then its fence, while many ask: whoever asks after the fence never sees what was before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_after_a_fence_sees_what_was_before_it() {
    let rounds = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 20_000 } else { 1_000 };
    let world = Arc::new(World::plain());
    world.origin.delay.store(5, SeqCst);
    let version = Arc::new(AtomicU64::new(0));
    let fenced = Arc::new(AtomicU64::new(0));
    let answers = Arc::new(AtomicU64::new(0));
    world.origin.always({
        let version = version.clone();
        // Some live long, some have to be asked about each time, some are of no use to others.
        move || {
            let now = version.load(SeqCst);
            let lines = ["max-age=1000", "no-cache", "no-store", "max-age=1000"];
            let line = format!("cache-control: {}", lines[now as usize % lines.len()]);
            says(200, &[&line, &format!("etag: \"{now}\""), "cache-tag: t", "vary: foo"], &now.to_string())
        }
    });
    let asking: Vec<_> = (0..8)
        .map(|asker| {
            let (world, fenced, answers) = (world.clone(), fenced.clone(), answers.clone());
            tokio::spawn(async move {
                let mut stale = 0;
                loop {
                    let floor = fenced.load(SeqCst);
                    let got = world.ask("GET", "/a", &[&format!("foo: {}", asker % 2)]).await;
                    // Where fences come faster than answers, that is said too.
                    answers.fetch_add(1, SeqCst);
                    if got.status == 200 && got.body.parse::<u64>().unwrap() < floor {
                        stale += 1;
                    }
                    if floor >= rounds {
                        return stale;
                    }
                }
            })
        })
        .collect();
    let selectors = [Selector::Path("/a".into()), Selector::Tag(CacheTag::parse("t").unwrap()), Selector::All];
    for round in 1..=rounds {
        version.store(round, SeqCst);
        world.edge.cache().raise(&selectors[round as usize % selectors.len()]);
        fenced.store(round, SeqCst);
        while answers.load(SeqCst) < 4 * round {
            tokio::task::yield_now().await;
        }
    }
    for asker in asking {
        assert_eq!(asker.await.unwrap(), 0, "answers from before a fence");
    }
}
