//! The machine's own file system behind the seam, and the only place of this crate that touches files. One process holds
//! the folder's lock; what it was writing when it died lies in a folder of its own and is removed at the next start.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::files::{Files, JOURNAL};

/// The folder of files that are being written.
const TEMPORARY: &str = "tmp";
const LOCK: &str = "lock";
/// What a file system of its own has at its root.
const NOT_ANYBODYS: &str = "lost+found";

/// Why a folder cannot hold a tier.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{}: another process keeps its cache there; give each its own cache.disk_directory", .0.display())]
    Locked(PathBuf),
    /// It has files in it that are not a tier's. Nothing was changed.
    #[error("{}: has `{name}` in it, which is no part of a cache; name a folder of its own", .folder.display())]
    NotOurs {
        /// The folder.
        folder: PathBuf,
        /// The first such name.
        name: String,
    },
    /// The file system says no.
    #[error("{}: {cause}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// Its words.
        cause: io::Error,
    },
}

/// A folder on this machine, locked for as long as this lives.
#[derive(Debug)]
pub struct MachineFiles {
    root: PathBuf,
    _lock: File,
    next: AtomicU64,
    /// The file that was added to last, still open.
    appending: Mutex<Option<(String, File)>>,
}

impl MachineFiles {
    /// Takes the folder, making it if need be, and removes what a dead process was writing.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then, but the folder may have been made.
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Io { folder: root.to_owned(), cause };
        private_folders().recursive(true).create(root).map_err(failed)?;
        for entry in fs::read_dir(root).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            let is_folder = name.len() == 2 && u8::from_str_radix(&name, 16).is_ok();
            if !is_folder && ![JOURNAL, TEMPORARY, LOCK, NOT_ANYBODYS].contains(&name.as_str()) {
                return Err(OpenError::NotOurs { folder: root.to_owned(), name });
            }
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(root.join(LOCK));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked(root.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let temporary = root.join(TEMPORARY);
        private_folders().recursive(true).create(&temporary).map_err(failed)?;
        for left_over in fs::read_dir(&temporary).map_err(failed)? {
            fs::remove_file(left_over.map_err(failed)?.path()).map_err(failed)?;
        }
        Ok(Self { root: root.to_owned(), _lock: lock, next: AtomicU64::new(0), appending: Mutex::new(None) })
    }

    fn write_beside(&self, beside: &Path, parts: &[&[u8]], durable: bool) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
        for part in parts {
            file.write_all(part)?;
        }
        if durable { file.sync_all() } else { Ok(()) }
    }

    fn rename(&self, beside: &Path, name: &str) -> io::Result<()> {
        let place = self.root.join(name);
        match fs::rename(beside, &place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = place.parent().unwrap_or(&self.root);
                private_folders().recursive(true).create(folder)?;
                fs::rename(beside, &place)
            }
            other => other,
        }
    }
}

fn private_folders() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

impl Files for MachineFiles {
    fn read(&self, name: &str, bytes_max: u64) -> io::Result<(Vec<u8>, u64)> {
        let file = File::open(self.root.join(name))?;
        let length = file.metadata()?.len();
        let mut bytes = Vec::new();
        let wanted = usize::try_from(length.min(bytes_max)).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
        file.take(length.min(bytes_max)).read_to_end(&mut bytes)?;
        Ok((bytes, length))
    }

    fn write(&self, name: &str, parts: &[&[u8]], durable: bool) -> io::Result<()> {
        // An open handle would go on adding to what is replaced here.
        self.appending.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(open, _)| open == name);
        let beside = self.root.join(TEMPORARY).join(self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let written = self.write_beside(&beside, parts, durable).and_then(|()| self.rename(&beside, name));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written?;
        if durable { File::open(&self.root)?.sync_all() } else { Ok(()) }
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut appending = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match appending.take_if(|(open, _)| open == name) {
            Some((_, file)) => file,
            None => OpenOptions::new().append(true).open(self.root.join(name))?,
        };
        let (_, file) = appending.insert((name.to_owned(), open));
        file.write_all(bytes)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(name))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}
