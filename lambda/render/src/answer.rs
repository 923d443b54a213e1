//! The edge's answer as a function URL streams it: a prelude of status and headers, then the body.

use std::convert::Infallible;

use afterimage_edge::AboutPicture;
use afterimage_setup::FUNCTION_ANSWER_BYTES_MAX;
use bytes::Bytes;
use futures_util::stream::{Iter, iter};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use lambda_runtime::{MetadataPrelude, StreamResponse};

/// An answer that is sent piece by piece. Its body is whole before its first byte is sent: the runtime's library has no way to cut one
/// that fails in the middle (it would send words about the error in its place, and end it properly).
pub type Streamed = StreamResponse<Iter<std::vec::IntoIter<Result<Bytes, Infallible>>>>;

/// One piece of a body, in bytes: so much is on its way at once.
const PIECE_BYTES: usize = 256 * 1024;

/// Makes what is sent of an answer.
pub fn stream(response: Response<Bytes>) -> Streamed {
    let response = match response.body().len() as u64 {
        bytes if bytes > FUNCTION_ANSWER_BYTES_MAX => too_large(bytes),
        _ => response,
    };
    let (parts, mut body) = response.into_parts();
    let mut headers = joined(&parts.headers);
    // Whoever is told nothing makes something up (`application/octet-stream`), and a 304 changes what a CDN has: it would keep
    // the picture as that.
    if let Some(AboutPicture { media_type }) = parts.extensions.get()
        && !headers.contains_key(CONTENT_TYPE)
    {
        headers.insert(CONTENT_TYPE, media_type.clone());
    }
    let mut pieces = Vec::new();
    while !body.is_empty() {
        pieces.push(Ok(body.split_to(body.len().min(PIECE_BYTES))));
    }
    let metadata_prelude = MetadataPrelude { status_code: parts.status, headers, cookies: Vec::new() };
    StreamResponse { metadata_prelude, stream: iter(pieces) }
}

/// One text for each name: a function URL takes no lists. What is no text cannot be said.
fn joined(headers: &HeaderMap) -> HeaderMap {
    let mut joined = HeaderMap::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let texts: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        if let Ok(value) = HeaderValue::try_from(texts.join(", "))
            && !texts.is_empty()
        {
            joined.insert(name.clone(), value);
        }
    }
    joined
}

/// The event holds no request.
pub fn bad_request(words: &str) -> Response<Bytes> {
    problem(StatusCode::BAD_REQUEST, "bad-request", &format!("The event is no request: {words}."))
}

/// The time for the event is over.
pub fn too_late() -> Response<Bytes> {
    let mut response =
        problem(StatusCode::SERVICE_UNAVAILABLE, "timeout", "There was no answer in the function's time.");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn too_large(bytes: u64) -> Response<Bytes> {
    let words = format!("The answer has {bytes} bytes; a function streams at most {FUNCTION_ANSWER_BYTES_MAX}.");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "over-limits", &words)
}

/// A problem document (RFC 9457) that nobody keeps.
fn problem(status: StatusCode, reason: &str, detail: &str) -> Response<Bytes> {
    let title = status.canonical_reason().unwrap_or_default();
    let document = serde_json::json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "reason": reason, "detail": detail,
    });
    let mut response = Response::new(Bytes::from(format!("{document:#}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;

    use super::*;

    #[test]
    fn each_name_has_one_text() {
        let mut response = Response::new(Bytes::new());
        for (name, value) in [("vary", "Accept"), ("vary", "Origin")] {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        response.headers_mut().insert("x-bytes", HeaderValue::from_bytes(b"\xe9").unwrap());
        let headers = stream(response).metadata_prelude.headers;
        assert_eq!((&headers["vary"], headers.len()), (&HeaderValue::from_static("Accept, Origin"), 1));
    }

    #[tokio::test]
    async fn a_body_is_the_same_in_pieces() {
        for bytes in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let body: Bytes = (0..bytes).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
            let pieces: Vec<Bytes> = stream(Response::new(body.clone())).stream.map(Result::unwrap).collect().await;
            assert_eq!((pieces.len(), pieces.concat()), (bytes.div_ceil(PIECE_BYTES), body.to_vec()), "{bytes}");
        }
    }

    #[test]
    fn what_is_longer_than_may_be_streamed_is_an_error() {
        for (bytes, status) in [(FUNCTION_ANSWER_BYTES_MAX, 200), (FUNCTION_ANSWER_BYTES_MAX + 1, 500)] {
            let body = Bytes::from(vec![0; usize::try_from(bytes).unwrap()]);
            assert_eq!(stream(Response::new(body)).metadata_prelude.status_code, status, "{bytes}");
        }
    }
}
