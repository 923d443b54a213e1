//! What is known of a derivative, as headers beside its body: the body stays the picture alone, so that anything that can
//! read a bucket can serve it. User metadata is 2 KB of ASCII; what does not fit is left out where it can be worked out
//! again (the folders' tags), and refused where it cannot.

use std::collections::{BTreeMap, HashMap};

use afterimage_identity::{CacheTag, Original, OriginalKey, Revision, SourceId, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use crate::{Error, META_BYTES_MAX, Meta, Refusal};

/// What S3 takes of names and values together, in bytes; the names counted as headers, as the strictest servers do.
const METADATA_BYTES_MAX: usize = 2048;
const HEADER: &str = "x-amz-meta-";

/// Digest of the body, base64url. What has none was not written by us.
const SHA256: &str = "sha256";
const SOURCE: &str = "source";
/// The original's key, base64url.
const ORIGINAL: &str = "original";
const VERSION: &str = "version";
const REVISION: &str = "revision";
/// Read by CloudFront, when it serves the bucket itself, as the object's cache tags.
const CACHE_TAG: &str = "cache-tag";
/// What has no header of its own, as base64url of JSON.
const FACTS: &str = "facts";

/// A derivative's headers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) metadata: HashMap<String, String>,
}

/// A derivative's facts, read back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) meta: Meta,
    pub(super) sha256: [u8; 32],
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct Rest {
    /// A media type that no header can carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    /// There is no media type: a bucket would make one up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    untyped: bool,
    /// The tags, where they are not those of the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<CacheTag>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    extra: BTreeMap<String, String>,
}

fn tags_of(original: Option<&Original>) -> Vec<CacheTag> {
    original.map(Original::tags).unwrap_or_default()
}

/// A text that a header carries unchanged: no space at either end, nothing but visible ASCII between.
fn fits_header(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Writes the headers of a body with this digest.
pub(super) fn encode(key: &str, meta: &Meta, sha256: &[u8; 32]) -> Result<Headers, Error> {
    let too_large = Error::Refused { why: Refusal::MetaTooLarge };
    let json = |value: &Meta| serde_json::to_vec(value).map_err(|error| Error::Io { why: error.to_string() });
    if json(meta)?.len() + key.len() > META_BYTES_MAX {
        return Err(too_large);
    }
    let content_type = meta.media_type.clone().filter(|text| fits_header(text));
    let rest = Rest {
        media_type: meta.media_type.clone().filter(|_| content_type.is_none()),
        untyped: meta.media_type.is_none(),
        tags: (meta.tags != tags_of(meta.original.as_ref())).then(|| meta.tags.clone()),
        extra: meta.extra.clone(),
    };
    let mut metadata = HashMap::from([(SHA256.to_owned(), BASE64.encode(sha256))]);
    let mut put = |name: &str, value: String| metadata.insert(name.to_owned(), value);
    if let Some(original) = &meta.original {
        put(SOURCE, original.source.as_str().to_owned());
        put(ORIGINAL, BASE64.encode(original.key.as_str()));
    }
    if let Some(version) = &meta.version {
        put(VERSION, version.to_string());
    }
    if let Some(revision) = &meta.revision {
        put(REVISION, revision.to_string());
    }
    if rest != Rest::default() {
        let facts = serde_json::to_vec(&rest).map_err(|error| Error::Io { why: error.to_string() })?;
        put(FACTS, BASE64.encode(facts));
    }
    let taken: usize = metadata.iter().map(|(name, value)| HEADER.len() + name.len() + value.len()).sum();
    let room = METADATA_BYTES_MAX.checked_sub(taken).ok_or(too_large)?;
    let tags = joined(&meta.tags, room.saturating_sub(HEADER.len() + CACHE_TAG.len()));
    if !tags.is_empty() {
        metadata.insert(CACHE_TAG.to_owned(), tags);
    }
    Ok(Headers { content_type, metadata })
}

/// The first tags, as many as fit: the original's own comes first, then its folders' from the outermost in.
fn joined(tags: &[CacheTag], bytes_max: usize) -> String {
    let mut text = String::new();
    for tag in tags {
        let comma = usize::from(!text.is_empty());
        if text.len() + comma + tag.as_str().len() > bytes_max {
            break;
        }
        text.push_str(&","[..comma]);
        text.push_str(tag.as_str());
    }
    text
}

/// Reads the headers back. `None` when we did not write them.
pub(super) fn decode(content_type: Option<&str>, metadata: Option<&HashMap<String, String>>) -> Option<Facts> {
    let metadata = metadata?;
    let get = |name: &str| metadata.get(name).map(String::as_str);
    let text = |name: &str| get(name).map(|value| BASE64.decode(value).ok()).map(Option::unwrap_or_default);
    let rest: Rest = match text(FACTS) {
        Some(json) => serde_json::from_slice(&json).ok()?,
        None => Rest::default(),
    };
    let original = match (get(SOURCE), text(ORIGINAL)) {
        (Some(source), Some(key)) => {
            let key = OriginalKey::new(std::str::from_utf8(&key).ok()?).ok()?;
            Some(Original::new(SourceId::new(source).ok()?, key))
        }
        (None, None) => None,
        _ => return None,
    };
    let typed = content_type.filter(|_| !rest.untyped).map(str::to_owned);
    let meta = Meta {
        media_type: rest.media_type.or(typed),
        // It has a header of its own, which says everything of it.
        cache_control: None,
        tags: rest.tags.unwrap_or_else(|| tags_of(original.as_ref())),
        original,
        version: get(VERSION).map(Version::new).transpose().ok()?,
        revision: get(REVISION).map(Revision::new).transpose().ok()?,
        extra: rest.extra,
    };
    Some(Facts { meta, sha256: text(SHA256)?.try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meta(key: &str) -> Meta {
        let original = Original::new(SourceId::new(&"s".repeat(32)).unwrap(), OriginalKey::new(key).unwrap());
        Meta {
            media_type: Some("image/webp".into()),
            cache_control: None,
            tags: original.tags(),
            original: Some(original),
            version: Some(Version::of_content(b"x")),
            revision: Some(Revision::of(["x"])),
            extra: [("made-at".to_owned(), "Fri, 27 Nov 2026 21:49:49 GMT".to_owned())].into(),
        }
    }

    fn bytes(headers: &Headers) -> usize {
        headers.metadata.iter().map(|(name, value)| HEADER.len() + name.len() + value.len()).sum()
    }

    fn check(meta: &Meta) -> Headers {
        let headers = encode("k", meta, &[7; 32]).unwrap();
        assert!(bytes(&headers) <= METADATA_BYTES_MAX, "{}", bytes(&headers));
        assert!(headers.metadata.values().all(|value| fits_header(value)), "{headers:?}");
        let facts = decode(headers.content_type.as_deref().or(Some("binary/octet-stream")), Some(&headers.metadata));
        assert_eq!(facts, Some(Facts { meta: meta.clone(), sha256: [7; 32] }));
        headers
    }

    #[test]
    fn the_longest_key_of_a_bucket_fits_with_its_own_tag() {
        let key = format!("{}{}", "ä/".repeat(300), "k".repeat(1024 - 900));
        let meta = meta(&key);
        let headers = check(&meta);
        let tags = CacheTag::list(&headers.metadata[CACHE_TAG]);
        assert_eq!(tags, meta.tags[..tags.len()], "the original's own first");
        assert!((2..meta.tags.len()).contains(&tags.len()), "{} of {}", tags.len(), meta.tags.len());
    }

    #[test]
    fn facts_are_refused_just_past_the_bound() {
        let with = |bytes: usize| {
            let extra = BTreeMap::from([("x".to_owned(), "y".repeat(bytes))]);
            encode("k", &Meta { extra, ..Meta::default() }, &[0; 32])
        };
        let most = (0..METADATA_BYTES_MAX).rev().find(|bytes| with(*bytes).is_ok()).expect("something fits");
        assert!(most > 1000 && bytes(&with(most).unwrap()) > METADATA_BYTES_MAX - 4);
        assert_eq!(with(most + 1), Err(Error::Refused { why: Refusal::MetaTooLarge }));
    }

    #[test]
    fn odd_facts_come_back() {
        check(&Meta::default());
        for media_type in ["", " image/png", "bild/ä", "a\nb"] {
            check(&Meta { media_type: Some(media_type.into()), ..Meta::default() });
        }
        check(&Meta { tags: Vec::new(), ..meta("a/b") });
        check(&Meta { original: None, ..meta("a/b") });
    }

    #[test]
    fn what_others_wrote_is_not_read() {
        let ours = encode("k", &meta("a/b"), &[7; 32]).unwrap().metadata;
        assert_eq!(decode(None, None), None);
        assert_eq!(decode(None, Some(&HashMap::new())), None);
        for (name, value) in [
            (SHA256, "AAAA"),
            (SHA256, "%"),
            (ORIGINAL, ""),
            (ORIGINAL, "%"),
            (SOURCE, "S"),
            (VERSION, "a b"),
            (REVISION, ""),
            (FACTS, "e30x"),
        ] {
            let mut theirs = ours.clone();
            theirs.insert(name.into(), value.into());
            assert_eq!(decode(None, Some(&theirs)), None, "{name} {value}");
        }
        for name in [SHA256, ORIGINAL, SOURCE] {
            let mut theirs = ours.clone();
            theirs.remove(name);
            assert_eq!(decode(None, Some(&theirs)), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn facts_come_back(media_type in prop::option::of(".{0,20}"), name in ".{0,20}", value in ".{0,200}") {
            check(&Meta { media_type, extra: [(name, value)].into(), ..meta("p/ä \"1\".jpg") });
        }
    }
}
