//! One connection as its listener sees it: what came in, what does not go out, and when it has had its time. hyper knows
//! when a head is waited for and says so (`head_timer.rs`); what lies before and after is covered here.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::time::Instant as StdInstant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use crate::heads::Heads;

/// What is known of a connection. Times are milliseconds since it was opened.
pub struct Seen {
    opened: Instant,
    header_timeout: Duration,
    request_timeout: Duration,
    /// Requests that have come in.
    requests: AtomicU64,
    /// Requests whose answer's head is not there yet.
    waiting: AtomicUsize,
    /// When the head that HTTP/1 waits for has to be there; 0 while none is waited for.
    head_ms: AtomicU64,
    /// When the last answer's head was there, in HTTP/2.
    answered_ms: AtomicU64,
    /// When the last byte of the latest answer has to be out.
    deadline_ms: AtomicU64,
    /// The client does not take what it was sent.
    is_blocked: AtomicBool,
    /// HTTP/2: hyper has no deadline for its idle connections.
    has_streams: AtomicBool,
    /// No further request may be read from it.
    is_last: AtomicBool,
}

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing before then.
    Wait(Instant),
    /// It is to take no further request; look again then.
    Finish(Instant),
    /// It has had its time.
    Drop(&'static str),
}

impl Seen {
    pub fn new(header_timeout: Duration, request_timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            header_timeout,
            request_timeout,
            requests: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            head_ms: AtomicU64::new(0),
            answered_ms: AtomicU64::new(0),
            deadline_ms: AtomicU64::new(0),
            is_blocked: AtomicBool::new(false),
            has_streams: AtomicBool::new(false),
            is_last: AtomicBool::new(false),
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A request came in; all of its answer has to be out in time. It waits until what this returns is dropped.
    pub fn asked(self: &Arc<Self>, version: http::Version) -> Waiting {
        self.requests.fetch_add(1, Relaxed);
        self.waiting.fetch_add(1, Relaxed);
        self.has_streams.store(version == http::Version::HTTP_2, Relaxed);
        self.until(self.request_timeout);
        Waiting(self.clone())
    }

    /// A head is waited for until then.
    pub fn head_until(&self, deadline: StdInstant) {
        let left = deadline.saturating_duration_since(self.opened.into_std());
        // Never "none": a connection that has just been opened has had a millisecond.
        self.head_ms.store(u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1), Relaxed);
    }

    /// No head is waited for.
    pub fn head_came(&self) {
        self.head_ms.store(0, Relaxed);
    }

    /// An answer may take this long from now.
    pub fn until(&self, timeout: Duration) {
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.deadline_ms.fetch_max(self.now_ms().saturating_add(timeout), Relaxed);
    }

    /// Whether no further request may be read from the connection.
    pub fn is_last(&self) -> bool {
        self.is_last.load(Relaxed)
    }

    /// Looks at the clock.
    pub fn verdict(&self) -> Verdict {
        let now = Instant::now();
        // What begins right now is seen in time: its deadline is not nearer than this.
        let pause = now + self.header_timeout.min(self.request_timeout);
        let at = |ms: u64| self.opened + Duration::from_millis(ms);
        let head = Some(self.head_ms.load(Relaxed)).filter(|ms| *ms > 0).map(at);
        if head.is_some_and(|head| head <= now) {
            return Verdict::Drop("a request's head did not come");
        }
        let pause = head.map_or(pause, |head| head.min(pause));
        if self.requests.load(Relaxed) == 0 {
            let first = self.opened + self.header_timeout;
            return if now < first { Verdict::Wait(first.min(pause)) } else { Verdict::Drop("no request came") };
        }
        let deadline = at(self.deadline_ms.load(Relaxed));
        if self.is_blocked.load(Relaxed) {
            return if now < deadline {
                Verdict::Wait(deadline.min(pause))
            } else {
                Verdict::Drop("an answer was not taken")
            };
        }
        if !self.has_streams.load(Relaxed) || self.waiting.load(Relaxed) > 0 {
            return Verdict::Wait(pause);
        }
        let idle = at(self.answered_ms.load(Relaxed)) + self.header_timeout;
        match (now < idle, now < deadline) {
            (true, _) => Verdict::Wait(idle.min(pause)),
            (false, true) => Verdict::Finish(deadline),
            (false, false) => Verdict::Drop("it was idle"),
        }
    }
}

/// A request without an answer yet; its client may go away, or reset it.
pub struct Waiting(Arc<Seen>);

impl Drop for Waiting {
    fn drop(&mut self) {
        // HTTP/1 says itself when it waits for the next head, and a look at the clock costs a hit something.
        if self.0.has_streams.load(Relaxed) {
            self.0.answered_ms.store(self.0.now_ms(), Relaxed);
        }
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

/// A transport that can be given up.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes its end a reset: what was not taken yet is not kept for a client that takes nothing.
    fn give_up(&self);
}

impl Transport for TcpStream {
    fn give_up(&self) {
        // Where it fails, the kernel keeps the bytes until its own patience ends.
        let _ = self.set_zero_linger();
    }
}

impl Transport for UnixStream {
    fn give_up(&self) {}
}

/// A connection's bytes on their way to and from hyper.
pub struct Watched<S: Transport> {
    stream: S,
    heads: Heads,
    seen: Arc<Seen>,
}

impl<S: Transport> Drop for Watched<S> {
    fn drop(&mut self) {
        if self.seen.is_blocked.load(Relaxed) {
            self.stream.give_up();
        }
    }
}

impl<S: Transport> Watched<S> {
    pub fn new(stream: S, seen: Arc<Seen>) -> Self {
        Self { stream, heads: Heads::new(), seen }
    }

    fn wrote<T>(&self, poll: Poll<T>) -> Poll<T> {
        if poll.is_pending() {
            self.seen.is_blocked.store(true, Relaxed);
        }
        poll
    }
}

impl<S: Transport> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.heads.check(&mut buf.filled_mut()[before..]);
        if self.heads.is_lost() {
            self.seen.is_last.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once it has written everything it had. TLS may hold the last of it still.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        ready!(self.wrote(poll))?;
        self.seen.is_blocked.store(false, Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
