//! Counts what lies in the directory when it is opened, beside the serving, and lists it. Counting trusts names and
//! lengths only; digests are checked when an object is read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::disk::Inner;
use super::ledger::{blocks, lock};
use super::place::{self, Named};
use crate::beneath::{file_type, io_error};
use crate::walk::{Kind, Tree};
use crate::{Error, Refusal};

/// So many lines are entered at once, so that nobody waits long for the ledger.
const LINES_AT_ONCE: usize = 1024;

impl Inner {
    /// Enters everything that was there before, by time of last use, and evicts what is too much.
    pub(super) fn count(&self) {
        let mut found: Vec<((i64, i64), Arc<str>, u64)> = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            if let Err(error) = self.count_folder(&folder, &mut folders, &mut found) {
                tracing::warn!(folder, %error, "a folder of derivatives could not be counted");
            }
        }
        found.sort_unstable_by_key(|(used, _, _)| std::cmp::Reverse(*used));
        let mut lines = found.into_iter().map(|(_, key, bytes)| (key, bytes)).peekable();
        while lines.peek().is_some() {
            lock(&self.ledger).enter_older(lines.by_ref().take(LINES_AT_ONCE));
        }
        lock(&self.ledger).counted();
        self.counted.notify_all();
        while !self.stop.load(Ordering::Relaxed) {
            let victims = lock(&self.ledger).excess(self.bounds());
            if victims.is_empty() {
                break;
            }
            self.evict(&victims);
        }
    }

    #[allow(clippy::unnecessary_cast)] // the fields' types differ between platforms
    fn count_folder(
        &self,
        folder: &str,
        folders: &mut Vec<String>,
        found: &mut Vec<((i64, i64), Arc<str>, u64)>,
    ) -> Result<(), Error> {
        let mut empty = true;
        self.visit(folder, true, &mut |name, kind| {
            empty = false;
            let key = format!("{folder}{name}");
            match kind {
                Kind::Folder => folders.push(key + "/"),
                Kind::File => {
                    let Ok(stat) = place::of(&key).and_then(|place| self.stat_file(&place.path())) else { return };
                    let used = (stat.st_atime as i64, stat.st_atime_nsec as i64)
                        .max((stat.st_mtime as i64, stat.st_mtime_nsec as i64));
                    found.push((used, key.into(), blocks(stat.st_size as u64)));
                }
            }
        })?;
        if empty {
            self.prune(&place::folder(folder.trim_end_matches('/')));
        }
        Ok(())
    }

    fn stat_file(&self, path: &str) -> Result<rustix::fs::Stat, Error> {
        match self.beneath.stat(path) {
            Ok(stat) if file_type(&stat).is_file() => Ok(stat),
            Ok(_) => Err(Error::Refused { why: Refusal::NotAFile }),
            Err(Errno::NOENT | Errno::NOTDIR) => Err(Error::NotFound),
            Err(errno) => Err(io_error("looking at a derivative", errno)),
        }
    }
}

/// Keys and folders are named as in keys, not as on disk.
impl Tree for Inner {
    fn visit(&self, folder: &str, _first: bool, visit: &mut dyn FnMut(String, Kind)) -> Result<(), Error> {
        let path = place::folder(folder.trim_end_matches('/'));
        let failed = |errno| io_error("listing derivatives", errno);
        let mut names = match self.beneath.names(&path) {
            Ok(names) => names,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => return Ok(()),
            Err(errno) => return Err(failed(errno)),
        };
        while let Some(entry) = names.read() {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let mut kind = entry.file_type();
            if kind == FileType::Unknown {
                kind = match statat(names.fd().map_err(failed)?, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => file_type(&stat),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(failed(errno)),
                };
            }
            let segment = match place::named(name, folder.is_empty()) {
                Named::Segment(segment) => Some(segment.to_owned()),
                Named::Digest if kind == FileType::RegularFile => {
                    let path = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                    self.key_of(&path).and_then(|key| key.strip_prefix(folder).map(str::to_owned))
                }
                Named::Digest | Named::Nothing => None,
            };
            match (segment, kind) {
                (Some(segment), FileType::RegularFile) => visit(segment, Kind::File),
                (Some(segment), FileType::Directory) => visit(segment, Kind::Folder),
                _ => {}
            }
        }
        Ok(())
    }

    fn bytes(&self, key: &str) -> Result<Option<u64>, Error> {
        match place::of(key).and_then(|place| self.stat_file(&place.path())) {
            Ok(stat) => Ok(Some(u64::try_from(stat.st_size).unwrap_or(0))),
            Err(Error::NotFound | Error::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
