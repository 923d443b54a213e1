//! The questions: HEAD where that is enough, a conditional GET where it is not, a whole GET where nothing else tells.

use std::sync::atomic::Ordering::Relaxed;

use afterimage_identity::{OriginalKey, Unprovable, Version};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LOCATION, USER_AGENT,
};
use http::{Method, Request, Response, StatusCode};

use super::answer::{There, age, body, is_storable, media_type, there};
use super::memo::{Memo, Validators, is_strong};
use super::{Originals, Read, Seen, Unseen, Unversioned};
use crate::endpoint::{Url, has_dot_segments};
use crate::{Body, Error, key};

impl Originals {
    /// The cheapest question that tells the version.
    pub(super) async fn seen(&self, key: &OriginalKey) -> Result<Seen, Unseen> {
        let by_digest = self.by_digest.load(Relaxed);
        let memo = self.memos.get(key);
        // Once read, an original without strong ETag costs one conditional GET; HEAD would only come before it.
        let is_digest = memo.as_ref().is_some_and(|memo| by_digest || !memo.etags.first().is_some_and(is_strong));
        if !is_digest
            && !by_digest
            && !self.no_heads.load(Relaxed)
            && let Some(seen) = self.head(key).await?
        {
            return Ok(seen);
        }
        match memo {
            Some(memo) if memo.is_hint() => self.renew(key, memo).await,
            _ => self.learn(key).await,
        }
    }

    /// What HEAD says; `None` where it does not tell the version.
    async fn head(&self, key: &OriginalKey) -> Result<Option<Seen>, Unseen> {
        let answer = self.request(Method::HEAD, key, None).await?;
        if matches!(answer.status(), StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            if !self.no_heads.swap(true, Relaxed) {
                tracing::info!(%key, "an origin refuses HEAD; it is asked with conditional GETs");
            }
            return Ok(None);
        }
        let There::Whole(answer) = there(answer, false)? else { return Ok(None) };
        let headers = answer.headers();
        let validators = Validators::of(headers, self.origin.clock.wall());
        let Some(version) = validators.strong().and_then(|etag| self.named(etag)) else { return Ok(None) };
        let bytes = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Some(Seen { version, bytes, age: age(headers), storable: is_storable(headers) }))
    }

    /// Asks whether what was read once is still what is there.
    async fn renew(&self, key: &OriginalKey, memo: Memo) -> Result<Seen, Unseen> {
        let asked_at = self.now();
        let answer = self.request(Method::GET, key, Some(&memo)).await?;
        match there(answer, true)? {
            There::Whole(answer) => {
                let read = self.take_in(key, answer).await?;
                let seen = read.seen.clone();
                self.held.put(key, asked_at, read, self.now());
                Ok(seen)
            }
            There::Unchanged(answer) => {
                let headers = answer.headers();
                let validators = Validators::of(headers, self.origin.clock.wall());
                let known = memo.etags.first();
                if validators
                    .etag
                    .as_ref()
                    .is_some_and(|etag| is_strong(etag) && known.is_some_and(is_strong) && known != Some(etag))
                {
                    self.flapped(key);
                }
                Ok(Seen {
                    version: self.version(known, &memo.digest),
                    bytes: Some(memo.bytes),
                    age: age(headers),
                    storable: memo.storable && is_storable(headers),
                })
            }
        }
    }

    /// Reads the original to learn its version, and holds the bytes for whoever wants them next.
    async fn learn(&self, key: &OriginalKey) -> Result<Seen, Unseen> {
        let asked_at = self.now();
        let read = self.fetch(key).await?;
        let seen = read.seen.clone();
        self.held.put(key, asked_at, read, self.now());
        Ok(seen)
    }

    /// Reads the original.
    pub(super) async fn fetch(&self, key: &OriginalKey) -> Result<Read, Unseen> {
        let answer = self.request(Method::GET, key, None).await?;
        match there(answer, false)? {
            There::Whole(answer) => self.take_in(key, answer).await,
            There::Unchanged(_) => Err(Unseen::Unprovable(Unprovable::Unstable)),
        }
    }

    /// Reads a whole answer and remembers what stood for it.
    async fn take_in(&self, key: &OriginalKey, answer: Response<Body>) -> Result<Read, Unseen> {
        let (headers, body) = body(answer, self.config.bytes_max).await?;
        let validators = Validators::of(&headers, self.origin.clock.wall());
        if validators.are_none() && self.config.unversioned == Unversioned::Refuse {
            self.memos.forget(key);
            let words = "the source sends neither ETag nor Last-Modified, and originals without are refused here";
            return Err(Unseen::Unprovable(Unprovable::Other(words.to_owned())));
        }
        let memo = Memo {
            digest: Version::of_content(&body),
            bytes: body.len() as u64,
            storable: is_storable(&headers),
            etags: Vec::new(),
            last_modified: None,
        };
        let (digest, storable) = (memo.digest.clone(), memo.storable);
        if self.memos.learn(key, memo, &validators) {
            self.flapped(key);
        }
        let seen = Seen {
            version: self.version(validators.etag.as_ref(), &digest),
            bytes: Some(body.len() as u64),
            age: age(&headers),
            storable,
        };
        Ok(Read { seen, media_type: media_type(&headers), body })
    }

    /// The strong ETag is the version, unless this origin's are not believed; else the digest is.
    fn version(&self, etag: Option<&HeaderValue>, digest: &Version) -> Version {
        let etag = etag.filter(|etag| !self.by_digest.load(Relaxed) && is_strong(etag));
        etag.and_then(|etag| self.named(etag)).unwrap_or_else(|| digest.clone())
    }

    /// The version of an ETag. It is this server's alone: another one may give the same tag, a counter for example, to
    /// another file that takes this one's place.
    fn named(&self, etag: &HeaderValue) -> Option<Version> {
        let etag = etag.to_str().ok()?;
        let base = &self.origin.checked.base;
        Some(Version::of_validator(&format!("{}{}/ {etag}", base.endpoint, base.target)))
    }

    /// Asks for a key, and goes where redirects lead, if they may.
    pub(super) async fn request(
        &self,
        method: Method,
        key: &OriginalKey,
        memo: Option<&Memo>,
    ) -> Result<Response<Body>, Unseen> {
        let path = key::encode(key);
        // A server that decodes twice would climb by a key that holds percent-encoded dots.
        if has_dot_segments(&path) {
            return Err(Unseen::NotAKey);
        }
        let checked = &self.origin.checked;
        let mut url =
            Url { endpoint: checked.base.endpoint.clone(), target: format!("{}/{path}", checked.base.target) };
        let headers = self.headers(memo);
        for hop in 0..=checked.redirects_max {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method.clone();
            *request.headers_mut() = headers.clone();
            let answer = self.origin.send_to(&url, request).await?;
            let Some(next) = self.redirect(&url, &answer)? else { return Ok(answer) };
            tracing::debug!(%key, hop, "an origin redirects");
            url = next;
        }
        Err(Error::Redirect(format!("more than {} times", checked.redirects_max)).into())
    }

    fn headers(&self, memo: Option<&Memo>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("afterimage/", env!("CARGO_PKG_VERSION"))));
        // What caches on the way may answer with is no older than what we may serve.
        let oldest = format!("max-age={}", self.config.window.as_secs());
        if let Ok(oldest) = HeaderValue::try_from(oldest) {
            headers.insert(CACHE_CONTROL, oldest);
        }
        if let Some(memo) = memo {
            if let Some(etags) = memo.if_none_match() {
                headers.insert(IF_NONE_MATCH, etags);
            }
            if let Some(date) = &memo.last_modified {
                headers.insert(IF_MODIFIED_SINCE, date.clone());
            }
        }
        headers
    }

    /// Where an answer redirects to, if it does and may.
    fn redirect(&self, url: &Url, answer: &Response<Body>) -> Result<Option<Url>, Error> {
        if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = answer.headers().get(LOCATION) else { return Ok(None) };
        let refused = |why: String| Err(Error::Redirect(why));
        let Ok(location) = location.to_str() else { return refused("to something that is no URL".to_owned()) };
        let checked = &self.origin.checked;
        match url.join(location) {
            Err(why) => refused(format!("to `{location}`: {why}")),
            Ok(next) if !checked.redirect_hosts.contains(&next.endpoint.host) => {
                refused(format!("to {}, which is not among the hosts that redirects may lead to", next.endpoint.host))
            }
            Ok(next) if url.endpoint.tls && !next.endpoint.tls => refused("from https to http".to_owned()),
            Ok(next) => Ok(Some(next)),
        }
    }
}
