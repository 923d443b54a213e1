//! Which headers go on and which are for one hop only (RFC 9110, 7.6.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

use crate::Error;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Headers about one connection, whatever `Connection` says.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HTTP2_SETTINGS,
];

/// Gateways that a request may have come through: more is a circle. CDN, balancer, edge and origin shield are four.
const HOPS_MAX: usize = 16;

/// Our entry in `Via`.
const PSEUDONYM: &str = "1.1 afterimage";

/// Takes away what is for one hop only, and whatever `Connection` names. What an end-to-end header is cannot be undone by
/// naming it there: a peer could otherwise take `Host` or `Cache-Control` out of a message.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .filter(|name| !is_end_to_end(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Headers that no `Connection` may take away, because caches and servers decide by them.
fn is_end_to_end(name: &HeaderName) -> bool {
    use http::header::{
        AGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, COOKIE, DATE,
    };
    use http::header::{ETAG, EXPIRES, FORWARDED, LAST_MODIFIED, RANGE, SET_COOKIE, VARY};
    const KEPT: [HeaderName; 18] = [
        AGE,
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        COOKIE,
        DATE,
        ETAG,
        EXPIRES,
        FORWARDED,
        HOST,
        LAST_MODIFIED,
        RANGE,
        SET_COOKIE,
        VARY,
        VIA,
    ];
    KEPT.contains(name) || name.as_str().starts_with("x-forwarded-")
}

/// Whether a configured header may stand in every request: not one that frames the message or names its hops.
pub(crate) fn may_be_fixed(name: &HeaderName) -> bool {
    !HOP_BY_HOP.contains(name) && ![HOST, CONTENT_LENGTH, EXPECT, VIA].contains(name)
}

/// Makes a request's headers ready for the origin.
///
/// # Errors
/// [`Error::Loop`] when it has come through too many gateways.
pub(crate) fn outgoing(headers: &mut HeaderMap, host: &HeaderValue, fixed: &HeaderMap) -> Result<(), Error> {
    strip(headers);
    // The body frames itself, and whoever took the request has answered its expectation already.
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    let hops = headers.get_all(VIA).iter().map(|via| via.as_bytes().split(|byte| *byte == b',').count()).sum();
    if hops > HOPS_MAX {
        return Err(Error::Loop { hops });
    }
    headers.append(VIA, HeaderValue::from_static(PSEUDONYM));
    for name in fixed.keys() {
        headers.remove(name);
    }
    for (name, value) in fixed {
        headers.append(name, value.clone());
    }
    headers.insert(HOST, host.clone());
    Ok(())
}
