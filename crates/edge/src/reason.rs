//! Why an answer is what it is: one enum whose words reach the log, the metric and `Cache-Status` alike.

use std::fmt;

use afterimage_cache::MissWhy;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Why an answer is what it is. The word of each is the same in the log, the metric and `Cache-Status`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name),+ }

        impl Reason {
            /// Every reason, in the order of their counters.
            pub const ALL: &[Reason] = &[$(Reason::$name),+];

            /// Its word: lower-case letters and hyphens.
            pub fn word(self) -> &'static str {
                match self { $(Reason::$name => $word),+ }
            }
        }
    };
}

reasons! {
    /// Answered from memory.
    Memory = "memory",
    /// Answered from the cache on disk, and in memory from now on.
    Disk = "disk",
    /// Answered from memory with an entry that another request was just filling.
    Collapsed = "collapsed",
    /// Read from the derivative store; nothing was rendered.
    StoredDerivative = "stored-derivative",
    /// Rendered for this request.
    Rendered = "rendered",
    /// The bare original, its metadata removed for this request.
    Sanitised = "sanitised",
    /// The bare original as it is.
    AsIs = "as-is",
    /// WebP for now: the AVIF of this path is still being made.
    AvifPending = "avif-pending",
    /// Rendered, but the original is still being written: neither stored nor kept.
    Unsettled = "unsettled",
    /// Passed through from the origin.
    Passed = "passed",
    /// Passed through from memory, after the origin said that it still holds.
    Revalidated = "revalidated",
    /// Passed through from memory although stale: the origin failed, or the request or the answer allows it.
    Stale = "stale",
    /// The conditions of the request held: nothing to send.
    NotModified = "not-modified",
    /// The method is not GET, HEAD or OPTIONS.
    Method = "method",
    /// OPTIONS, answered without looking at any picture.
    Preflight = "preflight",
    /// The URL does not parse, or a value is out of range.
    BadRequest = "bad-request",
    /// Policy or signature does not allow it.
    Forbidden = "forbidden",
    /// The URL is too long.
    UriTooLong = "uri-too-long",
    /// The signature has expired.
    Expired = "expired",
    /// There is no such path.
    NotFound = "not-found",
    /// The original is proven not to be there.
    Gone = "gone",
    /// A fence covered what would have been answered, twice in a row.
    Fenced = "fenced",
    /// The original is not an allowed image.
    NotAnImage = "not-an-image",
    /// The original is broken or truncated.
    Broken = "broken",
    /// The original or what was asked of it is over a limit.
    OverLimits = "over-limits",
    /// The source sent less than it announced, or failed.
    SourceFailed = "source-failed",
    /// The source did not answer in time.
    SourceTimeout = "source-timeout",
    /// The source cannot say whether the original is there.
    Unprovable = "unprovable",
    /// The renderer died.
    RendererDied = "renderer-died",
    /// The render took too long.
    RenderTimeout = "render-timeout",
    /// The queue of renders is full.
    QueueFull = "queue-full",
    /// The range asked for is not in the picture.
    RangeNotSatisfiable = "range-not-satisfiable",
    /// The origin to pass through to cannot be reached or does not speak HTTP.
    UpstreamFailed = "upstream-failed",
    /// The origin to pass through to did not answer in time.
    UpstreamTimeout = "upstream-timeout",
    /// The origin to pass through to failed too often or is asked too much, and is left alone.
    UpstreamBusy = "upstream-busy",
    /// The request came through here before.
    Loop = "loop",
    /// The request wants an answer from memory, and there is none.
    OnlyIfCached = "only-if-cached",
    /// The body of the request is over the limit.
    RequestTooLarge = "request-too-large",
    /// `If-Match` or `If-Unmodified-Since` did not hold.
    PreconditionFailed = "precondition-failed",
}

/// Why memory had nothing to serve, in the order of its counters.
pub(crate) const MISSES: [MissWhy; 6] =
    [MissWhy::Absent, MissWhy::Stale, MissWhy::Fenced, MissWhy::Unproven, MissWhy::OtherVersion, MissWhy::Bypass];

/// The word of a miss, in the log, the metric and `Cache-Status` alike; where RFC 9211 has one, it is that.
pub(crate) fn miss_word(why: MissWhy) -> &'static str {
    match why {
        MissWhy::Absent => "uri-miss",
        MissWhy::Stale => "stale",
        MissWhy::Fenced => "fenced",
        MissWhy::Unproven => "unproven",
        MissWhy::OtherVersion => "other-version",
        MissWhy::Bypass => "bypass",
    }
}

/// What `fwd` of `Cache-Status` says of a miss: RFC 9211 knows an answer that is there and may not be served as stale.
pub(crate) fn forwarded_word(why: MissWhy) -> &'static str {
    match why {
        MissWhy::Fenced | MissWhy::Unproven | MissWhy::OtherVersion => miss_word(MissWhy::Stale),
        MissWhy::Absent | MissWhy::Stale | MissWhy::Bypass => miss_word(why),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_fit_a_structured_field_token() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert!(words.iter().all(|w| w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn every_miss_is_forwarded_by_a_word_of_rfc_9211() {
        for why in MISSES {
            assert!(["bypass", "uri-miss", "stale"].contains(&forwarded_word(why)), "{why:?}");
        }
        let words: std::collections::BTreeSet<_> = MISSES.into_iter().map(miss_word).collect();
        assert_eq!(words.len(), MISSES.len());
    }
}
