//! Whether a stored response answers a request now, after its origin agreed, or not at all (RFC 9111, 4; RFC 5861).

use std::time::Duration;

use afterimage_identity::Stamp;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, HeaderMap, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, PRAGMA,
    RANGE,
};

use super::directive::{Directives, MaxStale};
use super::stored::Stored;

/// What a request makes of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It is fresh enough.
    Fresh,
    /// It is stale, and the request accepts that.
    Stale,
    /// It is stale, may be served once more, and has to be renewed meanwhile (`stale-while-revalidate`).
    StaleWhileRenewed,
    /// The origin has to be asked first.
    Validate,
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Decides. `Vary` has been looked at already.
pub fn reuse(request: &HeaderMap, stored: &Stored, now: Stamp) -> Reuse {
    let mut asked = Directives::of_cache_control(request);
    // What HTTP/1.0 had (RFC 9111, 5.4), where nothing newer is said.
    let pragma =
        request.get_all(PRAGMA).iter().any(|line| line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"no-cache"));
    if pragma && !request.contains_key(CACHE_CONTROL) {
        asked.no_cache = super::Listed::All;
    }
    let said = &stored.policy.directives;
    if asked.no_cache != super::Listed::No || (said.no_cache.is_all() && !stored.forced) {
        return Reuse::Validate;
    }
    let age = stored.age(now);
    let young = asked.max_age.is_none_or(|max| age <= seconds(max));
    let lasts = asked.min_fresh.is_none_or(|min| age.saturating_add(seconds(min)) < stored.lifetime);
    if stored.is_fresh(now) && young && lasts {
        return Reuse::Fresh;
    }
    if stored.is_fresh(now) || !young {
        return Reuse::Validate;
    }
    let stale_for = stored.stale_for(now);
    let accepts = match asked.max_stale {
        None => false,
        Some(MaxStale::Any) => true,
        Some(MaxStale::Seconds(max)) => stale_for <= seconds(max),
    };
    if accepts && !stored.policy.forbids_stale() {
        return Reuse::Stale;
    }
    let renewed = said.stale_while_revalidate.is_some_and(|window| stale_for <= seconds(window));
    if renewed && asked.max_age.is_none() && asked.min_fresh.is_none() && outlives(stored) {
        return Reuse::StaleWhileRenewed;
    }
    Reuse::Validate
}

impl Stored {
    /// Whether it may be served although it is stale because its origin fails: as long as `stale-if-error` says, else as
    /// long as the operator allows where the response does not forbid it.
    pub fn serves_on_error(&self, now: Stamp, allowed: Duration) -> bool {
        let stale_for = self.stale_for(now);
        match self.policy.directives.stale_if_error {
            Some(window) => stale_for <= seconds(window) && outlives(self),
            None => !allowed.is_zero() && stale_for <= allowed && !self.policy.forbids_stale(),
        }
    }
}

/// RFC 5861's windows beside `s-maxage` are honoured: who sends both means both. Beside the words that forbid any stale
/// answer they are not.
fn outlives(stored: &Stored) -> bool {
    let said = &stored.policy.directives;
    !(said.must_revalidate || said.proxy_revalidate || said.no_cache.is_all())
}

/// Whether a request has to be sent for itself, because what comes back may be of no use to others: it is authorised,
/// conditional, or for a part, or what is stored has to be checked on each use anyway.
pub fn ask_alone(request: &HeaderMap, stored: Option<&Stored>) -> bool {
    let own = [AUTHORIZATION, RANGE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE];
    let asked = Directives::of_cache_control(request);
    asked.no_store
        || asked.no_cache != super::Listed::No
        || asked.max_age.is_some()
        || asked.min_fresh.is_some()
        || match stored {
            // The stored response is what is asked about; the request's own conditions are then judged here.
            Some(stored) => stored.is_always_checked() || request.contains_key(AUTHORIZATION),
            None => own.iter().any(|name| request.contains_key(name)),
        }
}
