//! One edge in memory with the operator's routes in front of it, a renderer that says what it was given, a cache tier
//! whose erasure can be held back, and a signer.
#![allow(dead_code)] // Each test uses another part.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afterimage_cache::Cache;
use afterimage_control::{AccessKey, Control, Guard, InvalidationConfig, Invalidations, Limits, router};
use afterimage_edge::{Door, Edge, Failure, Job, Load, Parts, Renderer};
use afterimage_identity::{
    BoxFuture, Clock, Event, Fence, ManualClock, Notice, Raised, Selector, Sequence, digest_hex,
};
use afterimage_purge::Purger;
use afterimage_store::{Asker, Memory, Meta, Write};
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, StatusCode};
use sha2::Sha256;
use tokio::sync::watch;
use tower::ServiceExt;

pub const KEY: &str = "AKIAEDGE1";
pub const SECRET: &str = "0123456789abcdef/+secret";
pub const HOST: &str = "localhost:8081";

/// Renders by repeating what it was given, after a while.
struct Echo(Arc<AtomicU64>);

impl Renderer for Echo {
    fn render(&self, job: Job) -> BoxFuture<'_, Result<afterimage_imaging::Rendered, Failure>> {
        let slow = Duration::from_micros(self.0.load(Ordering::Relaxed));
        Box::pin(async move {
            if !slow.is_zero() {
                tokio::time::sleep(slow).await;
            }
            let bytes = job.bytes.to_vec();
            Ok(afterimage_imaging::Rendered {
                bytes,
                media_type: "image/png",
                width: 1,
                height: 1,
                frames: 1,
                chosen: String::new(),
                gain_map: None,
            })
        })
    }
    fn load(&self) -> Load {
        Load::default()
    }
}

struct Nobody;

impl Notice for Nobody {
    fn notice(&self, _: Event) {}
}

/// A tier that holds nothing, and says that it is clean only when it is let.
pub struct Tier(watch::Sender<bool>);

impl Tier {
    pub fn clean(&self, clean: bool) {
        self.0.send_replace(clean);
    }
}

impl Fence for Tier {
    fn name(&self) -> &str {
        "tier"
    }
    fn raise(&self, _: &Selector) -> Raised {
        Raised { sequence: Sequence(1), matched: 0, overlapping: 0 }
    }
    fn drained<'a>(&'a self, _: Sequence, _: &'a Selector) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
    fn erased(&self, _: Sequence) -> BoxFuture<'_, ()> {
        let mut clean = self.0.subscribe();
        Box::pin(async move { drop(clean.wait_for(|clean| *clean).await) })
    }
}

pub struct World {
    pub edge: Arc<Edge>,
    pub originals: Arc<Memory>,
    pub derivatives: Arc<Memory>,
    pub tier: Arc<Tier>,
    pub clock: Arc<ManualClock>,
    /// How long a render takes, in microseconds.
    pub slow_us: Arc<AtomicU64>,
    pub routes: Router,
    _state: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self::with(Limits::default(), true)
    }

    pub fn with(limits: Limits, purge_method: bool) -> Self {
        Self::of(afterimage_edge::Config::default(), limits, purge_method)
    }

    pub fn of(edge: afterimage_edge::Config, limits: Limits, purge_method: bool) -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(1000));
        let (originals, derivatives) = (Arc::new(Memory::new()), Arc::new(Memory::new()));
        let cache = Cache::new(afterimage_cache::Config::default());
        let slow_us = Arc::new(AtomicU64::new(0));
        let ask = Arc::new(Asker::new(originals.clone(), clock.clone()));
        let parts = Parts {
            originals: originals.clone(),
            derivatives: derivatives.clone(),
            ask: ask.clone(),
            cache: cache.clone(),
            upstream: None,
            renderer: Arc::new(Echo(slow_us.clone())),
            notice: Arc::new(Nobody),
            clock: clock.clone(),
        };
        let edge = Edge::new(edge, parts);
        let tier = Arc::new(Tier(watch::Sender::new(true)));
        let fences: Vec<Arc<dyn Fence>> = vec![tier.clone(), Arc::new(cache)];
        let state = tempfile::tempdir().unwrap();
        let config = afterimage_purge::Config { state_dir: state.path().to_owned(), ..Default::default() };
        let parts = afterimage_purge::Parts {
            fences: fences.clone(),
            derivatives: derivatives.clone(),
            originals: originals.clone(),
            ask,
            invalidators: Vec::new(),
            clock: clock.clone(),
        };
        let purger = Purger::open(config, parts).unwrap();
        let config = InvalidationConfig {
            distribution_id: "E2EXAMPLE".into(),
            access_keys: vec![AccessKey { id: KEY.into(), secret: SECRET.into() }],
            clock_skew: Duration::from_secs(300),
            limits,
            purge_method,
        };
        let control = Control {
            edge: edge.clone(),
            purger,
            originals: originals.clone(),
            absences: Box::new(Vec::new),
            events: None,
            invalidations: Invalidations::new(config, edge.clone(), fences, clock.clone()),
            door: Door::Public,
            base: "http://127.0.0.1:8080".into(),
            promise: String::new(),
            ladder: Vec::new(),
            qualities: Vec::new(),
            meters: afterimage_control::Meters::default(),
        };
        // A token guards everything else; whoever signs has none.
        let routes = router(Arc::new(control), Guard::listener(Some("the operator's token"), Vec::new()));
        Self { edge, originals, derivatives, tier, clock, slow_us, routes, _state: state }
    }

    /// Puts an original that says what it is.
    pub async fn put(&self, key: &str, content: &str) {
        let body = [b"\x89PNG\r\n\x1a\n", content.as_bytes()].concat();
        self.originals.put(key, Meta::default(), Bytes::from(body)).await.unwrap();
    }

    /// Asks for a picture; what the answer was made from.
    pub async fn ask(&self, target: &str, accept: &str) -> String {
        self.ask_host("localhost", target, accept).await
    }

    /// As [`World::ask`], of the host of that name.
    pub async fn ask_host(&self, host: &str, target: &str, accept: &str) -> String {
        let request = Request::builder().uri(target).header("host", host).header("accept", accept);
        let request = request.body(()).unwrap();
        let (head, body) = self.edge.handle(Door::Public, &request.into_parts().0).await.into_parts();
        assert_eq!(head.status, StatusCode::OK, "{target}: {}", String::from_utf8_lossy(&body));
        String::from_utf8_lossy(&body[8..]).into_owned()
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (head, body) = self.routes.clone().oneshot(request).await.unwrap().into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap();
        Reply { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub fn signed(&self, method: &str, target: &str, body: &str) -> Request<Body> {
        sign(method, target, body, self.clock.wall())
    }

    pub async fn call(&self, method: &str, target: &str, body: &str) -> Reply {
        self.send(self.signed(method, target, body)).await
    }

    /// CreateInvalidation.
    pub async fn create(&self, reference: &str, items: &[&str]) -> Reply {
        self.call("POST", "/2020-05-31/distribution/E2EXAMPLE/invalidation", &batch(reference, items)).await
    }

    /// PURGE, with the operator's token.
    pub async fn purge(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = Request::builder().method("PURGE").uri(target).header("host", HOST);
        for (name, value) in headers.iter().chain(&[("authorization", "Bearer the operator's token")]) {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    /// The text of the first element of this name.
    pub fn text(&self, name: &str) -> &str {
        let after = self.body.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
        after.split_once(&format!("</{name}>")).map_or("", |(text, _)| text)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and error code.
    pub fn fault(&self) -> (u16, &str) {
        (self.status, self.text("Code"))
    }
}

pub fn batch(reference: &str, items: &[&str]) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let paths: String = items.iter().map(|item| format!("<Path>{}</Path>", escape(item))).collect();
    format!(
        "<InvalidationBatch xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><CallerReference>{reference}\
         </CallerReference><Paths><Quantity>{}</Quantity><Items>{paths}</Items></Paths></InvalidationBatch>",
        items.len()
    )
}

/// Signs as clients do: host and date. `target` needs no encoding.
pub fn sign(method: &str, target: &str, body: &str, at: std::time::SystemTime) -> Request<Body> {
    let date = humantime::format_rfc3339_seconds(at).to_string().replace(['-', ':'], "");
    let scope = format!("{}/eu-west-1/cloudfront/aws4_request", &date[..8]);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let canonical = format!(
        "{method}\n{path}\n{query}\nhost:{HOST}\nx-amz-date:{date}\n\nhost;x-amz-date\n{}",
        digest_hex(body.as_bytes())
    );
    let mut key = format!("AWS4{SECRET}").into_bytes();
    let message = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", digest_hex(canonical.as_bytes()));
    for part in scope.split('/').chain([message.as_str()]) {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(part.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    let signature: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}");
    Request::builder()
        .method(method)
        .uri(target)
        .header("host", HOST)
        .header("x-amz-date", date)
        .header("authorization", authorization)
        .body(Body::from(body.to_owned()))
        .unwrap()
}
