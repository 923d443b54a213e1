//! What is done to the files of derivatives: read with every digest checked, written beside and renamed, unlinked. Per key,
//! a file and its line in the ledger change together; no file is ever changed in place.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::header::{self, FIXED_BYTES, Flaw, Head};
use super::ledger::{Bounds, Ledger, Reservation, blocks, lock};
use super::place::{self, Place};
use super::temporary::Temporaries;
use super::{Config, Counters};
use crate::beneath::{Beneath, file_type, io_error};
use crate::{Error, Meta, Object, Refusal, Stat};

const STRIPES: usize = 64;
/// A folder may be pruned by another process between making it and renaming into it; so often we make it again.
const FOLDER_TRIES: usize = 16;

pub(super) struct Inner {
    pub(super) beneath: Beneath,
    pub(super) config: Config,
    pub(super) ledger: Mutex<Ledger>,
    pub(super) counted: Condvar,
    pub(super) counters: Counters,
    pub(super) temporaries: Temporaries,
    pub(super) stop: AtomicBool,
    stripes: Vec<Mutex<()>>,
    hasher: RandomState,
    /// Held shared while a folder is made and filled, alone while empty ones are removed.
    folders: RwLock<()>,
}

/// An opened file with its head, checked; the body is not read yet.
struct Opened {
    file: File,
    head: Head,
}

enum Failed {
    Missing,
    Flawed(Flaw, File),
    Error(Error),
}

impl Inner {
    pub(super) fn new(beneath: Beneath, config: Config, temporaries: Temporaries, counters: Counters) -> Self {
        Self {
            beneath,
            config,
            ledger: Mutex::new(Ledger::new()),
            counted: Condvar::new(),
            counters,
            temporaries,
            stop: AtomicBool::new(false),
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            folders: RwLock::default(),
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { bytes_max: self.config.bytes_max, objects_max: self.config.objects_max }
    }

    fn stripe(&self, key: &str) -> MutexGuard<'_, ()> {
        let at = self.hasher.hash_one(key) as usize % STRIPES;
        self.stripes[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- reading

    fn open(&self, key: &str, place: &Place) -> Result<Opened, Failed> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = self.beneath.folder(&place.folder).and_then(|folder| {
            let file = openat(folder, place.name.as_str(), flags, Mode::empty())?;
            let stat = fstat(&file)?;
            Ok((File::from(file), stat))
        });
        let (mut file, stat) = match opened {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(Failed::Missing),
            Err(errno) => return Err(Failed::Error(explain("reading a derivative", errno))),
        };
        if !file_type(&stat).is_file() {
            return Err(Failed::Error(Error::Refused { why: Refusal::NotAFile }));
        }
        let file_bytes = u64::try_from(stat.st_size).unwrap_or(0);
        let flawed = |flaw, file| Err(Failed::Flawed(flaw, file));
        let mut first = [0; FIXED_BYTES];
        match read_exactly(&mut file, &mut first)? {
            true => {}
            false => return flawed(Flaw::Damaged("it is shorter than any"), file),
        }
        let fixed = match header::fixed(&first, file_bytes) {
            Ok(fixed) => fixed,
            Err(flaw) => return flawed(flaw, file),
        };
        let mut facts = vec![0; fixed.facts_bytes];
        if !read_exactly(&mut file, &mut facts)? {
            return flawed(Flaw::Damaged("it was cut"), file);
        }
        match header::head(&fixed, &facts) {
            Ok(head) if head.key == key => Ok(Opened { file, head }),
            Ok(_) => flawed(Flaw::Damaged("it is another object's"), file),
            Err(flaw) => flawed(flaw, file),
        }
    }

    /// The key that the file at a place says it has; for names that are digests.
    pub(super) fn key_of(&self, path: &str) -> Option<String> {
        let (folder, name) = self.beneath.parent(path).ok()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = File::from(openat(folder, name, flags, Mode::empty()).ok()?);
        let file_bytes = u64::try_from(fstat(&file).ok()?.st_size).ok()?;
        let mut first = [0; FIXED_BYTES];
        file.read_exact(&mut first).ok()?;
        let fixed = header::fixed(&first, file_bytes).ok()?;
        let mut facts = vec![0; fixed.facts_bytes];
        file.read_exact(&mut facts).ok()?;
        let key = header::head(&fixed, &facts).ok()?.key;
        (place::of(&key).ok()?.path() == path).then_some(key)
    }

    pub(super) fn stat(&self, key: &str) -> Result<Stat, Error> {
        let place = place::of(key)?;
        match self.open(key, &place) {
            Ok(opened) => Ok(opened.head.stat),
            Err(failed) => Err(self.failed(key, &place, failed)),
        }
    }

    pub(super) fn get(&self, key: &str, bytes_max: u64) -> Result<Object, Error> {
        let place = place::of(key)?;
        let Opened { mut file, head } = self.open(key, &place).map_err(|failed| self.failed(key, &place, failed))?;
        if head.stat.bytes > bytes_max {
            return Err(Error::TooLarge { bytes: head.stat.bytes, max: bytes_max });
        }
        let mut body = Vec::new();
        let room = usize::try_from(head.stat.bytes).unwrap_or(usize::MAX);
        body.try_reserve_exact(room)
            .map_err(|error| Error::Io { why: format!("no memory for {room} bytes: {error}") })?;
        let read = (&mut file).take(head.stat.bytes).read_to_end(&mut body);
        read.map_err(|error| Error::Io { why: format!("reading a derivative: {error}") })?;
        if let Err(flaw) = head.check(&body) {
            return Err(self.failed(key, &place, Failed::Flawed(flaw, file)));
        }
        if lock(&self.ledger).touch(key) {
            // Keeps the order of use across restarts; a failure costs no more than that.
            let times = Timestamps {
                last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
                last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            };
            let _ = rustix::fs::futimens(&file, &times);
        }
        Ok(Object { stat: head.stat, meta: head.meta, body: Bytes::from(body) })
    }

    fn failed(&self, key: &str, place: &Place, failed: Failed) -> Error {
        match failed {
            Failed::Error(error) => error,
            Failed::Flawed(Flaw::OtherFormat, _) => Error::NotFound,
            Failed::Missing => {
                let _stripe = self.stripe(key);
                let mut books = lock(&self.ledger);
                if books.contains(key) && self.beneath.stat(&place.path()).is_err_and(|errno| errno == Errno::NOENT) {
                    books.remove(key); // somebody else removed it
                }
                Error::NotFound
            }
            Failed::Flawed(Flaw::Damaged(why), file) => {
                self.drop_damaged(key, place, &file);
                self.counters.damaged.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(key, why, "a stored derivative is damaged and was dropped");
                Error::Corrupt { why: why.to_owned() }
            }
        }
    }

    /// Removes exactly the file that was found damaged, never one written since.
    fn drop_damaged(&self, key: &str, place: &Place, damaged: &File) {
        let stripe = self.stripe(key);
        let (Ok(found), Ok(folder)) = (fstat(damaged), self.beneath.folder(&place.folder)) else { return };
        let now = statat(&folder, place.name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
        // The damaged file is still open, so its inode cannot have been given to another.
        if now.is_ok_and(|now| (now.st_dev, now.st_ino) == (found.st_dev, found.st_ino))
            && unlinkat(&folder, place.name.as_str(), AtFlags::empty()).is_ok()
        {
            lock(&self.ledger).remove(key);
        }
        drop(stripe);
        self.prune(&place.folder);
    }

    // ---- writing

    pub(super) fn put(&self, key: &str, meta: &Meta, body: &[u8]) -> Result<Stat, Error> {
        let place = place::of(key)?;
        let (head, stat) = header::encode(key, meta, body)?;
        let bytes = blocks((head.len() + body.len()) as u64);
        let counted = |error: Error| {
            if matches!(error, Error::Full { .. }) {
                self.counters.full.fetch_add(1, Ordering::Relaxed);
            }
            error
        };
        let (victims, reservation) = Reservation::new(&self.ledger, bytes, self.bounds());
        self.evict(&victims);
        let reservation = reservation.map_err(counted)?;
        self.keep_floor(bytes).map_err(counted)?;
        match self.write(key, &place, &head, body, bytes) {
            Err(Errno::NOSPC | Errno::DQUOT) => {
                // The books may not know what else fills the disk: let the oldest go, and try once more.
                let victims = lock(&self.ledger).oldest(bytes, self.bounds());
                self.evict(&victims);
                self.write(key, &place, &head, body, bytes)
            }
            other => other,
        }
        .map_err(|errno| match errno {
            Errno::NOSPC | Errno::DQUOT => counted(Error::Full { bytes, why: "the disk is full".into() }),
            Errno::NOTDIR | Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST => Error::Refused { why: Refusal::NotAFile },
            errno => explain("writing a derivative", errno),
        })?;
        drop(reservation);
        Ok(stat)
    }

    fn write(&self, key: &str, place: &Place, head: &[u8], body: &[u8], bytes: u64) -> Result<(), Errno> {
        let mut temporary = self.temporaries.create(&self.beneath)?;
        let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        temporary.file.write_all(head).map_err(errno)?;
        temporary.file.write_all(body).map_err(errno)?;
        let _stripe = self.stripe(key);
        for _ in 0..FOLDER_TRIES {
            let _folders = self.folders.read().unwrap_or_else(PoisonError::into_inner);
            let renamed = self
                .beneath
                .make_folder(&place.folder)
                .and_then(|folder| temporary.rename(std::os::fd::AsFd::as_fd(&folder), &place.name));
            match renamed {
                Ok(()) => {
                    lock(&self.ledger).insert(key, bytes);
                    return Ok(());
                }
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::NOENT)
    }

    /// Evicts until the disk has the room that is to stay free beside what is about to be written.
    fn keep_floor(&self, bytes: u64) -> Result<(), Error> {
        let wanted = self.config.free_bytes_min.saturating_add(bytes);
        let mut free = self.free_bytes()?;
        if free < wanted {
            let victims = lock(&self.ledger).oldest(wanted - free, self.bounds());
            self.evict(&victims);
            free = self.free_bytes()?;
        }
        if free >= wanted {
            return Ok(());
        }
        let floor = self.config.free_bytes_min;
        Err(Error::Full { bytes, why: format!("{floor} bytes of the disk are to stay free and {free} are") })
    }

    fn free_bytes(&self) -> Result<u64, Error> {
        let stat =
            rustix::fs::fstatvfs(self.beneath.root()).map_err(|errno| io_error("asking for free space", errno))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    // ---- removing

    /// Removes the files of those that the ledger let go.
    pub(super) fn evict(&self, victims: &[Arc<str>]) {
        for key in victims {
            let Ok(place) = place::of(key) else { continue };
            let stripe = self.stripe(key);
            if lock(&self.ledger).contains(key) {
                continue; // written again meanwhile
            }
            match self.unlink(&place) {
                Ok(bytes) => {
                    self.counters.evicted_objects.fetch_add(1, Ordering::Relaxed);
                    self.counters.evicted_bytes.fetch_add(blocks(bytes), Ordering::Relaxed);
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => tracing::warn!(%key, %errno, "a derivative could not be evicted"),
            }
            drop(stripe);
            self.prune(&place.folder);
        }
    }

    fn unlink(&self, place: &Place) -> Result<u64, Errno> {
        let folder = self.beneath.folder(&place.folder)?;
        let stat = statat(&folder, place.name.as_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        if file_type(&stat).is_dir() {
            return Err(Errno::ISDIR);
        }
        unlinkat(&folder, place.name.as_str(), AtFlags::empty())?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    pub(super) fn delete(&self, key: &str) -> Result<bool, Error> {
        let place = place::of(key)?;
        let existed = {
            let _stripe = self.stripe(key);
            let existed = match self.unlink(&place) {
                Ok(_) => true,
                Err(Errno::NOENT | Errno::NOTDIR) => false,
                Err(Errno::ISDIR) => return Err(Error::Refused { why: Refusal::NotAFile }),
                Err(errno) => return Err(explain("deleting a derivative", errno)),
            };
            lock(&self.ledger).remove(key);
            existed
        };
        self.prune(&place.folder);
        Ok(existed)
    }

    /// Removes a folder and those above it as long as they are empty.
    pub(super) fn prune(&self, folder: &str) {
        let _folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        let mut path = folder;
        while !path.is_empty() {
            let Ok((parent, name)) = self.beneath.parent(path) else { return };
            match unlinkat(parent, name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => return,
            }
            path = path.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// `false` when the file ends before.
fn read_exactly(file: &mut File, buffer: &mut [u8]) -> Result<bool, Error> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::Io { why: format!("reading a derivative: {error}") }),
    }
}

fn explain(doing: &str, errno: Errno) -> Error {
    match errno {
        Errno::LOOP | Errno::XDEV => Error::Refused { why: Refusal::Symlink },
        Errno::NAMETOOLONG => Error::Refused { why: Refusal::KeyTooLong },
        Errno::NXIO => Error::Refused { why: Refusal::NotAFile },
        errno => io_error(doing, errno),
    }
}
