//! Many requests at once, and origins that fail all of them: what is tried again, what is refused, what is used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use afterimage_origin::{Body, BreakerConfig, Config, Error, Fault, Limits};
use afterimage_testkit::{Step, Upstream, answer};
use bytes::Bytes;
use http::{Method, Request};

use crate::support::{config, get, limits, ok, origin, whole, with};

const NEVER_OPEN: BreakerConfig = BreakerConfig { failures_max: 0, open_for: Duration::from_secs(1) };

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_again_and_bounded() {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (opened, highest) = (open.clone(), most.clone());
    let upstream = Upstream::start(move |_| {
        highest.fetch_max(opened.fetch_add(1, SeqCst) + 1, SeqCst);
        std::thread::sleep(Duration::from_millis(5));
        opened.fetch_sub(1, SeqCst);
        answer(200, &[], b"well")
    });
    let limits = Limits { connections_max: 4, idle_connections_max: 4, ..limits() };
    let origin = Arc::new(with(Config { limits, ..config(&format!("{}/", upstream.base)) }));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let origin = origin.clone();
        requests.spawn(async move { ok(&origin, "/").await });
    }
    assert_eq!(requests.join_all().await.len(), 100);
    assert!(most.load(SeqCst) <= 4, "{most:?} requests at once");
    assert!(upstream.connections() <= 8, "{} connections for 100 requests", upstream.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gets_no_connection_in_time_is_told_so() {
    let upstream = Upstream::start(|_| vec![Step::Hang]);
    let limits = Limits { connections_max: 1, connection_wait: Duration::from_millis(30), ..limits() };
    let origin = Arc::new(with(Config { limits, ..config(&format!("{}/", upstream.base)) }));
    let first = tokio::spawn({
        let origin = origin.clone();
        async move { whole(&origin, get("/")).await }
    });
    tokio::time::sleep(Duration::from_millis(30)).await;
    let error = whole(&origin, get("/")).await.expect_err("there is one connection");
    assert_eq!((&error, error.fault(), error.may_retry()), (&Error::Busy, Fault::Us, true));
    assert!(first.await.expect("it ends").is_err());
}

/// 500 clients at an origin that resets every connection: at most a tenth more than they asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_failures_is_tried_again_within_a_tenth() {
    let upstream = Upstream::start(|_| vec![Step::Reset]);
    let origin = Arc::new(with(Config { breaker: NEVER_OPEN, ..config(&format!("{}/", upstream.base)) }));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let origin = origin.clone();
        requests.spawn(async move { whole(&origin, get("/")).await.expect_err("it was reset") });
    }
    requests.join_all().await;
    assert!(upstream.asked().len() <= 550, "{} requests arrived for 500", upstream.asked().len());
    let counts = origin.counts();
    assert_eq!((counts.requests, counts.failures), (500, 500));
    assert!((1..=50).contains(&counts.retries), "{counts:?}");
}

/// 5xx is an answer: it is passed on and never asked for again here.
#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_5xx_is_asked_for_once_each() {
    let upstream = Upstream::start(|_| answer(503, &[("Retry-After", "7")], b"no"));
    let origin = origin(&upstream);
    for _ in 0..50 {
        let found = ok(&origin, "/").await;
        assert_eq!((found.head.status.as_u16(), found.head.headers["retry-after"].as_bytes()), (503, &b"7"[..]));
    }
    assert_eq!((upstream.asked().len(), origin.counts().retries, origin.counts().left_alone), (50, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_does_not_answer_is_left_alone_and_then_tried_again() {
    let up = Arc::new(AtomicBool::new(false));
    let is_up = up.clone();
    let upstream =
        Upstream::start(move |_| if is_up.load(SeqCst) { answer(200, &[], b"well") } else { vec![Step::Reset] });
    let breaker = BreakerConfig { failures_max: 3, open_for: Duration::from_millis(100) };
    let origin = with(Config { breaker, ..config(&format!("{}/", upstream.base)) });
    for _ in 0..3 {
        assert!(matches!(whole(&origin, get("/")).await, Err(Error::Connect(_))));
    }
    let (asked, begun) = (upstream.asked().len(), Instant::now());
    for _ in 0..20 {
        assert!(matches!(whole(&origin, get("/")).await, Err(Error::Open { .. })));
    }
    if begun.elapsed() < Duration::from_millis(90) {
        assert_eq!(upstream.asked().len(), asked, "it is left alone");
    }
    up.store(true, SeqCst);
    tokio::time::sleep(Duration::from_millis(110)).await;
    ok(&origin, "/").await;
    ok(&origin, "/").await;
}

/// Answers that break off count against an origin as much as none do.
#[tokio::test(flavor = "multi_thread")]
async fn flapping_bodies_open_the_breaker_too() {
    let upstream = Upstream::start(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()), Step::Close]
    });
    let breaker = BreakerConfig { failures_max: 3, open_for: Duration::from_secs(10) };
    let origin = with(Config { breaker, ..config(&format!("{}/", upstream.base)) });
    for _ in 0..3 {
        assert!(matches!(whole(&origin, get("/")).await, Err(Error::Incomplete(_))));
    }
    assert!(matches!(whole(&origin, get("/")).await, Err(Error::Open { .. })));
    assert_eq!(upstream.asked().len(), 3, "a broken body is never asked for again here");
}

/// A server closes an idle connection just as it is used: an idempotent request is sent once more, another one is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_connection_is_replaced_for_idempotent_requests_only() {
    for (method, arrives) in
        [(Method::GET, true), (Method::DELETE, true), (Method::POST, false), (Method::PATCH, false)]
    {
        let upstream = Upstream::start(move |asked| match (asked.connection, asked.target.as_str()) {
            (0, "/second") => vec![Step::Close],
            _ => answer(200, &[], b"well"),
        });
        let origin = origin(&upstream);
        ok(&origin, "/first").await;
        let request = Request::builder().method(&method).uri("/second").body(Body::empty()).expect("a request");
        assert_eq!(whole(&origin, request).await.is_ok(), arrives, "{method}");
        assert_eq!(upstream.asked().len(), if arrives { 3 } else { 2 }, "{method}");
    }
    // A body that was sent cannot be sent again.
    let upstream = Upstream::start(|asked| {
        if asked.connection == 0 && asked.method == "PUT" { vec![Step::Close] } else { answer(200, &[], b"") }
    });
    let origin = origin(&upstream);
    ok(&origin, "/first").await;
    let put = Request::put("/second").body(Body::full(Bytes::from_static(b"body"))).expect("a request");
    assert!(whole(&origin, put).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_an_error_at_once() {
    let gone = Upstream::start(|_| vec![]);
    let base = gone.base.clone();
    drop(gone);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let origin = with(config(&format!("{base}/")));
    let begun = Instant::now();
    assert!(matches!(whole(&origin, get("/")).await, Err(Error::Connect(_))));
    assert!(begun.elapsed() < Duration::from_millis(400));
}

/// A slow viewer is not a slow origin: the deadline for more of the body runs only while we wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_not_cut_off_as_an_idle_origin() {
    use http_body_util::BodyExt;
    let upstream = Upstream::start(|_| answer(200, &[], &[7; 90_000]));
    let origin = origin(&upstream);
    let mut body = origin.send(get("/")).await.expect("an answer").into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("no deadline passes").into_data().map_or(0, |data| data.len());
        if bytes < 90_000 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    assert_eq!(bytes, 90_000);
}
