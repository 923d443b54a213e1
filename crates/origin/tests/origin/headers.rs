//! What goes to the origin, what comes back, and what is for one hop only.

use afterimage_origin::{Body, Config, Error, Fault};
use afterimage_testkit::{Upstream, answer, raw};
use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;

use crate::support::{config, get, ok, origin, whole, with};

#[tokio::test(flavor = "multi_thread")]
async fn the_request_arrives_as_it_was_below_the_base_path() {
    let upstream = Upstream::start(|_| answer(200, &[], b""));
    let origin = with(Config {
        host: Some("pictures.example".into()),
        headers: vec![("Authorization".into(), "Bearer abc".into())],
        ..config(&format!("{}/base/", upstream.base))
    });
    let request = Request::builder()
        .method("REPORT")
        .uri("http://elsewhere:99/a%20b/;c?d=e%26&f=//")
        .header("Host", "viewer.example")
        .header("Authorization", "Basic viewer")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("Via", "1.1 cdn")
        .header("Cookie", "a=b")
        .header("Expect", "100-continue")
        .header("Content-Length", "999")
        .header("Connection", "close, X-Hop, Cookie, x-forwarded-for")
        .header("X-Hop", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Authorization", "Basic x")
        .header("Proxy-Connection", "keep-alive")
        .header("TE", "trailers")
        .header("Trailer", "X")
        .header("Upgrade", "h2c")
        .header("HTTP2-Settings", "AAM")
        .body(Body::full(Bytes::from_static(b"hello")))
        .expect("a request");
    whole(&origin, request).await.expect("an answer");
    let asked = upstream.asked().remove(0);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("REPORT", "/base/a%20b/;c?d=e%26&f=//"));
    assert_eq!(asked.body, b"hello");
    let mut headers = asked.headers.clone();
    headers.sort();
    let expected = [
        ("authorization", "Bearer abc"),
        ("content-length", "5"),
        ("cookie", "a=b"),
        ("host", "pictures.example"),
        ("via", "1.1 afterimage"),
        ("via", "1.1 cdn"),
        ("x-forwarded-for", "192.0.2.1"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_unknown_length_go_in_chunks_and_empty_posts_say_so() {
    let upstream = Upstream::start(|_| answer(200, &[], b""));
    let origin = origin(&upstream);
    let body = frames(vec![Ok(Bytes::from_static(b"one ")), Ok(Bytes::from_static(b"two"))]);
    whole(&origin, Request::post("/").body(body).expect("a request")).await.expect("an answer");
    whole(&origin, Request::post("/").body(Body::empty()).expect("a request")).await.expect("an answer");
    ok(&origin, "/").await;
    let asked = upstream.asked();
    assert_eq!((asked[0].header("transfer-encoding"), &asked[0].body[..]), ("chunked", &b"one two"[..]));
    assert_eq!((asked[1].header("content-length"), asked[1].header("transfer-encoding")), ("0", ""));
    assert_eq!((asked[2].header("content-length"), asked[2].header("transfer-encoding")), ("", ""));
}

/// A body of unknown length.
struct Frames(std::vec::IntoIter<Result<Bytes, std::io::Error>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;
    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(self.0.next().map(|part| part.map(http_body::Frame::data)))
    }
}

fn frames(parts: Vec<Result<Bytes, std::io::Error>>) -> Body {
    Body::wrap(Frames(parts.into_iter()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_whose_body_breaks_is_at_fault_and_the_origin_is_not_tried_again() {
    let upstream = Upstream::start(|_| answer(200, &[], b""));
    let origin = origin(&upstream);
    let body = frames(vec![Ok(Bytes::from_static(b"part")), Err(std::io::Error::other("the viewer went away"))]);
    let error = whole(&origin, Request::put("/").body(body).expect("a request")).await.expect_err("it broke");
    assert_eq!(error.fault(), Fault::Viewer, "{error:?}");
    assert!(upstream.connections() <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lose_what_is_for_one_hop_and_nothing_else() {
    let upstream = Upstream::start(|_| {
        raw(b"HTTP/1.1 299 Made Up\r\nContent-Length: 2\r\nConnection: X-Hop, ETag\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Authenticate: Basic\r\nUpgrade: h2\r\nTrailer: X\r\nETag: \"a\"\r\nX-Odd: \x80\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
             Via: 1.1 shield\r\n\r\nok")
    });
    let found = ok(&origin(&upstream), "/").await;
    assert_eq!(found.head.status.as_u16(), 299);
    let mut names: Vec<_> = found.head.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "etag", "set-cookie", "set-cookie", "via", "x-odd"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_are_dropped() {
    let upstream = Upstream::start(|_| {
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nETag: x\r\n\r\n")
    });
    let origin = origin(&upstream);
    for _ in 0..2 {
        let collected = origin.send(get("/")).await.expect("an answer").into_body().collect().await.expect("whole");
        assert!(collected.trailers().is_none());
        assert_eq!(&collected.to_bytes()[..], b"ok");
    }
    assert_eq!(upstream.connections(), 1, "and the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn circles_and_climbing_paths_are_refused_before_anything_is_sent() {
    let upstream = Upstream::start(|_| answer(200, &[], b""));
    let origin = with(config(&format!("{}/base/", upstream.base)));
    let circle = Request::get("/").header("Via", vec!["1.1 x"; 17].join(", ")).body(Body::empty()).expect("a request");
    assert_eq!(whole(&origin, circle).await.expect_err("a circle"), Error::Loop { hops: 17 });
    for target in [
        "/../x",
        "/a/../../x",
        "/a/..",
        "/.",
        "/%2e%2e/x",
        "/%2E./x",
        "/a%2f..%2fx",
        "/a%5c..%5cx",
        "/%252e%252e/x",
        "/..;a/x",
        "/..%3ba/x",
    ] {
        let error = whole(&origin, get(target)).await.expect_err(target);
        assert!(matches!(error, Error::Request(_)), "{target}: {error:?}");
    }
    let connect = Request::connect("example.com:80").body(Body::empty()).expect("a request");
    assert!(matches!(whole(&origin, connect).await, Err(Error::Request(_))));
    assert_eq!(upstream.connections(), 0);
    for target in ["/a..b", "/...", "/a?b=/../c", "/.well-known/x"] {
        ok(&origin, target).await;
    }
}
