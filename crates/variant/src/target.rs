//! The raw request target: split into path and query, its bytes checked, its path decoded exactly once. Nothing here
//! guesses: what could be read in two ways is refused.

use afterimage_identity::{KeyError, OriginalKey};

use crate::{Refusal, RefusalKind};

/// A request target whose bytes are visible ASCII and whose path begins with a slash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// Everything before the first `?`.
    pub(crate) path: &'a str,
    /// Everything after it, if there is one.
    pub(crate) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Splits a raw origin-form target (RFC 9112, section 3.2.1).
    pub(crate) fn new(raw: &'a str, bytes_max: usize) -> Result<Self, Refusal> {
        if raw.len() > bytes_max {
            let help = format!("the URL has {} bytes; at most {bytes_max} are served", raw.len());
            return Err(Refusal::new(RefusalKind::UriTooLong, help));
        }
        if !raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(bad(
                "the URL holds a space, a control character, `#` or a byte outside ASCII; percent-encode it",
            ));
        }
        if !raw.starts_with('/') {
            return Err(bad("the URL's path must begin with a slash"));
        }
        Ok(match raw.split_once('?') {
            Some((path, query)) => Self { path, query: Some(query) },
            None => Self { path: raw, query: None },
        })
    }

    /// The original that the path names: each segment percent-decoded exactly once; `+` is a plus.
    pub(crate) fn key(self) -> Result<OriginalKey, Refusal> {
        let mut bytes = Vec::with_capacity(self.path.len());
        for (at, segment) in self.path[1..].split('/').enumerate() {
            if at > 0 {
                bytes.push(b'/');
            }
            let from = bytes.len();
            percent_decode(segment, &mut bytes)
                .map_err(|Bad| bad(format!("`{segment}` holds a `%` without two hex digits; a plain one is `%25`")))?;
            if bytes[from..].contains(&b'/') {
                return Err(bad("`%2F` inside a segment of the path: a slash always separates"));
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| bad("the path is not UTF-8 once decoded"))?;
        OriginalKey::new(&text).map_err(|why| {
            let kind = match &why {
                KeyError::Empty => RefusalKind::NotFound,
                // Folders have no picture, and `-` is ours; neither is anybody's mistake.
                KeyError::Segment(segment) if matches!(segment.as_str(), "" | "-") => RefusalKind::NotFound,
                KeyError::TooLong { .. } => RefusalKind::UriTooLong,
                _ => RefusalKind::BadRequest,
            };
            Refusal::new(kind, format!("{why}; the path names no picture"))
        })
    }
}

/// The path that names this original in a URL: what [`crate::resolve`] reads back, encoded so that any client sends it as it is.
pub fn natural_path(key: &OriginalKey) -> String {
    let mut path = String::with_capacity(key.as_str().len() + 1);
    path.push('/');
    for byte in key.as_str().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'~' | b'/' => path.push(byte as char),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

/// A `%` without two hex digits after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad;

/// Appends `text` with every `%XX` decoded.
pub(crate) fn percent_decode(text: &str, into: &mut Vec<u8>) -> Result<(), Bad> {
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let (hex, after) = tail.split_at_checked(2).ok_or(Bad)?;
            into.push(hex_digit(hex[0])? << 4 | hex_digit(hex[1])?);
            rest = after;
        } else {
            into.push(first);
            rest = tail;
        }
    }
    Ok(())
}

fn hex_digit(byte: u8) -> Result<u8, Bad> {
    (byte as char).to_digit(16).map(|digit| digit as u8).ok_or(Bad)
}

fn bad(help: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, help)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &str) -> Result<String, RefusalKind> {
        let key = Target::new(raw, 16_384).and_then(Target::key);
        key.map(|key| key.as_str().to_owned()).map_err(|refusal| refusal.kind)
    }

    #[test]
    fn paths_are_decoded_exactly_once() {
        for (raw, key) in [
            ("/a.jpg", "a.jpg"),
            ("/a/b%20c+d.jpg?w=1", "a/b c+d.jpg"),
            ("/a%2Bb.jpg", "a+b.jpg"),
            ("/%EC%82%AC%EC%A7%84/%f0%9f%98%80~'(1).jpg", "사진/😀~'(1).jpg"),
            ("/%2520", "%20"),
            ("/%252D/w3.webp", "%2D/w3.webp"),
            ("/100x100/a.jpg", "100x100/a.jpg"),
            ("/http%3A/x", "http:/x"),
        ] {
            assert_eq!(read(raw).as_deref(), Ok(key), "{raw}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        use RefusalKind::{BadRequest, NotFound, UriTooLong};
        for (raw, kind) in [
            ("", BadRequest),
            ("a.jpg", BadRequest),
            ("http://x/a.jpg", BadRequest),
            ("*", BadRequest),
            ("/", NotFound),
            ("/a/", NotFound),
            ("//a", NotFound),
            ("/a%2Fb", BadRequest),
            ("/a%", BadRequest),
            ("/a%4", BadRequest),
            ("/a%+4", BadRequest),
            ("/a%GG", BadRequest),
            ("/%FF", BadRequest),
            ("/%C0%AF", BadRequest),
            ("/a%00", BadRequest),
            ("/a%0A", BadRequest),
            ("/a b", BadRequest),
            ("/a\u{7f}", BadRequest),
            ("/é", BadRequest),
            ("/a#b", BadRequest),
            ("/../a", BadRequest),
            ("/%2E%2e/a", BadRequest),
            ("/a/./b", BadRequest),
            ("/a.jpg/%2D/w300.webp", NotFound),
            ("/a.jpg/-", NotFound),
        ] {
            assert_eq!(read(raw), Err(kind), "{raw}");
        }
        assert!(read(&format!("/{}", "a".repeat(4_096))).is_ok());
        assert_eq!(read(&format!("/{}", "a".repeat(4_097))), Err(UriTooLong));
        assert!(Target::new(&format!("/{}", "a".repeat(9)), 10).is_ok());
        assert_eq!(Target::new(&format!("/{}", "a".repeat(10)), 10).unwrap_err().kind, UriTooLong);
    }

    proptest! {
        #[test]
        fn natural_paths_name_their_key(text in "[^\\p{C}]{1,60}") {
            if let Ok(key) = OriginalKey::new(&text) {
                prop_assert_eq!(read(&natural_path(&key)), Ok(text));
            }
        }

        #[test]
        fn no_target_panics(raw in "\\PC{0,80}", tail in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = read(&raw);
            let _ = read(&format!("/{}", String::from_utf8_lossy(&tail)));
        }
    }
}
