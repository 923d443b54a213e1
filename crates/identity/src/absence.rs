//! Whether a source can prove that something is absent. "Not found" proves it only from a source that says so of a key that nobody
//! has (GUARANTEE, rule 8): some answer every name with a page, or refuse where there is nothing.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::OriginalKey;

/// What a source answers about a key that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// That it is not there: its "not found" proves absence.
    Proven,
    /// Something else: nothing that it says proves absence.
    Unproven(Instead),
    /// Nothing yet: it could not be asked, or failed.
    Unknown,
}

/// What a source answers where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// That it is there: a page for everything.
    Present,
    /// That nobody may know (401, 403): a bucket that may not be listed, credentials that are not right.
    Refused,
    /// That it is elsewhere: a login, a front page.
    Redirected,
    /// Another status.
    Other(u16),
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("it answers a key that nobody has with a success (a \"soft 404\")"),
            Self::Refused => f.write_str("it refuses to say whether a key that nobody has is there (401 or 403)"),
            Self::Redirected => f.write_str("it redirects from a key that nobody has"),
            Self::Other(status) => write!(f, "it answers {status} to a key that nobody has"),
        }
    }
}

/// A key that nobody has: 128 bits that nobody could know. It is called like a picture, because servers treat those apart.
pub fn absent_key() -> OriginalKey {
    let bits = || RandomState::new().hash_one("a key that nobody has");
    let text = format!("afterimage-absent-{:016x}{:016x}.jpg", bits(), bits());
    OriginalKey::new(&text).unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_absent_keys_are_one() {
        let keys: std::collections::HashSet<_> = (0..1000).map(|_| absent_key()).collect();
        assert_eq!(keys.len(), 1000);
    }
}
