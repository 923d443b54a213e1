//! Opens names beneath one folder and nowhere else. The kernel resolves them (`openat2` with `RESOLVE_BENEATH` and no
//! links of any kind); a name is never judged by its text. Nothing here reads, writes or deletes a file.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;

use crate::Error;

/// Longer paths are resolved one component at a time: Linux takes at most 4,095 bytes at once.
const PATH_BYTES_AT_ONCE_MAX: usize = 4000;

#[cfg(any(target_os = "linux", target_os = "android"))]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An opened folder beneath the root, or the root itself.
pub(crate) enum Folder<'a> {
    Root(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Folder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(fd) => fd.as_fd(),
            Self::Below(fd) => fd.as_fd(),
        }
    }
}

/// One folder and all that lies beneath it.
pub(crate) struct Beneath {
    root: OwnedFd,
    openat2: bool,
}

impl Beneath {
    /// Opens the root. The root's own path may lead through links: the operator chose it.
    pub(crate) fn open(root: &Path) -> Result<Self, Errno> {
        let root = openat(rustix::fs::CWD, root, FOLDER, Mode::empty())?;
        let openat2 = resolve_at_once(root.as_fd(), ".").is_ok();
        Ok(Self { root, openat2 })
    }

    /// The same folder, resolved as on kernels that lack `openat2` or containers that forbid it.
    #[cfg(test)]
    pub(crate) fn without_openat2(mut self) -> Self {
        self.openat2 = false;
        self
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens a folder by its path without leading or trailing slash; the empty path is the root. `ELOOP` means that a
    /// component is a link.
    pub(crate) fn folder(&self, path: &str) -> Result<Folder<'_>, Errno> {
        if path.is_empty() {
            return Ok(Folder::Root(self.root()));
        }
        if self.openat2 && path.len() <= PATH_BYTES_AT_ONCE_MAX {
            resolve_at_once(self.root(), path).map(Folder::Below)
        } else {
            self.resolve_by_component(path, false).map(Folder::Below)
        }
    }

    /// Opens the folder that holds `path` and splits its last component off.
    pub(crate) fn parent<'p>(&self, path: &'p str) -> Result<(Folder<'_>, &'p str), Errno> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.folder(folder)?, name))
    }

    /// What `path` names itself, links not followed.
    pub(crate) fn stat(&self, path: &str) -> Result<Stat, Errno> {
        let (folder, name) = self.parent(path)?;
        statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens a folder, making what is missing of it.
    pub(crate) fn make_folder(&self, path: &str) -> Result<Folder<'_>, Errno> {
        match self.folder(path) {
            Err(Errno::NOENT) => self.resolve_by_component(path, true).map(Folder::Below),
            other => other,
        }
    }

    /// Opens a folder so that its names can be read.
    pub(crate) fn names(&self, path: &str) -> Result<rustix::fs::Dir, Errno> {
        let folder = self.folder(path)?;
        let readable = openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::Dir::new(readable)
    }

    fn resolve_by_component(&self, path: &str, make: bool) -> Result<OwnedFd, Errno> {
        let mut reached: Option<OwnedFd> = None;
        for name in path.split('/') {
            if matches!(name, "" | "." | "..") {
                return Err(Errno::NOENT);
            }
            let from = reached.as_ref().map_or(self.root(), |fd| fd.as_fd());
            if make {
                match rustix::fs::mkdirat(from, name, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error),
                }
            }
            let next = match openat(from, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
                // With O_DIRECTORY a link looks like any other file that is no folder; say which it is.
                Err(Errno::NOTDIR) => {
                    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    return Err(if file_type(&stat).is_symlink() { Errno::LOOP } else { Errno::NOTDIR });
                }
                other => other?,
            };
            reached = Some(next);
        }
        reached.ok_or(Errno::NOENT)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn resolve_at_once(root: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    const RESOLVE: ResolveFlags =
        ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
    for _ in 0..16 {
        match rustix::fs::openat2(root, path, FOLDER, Mode::empty(), RESOLVE) {
            // Something was renamed while the kernel looked; it asks to be asked again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn resolve_at_once(_root: BorrowedFd<'_>, _path: &str) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

pub(crate) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A failure of the machine while `doing` something.
pub(crate) fn io_error(doing: &str, error: Errno) -> Error {
    Error::Io { why: format!("{doing}: {}", std::io::Error::from(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_resolving_agree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(dir.path().join("outside/inner")).unwrap();
        std::fs::write(root.join("a/file"), b"x").unwrap();
        std::os::unix::fs::symlink(dir.path().join("outside"), root.join("absolute")).unwrap();
        std::os::unix::fs::symlink("../outside", root.join("relative")).unwrap();
        std::os::unix::fs::symlink("a", root.join("inside")).unwrap();
        std::os::unix::fs::symlink("/proc/self/root", root.join("magic")).unwrap();
        let at_once = Beneath::open(&root).unwrap();
        assert!(at_once.openat2, "this kernel has openat2: without it the comparison below proves nothing");
        let by_component = Beneath::open(&root).unwrap().without_openat2();
        let long = format!("a/{}", "n".repeat(256));
        for (path, expected) in [
            ("", None),
            ("a", None),
            ("a/b", None),
            ("nothing", Some(Errno::NOENT)),
            ("a/file", Some(Errno::NOTDIR)),
            ("a/file/b", Some(Errno::NOTDIR)),
            ("absolute", Some(Errno::LOOP)),
            ("absolute/inner", Some(Errno::LOOP)),
            ("relative/inner", Some(Errno::LOOP)),
            ("inside", Some(Errno::LOOP)),
            ("inside/b", Some(Errno::LOOP)),
            ("magic/etc", Some(Errno::LOOP)),
            (long.as_str(), Some(Errno::NAMETOOLONG)),
        ] {
            assert_eq!(at_once.folder(path).err(), expected, "{path}");
            assert_eq!(by_component.folder(path).err(), expected, "{path}");
        }
        for escape in ["..", "../outside", "a/../../outside", "/etc", "/"] {
            assert!(at_once.folder(escape).is_err(), "{escape}");
            assert!(by_component.folder(escape).is_err(), "{escape}");
        }
    }

    #[test]
    fn paths_longer_than_the_kernel_takes_are_reached() {
        let dir = tempfile::tempdir().unwrap();
        let beneath = Beneath::open(dir.path()).unwrap();
        let deep = vec!["d".repeat(200); 21].join("/");
        assert!(deep.len() > 4096);
        assert_eq!(beneath.folder(&deep).err(), Some(Errno::NOENT));
        beneath.make_folder(&deep).unwrap();
        assert!(beneath.folder(&deep).is_ok());
        assert!(file_type(&beneath.stat(&deep).unwrap()).is_dir());
    }
}
