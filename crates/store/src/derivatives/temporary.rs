//! Files that are being written. Each process has a folder of its own under `.tmp` and holds a lock on it; what lies in
//! the folder of a process that is gone is left over and swept. Nothing outside `.tmp` is ever swept.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::place::TEMPORARY;
use crate::beneath::{Beneath, file_type};

const READABLE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// So many names are tried for this process's folder.
const NAMES_MAX: u32 = 64;

/// This process's folder, locked for as long as it is open.
struct Own {
    folder: OwnedFd,
    name: String,
}

pub(super) struct Temporaries {
    own: Mutex<Arc<Own>>,
    in_use: Mutex<HashSet<String>>,
    next: AtomicU64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_all(beneath: &Beneath) -> Result<OwnedFd, Errno> {
    match mkdirat(beneath.root(), TEMPORARY, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    openat(beneath.root(), TEMPORARY, READABLE, Mode::empty())
}

/// Whether the folder's lock is free, taking it if so. Where folders cannot be locked (NFS) it counts as free: one process
/// alone owns a directory of derivatives.
fn is_free(folder: BorrowedFd<'_>) -> bool {
    !matches!(flock(folder, FlockOperation::NonBlockingLockExclusive), Err(Errno::WOULDBLOCK))
}

fn open_own(beneath: &Beneath) -> Result<Own, Errno> {
    let all = open_all(beneath)?;
    for number in 0..NAMES_MAX {
        let name = format!("{}-{number}", std::process::id());
        match mkdirat(&all, &name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) => continue,
            Err(error) => return Err(error),
        }
        let Ok(folder) = openat(&all, &name, READABLE, Mode::empty()) else { continue };
        // Another process may have taken it for a left-over between our making and our locking it.
        let is_ours = is_free(folder.as_fd())
            && matches!(
                (fstat(&folder), statat(&all, &name, AtFlags::SYMLINK_NOFOLLOW)),
                (Ok(opened), Ok(named)) if opened.st_ino == named.st_ino
            );
        if is_ours {
            return Ok(Own { folder, name });
        }
    }
    Err(Errno::EXIST)
}

fn names(folder: BorrowedFd<'_>) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        match entry?.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

impl Temporaries {
    /// Takes a folder for this process and sweeps what other ones left over.
    pub(super) fn open(beneath: &Beneath) -> Result<(Self, u64), Errno> {
        let own = Mutex::new(Arc::new(open_own(beneath)?));
        let temporaries = Self { own, in_use: Mutex::default(), next: AtomicU64::new(0) };
        let swept = temporaries.sweep(beneath)?;
        Ok((temporaries, swept))
    }

    /// Removes every temporary file that nobody is writing, and says how many there were.
    pub(super) fn sweep(&self, beneath: &Beneath) -> Result<u64, Errno> {
        let own = locked(&self.own).clone();
        let all = open_all(beneath)?;
        let mut swept = 0;
        for name in names(own.folder.as_fd())? {
            // Asked and removed under one lock: a name is in use before its file exists.
            let in_use = locked(&self.in_use);
            if !in_use.contains(&name) && unlinkat(&own.folder, &name, AtFlags::empty()).is_ok() {
                swept += 1;
            }
        }
        for name in names(all.as_fd())?.into_iter().filter(|name| *name != own.name) {
            let Ok(stat) = statat(&all, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if !file_type(&stat).is_dir() {
                swept += u64::from(unlinkat(&all, &name, AtFlags::empty()).is_ok());
                continue;
            }
            let Ok(folder) = openat(&all, &name, READABLE, Mode::empty()) else { continue };
            if !is_free(folder.as_fd()) {
                continue;
            }
            for file in names(folder.as_fd())? {
                swept += u64::from(unlinkat(&folder, &file, AtFlags::empty()).is_ok());
            }
            let _ = unlinkat(&all, &name, AtFlags::REMOVEDIR);
        }
        Ok(swept)
    }

    /// Makes a new temporary file, which goes again when it is dropped unless it was renamed.
    pub(super) fn create(&self, beneath: &Beneath) -> Result<Temporary<'_>, Errno> {
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        locked(&self.in_use).insert(name.clone());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let make = |own: &Own| openat(&own.folder, &name, flags, Mode::RUSR | Mode::WUSR);
        let mut own = locked(&self.own).clone();
        let mut made = make(&own);
        if matches!(made, Err(Errno::NOENT)) {
            // Somebody removed our folder; take another.
            own = Arc::new(open_own(beneath).inspect_err(|_| self.release(&name))?);
            *locked(&self.own) = own.clone();
            made = make(&own);
        }
        let file = made.inspect_err(|_| self.release(&name))?;
        Ok(Temporary { file: File::from(file), own, name, all: self, renamed: false })
    }

    fn release(&self, name: &str) {
        locked(&self.in_use).remove(name);
    }
}

/// A file that is being written.
pub(super) struct Temporary<'a> {
    pub(super) file: File,
    own: Arc<Own>,
    name: String,
    all: &'a Temporaries,
    renamed: bool,
}

impl Temporary<'_> {
    /// Gives the file its name in one step: whoever opens that name sees the old file or this one.
    pub(super) fn rename(&mut self, folder: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        rustix::fs::renameat(&self.own.folder, &self.name, folder, name)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = unlinkat(&self.own.folder, &self.name, AtFlags::empty());
        }
        self.all.release(&self.name);
    }
}
