//! What tells two contents of one key apart, and what tells two ways of making the same variant apart.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// A text cannot be a version or revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError(pub String);

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not 1 to 64 of A-Z, a-z, 0-9, - and _", self.0)
    }
}

impl std::error::Error for VersionError {}

fn checked(text: &str) -> Result<Arc<str>, VersionError> {
    let fits =
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(text.into()) } else { Err(VersionError(text.to_owned())) }
}

/// Tells two contents of one key apart. For a directory it is the digest of the content, for a bucket made of the ETag.
///
/// 1 to 64 of `A-Z a-z 0-9 - _`: it stands in the names of derivatives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Arc<str>);

impl Version {
    /// Takes a text that is already of the right form.
    ///
    /// # Errors
    /// [`VersionError`] when it is not 1 to 64 of `A-Z a-z 0-9 - _`.
    pub fn new(text: &str) -> Result<Self, VersionError> {
        checked(text).map(Self)
    }

    /// The version of these bytes: the first 32 hex characters of their SHA-256.
    pub fn of_content(content: &[u8]) -> Self {
        Self(crate::digest_hex(content)[..32].into())
    }

    /// A version from a SHA-256 that was computed while reading: its first 32 hex characters.
    pub fn of_sha256(sha256: &[u8; 32]) -> Self {
        Self(sha256[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// A version from any validator, such as an ETag with its quotes.
    pub fn of_validator(validator: &str) -> Self {
        Self(Digest::new("validator").part(validator.as_bytes()).hex(32).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest of everything but the original that changes the bytes of a derivative: encoders and settings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision(Arc<str>);

impl Revision {
    /// Takes a text that is already of the right form.
    ///
    /// # Errors
    /// [`VersionError`] when it is not 1 to 64 of `A-Z a-z 0-9 - _`.
    pub fn new(text: &str) -> Result<Self, VersionError> {
        checked(text).map(Self)
    }

    /// The revision of these facts, in this order: the first 12 hex characters of their digest.
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a str>) -> Self {
        let digest = facts.into_iter().fold(Digest::new("revision"), |digest, fact| digest.part(fact.as_bytes()));
        Self(digest.hex(12).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_conversions {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = VersionError;
            fn try_from(text: String) -> Result<Self, VersionError> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.as_ref().to_owned()
            }
        }
    };
}
text_conversions!(Version);
text_conversions!(Revision);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_characters() {
        assert!(Version::new("aZ0-_").is_ok());
        for bad in ["", "a.b", "a/b", "\"x\"", &"a".repeat(65)] {
            assert!(Version::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn content_versions_agree_however_computed() {
        use sha2::Digest as _;
        let sha: [u8; 32] = sha2::Sha256::digest(b"picture").into();
        assert_eq!(Version::of_content(b"picture"), Version::of_sha256(&sha));
        assert_ne!(Version::of_content(b"picture"), Version::of_content(b"pictures"));
    }

    #[test]
    fn revisions_depend_on_order_and_borders() {
        assert_ne!(Revision::of(["a", "b"]), Revision::of(["b", "a"]));
        assert_ne!(Revision::of(["ab"]), Revision::of(["a", "b"]));
    }
}
