//! Keys of originals as paths of URLs: every byte that could mean something else in a path is percent-encoded, so that the
//! server reads exactly the key.

use afterimage_identity::OriginalKey;

/// The key as a path without leading slash. A key has no dot segments and no empty ones, so it cannot climb.
pub(crate) fn encode(key: &OriginalKey) -> String {
    let mut path = String::with_capacity(key.as_str().len());
    for byte in key.as_str().bytes() {
        // RFC 3986's unreserved characters stand for themselves everywhere; all others are encoded, `;`, `+` and `=` too,
        // because servers disagree about them.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push(char::from(HEX[usize::from(byte >> 4)]));
            path.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    path
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
