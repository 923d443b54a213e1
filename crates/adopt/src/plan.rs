//! The plan: a file of JSON lines that a person reads, changes if they must, and confirms by its digest. What is confirmed is
//! what is deleted, line by line; nothing that is not in the layout can be put into it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use afterimage_store::inherited::Identity;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::layout::named;

/// The most lines of a plan: so many are held in memory.
pub(crate) const LINES_MAX: usize = 5_000_000;
/// The longest line, in bytes: a key of 1,024 bytes that is escaped, its original, its versions.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// The form that is written and read here.
const FORM: u32 = 1;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Do {
    /// It is deleted.
    Delete,
    /// It stays.
    Keep,
}

/// What a thing in the layout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Its original is there, and nothing speaks against it.
    Derivative,
    /// Nothing speaks against it, and no original is there: one that is gone, or it is an original itself.
    Orphan,
    /// Something speaks against it. It may be an original that is called so.
    Unclear,
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What is to be done.
    #[serde(rename = "do")]
    pub act: Do,
    /// What it is.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// The original that it was made of: the one that is there, or the one that the key names.
    pub original: String,
    /// Which thing; `None` where it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Identity>,
    /// What there is to say about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
}

/// What the lines are about, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always `dims`.
    pub adopt: String,
    /// The form of the file.
    pub form: u32,
    /// The place: `s3://BUCKET/PREFIX`, or a folder.
    pub place: String,
    /// When it was looked at, in milliseconds since 1970.
    pub at_ms: u64,
    /// How many keys there are in all.
    pub keys: u64,
    /// How many originals have derivatives.
    pub originals: u64,
    /// How many listings were asked for.
    pub lists: u64,
    /// How many things were read.
    pub reads: u64,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it is about.
    pub header: Header,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Why a file is no plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// A line cannot be what it says.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// It has more lines than are held in memory.
    #[error("more than {LINES_MAX} lines; make a plan for one prefix after the other")]
    TooLong,
}

impl Header {
    /// Of a place that was looked at now.
    pub(crate) fn new(place: &str, at_ms: u64) -> Self {
        let place = place.to_owned();
        Self { adopt: "dims".to_owned(), form: FORM, place, at_ms, keys: 0, originals: 0, lists: 0, reads: 0 }
    }
}

impl Line {
    /// What of it cannot be.
    fn mistake(&self) -> Option<&'static str> {
        if named(&self.key).is_none() {
            return Some("its key is in neither layout: this command deletes nothing else");
        }
        match &self.is {
            None if self.act == Do::Delete => Some("it was not looked at, so what it is cannot be compared; keep it"),
            Some(identity) if self.act == Do::Delete && identity.etag.len() < 3 => {
                Some("it has no ETag, so it cannot be deleted on a condition; keep it")
            }
            _ => None,
        }
    }
}

impl Plan {
    /// How many things of this kind are to be dealt with so, and their bytes.
    pub fn count(&self, kind: Kind, act: Do) -> (u64, u64) {
        let fitting = self.lines.iter().filter(|line| line.kind == kind && line.act == act);
        fitting.fold((0, 0), |(count, bytes), line| (count + 1, bytes + line.is.as_ref().map_or(0, |is| is.bytes)))
    }

    /// How many things go.
    pub fn doomed(&self) -> u64 {
        self.lines.iter().filter(|line| line.act == Do::Delete).count() as u64
    }

    /// Writes it to a new file, and says its digest.
    ///
    /// # Errors
    /// When there is a file of that name: it may have been confirmed.
    pub fn write(&self, path: &Path) -> io::Result<String> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut out = Digesting { inner: BufWriter::new(file), hash: Sha256::new() };
        serde_json::to_writer(&mut out, &self.header)?;
        out.write_all(b"\n")?;
        for line in &self.lines {
            serde_json::to_writer(&mut out, line)?;
            out.write_all(b"\n")?;
        }
        let digest = hex(&out.hash.finalize());
        out.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(digest)
    }

    /// Reads one, and says the digest of what was read.
    ///
    /// # Errors
    /// The first line that cannot be what it says.
    pub fn read(path: &Path) -> Result<(Self, String), crate::Error> {
        let failed = |error| crate::Error::File(path.to_owned(), error);
        let mut input = BufReader::new(File::open(path).map_err(failed)?);
        let (mut hash, mut text, mut number) = (Sha256::new(), Vec::new(), 0);
        let (mut header, mut lines, mut known) = (None, Vec::new(), HashSet::new());
        loop {
            text.clear();
            number += 1;
            let read = io::Read::take(&mut input, LINE_BYTES_MAX).read_until(b'\n', &mut text).map_err(failed)?;
            if read == 0 {
                break;
            }
            hash.update(&text);
            let wrong = |why: String| PlanError::Line { line: number, why };
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if header.is_none() {
                header = Some(read_header(&text).map_err(wrong)?);
                continue;
            }
            let line: Line = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
            if let Some(why) = line.mistake() {
                return Err(wrong(format!("{}: {why}", line.key)).into());
            }
            if !known.insert(line.key.clone()) {
                return Err(wrong(format!("{}: it is there twice", line.key)).into());
            }
            if lines.len() == LINES_MAX {
                return Err(PlanError::TooLong.into());
            }
            lines.push(line);
        }
        let header =
            header.ok_or_else(|| PlanError::Line { line: 1, why: "the file is empty, so it is no plan".to_owned() })?;
        Ok((Self { header, lines }, hex(&hash.finalize())))
    }
}

fn read_header(text: &[u8]) -> Result<Header, String> {
    let header: Header = serde_json::from_slice(text).map_err(|error| format!("it begins no plan: {error}"))?;
    if header.adopt != "dims" || header.form != FORM {
        return Err(format!("it is of the form {} {}; this version reads dims {FORM}", header.adopt, header.form));
    }
    Ok(header)
}

struct Digesting<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, act: Do) -> Line {
        let is = Identity { etag: "\"e\"".into(), bytes: 3, modified_s: 1, versions: Vec::new() };
        let original = named(key).map_or_else(|| "x".to_owned(), |named| named.original);
        Line { act, kind: Kind::Derivative, key: key.to_owned(), original, is: Some(is), why: vec!["so".into()] }
    }

    #[test]
    fn what_is_written_is_read_and_the_digest_is_the_file_s() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan");
        let odd = "i/100x100/jpg/a \"\n\t\u{1f600}.jpg";
        let mut plan = Plan { header: Header::new("s3://b/", 7), lines: vec![line(odd, Do::Delete)] };
        plan.lines.push(Line { is: None, ..line("100x100/b.jpg", Do::Keep) });
        let digest = plan.write(&path).unwrap();
        assert_eq!(Plan::read(&path).unwrap(), (plan.clone(), digest.clone()));
        assert_eq!(digest, afterimage_identity::digest_hex(&std::fs::read(&path).unwrap()));
        assert_eq!((plan.count(Kind::Derivative, Do::Delete), plan.doomed()), ((1, 3), 1));
        assert!(plan.write(&path).is_err(), "a plan is never written over");
    }

    #[test]
    fn a_plan_that_was_made_to_say_more_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let read = |lines: &[Line]| {
            let path = dir.path().join("plan");
            let _ = std::fs::remove_file(&path);
            Plan { header: Header::new("s3://b/", 7), lines: lines.to_vec() }.write(&path).unwrap();
            Plan::read(&path).map(|(plan, _)| plan.lines.len()).map_err(|error| error.to_string())
        };
        let good = line("100x100/a.jpg", Do::Delete);
        assert_eq!(read(std::slice::from_ref(&good)), Ok(1));
        let no_etag = Identity { etag: "\"\"".into(), ..Identity::default() };
        for (lines, words) in [
            (vec![line("a.jpg", Do::Delete)], "line 2: a.jpg: its key is in neither layout"),
            (vec![line("a-200x200.jpg", Do::Keep)], "neither layout"),
            (vec![good.clone(), Line { is: None, ..line("100x100/b.jpg", Do::Delete) }], "line 3"),
            (vec![Line { is: Some(no_etag), ..good.clone() }], "no ETag"),
            (vec![good.clone(), good.clone()], "twice"),
        ] {
            assert!(read(&lines).unwrap_err().contains(words), "{lines:?}");
        }
        let path = dir.path().join("other");
        for (text, words) in
            [("", "empty"), ("{}\n", "begins no plan"), ("{\"adopt\":\"dims\"}", "begins no plan"), ("x\n", "line 1")]
        {
            std::fs::write(&path, text).unwrap();
            assert!(Plan::read(&path).unwrap_err().to_string().contains(words), "{text}");
        }
    }
}
