//! An upstream HTTP server: a place of originals, or of answers to pass through.
//!
//! [`Origin::send`] carries one request there and its answer back; [`Originals`] asks it about originals and reads them.
//! What protects us and the server stands between: the address that is really connected to is checked, every wait has a
//! deadline, every body a bound, retries a budget, and a server that does not answer is left alone for a while. Nothing
//! here stores or caches an answer, and nothing here knows who does.

mod address;
mod body;
mod breaker;
mod budget;
mod config;
mod connect;
mod endpoint;
mod error;
mod exchange;
mod headers;
mod key;
mod origin;
mod originals;
mod pool;
mod resolve;
#[cfg(feature = "tls")]
mod tls;

pub use address::{Addresses, Cidr, Forbidden};
pub use body::{Body, BoxError, Framing};
pub use breaker::BreakerConfig;
pub use config::{Config, Limits, Mistake, host_of};
pub use error::{Error, Fault, Phase};
pub use origin::{Counts, Origin};
pub use originals::{Originals, OriginalsConfig, OriginalsCounts, Read, Seen, Unseen, Unversioned};
pub use resolve::{Resolve, SystemResolver};
