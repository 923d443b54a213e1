//! One item of an invalidation: an exact path, a path that ends in `*`, or a tag; and the selectors it comes to. It means
//! what it means at CloudFront, and beyond that finds what lies under a canonical path.

use std::collections::BTreeSet;

use afterimage_identity::{CacheTag, DIGEST_BEGINNING, Selector, escape_beginning};

/// The longest item, in characters (CloudFront's limit).
pub(crate) const CHARS_MAX: usize = 4000;

/// What is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Everything that carries the tag.
    Tag(CacheTag),
    /// One path, with its query.
    Exact(String),
    /// Everything that begins so; the `*` is not part of it.
    Wildcard(String),
}

impl Item {
    /// Reads an item.
    ///
    /// # Errors
    /// What is wrong with it and what to do, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(tag) = text.strip_prefix('#') {
            let tag = CacheTag::parse(tag);
            return tag
                .map(Self::Tag)
                .ok_or_else(|| "a tag is 1 to 256 visible ASCII characters without comma".to_owned());
        }
        if !text.starts_with('/') {
            return Err("a path begins with `/`, and a tag with `#`".to_owned());
        }
        if text.len() > CHARS_MAX {
            return Err(format!("a path has at most {CHARS_MAX} characters"));
        }
        if let Some(unsafe_byte) = text.bytes().find(|byte| !is_safe(*byte)) {
            return Err(format!("`{}` must be percent-encoded", unsafe_byte.escape_ascii()));
        }
        Ok(match text.strip_suffix('*') {
            Some(beginning) => Self::Wildcard(beginning.to_owned()),
            None => Self::Exact(text.to_owned()),
        })
    }

    /// Everything it covers. `names` says under which cache keys the answers to a request target may lie, and `host_paths` what
    /// the paths that are asked on hosts of their own lie below: which host the item is about, it does not say.
    ///
    /// No two of the selectors cover the same path, so what they match can be added up.
    pub(crate) fn selectors(&self, host_paths: &[String], names: impl Fn(&str) -> BTreeSet<String>) -> Vec<Selector> {
        // As it is spelled, on every host.
        let spellings = |text: &str| {
            let below = host_paths.iter().map(|path| format!("{path}{}", &text[1..]));
            std::iter::once(text.to_owned()).chain(below).collect::<Vec<_>>()
        };
        match self {
            Self::Tag(tag) => vec![Selector::Tag(tag.clone())],
            Self::Exact(path) => {
                let mut paths = names(path);
                paths.extend(spellings(path));
                paths.into_iter().map(Selector::Path).collect()
            }
            Self::Wildcard(beginning) if beginning == "/" => vec![Selector::All],
            Self::Wildcard(beginning) => match beginning.split_once('?') {
                None => {
                    let spelled = spellings(beginning).into_iter();
                    let mut beginnings: BTreeSet<String> =
                        spelled.flat_map(|beginning| [canonical_beginning(&beginning), beginning]).collect();
                    // A key that is too long for a path stands there as a digest, which no beginning tells apart.
                    beginnings.insert(format!("/{DIGEST_BEGINNING}"));
                    let mut apart: Vec<String> = Vec::new();
                    for one in beginnings {
                        // In order, whatever covers this one is the last that was kept.
                        if !apart.last().is_some_and(|last| one.starts_with(last.as_str())) {
                            apart.push(one);
                        }
                    }
                    apart.into_iter().map(Selector::Prefix).collect()
                }
                // Canonical paths have no query: whatever it begins with, any variant of the path may be meant.
                Some((path, _)) => {
                    let variants = names(path).into_iter().flat_map(|name| {
                        let below = Selector::Prefix(format!("{name}/-/"));
                        [Selector::Path(name), below]
                    });
                    spellings(beginning).into_iter().map(Selector::Prefix).chain(variants).collect()
                }
            },
        }
    }
}

/// RFC 1738's unsafe characters, `~` among them, have to be encoded, and nothing else: that is CloudFront's rule. `%`
/// begins an encoded one.
fn is_safe(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br##""<>#{}|\^~[]`"##.contains(&byte)
}

/// How the canonical paths of everything that begins so begin. A `%` that is cut short covers whatever it may have been.
fn canonical_beginning(beginning: &str) -> String {
    let mut key = Vec::with_capacity(beginning.len());
    let mut rest = beginning.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            key.push(first);
            rest = tail;
            continue;
        }
        let digit = |at: usize| tail.get(at).and_then(|byte| (*byte as char).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else { break };
        key.push((high << 4 | low) as u8);
        rest = &tail[2..];
    }
    escape_beginning(&key)
}

#[cfg(test)]
mod tests {
    use afterimage_identity::OriginalKey;
    use afterimage_variant::{Wanted, canonical_path, natural_path};
    use proptest::prelude::*;

    use super::*;

    fn selectors(text: &str) -> Vec<String> {
        let names = |target: &str| match target {
            "/a.jpg?w=400&auto=format" => BTreeSet::from(["/a.jpg/-/w400.any".into(), "/a.jpg/-/w400.webp".into()]),
            "/a%20b.jpg" => BTreeSet::from(["/a=20b.jpg".into()]),
            _ => BTreeSet::new(),
        };
        Item::parse(text).unwrap().selectors(&[], names).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_item_is_meant_on_every_host() {
        let hosts = ["/t/".to_owned(), "/u%20v/".to_owned()];
        let names = |target: &str| match target {
            "/a.jpg?w=400" => BTreeSet::from(["/a.jpg/-/w400.jpg".into(), "/t/a.jpg/-/w400.jpg".into()]),
            _ => BTreeSet::new(),
        };
        let selectors = |text: &str| {
            let selectors = Item::parse(text).unwrap().selectors(&hosts, names);
            selectors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            selectors("/a.jpg?w=400"),
            [
                "path /a.jpg/-/w400.jpg",
                "path /a.jpg?w=400",
                "path /t/a.jpg/-/w400.jpg",
                "path /t/a.jpg?w=400",
                "path /u%20v/a.jpg?w=400"
            ]
        );
        assert_eq!(
            selectors("/a*"),
            ["prefix /=.*", "prefix /a*", "prefix /t/a*", "prefix /u%20v/a*", "prefix /u=20v/a*"]
        );
        assert_eq!(selectors("/t*"), ["prefix /=.*", "prefix /t*", "prefix /u%20v/t*", "prefix /u=20v/t*"], "once");
        assert_eq!(selectors("/*"), ["everything"]);
        assert_eq!(selectors("#t"), ["tag t"]);
    }

    #[test]
    fn exact_paths_name_themselves_and_what_they_resolve_to() {
        assert_eq!(
            selectors("/a.jpg?w=400&auto=format"),
            ["path /a.jpg/-/w400.any", "path /a.jpg/-/w400.webp", "path /a.jpg?w=400&auto=format"]
        );
        assert_eq!(selectors("/a.jpg"), ["path /a.jpg"]);
        assert_eq!(selectors("/A.jpg"), ["path /A.jpg"], "case matters");
        assert_eq!(selectors("/a"), ["path /a"]);
        assert_eq!(selectors("/a/"), ["path /a/"], "with and without a slash are two paths");
    }

    #[test]
    fn a_star_is_a_wildcard_only_at_the_end() {
        assert_eq!(selectors("/a*b"), ["path /a*b"]);
        assert_eq!(selectors("/a%2A"), ["path /a%2A"]);
        assert_eq!(selectors("/a/*"), ["prefix /=.*", "prefix /a/*"]);
        assert_eq!(selectors("/a*b*"), ["prefix /=.*", "prefix /a*b*", "prefix /a=2Ab*"]);
        assert_eq!(selectors("/*"), ["everything"]);
        assert_eq!(selectors("/=*"), ["prefix /=*"], "what another covers is not counted twice");
    }

    #[test]
    fn wildcards_match_canonical_paths_too() {
        assert_eq!(selectors("/caf%C3%A9/*"), ["prefix /=.*", "prefix /caf%C3%A9/*", "prefix /caf=C3=A9/*"]);
        for cut in ["/caf%C3*", "/caf%C3%*", "/caf%C3%A*"] {
            assert!(selectors(cut).contains(&"prefix /caf=C3*".to_owned()), "{cut}");
        }
        assert_eq!(
            selectors("/a%20b.jpg?w=4*"),
            ["prefix /a%20b.jpg?w=4*", "path /a=20b.jpg", "prefix /a=20b.jpg/-/*"]
        );
    }

    #[test]
    fn tags_are_folded_and_have_no_wildcard() {
        assert_eq!(selectors("#Product:TV"), ["tag product:tv"]);
        assert_eq!(selectors("#a*"), ["tag a*"]);
        for bad in ["#", "#a b", "#a,b", "#é", &format!("#{}", "x".repeat(257))] {
            assert!(Item::parse(bad).is_err(), "{bad}");
        }
        assert!(Item::parse(&format!("#{}", "x".repeat(256))).is_ok());
    }

    #[test]
    fn what_cloudfront_refuses_is_refused() {
        for bad in ["", "a.jpg", "*", "/a b", "/é", "/a~b", "/a#b", "/a\"", "/a\n", "/a[1]", "/a|b", "http://x/a"] {
            assert!(Item::parse(bad).is_err(), "{bad}");
        }
        let long = |chars: usize| Item::parse(&format!("/{}", "a".repeat(chars - 1)));
        assert!(long(4000).is_ok());
        assert!(long(4001).is_err());
        for good in ["/a%7Eb", "/a.jpg?w=1&h=2", "/a'(1)!$,;:@=+", "/%"] {
            assert!(Item::parse(good).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn whatever_begins_a_url_covers_its_canonical_path(key in "[^\\p{C}]{1,300}", cut in 1usize..2000) {
            let Ok(key) = OriginalKey::new(&key) else { return Ok(()) };
            let natural = natural_path(&key);
            let beginning = natural[..cut.min(natural.len())].to_owned();
            let canonical = canonical_path(&key, &Wanted::Original);
            let selectors = Item::Wildcard(beginning).selectors(&[], |_| BTreeSet::new());
            prop_assert!(selectors.iter().any(|selector| selector.covers(&canonical, None, &[])), "{canonical}");
        }

        #[test]
        fn no_item_panics(text in "[/#]?\\PC{0,80}\\*?") {
            if let Ok(item) = Item::parse(&text) {
                item.selectors(&["/t/".to_owned()], |_| BTreeSet::new());
            }
        }
    }
}
