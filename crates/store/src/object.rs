//! What an object at rest is, and the two traits through which everybody else sees one. Five required methods in all; a
//! store never interprets a body and never knows why it is asked.

use std::collections::BTreeMap;
use std::time::Duration;

use afterimage_identity::{Absence, BoxFuture, CacheTag, Original, Revision, Version};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The most that [`Meta`] may take as JSON together with the key, in bytes.
pub const META_BYTES_MAX: usize = 64 * 1024;
/// The most entries that one [`Page`] holds, whatever was asked for.
pub const PAGE_ENTRIES_MAX: usize = 100_000;

/// What is known of an object without reading its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Tells two bodies of one key apart: for directories and memory, the digest of the body.
    pub version: Version,
    /// The length of the body; 0 where a source does not say it.
    pub bytes: u64,
    /// `false` while the object may still be being written: answer from it, but store nothing made of it.
    pub settled: bool,
    /// `false` where its source forbids that anybody stores it, or what is made of it.
    pub storable: bool,
    /// How old this answer is: more than nothing only where a cache stands before the source. Proofs are older by it.
    pub age: Duration,
}

impl Stat {
    /// Of an object on this machine: known now, and its owner's to store.
    pub fn local(version: Version, bytes: u64, settled: bool) -> Self {
        Self { version, bytes, settled, storable: true, age: Duration::ZERO }
    }
}

/// What is written beside a body, so that a derivative says where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The body's media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What a bucket that serves the object itself says of it as `Cache-Control`: visible ASCII.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// The original that the body was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// The version of that original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The revision of whatever made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// The cache tags it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<CacheTag>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}

/// A body with everything that is known of it. All of it belongs together: never the facts of one write and the bytes of
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What is known without the body.
    pub stat: Stat,
    /// What was written beside it.
    pub meta: Meta,
    /// The whole body.
    pub body: Bytes,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// What it takes at rest, in bytes: at least the body's length.
    pub bytes: u64,
    /// Where a listing says it: of two objects for which it is equal, the bodies are equal. Unequal, it says nothing.
    pub etag: Option<String>,
    /// Where a listing says it: when it was written, in seconds since 1970.
    pub written_s: Option<u64>,
}

impl Listed {
    /// What a place says that lists names and sizes alone.
    pub fn new(key: String, bytes: u64) -> Self {
        Self { key, bytes, etag: None, written_s: None }
    }
}

/// A part of a listing, in ascending byte order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub entries: Vec<Listed>,
    /// Where to go on: the `after` of the next call. `None` when this was all; `Some` may be followed by an empty page.
    pub next: Option<String>,
}

/// Reads objects at rest.
pub trait Read: Send + Sync {
    /// What is there now. Cheap: a source is asked this about each original once per validation window.
    ///
    /// # Errors
    /// [`Error::NotFound`] only where absence is proven.
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>>;

    /// The whole object, if its body has at most `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`stat`](Read::stat); [`Error::TooLarge`] before anything of the body is read.
    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>>;

    /// What was written beside the body. The whole object is read for it, unless a place knows a cheaper way.
    ///
    /// # Errors
    /// As [`stat`](Read::stat).
    fn meta<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Meta, Error>> {
        Box::pin(async move { self.get(key, u64::MAX).await.map(|object| object.meta) })
    }

    /// The keys that begin with `prefix` (any text, not only folders) and come after `after`, at most `limit` of them
    /// (at least 1, at most [`PAGE_ENTRIES_MAX`]).
    ///
    /// Never silently shorter: what was there before the first call and after the last is in one of the pages.
    ///
    /// # Errors
    /// Whenever a part of what was asked for could not be looked at.
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>>;

    /// Whether [`get`](Read::get) finds the body on this machine, in less time than it takes to make something of it: then it is not
    /// worth memory to read ahead.
    fn is_near(&self, key: &str) -> bool {
        let _ = key;
        false
    }

    /// Whether [`Error::NotFound`] can be said at all: a place on another machine finds out by asking for
    /// [`absent_key`](afterimage_identity::absent_key), unless it knows, and until it does it answers
    /// [`Error::Unprovable`] instead. Cheap once it is known. A place on this machine sees for itself.
    fn absence(&self) -> BoxFuture<'_, Absence> {
        Box::pin(std::future::ready(Absence::Proven))
    }
}

/// Writes and deletes objects at rest.
pub trait Write: Read {
    /// Stores an object, whole or not at all; replaces what was there. A key that is the folder of another key
    /// (`a` beside `a/b`) is outside the contract.
    ///
    /// # Errors
    /// [`Error::Full`] when there is no room even after evicting, which may have taken what was there before.
    fn put<'a>(&'a self, key: &'a str, meta: Meta, body: Bytes) -> BoxFuture<'a, Result<Stat, Error>>;

    /// Deletes each of `keys` and says of each, in their order, whether it was there. One that fails does not hinder the
    /// others.
    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<bool, Error>>>;
}
