//! Buckets of S3 and of what speaks like it, through the vendor's SDK: it keeps keys exactly as they are, and it knows of
//! versions and locks. Originals are read and nothing else. What is behind a bucket is asked each time; nothing here
//! remembers an answer.

#[cfg(feature = "s3")]
mod connection;
#[cfg(feature = "s3")]
mod deletion;
#[cfg(feature = "s3")]
mod derivatives;
#[cfg(feature = "s3")]
mod facts;
#[cfg(feature = "s3")]
mod failure;
#[cfg(feature = "s3")]
mod inherited;
#[cfg(feature = "s3")]
mod kept;
#[cfg(feature = "s3")]
mod listing;
#[cfg(feature = "s3")]
mod originals;
mod place;
#[cfg(feature = "s3")]
mod standing;
#[cfg(feature = "s3")]
mod whole;

use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "s3")]
pub use derivatives::BucketDerivatives;
#[cfg(feature = "s3")]
pub use inherited::InheritedBucket;
#[cfg(feature = "s3")]
pub use kept::{BucketKeep, KEPT_BEGINNING};
#[cfg(feature = "s3")]
pub use originals::BucketOriginals;
pub use place::{BUCKET_KEY_BYTES_MAX, PREFIX_BYTES_MAX, Place};

/// How a bucket is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which one, and what in it.
    pub place: Place,
    /// The server, where it is not AWS: `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// The region. `None` takes what environment, profile or machine say; for an endpoint of one's own, `us-east-1`.
    pub region: Option<String>,
    /// Names the bucket in the path instead of the host, as most servers other than AWS want it.
    pub path_style: bool,
    /// The profile whose credentials are used. `None` looks in the usual places in their usual order: environment, profile
    /// `default`, web identity, container, machine.
    pub profile: Option<String>,
    /// The file of profiles, instead of `~/.aws/credentials` and `~/.aws/config`.
    pub profiles_file: Option<PathBuf>,
    /// What one request may take.
    pub limits: Limits,
}

/// What one request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often a request is tried in all: after SlowDown, a 5xx, a timeout, a cut connection. At least 1.
    pub attempts_max: u32,
    /// The longest time until a connection stands.
    pub connect: Duration,
    /// The longest time until an answer begins, for one try, and between two pieces of a body.
    pub attempt: Duration,
    /// The longest time for all tries together, and once more for a body.
    pub total: Duration,
    /// How many bodies are in transfer at once; more wait.
    pub transfers_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts_max: 4,
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(10),
            total: Duration::from_secs(30),
            transfers_max: 64,
        }
    }
}

impl Config {
    /// Of AWS itself, with everything found in the usual places.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            endpoint: None,
            region: None,
            path_style: false,
            profile: None,
            profiles_file: None,
            limits: Limits::default(),
        }
    }
}
