//! What is remembered of originals: which validators stood for which bytes. It is a hint that saves transfers; forgetting
//! any of it costs one.

use std::time::{Duration, SystemTime};

use afterimage_identity::{OriginalKey, Version};
use http::HeaderMap;
use http::header::{DATE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED};
use quick_cache::sync::Cache;

/// ETags that are remembered for the same bytes: as many servers behind one name, each with its own.
const ETAGS_MAX: usize = 4;

/// `Last-Modified` has whole seconds: bytes that changed again within the same one keep it.
const LAST_MODIFIED_RESTS: Duration = Duration::from_secs(2);

/// The validators of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    /// The ETag, quotes and `W/` included.
    pub(super) etag: Option<HeaderValue>,
    /// `Last-Modified`, where it lies far enough back to tell contents apart.
    pub(super) last_modified: Option<HeaderValue>,
    /// `Last-Modified` is there, if only too young.
    pub(super) has_date: bool,
}

impl Validators {
    pub(super) fn of(headers: &HeaderMap, wall: SystemTime) -> Self {
        let date = |name: &HeaderName| {
            let value = headers.get(name)?;
            Some((value, httpdate::parse_http_date(value.to_str().ok()?).ok()?))
        };
        let at = date(&DATE).map_or(wall, |(_, at)| at);
        let last_modified = date(&LAST_MODIFIED);
        Self {
            etag: headers.get(ETAG).filter(|etag| is_etag(etag.as_bytes())).cloned(),
            has_date: last_modified.is_some(),
            last_modified: last_modified
                .filter(|(_, modified)| at.duration_since(*modified).is_ok_and(|rests| rests >= LAST_MODIFIED_RESTS))
                .map(|(value, _)| value.clone()),
        }
    }

    /// The ETag, if it is a strong one.
    pub(super) fn strong(&self) -> Option<&HeaderValue> {
        self.etag.as_ref().filter(|etag| is_strong(etag))
    }

    pub(super) fn are_none(&self) -> bool {
        self.etag.is_none() && !self.has_date
    }
}

pub(super) fn is_strong(etag: &HeaderValue) -> bool {
    etag.as_bytes().starts_with(b"\"")
}

/// An entity tag (RFC 9110, 8.8.3), weak or strong; what has no quotes is none.
fn is_etag(text: &[u8]) -> bool {
    let opaque = text.strip_prefix(b"W/").unwrap_or(text);
    opaque.len() >= 2
        && opaque.starts_with(b"\"")
        && opaque.ends_with(b"\"")
        && opaque[1..opaque.len() - 1].iter().all(|byte| *byte != b'"' && (*byte > b' ') && *byte != 0x7f)
}

/// Bytes that were read once, and what stood for them.
#[derive(Clone, Debug)]
pub(super) struct Memo {
    pub(super) digest: Version,
    pub(super) bytes: u64,
    pub(super) storable: bool,
    /// The ETags that came with these bytes, the newest first.
    pub(super) etags: Vec<HeaderValue>,
    pub(super) last_modified: Option<HeaderValue>,
}

impl Memo {
    /// Whether a conditional request can be made of it.
    pub(super) fn is_hint(&self) -> bool {
        !self.etags.is_empty() || self.last_modified.is_some()
    }

    /// `If-None-Match`, naming every ETag known for these bytes.
    pub(super) fn if_none_match(&self) -> Option<HeaderValue> {
        let joined = self.etags.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
        (!joined.is_empty()).then(|| HeaderValue::from_bytes(&joined).ok()).flatten()
    }
}

/// The memos of one origin, so many and no more.
pub(super) struct Memos(Cache<OriginalKey, Memo>);

impl Memos {
    pub(super) fn new(most: usize) -> Self {
        Self(Cache::new(most))
    }

    pub(super) fn get(&self, key: &OriginalKey) -> Option<Memo> {
        self.0.get(key)
    }

    pub(super) fn forget(&self, key: &OriginalKey) {
        self.0.remove(key);
    }

    /// Remembers what was read, and says whether a strong ETag stood for the same bytes under another name before.
    pub(super) fn learn(&self, key: &OriginalKey, read: Memo, validators: &Validators) -> bool {
        let before = self.get(key).filter(|before| before.digest == read.digest);
        let mut memo = Memo { last_modified: validators.last_modified.clone(), etags: Vec::new(), ..read };
        memo.etags.extend(validators.etag.clone());
        let mut flapped = false;
        if let Some(before) = before {
            flapped = match (before.etags.first(), &validators.etag) {
                (Some(old), Some(new)) => old != new && is_strong(old) && is_strong(new),
                _ => false,
            };
            for etag in before.etags {
                if memo.etags.len() < ETAGS_MAX && !memo.etags.contains(&etag) {
                    memo.etags.push(etag);
                }
            }
        }
        self.0.insert(key.clone(), memo);
        flapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn validators(pairs: &[(&'static str, &'static str)]) -> Validators {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        Validators::of(&headers, UNIX_EPOCH + Duration::from_secs(1_790_000_000))
    }

    #[test]
    fn only_quoted_tags_are_tags_and_only_plain_ones_are_strong() {
        for (text, is_tag, is_strong) in [
            ("\"a\"", true, true),
            ("\"\"", true, true),
            ("\"a,b-c/d\\e\"", true, true),
            ("W/\"a\"", true, false),
            ("w/\"a\"", false, false),
            ("a", false, false),
            ("\"a", false, false),
            ("a\"", false, false),
            ("\"", false, false),
            ("", false, false),
            ("\"a\"b\"", false, false),
            ("\"a b\"", false, false),
            ("\"a\", \"b\"", false, false),
        ] {
            let found = validators(&[("etag", text)]);
            assert_eq!((found.etag.is_some(), found.strong().is_some()), (is_tag, is_strong), "{text}");
        }
    }

    #[test]
    fn a_date_tells_contents_apart_only_once_it_rests() {
        let date = "Mon, 21 Sep 2026 14:13:20 GMT";
        for (modified, rests) in [
            ("Mon, 21 Sep 2026 14:13:18 GMT", true),
            ("Mon, 21 Sep 2026 14:13:19 GMT", false),
            ("Mon, 21 Sep 2026 14:13:20 GMT", false),
            ("Mon, 21 Sep 2026 14:13:21 GMT", false),
            ("yesterday", false),
        ] {
            for found in [
                validators(&[("date", date), ("last-modified", modified)]),
                // Without a date the local clock stands in; in this test it shows the same second.
                validators(&[("last-modified", modified)]),
            ] {
                assert_eq!(found.last_modified.is_some(), rests, "{modified}");
                assert_eq!(found.are_none(), modified == "yesterday", "{modified}");
            }
        }
    }
}
