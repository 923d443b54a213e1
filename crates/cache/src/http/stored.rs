//! One stored response: what goes to viewers, and what decides whether it may.

use std::time::{Duration, SystemTime};

use afterimage_identity::Stamp;
use bytes::Bytes;
use http::StatusCode;
use http::header::{AGE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};

use super::behaviour::Keep;
use super::fields::forwardable_response;
use super::freshness::{Policy, Times, age_of};
use super::vary::{Varies, secondary, selecting};

/// A complete response to a GET.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, without those of the connection and without `Age`, which is counted.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What it says about its own use.
    pub policy: Policy,
    /// How long it is fresh.
    pub lifetime: Duration,
    /// The operator keeps it against its origin's word.
    pub forced: bool,
    /// The fields it was selected by.
    pub selected_by: Vec<HeaderName>,
    pub(super) selected: String,
    pub(super) age: Duration,
    pub(super) received_at: Stamp,
    pub(super) received_wall: SystemTime,
}

impl Stored {
    /// Takes a response to a request with these fields, as [`storable`](super::storable) allowed it. Fields that
    /// `no-cache` or `private` list are not kept.
    pub fn new(
        request: &HeaderMap,
        (status, headers, body): (StatusCode, &HeaderMap, Bytes),
        policy: Policy,
        keep: Keep,
        times: Times,
    ) -> Self {
        let age = age_of(headers, times);
        let mut headers = forwardable_response(headers);
        headers.remove(AGE);
        for name in policy.directives.no_cache.fields().iter().chain(policy.directives.private.fields()) {
            headers.remove(name);
        }
        if !headers.contains_key(DATE)
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(times.received_wall))
        {
            headers.insert(DATE, date);
        }
        let selected_by = match selecting(&headers) {
            Varies::On(names) => names,
            Varies::Unknowable => Vec::new(),
        };
        Self {
            status,
            selected: secondary(&selected_by, request),
            selected_by,
            headers,
            body,
            lifetime: keep.lifetime.unwrap_or_default(),
            forced: keep.forced,
            policy,
            age,
            received_at: times.received_at,
            received_wall: times.received_wall,
        }
    }

    /// How old it is.
    pub fn age(&self, now: Stamp) -> Duration {
        self.age.saturating_add(now.since(self.received_at))
    }

    /// Whether it is fresh.
    pub fn is_fresh(&self, now: Stamp) -> bool {
        self.age(now) < self.lifetime
    }

    /// How long it stays fresh, in whole seconds; below zero since when it is stale.
    pub fn fresh_for_s(&self, now: Stamp) -> i64 {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        seconds(self.lifetime).saturating_sub(seconds(self.age(now)))
    }

    /// How long it has been stale.
    pub fn stale_for(&self, now: Stamp) -> Duration {
        self.age(now).saturating_sub(self.lifetime)
    }

    /// When it came, on the wall clock.
    pub fn received_wall(&self) -> SystemTime {
        self.received_wall
    }

    /// Whether it was selected by what this request says too.
    pub fn answers(&self, request: &HeaderMap) -> bool {
        secondary(&self.selected_by, request) == self.selected
    }

    /// Whether its origin can be asked if it still holds.
    pub fn can_be_validated(&self) -> bool {
        self.headers.contains_key(ETAG) || self.headers.contains_key(LAST_MODIFIED)
    }

    /// Whether each use needs the origin's consent.
    pub fn is_always_checked(&self) -> bool {
        !self.forced && (self.policy.directives.no_cache.is_all() || self.lifetime.is_zero())
    }

    /// What it takes in memory, in bytes: a field costs its text and about 64 bytes of map.
    pub fn bytes(&self) -> usize {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        fields + self.body.len() + self.selected.len() + 256
    }
}
