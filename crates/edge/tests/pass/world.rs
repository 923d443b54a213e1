//! An edge over an origin that says what it is told to, under a clock that moves when it is told to.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use afterimage_cache::Cache;
use afterimage_edge::{Config, Door, Edge, Failure, Job, Kept, Load, Parts, PassThrough, Renderer, Reply, Upstream};
use afterimage_identity::{BoxFuture, Event, ManualClock, Notice};
use afterimage_imaging as imaging;
use afterimage_origin::{Body, Error};
use afterimage_store::{Asker, Memory};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

/// What the origin was asked.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What the origin answers.
pub type Says = Result<Response<Body>, Error>;

type Word = Box<dyn Fn() -> Says + Send>;

/// An origin that answers from a list; when that is empty it answers with its last word again.
pub struct Origin {
    says: Mutex<(VecDeque<Says>, Word)>,
    seen: Mutex<Vec<Seen>>,
    /// Answers wait until this is true.
    gate: watch::Sender<bool>,
    /// So many turns of others lie between what it says and its being heard.
    pub delay: AtomicUsize,
}

impl Upstream for Origin {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Says> {
        let (method, target) = (request.method().clone(), request.uri().to_string());
        self.seen.lock().unwrap().push(Seen { method, target, headers: request.headers().clone() });
        let mut gate = self.gate.subscribe();
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            let said = {
                let mut says = self.says.lock().unwrap();
                let (listed, last) = &mut *says;
                listed.pop_front().unwrap_or_else(last)
            };
            for _ in 0..self.delay.load(Ordering::Relaxed) {
                tokio::task::yield_now().await;
            }
            said
        })
    }
}

impl Origin {
    /// Says this next, and after all that was said to be next.
    pub fn next(&self, says: Says) {
        self.says.lock().unwrap().0.push_back(says);
    }

    /// Says this whenever nothing is next.
    pub fn always(&self, says: impl Fn() -> Says + Send + 'static) {
        self.says.lock().unwrap().1 = Box::new(says);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().last().cloned().expect("it was asked")
    }

    pub fn open(&self, open: bool) {
        self.gate.send_replace(open);
    }
}

struct Nobody;

/// Pictures of no size.
impl Renderer for Nobody {
    fn render(&self, _: Job) -> BoxFuture<'_, Result<imaging::Rendered, Failure>> {
        let rendered = imaging::Rendered {
            bytes: b"made".to_vec(),
            media_type: "image/jpeg",
            width: 1,
            height: 1,
            frames: 1,
            chosen: String::new(),
            gain_map: None,
        };
        Box::pin(async { Ok(rendered) })
    }

    fn load(&self) -> Load {
        Load::default()
    }
}

impl Notice for Nobody {
    fn notice(&self, _: Event) {}
}

pub struct World {
    pub edge: Arc<Edge>,
    pub origin: Arc<Origin>,
    pub clock: Arc<ManualClock>,
    pub originals: Arc<Memory>,
}

/// An answer as the viewer sees it.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    /// What came of the body, and whether it ended well.
    pub body: String,
    pub whole: bool,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What `Cache-Status` says behind our name.
    pub fn cache(&self) -> &str {
        self.header("cache-status").strip_prefix("afterimage; ").unwrap_or_default()
    }

    pub fn is_hit(&self) -> bool {
        self.cache().starts_with("hit")
    }
}

/// An answer with these lines of fields.
pub fn says(status: u16, lines: &[&str], body: &str) -> Says {
    let mut response = Response::new(Body::full(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = fields(lines);
    Ok(response)
}

/// A 200 with this `Cache-Control`.
pub fn ok(cache_control: &str, body: &str) -> Says {
    says(200, &[&format!("cache-control: {cache_control}")], body)
}

pub fn fields(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines.iter().filter_map(|line| line.split_once(':')) {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.trim().parse().unwrap());
    }
    headers
}

/// A body that comes as it is sent, without a known length.
pub struct Slow(UnboundedReceiver<Result<Bytes, std::io::Error>>);

impl Slow {
    pub fn body() -> (UnboundedSender<Result<Bytes, std::io::Error>>, Body) {
        let (send, receive) = unbounded_channel();
        (send, Body::wrap(Self(receive)))
    }
}

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|item| item.map(|item| item.map(Frame::data)))
    }
}

impl World {
    pub fn new(pass: PassThrough) -> Self {
        Self::of(Config { pass: Some(pass), ..Config::default() })
    }

    pub fn of(config: Config) -> Self {
        let clock = Arc::new(ManualClock::default());
        let originals = Arc::new(Memory::new());
        let origin = Arc::new(Origin {
            says: Mutex::new((VecDeque::new(), Box::new(|| says(404, &[], "nothing")))),
            seen: Mutex::default(),
            gate: watch::Sender::new(true),
            delay: AtomicUsize::new(0),
        });
        let parts = Parts {
            originals: originals.clone(),
            derivatives: Arc::new(Memory::new()),
            ask: Arc::new(Asker::new(originals.clone(), clock.clone())),
            cache: Cache::<Kept>::new(afterimage_cache::Config::default()),
            renderer: Arc::new(Nobody),
            upstream: Some(origin.clone()),
            notice: Arc::new(Nobody),
            clock: clock.clone(),
        };
        let edge = Edge::new(config, parts);
        Self { edge, origin, clock, originals }
    }

    pub fn plain() -> Self {
        Self::new(PassThrough::default())
    }

    pub fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub async fn begin(&self, method: &str, target: &str, lines: &[&str]) -> Response<Reply> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = target.parse().unwrap();
        *request.headers_mut() = fields(lines);
        request.headers_mut().entry("host").or_insert("edge.example".parse().unwrap());
        self.edge.answer(Door::Public, request).await
    }

    pub async fn ask(&self, method: &str, target: &str, lines: &[&str]) -> Got {
        read(self.begin(method, target, lines).await).await
    }

    pub async fn get(&self, target: &str) -> Got {
        self.ask("GET", target, &[]).await
    }
}

/// Lets every task get as far as it can.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

pub async fn read(response: Response<Reply>) -> Got {
    let (head, mut body) = response.into_parts();
    let (mut bytes, mut whole) = (Vec::new(), true);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Err(_) => whole = false,
        }
        if !whole {
            break;
        }
    }
    Got { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8(bytes).unwrap(), whole }
}
