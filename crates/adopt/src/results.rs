//! What became of each thing, written down beside the plan while it is carried out: whoever carries it out again goes on
//! there, and a person can read what was done.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

/// What became of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Did {
    Deleted,
    Gone,
    Changed,
    Refused,
    Failed,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Result_ {
    pub(crate) did: Did,
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    plan: String,
}

/// The open file.
pub(crate) struct Results {
    path: PathBuf,
    file: File,
}

impl Results {
    /// Opens or makes it, for this process alone, and reads what is final: what is gone for good.
    pub(crate) fn open(path: &Path, plan: &str) -> Result<(Self, HashMap<String, Did>), Error> {
        let failed = |error: io::Error| Error::File(path.to_owned(), error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Stopped(format!("{}: another process carries this plan out", path.display())));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let (done, whole) = read(&mut file, path, plan)?;
        // What a killed process wrote by halves.
        file.set_len(whole).map_err(failed)?;
        let mut results = Self { path: path.to_owned(), file };
        if whole == 0 {
            let head = serde_json::to_string(&Head { plan: plan.to_owned() }).unwrap_or_default();
            results.file.write_all(format!("{head}\n").as_bytes()).map_err(failed)?;
        }
        Ok((results, done))
    }

    /// Adds these. They are on disk when this returns.
    pub(crate) fn add(&mut self, results: &[Result_]) -> Result<(), Error> {
        let mut text = Vec::new();
        let written = results.iter().try_for_each(|result| {
            serde_json::to_writer(&mut text, result)?;
            text.push(b'\n');
            io::Result::Ok(())
        });
        let written = written.and_then(|()| self.file.write_all(&text)).and_then(|()| self.file.sync_data());
        written.map_err(|error| Error::File(self.path.clone(), error))
    }
}

/// What is final, and how many bytes are whole lines.
fn read(file: &mut File, path: &Path, plan: &str) -> Result<(HashMap<String, Did>, u64), Error> {
    let failed = |error: io::Error| Error::File(path.to_owned(), error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut input = BufReader::new(file);
    let (mut done, mut whole, mut text) = (HashMap::new(), 0, Vec::new());
    loop {
        text.clear();
        let read = input.read_until(b'\n', &mut text).map_err(failed)?;
        if read == 0 || text.last() != Some(&b'\n') {
            return Ok((done, whole));
        }
        if whole == 0 {
            let head: Head = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
            if head.plan != plan {
                let words = format!("{}: these are the results of another plan; move them away", path.display());
                return Err(Error::Stopped(words));
            }
        } else {
            let result: Result_ = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
            if matches!(result.did, Did::Deleted | Did::Gone) {
                done.insert(result.key, result.did);
            }
        }
        whole += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_final_and_halves_and_other_plans_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("results");
        let one = |did, key: &str| Result_ { did, key: key.to_owned(), why: None };
        let (mut results, done) = Results::open(&path, "p").unwrap();
        assert!(done.is_empty());
        assert!(matches!(Results::open(&path, "p"), Err(Error::Stopped(_))), "one process at a time");
        results.add(&[one(Did::Deleted, "a"), one(Did::Changed, "b"), one(Did::Gone, "c\n")]).unwrap();
        drop(results);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"did\":\"deleted\",\"key\":\"d").unwrap();
        drop(file);
        let (mut results, done) = Results::open(&path, "p").unwrap();
        assert_eq!(done, HashMap::from([("a".to_owned(), Did::Deleted), ("c\n".to_owned(), Did::Gone)]));
        results.add(&[one(Did::Failed, "d")]).unwrap();
        drop(results);
        assert_eq!(Results::open(&path, "p").unwrap().1.len(), 2);
        assert!(matches!(Results::open(&path, "q"), Err(Error::Stopped(_))));
    }
}
