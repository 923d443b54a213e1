//! Calls to those who have no client library: one connection pool, a deadline, a bounded answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::far::Fault;

/// The longest that one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How much of an answer is quoted in a receipt, in characters.
const QUOTED_MAX: usize = 300;

#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;

/// A client over one pool of connections.
pub(crate) struct Http(Client<Connector, Full<Bytes>>);

/// An answer that was read whole.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[cfg(feature = "tls")]
fn connector() -> Result<Connector, String> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(Duration::from_secs(10)));
    // The authorities that this machine trusts, as for origins.
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
    let builder = builder.map_err(|error| format!("this machine trusts no certificate authority: {error}"))?;
    Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
}

#[cfg(not(feature = "tls"))]
fn connector() -> Result<Connector, String> {
    Ok(HttpConnector::new())
}

impl Http {
    /// # Errors
    /// In words, when the machine trusts nobody.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(8).build(connector()?)))
    }

    /// Calls, and reads the answer whole.
    pub(crate) async fn call(
        &self,
        method: Method,
        uri: Uri,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, Fault> {
        let mut request = Request::builder().method(method).uri(uri).header("user-agent", "afterimage");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|error| Fault::Refused { why: error.to_string() })?;
        let exchange = async {
            let response = self.0.request(request).await.map_err(|error| Fault::later(words(&error)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| Fault::later(words(&*error)))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        match tokio::time::timeout(CALL_TIMEOUT, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(Fault::later(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
        }
    }
}

impl Answer {
    /// The answer, unless its status says that nothing was done.
    pub(crate) fn ok(self) -> Result<Self, Fault> {
        if self.status.is_success() {
            return Ok(self);
        }
        let why = format!("{}: {}", self.status.as_u16(), self.quoted());
        // What is too early, too much, in conflict or somebody else's failure may be otherwise later.
        let later = matches!(self.status.as_u16(), 408 | 409 | 423 | 425 | 429) || self.status.is_server_error();
        Err(match later {
            true => Fault::Later { why, after: self.retry_after() },
            false => Fault::Refused { why },
        })
    }

    fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
        value.trim().parse().ok().map(Duration::from_secs)
    }

    pub(crate) fn quoted(&self) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(4 * QUOTED_MAX)]).into_owned();
        text.chars().filter(|letter| !letter.is_control()).take(QUOTED_MAX).collect()
    }
}

/// An error and its causes.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

/// An absolute URL, or in words why not.
pub(crate) fn uri(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("\"{text}\" is no URL: {error}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some("https"), Some(_)) if cfg!(feature = "tls") => Ok(uri),
        (Some("https"), Some(_)) => {
            Err(format!("\"{text}\": this build has no TLS; take one with the feature \"tls\""))
        }
        _ => Err(format!("\"{text}\" is no http or https URL")),
    }
}
