//! The second trigger, last in time: status, headers and body. Here, and nowhere else, an outcome becomes an HTTP answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, ORIGIN,
    RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode, request};
use serde_json::json;

use crate::config::{Ages, Live};
use crate::handle::Served;
use crate::heads::{CACHE_TAG, CDN_CACHE_CONTROL, META_CACHE_TAG, READABLE, SERVER_TIMING};
use crate::picture::{Kept, Picture, tag_header};
use crate::precondition::{Decision, decide};
use crate::reason::{forwarded_word, miss_word};
use crate::viewer_request::{Authorised, Remarks};
use crate::{Failure, Metrics, Reason};

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What policy changed in the URL.
const CHANGED: HeaderName = HeaderName::from_static("afterimage-changed");
/// What was ignored in the URL.
const IGNORED: HeaderName = HeaderName::from_static("afterimage-ignored");

/// What the render chose where the URL left it open, and why.
const CHOSEN: HeaderName = HeaderName::from_static("afterimage-chosen");
/// What the original has and the picture has not.
const DROPPED: HeaderName = HeaderName::from_static("afterimage-dropped");

/// The longest list of changes or ignored names that is repeated to the viewer, in bytes.
const REMARK_BYTES_MAX: usize = 500;
/// `Server-Timing` of nearly every answer there is.
const AT_ONCE: HeaderValue = HeaderValue::from_static("edge;desc=\"memory\";dur=0.0");
/// SVG may hold scripts; this keeps them, and everything they would load, from running.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'");

/// What becomes of a request.
pub(crate) enum Leaving {
    Served { asked: Arc<Authorised>, served: Served },
    Preflight,
    Method,
    Refused(Failure),
}

/// Makes the answer.
pub(crate) fn leave(
    live: &Live,
    request: &request::Parts,
    leaving: Leaving,
    took: Duration,
    metrics: &Metrics,
) -> Response<Bytes> {
    let missed = if let Leaving::Served { served, .. } = &leaving { served.missed } else { None };
    let (mut response, reason) = match leaving {
        Leaving::Served { asked, served } => match served.entry.as_ref().map(|entry| &entry.payload) {
            Ok(Kept::Picture(Ok(picture))) => {
                let answer = Answer { live, request, asked: &asked, served: &served, took };
                answer.picture(picture)
            }
            Ok(Kept::Picture(Err(failure)) | Kept::Failed(failure)) | Err(failure) => {
                failed(live, failure, Some((&asked, &served)), took)
            }
            // A key of pictures holds pictures; one that was passed through before is asked for again.
            Ok(Kept::Answer(_) | Kept::Varies(_) | Kept::Passes) => {
                failed(live, &Failure::Fenced, Some((&asked, &served)), took)
            }
        },
        Leaving::Refused(failure) => failed(live, &failure, None, took),
        Leaving::Preflight => (preflight(live), Reason::Preflight),
        Leaving::Method => (method_not_allowed(), Reason::Method),
    };
    let body_bytes = response.body().len();
    let headers = response.headers_mut();
    if !headers.contains_key(X_CONTENT_TYPE_OPTIONS) {
        headers.reserve(live.heads.any.len());
        for (name, value) in &live.heads.any {
            headers.append(name, value.clone());
        }
    }
    allow_origin(live, request, headers);
    if live.config.copies
        && let Some(tags) = headers.get(CACHE_TAG).cloned()
    {
        headers.insert(META_CACHE_TAG, tags);
    }
    if !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body_bytes));
    }
    if request.method == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
    if response.status() == StatusCode::NO_CONTENT || response.status() == StatusCode::NOT_MODIFIED {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    metrics.answered(reason, response.body().len());
    if let Some(why) = missed {
        metrics.missed(why);
    }
    tracing::debug!(
        status = response.status().as_u16(),
        %reason,
        missed = missed.map(miss_word),
        method = %request.method,
        target = %request.uri,
        took_us = took.as_micros(),
        "answered"
    );
    response
}

/// What an answer that does not carry a picture's fields is about, for a door whose protocol makes up what is not said. An extension of
/// answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AboutPicture {
    /// `Content-Type` of the picture.
    pub media_type: HeaderValue,
}

struct Answer<'a> {
    live: &'a Live,
    request: &'a request::Parts,
    asked: &'a Authorised,
    served: &'a Served,
    took: Duration,
}

impl Answer<'_> {
    fn picture(&self, picture: &Picture) -> (Response<Bytes>, Reason) {
        let reason =
            if self.served.pending { Reason::AvifPending } else { self.served.from.unwrap_or(picture.made_by) };
        let etag = picture.etag.to_str().unwrap_or_default();
        let decision = decide(
            &self.request.headers,
            self.request.method == Method::GET,
            etag,
            Some(picture.modified),
            picture.body.len() as u64,
        );
        let (status, body, range, reason) = match decision {
            Decision::Full => return (self.whole(picture, reason), reason),
            Decision::Part { first, last } => {
                // Both are inside the body, so they fit.
                let part = picture.body.slice(first as usize..=last as usize);
                let range = format!("bytes {first}-{last}/{}", picture.body.len());
                (StatusCode::PARTIAL_CONTENT, part, Some(range), reason)
            }
            Decision::NotModified => (StatusCode::NOT_MODIFIED, Bytes::new(), None, Reason::NotModified),
            Decision::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, Bytes::new(), None, Reason::PreconditionFailed)
            }
            Decision::RangeNotSatisfiable => {
                let range = format!("bytes */{}", picture.body.len());
                (StatusCode::RANGE_NOT_SATISFIABLE, Bytes::new(), Some(range), Reason::RangeNotSatisfiable)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.extensions_mut().insert(AboutPicture { media_type: picture.media_type.clone() });
        let length = HeaderValue::from(response.body().len());
        let headers = response.headers_mut();
        *headers = self.head(picture, reason);
        headers.insert(CONTENT_LENGTH, length);
        if status != StatusCode::PARTIAL_CONTENT {
            for name in [CONTENT_TYPE, LAST_MODIFIED, ACCEPT_RANGES, CONTENT_SECURITY_POLICY] {
                headers.remove(name);
            }
        }
        if let Some(range) = range.and_then(|range| HeaderValue::try_from(range).ok()) {
            headers.insert(CONTENT_RANGE, range);
        }
        (response, reason)
    }

    fn whole(&self, picture: &Picture, reason: Reason) -> Response<Bytes> {
        let mut response = Response::new(picture.body.clone());
        let headers = response.headers_mut();
        *headers = self.head(picture, reason);
        headers.insert(CONTENT_LENGTH, picture.length.clone());
        response
    }

    /// What is said of a picture that is sent whole.
    fn head(&self, picture: &Picture, reason: Reason) -> HeaderMap {
        let mut headers = self.live.heads.picture(self.asked.remarks.vary_accept);
        headers.insert(CONTENT_TYPE, picture.media_type.clone());
        headers.insert(LAST_MODIFIED, picture.last_modified.clone());
        headers.insert(ETAG, picture.etag.clone());
        headers.insert(CACHE_TAG, picture.tags.clone());
        if let Some(chosen) = picture.chosen.as_ref().filter(|_| self.live.config.show_chosen) {
            headers.insert(CHOSEN, (**chosen).clone());
        }
        if let Some(dropped) = &picture.dropped {
            headers.insert(DROPPED, (**dropped).clone());
        }
        if picture.sandboxed {
            headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
        }
        if picture.storable {
            self.bound_ages(&mut headers);
        } else {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.remove(CDN_CACHE_CONTROL);
        }
        self.note(&mut headers, reason, picture.storable);
        headers
    }

    /// Two clocks: long at the CDN, which can be purged, short in browsers, which cannot. `expires` bounds both.
    fn bound_ages(&self, headers: &mut HeaderMap) {
        let config = &self.live.config;
        let expires = self.asked.remarks.expires_in_s.map_or(u32::MAX, |s| u32::try_from(s).unwrap_or(u32::MAX));
        let pending = if self.served.pending { config.pending_age_s } else { u32::MAX };
        let bound = expires.min(pending);
        if bound < u32::MAX {
            let Ages { cache_control, cdn_cache_control } = Ages::new(config, bound);
            headers.insert(CACHE_CONTROL, cache_control);
            headers.insert(CDN_CACHE_CONTROL, cdn_cache_control);
        }
    }

    fn note(&self, headers: &mut HeaderMap, reason: Reason, storable: bool) {
        let Remarks { changed, ignored, .. } = &self.asked.remarks;
        remark(headers, CHANGED, changed.iter().map(ToString::to_string));
        remark(headers, IGNORED, ignored.iter().cloned());
        if reason == Reason::Memory && self.served.missed.is_none() && !self.live.config.show_cache_key {
            timing(headers, reason, self.took);
            return;
        }
        let note = match self.served.from.unwrap_or(reason) {
            Reason::Collapsed => "; collapsed",
            Reason::Rendered | Reason::Sanitised if storable => "; stored",
            _ => "",
        };
        let status = cache_status(self.served, note, reason);
        status_and_timing(self.live, headers, &status, Some(&self.asked.path), reason, self.took);
    }
}

/// What `Cache-Status` says: from memory, or why not, and then what this answer is. `detail` has a second word where
/// `fwd` has none for it: `fwd=stale; stored; detail=rendered/fenced`.
fn cache_status(served: &Served, note: &str, reason: Reason) -> String {
    match served.missed {
        None => format!("hit; detail={reason}"),
        Some(why) if miss_word(why) == forwarded_word(why) => {
            format!("fwd={}{note}; detail={reason}", forwarded_word(why))
        }
        Some(why) => format!("fwd={}{note}; detail={reason}/{}", forwarded_word(why), miss_word(why)),
    }
}

pub(crate) fn failed(
    live: &Live,
    failure: &Failure,
    asked: Option<(&Authorised, &Served)>,
    took: Duration,
) -> (Response<Bytes>, Reason) {
    let verdict = failure.verdict();
    let (body, media_type) = match &live.config.fallback {
        Some(fallback) if shows_fallback(verdict.status) => (fallback.body.clone(), fallback.media_type.clone()),
        _ => (problem(failure), "application/problem+json".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = verdict.status;
    let headers = response.headers_mut();
    insert_text(headers, CONTENT_TYPE, media_type);
    let cache_control = match (verdict.cacheable, live.config.error_age_s) {
        (true, age) => format!("public, max-age={age}, s-maxage={age}"),
        (false, _) => "no-store".to_owned(),
    };
    insert_text(headers, CACHE_CONTROL, cache_control);
    if let Some(seconds) = verdict.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some((asked, _)) = asked {
        // A CDN keeps 404s too, and an upload must be able to purge them.
        headers.insert(CACHE_TAG, tag_header(&asked.original.tags()));
        if asked.remarks.vary_accept {
            headers.append(VARY, HeaderValue::from_static("Accept"));
        }
    }
    let status = match asked {
        Some((_, served)) => cache_status(served, &format!("; fwd-status={}", verdict.status.as_u16()), verdict.reason),
        // Refused at the door: no cache was asked.
        None => format!("detail={}", verdict.reason),
    };
    let path = asked.map(|(asked, _)| asked.path.as_str());
    status_and_timing(live, headers, &status, path, verdict.reason, took);
    (response, verdict.reason)
}

fn shows_fallback(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY)
}

/// A problem document (RFC 9457).
fn problem(failure: &Failure) -> Bytes {
    let verdict = failure.verdict();
    let mut document = json!({
        "type": "about:blank",
        "title": verdict.title,
        "status": verdict.status.as_u16(),
        "reason": verdict.reason.word(),
        "detail": failure.detail(),
    });
    if let Failure::Refused(refusal) = failure
        && let Some(parameter) = &refusal.parameter
    {
        document["parameter"] = json!(parameter);
        document["value"] = json!(refusal.value);
    }
    Bytes::from(format!("{document:#}\n"))
}

fn preflight(live: &Live) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("range, if-none-match, if-range"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(live.config.cors.max_age_s));
    response
}

fn method_not_allowed() -> Response<Bytes> {
    let document = json!({"type": "about:blank", "title": "Method not allowed", "status": 405, "reason": "method"});
    let mut response = Response::new(Bytes::from(format!("{document:#}\n")));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// CORS where only some origins may read, on errors too: a page has to read those as well.
fn allow_origin(live: &Live, request: &request::Parts, headers: &mut HeaderMap) {
    if let Some(origin) = request.headers.get(ORIGIN)
        && live.config.cors.origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READABLE);
    }
}

/// `Cache-Status` (RFC 9211) and `Server-Timing`.
fn status_and_timing(
    live: &Live,
    headers: &mut HeaderMap,
    status: &str,
    path: Option<&str>,
    reason: Reason,
    took: Duration,
) {
    let key = match path {
        // A canonical path has nothing that would have to be escaped in a quoted string.
        Some(path) if live.config.show_cache_key => format!("; key=\"{path}\""),
        _ => String::new(),
    };
    insert_text(headers, CACHE_STATUS, format!("afterimage; {status}{key}"));
    timing(headers, reason, took);
}

/// `Server-Timing`, in milliseconds with one decimal. Whole numbers: a hit costs little more than formatting a float.
fn timing(headers: &mut HeaderMap, reason: Reason, took: Duration) {
    let tenths = (took.as_micros() + 50) / 100;
    if reason == Reason::Memory && tenths == 0 {
        headers.insert(SERVER_TIMING, AT_ONCE);
        return;
    }
    insert_text(headers, SERVER_TIMING, format!("edge;desc=\"{}\";dur={}.{}", reason.word(), tenths / 10, tenths % 10));
}

fn remark(headers: &mut HeaderMap, name: HeaderName, remarks: impl Iterator<Item = String>) {
    let mut text = String::new();
    for remark in remarks {
        // Names come from the viewer: what is not plain ASCII is not repeated.
        let plain: String = remark.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
        if text.len() + plain.len() > REMARK_BYTES_MAX {
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&plain);
    }
    if !text.is_empty() {
        insert_text(headers, name, text);
    }
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use afterimage_cache::MissWhy;

    use super::*;

    #[test]
    fn cache_status_says_why_memory_did_not_answer() {
        let served = |missed| Served { entry: Err(Failure::Gone), from: None, missed, pending: false };
        for (missed, status) in [
            (None, "hit; detail=rendered"),
            (Some(MissWhy::Absent), "fwd=uri-miss; stored; detail=rendered"),
            (Some(MissWhy::Stale), "fwd=stale; stored; detail=rendered"),
            (Some(MissWhy::Fenced), "fwd=stale; stored; detail=rendered/fenced"),
            (Some(MissWhy::Unproven), "fwd=stale; stored; detail=rendered/unproven"),
            (Some(MissWhy::OtherVersion), "fwd=stale; stored; detail=rendered/other-version"),
            (Some(MissWhy::Bypass), "fwd=bypass; stored; detail=rendered"),
        ] {
            let note = if missed.is_some() { "; stored" } else { "" };
            assert_eq!(cache_status(&served(missed), note, Reason::Rendered), status);
        }
    }
}
