//! Derivatives in a bucket: each the bytes of one picture, with what is known of it as headers. Whatever is deleted is
//! deleted with every version that the bucket keeps of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use afterimage_identity::{BoxFuture, Version};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::Config;
use super::connection::{Bucket, aside};
use super::facts::{self, Facts};
use super::failure::Failure;
use super::kept::{BucketKeep, KEPT_BEGINNING, KEPT_END};
use super::standing::{Versioning, standing};
use super::whole::Got;
use crate::{Error, Listed, Meta, Object, Page, Read, Stat, Write, keys};

/// [`Write`] over the derivatives of a bucket.
///
/// Its bytes are not bounded: a bucket keeps no record of what was used last. What is to be forgotten after a while says a
/// lifecycle rule of the bucket; what is gone is made again.
pub struct BucketDerivatives {
    bucket: Bucket,
    /// What deleting takes here, once that is known.
    versioning: Arc<OnceCell<Versioning>>,
}

impl BucketDerivatives {
    /// Opens the bucket, and has it prove that something can be written, read and deleted there with nothing left of it.
    /// Blocks until it has answered.
    ///
    /// # Errors
    /// [`Error::Io`] with the remedy, when a right is missing or what is deleted would stay.
    pub fn open(config: &Config) -> Result<Self, Error> {
        aside(async {
            let first = Bucket::connect(config).await;
            let versioning = standing(&first).await?;
            let place = config.place.clone();
            let known = || Arc::new(OnceCell::new_with(Some(versioning)));
            Self { bucket: first, versioning: known() }
                .prove()
                .await
                .map_err(|error| Error::Io { why: format!("{place}: {error}") })?;
            // The proof's connections end with its runtime.
            Ok(Self { bucket: Bucket::connect(config).await, versioning: known() })
        })
    }

    /// Small records of whoever deletes these derivatives, kept beside them: no listing here shows them.
    pub fn keep(&self) -> BucketKeep {
        BucketKeep::new(self.bucket.clone(), self.versioning.clone())
    }

    /// As [`open`](Self::open), without a word to the bucket yet, for a process that has no time when it starts: what deleting takes is
    /// asked before the first listing or deletion, and a right that is missing is found when it is used.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no client to be had.
    pub fn open_unasked(config: &Config) -> Result<Self, Error> {
        // What reads the settings makes no connection that would be kept.
        let bucket = aside(async { Ok(Bucket::connect(config).await) })?;
        Ok(Self { bucket, versioning: Arc::default() })
    }

    /// Has the bucket say what deleting takes, unless it did.
    ///
    /// # Errors
    /// [`Error::Io`] with the remedy, when what is deleted would stay or nobody can tell.
    pub async fn show(&self) -> Result<(), Error> {
        self.versioning().await.map(drop)
    }

    async fn versioning(&self) -> Result<Versioning, Error> {
        self.versioning.get_or_try_init(|| standing(&self.bucket)).await.copied()
    }

    async fn prove(&self) -> Result<(), Error> {
        let whole = self.bucket.nobodys_key();
        let key = whole.strip_prefix(self.bucket.place.prefix()).unwrap_or(&whole);
        self.put(key, Meta::default(), Bytes::from_static(b"probe")).await?;
        self.get(key, 5).await?;
        for result in self.delete(&[key.to_owned()]).await {
            if !result? {
                return Err(Error::Io { why: "what was just written is not listed".into() });
            }
        }
        match self.list(key, None, 1).await?.entries.first() {
            Some(_) => Err(Error::Io { why: "what was just deleted is still there".into() }),
            None => Ok(()),
        }
    }

    async fn get_once(&self, key: &str, bytes_max: u64) -> Result<(Object, bool), Error> {
        let got = self.bucket.get(key, bytes_max).await;
        let (object, body) = got.map_err(|got: Got| got.into_error(bytes_max, Failure::of_writing))?;
        let Facts { mut meta, sha256 } = ours(key, facts::decode(object.content_type(), object.metadata()))?;
        meta.cache_control = object.cache_control().map(str::to_owned);
        let stat = Stat::local(Version::of_sha256(&sha256), body.len() as u64, true);
        let is_whole = <[u8; 32]>::from(Sha256::digest(&body)) == sha256;
        Ok((Object { stat, meta, body }, is_whole))
    }
}

/// What somebody else put here is not a derivative; the next put replaces it.
fn ours(key: &str, facts: Option<Facts>) -> Result<Facts, Error> {
    if facts.is_none() {
        tracing::warn!(key, "an object in the place of derivatives was not written by us");
    }
    facts.ok_or(Error::NotFound)
}

impl Read for BucketDerivatives {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            keys::check(key)?;
            let head = self.bucket.head(&self.bucket.place.key(key)?).await.map_err(Failure::of_writing)?;
            let Facts { sha256, .. } = ours(key, facts::decode(head.content_type(), head.metadata()))?;
            let bytes = head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            Ok(Stat::local(Version::of_sha256(&sha256), bytes, true))
        })
    }

    fn meta<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Meta, Error>> {
        Box::pin(async move {
            keys::check(key)?;
            let head = self.bucket.head(&self.bucket.place.key(key)?).await.map_err(Failure::of_writing)?;
            let Facts { mut meta, .. } = ours(key, facts::decode(head.content_type(), head.metadata()))?;
            meta.cache_control = head.cache_control().map(str::to_owned);
            Ok(meta)
        })
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            keys::check(key)?;
            let whole = self.bucket.place.key(key)?;
            let permit = self.bucket.transfers.acquire().await;
            let _permit = permit.map_err(|error| Error::Io { why: error.to_string() })?;
            // The second time tells damage at rest from damage on the way.
            for _ in 0..2 {
                let (object, is_whole) = self.get_once(&whole, bytes_max).await?;
                if is_whole {
                    return Ok(object);
                }
            }
            tracing::warn!(key, "a stored derivative is damaged; it is dropped");
            for result in self.delete(&[key.to_owned()]).await {
                result?;
            }
            Err(Error::Corrupt { why: "its body is not the one it was written with".into() })
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            let own = self.bucket.place.prefix();
            let after = after.filter(|after| !after.is_empty()).map(|after| format!("{own}{after}"));
            let prefix = format!("{own}{prefix}");
            let listed = match self.versioning().await? {
                Versioning::Never => self.bucket.keys(&prefix, after.as_deref(), limit).await,
                Versioning::Kept => self.bucket.keys_of_versions(&prefix, after.as_deref(), limit).await,
            };
            let (keys, more) = listed.map_err(Failure::of_writing)?;
            let own_key = |key: String| key.strip_prefix(own).map(str::to_owned).unwrap_or(key);
            let listed = |listed: Listed| Listed { key: own_key(listed.key), ..listed };
            let mut entries: Vec<Listed> = keys.into_iter().map(listed).collect();
            let is_kept = |listed: &Listed| listed.key.starts_with(KEPT_BEGINNING);
            let last = entries.last().filter(|_| more);
            // However many records there are, one page of them is enough.
            let next = last.map(|last| if is_kept(last) { KEPT_END.to_owned() } else { last.key.clone() });
            entries.retain(|listed| !is_kept(listed));
            Ok(Page { entries, next })
        })
    }
}

impl Write for BucketDerivatives {
    fn put<'a>(&'a self, key: &'a str, meta: Meta, body: Bytes) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            keys::check(key)?;
            let whole = self.bucket.place.key(key)?;
            let sha256: [u8; 32] = Sha256::digest(&body).into();
            let headers = facts::encode(key, &meta, &sha256)?;
            let permit = self.bucket.transfers.acquire().await;
            let _permit = permit.map_err(|error| Error::Io { why: error.to_string() })?;
            let stat = Stat::local(Version::of_sha256(&sha256), body.len() as u64, true);
            // The signature covers a digest of the body: what arrives is what was sent, or is refused. No condition: a
            // derivative's name has version and revision in it, so whoever else writes it writes the same picture; a copy's has
            // not, and a condition would keep an old one from being replaced.
            let call = self.bucket.client.put_object().bucket(self.bucket.place.bucket()).key(whole);
            let call = call.set_content_type(headers.content_type).set_metadata(Some(headers.metadata));
            let call = call.set_cache_control(meta.cache_control);
            let put = call.body(ByteStream::from(body)).send().await;
            put.map_err(|error| Failure::of("PutObject", error).of_writing())?;
            Ok(stat)
        })
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        Box::pin(async move {
            let whole = |key: &String| keys::check(key).and_then(|()| self.bucket.place.key(key));
            let named: Vec<Result<String, Error>> = keys.iter().map(whole).collect();
            let good: BTreeSet<String> = named.iter().filter_map(|key| key.clone().ok()).collect();
            let versioning = match self.versioning().await {
                Ok(versioning) => versioning,
                Err(error) => return keys.iter().map(|_| Err(error.clone())).collect(),
            };
            let mut done = self.bucket.delete(good, versioning).await;
            let mut result = |key: String| match done.remove(&key) {
                Some(result) => result.map_err(|failure| match failure.of_writing() {
                    Error::Io { why } => Error::Io { why: format!("{key}: {why}") },
                    error => error,
                }),
                // Named twice: the first one took it.
                None => Ok(false),
            };
            named.into_iter().map(|key| key.and_then(&mut result)).collect()
        })
    }
}
