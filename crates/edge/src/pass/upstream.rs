//! The seam to the origin that everything else is passed to.

use afterimage_identity::BoxFuture;
use afterimage_origin::{Body, Error, Origin};
use http::{Request, Response};

/// Carries a request to the origin and its answer back, both bodies streaming.
pub trait Upstream: Send + Sync {
    /// Sends one request; its URI is path and query alone. A body that is not whole ends with an error.
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, Error>>;
}

impl Upstream for Origin {
    fn send(&self, request: Request<Body>) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        Box::pin(Origin::send(self, request))
    }
}
