//! What no stored answer serves: requests that change something, carry a body, or ask for a head that is not here.

use std::sync::Arc;

use afterimage_cache::http::{Directives, Forwarded, Freshened, Stored, Times, head_says, invalidated, tags};
use afterimage_cache::{Admission, Facts, Fill};
use afterimage_identity::{Fence, Selector};
use afterimage_origin::Body;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Limited;

use super::asked::Asked;
use super::cached::Lookup;
use super::leave::{How, Through};
use super::{PassThrough, Reply};
use crate::Failure;
use crate::config::Live;
use crate::edge::Edge;
use crate::picture::Kept;

impl Edge {
    /// Sends a request on as it is, and takes what a successful change invalidates out of use before the viewer hears of it.
    pub(super) async fn forward(
        self: &Arc<Self>,
        live: &Arc<Live>,
        pass: &PassThrough,
        asked: &Arc<Asked>,
        body: Body,
        why: Forwarded,
    ) -> Result<Response<Reply>, Failure> {
        let max = usize::try_from(pass.request_bytes_max).unwrap_or(usize::MAX);
        let body = match http_body::Body::size_hint(&body).exact() {
            Some(_) => body,
            None => Body::wrap(Limited::new(body, max)),
        };
        let (response, times) = self.sent(asked, &asked.method, body).await?;
        let (head, body) = response.into_parts();
        let hosts: Vec<_> = pass.hosts.iter().cloned().chain(asked.host.clone()).collect();
        for target in invalidated(&asked.method, &asked.target, &hosts, head.status, &head.headers) {
            let url = pass.behaviour(target.path()).path(target.path(), target.query());
            let selector = Selector::Path(url);
            // Whoever changes a million things that nobody looked at must not make the cache forget its fences.
            if self.cache.knows(&selector) {
                self.cache.raise(&selector);
            }
        }
        let through = Through { forwarded: why, stored: false, why_not: None, times };
        Ok(self.leave_through(live, asked, head, Reply::direct(self, body), &through))
    }

    /// Answers HEAD from what GET left, else asks, and lets the answer update or invalidate that.
    pub(super) async fn head(
        self: &Arc<Self>,
        live: &Arc<Live>,
        pass: &PassThrough,
        asked: &Arc<Asked>,
    ) -> Result<Response<Reply>, Failure> {
        let mut lookup = self.find(asked).await;
        if let Some(response) = self.reused(live, asked, &mut lookup) {
            return Ok(response);
        }
        if Directives::of_cache_control(&asked.headers).only_if_cached {
            return Err(Failure::OnlyIfCached);
        }
        let fill = self.cache.begin_alone(&asked.key_with(&lookup.names), self.clock.now());
        let sent = self.sent(asked, &Method::HEAD, Body::empty()).await;
        let (response, times) = match sent {
            Ok(answered) => answered,
            Err(failure) => {
                let stale = self.stands_in(pass, &lookup).ok_or(failure)?;
                return Ok(self.leave_stored(live, asked, stale, How::stale(lookup.why)));
            }
        };
        let (head, body) = response.into_parts();
        // As for GET: what was fenced before the fill began is not brought back.
        let admitted = lookup.entry.as_ref().is_some_and(|entry| self.cache.admit(entry) == Admission::Admit);
        if let Some(stored) = lookup.stored().filter(|_| admitted) {
            self.learn_from_head(asked, &lookup, stored, (head.status, &head.headers), times, &fill);
        }
        let through = Through { forwarded: lookup.why, stored: false, why_not: None, times };
        Ok(self.leave_through(live, asked, head, Reply::direct(self, body), &through))
    }

    fn learn_from_head(
        &self,
        asked: &Asked,
        lookup: &Lookup,
        stored: &Stored,
        (status, answer): (StatusCode, &HeaderMap),
        times: Times,
        fill: &Fill<Kept>,
    ) {
        // A failure says nothing about the resource, and neither does what only this request's conditions made of it.
        if status.is_server_error() || [StatusCode::NOT_MODIFIED, StatusCode::PRECONDITION_FAILED].contains(&status) {
            return;
        }
        let says = match status == stored.status {
            true => head_says(stored, &asked.headers, answer, &asked.behaviour, times),
            false => Freshened::Other,
        };
        match says {
            Freshened::Holds(updated) => {
                let facts =
                    Facts { path: asked.key_with(&lookup.names), tags: tags(&updated.headers), ..Facts::default() };
                // A fence that came meanwhile is right; then there is nothing to update.
                let _ = fill.publish(facts, Kept::Answer(updated), true, self.clock.now());
            }
            Freshened::Other => {
                self.cache.raise(&Selector::Path(asked.url.clone()));
            }
        }
    }

    async fn sent(&self, asked: &Asked, method: &Method, body: Body) -> Result<(Response<Body>, Times), Failure> {
        let unbound = || afterimage_origin::Error::Request("there is no origin to pass it to".into());
        let upstream = self.upstream.as_ref().ok_or_else(|| Failure::Upstream(unbound()))?;
        let asked_at = self.clock.now();
        let response = upstream.send(asked.request(method, None, body)).await.map_err(Failure::Upstream)?;
        Ok((response, Times { asked_at, received_at: self.clock.now(), received_wall: self.clock.wall() }))
    }
}
