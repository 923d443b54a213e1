//! What a viewer is sent: bytes that are there, bytes that are on their way into the cache as well, or an origin's body as
//! it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use afterimage_origin::{Body, Error};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::edge::Edge;

/// The body of an answer. It ends with an error where its origin's did not end as announced.
pub struct Reply(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Shared { parts: UnboundedReceiver<Part>, length: Option<u64>, edge: Arc<Edge> },
    Direct { body: Body, edge: Arc<Edge> },
}

/// What a fetch hands on. The channel has no bound of its own: what goes through it is kept for the cache at the same time,
/// and that is bounded.
pub(super) enum Part {
    Chunk(Bytes),
    /// That was all of it.
    End,
    /// It is not kept any more: the rest comes straight from the origin, as fast as the viewer takes it.
    Rest(Body),
    Failed(Error),
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reply").field(&self.size_hint()).finish()
    }
}

impl Reply {
    /// Whether all of it is here already; otherwise it comes as its origin sends it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self.0, Kind::Whole(_))
    }

    /// An origin's body as it comes.
    pub(super) fn direct(edge: &Arc<Edge>, body: Body) -> Self {
        Self(Kind::Direct { body, edge: edge.clone() })
    }

    /// A body that somebody else reads and hands on.
    pub(super) fn shared(edge: &Arc<Edge>, length: Option<u64>) -> (UnboundedSender<Part>, Self) {
        let (send, parts) = unbounded_channel();
        (send, Self(Kind::Shared { parts, length, edge: edge.clone() }))
    }
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        match &mut this.0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Shared { parts, length, edge } => match ready!(parts.poll_recv(context)) {
                Some(Part::Chunk(bytes)) => {
                    *length = length.map(|length| length.saturating_sub(bytes.len() as u64));
                    edge.metrics.sent(bytes.len());
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Some(Part::End) => {
                    this.0 = Kind::Whole(None);
                    Poll::Ready(None)
                }
                Some(Part::Failed(error)) => Poll::Ready(Some(Err(error))),
                Some(Part::Rest(body)) => {
                    this.0 = Kind::Direct { body, edge: edge.clone() };
                    Pin::new(this).poll_frame(context)
                }
                // Whoever read for us went away without a word.
                None => Poll::Ready(Some(Err(Error::Incomplete("nobody reads it any more".to_owned())))),
            },
            Kind::Direct { body, edge } => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                if let Some(Ok(frame)) = &frame {
                    edge.metrics.sent(frame.data_ref().map_or(0, Bytes::len));
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            // Zero bytes to come is not yet the word that all is well.
            Kind::Shared { .. } => false,
            Kind::Direct { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Shared { length: Some(length), .. } => SizeHint::with_exact(*length),
            Kind::Shared { length: None, .. } => SizeHint::default(),
            Kind::Direct { body, .. } => body.size_hint(),
        }
    }
}
