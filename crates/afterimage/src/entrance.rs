//! What stands at a listener's door: how its connections are secured, whose word about viewers is taken, and how many came.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use afterimage_control::Listener;
use afterimage_edge::Viewer;
use afterimage_setup::ForwardedBy;
use http::HeaderMap;

use crate::forwarded::Trusted;
use crate::tls::Tls;

/// One listener's door. Clones count together.
#[derive(Clone)]
pub struct Entrance {
    pub tls: Tls,
    trusted: Arc<Trusted>,
    tally: Arc<Tally>,
}

#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    open: AtomicU64,
}

impl Entrance {
    /// Where nobody's word is taken.
    pub fn new(tls: Tls) -> Self {
        Self::trusting(tls, Trusted { proxies: Vec::new(), by: ForwardedBy::XForwarded })
    }

    pub fn trusting(tls: Tls, trusted: Trusted) -> Self {
        Self { tls, trusted: Arc::new(trusted), tally: Arc::default() }
    }

    pub fn scheme(&self) -> &'static str {
        if self.tls.is_on() { "https" } else { "http" }
    }

    /// Counts a connection, which is open until what this returns is dropped.
    pub fn entered(&self) -> Entered {
        self.tally.accepted.fetch_add(1, Relaxed);
        self.tally.open.fetch_add(1, Relaxed);
        Entered(self.tally.clone())
    }

    /// Who sends a request with these headers.
    pub fn viewer(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Viewer {
        self.trusted.viewer(peer, self.tls.is_on(), headers)
    }

    /// What was counted.
    pub fn counts(&self, name: &'static str, open_max: usize) -> Listener {
        Listener {
            name,
            accepted: self.tally.accepted.load(Relaxed),
            open: self.tally.open.load(Relaxed),
            open_max: open_max as u64,
            handshakes: self.tls.counts(),
        }
    }
}

/// An open connection.
pub struct Entered(Arc<Tally>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}
