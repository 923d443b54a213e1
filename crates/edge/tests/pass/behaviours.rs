//! CloudFront's behaviours, and the keys of the published edge functions.

use std::time::Duration;

use afterimage_cache::http::{Behaviour, ErrorTtl, KeyParts, Pattern, Ttl};
use afterimage_edge::{Config, Door, PassThrough, Rewrite, Route, Serves};
use afterimage_identity::{Fence, Original, OriginalKey, Selector, SourceId};
use afterimage_store::{Meta, Write};
use afterimage_variant::{Policy, Rules};
use bytes::Bytes;
use http::StatusCode;

use crate::world::{World, ok, says};

fn route(pattern: &str, behaviour: Behaviour) -> Route {
    Route { behaviour: Behaviour { pattern: Pattern::new(pattern).unwrap(), ..behaviour }, ..Route::default() }
}

fn with(routes: Vec<Route>) -> World {
    World::new(PassThrough { routes, ..PassThrough::default() })
}

#[tokio::test]
async fn the_first_pattern_that_fits_says_how_long() {
    let ttl =
        |min, default| Ttl { min: Duration::from_secs(min), default: Duration::from_secs(default), ..Ttl::default() };
    let errors = vec![ErrorTtl { status: StatusCode::NOT_FOUND, ttl: Duration::from_secs(10) }];
    let world = with(vec![
        route("/min/*", Behaviour { ttl: ttl(100, 0), ..Behaviour::default() }),
        route("/default/*", Behaviour { ttl: ttl(0, 100), ..Behaviour::default() }),
        route("/errors/*", Behaviour { errors, ..Behaviour::default() }),
    ]);
    for (target, status, line, kept_s) in [
        ("/min/a", 200, "cache-control: no-store", 100),
        ("/min/b", 200, "cache-control: max-age=5", 100),
        ("/default/a", 200, "x: y", 100),
        ("/default/b", 200, "cache-control: no-store", 0),
        ("/errors/a", 404, "x: y", 10),
        ("/other/a", 200, "x: y", 0),
    ] {
        world.origin.next(says(status, &[line], "one"));
        world.get(target).await;
        for (wait, hit) in [(kept_s.max(1) - 1, kept_s > 0), (1, false)] {
            world.wait(wait);
            if !hit {
                world.origin.next(says(599, &[], "other"));
            }
            assert_eq!(world.get(target).await.is_hit(), hit, "{target} {line} after {wait}");
        }
    }
}

#[tokio::test]
async fn the_key_has_what_is_listed_and_the_origin_gets_no_other_query() {
    let world = with(vec![route(
        "/a*",
        Behaviour {
            query: KeyParts::Only(vec!["d".into()]),
            headers: vec!["x-kind".parse().unwrap()],
            cookies: KeyParts::Only(vec!["c".into()]),
            ..Behaviour::default()
        },
    )]);
    world.origin.always(|| ok("max-age=60", "one"));
    world.ask("GET", "/a?d=1&utm=2", &["x-kind: 1", "cookie: c=1"]).await;
    assert_eq!(world.origin.last().target, "/a?d=1");
    for (target, lines, hit) in [
        ("/a?utm=3&d=1", &["x-kind: 1", "cookie: other=2; c=1"][..], true),
        ("/a?d=2", &["x-kind: 1", "cookie: c=1"], false),
        ("/a?d=1", &["x-kind: 2", "cookie: c=1"], false),
        ("/a?d=1", &["x-kind: 1", "cookie: c=2"], false),
        ("/a?d=1", &["x-kind: 1"], false),
    ] {
        assert_eq!(world.ask("GET", target, lines).await.is_hit(), hit, "{target} {lines:?}");
    }
    let raised = world.edge.cache().raise(&Selector::Path("/a?d=1".into()));
    assert_eq!(raised.matched, 4, "a path names every header and cookie variant of it");
}

#[tokio::test]
async fn a_behaviour_says_who_answers() {
    let serves = |pattern: &str, serves| Route { serves, ..route(pattern, Behaviour::default()) };
    let world = with(vec![serves("/files/*", Serves::Origin), serves("/pictures/*", Serves::Pictures)]);
    for (target, passes) in [("/files/a.jpg", true), ("/pictures/a", false), ("/a.jpg", false), ("/a", true)] {
        let before = world.origin.seen().len();
        world.get(target).await;
        assert_eq!(world.origin.seen().len() > before, passes, "{target}");
    }
}

/// The story of the published recipe, in the order it is lived: the query that stays behind the rewritten path keeps the
/// old picture, and only a wildcard or a tag reaches it.
#[tokio::test]
async fn an_exact_path_without_the_query_that_is_in_the_key_invalidates_nothing() {
    let original = Original::new(SourceId::default(), OriginalKey::new("image/test.jpg").unwrap());
    let exact = |path: &str| Selector::Path(path.to_owned());
    for (rewrite, key, story) in [
        (
            Rewrite::Dims,
            "/image/100x100/jpg/test.jpg?d=100",
            vec![
                (exact("/image/100x100/jpg/test.jpg"), 0),
                (exact("/image/test.jpg?d=100"), 0),
                (exact("/image/100x100/jpg/test.jpg?d=100"), 1),
                (Selector::Prefix("/image/100x100/jpg/test.jpg".into()), 1),
                (Selector::Tag(original.tag()), 1),
            ],
        ),
        (
            Rewrite::None,
            "/image/test.jpg/-/w100.h100.crop.same",
            vec![(Selector::Prefix("/image/test.jpg/-/".into()), 1), (Selector::Tag(original.tag()), 1)],
        ),
    ] {
        let behaviour = Behaviour { query: KeyParts::Only(vec!["d".into()]), ..Behaviour::default() };
        let routes = vec![Route { rewrite, ..route("/image/*", behaviour) }];
        let rules = Rules { policy: Policy::dims(), ..Rules::default() };
        let pass = Some(PassThrough { routes, ..PassThrough::default() });
        let world = World::of(Config { pass, rules, show_cache_key: true, ..Config::default() });
        let jpeg = Bytes::from_static(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00");
        world.originals.put("image/test.jpg", Meta::default(), jpeg).await.unwrap();
        for (selector, matched) in story {
            let made = world.get("/image/test.jpg?d=100").await;
            assert_eq!((made.status, &*made.body), (200, "made"), "{made:?}");
            let kept = world.get("/image/test.jpg?d=100").await;
            assert!(kept.cache().starts_with("hit"), "{kept:?}");
            if rewrite == Rewrite::Dims {
                assert!(kept.cache().ends_with(&format!("key=\"{key}\"")), "{kept:?}");
            }
            assert_eq!(world.edge.cache().raise(&selector).matched, matched, "{selector}");
            let after = world.get("/image/test.jpg?d=100").await;
            assert_eq!(after.cache().starts_with("hit"), matched == 0, "{selector}: {after:?}");
        }
    }
}

#[tokio::test]
async fn a_rewritten_key_never_stands_for_two_pictures() {
    let behaviour = Behaviour { query: KeyParts::Only(vec!["d".into()]), ..Behaviour::default() };
    let routes = vec![Route { rewrite: Rewrite::Dims, ..route("/image/*", behaviour) }];
    let pass = Some(PassThrough { routes, ..PassThrough::default() });
    let world = World::of(Config { pass, ..Config::default() });
    for (target, key) in [
        ("/image/a.jpg?d=100x100", "/image/100x100/jpg/a.jpg?d=100x100"),
        ("/image/a.JPG?d=100x100&q=50", "/image/a.JPG/-/"),
        ("/image/a.jpg?q=50&d=100x100", "/image/a.jpg/-/"),
        ("/image/a.jpg?w=100", "/image/a.jpg/-/"),
        ("/other/a.jpg?d=100x100", "/other/a.jpg/-/"),
    ] {
        let explained = world.edge.explain(Door::Public, None, target, None).await;
        let found = explained.cache_key.unwrap_or_default();
        assert!(found == key || (key.ends_with("/-/") && found.starts_with(key)), "{target}: {found}");
    }
}
