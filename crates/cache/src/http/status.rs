//! `Cache-Status` (RFC 9211): what the cache did with a request, in words that machines read.

use std::fmt;

/// Why a request went to the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forwarded {
    /// The cache is not for this request.
    Bypass,
    /// Its method is not answered from a cache.
    Method,
    /// Nothing is stored for its URL.
    UriMiss,
    /// What is stored for its URL was selected by other fields.
    VaryMiss,
    /// What is stored is too old for anybody.
    Stale,
    /// What is stored was not good enough for what the request said.
    Request,
    /// For any other reason, a fence for one.
    Miss,
}

impl Forwarded {
    /// Its token.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
            Self::Miss => "miss",
        }
    }
}

/// One answer's report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report<'a> {
    /// Why it was forwarded; `None` for a hit.
    pub forwarded: Option<Forwarded>,
    /// The origin's status, where it is not the answer's.
    pub status: Option<u16>,
    /// How long the answer stays fresh, in seconds; below zero when it is stale.
    pub ttl_s: Option<i64>,
    /// Whether the answer was stored.
    pub stored: bool,
    /// Whether another request's fetch answered it.
    pub collapsed: bool,
    /// A token that says more.
    pub detail: Option<&'a str>,
    /// The cache key.
    pub key: Option<&'a str>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("afterimage")?;
        match self.forwarded {
            None => f.write_str("; hit")?,
            Some(why) => write!(f, "; fwd={}", why.word())?,
        }
        if let Some(status) = self.status {
            write!(f, "; fwd-status={status}")?;
        }
        if let Some(ttl) = self.ttl_s {
            write!(f, "; ttl={ttl}")?;
        }
        for (said, word) in [(self.stored, "stored"), (self.collapsed, "collapsed")] {
            if said {
                write!(f, "; {word}")?;
            }
        }
        if let Some(detail) = self.detail {
            write!(f, "; detail={detail}")?;
        }
        // A string has visible ASCII and spaces only (RFC 9651, 3.3.3).
        if let Some(key) = self.key.filter(|key| key.bytes().all(|byte| (0x20..0x7f).contains(&byte))) {
            write!(f, "; key=\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))?;
        }
        Ok(())
    }
}
