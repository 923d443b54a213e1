//! A folder that such a bucket was copied to. A file is moved aside before it is deleted, looked at there, where nobody
//! else writes, and moved back when it is not the one that was meant.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use afterimage_identity::{BoxFuture, Clock, Version, digest_hex};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::{Conditions, Identity, Inherited, Look, Removal, Seen, SeenPage};
use crate::beneath::{Beneath, Folder, file_type};
use crate::{Error, Originals, OriginalsConfig, Read};

/// How many keys a page has.
const PAGE_KEYS: usize = 10_000;

/// [`Inherited`] over a folder.
pub struct InheritedFolder {
    originals: Originals,
    beneath: Arc<Beneath>,
}

impl InheritedFolder {
    /// Opens the folder.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened.
    pub fn open(root: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let failed = |error: Errno| Error::Io { why: format!("{}: {}", root.display(), std::io::Error::from(error)) };
        let beneath = Arc::new(Beneath::open(root).map_err(failed)?);
        Ok(Self { originals: Originals::open(root, OriginalsConfig::default(), clock)?, beneath })
    }

    async fn aside(&self, key: &str, etag: &str) -> Removal {
        let (beneath, key, etag) = (self.beneath.clone(), key.to_owned(), etag.to_owned());
        let removed = tokio::task::spawn_blocking(move || remove(&beneath, &key, &etag)).await;
        removed.unwrap_or_else(|error| Removal::Failed(error.to_string()))
    }
}

fn failed(doing: &str, error: Errno) -> Removal {
    let words = format!("{doing}: {}", std::io::Error::from(error));
    match error {
        Errno::ACCESS | Errno::PERM | Errno::ROFS => Removal::Refused(words),
        _ => Removal::Failed(words),
    }
}

/// The digest of what a name in a folder is, as [`Originals`] tells versions.
fn digest(folder: &Folder<'_>, name: &str) -> Result<String, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, Mode::empty())?);
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(Version::of_sha256(&hash.finalize().into()).as_str().to_owned()),
            Ok(count) => hash.update(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        }
    }
}

fn remove(beneath: &Beneath, key: &str, etag: &str) -> Removal {
    let (folder, name) = match beneath.parent(key) {
        Ok(found) => found,
        Err(Errno::NOENT | Errno::NOTDIR) => return Removal::Gone,
        Err(error) => return failed("looking for its folder", error),
    };
    // The same for the same name, so that what a killed process left aside is found.
    let aside = format!(".afterimage-adopt-{}", &digest_hex(name.as_bytes())[..16]);
    match beneath.stat(key) {
        Ok(stat) if file_type(&stat).is_file() => {}
        Ok(_) => return Removal::Changed,
        // A killed process may have left it aside.
        Err(Errno::NOENT) => return take(&folder, &aside, name, etag, Removal::Gone),
        Err(error) => return failed("looking at it", error),
    }
    match digest(&folder, name) {
        Ok(found) if found == etag => {}
        Ok(_) => return Removal::Changed,
        Err(error) => return failed("reading it", error),
    }
    match renameat_with(&folder, name, &folder, aside.as_str(), RenameFlags::NOREPLACE) {
        Ok(()) => take(&folder, &aside, name, etag, Removal::Gone),
        Err(Errno::NOENT) => Removal::Gone,
        Err(error) => failed("moving it aside", error),
    }
}

/// Deletes what stands aside if it is what was meant; moves it back otherwise.
fn take(folder: &Folder<'_>, aside: &str, name: &str, etag: &str, absent: Removal) -> Removal {
    match digest(folder, aside) {
        Ok(found) if found == etag => match unlinkat(folder, aside, AtFlags::empty()) {
            Ok(()) => Removal::Deleted,
            Err(error) => failed("deleting it", error),
        },
        Ok(_) => match renameat_with(folder, aside, folder, name, RenameFlags::NOREPLACE) {
            Ok(()) => Removal::Changed,
            Err(error) => failed(&format!("moving it back from {aside}"), error),
        },
        Err(Errno::NOENT) => absent,
        Err(error) => failed(&format!("reading {aside}"), error),
    }
}

impl Inherited for InheritedFolder {
    fn list<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SeenPage, Error>> {
        Box::pin(async move {
            let page = self.originals.list("", after, PAGE_KEYS).await?;
            let more = page.next.is_some();
            let seen = page.entries.into_iter().map(|one| Seen { key: one.key, bytes: one.bytes, is_hidden: false });
            Ok(SeenPage { seen: seen.collect(), more })
        })
    }

    fn look<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Look, Error>> {
        Box::pin(async move {
            let object = self.originals.get(key, bytes_max).await?;
            let etag = object.stat.version.as_str().to_owned();
            let identity = Identity { etag, bytes: object.stat.bytes, ..Identity::default() };
            Ok(Look { identity, headers: None, body: object.body })
        })
    }

    fn conditions<'a>(&'a self, _: &'a str, _: &'a Identity) -> BoxFuture<'a, Result<Conditions, Removal>> {
        Box::pin(std::future::ready(Ok(Conditions::Heeded)))
    }

    fn remove<'a>(&'a self, key: &'a str, identity: &'a Identity) -> BoxFuture<'a, Removal> {
        Box::pin(self.aside(key, &identity.etag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etag(body: &[u8]) -> String {
        Version::of_content(body).as_str().to_owned()
    }

    #[test]
    fn exactly_what_was_meant_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("100x100")).unwrap();
        let beneath = Beneath::open(dir.path()).unwrap();
        let write = |name: &str, body: &[u8]| std::fs::write(path(name), body).unwrap();
        let gone = |name: &str| !path(name).exists();
        write("100x100/a", b"one");
        assert_eq!(remove(&beneath, "100x100/a", &etag(b"two")), Removal::Changed);
        assert_eq!(std::fs::read(path("100x100/a")).unwrap(), b"one");
        assert_eq!(remove(&beneath, "100x100/a", &etag(b"one")), Removal::Deleted);
        assert!(gone("100x100/a"));
        assert_eq!(remove(&beneath, "100x100/a", &etag(b"one")), Removal::Gone);
        assert_eq!(remove(&beneath, "nowhere/a", &etag(b"one")), Removal::Gone);
        assert_eq!(remove(&beneath, "100x100", &etag(b"one")), Removal::Changed, "a folder");
        std::os::unix::fs::symlink(path("b"), path("100x100/link")).unwrap();
        write("b", b"one");
        assert_eq!(remove(&beneath, "100x100/link", &etag(b"one")), Removal::Changed, "a link is not what it leads to");
        assert!(!gone("b"));
    }

    #[test]
    fn what_a_killed_process_moved_aside_is_finished_and_another_content_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let beneath = Beneath::open(dir.path()).unwrap();
        let aside = dir.path().join(format!(".afterimage-adopt-{}", &digest_hex(b"a")[..16]));
        std::fs::write(&aside, b"one").unwrap();
        assert_eq!(remove(&beneath, "a", &etag(b"one")), Removal::Deleted);
        assert!(!aside.exists());
        // Replaced between the look and the move: what was moved is not what was meant.
        std::fs::write(&aside, b"two").unwrap();
        assert_eq!(remove(&beneath, "a", &etag(b"one")), Removal::Changed);
        assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"two");
        // And a third one has the name by then: both stay.
        std::fs::write(&aside, b"three").unwrap();
        let folder = beneath.folder("").unwrap();
        let name = aside.file_name().unwrap().to_str().unwrap();
        assert!(matches!(take(&folder, name, "a", &etag(b"one"), Removal::Gone), Removal::Failed(_)));
        assert_eq!(std::fs::read(&aside).unwrap(), b"three");
        assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"two");
    }
}
