//! From names in a directory to subjects of events. Names that can never be originals (hidden, reserved, not UTF-8)
//! vanish here, so nothing after this module meets one.

use std::ffi::OsStr;

use afterimage_identity::{Event, FoundBy, Happened, Original, OriginalKey, SourceId, Subject};

/// A folder below the root: empty for the root itself, else ending in a slash.
pub(crate) type Folder = String;

/// The key or folder name (without trailing slash) of `name` in `folder`; `None` when no original can be called so, or
/// lie below it.
pub(crate) fn join(folder: &str, name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    if name.starts_with('.') {
        return None;
    }
    let joined = format!("{folder}{name}");
    OriginalKey::new(&joined).is_ok().then_some(joined)
}

/// Makes the subjects of one source.
#[derive(Clone, Debug)]
pub(crate) struct Subjects {
    source: SourceId,
}

impl Subjects {
    pub(crate) fn new(source: SourceId) -> Self {
        Self { source }
    }

    /// One original; `None` when the text is no key.
    pub(crate) fn original(&self, key: &str) -> Option<Subject> {
        let key = OriginalKey::new(key).ok()?;
        Some(Subject::Original(Original::new(self.source.clone(), key)))
    }

    /// A folder, or everything when it is the root.
    pub(crate) fn folder(&self, folder: &str) -> Subject {
        if folder.is_empty() {
            return self.everything();
        }
        Subject::Folder { source: self.source.clone(), prefix: folder.to_owned() }
    }

    pub(crate) fn everything(&self) -> Subject {
        Subject::Everything { source: self.source.clone() }
    }
}

/// An event as a directory watch tells it.
pub(crate) fn event(subject: Subject, happened: Happened) -> Event {
    Event { subject, happened, found_by: FoundBy::Event }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn only_names_of_originals_are_joined() {
        for (folder, name, joined) in [
            ("", "a.jpg", Some("a.jpg")),
            ("p/", "a b.jpg", Some("p/a b.jpg")),
            ("p/", ".a.jpg.x7f", None),
            ("p/", "-", None),
            ("p/", "-a", Some("p/-a")),
            ("", "a\nb", None),
        ] {
            assert_eq!(join(folder, OsStr::new(name)).as_deref(), joined, "{name:?}");
        }
        assert_eq!(join("", OsStr::from_bytes(b"\xff.jpg")), None);
    }

    #[test]
    fn the_root_as_a_folder_is_everything() {
        let subjects = Subjects::new(SourceId::default());
        assert_eq!(subjects.folder(""), subjects.everything());
        assert!(matches!(subjects.folder("p/"), Subject::Folder { prefix, .. } if prefix == "p/"));
    }
}
