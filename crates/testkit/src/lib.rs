//! What tests of the built binary share: the sample pictures, a server started from outside, and an HTTP client so plain
//! that it hides nothing.

#[cfg(feature = "bucket")]
pub mod bucket;
mod cloudfront;
mod http;
pub mod lambda;
mod picture;
mod queue;
mod server;
mod upstream;

pub use cloudfront::{Accepted, Double, DoubleRules, Reuse};
pub use http::{Answer, get, request, try_request};
pub use picture::{colour_of, noise, one_colour, picture, pictures, size_of};
pub use queue::{Queue, Sent};
pub use server::{Server, run};
pub use upstream::{Asked, Step, Upstream, answer, raw};
