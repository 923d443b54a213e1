//! Keys of originals: what the owner called the object, checked once at the border.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{CacheTag, EscapedKey, escape};

/// The longest key, in bytes: what a Linux path may be. S3 stops at 1,024.
pub const KEY_BYTES_MAX: usize = 4096;

/// Why a text is not the key of an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// The key is empty.
    Empty,
    /// The key has more than [`KEY_BYTES_MAX`] bytes.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The key holds NUL or another control character.
    Control,
    /// A segment between slashes is empty, `.` or `..`, or `-`, which is reserved for derivatives.
    Segment(String),
    /// The bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the key is empty"),
            Self::TooLong { bytes } => write!(f, "the key has {bytes} bytes; at most {KEY_BYTES_MAX} are allowed"),
            Self::Control => f.write_str("the key holds a control character"),
            Self::Segment(segment) => write!(f, "`{segment}` cannot be a segment of a key"),
            Self::NotUtf8 => f.write_str("the key is not UTF-8"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Names one original inside its source: a path without leading slash, exactly as its owner wrote it.
///
/// - Never empty, never absolute, at most [`KEY_BYTES_MAX`] bytes, no control characters.
/// - No segment is empty, `.`, `..` or `-`; so no original's name can be taken for a derivative's.
/// - Not normalised: `é` in NFC and in NFD are two keys, as they are two files.
///
/// ```
/// use afterimage_identity::OriginalKey;
/// assert!(OriginalKey::new("photos/100x100/a.jpg").is_ok());
/// assert!(OriginalKey::new("photos/../a.jpg").is_err());
/// assert!(OriginalKey::new("a.jpg/-/w300.webp").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OriginalKey(Arc<str>);

impl OriginalKey {
    /// Checks `text` and takes it as a key.
    ///
    /// # Errors
    /// [`KeyError`] says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(KeyError::Control);
        }
        match text.split('/').find(|segment| matches!(*segment, "" | "." | ".." | "-")) {
            Some(segment) => Err(KeyError::Segment(segment.to_owned())),
            None => Ok(Self(text.into())),
        }
    }

    /// The key as its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as it stands in canonical paths and at rest; see [`escape`].
    pub fn escaped(&self) -> EscapedKey {
        escape(&self.0)
    }

    /// Its folders from the outermost in, each with a trailing slash: `a/b/c.jpg` gives `a/`, `a/b/`.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..=at])
    }

    /// Whether a segment begins with a dot.
    pub fn is_hidden(&self) -> bool {
        self.0.split('/').any(|segment| segment.starts_with('.'))
    }
}

impl fmt::Debug for OriginalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for OriginalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OriginalKey {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::new(&text)
    }
}

impl From<OriginalKey> for String {
    fn from(key: OriginalKey) -> Self {
        key.0.as_ref().to_owned()
    }
}

/// Names one configured place of originals: 1 to 32 of `a-z`, `0-9` and `-`.
///
/// It is part of every cache tag, so renaming a source orphans its tags; the operator chooses it once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// Checks `text` and takes it as a name.
    ///
    /// # Errors
    /// The text itself, when it is not 1 to 32 of `a-z`, `0-9` and `-`.
    pub fn new(text: &str) -> Result<Self, String> {
        let fits =
            (1..=32).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits { Ok(Self(text.into())) } else { Err(format!("`{text}` is not 1 to 32 of a-z, 0-9 and -")) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SourceId {
    /// `main`, the source of a server that has only one.
    fn default() -> Self {
        Self("main".into())
    }
}

impl TryFrom<String> for SourceId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl From<SourceId> for String {
    fn from(id: SourceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

/// One original: its source and its key there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Original {
    /// The source it lives in.
    pub source: SourceId,
    /// Its key in that source.
    pub key: OriginalKey,
}

impl Original {
    /// Joins a source and a key.
    pub fn new(source: SourceId, key: OriginalKey) -> Self {
        Self { source, key }
    }

    /// The one tag that everything made from this original carries.
    pub fn tag(&self) -> CacheTag {
        CacheTag::original(self)
    }

    /// Its own tag first, then those of its folders from the outermost in, at most [`CacheTag::FOLDERS_MAX`] of them.
    pub fn tags(&self) -> Vec<CacheTag> {
        let folders = self.key.folders().take(CacheTag::FOLDERS_MAX);
        std::iter::once(self.tag()).chain(folders.map(|folder| CacheTag::folder(&self.source, folder))).collect()
    }
}

impl fmt::Display for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.as_str(), self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        for good in
            ["a", "a/b", "a b", "a.jpg", "-a/b-", "…/~%+'\"", "사진/고양이 😀.jpg", "a-200x200.jpg", "=.x", ".hidden"]
        {
            assert_eq!(OriginalKey::new(good).unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", KeyError::Empty),
            ("/a", KeyError::Segment(String::new())),
            ("a/", KeyError::Segment(String::new())),
            ("a//b", KeyError::Segment(String::new())),
            ("../a", KeyError::Segment("..".into())),
            ("a/./b", KeyError::Segment(".".into())),
            ("a.jpg/-", KeyError::Segment("-".into())),
            ("a\0b", KeyError::Control),
            ("a\nb", KeyError::Control),
        ] {
            assert_eq!(OriginalKey::new(bad).unwrap_err(), why, "{bad:?}");
        }
    }

    #[test]
    fn length_is_bounded_exactly() {
        assert!(OriginalKey::new(&"a".repeat(KEY_BYTES_MAX)).is_ok());
        assert!(OriginalKey::new(&"a".repeat(KEY_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn folders_run_from_the_outermost_in() {
        let key = OriginalKey::new("a/b/c.jpg").unwrap();
        assert_eq!(key.folders().collect::<Vec<_>>(), ["a/", "a/b/"]);
    }

    #[test]
    fn source_names_are_checked() {
        assert!(SourceId::new("eu-1").is_ok());
        for bad in ["", "A", "a_b", "a/b", &"a".repeat(33)] {
            assert!(SourceId::new(bad).is_err(), "{bad}");
        }
    }
}
