//! Which fields go on to the next hop and into the cache, and where an answer's cache tags stand.

use afterimage_identity::CacheTag;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use super::directive::{Members, SURROGATE_CAPABILITY};

/// Fields that speak of one connection or one proxy only (RFC 9110, 7.6.1; RFC 9111, 3.1).
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-connection"),
];

/// What a viewer could say about itself or about the address it asked, and an origin might believe. They are not in the
/// cache key, so an answer made from one would be another viewer's: the classical way to poison a cache.
/// Everything that begins with `x-forwarded-` is one of them.
const BELIEVED: [&str; 8] = [
    "forwarded",
    "surrogate-capability",
    "x-host",
    "x-http-host-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// With these a GET may be taken for another method, and what that answered be kept as the answer to the GET.
const OTHER_METHOD: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];

/// The fields in which origins name the tags of an answer, each a list separated by commas or spaces.
pub const TAG_FIELDS: [HeaderName; 4] = [
    HeaderName::from_static("cache-tag"),
    HeaderName::from_static("surrogate-key"),
    HeaderName::from_static("edge-cache-tag"),
    HeaderName::from_static("x-amz-meta-cache-tag"),
];

/// CloudFront takes 50 tags per object and drops the rest; one answer must not weigh like a thousand.
const TAGS_MAX: usize = 50;

/// The fields of a viewer's request that go to the origin, with `Surrogate-Capability` added. `Host` and `Via` are the
/// business of whoever speaks to the origin.
pub fn forwardable_request(viewer: &HeaderMap) -> HeaderMap {
    let mut headers = without_hops(viewer);
    headers.remove(HOST);
    headers.remove(CONTENT_LENGTH);
    let forwarded: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-forwarded-")).cloned().collect();
    for name in BELIEVED {
        headers.remove(name);
    }
    for name in forwarded {
        headers.remove(name);
    }
    headers.insert("surrogate-capability", HeaderValue::from_static(SURROGATE_CAPABILITY));
    headers
}

/// Takes away what would make another method of a request whose answer may be kept.
pub fn as_its_own_method(headers: &mut HeaderMap) {
    for name in OTHER_METHOD {
        headers.remove(name);
    }
}

/// The fields of an origin's answer that are kept. `Content-Length` is the body's business.
pub fn forwardable_response(origin: &HeaderMap) -> HeaderMap {
    let mut headers = without_hops(origin);
    headers.remove(CONTENT_LENGTH);
    headers
}

fn without_hops(headers: &HeaderMap) -> HeaderMap {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| Members(line.as_bytes()))
        .flatten()
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    let mut kept = headers.clone();
    for name in HOP_BY_HOP.iter().chain(&listed) {
        kept.remove(name);
    }
    kept
}

/// The cache tags of an answer.
pub fn tags(headers: &HeaderMap) -> Vec<CacheTag> {
    let mut tags: Vec<CacheTag> = Vec::new();
    for line in TAG_FIELDS.iter().flat_map(|name| headers.get_all(name)) {
        let text = line.to_str().unwrap_or_default();
        for tag in text.split([',', ' ', '\t']).filter_map(CacheTag::parse) {
            if tags.len() == TAGS_MAX {
                return tags;
            }
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
    }
    tags
}
