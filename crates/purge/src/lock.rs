//! One process per state directory. The lock dies with its holder, however it dies; the text in the file only names it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use afterimage_identity::Clock;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::Error;

/// What the lock file says of its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id; `None` when the file does not say.
    pub pid: Option<u32>,
    /// When it took the lock, in seconds since the Unix epoch.
    pub since_unix_s: Option<u64>,
    /// Whatever it wants others to know, such as the address of its admin listener.
    pub info: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => f.write_str("another process")?,
        }
        match &self.info {
            Some(info) => write!(f, " ({info})"),
            None => Ok(()),
        }
    }
}

/// The lock of a state directory, held while this value lives.
#[derive(Debug)]
pub struct StateLock {
    file: File,
}

impl StateLock {
    /// Takes the lock of `state_dir`, making the directory if need be. `info` is told to whoever comes second.
    ///
    /// # Errors
    /// [`Error::Locked`] with the holder's name when another process (or another lock in this one) holds it,
    /// [`Error::State`] when the file cannot be used.
    pub fn acquire(state_dir: &Path, clock: &dyn Clock, info: Option<String>) -> Result<Self, Error> {
        let path = state_dir.join("lock");
        let failed = |cause| Error::State { path: path.clone(), cause };
        fs::create_dir_all(state_dir).map_err(failed)?;
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::Locked { state_dir: state_dir.to_owned(), holder: read(&file) });
            }
            Err(error) => return Err(failed(error.into())),
        }
        let since = clock.wall().duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs());
        let mut lock = Self { file };
        lock.write(&Holder { pid: Some(std::process::id()), since_unix_s: since, info }).map_err(failed)?;
        Ok(lock)
    }

    /// Who holds the lock of `state_dir` at this moment; `None` when nobody does.
    pub fn holder(state_dir: &Path) -> Option<Holder> {
        let file = File::open(state_dir.join("lock")).ok()?;
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => Some(read(&file)),
            _ => None,
        }
    }

    /// Changes what others are told, once it is known.
    ///
    /// # Errors
    /// The system's answer when the file cannot be written; the lock is held all the same.
    pub fn tell(&mut self, info: String) -> std::io::Result<()> {
        let holder = Holder { info: Some(info), ..read(&self.file) };
        self.write(&holder)
    }

    fn write(&mut self, holder: &Holder) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(serde_json::to_string(holder)?.as_bytes())
    }
}

fn read(mut file: &File) -> Holder {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(4_096).read_to_string(&mut text));
    read.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use afterimage_identity::ManualClock;

    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        let clock = ManualClock::default();
        assert_eq!(StateLock::holder(&state_dir), None);
        let mut first = StateLock::acquire(&state_dir, &clock, None).unwrap();
        first.tell("127.0.0.1:8081".to_owned()).unwrap();
        let refusal = StateLock::acquire(&state_dir, &clock, None).unwrap_err().to_string();
        assert!(refusal.contains(&format!("process {} (127.0.0.1:8081)", std::process::id())), "{refusal}");
        assert_eq!(StateLock::holder(&state_dir).unwrap().pid, Some(std::process::id()));
        drop(first);
        assert_eq!(StateLock::holder(&state_dir), None);
        StateLock::acquire(&state_dir, &clock, None).unwrap();
    }

    #[test]
    fn a_damaged_text_hinders_nobody() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("lock"), b"\xff\x00{").unwrap();
        let held = StateLock::acquire(dir.path(), &ManualClock::default(), None).unwrap();
        fs::write(dir.path().join("lock"), b"\xff").unwrap();
        assert!(
            StateLock::acquire(dir.path(), &ManualClock::default(), None).unwrap_err().to_string().contains("another")
        );
        drop(held);
    }
}
