//! What the bucket in this process holds, versions and markers included, and what is ordered to go wrong with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use s3s::dto::Metadata;
use s3s::{S3ErrorCode, S3Result, s3_error};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered with this.
    Code(S3ErrorCode),
    /// It does its work, and is answered with this all the same.
    Late(S3ErrorCode),
    /// It takes so long, and nothing else.
    Slow(std::time::Duration),
    /// It is never answered.
    Silence,
    /// Its body ends after so many bytes, with the length of the whole announced.
    Cut(usize),
    /// Nothing comes behind so many bytes of its body, and the connection stays.
    Stalled(usize),
    /// One letter of its body is another.
    Flipped,
    /// It says that its part begins a byte before the one that was asked for.
    Shifted,
    /// Somebody writes this in the moment before, or deletes it.
    Replaced(Option<Bytes>),
    /// Keys that end so are refused with this code, in an answer of 200.
    Part(&'static str, S3ErrorCode),
    /// Keys that end so are not spoken of.
    Unsaid(&'static str),
}

/// One version of an object.
#[derive(Clone)]
pub struct Version {
    /// `null` where versions are not kept.
    pub id: String,
    /// `None` is a delete marker.
    pub body: Option<Bytes>,
    /// As it was written.
    pub content_type: Option<String>,
    /// As it was written.
    pub metadata: Option<Metadata>,
    /// As it was written.
    pub cache_control: Option<String>,
    /// In seconds since 1970.
    pub written_s: u64,
}

/// What the bucket holds, and how it behaves.
#[derive(Default)]
pub struct State {
    /// By key, the newest version last.
    pub objects: BTreeMap<String, Vec<Version>>,
    /// `Enabled`, `Suspended`, or never switched on.
    pub versioning: Option<&'static str>,
    /// Whether deleting a version takes a second factor.
    pub mfa_delete: bool,
    /// Whether a lock retains whatever is written.
    pub retains: bool,
    /// Whether there is no such bucket any more.
    pub is_lost: bool,
    /// Whether a missing key is refused instead of missed, as without `s3:ListBucket`.
    pub hides_absence: bool,
    /// Whether it does not know of bulk deletion.
    pub no_bulk: bool,
    /// Whether ranges are overlooked, as servers may.
    pub knows_no_ranges: bool,
    /// Whether it has a checksum of each object.
    pub has_checksums: bool,
    /// Where each range began that was asked for.
    pub ranges: Vec<u64>,
    /// Whether `If-Match` is overlooked, as servers do that do not know it.
    pub heeds_no_condition: bool,
    /// Somebody writes this in the moment before the next deletion.
    pub race: Option<(String, Bytes)>,
    /// What goes wrong, in turn: with which call, how, how often still.
    pub faults: Vec<(&'static str, Fault, usize)>,
    /// What was called.
    pub calls: Vec<String>,
    made: u64,
}

impl State {
    /// The next `times` calls of this name go wrong.
    pub fn fail(&mut self, call: &'static str, fault: Fault, times: usize) {
        self.faults.push((call, fault, times));
    }

    /// How often it was called so.
    pub fn count(&self, call: &str) -> usize {
        self.calls.iter().filter(|called| *called == call).count()
    }

    /// Everything stored, markers and hidden versions included.
    pub fn versions(&self) -> usize {
        self.objects.values().map(Vec::len).sum()
    }

    /// Writes an object of which nothing else is known.
    pub fn write(&mut self, key: &str, body: &[u8]) {
        self.put(key, Some(Bytes::copy_from_slice(body)), None, None);
    }

    /// As the published functions write.
    pub fn write_derived(&mut self, key: &str, body: &[u8]) {
        self.put(key, Some(Bytes::copy_from_slice(body)), Some("image/png".to_owned()), None);
        if let Some(version) = self.objects.get_mut(key).and_then(|versions| versions.last_mut()) {
            version.cache_control = Some("max-age=31536000".to_owned());
        }
    }

    /// As anybody deletes who does not know of versions.
    pub fn delete_plainly(&mut self, key: &str) {
        self.remove(key, None);
    }

    /// Writes a version; without a body, a delete marker.
    pub fn put(&mut self, key: &str, body: Option<Bytes>, content_type: Option<String>, metadata: Option<Metadata>) {
        self.made += 1;
        let id = if self.versioning == Some("Enabled") { format!("v{}", self.made) } else { "null".to_owned() };
        let versions = self.objects.entry(key.to_owned()).or_default();
        versions.retain(|version| id != "null" || version.id != "null");
        let written_s = self.made;
        versions.push(Version { id, body, content_type, metadata, cache_control: None, written_s });
    }

    /// Deletes a version, or a key as its versioning has it.
    pub fn remove(&mut self, key: &str, version: Option<&str>) {
        match (version, self.versioning) {
            (Some(id), _) => {
                if let Some(versions) = self.objects.get_mut(key) {
                    versions.retain(|version| version.id != id);
                }
            }
            (None, Some(_)) => self.put(key, None, None, None),
            (None, None) => drop(self.objects.remove(key)),
        }
        self.objects.retain(|_, versions| !versions.is_empty());
    }

    /// One version.
    pub(super) fn version(&self, key: &str, id: &str) -> S3Result<Version> {
        let versions = self.objects.get(key).into_iter().flatten();
        versions
            .filter(|version| version.body.is_some())
            .find(|version| version.id == id)
            .cloned()
            .ok_or_else(|| s3_error!(NoSuchVersion))
    }

    /// What a question about a key is answered with.
    ///
    /// # Errors
    /// What the protocol answers where there is none.
    pub fn current(&self, key: &str) -> S3Result<Version> {
        let found = self.objects.get(key).and_then(|versions| versions.last());
        match found {
            Some(version) if version.body.is_some() => Ok(version.clone()),
            _ if self.hides_absence => Err(s3_error!(AccessDenied)),
            _ => Err(s3_error!(NoSuchKey)),
        }
    }
}
