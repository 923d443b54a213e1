//! Reads one original so that what comes back is one content and its version, or nothing. It opens beneath the root,
//! looks, reads (never maps: a mapping changes under its reader), looks again at the file and at its name, and starts
//! over when anything moved.

use std::fs::File;
use std::io::Read as _;
use std::thread::sleep;
use std::time::Duration;

use afterimage_identity::{OriginalKey, Unprovable, Version};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat as FileStat, fstat, openat, statat};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::Inner;
use super::memo::{Begun, Tuple};
use crate::beneath::file_type;
use crate::{Error, Refusal, Stat};

/// Pauses before each further try, in milliseconds: a writer that is done within their sum is never noticed.
const RETRY_PAUSES_MS: [u64; 4] = [1, 5, 20, 80];
/// What is read and hashed at a time: it stays in the second cache, and many small ones share a page of the allocator.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Why one try gave no answer.
enum Miss {
    /// It changed under our hands; another try may do.
    Moved,
    /// This is the answer.
    Final(Error),
}

impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Inner {
    /// Checks what can be said of a key without the disk.
    pub(crate) fn check_key(&self, key: &str) -> Result<(), Error> {
        let refused = |why| Err(Error::Refused { why });
        match OriginalKey::new(key) {
            Err(afterimage_identity::KeyError::TooLong { .. }) => refused(Refusal::KeyTooLong),
            Err(_) => refused(Refusal::NotAKey),
            Ok(key) if key.is_hidden() && !self.config.allow_hidden => refused(Refusal::Hidden),
            Ok(_) => Ok(()),
        }
    }

    /// The answer that needs no reading: the file looks as it did when its content was read at rest.
    pub(crate) fn glance(&self, key: &str) -> Result<Option<Stat>, Error> {
        self.check_key(key)?;
        let tuple = match self.beneath.stat(key).map_err(|error| self.explain(key, error)) {
            Ok(stat) => self.regular(key, &stat)?,
            Err(error) => return Err(self.proven(key, error)),
        };
        let Some(version) = self.memo.version(key, &tuple) else { return Ok(None) };
        // Last, so that a root replaced before we looked is noticed however the look came out.
        self.root.check()?;
        Ok(Some(Stat::local(version, tuple.bytes, true)))
    }

    /// Reads the original, keeping the body only if asked to.
    pub(crate) fn read(&self, key: &str, keep: Option<u64>) -> Result<(Stat, Vec<u8>), Error> {
        self.check_key(key)?;
        for pause_ms in std::iter::once(0).chain(RETRY_PAUSES_MS) {
            sleep(Duration::from_millis(pause_ms));
            match self.try_to_read(key, keep) {
                Ok(read) => return Ok(read),
                Err(Miss::Final(error)) => return Err(self.proven(key, error)),
                Err(Miss::Moved) => {}
            }
        }
        Err(Error::Unprovable(Unprovable::Unstable))
    }

    fn try_to_read(&self, key: &str, keep: Option<u64>) -> Result<(Stat, Vec<u8>), Miss> {
        let begun = Begun { at: self.clock.now(), wall: self.clock.wall() };
        let explain = |error| Miss::Final(self.explain(key, error));
        let (folder, name) = self.beneath.parent(key).map_err(explain)?;
        // Looked at before it is opened: opening a device may do something.
        let seen = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(explain)?;
        let tuple = self.regular(key, &seen)?;
        let settled = self.memo.is_settled(key, &tuple, begun);
        if tuple.bytes > self.config.bytes_max || keep.is_some_and(|max| tuple.bytes > max) {
            return self.too_large(key, tuple, keep, settled);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            // It was there a moment ago: look again rather than judge from two moments.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::STALE) => return Err(Miss::Moved),
            Err(error) => return Err(explain(error)),
        };
        let same = |stat: Result<FileStat, Errno>| matches!(stat, Ok(stat) if Tuple::of(&stat) == tuple);
        if !same(fstat(&file)) {
            return Err(Miss::Moved);
        }
        let (version, body) = self.read_all(&file, key, tuple.bytes, keep.is_some())?;
        // The name is resolved anew: a folder on the way may have moved.
        if !same(fstat(&file)) || !same(self.beneath.stat(key)) {
            return Err(Miss::Moved);
        }
        self.root.check()?;
        if settled {
            self.memo.keep(key, tuple, version.clone(), begun);
        }
        Ok((Stat::local(version, tuple.bytes, settled), body))
    }

    /// A file larger than any that will be read is there all the same, and its looks tell it from every other content:
    /// what was made of a smaller one before must go.
    fn too_large(&self, key: &str, tuple: Tuple, keep: Option<u64>, settled: bool) -> Result<(Stat, Vec<u8>), Miss> {
        if let Some(max) = keep {
            return Err(Error::TooLarge { bytes: tuple.bytes, max: max.min(self.config.bytes_max) }.into());
        }
        if !matches!(self.beneath.stat(key), Ok(stat) if Tuple::of(&stat) == tuple) {
            return Err(Miss::Moved);
        }
        self.root.check()?;
        let version = Version::of_validator(&format!("too large: {tuple:?}"));
        Ok((Stat::local(version, tuple.bytes, settled), Vec::new()))
    }

    /// Reads exactly `bytes` bytes.
    fn read_all(&self, file: &File, key: &str, bytes: u64, keep: bool) -> Result<(Version, Vec<u8>), Miss> {
        let unreadable = |error: std::io::Error| match Errno::from_io_error(&error) {
            Some(Errno::STALE) => Miss::Moved,
            Some(errno) => Miss::Final(self.explain(key, errno)),
            None => Miss::Final(Error::Unprovable(Unprovable::Other(error.to_string()))),
        };
        let mut body = Vec::new();
        let room = if keep { bytes } else { CHUNK_BYTES.min(bytes) };
        body.try_reserve_exact(usize::try_from(room).unwrap_or(usize::MAX)).map_err(|error| {
            Miss::Final(Error::Unprovable(Unprovable::Other(format!("no memory for {room} bytes: {error}"))))
        })?;
        let mut hash = Sha256::new();
        let mut read = 0;
        while read < bytes {
            let known = body.len();
            // Straight behind what there is: a body is in memory once, and nothing of it is copied.
            let count = file.take(CHUNK_BYTES.min(bytes - read)).read_to_end(&mut body).map_err(unreadable)?;
            if count == 0 {
                return Err(Miss::Moved);
            }
            hash.update(&body[known..]);
            read += count as u64;
            if !keep {
                body.clear();
            }
        }
        // It has grown if there is more.
        if file.take(1).read_to_end(&mut Vec::new()).map_err(unreadable)? > 0 {
            return Err(Miss::Moved);
        }
        Ok((Version::of_sha256(&hash.finalize().into()), body))
    }

    /// What a regular file looks like; anything else is refused.
    fn regular(&self, key: &str, stat: &FileStat) -> Result<Tuple, Error> {
        match file_type(stat) {
            FileType::RegularFile => Ok(Tuple::of(stat)),
            FileType::Symlink => Err(self.proven(key, Error::Refused { why: Refusal::Symlink })),
            _ => Err(self.proven(key, Error::Refused { why: Refusal::NotAFile })),
        }
    }

    /// Lets an answer that proves an absence pass only if the root is still the one seen at start.
    fn proven(&self, key: &str, error: Error) -> Error {
        if !matches!(error, Error::NotFound | Error::Refused { .. }) {
            return error;
        }
        self.memo.forget(key);
        self.root.check().err().unwrap_or(error)
    }

    /// What the machine's word means for a key.
    pub(crate) fn explain(&self, key: &str, errno: Errno) -> Error {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Error::NotFound,
            // A link on the way, or one that would lead out of the root.
            Errno::LOOP | Errno::XDEV => Error::Refused { why: Refusal::Symlink },
            Errno::NXIO | Errno::ISDIR => Error::Refused { why: Refusal::NotAFile },
            // The file system has no names this long, so there cannot be such a file.
            Errno::NAMETOOLONG => Error::Refused { why: Refusal::KeyTooLong },
            Errno::ACCESS | Errno::PERM => Error::Unprovable(Unprovable::Refused),
            Errno::IO | Errno::STALE | Errno::TIMEDOUT | Errno::HOSTDOWN | Errno::HOSTUNREACH | Errno::NETUNREACH => {
                tracing::warn!(key, %errno, "the directory of originals cannot be read");
                Error::Unprovable(Unprovable::Unreachable)
            }
            Errno::NOTCONN | Errno::CONNREFUSED | Errno::CONNRESET | Errno::CONNABORTED | Errno::NODEV => {
                Error::Unprovable(Unprovable::Unreachable)
            }
            other => Error::Unprovable(Unprovable::Other(std::io::Error::from(other).to_string())),
        }
    }
}
