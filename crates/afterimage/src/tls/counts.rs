//! What became of handshakes, counted. A reason is one of a few words: it is a label of a metric.

use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use afterimage_control::Handshakes;
use tokio_rustls::rustls::{Error, HandshakeKind};

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client did not finish it in time.
    Timeout,
    /// The client went away.
    Closed,
    /// The client spoke HTTP without TLS.
    PlainHttp,
    /// The client does not accept the certificate, or something else of ours.
    RefusedByClient,
    /// No version, cipher suite or application protocol in common.
    NothingInCommon,
    /// What the client sent is no TLS.
    Malformed,
}

impl Reason {
    pub const ALL: [Self; 6] =
        [Self::Timeout, Self::Closed, Self::PlainHttp, Self::RefusedByClient, Self::NothingInCommon, Self::Malformed];

    pub fn word(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::PlainHttp => "plain-http",
            Self::RefusedByClient => "refused-by-client",
            Self::NothingInCommon => "nothing-in-common",
            Self::Malformed => "malformed",
        }
    }

    /// Why a handshake ended so.
    pub fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::AlertReceived(_)) => Self::RefusedByClient,
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::NothingInCommon,
            Some(_) => Self::Malformed,
            None => Self::Closed,
        }
    }
}

/// The counters of one listener.
#[derive(Debug, Default)]
pub struct Counts {
    full: AtomicU64,
    resumed: AtomicU64,
    failed: [AtomicU64; Reason::ALL.len()],
    refused: AtomicU64,
    /// Seconds since 1970; 0 where it never ends.
    ends_s: AtomicI64,
}

impl Counts {
    pub fn finished(&self, kind: Option<HandshakeKind>) {
        let counter = if kind == Some(HandshakeKind::Resumed) { &self.resumed } else { &self.full };
        counter.fetch_add(1, Relaxed);
    }

    pub fn failed(&self, reason: Reason) {
        self.failed[reason as usize].fetch_add(1, Relaxed);
    }

    /// Files that changed and cannot be shown.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub fn ends(&self, seconds: i64) {
        self.ends_s.store(seconds, Relaxed);
    }

    pub fn sample(&self) -> Handshakes {
        Handshakes {
            full: self.full.load(Relaxed),
            resumed: self.resumed.load(Relaxed),
            failed: Reason::ALL.map(|reason| (reason.word(), self.failed[reason as usize].load(Relaxed))).to_vec(),
            certificates_refused: self.refused.load(Relaxed),
            certificate_ends_s: self.ends_s.load(Relaxed),
        }
    }
}
