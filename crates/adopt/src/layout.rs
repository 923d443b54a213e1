//! What a key says about itself, in the two layouts that the published functions write: `[prefix/]WxH/FORMAT/NAME`
//! (lambdaedgedims, and the blog post that it comes from) and `[prefix/]WxH/NAME` (the article that adds deletion). Pure, and
//! by itself proof of nothing: originals may be called so too.

/// Sides longer than this nobody's encoder writes (WebP stops here); a longer one is a name.
const SIDE_MAX: u32 = 16_383;

/// What a key in the layout says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// The original's key.
    pub original: String,
    /// The box's width in pixels.
    pub width: u32,
    /// The box's height in pixels.
    pub height: u32,
    /// The format's segment; `None` in the article's layout.
    pub format: Option<&'a str>,
}

/// Reads a key; `None` when it is in neither layout.
///
/// - The original's name has an extension: without one the functions fail.
/// - `FORMAT` is `webp`, or the extension exactly as it is written in the name.
/// - Of two sizes the last one counts, as in the functions: `i/100x100/jpg/200x200/jpg/a.jpg` was made of
///   `i/100x100/jpg/a.jpg`.
pub fn named(key: &str) -> Option<Named<'_>> {
    let (folders, name) = key.rsplit_once('/')?;
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| !extension.is_empty())?;
    let (above, last) = folders.rsplit_once('/').map_or((None, folders), |(above, last)| (Some(above), last));
    let original = |prefix: Option<&str>| prefix.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}/{name}"));
    if let Some((width, height)) = size(last) {
        return Some(Named { original: original(above), width, height, format: None });
    }
    if last != "webp" && last != extension {
        return None;
    }
    let above = above?;
    let (prefix, last_but_one) =
        above.rsplit_once('/').map_or((None, above), |(prefix, segment)| (Some(prefix), segment));
    let (width, height) = size(last_but_one)?;
    Some(Named { original: original(prefix), width, height, format: Some(last) })
}

/// `WxH` as the functions write it: their lists hold plain numbers.
fn size(segment: &str) -> Option<(u32, u32)> {
    let side = |text: &str| {
        let plain = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        text.parse().ok().filter(|side| plain && (1..=SIDE_MAX).contains(side))
    };
    let (width, height) = segment.split_once('x')?;
    Some((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_the_functions_write_them() {
        for (key, expected) in [
            // The table of the functions' own answers.
            ("image/100x100/jpg/test.jpg", Some(("image/test.jpg", 100, 100, Some("jpg")))),
            ("100x100/jpg/twice.jpg", Some(("twice.jpg", 100, 100, Some("jpg")))),
            ("i/100x100/webp/a.b.PNG", Some(("i/a.b.PNG", 100, 100, Some("webp")))),
            ("i/100x100/PNG/a.b.PNG", Some(("i/a.b.PNG", 100, 100, Some("PNG")))),
            ("i/100x100/jpg/200x200/jpg/a.jpg", Some(("i/100x100/jpg/a.jpg", 200, 200, Some("jpg")))),
            ("image/100x100/test.jpg", Some(("image/test.jpg", 100, 100, None))),
            ("100x100/test.jpg", Some(("test.jpg", 100, 100, None))),
            ("photos/100x100/a.jpg", Some(("photos/a.jpg", 100, 100, None))),
            ("200x200/100x100/a.jpg", Some(("200x200/a.jpg", 100, 100, None))),
            ("16383x1/a.jpg", Some(("a.jpg", 16_383, 1, None))),
            // In neither.
            ("a-200x200.jpg", None),
            ("photos/a-200x200.jpg", None),
            ("100x100/a", None),
            ("100x100/a.", None),
            ("100x100/", None),
            ("100x100", None),
            ("a.jpg", None),
            ("i/100x100/png/a.jpg", None),
            ("i/100x100/JPG/a.jpg", None),
            ("i/100x100/thumbs/jpg/a.jpg", None),
            ("i/100X100/a.jpg", None),
            ("i/100x/a.jpg", None),
            ("i/x100/a.jpg", None),
            ("i/0x100/a.jpg", None),
            ("i/0100x100/a.jpg", None),
            ("i/+100x100/a.jpg", None),
            ("i/100x100x100/a.jpg", None),
            ("i/16384x1/a.jpg", None),
            ("i/99999999999x1/a.jpg", None),
            ("webp/a.jpg", None),
            ("", None),
            ("/", None),
        ] {
            let found = named(key);
            let found = found.as_ref().map(|it| (it.original.as_str(), it.width, it.height, it.format));
            assert_eq!(found, expected, "{key}");
        }
        assert_eq!(named("/100x100/a.jpg").unwrap().original, "/a.jpg", "an empty folder is a folder");
    }
}
