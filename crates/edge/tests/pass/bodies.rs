//! Bodies of every size and kind: all of them pass, and only what is whole and fits is kept.

use afterimage_edge::PassThrough;
use afterimage_origin::{Body, Framing};
use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;

use crate::world::{Slow, World, fields, ok, read, says};

fn slow(world: &World) -> tokio::sync::mpsc::UnboundedSender<Result<Bytes, std::io::Error>> {
    let (send, body) = Slow::body();
    let mut response = Response::new(body);
    *response.headers_mut() = fields(&["cache-control: max-age=60"]);
    world.origin.next(Ok(response));
    send
}

fn bounded(item_bytes_max: u64, collect_bytes_max: u64) -> World {
    World::new(PassThrough { item_bytes_max, collect_bytes_max, ..PassThrough::default() })
}

#[tokio::test]
async fn the_first_byte_does_not_wait_for_the_last() {
    let world = World::plain();
    let send = slow(&world);
    let mut response = world.begin("GET", "/a", &[]).await;
    for part in ["on", "e"] {
        send.send(Ok(Bytes::from_static(part.as_bytes()))).unwrap();
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
    }
    drop(send);
    assert!(response.body_mut().frame().await.is_none());
    assert_eq!(world.get("/a").await.body, "one");
}

#[tokio::test]
async fn an_answer_is_kept_exactly_up_to_the_bound() {
    for (bytes, kept) in [(8, true), (9, false)] {
        let body = "x".repeat(bytes);
        // Its length known beforehand, or not.
        let world = bounded(8, 1000);
        world.origin.always({
            let body = body.clone();
            move || ok("max-age=60", &body)
        });
        assert_eq!(world.get("/a").await.body, body);
        assert_eq!(world.get("/a").await.is_hit(), kept, "{bytes}");
        let world = bounded(8, 1000);
        let send = slow(&world);
        for _ in 0..bytes {
            send.send(Ok(Bytes::from_static(b"x"))).unwrap();
        }
        drop(send);
        let got = world.get("/a").await;
        assert_eq!((&*got.body, got.whole), (&*body, true));
        world.origin.next(ok("max-age=60", "other"));
        assert_eq!(world.get("/a").await.is_hit(), kept, "{bytes} in parts");
    }
}

#[tokio::test]
async fn what_is_on_its_way_into_the_cache_is_bounded_together() {
    let world = bounded(100, 15);
    let one = slow(&world);
    let first = world.begin("GET", "/a", &[]).await;
    one.send(Ok(Bytes::from_static(&[b'x'; 10]))).unwrap();
    let two = slow(&world);
    let second = world.begin("GET", "/b", &[]).await;
    two.send(Ok(Bytes::from_static(&[b'y'; 10]))).unwrap();
    for send in [one, two] {
        drop(send);
    }
    assert_eq!(read(second).await.body.len(), 10);
    assert_eq!(read(first).await.body.len(), 10);
    // The second had no room and passed without being kept; what the first took is given back.
    assert_eq!((world.get("/a").await.is_hit(), world.get("/b").await.is_hit()), (true, false));
    world.origin.next(ok("max-age=60", "123456789012345"));
    world.get("/c").await;
    assert!(world.get("/c").await.is_hit());
}

#[tokio::test]
async fn a_body_without_an_announced_end_is_never_kept() {
    let world = World::plain();
    for framing in [Framing::UntilClose, Framing::Chunked] {
        let mut response = Response::new(Body::full(Bytes::from_static(b"one")));
        *response.headers_mut() = fields(&["cache-control: max-age=60"]);
        response.extensions_mut().insert(framing);
        world.origin.next(Ok(response));
        let target = format!("/{framing:?}");
        assert_eq!(world.get(&target).await.body, "one");
        world.origin.next(says(200, &[], "other"));
        assert_eq!(world.get(&target).await.is_hit(), framing == Framing::Chunked, "{framing:?}");
    }
}

#[tokio::test]
async fn requests_with_bodies_are_bounded_and_not_answered_from_memory() {
    let world = World::new(PassThrough { request_bytes_max: 3, ..PassThrough::default() });
    world.origin.always(|| ok("max-age=60", "one"));
    world.get("/a").await;
    let sent = async |method: &str, body: &'static str| {
        let mut request = http::Request::new(Body::full(Bytes::from_static(body.as_bytes())));
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = "/a".parse().unwrap();
        read(world.edge.answer(afterimage_edge::Door::Public, request).await).await
    };
    assert_eq!(sent("PUT", "123").await.status, 200);
    assert_eq!(sent("PUT", "1234").await.status, 413);
    assert_eq!(sent("GET", "123").await.cache(), "fwd=bypass; fwd-status=200");
    assert_eq!(world.origin.seen().len(), 3);
}
