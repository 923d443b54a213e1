//! Where a key lies on disk. The mapping is one to one, stays inside the root whatever the key, and never meets the folder
//! of temporary files.

use afterimage_identity::digest_hex;

use crate::{Error, Refusal, keys};

/// The folder of temporary files.
pub(super) const TEMPORARY: &str = ".tmp";
/// Begins names that no key has: the digest of a name too long for a file system, and an escaped `.tmp`. No escaped key
/// has `=-` in it, and keys that have are refused.
const RESERVED: &str = "=-";
/// The longest name that Linux file systems take, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// A folder beneath the root, without slash at either end, and a name in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) folder: String,
    pub(super) name: String,
}

impl Place {
    pub(super) fn path(&self) -> String {
        if self.folder.is_empty() { self.name.clone() } else { format!("{}/{}", self.folder, self.name) }
    }
}

fn is_safe(segment: &str) -> bool {
    !segment.starts_with(RESERVED)
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'='))
}

/// The place of a key of `A-Z a-z 0-9 . _ - =` and slashes.
pub(super) fn of(key: &str) -> Result<Place, Error> {
    keys::check(key)?;
    if !key.split('/').all(is_safe) {
        return Err(Error::Refused { why: Refusal::NotAKey });
    }
    let (folders, last) = key.rsplit_once('/').unwrap_or(("", key));
    if folders.split('/').any(|segment| segment.len() > NAME_BYTES_MAX) {
        return Err(Error::Refused { why: Refusal::KeyTooLong });
    }
    let name = match last {
        long if long.len() > NAME_BYTES_MAX => format!("{RESERVED}{}", digest_hex(long.as_bytes())),
        TEMPORARY if folders.is_empty() => format!("{RESERVED}{TEMPORARY}"),
        name => name.to_owned(),
    };
    Ok(Place { folder: folder(folders), name })
}

/// The folder on disk for the folder part of a key.
pub(super) fn folder(folders: &str) -> String {
    match folders.strip_prefix(TEMPORARY) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{RESERVED}{TEMPORARY}{rest}"),
        _ => folders.to_owned(),
    }
}

/// What a name on disk says of the segment of the key that it stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// It is this segment.
    Segment(&'a str),
    /// Only the file's head knows.
    Digest,
    /// It is not ours.
    Nothing,
}

/// Reads a name found in a folder; `top` when that folder is the root.
pub(super) fn named(name: &str, top: bool) -> Named<'_> {
    match name.strip_prefix(RESERVED) {
        Some(TEMPORARY) if top => Named::Segment(TEMPORARY),
        Some(digest) if digest.len() == 64 => Named::Digest,
        Some(_) => Named::Nothing,
        None if top && name == TEMPORARY => Named::Nothing,
        None if matches!(name, "" | "." | "..") || !is_safe(name) => Named::Nothing,
        None => Named::Segment(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::STORED_KEY_BYTES_MAX;

    #[test]
    fn keys_have_places() {
        for (key, folder, name) in [
            ("a", "", "a"),
            ("p/a.jpg/-/w300.v.r.webp", "p/a.jpg/-", "w300.v.r.webp"),
            ("=EC=82=AC/-/x", "=EC=82=AC/-", "x"),
            (".tmp", "", "=-.tmp"),
            (".tmp/a", "=-.tmp", "a"),
            (".tmp/b/a", "=-.tmp/b", "a"),
            (".tmpx/a", ".tmpx", "a"),
            ("b/.tmp", "b", ".tmp"),
        ] {
            assert_eq!(of(key).unwrap(), Place { folder: folder.into(), name: name.into() }, "{key}");
        }
    }

    #[test]
    fn what_is_no_key_has_none() {
        let bad =
            ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a b", "a\0", "ä", "a\\b", "=-", "a/=-b"];
        for key in bad {
            assert_eq!(of(key).unwrap_err(), Error::Refused { why: Refusal::NotAKey }, "{key:?}");
        }
    }

    #[test]
    fn lengths_are_bounded_exactly() {
        let (at, past) = ("n".repeat(NAME_BYTES_MAX), "n".repeat(NAME_BYTES_MAX + 1));
        assert_eq!(of(&at).unwrap().name, at);
        let long = of(&format!("f/{past}")).unwrap();
        assert_eq!((long.folder.as_str(), long.name.len()), ("f", 66));
        assert_ne!(long, of(&format!("f/{past}n")).unwrap());
        assert_eq!(named(&long.name, false), Named::Digest);
        assert!(of(&format!("{at}/x")).is_ok());
        assert_eq!(of(&format!("{past}/x")).unwrap_err(), Error::Refused { why: Refusal::KeyTooLong });
        let deep = "a/".repeat(STORED_KEY_BYTES_MAX / 2 - 1);
        assert!(of(&format!("{deep}bb")).is_ok());
        assert_eq!(of(&format!("{deep}bbb")).unwrap_err(), Error::Refused { why: Refusal::KeyTooLong });
    }

    proptest! {
        #[test]
        fn places_lead_back_to_their_keys(key in r"([a-z.=_-]{1,5}/){0,3}(\.tmp|[a-z.=_-]{1,5})") {
            if let Ok(place) = of(&key) {
                let path = place.path();
                prop_assert!(path != TEMPORARY && !path.starts_with(".tmp/"));
                let back: Vec<_> = path.split('/').enumerate().map(|(depth, name)| match named(name, depth == 0) {
                    Named::Segment(segment) => segment,
                    other => panic!("{other:?}"),
                }).collect();
                prop_assert_eq!(back.join("/"), key);
            }
        }
    }
}
