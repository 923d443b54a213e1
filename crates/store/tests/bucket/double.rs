//! The bucket of these tests, and how it is opened here.

use std::ops::Deref;
use std::time::Duration;

use afterimage_store::bucket::{Config, Limits, Place};
use afterimage_store::{BucketDerivatives, BucketOriginals, Error};
use afterimage_testkit::bucket;

#[derive(Clone)]
pub struct Double(bucket::Double);

impl Deref for Double {
    type Target = bucket::Double;

    fn deref(&self) -> &bucket::Double {
        &self.0
    }
}

impl Double {
    pub async fn start() -> Self {
        Self(bucket::Double::start().await)
    }

    /// How `s3://pictures/PREFIX` is asked here, with little patience.
    pub fn config(&self, prefix: &str) -> Config {
        Config {
            endpoint: Some(self.endpoint.clone()),
            path_style: true,
            profiles_file: Some(self.profiles()),
            limits: Limits {
                attempts_max: 3,
                attempt: Duration::from_millis(500),
                total: Duration::from_secs(4),
                ..Limits::default()
            },
            ..Config::new(Place::parse(&format!("s3://{}/{prefix}", bucket::BUCKET)).unwrap())
        }
    }

    /// Opening blocks, and the bucket answers on this runtime.
    pub fn originals(&self, prefix: &str) -> Result<BucketOriginals, Error> {
        tokio::task::block_in_place(|| BucketOriginals::open(&self.config(prefix)))
    }

    /// As [`originals`](Self::originals), asked nothing at its opening.
    pub fn unasked_originals(&self, prefix: &str) -> Result<BucketOriginals, Error> {
        BucketOriginals::open_unasked(&self.config(prefix))
    }

    pub fn unasked_derivatives(&self, prefix: &str) -> Result<BucketDerivatives, Error> {
        BucketDerivatives::open_unasked(&self.config(prefix))
    }

    pub fn derivatives(&self, prefix: &str) -> Result<BucketDerivatives, Error> {
        tokio::task::block_in_place(|| BucketDerivatives::open(&self.config(prefix)))
    }
}
