//! The fields of an answer that are known before any request: what the settings alone decide. They are made once for each
//! set of settings, and an answer begins as their copy.

use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_LENGTH,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};

use crate::Config;
use crate::config::Ages;
use crate::viewer_response::CACHE_STATUS;

pub(crate) const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// As a bucket says it of a copy that CloudFront reads there; a distribution reads tags from one header alone.
pub(crate) const META_CACHE_TAG: HeaderName = HeaderName::from_static("x-amz-meta-cache-tag");
pub(crate) const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// `Cache-Status` of nearly every answer there is.
const HIT: HeaderValue = HeaderValue::from_static("afterimage; hit; detail=memory");

/// What answers begin as.
pub(crate) struct Heads {
    /// Every answer.
    pub(crate) any: HeaderMap,
    /// A picture, whole or in part, that anybody may keep as long as the settings say. It says of itself that it comes from
    /// memory; fields that depend on the picture have their place and no value yet.
    picture: HeaderMap,
    /// The same where `Accept` had a say.
    picture_by_accept: HeaderMap,
}

impl Heads {
    pub(crate) fn new(config: &Config) -> Self {
        let any = any(config);
        let picture = picture(config, any.clone());
        let mut picture_by_accept = picture.clone();
        picture_by_accept.append(VARY, HeaderValue::from_static("Accept"));
        Self { any, picture, picture_by_accept }
    }

    /// What is said of a picture's life, in words.
    pub(crate) fn cache_control(&self) -> Option<String> {
        self.picture.get(CACHE_CONTROL)?.to_str().ok().map(str::to_owned)
    }

    /// What a picture begins as. Its type, date, tags, ETag, length and timing have to be put in.
    pub(crate) fn picture(&self, by_accept: bool) -> HeaderMap {
        if by_accept { self.picture_by_accept.clone() } else { self.picture.clone() }
    }
}

fn any(config: &Config) -> HeaderMap {
    let mut head = HeaderMap::new();
    head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, text) in [
        (CROSS_ORIGIN_RESOURCE_POLICY, &config.cross_origin_resource_policy),
        (TIMING_ALLOW_ORIGIN, &config.timing_allow_origin),
    ] {
        if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_str(text)) {
            head.insert(name, value);
        }
    }
    if config.cors.origins.iter().any(|origin| origin == "*") {
        head.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        head.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
    } else if !config.cors.origins.is_empty() {
        head.append(VARY, HeaderValue::from_static("Origin"));
    }
    head
}

/// What a script may read of an answer, where it may read it at all.
pub(crate) const READABLE: HeaderValue = HeaderValue::from_static(
    "cache-status, afterimage-changed, afterimage-ignored, afterimage-chosen, afterimage-dropped, server-timing",
);

fn picture(config: &Config, mut head: HeaderMap) -> HeaderMap {
    let Ages { cache_control, cdn_cache_control } = Ages::new(config, u32::MAX);
    head.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    head.insert(CACHE_CONTROL, cache_control);
    head.insert(CDN_CACHE_CONTROL, cdn_cache_control);
    head.insert(CACHE_STATUS, HIT);
    // Filling a place costs less than making one.
    for name in [CONTENT_TYPE, LAST_MODIFIED, ETAG, CACHE_TAG, CONTENT_LENGTH, SERVER_TIMING] {
        head.insert(name, HeaderValue::from_static(""));
    }
    head
}
