//! What the names in the place of derivatives say, and which of them go. Pure.

use afterimage_identity::{OriginalKey, Revision, Version};
use afterimage_variant::{parse_copy_key, parse_derivative_key};

use crate::plan::is_doomed;

/// What one name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// A derivative.
    Derivative { wanted: String, version: Version, revision: Revision },
    /// A copy under a canonical path: of which version, its name does not say.
    Copy { wanted: String },
    /// Nothing that is known.
    Unknown,
}

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) escaped_key: String,
    /// `None` where only the digest of the key stands in the name.
    pub(crate) key: Option<OriginalKey>,
}

impl Named {
    /// Reads a name.
    pub(crate) fn read(text: &str) -> Self {
        Self::read_with_owner(text).map_or(Self::Unknown, |(named, _)| named)
    }

    /// Reads a name and whose it is; `None` where it says nothing.
    pub(crate) fn read_with_owner(text: &str) -> Option<(Self, Owner)> {
        if let Some(name) = parse_derivative_key(text) {
            let named = Self::Derivative { wanted: name.wanted, version: name.version, revision: name.revision };
            return Some((named, Owner { escaped_key: name.escaped_key, key: name.key }));
        }
        let name = parse_copy_key(text)?;
        Some((Self::Copy { wanted: name.wanted }, Owner { escaped_key: name.escaped_key, key: name.key }))
    }

    pub(crate) fn is_copy(&self) -> bool {
        matches!(self, Self::Copy { .. })
    }

    /// Whether it goes when the derivatives of `keep` stay. Copies always go: one too few is written anew by whoever asks for it,
    /// one too many is an old picture. What is not known goes only with its whole original.
    pub(crate) fn goes(&self, keep: Option<&Version>) -> bool {
        match self {
            Self::Derivative { version, .. } => is_doomed(version, keep),
            Self::Copy { .. } => true,
            Self::Unknown => keep.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_follows_from_the_name() {
        let (there, other) = (Version::new("v").unwrap(), Version::new("w").unwrap());
        for (name, [with_all, with_v, with_w]) in [
            ("a/-/w1.v.r.webp", [true, false, true]),
            ("a/-/original.v.r", [true, false, true]),
            ("a/-/w1.webp", [true, true, true]),
            ("a/-/what.is.this", [true, false, false]),
            ("a/-/original", [true, false, false]),
        ] {
            let named = Named::read(name);
            let goes = [None, Some(&there), Some(&other)].map(|keep| named.goes(keep));
            assert_eq!(goes, [with_all, with_v, with_w], "{name}");
        }
    }
}
