//! A way to the doubles on which a process dies at its n-th request: before the request has done its work, or after it and
//! before the answer is heard.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::watch;

/// What a process dies of.
pub struct Fuse {
    is_armed: AtomicBool,
    blows_at: AtomicUsize,
    is_late: AtomicBool,
    blown: watch::Sender<bool>,
    /// The request that is to stand still, and whether it does.
    stalls_at: AtomicUsize,
    stalled: watch::Sender<bool>,
    /// What was asked while it was armed.
    pub log: Mutex<Vec<String>>,
}

impl Fuse {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            is_armed: AtomicBool::new(false),
            blows_at: AtomicUsize::new(usize::MAX),
            is_late: AtomicBool::new(false),
            blown: watch::Sender::new(false),
            stalls_at: AtomicUsize::new(usize::MAX),
            stalled: watch::Sender::new(false),
            log: Mutex::default(),
        })
    }

    /// Blows at the n-th request from now, counted from 1.
    pub fn set(&self, at: usize, late: bool) {
        self.is_late.store(late, Ordering::SeqCst);
        self.blows_at.store(at, Ordering::SeqCst);
    }

    /// Counts from now on, or does not.
    pub fn arm(&self, armed: bool) {
        self.is_armed.store(armed, Ordering::SeqCst);
    }

    /// Lets the n-th request stand still, and nobody dies of it.
    pub fn stall(&self, at: usize) {
        self.stalls_at.store(at, Ordering::SeqCst);
    }

    pub async fn stalls(&self) {
        let _ = self.stalled.subscribe().wait_for(|stalled| *stalled).await;
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.stalled.send_replace(false);
    }

    pub async fn blows(&self) {
        let _ = self.blown.subscribe().wait_for(|blown| *blown).await;
    }

    /// Lets everything pass from now on.
    pub fn mend(&self) {
        self.blows_at.store(usize::MAX, Ordering::SeqCst);
        self.blown.send_replace(false);
    }

    async fn pass<T>(&self, line: String, work: impl Future<Output = T>) -> T {
        if !self.is_armed.load(Ordering::SeqCst) {
            return work.await;
        }
        let number = {
            let mut log = self.log.lock().unwrap();
            log.push(line);
            log.len()
        };
        if number == self.stalls_at.load(Ordering::SeqCst) {
            self.stalled.send_replace(true);
            let _ = self.stalled.subscribe().wait_for(|stalled| !*stalled).await;
        }
        let blows_at = self.blows_at.load(Ordering::SeqCst);
        if number < blows_at {
            return work.await;
        }
        if number == blows_at && self.is_late.load(Ordering::SeqCst) {
            work.await;
        }
        self.blown.send_replace(true);
        std::future::pending().await
    }
}

type Forward = Client<HttpConnector, Full<Bytes>>;

async fn forward(client: Forward, target: Arc<str>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (mut head, body) = request.into_parts();
    head.uri = format!("{target}{}", head.uri).parse().unwrap();
    let body = body.collect().await.unwrap().to_bytes();
    let answered = client.request(Request::from_parts(head, Full::new(body))).await;
    let Ok(answered) = answered else { return Response::builder().status(502).body(Full::default()).unwrap() };
    let (head, body) = answered.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Response::from_parts(head, Full::new(body))
}

/// A way to `target` (`http://host:port`), on the runtime of the caller; its own URL.
pub async fn way(target: &str, fuse: Arc<Fuse>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let target: Arc<str> = target.into();
    let client: Forward = Client::builder(TokioExecutor::new()).build_http();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (client, target, fuse) = (client.clone(), target.clone(), fuse.clone());
            let answer = service_fn(move |request: Request<Incoming>| {
                let line = format!("{} {}", request.method(), request.uri());
                let (client, target, fuse) = (client.clone(), target.clone(), fuse.clone());
                async move {
                    let answered = fuse.pass(line, forward(client, target, request)).await;
                    Ok::<_, std::convert::Infallible>(answered)
                }
            });
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    });
    base
}
