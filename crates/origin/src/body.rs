//! Bodies that stream in both directions. An answer's body ends cleanly only when its framing says that it is whole;
//! everything else is an error as the last item, after which its connection is closed.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::pool::Lease;
use crate::{Error, Phase};

/// Any error of a body that comes from elsewhere.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How an answer's body is delimited; an extension of every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks, the last of which is marked.
    Chunked,
    /// By the end of the connection: whole and cut short look the same, so it is never to be stored.
    UntilClose,
    /// There is none: an answer to HEAD, a 204, a 304.
    None,
}

/// The body of a request or of an answer: frames of data, without trailers.
pub struct Body(Kind);

enum Kind {
    Full(Option<Bytes>),
    Wrapped(Pin<Box<dyn HttpBody<Data = Bytes, Error = Error> + Send>>),
    Received(Box<Received>),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Kind::Full(None))
    }

    /// These bytes.
    pub fn full(bytes: Bytes) -> Self {
        Self(Kind::Full(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// A body from elsewhere, such as a viewer's. What it fails with is the sender's fault.
    pub fn wrap<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        let body = http_body_util::BodyExt::map_err(body, |error| Error::Request(error.into().to_string()));
        Self(Kind::Wrapped(Box::pin(body)))
    }

    pub(crate) fn received(received: Received) -> Self {
        Self(Kind::Received(Box::new(received)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Body").field(&self.size_hint()).finish()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Wrapped(body) => loop {
                match ready!(body.as_mut().poll_frame(cx)) {
                    Some(Ok(frame)) if !frame.is_data() => {}
                    other => return Poll::Ready(other),
                }
            },
            Kind::Received(received) => received.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_none(),
            Kind::Wrapped(body) => body.is_end_stream(),
            Kind::Received(received) => received.lease.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Wrapped(body) => body.size_hint(),
            Kind::Received(received) => received.inner.size_hint(),
        }
    }
}

/// An answer's body as it arrives.
pub(crate) struct Received {
    inner: Incoming,
    /// The connection: given back at a clean end, closed at any other.
    lease: Option<Lease>,
    deadline: Pin<Box<Sleep>>,
    /// Whether the deadline runs: only while the origin keeps us waiting.
    waits: bool,
    idle: Duration,
    ends_at: Instant,
    taken: u64,
    bytes_max: u64,
}

impl Received {
    pub(crate) fn new(inner: Incoming, lease: Lease, idle: Duration, ends_at: Instant, bytes_max: u64) -> Self {
        let deadline = Box::pin(tokio::time::sleep_until(ends_at));
        Self { inner, lease: Some(lease), deadline, waits: false, idle, ends_at, taken: 0, bytes_max }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if self.lease.is_none() {
                return Poll::Ready(None);
            }
            let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Pending => return self.poll_deadline(cx).map(|error| self.fail(error)),
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(self.fail(Error::Incomplete(error.to_string())));
                }
                Poll::Ready(None) => {
                    if let Some(lease) = self.lease.take() {
                        lease.give_back();
                    }
                    return Poll::Ready(None);
                }
            };
            self.waits = false;
            // Trailers are dropped: nobody has checked what they claim.
            let Ok(data) = frame.into_data() else { continue };
            self.taken += data.len() as u64;
            if self.taken > self.bytes_max {
                return Poll::Ready(self.fail(Error::BodyTooLarge { max: self.bytes_max }));
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if !self.waits {
            self.waits = true;
            let idles_at = Instant::now() + self.idle;
            self.deadline.as_mut().reset(idles_at.min(self.ends_at));
        }
        ready!(self.deadline.as_mut().poll(cx));
        let phase = if self.deadline.deadline() == self.ends_at { Phase::Total } else { Phase::Idle };
        Poll::Ready(Error::Timeout { phase })
    }

    /// The last item: without its lease the connection is closed.
    fn fail(&mut self, error: Error) -> Option<Result<Frame<Bytes>, Error>> {
        if let Some(lease) = self.lease.take() {
            lease.failed(&error);
        }
        Some(Err(error))
    }
}

/// A request's body on its way out. When it is dropped, sent or not, whoever waits for [`oneshot::Receiver`] knows.
pub(crate) struct Outgoing {
    body: Body,
    _sent: oneshot::Sender<()>,
}

impl Outgoing {
    pub(crate) fn new(body: Body) -> (Self, oneshot::Receiver<()>) {
        let (sent, is_sent) = oneshot::channel();
        (Self { body, _sent: sent }, is_sent)
    }

    pub(crate) fn into_body(self) -> Body {
        self.body
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
