//! What a bucket does with what is deleted: asked at start, because a receipt that says "gone" must not lie.

use aws_sdk_s3::types::{BucketVersioningStatus, MfaDeleteStatus, ObjectLockEnabled};

use super::connection::Bucket;
use super::failure::{Failure, Why};
use crate::Error;

/// Whether a bucket keeps what is overwritten or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versioning {
    /// It was never versioned: what is deleted is gone.
    Never,
    /// It is, or was: deleting a key hides it, and only deleting each version takes it away.
    Kept,
}

/// Asks whether earlier versions are kept. A server that does not know the question keeps none.
pub(super) async fn versioning(bucket: &Bucket) -> Result<Versioning, Failure> {
    let asked = bucket.client.get_bucket_versioning().bucket(bucket.place.bucket()).send().await;
    match asked.map_err(|error| Failure::of("GetBucketVersioning", error)) {
        Ok(said) if said.mfa_delete() == Some(&MfaDeleteStatus::Enabled) => {
            Err(Failure::new(Why::Refused, "its versions can be deleted only with a second factor (MFA delete)"))
        }
        // Suspended keeps what was written before, and hides it behind a marker.
        Ok(said) => Ok(match said.status() {
            Some(BucketVersioningStatus::Enabled | BucketVersioningStatus::Suspended) => Versioning::Kept,
            _ => Versioning::Never,
        }),
        Err(Failure { why: Why::Unsupported, .. }) => Ok(Versioning::Never),
        Err(failure) => Err(failure),
    }
}

/// Asks whether a lock could hold what is written, and refuses one that would.
async fn lock(bucket: &Bucket) -> Result<(), Failure> {
    let asked = bucket.client.get_object_lock_configuration().bucket(bucket.place.bucket()).send().await;
    let said = match asked.map_err(|error| Failure::of("GetObjectLockConfiguration", error)) {
        Ok(said) => said,
        Err(Failure { why: Why::Unsupported, .. }) => return Ok(()),
        Err(Failure { code: Some(code), .. }) if code == "ObjectLockConfigurationNotFoundError" => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let locked =
        said.object_lock_configuration().filter(|lock| lock.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled));
    match locked.and_then(|lock| lock.rule()).and_then(|rule| rule.default_retention()) {
        Some(_) => Err(Failure::new(Why::Refused, "object lock retains whatever is written to it")),
        None => Ok(()),
    }
}

/// What deleting takes in a bucket of derivatives.
///
/// # Errors
/// [`Error::Io`] with the remedy, when what is deleted would stay or nobody can tell.
pub(super) async fn standing(bucket: &Bucket) -> Result<Versioning, Error> {
    let refuse = |question: &str, right: &str| {
        let (place, question, right) = (bucket.place.clone(), question.to_owned(), right.to_owned());
        move |failure: Failure| Error::Io {
            why: format!(
                "{place}: {question} ({}), so nobody could say that a derivative is gone; allow {right}, or keep derivatives in \
                 another bucket",
                failure.words
            ),
        }
    };
    let (kept, locked) = tokio::join!(versioning(bucket), lock(bucket));
    let kept = kept.map_err(refuse("its versioning is in the way", "s3:GetBucketVersioning"))?;
    locked.map_err(refuse("its object lock is in the way", "s3:GetBucketObjectLockConfiguration"))?;
    Ok(kept)
}
