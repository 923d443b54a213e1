//! The append-only file that outlives the process. Each record has its length and checksum; a torn tail is cut off; a
//! rewrite replaces the file in one step. It knows nothing of purges.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::Error;

/// The first line names the format and its version.
const MAGIC: &[u8] = b"afterimage journal 1\n";
/// The extension of a journal that is to take the place of the one in use.
const FRESH: &str = "new";
/// Length (4 bytes, little-endian) and the first 8 bytes of the payload's SHA-256.
const HEAD_BYTES: usize = 12;
/// A longer record is damage.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Up to here the file is whole.
    bytes: u64,
}

impl Journal {
    /// Opens or makes the journal in `state_dir` and reads its records. What follows the last whole record is cut off,
    /// and kept beside it as `journal.damaged` when it is more than a torn record.
    pub(crate) fn open(state_dir: &Path) -> Result<(Self, Vec<Vec<u8>>), Error> {
        let path = state_dir.join("journal");
        let failed = |cause| Error::State { path: path.clone(), cause };
        fs::create_dir_all(state_dir).map_err(failed)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(failed)?;
        // A process that died in the middle of a rewrite has left its new file; the old one still holds.
        match fs::remove_file(path.with_extension(FRESH)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut journal = Self { path: path.clone(), file, bytes: MAGIC.len() as u64 };
        if content.len() < MAGIC.len() && MAGIC.starts_with(&content) {
            journal.begin().map_err(failed)?;
            return Ok((journal, Vec::new()));
        }
        let Some(body) = content.strip_prefix(MAGIC) else { return Err(Error::Format { path }) };
        let (records, whole, torn) = read_records(body);
        journal.bytes += whole as u64;
        if whole < body.len() {
            tracing::warn!(journal = %path.display(), bytes = body.len() - whole, torn, "the end of the journal is damaged and cut off");
            if !torn {
                fs::write(state_dir.join("journal.damaged"), &body[whole..]).map_err(failed)?;
            }
            journal.file.set_len(journal.bytes).and_then(|()| journal.file.sync_data()).map_err(failed)?;
        }
        Ok((journal, records))
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(MAGIC, 0)?;
        self.file.sync_all()?;
        sync_folder(&self.path)
    }

    /// The length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds records, all of them or none; on disk when it returns, if `sync`.
    pub(crate) fn append(&mut self, payloads: &[Vec<u8>], sync: bool) -> io::Result<()> {
        let records: Vec<u8> = payloads.iter().flat_map(|payload| record(payload)).collect();
        let written = self.file.write_all_at(&records, self.bytes);
        if let Err(error) = written {
            // Nothing may follow half a record.
            let _ = self.file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += records.len() as u64;
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    /// Replaces the whole content in one step.
    pub(crate) fn rewrite(&mut self, payloads: &[Vec<u8>]) -> io::Result<()> {
        let fresh_path = self.path.with_extension(FRESH);
        let fresh = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&fresh_path)?;
        let mut content = MAGIC.to_vec();
        content.extend(payloads.iter().flat_map(|payload| record(payload)));
        fresh.write_all_at(&content, 0)?;
        fresh.sync_all()?;
        fs::rename(&fresh_path, &self.path)?;
        self.file = fresh;
        self.bytes = content.len() as u64;
        sync_folder(&self.path)
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

pub(crate) fn record(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut record = Vec::with_capacity(HEAD_BYTES + payload.len());
    record.extend(length.to_le_bytes());
    record.extend(&Sha256::digest(payload)[..8]);
    record.extend(payload);
    record
}

/// The whole records, how many bytes they take, and whether what follows looks like a torn record.
pub(crate) fn read_records(mut body: &[u8]) -> (Vec<Vec<u8>>, usize, bool) {
    let length_all = body.len();
    let mut records = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(HEAD_BYTES) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if length > RECORD_BYTES_MAX {
            return (records, length_all - body.len(), false);
        }
        let Some((payload, after)) = rest.split_at_checked(length) else { break };
        if Sha256::digest(payload)[..8] != head[4..] {
            return (records, length_all - body.len(), after.is_empty());
        }
        records.push(payload.to_vec());
        body = after;
    }
    (records, length_all - body.len(), true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(payloads: &[Vec<u8>]) -> (tempfile::TempDir, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, none) = Journal::open(dir.path()).unwrap();
        assert!(none.is_empty());
        journal.append(payloads, true).unwrap();
        let content = fs::read(dir.path().join("journal")).unwrap();
        (dir, content)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn cut_anywhere_it_keeps_every_whole_record(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
            cut in 0.0..1.0f64,
        ) {
            let (dir, content) = written(&payloads);
            let cut = (content.len() as f64 * cut) as usize;
            fs::write(dir.path().join("journal"), &content[..cut]).unwrap();
            let (mut journal, read) = Journal::open(dir.path()).unwrap();
            prop_assert_eq!(&read[..], &payloads[..read.len()]);
            let mut ends = vec![MAGIC.len()];
            ends.extend(payloads.iter().scan(MAGIC.len(), |at, payload| { *at += HEAD_BYTES + payload.len(); Some(*at) }));
            prop_assert_eq!(read.len(), ends.iter().filter(|end| **end <= cut).count().saturating_sub(1));
            // What is written after a cut is read.
            journal.append(&[b"after".to_vec()], false).unwrap();
            drop(journal);
            let (_, again) = Journal::open(dir.path()).unwrap();
            prop_assert_eq!(again.len(), read.len() + 1);
        }

        #[test]
        fn one_flipped_bit_never_makes_another_record(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
            at in 0.0..1.0f64,
            bit in 0..8u8,
        ) {
            let (dir, mut content) = written(&payloads);
            let at = MAGIC.len() + ((content.len() - MAGIC.len()) as f64 * at) as usize;
            content[at] ^= 1 << bit;
            fs::write(dir.path().join("journal"), &content).unwrap();
            let (_, read) = Journal::open(dir.path()).unwrap();
            prop_assert!(read.len() < payloads.len());
            prop_assert_eq!(&read[..], &payloads[..read.len()]);
        }
    }

    #[test]
    fn a_rewrite_replaces_everything_and_appends_go_on() {
        let (dir, _) = written(&[b"one".to_vec(), b"two".to_vec()]);
        let (mut journal, _) = Journal::open(dir.path()).unwrap();
        journal.rewrite(&[b"three".to_vec()]).unwrap();
        journal.append(&[b"four".to_vec()], true).unwrap();
        assert_eq!(journal.bytes(), fs::metadata(dir.path().join("journal")).unwrap().len());
        drop(journal);
        let (_, read) = Journal::open(dir.path()).unwrap();
        assert_eq!(read, [b"three".to_vec(), b"four".to_vec()]);
    }

    #[test]
    fn a_rewrite_that_was_never_finished_is_cleared_away() {
        let (dir, _) = written(&[b"one".to_vec()]);
        let fresh = dir.path().join("journal.new");
        fs::write(&fresh, MAGIC).unwrap();
        let (_, read) = Journal::open(dir.path()).unwrap();
        assert_eq!((read, fresh.exists()), (vec![b"one".to_vec()], false));
    }

    #[test]
    fn another_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("journal"), "afterimage journal 2\nwhatever").unwrap();
        assert!(matches!(Journal::open(dir.path()), Err(Error::Format { .. })));
        assert!(fs::read(dir.path().join("journal")).unwrap().ends_with(b"whatever"));
    }

    #[test]
    fn damage_in_the_middle_is_kept_beside_it() {
        let (dir, mut content) = written(&[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
        content[MAGIC.len() + HEAD_BYTES] ^= 1;
        fs::write(dir.path().join("journal"), &content).unwrap();
        let (_, read) = Journal::open(dir.path()).unwrap();
        assert!(read.is_empty());
        assert!(fs::read(dir.path().join("journal.damaged")).unwrap().ends_with(b"three"));
    }
}
