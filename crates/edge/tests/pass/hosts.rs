//! Hosts that have a part of the keys to themselves: what they reach, what nobody else reaches, and what stays apart in the cache.

use afterimage_cache::http::{Behaviour, Pattern};
use afterimage_edge::{Config, Door, ForwardedHost, PassThrough, Rewrite, Route};
use afterimage_identity::{Fence, Original, OriginalKey, Selector, SourceId};
use afterimage_origin::Body;
use afterimage_store::{Meta, Write};
use afterimage_variant::{Hosts, Policy, Rules};
use bytes::Bytes;
use http::Request;

use crate::world::{Got, World, ok, read};

const GIF: &[u8] = b"GIF89a";

/// `a/` is a.example's, `b/` is for whatever lies below b.example; the rest is everybody's.
async fn world(pass: Option<PassThrough>) -> World {
    world_with(pass, Rules::default()).await
}

async fn world_with(pass: Option<PassThrough>, rules: Rules) -> World {
    let (a, b) = (["a.example".to_owned()], ["*.b.example".to_owned()]);
    let hosts = Hosts::new([("a/", &a[..]), ("b/", &b[..])]).unwrap();
    let config = Config {
        hosts,
        pass,
        rules,
        show_cache_key: true,
        originals: afterimage_edge::OriginalsMode::AsIs,
        ..Config::default()
    };
    let world = World::of(config);
    for key in ["p.gif", "a/p.gif", "b/p.gif"] {
        let body = [GIF, key.as_bytes()].concat();
        world.originals.put(key, Meta::default(), Bytes::from(body)).await.unwrap();
    }
    world
}

async fn ask(world: &World, method: &str, host: &str, target: &str) -> Got {
    world.ask(method, target, &[&format!("host: {host}")]).await
}

async fn key(world: &World, host: &str, target: &str) -> String {
    let got = ask(world, "HEAD", host, target).await;
    assert_eq!(got.status, 200, "{host}{target}");
    got.cache().split("key=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn one_name_is_another_original_on_each_host() {
    let world = world(None).await;
    for (host, expected) in [
        ("edge.example", "/p.gif"),
        ("a.example", "/a/p.gif"),
        ("A.Example.:8080", "/a/p.gif"),
        ("x.b.example", "/b/p.gif"),
        ("y.b.example:1", "/b/p.gif"),
        ("b.example", "/p.gif"),
    ] {
        assert_eq!(key(&world, host, "/p.gif").await, expected, "{host}");
        assert_eq!(key(&world, host, "/p.gif?w=100&fm=webp").await, format!("{expected}/-/w100.webp"), "{host}");
        // A canonical path means there what it means everywhere on that host.
        let trusted = world.edge.explain(Door::Trusted, Some(host), "/p.gif/-/w100.webp", None).await;
        assert_eq!(trusted.canonical_path, Some(format!("{expected}/-/w100.webp")), "{host}");
    }
    for (host, target, status) in [
        ("edge.example", "/a/p.gif", 404),
        ("edge.example", "/%61/p.gif?d=100", 404),
        ("x.b.example", "/../a/p.gif", 400),
        ("x.b.example", "/%2e%2e/a/p.gif", 400),
        ("a.example", "//p.gif", 404),
        ("a.example", "/a/p.gif", 404),
        ("a b", "/p.gif", 400),
        ("a.example, b.example", "/p.gif", 400),
        ("", "/p.gif", 200),
    ] {
        assert_eq!(ask(&world, "GET", host, target).await.status, status, "{host}{target}");
    }
}

#[tokio::test]
async fn the_target_stands_over_host_and_a_believed_peer_over_both() {
    let world = world(None).await;
    assert_eq!(key(&world, "a.example", "http://x.b.example/p.gif").await, "/b/p.gif");
    let mut request = Request::get("/p.gif").header("host", "x.b.example").body(Body::empty()).unwrap();
    request.extensions_mut().insert(ForwardedHost("a.example".to_owned()));
    let got = read(world.edge.answer(Door::Public, request).await).await;
    assert!(got.cache().contains("key=\"/a/p.gif\""), "{}", got.cache());
}

#[tokio::test]
async fn a_fence_over_one_host_s_original_leaves_the_other_s() {
    let world = world(None).await;
    let all = [("edge.example", "p.gif"), ("a.example", "a/p.gif"), ("x.b.example", "b/p.gif")];
    for (host, _) in all {
        ask(&world, "GET", host, "/p.gif").await;
    }
    let original = Original::new(SourceId::default(), OriginalKey::new("a/p.gif").unwrap());
    assert_eq!(world.edge.cache().raise(&Selector::Original(original)).matched, 1);
    for (host, key) in all {
        assert_eq!(ask(&world, "GET", host, "/p.gif").await.is_hit(), key != "a/p.gif", "{host}");
    }
}

#[tokio::test]
async fn keys_of_the_published_functions_are_kept_apart_too() {
    let route = Route {
        behaviour: Behaviour { pattern: Pattern::new("*.gif").unwrap(), ..Behaviour::default() },
        rewrite: Rewrite::Dims,
        ..Route::default()
    };
    let pass = PassThrough { routes: vec![route], ..PassThrough::default() };
    let world = world_with(Some(pass), Rules { policy: Policy::dims(), ..Rules::default() }).await;
    for (host, expected) in [
        ("edge.example", "/100x100/gif/p.gif?d=100"),
        ("a.example", "/a/100x100/gif/p.gif?d=100"),
        ("x.b.example", "/b/100x100/gif/p.gif?d=100"),
    ] {
        assert_eq!(key(&world, host, "/p.gif?d=100").await, expected, "{host}");
    }
}

/// The origin that everything else goes to answers for the other hosts: a host with originals of its own has nothing of it.
#[tokio::test]
async fn nothing_is_passed_on_for_a_host_that_has_its_own() {
    let world = world(Some(PassThrough::default())).await;
    world.origin.always(|| ok("max-age=60", "the origin's"));
    assert_eq!(ask(&world, "GET", "edge.example", "/page.html").await.body, "the origin's");
    for (method, host, target, status) in [
        ("GET", "a.example", "/page.html", 404),
        ("POST", "a.example", "/page.html", 405),
        ("GET", "a.example", "/p.gif", 200),
        ("GET", "a:b", "/page.html", 400),
        // It would lie under the keys of a.example.
        ("GET", "edge.example", "/a/page.html", 404),
        ("POST", "edge.example", "/a/page.html", 405),
        ("GET", "edge.example", "/ab/page.html", 200),
    ] {
        let got = ask(&world, method, host, target).await;
        assert_eq!(got.status, status, "{method} {host}{target}: {}", got.body);
    }
    assert_eq!(world.origin.seen().len(), 2);
}

#[tokio::test]
async fn explain_says_how_the_host_is_asked() {
    let world = world(None).await;
    let told = world.edge.explain(Door::Public, Some("a.example:80"), "/p.gif?w=100&fm=webp", None).await;
    assert_eq!(told.host.as_deref(), Some("a.example:80"));
    assert_eq!(told.original.as_deref(), Some("a/p.gif"));
    assert_eq!(told.canonical_path.as_deref(), Some("/a/p.gif/-/w100.webp"));
    assert_eq!(told.canonical_path_on_host.as_deref(), Some("/p.gif/-/w100.webp"));
    let told = world.edge.explain(Door::Public, Some("edge.example"), "/a/p.gif", None).await;
    assert_eq!((told.status, told.original), (Some(404), None));
    let told = world.edge.explain(Door::Public, None, "/p.gif", None).await;
    assert_eq!((told.host, told.canonical_path_on_host, told.original.as_deref()), (None, None, Some("p.gif")));
    assert_eq!(world.edge.explain(Door::Public, Some("a b"), "/p.gif", None).await.status, Some(400));
}

/// What belongs to whom is decided at start.
#[tokio::test]
async fn a_reload_moves_no_wall() {
    let world = world(None).await;
    world.edge.reload(Config::default());
    assert_eq!(ask(&world, "GET", "edge.example", "/a/p.gif").await.status, 404);
    assert_eq!(ask(&world, "GET", "a.example", "/p.gif").await.status, 200);
}
