//! One request on one connection, up to the answer's headers, and what those say about the body.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, sleep, sleep_until};

use crate::body::{Body, Outgoing};
use crate::connect::Connection;
use crate::{Error, Framing, Limits, Phase};

/// An exchange that brought no answer.
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// The request, where nothing of it was sent.
    pub(crate) unsent: Option<Request<Body>>,
}

/// Sends `request` and waits for the answer's headers.
pub(crate) async fn exchange(
    connection: &mut Connection,
    request: Request<Body>,
    limits: &Limits,
    ends_at: Instant,
) -> Result<Response<Incoming>, Failed> {
    let (head, body) = request.into_parts();
    let (body, sent) = Outgoing::new(body);
    let answer = connection.sender.try_send_request(Request::from_parts(head, body));
    // The origin cannot answer before it has the request: a viewer who uploads slowly is not its fault.
    let overdue = async {
        let _ = sent.await;
        sleep(limits.first_byte).await;
    };
    let failed = |error| Failed { error, unsent: None };
    tokio::select! {
        answer = answer => answer.map_err(|mut error| {
            let unsent = error.take_message().map(|request| request.map(Outgoing::into_body));
            Failed { error: from_hyper(error.error()), unsent }
        }),
        () = overdue => Err(failed(Error::Timeout { phase: Phase::FirstByte })),
        () = sleep_until(ends_at) => Err(failed(Error::Timeout { phase: Phase::Total })),
    }
}

fn from_hyper(error: &hyper::Error) -> Error {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(ours) = cause.downcast_ref::<Error>() {
            return ours.clone();
        }
        source = cause.source();
    }
    if error.is_parse_too_large() {
        Error::HeadersTooLarge
    } else if error.is_parse() || error.is_parse_status() {
        Error::Malformed(error.to_string())
    } else {
        Error::Connect(error.to_string())
    }
}

/// How the body of this answer is delimited (RFC 9112, 6.3), refusing what two readers could understand differently.
pub(crate) fn framing(method: &Method, answer: &Response<Incoming>) -> Result<Framing, Error> {
    let malformed = |what: &str| Err(Error::Malformed(what.to_owned()));
    let (status, headers) = (answer.status(), answer.headers());
    if status.is_informational() {
        return malformed("it switches protocols, which nobody asked for");
    }
    let is_coded = headers.contains_key(TRANSFER_ENCODING);
    if is_coded && headers.contains_key(CONTENT_LENGTH) {
        return malformed("it has both a length and a transfer coding");
    }
    if is_coded {
        let codings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().map(|value| value.as_bytes()).collect();
        if !matches!(codings.as_slice(), [one] if one.eq_ignore_ascii_case(b"chunked")) {
            return malformed("its transfer coding is not plain chunked");
        }
    }
    if method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::None);
    }
    if is_coded {
        return Ok(Framing::Chunked);
    }
    match answer.body().size_hint().exact() {
        Some(bytes) => Ok(Framing::Length(bytes)),
        None => Ok(Framing::UntilClose),
    }
}
