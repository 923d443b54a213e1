//! How long a response is fresh and how old it is (RFC 9111, 4.2). Nothing is fresh by guessing.

use std::time::{Duration, SystemTime};

use afterimage_identity::Stamp;
use http::header::{AGE, DATE, EXPIRES, HeaderMap, HeaderName};

use super::directive::{Directives, number};

/// What an age that cannot be read is taken for: older than anything is fresh. RFC 9111 (5.1) would have it ignored, and
/// says of freshness that cannot be read (4.2.1) that it is best taken as stale; an age that somebody tried to state
/// speaks for the second.
const UNREADABLE: Duration = Duration::from_secs(1 << 32);

/// The directives that hold for this cache, with the freshness that they and `Expires` state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The directives.
    pub directives: Directives,
    /// How long it says to be fresh; `None` when it says nothing.
    pub lifetime: Option<Duration>,
}

impl Policy {
    /// Reads the fields of a response that was received at `wall`.
    pub fn of(headers: &HeaderMap, wall: SystemTime) -> Self {
        let (directives, targeted) = Directives::of_response(headers);
        let seconds = directives.s_maxage.or(directives.max_age);
        let lifetime = match seconds {
            Some(seconds) => Some(Duration::from_secs(seconds.into())),
            None if targeted => None,
            None => expires(headers, wall),
        };
        Self { directives, lifetime }
    }

    /// Whether a stale response may be used at all, whoever would allow it: `s-maxage` implies what `proxy-revalidate`
    /// says (RFC 9111, 5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        let Directives { must_revalidate, proxy_revalidate, s_maxage, no_cache, .. } = &self.directives;
        *must_revalidate || *proxy_revalidate || s_maxage.is_some() || no_cache.is_all()
    }
}

/// `Expires` less `Date`: both are of the origin's clock, so that ours does not matter. Unreadable is past.
fn expires(headers: &HeaderMap, wall: SystemTime) -> Option<Duration> {
    let mut lines = headers.get_all(EXPIRES).iter();
    lines.next()?;
    if lines.next().is_some() {
        return Some(Duration::ZERO);
    }
    let begun = date(headers, DATE).unwrap_or(wall);
    let until = date(headers, EXPIRES);
    Some(until.and_then(|until| until.duration_since(begun).ok()).unwrap_or_default())
}

/// The one date in a field that has one.
pub(crate) fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let text = lines.next()?.to_str().ok()?;
    if lines.next().is_some() {
        return None;
    }
    httpdate::parse_http_date(text.trim()).ok()
}

/// When a response was asked for and came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Just before the request was sent.
    pub asked_at: Stamp,
    /// When the head of the response had come.
    pub received_at: Stamp,
    /// The same moment on the wall clock.
    pub received_wall: SystemTime,
}

/// How old a response was when it came (RFC 9111, 4.2.3).
pub fn age_of(headers: &HeaderMap, times: Times) -> Duration {
    let apparent = date(headers, DATE).and_then(|sent| times.received_wall.duration_since(sent).ok());
    let stated = stated_age(headers).saturating_add(times.received_at.since(times.asked_at));
    stated.max(apparent.unwrap_or_default())
}

fn stated_age(headers: &HeaderMap) -> Duration {
    let mut lines = headers.get_all(AGE).iter();
    let Some(line) = lines.next() else { return Duration::ZERO };
    let seconds = line.to_str().ok().and_then(|text| number(text.trim()));
    match (seconds, lines.next()) {
        (Some(seconds), None) => Duration::from_secs(seconds.into()),
        _ => UNREADABLE,
    }
}
