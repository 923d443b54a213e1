//! A stored response as text and body, for a cache that outlives its process. Its age goes on by the wall clock then, and a
//! wall clock that went back says nothing: what cannot be dated is not given back.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use afterimage_identity::Stamp;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::directive::{Directives, Listed, MaxStale};
use super::freshness::Policy;
use super::stored::Stored;
use crate::{Moment, Packed};

/// Everything but the body. Texts that may be no UTF-8 have a character for each byte.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    status: u16,
    headers: Vec<(String, String)>,
    directives: String,
    policy_lifetime: Option<Duration>,
    lifetime: Duration,
    forced: bool,
    selected_by: Vec<String>,
    selected: String,
    age: Duration,
    received_at: Stamp,
    /// Since the epoch.
    received_wall: Duration,
}

fn to_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn to_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|char| u8::try_from(char).ok()).collect()
}

impl Stored {
    /// As text and body; `None` when it was received before 1970.
    pub fn pack(&self) -> Option<Packed> {
        let about = About {
            status: self.status.as_u16(),
            headers: self.headers.iter().map(|(name, value)| (name.to_string(), to_text(value.as_bytes()))).collect(),
            directives: self.policy.directives.to_string(),
            policy_lifetime: self.policy.lifetime,
            lifetime: self.lifetime,
            forced: self.forced,
            selected_by: self.selected_by.iter().map(ToString::to_string).collect(),
            selected: self.selected.clone(),
            age: self.age,
            received_at: self.received_at,
            received_wall: self.received_wall.duration_since(UNIX_EPOCH).ok()?,
        };
        Some(Packed { about: serde_json::to_string(&about).ok()?, body: self.body.clone() })
    }

    /// What was packed. `None` when it cannot be understood, or when another process packed it at a time that is still to
    /// come.
    pub fn unpack(packed: Packed, at: Moment) -> Option<Self> {
        let about: About = serde_json::from_str(&packed.about).ok()?;
        let mut headers = HeaderMap::with_capacity(about.headers.len());
        for (name, value) in &about.headers {
            headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(&to_bytes(value)?).ok()?);
        }
        let received_wall = UNIX_EPOCH.checked_add(about.received_wall)?;
        let (age, received_at) = match at.same_run {
            true => (about.age, about.received_at),
            false => (about.age.checked_add(at.wall.duration_since(received_wall).ok()?)?, at.now),
        };
        Some(Self {
            status: StatusCode::from_u16(about.status).ok()?,
            headers,
            body: packed.body,
            policy: Policy { directives: Directives::of_text(&about.directives), lifetime: about.policy_lifetime },
            lifetime: about.lifetime,
            forced: about.forced,
            selected_by: names(&about.selected_by)?,
            selected: about.selected,
            age,
            received_at,
            received_wall,
        })
    }
}

/// Field names, if they all are.
fn names(texts: &[String]) -> Option<Vec<HeaderName>> {
    texts.iter().map(|text| text.parse().ok()).collect()
}

/// As `Cache-Control` has them: read again, they are the same.
impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut members = Vec::new();
        let flags = [
            ("no-store", self.no_store),
            ("public", self.public),
            ("must-revalidate", self.must_revalidate),
            ("proxy-revalidate", self.proxy_revalidate),
            ("must-understand", self.must_understand),
            ("only-if-cached", self.only_if_cached),
        ];
        members.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name.to_owned()));
        for (name, listed) in [("no-cache", &self.no_cache), ("private", &self.private)] {
            match listed {
                Listed::No => {}
                Listed::All => members.push(name.to_owned()),
                Listed::Fields(fields) => {
                    let fields: Vec<_> = fields.iter().map(HeaderName::as_str).collect();
                    members.push(format!("{name}=\"{}\"", fields.join(", ")));
                }
            }
        }
        let seconds = [
            ("max-age", self.max_age),
            ("s-maxage", self.s_maxage),
            ("min-fresh", self.min_fresh),
            ("stale-while-revalidate", self.stale_while_revalidate),
            ("stale-if-error", self.stale_if_error),
        ];
        members.extend(seconds.into_iter().filter_map(|(name, seconds)| Some(format!("{name}={}", seconds?))));
        match self.max_stale {
            None => {}
            Some(MaxStale::Any) => members.push("max-stale".to_owned()),
            Some(MaxStale::Seconds(seconds)) => members.push(format!("max-stale={seconds}")),
        }
        f.write_str(&members.join(", "))
    }
}
