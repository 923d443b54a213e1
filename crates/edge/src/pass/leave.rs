//! The last stage of what is passed through: status, fields and body for the viewer.

use afterimage_cache::http::{
    Condition, Forwarded, NotStored, Report, Stored, Times, Wanted, age_of, evaluate, forwardable_response,
    if_range_holds, wanted,
};
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue,
};
use http::{Method, Response, StatusCode, response};

use super::Reply;
use super::asked::Asked;
use crate::config::Live;
use crate::edge::Edge;
use crate::viewer_response::{CACHE_STATUS, failed};
use crate::{Failure, Reason};

/// How a stored answer came to be used.
pub(super) struct How {
    /// Why the request was forwarded all the same.
    pub(super) forwarded: Option<Forwarded>,
    /// What the origin answered then.
    pub(super) status: Option<u16>,
    pub(super) collapsed: bool,
    pub(super) reason: Reason,
}

impl How {
    /// A stale answer that stands in for an origin that failed.
    pub(super) fn stale(why: Forwarded) -> Self {
        Self { forwarded: Some(why), status: None, collapsed: false, reason: Reason::Stale }
    }
}

/// How an answer came through.
pub(super) struct Through {
    pub(super) forwarded: Forwarded,
    pub(super) stored: bool,
    pub(super) why_not: Option<NotStored>,
    pub(super) times: Times,
}

impl Edge {
    /// Answers with what is stored: whole, in part, or with the word that the viewer has it.
    pub(super) fn leave_stored(&self, live: &Live, asked: &Asked, stored: &Stored, how: How) -> Response<Reply> {
        let now = self.clock.now();
        let mut headers = stored.headers.clone();
        let whole = stored.body.len();
        let (mut status, mut body, mut reason) = (stored.status, stored.body.clone(), how.reason);
        if status.is_success()
            && evaluate(&asked.headers, &stored.headers, stored.received_wall()) == Condition::NotModified
        {
            (status, body, reason) = (StatusCode::NOT_MODIFIED, Bytes::new(), Reason::NotModified);
            without_body(&mut headers);
        } else if status == StatusCode::OK && asked.method == Method::GET {
            headers.entry(ACCEPT_RANGES).or_insert(HeaderValue::from_static("bytes"));
            let holds = if_range_holds(&asked.headers, &stored.headers, stored.received_wall());
            match if holds { wanted(&asked.headers, whole as u64) } else { Wanted::Whole } {
                Wanted::Whole => {}
                Wanted::Part { first, last } => {
                    // Both are inside the body, so they fit.
                    body = body.slice(first as usize..=last as usize);
                    status = StatusCode::PARTIAL_CONTENT;
                    set(&mut headers, CONTENT_RANGE, format!("bytes {first}-{last}/{whole}"));
                }
                Wanted::Outside => {
                    (status, body, reason) =
                        (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new(), Reason::RangeNotSatisfiable);
                    without_body(&mut headers);
                    set(&mut headers, CONTENT_RANGE, format!("bytes */{whole}"));
                }
            }
        }
        // A field of this name belongs to the stored bytes only where the origin sent it with a 200.
        if !matches!(status, StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        headers.insert(AGE, HeaderValue::from(stored.age(now).as_secs().min(1 << 31)));
        let report = Report {
            forwarded: how.forwarded,
            status: how.status,
            ttl_s: Some(stored.fresh_for_s(now)),
            stored: how.status.is_some(),
            collapsed: how.collapsed,
            detail: Some(reason.word()),
            key: None,
        };
        let body = if asked.method == Method::HEAD { Bytes::new() } else { body };
        self.metrics.answered(reason, body.len());
        ended(live, asked, (status, headers), Reply::from(body), report)
    }

    /// Answers with what comes from the origin.
    pub(super) fn leave_through(
        &self,
        live: &Live,
        asked: &Asked,
        head: response::Parts,
        body: Reply,
        through: &Through,
    ) -> Response<Reply> {
        let mut headers = forwardable_response(&head.headers);
        // Of an answer without body it says what the body would have; else the body itself says it.
        let says_length = http_body::Body::is_end_stream(&body) && head.status != StatusCode::NO_CONTENT;
        if let Some(length) = head.headers.get(CONTENT_LENGTH).filter(|_| says_length) {
            headers.insert(CONTENT_LENGTH, length.clone());
        }
        let report = report(&mut headers, through, head.status);
        self.metrics.answered(Reason::Passed, 0);
        ended(live, asked, (head.status, headers), body, report)
    }

    /// The viewer has what comes: the answer is kept, and it is told so.
    pub(super) fn leave_not_modified(
        &self,
        live: &Live,
        asked: &Asked,
        head: response::Parts,
        through: &Through,
    ) -> Response<Reply> {
        let mut headers = forwardable_response(&head.headers);
        without_body(&mut headers);
        let report = report(&mut headers, through, head.status);
        self.metrics.answered(Reason::NotModified, 0);
        ended(live, asked, (StatusCode::NOT_MODIFIED, headers), Reply::from(Bytes::new()), report)
    }

    /// Answers with an error of ours.
    pub(super) fn leave_failed(&self, live: &Live, failure: &Failure) -> Response<Reply> {
        let (mut response, reason) = failed(live, failure, None, std::time::Duration::ZERO);
        let bytes = response.body().len();
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        self.metrics.answered(reason, bytes);
        response.map(Reply::from)
    }
}

fn report(headers: &mut HeaderMap, through: &Through, status: StatusCode) -> Report<'static> {
    // An answer that nobody kept on the way has no age; stating one would look like a hit.
    if headers.contains_key(AGE) {
        headers.insert(AGE, HeaderValue::from(age_of(headers, through.times).as_secs().min(1 << 31)));
    }
    Report {
        forwarded: Some(through.forwarded),
        status: Some(status.as_u16()),
        stored: through.stored,
        detail: through.why_not.map(NotStored::word),
        ..Report::default()
    }
}

fn ended(
    live: &Live,
    asked: &Asked,
    (status, mut headers): (StatusCode, HeaderMap),
    body: Reply,
    report: Report<'_>,
) -> Response<Reply> {
    let report = Report { key: live.config.show_cache_key.then_some(&*asked.url), ..report };
    // Behind what caches before us said, in the order in which the answer met them (RFC 9211, 2).
    if let Ok(value) = HeaderValue::try_from(report.to_string()) {
        headers.append(CACHE_STATUS, value);
    }
    // It was for us.
    headers.remove("surrogate-control");
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Takes out what describes a body that is not sent.
fn without_body(headers: &mut HeaderMap) {
    for name in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE] {
        headers.remove(name);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}
