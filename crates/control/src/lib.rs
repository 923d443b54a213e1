//! The operator's interface: health, metrics, purge, receipts, explain, and the index page.
//!
//! It translates and never decides: each route parses its input, calls the edge or the purger, and encodes the answer.
//! It makes no listener; whoever serves the router says whether callers come from this machine.

mod cloudfront;
mod door;
mod events;
mod invalidate;
mod item;
mod meters;
mod metrics;
mod page;
mod purge_method;
mod routes;

/// What is fuzzed by itself. Not an interface.
#[doc(hidden)]
pub mod fuzzing {
    /// How many items an invalidation batch has, if it is one.
    pub fn invalidation_items(body: &[u8]) -> Option<usize> {
        crate::cloudfront::document::read_batch(body).ok().map(|batch| batch.items.len())
    }
}

pub use cloudfront::ledger::Limits;
pub use cloudfront::sigv4::AccessKey;
pub use door::Guard;
pub use invalidate::{InvalidationConfig, Invalidations};
pub use meters::{Handshakes, Listener, Meters, Origin};
pub use routes::{Control, Planned, PurgeRequest, ReconcileRequest, router};
