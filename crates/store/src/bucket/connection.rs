//! A client for one bucket, and the few calls that originals and derivatives share.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::ProfileFileRegionProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{AppName, BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use tokio::sync::Semaphore;

use super::failure::{Failure, Why};
use super::{Config, Limits, Place};
use crate::Error;

/// The region that servers other than AWS take for granted.
const REGION_USUAL: &str = "us-east-1";

/// A bucket that can be asked.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) place: Place,
    pub(super) limits: Limits,
    /// Bounds the bodies in memory.
    pub(super) transfers: Arc<Semaphore>,
}

/// Runs the first calls to a bucket on a thread and a runtime of their own, so that a start need not be asynchronous.
/// Connections belong to the runtime that made them: nothing that `open` connected may be kept.
pub(super) fn aside<T: Send>(open: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    let failed = |why: String| Error::Io { why };
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| failed(error.to_string()))?.block_on(open)
        };
        let thread = std::thread::Builder::new().name("open-bucket".into()).spawn_scoped(scope, run);
        let joined = thread.map_err(|error| failed(error.to_string()))?.join();
        joined.map_err(|_| failed("the first calls to a bucket panicked".into()))?
    })
}

/// Reads credentials and region from where the configuration says, or from the usual places.
async fn client(config: &Config) -> Client {
    let limits = config.limits;
    let files = config.profiles_file.as_ref().map(|path| {
        let files = EnvConfigFiles::builder();
        files.with_file(EnvConfigFileKind::Credentials, path).with_file(EnvConfigFileKind::Config, path).build()
    });
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(limits.connect)
        .read_timeout(limits.attempt)
        .operation_attempt_timeout(limits.attempt)
        .operation_timeout(limits.total);
    // The SDK spends retries from a purse as well: while most calls fail, most are tried once.
    let retries = RetryConfig::standard()
        .with_max_attempts(limits.attempts_max.max(1))
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(2));
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(retries)
        .timeout_config(timeouts.build())
        // Checksums in trailers are an error to servers older than them; bodies are covered by signature and digest.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Ok(name) = AppName::new("afterimage") {
        loader = loader.app_name(name);
    }
    if let Some(files) = &files {
        loader = loader.profile_files(files.clone());
    }
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if config.profile.is_some() || files.is_some() {
        // Named on purpose, so it comes before what the environment says.
        let mut provider = ProfileFileCredentialsProvider::builder();
        if let Some(profile) = &config.profile {
            provider = provider.profile_name(profile);
        }
        if let Some(files) = &files {
            provider = provider.profile_files(files.clone());
        }
        loader = loader.credentials_provider(provider.build());
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    match (&config.region, &config.endpoint) {
        (Some(region), _) => loader = loader.region(Region::new(region.clone())),
        // A server of one's own is not asked for on AWS's machines.
        (None, Some(_)) => {
            let mut profile = ProfileFileRegionProvider::builder();
            if let Some(name) = &config.profile {
                profile = profile.profile_name(name);
            }
            let said = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new());
            loader = loader.region(said.or_else(profile.build()).or_else(Region::new(REGION_USUAL)));
        }
        (None, None) => {}
    }
    let shared = loader.load().await;
    let s3 = aws_sdk_s3::config::Builder::from(&shared).force_path_style(config.path_style);
    Client::from_conf(s3.build())
}

impl Bucket {
    pub(super) async fn connect(config: &Config) -> Self {
        let transfers = Arc::new(Semaphore::new(config.limits.transfers_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { client: client(config).await, place: config.place.clone(), limits: config.limits, transfers }
    }

    /// What a HEAD says of a whole key. That it is not there is said only when the bucket says so of this key.
    pub(super) async fn head(&self, key: &str) -> Result<HeadObjectOutput, Failure> {
        // Written between two questions: once more is enough, or somebody writes and deletes all the time.
        for _ in 0..3 {
            let head = self.client.head_object().bucket(self.place.bucket()).key(key).send().await;
            let failure = match head {
                Ok(head) => return Ok(head),
                Err(error) => Failure::of("HeadObject", error),
            };
            if failure.why != Why::AbsentOrNoBucket {
                return Err(failure);
            }
            // A HEAD's 404 is the same for a lost key and a lost bucket; a GET's says which.
            let get = self.client.get_object().bucket(self.place.bucket()).key(key).range("bytes=0-0").send().await;
            match get.map_err(|error| Failure::of("GetObject", error)) {
                Ok(_) => {}
                Err(failure) if failure.is_no_range() => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::new(Why::Changed, "HeadObject: the object came and went while it was asked for"))
    }

    /// A key below the prefix that nobody has: for questions whose answer is known.
    pub(super) fn nobodys_key(&self) -> String {
        // Each `RandomState` has keys of its own.
        let random = RandomState::new().hash_one(std::process::id());
        format!("{}afterimage-probe-{random:016x}", self.place.prefix())
    }
}
