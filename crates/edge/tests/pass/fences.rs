//! Every fence that names an answer of an origin holds for it, kept or on its way.

use std::sync::Arc;

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
