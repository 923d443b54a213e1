//! Small records in a bucket, below a name that no derivative can have. What is new is written with a condition, so that of
//! all who try one succeeds; that is all that those who share a journal need of each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use afterimage_identity::{BoxFuture, Keep, KeepError, Put};
use aws_sdk_s3::primitives::ByteStream;
use tokio::sync::OnceCell;

use super::connection::Bucket;
use super::failure::{Failure, Why};
use super::standing::{Versioning, standing};
use super::whole::Got;
use crate::keep::{RECORD_BYTES_MAX, check};

/// How keys of records begin. No key of an original has a segment `-`, and a derivative's name has one behind the key: what
/// begins so is neither.
pub const KEPT_BEGINNING: &str = "-/";
/// Behind everything that begins with [`KEPT_BEGINNING`].
pub(super) const KEPT_END: &str = "-0";
/// How often a condition may fail for reasons that pass.
const TRIES_MAX: usize = 5;

/// [`Keep`] in the bucket of derivatives, in front of their prefix: a bucket's lifecycle rules choose by how keys begin and
/// cannot leave anything out, so what lies behind `derivatives/` would expire with the derivatives, receipts too.
pub struct BucketKeep {
    bucket: Bucket,
    /// What deleting takes here, once that is known.
    versioning: Arc<OnceCell<Versioning>>,
}

fn failed(failure: Failure) -> KeepError {
    KeepError::Failed { why: failure.words }
}

impl BucketKeep {
    pub(super) fn new(bucket: Bucket, versioning: Arc<OnceCell<Versioning>>) -> Self {
        Self { bucket, versioning }
    }

    fn prefix(&self) -> String {
        format!("{KEPT_BEGINNING}{}", self.bucket.place.prefix())
    }

    fn key(&self, name: &str) -> Result<String, KeepError> {
        check(name)?;
        Ok(format!("{}{name}", self.prefix()))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeepError> {
        match self.bucket.get(key, RECORD_BYTES_MAX).await {
            Ok((_, body)) => Ok(Some(body.to_vec())),
            Err(Got::Nothing(Failure { why: Why::Absent, .. })) => Ok(None),
            Err(Got::Nothing(failure)) => Err(failed(failure)),
            Err(Got::TooLarge(bytes)) => Err(KeepError::Failed { why: format!("{key}: {bytes} bytes") }),
        }
    }

    async fn send(&self, key: &str, bytes: &[u8], put: Put) -> Result<(), Failure> {
        let call = self.bucket.client.put_object().bucket(self.bucket.place.bucket()).key(key);
        let call = call.set_if_none_match((put == Put::New).then(|| "*".to_owned()));
        let sent = call.body(ByteStream::from(bytes.to_vec())).send().await;
        sent.map(drop).map_err(|error| Failure::of("PutObject", error))
    }
}

impl Keep for BucketKeep {
    fn names<'a>(&'a self, beginning: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, KeepError>> {
        Box::pin(async move {
            let own = self.prefix();
            let whole = format!("{own}{beginning}");
            let (mut names, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
            loop {
                let room = limit - names.len();
                let (keys, more) = self.bucket.keys(&whole, after.as_deref(), room).await.map_err(failed)?;
                after = keys.last().map(|listed| listed.key.clone());
                names.extend(keys.iter().filter_map(|listed| listed.key.strip_prefix(&own)).map(str::to_owned));
                if !more || names.len() >= limit {
                    names.truncate(limit);
                    return Ok(names);
                }
            }
        })
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KeepError>> {
        Box::pin(async move { self.get(&self.key(name)?).await })
    }

    fn write<'a>(&'a self, name: &'a str, bytes: &'a [u8], put: Put) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            let key = self.key(name)?;
            let mut last = KeepError::Taken;
            for _ in 0..TRIES_MAX {
                let failure = match self.send(&key, bytes, put).await {
                    Ok(()) => return Ok(()),
                    Err(failure) if failure.why == Why::Changed && put == Put::New => failure,
                    Err(failure) => return Err(failed(failure)),
                };
                // Refused by what is there, by the same call whose answer was lost, or by one that is still being decided.
                match self.get(&key).await? {
                    Some(there) if there == bytes => return Ok(()),
                    Some(_) => return Err(KeepError::Taken),
                    None => last = failed(failure),
                }
            }
            Err(last)
        })
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            let keys = names.iter().map(|name| self.key(name)).collect::<Result<BTreeSet<_>, _>>()?;
            let versioning = self.versioning.get_or_try_init(|| standing(&self.bucket)).await;
            let versioning = versioning.map_err(|error| KeepError::Failed { why: error.to_string() })?;
            let done = self.bucket.delete(keys, *versioning).await;
            done.into_values().find_map(Result::err).map_or(Ok(()), |failure| Err(failed(failure)))
        })
    }
}
