//! What can go wrong between us and an origin, as facts that a caller can act on. Never an HTTP status: the one place that
//! makes statuses is elsewhere.

use std::time::Duration;

use crate::Forbidden;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever sent the request: it cannot be carried to an origin, or its body broke.
    Viewer,
    /// The origin, or the way there.
    Origin,
    /// Ours: configuration or capacity.
    Us,
}

/// What was waited for when a deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The name's addresses, the connection, TLS.
    Connect,
    /// The answer's headers.
    FirstByte,
    /// The next part of the answer's body.
    Idle,
    /// The whole exchange.
    Total,
}

impl Phase {
    fn words(self) -> &'static str {
        match self {
            Self::Connect => "a connection",
            Self::FirstByte => "the first byte of an answer",
            Self::Idle => "more of the answer",
            Self::Total => "the whole answer",
        }
    }
}

/// Why an exchange with an origin failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address is one that may not be connected to.
    #[error("{0}")]
    Forbidden(Forbidden),
    /// The origin's name has no address, or none could be learnt.
    #[error("the origin's name cannot be resolved: {0}")]
    Resolve(String),
    /// No connection, or it broke before an answer began.
    #[error("the origin cannot be reached: {0}")]
    Connect(String),
    /// TLS failed: certificate, name or protocol.
    #[error("no secure connection to the origin: {0}")]
    Tls(String),
    /// A deadline passed.
    #[error("the origin did not deliver {} in time", phase.words())]
    Timeout {
        /// What was waited for.
        phase: Phase,
    },
    /// The answer is not HTTP, or contradicts itself.
    #[error("the origin's answer is malformed: {0}")]
    Malformed(String),
    /// The body ended before its framing said so, or broke it.
    #[error("the origin's answer is not whole: {0}")]
    Incomplete(String),
    /// The answer's headers are over the limit.
    #[error("the origin's headers are over the limit")]
    HeadersTooLarge,
    /// The answer's body is over the limit.
    #[error("the origin's answer has more than {max} bytes")]
    BodyTooLarge {
        /// How many it may have.
        max: u64,
    },
    /// The origin failed too often just now and is left alone.
    #[error("the origin failed too often and is left alone for {retry_after:?}")]
    Open {
        /// When asking again makes sense.
        retry_after: Duration,
    },
    /// Every connection that may be open to this origin is in use.
    #[error("every connection to the origin is in use")]
    Busy,
    /// The request has passed through so many gateways that it must be going in a circle.
    #[error("the request has come through {hops} gateways: it goes in a circle")]
    Loop {
        /// How many.
        hops: usize,
    },
    /// A redirect leads where none may lead.
    #[error("the origin redirects: {0}")]
    Redirect(String),
    /// The request cannot be carried to this origin.
    #[error("the request cannot be sent on: {0}")]
    Request(String),
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Request(_) | Self::Loop { .. } => Fault::Viewer,
            Self::Forbidden(_) | Self::Busy => Fault::Us,
            _ => Fault::Origin,
        }
    }

    /// Whether the same request may succeed later, nobody having changed anything.
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Resolve(_) | Self::Connect(_) | Self::Timeout { .. } | Self::Incomplete(_) => true,
            Self::Open { .. } | Self::Busy => true,
            Self::Forbidden(_) | Self::Tls(_) | Self::Malformed(_) | Self::HeadersTooLarge => false,
            Self::BodyTooLarge { .. } | Self::Loop { .. } | Self::Redirect(_) | Self::Request(_) => false,
        }
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }

    /// Its word for logs and metrics: lower-case letters and hyphens.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "origin-address-forbidden",
            Self::Resolve(_) => "origin-name",
            Self::Connect(_) => "origin-unreachable",
            Self::Tls(_) => "origin-tls",
            Self::Timeout { phase: Phase::Connect } => "origin-connect-timeout",
            Self::Timeout { phase: Phase::FirstByte } => "origin-first-byte-timeout",
            Self::Timeout { phase: Phase::Idle } => "origin-idle-timeout",
            Self::Timeout { phase: Phase::Total } => "origin-total-timeout",
            Self::Malformed(_) => "origin-malformed",
            Self::Incomplete(_) => "origin-incomplete",
            Self::HeadersTooLarge => "origin-headers-too-large",
            Self::BodyTooLarge { .. } => "origin-body-too-large",
            Self::Open { .. } => "origin-left-alone",
            Self::Busy => "origin-busy",
            Self::Loop { .. } => "loop",
            Self::Redirect(_) => "origin-redirect",
            Self::Request(_) => "request-not-sendable",
        }
    }

    /// Whether it says that the origin is in trouble, and not only this one request.
    pub(crate) fn counts_against_origin(&self) -> bool {
        matches!(
            self,
            Self::Resolve(_)
                | Self::Connect(_)
                | Self::Tls(_)
                | Self::Timeout { .. }
                | Self::Malformed(_)
                | Self::Incomplete(_)
                | Self::HeadersTooLarge
        )
    }
}
