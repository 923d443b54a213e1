//! A place that somebody else's functions wrote their derivatives into, beside the originals. It is the one way by which
//! anything but a derivative of our own can be deleted, one named thing at a time, and only while it is exactly what was
//! seen before. It belongs to `afterimage reconcile --adopt` alone: a rule of the workspace keeps every other crate away
//! from it (decision 0010).

mod folder;

use afterimage_identity::BoxFuture;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Error;
#[cfg(feature = "s3")]
pub use crate::bucket::InheritedBucket;
pub use folder::InheritedFolder;

/// One key of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// The key below the place.
    pub key: String,
    /// The bytes of what is there now.
    pub bytes: u64,
    /// Whether nothing is there now but what a versioned bucket keeps of it.
    pub is_hidden: bool,
}

/// A part of a listing, in ascending byte order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenPage {
    /// The lines.
    pub seen: Vec<Seen>,
    /// Whether there may be more.
    pub more: bool,
}

/// One version of a key in a bucket that keeps them. A delete marker has no ETag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InheritedVersion {
    /// The bucket's name for it.
    pub id: String,
    /// What tells its content, quotes included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// What tells a thing from whatever else may have its key later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The ETag, quotes included; in a folder the digest of the content.
    pub etag: String,
    /// The bytes.
    pub bytes: u64,
    /// When it was written, in seconds since 1970; 0 where the place does not say.
    pub modified_s: i64,
    /// Everything the bucket keeps of the key, where it keeps versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<InheritedVersion>,
}

/// A thing and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Which thing.
    pub identity: Identity,
    /// What it was written with; `None` where the place keeps no such thing.
    pub headers: Option<Headers>,
    /// The body.
    pub body: Bytes,
}

/// What an object was written with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Content-Type`.
    pub media_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// Whether there is metadata of the writer's own.
    pub has_metadata: bool,
}

/// What became of a thing that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, by this call.
    Deleted,
    /// It was not there any more.
    Gone,
    /// Something else has its key now. Nothing was touched.
    Changed,
    /// The place said no.
    Refused(String),
    /// It was tried and failed; trying again may help.
    Failed(String),
}

/// Whether a place looks at the condition of a conditional deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// It does: what changes at the last moment stays.
    Heeded,
    /// It does not. What was asked with is deleted.
    Ignored,
}

/// A place that somebody else wrote into.
pub trait Inherited: Send + Sync {
    /// The next keys after `after`.
    ///
    /// # Errors
    /// Whenever a part of the place could not be looked at.
    fn list<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SeenPage, Error>>;

    /// What is there now; of a hidden key, what was there last.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::TooLarge`] before anything of the body is read.
    fn look<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Look, Error>>;

    /// Asks whether conditions are heeded, with a deletion of `key` on a condition that cannot hold. Where they are not, `key`
    /// is gone afterwards; it was `identity` immediately before.
    ///
    /// # Errors
    /// In place of an answer: what became of `key`.
    fn conditions<'a>(&'a self, key: &'a str, identity: &'a Identity) -> BoxFuture<'a, Result<Conditions, Removal>>;

    /// Deletes `key` if it is still `identity`: looked at once more, and then on that condition.
    fn remove<'a>(&'a self, key: &'a str, identity: &'a Identity) -> BoxFuture<'a, Removal>;
}
