//! What an answer to a question about an original says, whatever the question was.

use std::time::Duration;

use afterimage_identity::Unprovable;
use http::header::{AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use http_body_util::BodyExt as _;

use super::Unseen;
use crate::{Body, Error, Framing};

/// An answer whose status says that the original is there, or that it is unchanged.
pub(super) enum There {
    Whole(Response<Body>),
    Unchanged(Response<Body>),
}

/// Reads the status. Only 404 and 410 prove absence (GUARANTEE, rule 8).
pub(super) fn there(answer: Response<Body>, is_conditional: bool) -> Result<There, Unseen> {
    let other = |words: String| Err(Unseen::Unprovable(Unprovable::Other(words)));
    match answer.status() {
        StatusCode::OK => Ok(There::Whole(answer)),
        StatusCode::NOT_MODIFIED if is_conditional => Ok(There::Unchanged(answer)),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Unseen::Gone),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Err(Unseen::Unprovable(Unprovable::Refused))
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(Unseen::Unprovable(Unprovable::Unreachable)),
        StatusCode::GATEWAY_TIMEOUT => Err(Unseen::Unprovable(Unprovable::TimedOut)),
        status if status.is_server_error() => Err(Unseen::Unprovable(Unprovable::Unreachable)),
        // A part, or "unchanged", that nobody asked for; something transformed; no content; a redirect without Location.
        status => other(format!("the source answered {} to a plain question", status.as_u16())),
    }
}

/// How old an answer is (RFC 9111, 5.1): the largest of what it says.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    let seconds = headers.get_all(AGE).iter().filter_map(|value| value.to_str().ok()?.trim().parse::<u64>().ok()).max();
    Duration::from_secs(seconds.unwrap_or(0))
}

/// Whether anybody may store it: `no-store` and `private` say no, with or without argument.
pub(super) fn is_storable(headers: &HeaderMap) -> bool {
    let directives =
        headers.get_all(CACHE_CONTROL).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    !directives
        .map(|directive| directive.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii())
        .any(|name| name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"private"))
}

pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_TYPE)?.to_str().ok().map(str::to_owned)
}

/// Reads the body, if it is plain, framed and small enough.
pub(super) async fn body(answer: Response<Body>, bytes_max: u64) -> Result<(HeaderMap, bytes::Bytes), Unseen> {
    let (head, mut body) = answer.into_parts();
    let malformed = |what: &str| Err(Error::Malformed(what.to_owned()).into());
    let is_coded = |coding: &http::HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if head.headers.get_all(CONTENT_ENCODING).iter().any(is_coded) {
        // Nobody asked for it, and unpacking is where bombs go off.
        return malformed("it is packed, although nobody asked for that");
    }
    match head.extensions.get::<Framing>() {
        // A picture cut in half looks whole to many decoders.
        Some(Framing::UntilClose) | None => {
            return malformed("it has no length, so nobody can tell whether it is whole");
        }
        Some(Framing::Length(bytes)) if *bytes > bytes_max => {
            return Err(Unseen::TooLarge { bytes: *bytes, max: bytes_max });
        }
        Some(_) => {}
    }
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let bytes = (collected.len() + data.len()) as u64;
        if bytes > bytes_max {
            return Err(Unseen::TooLarge { bytes, max: bytes_max });
        }
        collected.extend_from_slice(&data);
    }
    Ok((head.headers, collected.into()))
}
