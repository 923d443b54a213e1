//! Whether a source can prove that something is absent. "Not found" proves it only from a source that says so of a key that nobody
//! has (GUARANTEE, rule 8): some answer every name with a page, or refuse where there is nothing.

use std::fmt;

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

/// A key that nobody has, made of bits that nobody could know. It is called like a picture, because servers treat those apart.
pub fn absent_key(random: u128) -> OriginalKey {
    let text = format!("afterimage-absent-{random:032x}.jpg");
    OriginalKey::new(&text).unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_bits_are_there_is_a_key() {
        assert_eq!(absent_key(0xab).as_str(), "afterimage-absent-000000000000000000000000000000ab.jpg");
        assert_ne!(absent_key(0), absent_key(u128::MAX));
    }
}
