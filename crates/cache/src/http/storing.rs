//! Whether a response may be stored, and why not (RFC 9111, 3).

use http::header::{AUTHORIZATION, ETAG, HeaderMap, LAST_MODIFIED, RANGE};
use http::{Method, StatusCode};

use super::behaviour::Keep;
use super::directive::Directives;
use super::freshness::Policy;
use super::vary::{Varies, selecting};

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStored {
    /// Only answers to GET are.
    Method,
    /// The request says `no-store`.
    AskedNotTo,
    /// A part, or an answer that is about the request and not about the resource.
    Partial,
    /// `must-understand`, and the status is not understood.
    NotUnderstood,
    /// `no-store`.
    NoStore,
    /// `private`.
    Private,
    /// The request was authorised, and the response does not say that others may have it.
    Authorization,
    /// `Vary: *`.
    Unknowable,
    /// Neither fresh for any time nor possible to validate: it would never be used.
    Useless,
}

impl NotStored {
    /// Its word, for `Cache-Status`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::AskedNotTo => "request-no-store",
            Self::Partial => "partial",
            Self::NotUnderstood => "not-understood",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::Unknowable => "vary-star",
            Self::Useless => "no-freshness",
        }
    }
}

/// Whether a response to this request may be stored under `keep`, what the behaviour of its path made of it.
///
/// # Errors
/// [`NotStored`]: why not.
pub fn storable(
    (method, request): (&Method, &HeaderMap),
    (status, response): (StatusCode, &HeaderMap),
    policy: &Policy,
    keep: Keep,
) -> Result<(), NotStored> {
    let directives = &policy.directives;
    let asked = Directives::of_cache_control(request);
    let refuse = |why| Err(why);
    if *method != Method::GET {
        return refuse(NotStored::Method);
    }
    if asked.no_store {
        return refuse(NotStored::AskedNotTo);
    }
    let is_of_request = matches!(
        status,
        StatusCode::PARTIAL_CONTENT
            | StatusCode::NOT_MODIFIED
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE
    );
    if status.is_informational() || is_of_request || (request.contains_key(RANGE) && status != StatusCode::OK) {
        return refuse(NotStored::Partial);
    }
    if directives.must_understand && status.canonical_reason().is_none() {
        return refuse(NotStored::NotUnderstood);
    }
    if directives.no_store && !directives.must_understand && !keep.forced {
        return refuse(NotStored::NoStore);
    }
    if directives.private.is_all() && !keep.forced {
        return refuse(NotStored::Private);
    }
    let shared = directives.public || directives.s_maxage.is_some() || directives.must_revalidate;
    if request.contains_key(AUTHORIZATION) && !shared {
        return refuse(NotStored::Authorization);
    }
    if selecting(response) == Varies::Unknowable {
        return refuse(NotStored::Unknowable);
    }
    if is_useful(status, response, policy, keep) { Ok(()) } else { Err(NotStored::Useless) }
}

/// Explicit freshness, or something to validate by; either keeps a response worth its place.
fn is_useful(status: StatusCode, response: &HeaderMap, policy: &Policy, keep: Keep) -> bool {
    let directives = &policy.directives;
    let lives = keep.lifetime.is_some_and(|lifetime| !lifetime.is_zero());
    let checked = directives.no_cache.is_all() && !keep.forced;
    if lives && !checked {
        return true;
    }
    if checked || keep.lifetime.is_some() || directives.public || is_cacheable_by_default(status) {
        let outlives = directives.stale_if_error.or(directives.stale_while_revalidate).is_some();
        return response.contains_key(ETAG) || response.contains_key(LAST_MODIFIED) || (outlives && !checked);
    }
    false
}

/// The statuses whose definitions let a cache keep them without being told to (RFC 9110, 15.1), less 206.
pub(crate) fn is_cacheable_by_default(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}
