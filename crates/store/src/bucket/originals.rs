//! Originals in a bucket, to read and nothing else. That one is gone is said only by a bucket that has shown at start
//! that it would say so.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afterimage_identity::{BoxFuture, KeyError, OriginalKey, Unprovable, Version};

use tokio::sync::OnceCell;

use super::Config;
use super::connection::{Bucket, aside};
use super::failure::{Failure, Why};
use super::standing::{Versioning, versioning};
use crate::{Error, Listed, Meta, Object, Page, Read, Refusal, Stat};

/// [`Read`] over the originals of a bucket.
///
/// A key is what comes after the prefix, exactly as it is in the bucket. The version is made of the ETag: a new content has
/// a new one, whatever it is computed from (MD5 of the body, of its parts, or anything where a key of KMS is used), and the
/// same answer carries it with the body and, in listings, with the key.
pub struct BucketOriginals {
    bucket: Bucket,
    /// What the bucket keeps, once it has shown that it tells what is not there.
    proven: OnceCell<Option<Versioning>>,
    skipped: AtomicU64,
}

impl BucketOriginals {
    /// Opens the bucket, and has it prove that it tells what is not there. Blocks until it has answered, at most for the
    /// time that the limits give to a few calls.
    ///
    /// # Errors
    /// [`Error::Io`] with the remedy: nothing answers, there is no such bucket, or the caller may not list it and so cannot
    /// tell a lost original from a forbidden one.
    pub fn open(config: &Config) -> Result<Self, Error> {
        aside(async {
            let seen = prove(&Bucket::connect(config).await).await?;
            // The proof's connections end with its runtime.
            let bucket = Bucket::connect(config).await;
            Ok(Self { bucket, proven: OnceCell::new_with(Some(seen)), skipped: AtomicU64::new(0) })
        })
    }

    /// As [`open`](Self::open), without a word to the bucket yet, for a process that has no time when it starts: the proof is
    /// asked for before the first original is called gone.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no client to be had.
    pub fn open_unasked(config: &Config) -> Result<Self, Error> {
        // What reads the settings makes no connection that would be kept.
        let bucket = aside(async { Ok(Bucket::connect(config).await) })?;
        Ok(Self { bucket, proven: OnceCell::new(), skipped: AtomicU64::new(0) })
    }

    /// Has the bucket prove that it tells what is not there, unless it did.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn show(&self) -> Result<(), Error> {
        self.proven.get_or_try_init(|| prove(&self.bucket)).await.map(drop)
    }

    /// How many keys listings have passed over because no URL can name them: with an empty, `.`, `..` or `-` segment, or
    /// with control characters.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// What of a deleted original the bucket itself may still give back; `None` where it keeps no earlier versions.
    pub fn recoverable(&self) -> Option<String> {
        let place = &self.bucket.place;
        match self.proven.get().copied().flatten() {
            Some(Versioning::Never) => None,
            Some(Versioning::Kept) => Some(format!("earlier versions of the original in {place}, which is versioned")),
            None => Some(format!("earlier versions of the original in {place}, if it is versioned: we may not look")),
        }
    }

    /// What an answer that an original is gone is worth: nothing before the bucket has shown that it tells what is not there.
    async fn proven(&self, error: Error) -> Error {
        if error != Error::NotFound {
            return error;
        }
        match self.proven.get_or_try_init(|| prove(&self.bucket)).await {
            Ok(_) => Error::NotFound,
            Err(why) => {
                tracing::error!(%why, "an original is not found, and that proves nothing");
                Error::Unprovable(Unprovable::Refused)
            }
        }
    }

    fn key(&self, key: &str) -> Result<String, Error> {
        match OriginalKey::new(key) {
            Ok(_) => self.bucket.place.key(key),
            Err(KeyError::TooLong { .. }) => Err(Error::Refused { why: Refusal::KeyTooLong }),
            Err(_) => Err(Error::Refused { why: Refusal::NotAKey }),
        }
    }
}

/// Asks for a key that nobody has, and for a listing.
async fn prove(bucket: &Bucket) -> Result<Option<Versioning>, Error> {
    let place = &bucket.place;
    let io = |why: String| Error::Io { why };
    let nobodys = bucket.nobodys_key();
    // One after the other they would be the longest part of a function's start.
    let (found, listed, kept) =
        tokio::join!(bucket.head(&nobodys), bucket.keys(place.prefix(), None, 1), versioning(bucket));
    match found {
        Err(Failure { why: Why::Absent, .. }) => {}
        Err(Failure { why: Why::Refused, words, .. }) => {
            return Err(io(format!(
                "{place}: a question about a key that is not there is refused ({words}), so a lost original could not \
                 be told from a forbidden one; allow s3:ListBucket and s3:GetObject"
            )));
        }
        Err(failure) => return Err(io(format!("{place}: {}", failure.words))),
        Ok(_) => return Err(io(format!("{place}: it says that a key exists which nobody can have written"))),
    }
    listed.map_err(|failure| io(format!("{place}: it cannot be listed ({}); allow s3:ListBucket", failure.words)))?;
    match kept {
        Ok(versioning) => Ok(Some(versioning)),
        Err(failure) => {
            tracing::info!(%place, answer = failure.words, "whether earlier versions are kept cannot be learnt");
            Ok(None)
        }
    }
}

fn stat(etag: Option<&str>, bytes: u64) -> Result<Stat, Error> {
    let no_etag = || Error::Unprovable(Unprovable::Other("the bucket answers without an ETag".into()));
    let version = Version::of_validator(etag.filter(|etag| !etag.is_empty()).ok_or_else(no_etag)?);
    // A bucket shows whole objects only, and belongs to whoever configured it.
    Ok(Stat { version, bytes, settled: true, storable: true, age: Duration::ZERO })
}

impl Read for BucketOriginals {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            let key = self.key(key)?;
            let head = match self.bucket.head(&key).await {
                Ok(head) => head,
                Err(failure) => return Err(self.proven(failure.of_reading()).await),
            };
            let bytes = head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            stat(head.e_tag(), bytes)
        })
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let key = self.key(key)?;
            let permit = self.bucket.transfers.acquire().await;
            let _permit = permit.map_err(|error| Error::Io { why: error.to_string() })?;
            let (object, body) = match self.bucket.get(&key, bytes_max).await {
                Ok(got) => got,
                Err(got) => return Err(self.proven(got.into_error(bytes_max, Failure::of_reading)).await),
            };
            let stat = stat(object.e_tag(), body.len() as u64)?;
            let media_type = object.content_type().map(str::to_owned);
            let meta = Meta { media_type, version: Some(stat.version.clone()), ..Meta::default() };
            Ok(Object { stat, meta, body })
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            let own = self.bucket.place.prefix();
            let after = after.filter(|after| !after.is_empty()).map(|after| format!("{own}{after}"));
            let listed = self.bucket.keys(&format!("{own}{prefix}"), after.as_deref(), limit).await;
            let (keys, more) = listed.map_err(Failure::of_reading)?;
            let own_key = |key: &str| key.strip_prefix(own).unwrap_or(key).to_owned();
            let next = keys.last().filter(|_| more).map(|listed| own_key(&listed.key));
            let mut entries = Vec::with_capacity(keys.len());
            for listed in keys {
                let key = own_key(&listed.key);
                if OriginalKey::new(&key).is_ok() {
                    entries.push(Listed { key, ..listed });
                } else {
                    self.skipped.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(key, "not an original: no URL can name it");
                }
            }
            Ok(Page { entries, next })
        })
    }
}
