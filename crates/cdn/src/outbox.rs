//! What was sent and is not known to be complete, one file a batch: a fresh process goes on where the dead one was. A
//! batch is here before it is sent. What is complete stays a little longer, until whoever asked has certainly noted it.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::waiting::Entry;

/// How many complete batches are remembered.
const DONE_MAX: usize = 16;
/// More files than this were not made here.
const FILES_MAX: usize = 10_000;

/// Items that go out together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// Its own name, the same however often it is sent.
    pub(crate) reference: String,
    /// The other side's name for it, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Whether the other side has said that it is complete.
    #[serde(default)]
    pub(crate) done: bool,
    pub(crate) entries: Vec<Entry>,
}

/// A folder of batches.
#[derive(Debug)]
pub(crate) struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// Opens the folder, and reads what an earlier process left, the oldest first.
    ///
    /// # Errors
    /// When the folder cannot be made or listed. A file that cannot be read is set aside and reported: what it was about
    /// is asked for again by whoever wanted it.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<Batch>)> {
        fs::create_dir_all(folder)?;
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(folder)?.take(FILES_MAX) {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => files.push(path),
                // Written by halves by a process that died.
                Some("new") => fs::remove_file(&path)?,
                _ => {}
            }
        }
        files.sort_unstable();
        let outbox = Self { folder: folder.to_owned() };
        let mut batches = Vec::new();
        for path in files {
            match fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice::<Batch>(&bytes)?)) {
                Ok(batch) => batches.push(batch),
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "a batch of invalidations cannot be read; it is set aside");
                    fs::rename(&path, path.with_extension("unreadable"))?;
                }
            }
        }
        Ok((outbox, batches))
    }

    fn path(&self, reference: &str) -> PathBuf {
        // References are made here, of letters, digits and `-`.
        self.folder.join(format!("{reference}.json"))
    }

    /// Writes a batch down, in place of what was there of it. It is on disk when this returns.
    pub(crate) fn write(&self, batch: &Batch) -> io::Result<()> {
        let path = self.path(&batch.reference);
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(batch)?)?;
        file.sync_data()?;
        fs::rename(&new, &path)?;
        File::open(&self.folder)?.sync_all()
    }

    /// Forgets a batch; one that is not there is forgotten.
    pub(crate) fn remove(&self, reference: &str) -> io::Result<()> {
        match fs::remove_file(self.path(reference)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The complete batches whose files are still there, the oldest first, each with who wanted something of it.
#[derive(Debug, Default)]
pub(crate) struct Done(VecDeque<(String, Vec<Arc<str>>)>);

impl Done {
    /// Remembers one more.
    pub(crate) fn push(&mut self, batch: Batch) {
        let wanted: HashSet<Arc<str>> = batch.entries.into_iter().flat_map(|entry| entry.references).collect();
        self.0.push_back((batch.reference, wanted.into_iter().collect()));
    }

    /// The oldest one whose file may go. Not while somebody still waits for something else: a fresh process would be asked
    /// for all of it again.
    pub(crate) fn excess(&mut self, waits: impl Fn(&Arc<str>) -> bool) -> Option<String> {
        if self.0.len() <= DONE_MAX {
            return None;
        }
        let at = self.0.iter().position(|(_, wanted)| !wanted.iter().any(&waits))?;
        self.0.remove(at).map(|(reference, _)| reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;

    fn batch(reference: &str, done: bool) -> Batch {
        let entries = vec![Entry { item: Item::Tag("t".into()), references: vec!["main-1-1".into()] }];
        Batch { reference: reference.into(), id: None, done, entries }
    }

    #[test]
    fn what_was_written_is_there_for_the_next_and_halves_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (outbox, found) = Outbox::open(folder.path()).unwrap();
        assert!(found.is_empty());
        outbox.write(&batch("b", false)).unwrap();
        outbox.write(&batch("a", false)).unwrap();
        outbox.write(&Batch { id: Some("I1".into()), ..batch("a", false) }).unwrap();
        fs::write(folder.path().join("c.new"), b"{").unwrap();
        fs::write(folder.path().join("d.json"), b"{").unwrap();
        let (outbox, found) = Outbox::open(folder.path()).unwrap();
        assert_eq!(found, [Batch { id: Some("I1".into()), ..batch("a", false) }, batch("b", false)]);
        outbox.remove("a").unwrap();
        outbox.remove("a").unwrap();
        assert_eq!(Outbox::open(folder.path()).unwrap().1, [batch("b", false)]);
    }

    #[test]
    fn complete_batches_are_kept_up_to_a_bound_and_while_somebody_waits() {
        let mut done = Done::default();
        for number in 0..DONE_MAX {
            done.push(batch(&number.to_string(), true));
        }
        assert_eq!(done.excess(|_| false), None, "as many as may be");
        done.push(batch("last", true));
        assert_eq!(done.excess(|_| true), None, "everybody still waits for something");
        assert_eq!(done.excess(|_| false).as_deref(), Some("0"));
        assert_eq!(done.excess(|_| false), None);
    }
}
