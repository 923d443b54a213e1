//! What is no picture: one path more from the same screen, with the same stages. The viewer's request is looked up, its
//! origin is asked where that is needed, and the answer is tested against every fence before its first byte.
//!
//! What HTTP says about caching is asked of `afterimage_cache::http`; this decides nothing of it.

mod asked;
mod body;
mod cached;
mod fetch;
mod forward;
mod leave;
mod route;
mod upstream;
mod viewer;

pub use body::Reply;
pub use route::{PassThrough, Rewrite, Route, Serves};
pub use upstream::Upstream;
pub use viewer::Viewer;

use std::sync::Arc;

use afterimage_cache::http::Forwarded;
use afterimage_origin::Body;
use http::header::{IF_MATCH, IF_UNMODIFIED_SINCE};
use http::{Method, Response, request};
use http_body::Body as _;

use self::asked::Asked;
use crate::Failure;
use crate::config::Live;
use crate::edge::Edge;

impl Edge {
    /// Passes one request through.
    pub(crate) async fn pass(
        self: &Arc<Self>,
        live: &Arc<Live>,
        pass: &PassThrough,
        parts: request::Parts,
        body: Body,
    ) -> Response<Reply> {
        let asked = match Asked::new(pass, parts) {
            Ok(asked) => Arc::new(asked),
            Err(failure) => return self.leave_failed(live, &failure),
        };
        if body.size_hint().lower() > pass.request_bytes_max {
            return self.leave_failed(live, &Failure::RequestTooLarge { max: pass.request_bytes_max });
        }
        // Conditions that only the origin can judge, and bodies, which a cache cannot tell apart, are for the origin.
        let judged = asked.headers.contains_key(IF_MATCH) || asked.headers.contains_key(IF_UNMODIFIED_SINCE);
        let passed = match asked.method {
            Method::GET | Method::HEAD if !body.is_end_stream() => {
                self.forward(live, pass, &asked, body, Forwarded::Bypass).await
            }
            Method::GET | Method::HEAD if judged => self.forward(live, pass, &asked, body, Forwarded::Request).await,
            Method::GET => self.cached(live, pass, &asked).await,
            Method::HEAD => self.head(live, pass, &asked).await,
            _ => self.forward(live, pass, &asked, body, Forwarded::Method).await,
        };
        passed.unwrap_or_else(|failure| self.leave_failed(live, &failure))
    }
}
