//! Cache tags: opaque, lower-case, one per original and one per folder.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Digest, Original, SourceId};

/// One opaque name shared by everything that came from one original, or from one folder.
///
/// Lower-case because CloudFront folds case; a digest because a key would leak through response headers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CacheTag(Arc<str>);

impl CacheTag {
    /// How many folder tags one response carries at most. CloudFront takes 50 tags per object.
    pub const FOLDERS_MAX: usize = 16;
    /// The longest tag, in characters (CloudFront's limit).
    pub const CHARS_MAX: usize = 256;

    /// How many tags of one answer count; further ones are dropped (CloudFront's limit).
    pub const TAGS_MAX: usize = 50;
    /// The headers that carry tags, in lower case: ours and Cloudflare's, Fastly's, Akamai's, and what S3 makes of the
    /// metadata `cache-tag`.
    pub const HEADERS: [&str; 4] = ["cache-tag", "surrogate-key", "edge-cache-tag", "x-amz-meta-cache-tag"];

    /// The tag of one original: `o` and 32 hex characters.
    pub fn original(original: &Original) -> Self {
        let digest =
            Digest::new("original").part(original.source.as_str().as_bytes()).part(original.key.as_str().as_bytes());
        Self(format!("o{}", digest.hex(32)).into())
    }

    /// The tag of one folder, named with its trailing slash: `f` and 32 hex characters.
    pub fn folder(source: &SourceId, folder: &str) -> Self {
        Self(
            format!("f{}", Digest::new("folder").part(source.as_str().as_bytes()).part(folder.as_bytes()).hex(32))
                .into(),
        )
    }

    /// A tag from outside, folded to lower case as CloudFront does; `None` when it is empty, longer than
    /// [`Self::CHARS_MAX`], or has anything but visible ASCII without comma.
    pub fn parse(text: &str) -> Option<Self> {
        let fits =
            (1..=Self::CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        fits.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The tags that the value of one of [`Self::HEADERS`] lists, each once and at most [`Self::TAGS_MAX`]; what is none is
    /// left out. Some separate with commas and some with spaces, and no tag holds either.
    pub fn list(value: &str) -> Vec<Self> {
        let mut tags: Vec<Self> = Vec::new();
        for tag in value.split([',', ' ', '\t']).filter_map(Self::parse) {
            if tags.len() < Self::TAGS_MAX && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        tags
    }

    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OriginalKey;

    fn original(source: &str, key: &str) -> Original {
        Original::new(SourceId::new(source).unwrap(), OriginalKey::new(key).unwrap())
    }

    #[test]
    fn a_tag_names_one_original_of_one_source() {
        let tag = original("a", "p/x.jpg").tag();
        assert_ne!(tag, original("b", "p/x.jpg").tag());
        assert_ne!(tag, original("a", "p/X.jpg").tag());
        assert_eq!(tag.as_str().len(), 33);
        assert_eq!(tag.as_str(), tag.as_str().to_ascii_lowercase());
    }

    #[test]
    fn a_folder_and_an_original_never_share_a_tag() {
        let tags = original("a", "p/q/x.jpg").tags();
        assert_eq!(tags.len(), 3);
        assert_eq!(tags[1], CacheTag::folder(&SourceId::new("a").unwrap(), "p/"));
        assert_eq!(tags[2], CacheTag::folder(&SourceId::new("a").unwrap(), "p/q/"));
    }

    #[test]
    fn deep_folders_are_bounded() {
        let deep = vec!["d"; 40].join("/");
        assert_eq!(original("a", &deep).tags().len(), 1 + CacheTag::FOLDERS_MAX);
    }

    #[test]
    fn outside_tags_are_folded_and_checked() {
        assert_eq!(CacheTag::parse("AbC").unwrap().as_str(), "abc");
        for bad in ["", "a,b", "a b", "ä", &"a".repeat(257)] {
            assert!(CacheTag::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn lists_are_separated_by_commas_or_spaces() {
        let texts = |value: &str| CacheTag::list(value).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts("product:tv, Brand:X,product:TV"), ["product:tv", "brand:x"]);
        assert_eq!(texts(" a  b\tc "), ["a", "b", "c"]);
        assert_eq!(texts(&format!("a,{},ä,b", "x".repeat(257))), ["a", "b"]);
        let many = |count: usize| (0..count).map(|at| format!("t{at}")).collect::<Vec<_>>().join(",");
        assert_eq!(texts(&many(50)).len(), 50);
        assert_eq!(texts(&many(51)).len(), 50);
    }
}
