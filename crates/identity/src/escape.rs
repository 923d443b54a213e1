//! How a key stands in canonical paths and at rest: only `A-Z a-z 0-9 . _ - /` stay, every other byte becomes `=XX`.
//!
//! CloudFront's invalidation paths refuse `~` and cannot match `%7E`; with this alphabet nothing ever needs encoding.

use std::fmt;

use crate::digest_hex;

/// An escaped key longer than this, in bytes, is replaced by its digest.
pub const ESCAPED_BYTES_MAX: usize = 700;
/// A segment of an escaped key longer than this, in bytes, makes the whole key be replaced by its digest.
///
/// File systems stop at 255; what is left is for the temporary names of atomic writes.
pub const SEGMENT_BYTES_MAX: usize = 200;

/// A key in escaped form: safe in a URL path, in a CloudFront invalidation path and as a relative file path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EscapedKey(String);

impl EscapedKey {
    /// The escaped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key was too long and only its digest is left; then the full key is found in metadata alone.
    pub fn is_digest(&self) -> bool {
        self.0.starts_with(DIGEST_BEGINNING)
    }
}

impl fmt::Display for EscapedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes a key.
///
/// Different keys have different escapes (for digests, as far as SHA-256 has no collisions), and no escape is the
/// beginning of another up to a slash unless the keys are in that relation too.
///
/// ```
/// use afterimage_identity::{escape, unescape};
/// assert_eq!(escape("p/a b~.jpg").as_str(), "p/a=20b=7E.jpg");
/// assert_eq!(unescape("p/a=20b=7E.jpg").as_deref(), Some("p/a b~.jpg"));
/// ```
pub fn escape(key: &str) -> EscapedKey {
    let escaped = escape_beginning(key.as_bytes());
    let fits =
        escaped.len() <= ESCAPED_BYTES_MAX && escaped.split('/').all(|segment| segment.len() <= SEGMENT_BYTES_MAX);
    if fits { EscapedKey(escaped) } else { EscapedKey(format!("=.{}", digest_hex(key.as_bytes()))) }
}

/// The beginning that the escapes of all keys with this beginning have, except for those that stand as digests.
pub fn escape_beginning(key: &[u8]) -> String {
    let mut escaped = String::with_capacity(key.len());
    for &byte in key {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/' => escaped.push(byte as char),
            _ => escaped.push_str(&format!("={byte:02X}")),
        }
    }
    escaped
}

/// What the escapes of keys that stand as digests begin with, and no others.
pub const DIGEST_BEGINNING: &str = "=.";

/// The key that [`escape`] would write like this, or `None` when it would not: digests, lower-case hex, bytes that need
/// no escape, and what is not UTF-8 are not the escape of any key.
pub fn unescape(escaped: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'=' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    let key = String::from_utf8(bytes).ok()?;
    (escape(&key).as_str() == escaped).then_some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_keys_become_digests_exactly_past_the_bound() {
        let at = "a".repeat(SEGMENT_BYTES_MAX);
        assert_eq!(escape(&at).as_str(), at);
        assert!(escape(&format!("{at}a")).is_digest());
        let long = vec!["b".repeat(99); 7].join("/");
        assert_eq!(long.len(), 699);
        assert!(!escape(&format!("{long}b")).is_digest());
        assert!(escape(&format!("{long}bb")).is_digest());
        assert_eq!(escape(&"a".repeat(4000)).as_str().len(), 66);
    }

    #[test]
    fn only_real_escapes_unescape() {
        for not_an_escape in ["a=2", "a=2g", "a=2b=", "=61", "a=7e", "=.00", "a b", "=FF"] {
            assert_eq!(unescape(not_an_escape), None, "{not_an_escape}");
        }
    }

    proptest! {
        #[test]
        fn escaping_round_trips(key in ".{0,60}") {
            let escaped = escape(&key);
            if !escaped.is_digest() {
                prop_assert_eq!(unescape(escaped.as_str()), Some(key));
            }
        }

        #[test]
        fn a_beginning_stays_a_beginning(key in "[a-z/ é~=.]{0,60}", upto in 0usize..80) {
            let beginning = &key.as_bytes()[..upto.min(key.len())];
            prop_assert!(escape(&key).as_str().starts_with(&escape_beginning(beginning)));
        }

        #[test]
        fn escapes_use_the_safe_alphabet(key in ".{0,400}") {
            prop_assert!(escape(&key).as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/=".contains(&b)));
        }

        #[test]
        fn different_keys_have_different_escapes(a in ".{0,300}", b in ".{0,300}") {
            prop_assert_eq!(a == b, escape(&a) == escape(&b));
        }
    }
}
