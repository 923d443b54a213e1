//! A bucket that somebody else's functions wrote into. See [`crate::inherited`] for who may use it, and for what.

use std::collections::BTreeMap;

use afterimage_identity::BoxFuture;

use super::Config;
use super::connection::Bucket;
use super::failure::{Failure, Why};
use super::listing::{OneVersion, Start};
use super::standing::{Versioning, versioning};
use crate::Error;
use crate::inherited::{Conditions, Headers, Identity, Inherited, InheritedVersion, Look, Removal, Seen, SeenPage};

/// How many lines are asked for at once.
const LINES: usize = 1000;
/// No content has this ETag: it has the form of one, and no MD5 of anything known is all zeros.
const ETAG_OF_NOTHING: &str = "\"00000000000000000000000000000000\"";

/// [`Inherited`] over a bucket. Nothing is asked of it with credentials that the originals are read with, unless both are
/// configured to be the same.
pub struct InheritedBucket {
    bucket: Bucket,
    versioning: Versioning,
}

impl InheritedBucket {
    /// Opens the bucket.
    ///
    /// # Errors
    /// [`Error::Io`] with the remedy, when whether it keeps versions cannot be learnt: deleting means two things then.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        let bucket = Bucket::connect(config).await;
        let versioning = versioning(&bucket).await.map_err(|failure| Error::Io {
            why: format!("{}: {}; allow s3:GetBucketVersioning", config.place, failure.words),
        })?;
        Ok(Self { bucket, versioning })
    }

    fn whole(&self, key: &str) -> Result<String, Error> {
        self.bucket.place.key(key)
    }

    async fn page(&self, after: Option<&str>) -> Result<SeenPage, Failure> {
        let own = self.bucket.place.prefix();
        let after = after.map(|after| format!("{own}{after}"));
        let below = |key: &str| key.strip_prefix(own).unwrap_or(key).to_owned();
        if self.versioning == Versioning::Never {
            let (keys, more) = self.bucket.keys(own, after.as_deref(), LINES).await?;
            let seen = keys.into_iter().map(|one| Seen { key: below(&one.key), bytes: one.bytes, is_hidden: false });
            return Ok(SeenPage { seen: seen.collect(), more });
        }
        let mut start = Start { key: after, version: None };
        // The newest of a key comes first, as a version or as a marker; the two are not in one order.
        let mut keys: BTreeMap<String, Seen> = BTreeMap::new();
        loop {
            let (lines, next) = self.bucket.versions(own, &start, LINES).await?;
            for line in lines {
                let key = below(&line.key);
                let seen = keys.entry(line.key).or_insert(Seen { key, bytes: 0, is_hidden: true });
                if line.is_latest {
                    (seen.bytes, seen.is_hidden) = (line.bytes, line.is_marker);
                }
            }
            match next {
                None => return Ok(SeenPage { seen: keys.into_values().collect(), more: false }),
                // Where a page ends within a key, the next one begins behind all its versions.
                Some(_) if !keys.is_empty() => return Ok(SeenPage { seen: keys.into_values().collect(), more: true }),
                Some(next) => start = next,
            }
        }
    }

    async fn see(&self, key: &str, bytes_max: u64) -> Result<Look, Error> {
        let key = self.whole(key)?;
        let lines = match self.versioning {
            Versioning::Never => Vec::new(),
            Versioning::Kept => self.bucket.versions_of(&key).await.map_err(Failure::of_reading)?,
        };
        let newest = lines.iter().filter(|line| !line.is_marker).max_by_key(|line| (line.is_latest, line.modified_s));
        if newest.is_none() && self.versioning == Versioning::Kept {
            return Err(Error::NotFound);
        }
        let permit = self.bucket.transfers.acquire().await;
        let _permit = permit.map_err(|error| Error::Io { why: error.to_string() })?;
        let got = self.bucket.get_version(&key, newest.map(|line| line.id.as_str()), bytes_max).await;
        let (object, body) = got.map_err(|got| got.into_error(bytes_max, Failure::of_reading))?;
        let headers = Headers {
            media_type: object.content_type().map(str::to_owned),
            cache_control: object.cache_control().map(str::to_owned),
            has_metadata: object.metadata().is_some_and(|metadata| !metadata.is_empty()),
        };
        let identity = Identity {
            etag: object.e_tag().unwrap_or_default().to_owned(),
            bytes: body.len() as u64,
            modified_s: object.last_modified().map_or(0, |at| at.secs()),
            versions: named(&lines),
        };
        Ok(Look { identity, headers: Some(headers), body })
    }

    /// What is to be said before anything is deleted; `Ok` when it is still the same.
    async fn check(&self, key: &str, identity: &Identity) -> Result<(), Removal> {
        let head = self.bucket.head(key).await.map_err(removal)?;
        let same = head.e_tag() == Some(identity.etag.as_str())
            && head.content_length().and_then(|bytes| u64::try_from(bytes).ok()) == Some(identity.bytes)
            && head.last_modified().map_or(0, |at| at.secs()) == identity.modified_s;
        if same { Ok(()) } else { Err(Removal::Changed) }
    }

    async fn delete_if(&self, key: &str, etag: &str) -> Result<(), Failure> {
        let call = self.bucket.client.delete_object().bucket(self.bucket.place.bucket()).key(key).if_match(etag);
        call.send().await.map(drop).map_err(|error| Failure::of("DeleteObject", error))
    }

    async fn remove_one(&self, key: &str, identity: &Identity) -> Result<(), Removal> {
        let key = self.whole(key).map_err(|error| Removal::Refused(error.to_string()))?;
        if self.versioning == Versioning::Never {
            self.check(&key, identity).await?;
            return self.delete_if(&key, &identity.etag).await.map_err(removal);
        }
        let lines = self.bucket.versions_of(&key).await.map_err(removal)?;
        if lines.is_empty() {
            return Err(Removal::Gone);
        }
        // Some may be gone already, by a process that was killed; one that was not there means that somebody writes.
        if !named(&lines).iter().all(|version| identity.versions.contains(version)) {
            return Err(Removal::Changed);
        }
        // Markers last, and of what they hide the newest last: nothing comes into sight again.
        let mut lines = lines;
        lines.sort_by_key(|line| (line.is_marker, line.is_latest, line.modified_s));
        for line in lines {
            let call = self.bucket.client.delete_object().bucket(self.bucket.place.bucket()).key(&key);
            let sent = call.version_id(line.id).send().await;
            match sent.map_err(|error| removal(Failure::of("DeleteObject", error))) {
                Ok(_) | Err(Removal::Gone) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    async fn heeds(&self, key: &str, identity: &Identity) -> Result<Conditions, Removal> {
        // A version is itself for ever; no condition is needed.
        if self.versioning == Versioning::Kept {
            return Ok(Conditions::Heeded);
        }
        let key = self.whole(key).map_err(|error| Removal::Refused(error.to_string()))?;
        self.check(&key, identity).await?;
        match self.delete_if(&key, ETAG_OF_NOTHING).await {
            Ok(()) => Ok(Conditions::Ignored),
            Err(Failure { why: Why::Changed, .. }) => Ok(Conditions::Heeded),
            Err(failure) => Err(removal(failure)),
        }
    }
}

fn named(lines: &[OneVersion]) -> Vec<InheritedVersion> {
    let etag = |line: &OneVersion| line.etag.clone().filter(|_| !line.is_marker);
    let mut named: Vec<_> =
        lines.iter().map(|line| InheritedVersion { id: line.id.clone(), etag: etag(line) }).collect();
    named.sort_unstable();
    named
}

/// What a failure says of the thing that was to go.
fn removal(failure: Failure) -> Removal {
    match failure.why {
        Why::Absent => Removal::Gone,
        Why::Changed => Removal::Changed,
        Why::Refused | Why::Unsupported => Removal::Refused(failure.words),
        _ => Removal::Failed(failure.words),
    }
}

impl Inherited for InheritedBucket {
    fn list<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SeenPage, Error>> {
        Box::pin(async move { self.page(after).await.map_err(Failure::of_reading) })
    }

    fn look<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Look, Error>> {
        Box::pin(self.see(key, bytes_max))
    }

    fn conditions<'a>(&'a self, key: &'a str, identity: &'a Identity) -> BoxFuture<'a, Result<Conditions, Removal>> {
        Box::pin(self.heeds(key, identity))
    }

    fn remove<'a>(&'a self, key: &'a str, identity: &'a Identity) -> BoxFuture<'a, Removal> {
        Box::pin(async move { self.remove_one(key, identity).await.err().unwrap_or(Removal::Deleted) })
    }
}
