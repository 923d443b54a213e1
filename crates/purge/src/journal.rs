//! The durable record of purges: one file of lines, each with its own checksum. Written before derivatives are deleted,
//! read by the process after a crash, and at the same time the book of receipts.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use afterimage_identity::{Receipt, ReceiptState, digest_hex};

use crate::Error;

/// The first line of the file; another format has another.
const HEADER: &str = "afterimage journal 1";
/// How large the file grows before it is rewritten, in bytes.
pub const JOURNAL_BYTES_MAX: u64 = 32 << 20;

/// The journal, open.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    receipts_max: usize,
    receipts: BTreeMap<u64, Receipt>,
    next: u64,
}

impl Journal {
    /// Reads what is there; a torn last line is what a crash leaves and is dropped.
    pub(crate) fn open(directory: &Path, receipts_max: usize) -> Result<Self, Error> {
        let path = directory.join("journal");
        let failed = |error: &dyn std::fmt::Display| Error::Journal { path: path.clone(), why: error.to_string() };
        std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(&error)),
        };
        let receipts = read(&bytes).map_err(|why| failed(&why))?;
        let next = receipts.keys().next_back().map_or(1, |last| last + 1);
        let file = rewrite(&path, &receipts, receipts_max).map_err(|error| failed(&error))?;
        let bytes = file.metadata().map_err(|error| failed(&error))?.len();
        let mut journal = Self { path: path.clone(), file, bytes, receipts_max, receipts, next };
        journal.forget_old();
        Ok(journal)
    }

    /// The number of a new receipt.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Writes a receipt as it stands now. `sync`: not before it is on the disk does this return.
    pub(crate) fn write(&mut self, receipt: &Receipt, sync: bool) -> Result<(), Error> {
        let line = line(receipt);
        let written = self.file.write_all(line.as_bytes()).and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        written.map_err(|error| Error::Journal { path: self.path.clone(), why: error.to_string() })?;
        self.bytes += line.len() as u64;
        self.receipts.insert(receipt.id, receipt.clone());
        self.forget_old();
        if self.bytes > JOURNAL_BYTES_MAX {
            let rewritten = rewrite(&self.path, &self.receipts, self.receipts_max);
            self.file = rewritten.map_err(|error| Error::Journal { path: self.path.clone(), why: error.to_string() })?;
            // What does not shrink must not be rewritten again at once.
            self.bytes = 0;
        }
        Ok(())
    }

    /// Unfinished purges are never forgotten.
    fn forget_old(&mut self) {
        while self.receipts.len() > self.receipts_max {
            let oldest = self.receipts.iter().find(|(_, receipt)| is_over(receipt)).map(|(id, _)| *id);
            match oldest {
                Some(id) => self.receipts.remove(&id),
                None => break,
            };
        }
    }

    pub(crate) fn receipt(&self, id: u64) -> Option<&Receipt> {
        self.receipts.get(&id)
    }

    /// The newest first.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = &Receipt> {
        self.receipts.values().rev()
    }

    /// What a process before this one began and did not finish.
    pub(crate) fn unfinished(&self) -> Vec<Receipt> {
        self.receipts.values().filter(|receipt| !is_over(receipt) && receipt.state != ReceiptState::Held).cloned().collect()
    }
}

fn is_over(receipt: &Receipt) -> bool {
    receipt.state == ReceiptState::Done
}

fn line(receipt: &Receipt) -> String {
    // A receipt holds strings and numbers only; those always become JSON.
    let json = serde_json::to_string(receipt).unwrap_or_default();
    format!("{} {json}\n", &digest_hex(json.as_bytes())[..16])
}

fn read(bytes: &[u8]) -> Result<BTreeMap<u64, Receipt>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    match lines.next() {
        None => return Ok(BTreeMap::new()),
        Some(HEADER) => {}
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            return Err(format!("it begins with `{shown}` and not with `{HEADER}`; move it away to start afresh"));
        }
    }
    let mut receipts = BTreeMap::new();
    for line in lines {
        let Some(receipt) = parse(line) else {
            tracing::warn!("a damaged line in the journal is left out");
            continue;
        };
        receipts.insert(receipt.id, receipt);
    }
    Ok(receipts)
}

fn parse(line: &str) -> Option<Receipt> {
    let (digest, json) = line.split_once(' ')?;
    if digest_hex(json.as_bytes())[..16] != *digest {
        return None;
    }
    serde_json::from_str(json).ok()
}

/// Writes a fresh file beside the old one and renames it over: at every moment one of them is whole.
fn rewrite(path: &Path, receipts: &BTreeMap<u64, Receipt>, receipts_max: usize) -> std::io::Result<File> {
    let temporary = path.with_extension("new");
    let mut text = format!("{HEADER}\n");
    let skip = receipts.len().saturating_sub(receipts_max);
    for (place, receipt) in receipts.values().enumerate() {
        if place >= skip || !is_over(receipt) {
            text.push_str(&line(receipt));
        }
    }
    std::fs::write(&temporary, text)?;
    File::open(&temporary)?.sync_all()?;
    std::fs::rename(&temporary, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{FoundBy, SourceId, Subject};

    use super::*;

    fn receipt(id: u64, state: ReceiptState) -> Receipt {
        Receipt {
            id,
            subject: Subject::Everything { source: SourceId::default() },
            reason: "gone".into(),
            found_by: FoundBy::Scan,
            state,
            heard_at_ms: id,
            fenced_at_ms: None,
            clean_at_ms: None,
            done_at_ms: None,
            sequence: None,
            entries_matched: 0,
            fills_overlapping: 0,
            removed: Vec::new(),
            removed_count: 0,
            layers: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_is_read_and_the_last_word_counts() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path(), 10).unwrap();
        let id = journal.number();
        journal.write(&receipt(id, ReceiptState::Planned), true).unwrap();
        journal.write(&receipt(id, ReceiptState::Done), true).unwrap();
        let other = journal.number();
        journal.write(&receipt(other, ReceiptState::Fenced), true).unwrap();
        drop(journal);
        let mut journal = Journal::open(directory.path(), 10).unwrap();
        assert_eq!(journal.unfinished(), [receipt(other, ReceiptState::Fenced)]);
        assert_eq!(journal.number(), other + 1);
    }

    #[test]
    fn a_torn_tail_costs_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path(), 10).unwrap();
        for id in 1..=3 {
            journal.write(&receipt(id, ReceiptState::Done), true).unwrap();
        }
        let path = directory.path().join("journal");
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..80 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(Journal::open(directory.path(), 10).unwrap().receipts().count(), if cut == 1 { 3 } else { 2 });
        }
    }

    #[test]
    fn old_receipts_go_and_unfinished_ones_stay() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path(), 2).unwrap();
        journal.write(&receipt(1, ReceiptState::Planned), false).unwrap();
        for id in 2..=5 {
            journal.write(&receipt(id, ReceiptState::Done), false).unwrap();
        }
        let ids = |journal: &Journal| journal.receipts().map(|receipt| receipt.id).collect::<Vec<_>>();
        assert_eq!(ids(&journal), [5, 1]);
        drop(journal);
        assert_eq!(ids(&Journal::open(directory.path(), 2).unwrap()), [5, 1]);
    }

    #[test]
    fn another_format_is_refused_and_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("journal"), "something else\n").unwrap();
        assert!(Journal::open(directory.path(), 2).is_err());
        assert_eq!(std::fs::read(directory.path().join("journal")).unwrap(), b"something else\n");
    }
}
