//! Which kind of file the first bytes announce. Names and declared types are never asked: they lie.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// JPEG (ITU T.81).
    Jpeg,
    /// PNG, also animated ones, of which the default image is read.
    Png,
    /// WebP.
    Webp,
    /// GIF 87a or 89a.
    Gif,
    /// AVIF, still or sequence.
    Avif,
    /// SVG: never rendered, and only passed on where the settings allow it.
    Svg,
}

impl Source {
    /// The media type for answers that carry such a file.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
            Self::Svg => "image/svg+xml",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Avif => "AVIF",
            Self::Svg => "SVG",
        })
    }
}

/// The kind of file that `bytes` begin like, or `None`. Looks at the first kilobyte at most and promises nothing about the rest.
pub fn sniff(bytes: &[u8]) -> Option<Source> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return Some(Source::Jpeg);
    }
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some(Source::Png);
    }
    if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        return Some(Source::Gif);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some(Source::Webp);
    }
    if is_avif(bytes) {
        return Some(Source::Avif);
    }
    is_svg(bytes).then_some(Source::Svg)
}

/// ISO BMFF whose `ftyp` box names the AVIF brands (AV1 Image File Format 1.1, section 6).
fn is_avif(bytes: &[u8]) -> bool {
    let Some(head) = bytes.get(..16) else { return false };
    if &head[4..8] != b"ftyp" {
        return false;
    }
    let box_bytes = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let brands = &bytes[8..box_bytes.clamp(16, 256).min(bytes.len())];
    // The second word is the minor version, not a brand; no version reads as "avif".
    brands.chunks_exact(4).any(|brand| brand == b"avif" || brand == b"avis")
}

/// Markup whose first element is `svg`, after a byte order mark, an XML declaration, comments and a document type.
fn is_svg(bytes: &[u8]) -> bool {
    let mut rest = &bytes[..bytes.len().min(1024)];
    rest = rest.strip_prefix(b"\xef\xbb\xbf").unwrap_or(rest);
    loop {
        rest = rest.trim_ascii_start();
        let end: &[u8] = match rest {
            _ if rest.starts_with(b"<!--") => b"-->",
            _ if rest.starts_with(b"<?xml") => b"?>",
            _ if rest.starts_with(b"<!DOCTYPE") => b">",
            _ => break,
        };
        match rest.windows(end.len()).position(|window| window == end) {
            Some(at) => rest = &rest[at + end.len()..],
            None => return false,
        }
    }
    rest.strip_prefix(b"<svg").and_then(|rest| rest.first()).is_some_and(|&b| b.is_ascii_whitespace() || b == b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_first_bytes() {
        let cases: &[(&[u8], Option<Source>)] = &[
            (b"\xff\xd8\xff\xe0", Some(Source::Jpeg)),
            (b"\xff\xd8", None),
            (b"\x89PNG\r\n\x1a\n\0", Some(Source::Png)),
            (b"\x89PNG\n\x1a\n\0\0", None),
            (b"GIF89a", Some(Source::Gif)),
            (b"GIF87a", Some(Source::Gif)),
            (b"GIF88a", None),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some(Source::Webp)),
            (b"RIFF\0\0\0\0WAVEfmt ", None),
            (b"\0\0\0\x1cftypavif\0\0\0\0mif1", Some(Source::Avif)),
            (b"\0\0\0\x18ftypmif1\0\0\0\0avif", Some(Source::Avif)),
            (b"\0\0\0\x14ftypmif1\0\0\0\0heicavif", None),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Some(Source::Svg)),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE svg>\n<svg>", Some(Source::Svg)),
            (b"<svgx>", None),
            (b"<html><svg>", None),
            (b"<!-- <svg>", None),
            (b"", None),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(sniff(bytes), *wanted, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
