//! What an invalidation names, and the number that orders it against every fill.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CacheTag, Original};

/// One position in a cache's purge sequence. A fence takes the next one; a fill remembers the one it began at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Sequence(pub u64);

/// What a fence or an invalidation covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// Everything that came from this original.
    Original(Original),
    /// Everything that carries this tag.
    Tag(CacheTag),
    /// The entry with exactly this path (with query, where queries are in the key).
    Path(String),
    /// Every entry whose path begins so.
    Prefix(String),
    /// Everything.
    All,
}

impl Selector {
    /// Whether something with this path, original and these tags is covered.
    pub fn covers(&self, path: &str, original: Option<&Original>, tags: &[CacheTag]) -> bool {
        match self {
            Self::Original(wanted) => original == Some(wanted),
            Self::Tag(tag) => tags.contains(tag),
            Self::Path(exact) => path == exact,
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Self::All => true,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Original(original) => write!(f, "original {original}"),
            Self::Tag(tag) => write!(f, "tag {tag}"),
            Self::Path(path) => write!(f, "path {path}"),
            Self::Prefix(prefix) => write!(f, "prefix {prefix}*"),
            Self::All => f.write_str("everything"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OriginalKey, SourceId};

    #[test]
    fn each_selector_covers_what_it_names_and_nothing_else() {
        let original = |key| Original::new(SourceId::default(), OriginalKey::new(key).unwrap());
        let (a, ab) = (original("a"), original("a b"));
        let cases = [
            (Selector::Original(a.clone()), true, false),
            (Selector::Tag(a.tag()), true, false),
            (Selector::Path("/a/-/w1.png".into()), true, false),
            (Selector::Prefix("/a/-/".into()), true, false),
            (Selector::Prefix("/a".into()), true, true),
            (Selector::All, true, true),
        ];
        for (selector, covers_a, covers_ab) in cases {
            assert_eq!(selector.covers("/a/-/w1.png", Some(&a), &a.tags()), covers_a, "{selector}");
            assert_eq!(selector.covers("/a=20b/-/w1.png", Some(&ab), &ab.tags()), covers_ab, "{selector}");
        }
        assert!(!Selector::Original(a).covers("/a", None, &[]));
    }
}
