//! Listeners: connections in, requests to a service, answers out. Everything has a deadline, and a drain ends.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use afterimage_edge::Viewer;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::access_log::{AccessLog, Logged};
use crate::aside::Aside;
use crate::connection::{Seen, Transport, Verdict, Watched};
use crate::entrance::Entrance;
use crate::head_timer::HeadTimer;

/// How long connections of a server that stops may still be used: proxies use theirs more often, browsers ask again.
const LINGER: Duration = Duration::from_secs(2);

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many connections at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// How long a client may take to send its request's head.
    pub header_timeout: Duration,
    /// How long a whole request may take.
    pub request_timeout: Duration,
    /// How long a drain waits for requests that are under way.
    pub drain_timeout: Duration,
}

/// Answers the requests of one listener.
pub trait Answer: Clone + Send + Sync + 'static {
    /// What its answers consist of.
    type Body: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync>
        + From<Bytes>
        + Send
        + Unpin
        + 'static;

    /// Answers one request.
    fn answer(&self, viewer: Viewer, request: Request<Incoming>) -> impl Future<Output = Response<Self::Body>> + Send;

    /// How long this body may take from now on, where that is longer than any answer may.
    fn longer(&self, _body: &Self::Body) -> Option<Duration> {
        None
    }
}

/// Binds, saying which address could not be had.
///
/// # Errors
/// In words, with the address and what to do.
pub async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!("cannot listen on {address}: {error}; choose another with --{setting} or free the port")
    })
}

/// Serves a TCP listener until `stop` turns true, then drains.
pub async fn serve_tcp(
    listener: TcpListener,
    entrance: Entrance,
    answer: impl Answer,
    bounds: Bounds,
    log: AccessLog,
    mut stop: watch::Receiver<bool>,
) {
    let server = Server::new(entrance, bounds, log);
    while let Some(place) = server.place(&mut stop).await {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    prepare(&stream);
                    server.spawn(place, server.entrance.tls.accept(stream), Some(peer.ip()), answer.clone());
                }
                Err(error) => pause_after(&error).await,
            },
            () = told_to(&mut stop) => break,
        }
    }
    drop(listener);
    server.drain(bounds.drain_timeout).await;
}

/// Serves the command line's socket until `stop` turns true, then drains.
pub async fn serve_unix(
    listener: UnixListener,
    entrance: Entrance,
    answer: impl Answer,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) {
    let server = Server::new(entrance, bounds, AccessLog::off());
    while let Some(place) = server.place(&mut stop).await {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => server.spawn(place, stream, None, answer.clone()),
                Err(error) => pause_after(&error).await,
            },
            () = told_to(&mut stop) => break,
        }
    }
    drop(listener);
    server.drain(bounds.drain_timeout).await;
}

async fn told_to(stop: &mut watch::Receiver<bool>) {
    // A sender that went away without a word means the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn prepare(stream: &TcpStream) {
    // Without it a small answer waits for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
}

/// Out of file descriptors, or a client that went away: the loop survives both, and does not spin on the first.
async fn pause_after(error: &std::io::Error) {
    tracing::warn!(%error, "a connection cannot be accepted");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

struct Server {
    entrance: Entrance,
    builder: auto::Builder<TokioExecutor>,
    places: Arc<Semaphore>,
    /// Told once, when connections are to finish; closed when the last one has.
    finish: watch::Sender<()>,
    /// Answers say that their connection ends.
    is_leaving: Arc<AtomicBool>,
    bounds: Bounds,
    log: AccessLog,
}

impl Server {
    fn new(entrance: Entrance, bounds: Bounds, log: AccessLog) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().header_read_timeout(bounds.header_timeout).max_buf_size(64 << 10);
        // No `pipeline_flush`: hyper then copies every body behind its head instead of sending both where they lie. No
        // browser or CDN pipelines.
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(128)
            .max_header_list_size(32 << 10)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        Self {
            entrance,
            builder,
            places: Arc::new(Semaphore::new(bounds.connections_max)),
            finish: watch::Sender::new(()),
            is_leaving: Arc::default(),
            bounds,
            log,
        }
    }

    /// A place for one more connection; `None` when it is time to stop, however full it is.
    async fn place(&self, stop: &mut watch::Receiver<bool>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            place = self.places.clone().acquire_owned() => place.ok(),
            () = told_to(stop) => None,
        }
    }

    fn spawn(&self, place: OwnedSemaphorePermit, stream: impl Transport, client: Option<IpAddr>, answer: impl Answer) {
        let Bounds { header_timeout, request_timeout, .. } = self.bounds;
        let seen = Seen::new(header_timeout, request_timeout);
        let io = TokioIo::new(Watched::new(stream, seen.clone()));
        let (seen_by_service, log, entrance) = (seen.clone(), self.log.clone(), self.entrance.clone());
        let (entered, is_leaving) = (entrance.entered(), self.is_leaving.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (answer, seen, is_leaving) = (answer.clone(), seen_by_service.clone(), is_leaving.clone());
            let viewer = entrance.viewer(client, request.headers());
            let entry = log.begin(&request, viewer.address);
            async move {
                let mut response = answer_in_time(&answer, (viewer, request), &seen, request_timeout).await;
                if is_leaving.load(Relaxed) {
                    // hyper leaves it out of HTTP/2.
                    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(Logged::answer(response, entry))
            }
        });
        let mut finish = self.finish.subscribe();
        let mut builder = self.builder.clone();
        builder.http1().timer(HeadTimer(seen.clone()));
        tokio::spawn(async move {
            let mut connection = pin!(builder.serve_connection(io, service).into_owned());
            let (mut look_at, mut is_told) = (Instant::now(), false);
            loop {
                let mut rare = Aside::new(rare(&mut finish, is_told, look_at));
                let happened = poll_fn(|cx| match connection.as_mut().poll(cx) {
                    Poll::Ready(ended) => Poll::Ready(Err(ended)),
                    Poll::Pending => rare.poll(cx).map(Ok),
                });
                match happened.await {
                    Err(ended) => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "a connection ended early");
                        }
                        break;
                    }
                    Ok(Rare::Told) => {
                        is_told = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Ok(Rare::Look) => match seen.verdict() {
                        Verdict::Wait(until) => look_at = until,
                        Verdict::Finish(until) => {
                            connection.as_mut().graceful_shutdown();
                            look_at = until;
                        }
                        Verdict::Drop(why) => {
                            tracing::debug!(why, "a connection was cut");
                            break;
                        }
                    },
                }
            }
            drop((entered, place));
        });
    }

    /// hyper ends idle connections at once, and with them a request that is on its way here. So those that are used in the
    /// next moment are answered first, and told that it was the last time. Then the others finish what they have; an HTTP/2
    /// peer that never finishes its preface would hold this for ever, hence the deadline.
    async fn drain(self, timeout: Duration) {
        let linger = LINGER.min(timeout);
        self.is_leaving.store(true, Relaxed);
        if tokio::time::timeout(linger, self.finish.closed()).await.is_ok() {
            return;
        }
        let _ = self.finish.send(());
        if tokio::time::timeout(timeout - linger, self.finish.closed()).await.is_err() {
            tracing::warn!("some requests were still under way at the end of the drain");
        }
    }
}

/// What a connection hears beside its requests.
enum Rare {
    /// It is to finish.
    Told,
    /// It is time to look at its deadlines.
    Look,
}

async fn rare(finish: &mut watch::Receiver<()>, is_told: bool, look_at: Instant) -> Rare {
    tokio::select! {
        _ = finish.changed(), if !is_told => Rare::Told,
        () = tokio::time::sleep_until(look_at) => Rare::Look,
    }
}

/// What a future comes to, unless that takes too long. Nearly all answers are there at once, and need no timer.
async fn within<F: Future>(timeout: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout(timeout, future).await.ok(),
    }
}

async fn answer_in_time<A: Answer>(
    answer: &A,
    (viewer, request): (Viewer, Request<Incoming>),
    seen: &Arc<Seen>,
    timeout: Duration,
) -> Response<A::Body> {
    let _waiting = seen.asked(request.version());
    let mut response = if has_one_host(&request) {
        within(timeout, answer.answer(viewer, request)).await.unwrap_or_else(too_slow)
    } else {
        no_host()
    };
    if let Some(longer) = answer.longer(response.body()) {
        seen.until(longer);
    }
    if seen.is_last() {
        response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    }
    response
}

/// RFC 9112 3.2: without exactly one Host, whom a request is for is a matter of opinion.
fn has_one_host(request: &Request<Incoming>) -> bool {
    request.version() != http::Version::HTTP_11 || request.headers().get_all(http::header::HOST).iter().count() == 1
}

fn no_host<B: From<Bytes>>() -> Response<B> {
    let mut response = Response::new(B::from(Bytes::from_static(b"A request has exactly one Host header.\n")));
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

fn too_slow<B: From<Bytes>>() -> Response<B> {
    let mut response = Response::new(B::from(Bytes::from_static(b"The answer took too long.\n")));
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("10"));
    headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}
