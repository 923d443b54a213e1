//! Whether a thing is what its key says that it is: a picture of exactly that size and format, written as the functions write.
//! Each thing that speaks against it is said in words, and one is enough. Pure.

use afterimage_imaging::{Limits, Source, probe};
use afterimage_store::inherited::{Headers, Look};

use crate::layout::Named;

/// `Cache-Control` of whatever the published functions write.
const CACHE_CONTROL: &str = "max-age=31536000";
/// Bytes that an encoder adds to pixels, generously: a larger file is no picture of that size.
const OVERHEAD_BYTES: u64 = 64 * 1024;

/// How the functions that wrote the derivatives wrote them, where they were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Their `Cache-Control`; `None`: they wrote none.
    pub cache_control: Option<String>,
}

impl Default for Written {
    fn default() -> Self {
        Self { cache_control: Some(CACHE_CONTROL.to_owned()) }
    }
}

/// The most bytes that a picture of this size may have: every pixel in four bytes, uncompressed, and then some.
pub(crate) fn bytes_max(named: &Named<'_>) -> u64 {
    u64::from(named.width) * u64::from(named.height) * 4 + OVERHEAD_BYTES
}

/// What speaks against it.
pub(crate) fn doubts(named: &Named<'_>, look: &Look, written: &Written) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(headers) = &look.headers {
        header_doubts(named, headers, written, &mut doubts);
    }
    let (width, height) = (named.width, named.height);
    match probe(&look.body, &Limits::default()) {
        Err(error) => doubts.push(format!("it is no picture that can be read: {error}")),
        Ok(found) => {
            let is_size = match named.format {
                // The functions cut to fill the box, and enlarge for it.
                Some(_) => (found.width, found.height) == (width, height),
                // The article does not say how: inside the box, and touching it.
                None => {
                    found.width <= width && found.height <= height && (found.width == width || found.height == height)
                }
            };
            if !is_size {
                doubts.push(format!("it is {}x{} pixels, not {width}x{height}", found.width, found.height));
            }
            if let Some(format) = named.format.filter(|format| source(format) != Some(found.format)) {
                doubts.push(format!("it is {}, not {format}", found.format));
            }
        }
    }
    doubts
}

fn header_doubts(named: &Named<'_>, headers: &Headers, written: &Written, doubts: &mut Vec<String>) {
    if headers.cache_control != written.cache_control {
        let say = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let (found, theirs) = (say(&headers.cache_control), say(&written.cache_control));
        doubts.push(format!("its Cache-Control is {found}, and the functions write {theirs}"));
    }
    let media_type = headers.media_type.as_deref().unwrap_or("none").to_ascii_lowercase();
    let is_theirs = match (media_type.strip_prefix("image/"), named.format) {
        (None, _) => false,
        (Some(_), None) => true,
        // Upper-case extensions end in media types that do not exist.
        (Some(said), Some(format)) => {
            said == format.to_ascii_lowercase() || source(said).is_some_and(|said| source(format) == Some(said))
        }
    };
    if !is_theirs {
        doubts.push(format!("its Content-Type is {media_type}"));
    }
    if headers.has_metadata {
        doubts.push("it has metadata, and the functions write none".to_owned());
    }
}

/// The format that an extension or the end of a media type means.
fn source(word: &str) -> Option<Source> {
    Some(match word.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Source::Jpeg,
        "png" => Source::Png,
        "webp" => Source::Webp,
        "gif" => Source::Gif,
        "avif" => Source::Avif,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::named;
    use afterimage_store::inherited::Identity;
    use afterimage_testkit::one_colour;
    use bytes::Bytes;

    fn look(side: u32, media_type: &str, cache_control: Option<&str>) -> Look {
        let headers = Headers {
            media_type: Some(media_type.to_owned()),
            cache_control: cache_control.map(str::to_owned),
            has_metadata: false,
        };
        Look { identity: Identity::default(), headers: Some(headers), body: Bytes::from(one_colour(side, [1, 2, 3])) }
    }

    #[test]
    fn one_doubt_is_enough_and_each_is_said() {
        let theirs = Some(CACHE_CONTROL);
        for (key, look, words) in [
            ("i/100x100/png/a.png", look(100, "image/png", theirs), &[][..]),
            ("i/100x100/PNG/a.PNG", look(100, "image/PNG", theirs), &[]),
            ("i/100x100/a.png", look(100, "image/png", theirs), &[]),
            ("i/100x300/a.png", look(100, "image/png", theirs), &[]),
            ("i/100x300/png/a.png", look(100, "image/png", theirs), &["100x100 pixels, not 100x300"]),
            ("i/99x100/a.png", look(100, "image/png", theirs), &["100x100 pixels"]),
            ("i/101x101/a.png", look(100, "image/png", theirs), &["100x100 pixels"]),
            ("i/100x100/webp/a.png", look(100, "image/webp", theirs), &["it is PNG, not webp"]),
            ("i/100x100/png/a.png", look(100, "image/jpeg", theirs), &["Content-Type is image/jpeg"]),
            ("i/100x100/png/a.png", look(100, "binary/octet-stream", theirs), &["Content-Type"]),
            ("i/100x100/png/a.png", look(100, "image/png", None), &["Cache-Control is none"]),
            ("i/100x100/png/a.png", look(7, "text/html", Some("no-store")), &["Cache-Control", "Content-Type", "7x7"]),
        ] {
            let found = doubts(&named(key).unwrap(), &look, &Written::default());
            assert_eq!(found.len(), words.len(), "{key}: {found:?}");
            assert!(found.iter().zip(words).all(|(found, words)| found.contains(words)), "{key}: {found:?}");
        }
        let mut look = look(100, "image/png", None);
        let png = named("i/100x100/png/a.png").unwrap();
        assert!(doubts(&png, &look, &Written { cache_control: None }).is_empty());
        look.headers.as_mut().unwrap().has_metadata = true;
        assert_eq!(doubts(&png, &look, &Written { cache_control: None }).len(), 1);
        look.headers = None;
        look.body = Bytes::from_static(b"no picture");
        assert_eq!(doubts(&png, &look, &Written::default()).len(), 1, "a folder keeps no headers");
    }

    #[test]
    fn pixels_bound_bytes() {
        assert_eq!(bytes_max(&named("100x200/a.jpg").unwrap()), 100 * 200 * 4 + 64 * 1024);
    }
}
