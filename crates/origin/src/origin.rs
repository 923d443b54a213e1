//! One upstream server: requests go out, answers come back, and everything that bounds them is here in the order in which it
//! applies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use afterimage_identity::Clock;
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::body::Received;
use crate::breaker::{Breaker, Ticket};
use crate::budget::Budget;
use crate::config::Checked;
use crate::connect::{Connection, Connector};
use crate::endpoint::{Endpoint, Url, has_dot_segments};
use crate::exchange::{Failed, exchange, framing};
use crate::pool::{Lease, Pool};
use crate::{Body, Config, Error, Framing, Mistake, Resolve, SystemResolver, headers};

/// Exchanges that one request may cost, whatever the budget holds.
const TRIES_MAX: u32 = 3;

/// What an origin has seen since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Requests tried again, out of the budget.
    pub retries: u64,
    /// Requests without answer; broken bodies are not among them.
    pub failures: u64,
    /// Requests refused because the origin is left alone.
    pub left_alone: u64,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    retries: AtomicU64,
    failures: AtomicU64,
    left_alone: AtomicU64,
}

/// One upstream server. It is shared: every method takes `&self`.
pub struct Origin {
    pub(crate) checked: Checked,
    connector: Connector,
    pool: Arc<Pool>,
    breaker: Arc<Breaker>,
    budget: Budget,
    counters: Counters,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Origin {
    /// An origin whose name the system resolves.
    ///
    /// # Errors
    /// Every mistake in `config`, with its remedy.
    pub fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Vec<Mistake>> {
        Self::with_resolver(config, clock, Arc::new(SystemResolver))
    }

    /// An origin whose name `resolver` resolves.
    ///
    /// # Errors
    /// As [`Origin::new`].
    pub fn with_resolver(
        config: Config,
        clock: Arc<dyn Clock>,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, Vec<Mistake>> {
        let checked = config.check()?;
        let connector = Connector {
            resolver,
            addresses: checked.addresses.clone(),
            ports: checked.ports.clone(),
            limits: checked.limits.clone(),
            #[cfg(feature = "tls")]
            tls: crate::tls::connector()
                .map_err(|remedy| vec![Mistake { key: "url", value: config.url.clone(), remedy }])?,
        };
        Ok(Self {
            connector,
            pool: Pool::new(checked.limits.clone(), clock.clone()),
            breaker: Breaker::new(config.breaker, clock.clone()),
            budget: Budget::default(),
            counters: Counters::default(),
            checked,
            clock,
        })
    }

    /// What it has seen.
    pub fn counts(&self) -> Counts {
        let Counters { requests, retries, failures, left_alone } = &self.counters;
        Counts {
            requests: requests.load(Relaxed),
            retries: retries.load(Relaxed),
            failures: failures.load(Relaxed),
            left_alone: left_alone.load(Relaxed),
        }
    }

    /// How often it answered again after it had been left alone.
    pub(crate) fn recoveries(&self) -> u64 {
        self.breaker.recoveries()
    }

    /// Sends one request below the base path and brings the answer, whatever its status. Redirects are answers too.
    ///
    /// # Errors
    /// [`Error`]; a body that breaks later says so as its last item.
    pub async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let base = &self.checked.base;
        if !target.starts_with('/') {
            return Err(Error::Request("its target is no path".to_owned()));
        }
        if !base.target.is_empty() && has_dot_segments(target) {
            return Err(Error::Request("its path climbs out of the origin's".to_owned()));
        }
        let url = Url { endpoint: base.endpoint.clone(), target: format!("{}{target}", base.target) };
        self.send_to(&url, request).await
    }

    /// As [`send`](Origin::send), to any URL.
    pub(crate) async fn send_to(&self, url: &Url, mut request: Request<Body>) -> Result<Response<Body>, Error> {
        self.counters.requests.fetch_add(1, Relaxed);
        let answer = match self.prepare(url, &mut request) {
            Ok(()) => self.tries(&url.endpoint, request).await,
            Err(error) => Err(error),
        };
        match &answer {
            Ok(_) => {}
            Err(Error::Open { .. }) => drop(self.counters.left_alone.fetch_add(1, Relaxed)),
            Err(_) => drop(self.counters.failures.fetch_add(1, Relaxed)),
        }
        answer
    }

    fn prepare(&self, url: &Url, request: &mut Request<Body>) -> Result<(), Error> {
        if request.method() == Method::CONNECT {
            return Err(Error::Request("CONNECT makes tunnels, and there are none here".to_owned()));
        }
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() =
            Uri::try_from(url.target.as_str()).map_err(|error| Error::Request(format!("its target: {error}")))?;
        let is_home = url.endpoint == self.checked.base.endpoint;
        let none = HeaderMap::new();
        if is_home {
            headers::outgoing(request.headers_mut(), &self.checked.host, &self.checked.headers)?;
        } else {
            // The configured headers may be credentials: they are for the configured server alone.
            let host = url.endpoint.host_header().ok_or_else(|| Error::Redirect("no host".to_owned()))?;
            headers::outgoing(request.headers_mut(), &host, &none)?;
        }
        // Some servers wait for a body unless they are told that there is none.
        if request.body().is_end_stream() && matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(())
    }

    async fn tries(&self, endpoint: &Endpoint, request: Request<Body>) -> Result<Response<Body>, Error> {
        let ends_at = Instant::now() + self.checked.limits.total;
        self.budget.put();
        let mut ticket = self.breaker.enter()?;
        let permit = self.pool.permit().await?;
        let method = request.method().clone();
        let again = Again::of(&request);
        let (mut pending, mut tries) = (Some(request), 0);
        loop {
            tries += 1;
            let last = tries >= TRIES_MAX;
            let (mut connection, is_used) = match self.connection(endpoint, tries, ends_at).await {
                Ok(found) => found,
                // Nothing was sent, so any method may try again.
                Err(error @ Error::Connect(_)) if !last && self.may_spend(&error) => continue,
                Err(error) => return Err(fail(ticket, error)),
            };
            let request = pending.take().or_else(|| again.make());
            let Some(request) = request else { return Err(fail(ticket, Error::Connect("it broke".to_owned()))) };
            match exchange(&mut connection, request, &self.checked.limits, ends_at).await {
                Ok(answer) => {
                    ticket.answered();
                    let lease = Lease {
                        pool: self.pool.clone(),
                        endpoint: endpoint.clone(),
                        connection,
                        ticket,
                        _permit: permit,
                    };
                    return self.receive(&method, answer, lease, ends_at);
                }
                Err(Failed { error, unsent }) => {
                    let broke = matches!(error, Error::Connect(_));
                    // One that was closed while it lay idle says nothing of the origin, and is replaced once.
                    let is_stale = broke && is_used && tries == 1;
                    pending = unsent.filter(|_| broke);
                    let can = pending.is_some() || again.is_possible();
                    if last || !broke || !can || !(is_stale || self.may_spend(&error)) {
                        return Err(fail(ticket, error));
                    }
                }
            }
        }
    }

    /// A connection, and whether it was used before. Only a first try takes a used one.
    async fn connection(&self, endpoint: &Endpoint, tries: u32, ends_at: Instant) -> Result<(Connection, bool), Error> {
        let find = async {
            if tries == 1
                && let Some(connection) = self.pool.take(endpoint).await
            {
                return Ok((connection, true));
            }
            Ok((self.connector.connect(endpoint).await?, false))
        };
        match tokio::time::timeout_at(ends_at, find).await {
            Ok(found) => found,
            Err(_) => Err(Error::Timeout { phase: crate::Phase::Total }),
        }
    }

    fn may_spend(&self, error: &Error) -> bool {
        let may = self.budget.take();
        if may {
            self.counters.retries.fetch_add(1, Relaxed);
            tracing::debug!(%error, "an exchange with an origin is tried again");
        }
        may
    }

    fn receive(
        &self,
        method: &Method,
        answer: Response<Incoming>,
        lease: Lease,
        ends_at: Instant,
    ) -> Result<Response<Body>, Error> {
        let limits = &self.checked.limits;
        let bytes_max = limits.body_bytes_max.unwrap_or(u64::MAX);
        let framing = match framing(method, &answer) {
            Ok(Framing::Length(bytes)) if bytes > bytes_max => Err(Error::BodyTooLarge { max: bytes_max }),
            framing => framing,
        };
        let framing = match framing {
            Ok(framing) => framing,
            Err(error) => {
                lease.failed(&error);
                return Err(error);
            }
        };
        let (mut head, incoming) = answer.into_parts();
        headers::strip(&mut head.headers);
        if let Framing::Length(bytes) = framing {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        head.version = Version::HTTP_11;
        head.extensions.insert(framing);
        let body = if incoming.is_end_stream() {
            lease.give_back();
            Body::empty()
        } else {
            Body::received(Received::new(incoming, lease, limits.idle, ends_at, bytes_max))
        };
        Ok(Response::from_parts(head, body))
    }
}

fn fail(ticket: Ticket, error: Error) -> Error {
    if error.counts_against_origin() {
        ticket.failed();
    }
    error
}

/// How to make a request once more: idempotent (RFC 9110, 9.2.2) and without body.
struct Again(Option<(Method, Uri, HeaderMap)>);

impl Again {
    fn of(request: &Request<Body>) -> Self {
        let may = request.method().is_idempotent() && request.body().is_end_stream();
        Self(may.then(|| (request.method().clone(), request.uri().clone(), request.headers().clone())))
    }

    fn is_possible(&self) -> bool {
        self.0.is_some()
    }

    fn make(&self) -> Option<Request<Body>> {
        let (method, uri, headers) = self.0.clone()?;
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Some(request)
    }
}
