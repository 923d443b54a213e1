//! CloudFront's REST API `2020-05-31`, as far as it is about invalidating: every client that knows CloudFront can make
//! this edge forget. It reads, checks who asks, calls [`crate::invalidate`] and writes.

mod distribution;
pub(crate) mod document;
pub(crate) mod fault;
pub(crate) mod ledger;
pub(crate) mod sigv4;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use afterimage_identity::Digest;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use crate::invalidate::{Invalidations, MATCHED};
use distribution::Distribution;
use document::{Element, error, invalidation, invalidation_list, read_batch};
use fault::{Code, Fault};
use ledger::{PAGE_MAX, Record};

/// What every path of the API begins with.
pub(crate) const ROOT: &str = "/2020-05-31/";
/// The largest body: three thousand of the longest paths, with what stands around them.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How many requests there were, so that no two have the same id.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// What the API speaks to.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) invalidations: Arc<Invalidations>,
    /// Where pictures are served: host and port.
    pub(crate) domain: Arc<str>,
}

/// An answer before it is written.
struct Reply {
    status: StatusCode,
    element: Element,
    headers: HeaderMap,
}

impl Reply {
    fn new(element: Element) -> Self {
        Self { status: StatusCode::OK, element, headers: HeaderMap::new() }
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        // Everything that comes here is visible ASCII.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn of(record: &Record) -> Self {
        Self::new(invalidation(record)).with(HeaderName::from_static(MATCHED), &record.matched)
    }
}

/// Every request below [`ROOT`].
pub(crate) async fn handle(State(api): State<Api>, request: Request<Body>) -> Response {
    let id = request_id(&api);
    let reply = match api.answer(request).await {
        Ok(reply) => reply,
        Err(fault) => {
            tracing::info!(code = fault.code.row().0, message = fault.message, "an invalidation request was refused");
            Reply { status: fault.code.row().1, ..Reply::new(error(&fault, &id)) }
        }
    };
    let reply = reply.with(CONTENT_TYPE, "text/xml").with(HeaderName::from_static("x-amzn-requestid"), &id);
    (reply.status, reply.headers, reply.element.document()).into_response()
}

/// An id for logs, in the form of a UUID.
fn request_id(api: &Api) -> String {
    let since = api.invalidations.since.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    let hex = Digest::new("request").part(&since.to_be_bytes()).part(&number.to_be_bytes()).hex(32);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Paging {
    marker: Option<String>,
    max_items: Option<String>,
}

impl Paging {
    fn of(head: &Parts) -> Result<(Self, usize), Fault> {
        let Query(paging) = Query::<Self>::try_from_uri(&head.uri)
            .map_err(|_| Fault::new(Code::InvalidArgument, "Marker and MaxItems can be given once each."))?;
        let items_max = match paging.max_items.as_deref().map(str::parse::<usize>) {
            None => PAGE_MAX,
            Some(Ok(items_max)) if items_max > 0 => items_max.min(PAGE_MAX),
            Some(_) => return Err(Fault::new(Code::InvalidArgument, "MaxItems is not a whole number above zero.")),
        };
        Ok((paging, items_max))
    }

    fn marker(&self) -> Option<&str> {
        self.marker.as_deref().filter(|marker| !marker.is_empty())
    }
}

impl Api {
    /// Nothing of the body is read before the head names a known key and a date that can be.
    async fn answer(&self, request: Request<Body>) -> Result<Reply, Fault> {
        let (head, body) = request.into_parts();
        let claim = self.invalidations.verifier.claim(&head, self.invalidations.clock.wall())?;
        let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
            Fault::new(
                Code::BatchTooLarge,
                format!("the body has more than {BODY_BYTES_MAX} bytes, or did not come whole"),
            )
        })?;
        claim.verify(&head, &body)?;
        tracing::debug!(key = claim.key_id(), method = %head.method, path = head.uri.path(), "a signed request");
        let path: Vec<&str> =
            head.uri.path().strip_prefix(ROOT).unwrap_or_default().trim_end_matches('/').split('/').collect();
        match (&head.method, &path[..]) {
            (&Method::GET, ["distribution"]) => self.distributions(&head),
            (&Method::GET, ["distribution", id]) => {
                self.knows(id)?;
                Ok(Reply::new(self.distribution().whole()).with(ETAG, Distribution::ETAG))
            }
            (&Method::GET, ["distribution", id, "config"]) => {
                self.knows(id)?;
                Ok(Reply::new(self.distribution().config()).with(ETAG, Distribution::ETAG))
            }
            (&Method::GET, ["distribution", id, "invalidation"]) => {
                self.knows(id)?;
                self.list(&head)
            }
            (&Method::POST, ["distribution", id, "invalidation"]) => {
                self.knows(id)?;
                self.create(&body).await
            }
            (&Method::GET, ["distribution", id, "invalidation", invalidation]) => {
                self.knows(id)?;
                self.get(invalidation)
            }
            _ => Err(Fault::new(
                Code::NotImplemented,
                "This edge is configured by its own file. It knows CreateInvalidation, GetInvalidation, ListInvalidations, \
                 GetDistribution, GetDistributionConfig and ListDistributions.",
            )),
        }
    }

    fn knows(&self, id: &str) -> Result<(), Fault> {
        if id == self.invalidations.distribution_id {
            return Ok(());
        }
        // Only whoever has signed gets here, and ListDistributions would tell as well.
        let words = format!(
            "The specified distribution does not exist. This edge is {}: see invalidation.distribution_id",
            self.invalidations.distribution_id
        );
        Err(Fault::new(Code::NoSuchDistribution, words))
    }

    fn distribution(&self) -> Distribution<'_> {
        Distribution {
            id: &self.invalidations.distribution_id,
            domain: &self.domain,
            since: self.invalidations.since,
            in_progress: self.invalidations.ledger().in_progress(),
        }
    }

    fn distributions(&self, head: &Parts) -> Result<Reply, Fault> {
        let (paging, items_max) = Paging::of(head)?;
        let marker = paging.marker();
        // After the only one comes nothing.
        Ok(Reply::new(self.distribution().list(marker.unwrap_or_default(), items_max, marker.is_none())))
    }

    fn list(&self, head: &Parts) -> Result<Reply, Fault> {
        let (paging, items_max) = Paging::of(head)?;
        let page = self.invalidations.ledger().page(paging.marker(), items_max)?;
        Ok(Reply::new(invalidation_list(&page, paging.marker().unwrap_or_default(), items_max)))
    }

    fn get(&self, id: &str) -> Result<Reply, Fault> {
        let ledger = self.invalidations.ledger();
        let record = ledger.get(id);
        record.map(Reply::of).ok_or_else(|| {
            let words = "The specified invalidation does not exist. It may be older than those that are remembered.";
            Fault::new(Code::NoSuchInvalidation, words)
        })
    }

    async fn create(&self, body: &[u8]) -> Result<Reply, Fault> {
        let record = self.invalidations.create(read_batch(body)?).await?;
        let location = format!("{ROOT}distribution/{}/invalidation/{}", self.invalidations.distribution_id, record.id);
        Ok(Reply { status: StatusCode::CREATED, ..Reply::of(&record) }.with(LOCATION, &location))
    }
}
