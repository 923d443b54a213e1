//! Messages in short.

use std::time::{Duration, SystemTime};

use afterimage_cache::http::{Behaviour, Policy, Stored, Times};
use afterimage_identity::Stamp;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{HeaderValue, StatusCode};

/// When every response came; a date with whole seconds.
pub fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// The date so many seconds from [`wall`].
pub fn date(seconds: i64) -> String {
    let offset = Duration::from_secs(seconds.unsigned_abs());
    httpdate::fmt_http_date(if seconds < 0 { wall() - offset } else { wall() + offset })
}

/// Lines of fields, `name: value`.
pub fn fields(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line} is no field"));
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value.trim().as_bytes()).unwrap());
    }
    headers
}

/// Asked and answered at once, at zero.
pub fn times() -> Times {
    Times { asked_at: Stamp(0), received_at: Stamp(0), received_wall: wall() }
}

/// So many seconds later.
pub fn after(seconds: u64) -> Stamp {
    Stamp(0).after(Duration::from_secs(seconds))
}

/// A stored 200 with this body, under a behaviour.
pub fn stored_under(behaviour: &Behaviour, request: &[&str], response: &[&str], body: &'static str) -> Stored {
    let headers = fields(response);
    let policy = Policy::of(&headers, wall());
    let keep = behaviour.keep(StatusCode::OK, &policy);
    Stored::new(
        &fields(request),
        (StatusCode::OK, &headers, Bytes::from_static(body.as_bytes())),
        policy,
        keep,
        times(),
    )
}

/// A stored 200 as HTTP has it.
pub fn stored(response: &[&str]) -> Stored {
    stored_under(&Behaviour::default(), &[], response, "0123456789")
}
