//! The operator's interface: health, metrics, purge, receipts, explain, and the index page.
//!
//! It translates and never decides: each route parses its input, calls the edge or the purger, and encodes the answer.
//! It makes no listener; whoever serves the router says whether callers come from this machine.

mod door;
mod metrics;
mod page;
mod routes;

pub use door::Guard;
pub use routes::{Control, PurgeRequest, ReconcileRequest, router};
