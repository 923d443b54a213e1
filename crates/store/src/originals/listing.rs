//! Lists originals. What cannot be an original is passed over and counted; a folder that cannot be read fails the listing,
//! because an absence must be proven.

use std::sync::atomic::{AtomicU64, Ordering};

use afterimage_identity::KEY_BYTES_MAX;
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::Inner;
use super::memo::Tuple;
use crate::beneath::file_type;
use crate::walk::{self, Kind, Tree};
use crate::{Error, Page, Refusal};

/// How many names listings have passed over so far, by reason. A folder counts as one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Names that are not UTF-8.
    pub not_utf8: u64,
    /// Names that cannot stand in a key: `-`, control characters, too long with their folders.
    pub not_keys: u64,
    /// Names that begin with a dot.
    pub hidden: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Pipes, sockets and devices.
    pub not_files: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    not_utf8: AtomicU64,
    not_keys: AtomicU64,
    hidden: AtomicU64,
    symlinks: AtomicU64,
    not_files: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Skipped {
        Skipped {
            not_utf8: self.not_utf8.load(Ordering::Relaxed),
            not_keys: self.not_keys.load(Ordering::Relaxed),
            hidden: self.hidden.load(Ordering::Relaxed),
            symlinks: self.symlinks.load(Ordering::Relaxed),
            not_files: self.not_files.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    pub(crate) fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        self.root.check()?;
        let folders = prefix.rsplit_once('/').map_or("", |(folders, _)| folders);
        let no_key = |segment: &str| {
            matches!(segment, "" | "." | ".." | "-") || segment.starts_with('.') && !self.config.allow_hidden
        };
        let page = if !folders.is_empty() && folders.split('/').any(no_key) || prefix.starts_with('/') {
            Page::default() // no key begins like this
        } else {
            walk::list(self, prefix, after, limit)?
        };
        self.root.check()?;
        Ok(page)
    }
}

impl Tree for Inner {
    fn visit(&self, folder: &str, first: bool, visit: &mut dyn FnMut(String, Kind)) -> Result<(), Error> {
        let path = folder.trim_end_matches('/');
        let mut names = match self.beneath.names(path).map_err(|errno| self.explain(folder, errno)) {
            Ok(names) => names,
            Err(Error::NotFound | Error::Refused { why: Refusal::Symlink | Refusal::KeyTooLong }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let skip = |counter: &AtomicU64, name: &str, why: &str| {
            if first {
                counter.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(folder, name, why, "not an original");
            }
        };
        while let Some(entry) = names.read() {
            let entry = entry.map_err(|errno| self.explain(folder, errno))?;
            let Ok(name) = entry.file_name().to_str() else {
                skip(&self.skipped.not_utf8, &entry.file_name().to_string_lossy(), "not UTF-8");
                continue;
            };
            if matches!(name, "." | "..") {
                continue;
            }
            if name.starts_with('.') && !self.config.allow_hidden {
                skip(&self.skipped.hidden, name, "hidden");
                continue;
            }
            if name == "-" || name.chars().any(char::is_control) || folder.len() + name.len() > KEY_BYTES_MAX {
                skip(&self.skipped.not_keys, name, "not a key");
                continue;
            }
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                kind = match statat(
                    names.fd().map_err(|errno| self.explain(folder, errno))?,
                    name,
                    AtFlags::SYMLINK_NOFOLLOW,
                ) {
                    Ok(stat) => file_type(&stat),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(self.explain(folder, errno)),
                };
            }
            match kind {
                FileType::RegularFile => visit(name.to_owned(), Kind::File),
                FileType::Directory => visit(name.to_owned(), Kind::Folder),
                FileType::Symlink => skip(&self.skipped.symlinks, name, "symbolic link"),
                _ => skip(&self.skipped.not_files, name, "not a file"),
            }
        }
        Ok(())
    }

    fn bytes(&self, key: &str) -> Result<Option<u64>, Error> {
        match self.beneath.stat(key) {
            Ok(stat) => Ok(file_type(&stat).is_file().then(|| Tuple::of(&stat).bytes)),
            Err(errno) => match self.explain(key, errno) {
                Error::NotFound | Error::Refused { .. } => Ok(None),
                error => Err(error),
            },
        }
    }
}
