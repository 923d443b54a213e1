//! One process holds the state. The lock goes with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// The right to open journal and derivatives; given back when dropped.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

/// Somebody else holds the state.
#[derive(Debug, thiserror::Error)]
pub enum Held {
    /// Another process.
    #[error("the state is held by another process: {holder}")]
    By {
        /// What it wrote about itself.
        holder: String,
    },
    /// The lock file cannot be opened or locked.
    #[error("the lock {path}: {why}")]
    Io {
        /// Which file.
        path: String,
        /// What the machine said.
        why: String,
    },
}

impl StateLock {
    /// Takes the lock in `directory`, which is made if it is missing. `about` is what the next one who asks is told.
    ///
    /// # Errors
    /// [`Held::By`] names the holder; [`Held::Io`] when the file cannot be had.
    pub fn take(directory: &Path, about: &str) -> Result<Self, Held> {
        let path = directory.join("lock");
        let io = |error: std::io::Error| Held::Io { path: path.display().to_string(), why: error.to_string() };
        std::fs::create_dir_all(directory).map_err(io)?;
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "unnamed".to_owned() } else { holder.trim().to_owned() };
            return Err(Held::By { holder });
        }
        file.set_len(0).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        writeln!(file, "pid {}: {about}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_one_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateLock::take(directory.path(), "serving /pictures").unwrap();
        let Err(Held::By { holder }) = StateLock::take(directory.path(), "me") else { panic!("it was not refused") };
        assert_eq!(holder, format!("pid {}: serving /pictures", std::process::id()));
        drop(first);
        StateLock::take(directory.path(), "me").unwrap();
    }
}
