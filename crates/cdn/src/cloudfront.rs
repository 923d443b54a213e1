//! CloudFront, and whoever speaks its API: another afterimage edge does.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afterimage_identity::{BoxFuture, InvalidateError};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::http::HttpResponse;
use aws_sdk_cloudfront::config::retry::RetryConfig;
use aws_sdk_cloudfront::config::timeout::TimeoutConfig;
use aws_sdk_cloudfront::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudfront::types::{Invalidation, InvalidationBatch, Paths};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use crate::config::CloudFront as Config;
use crate::far::{Far, Fault, Told};
use crate::item::Item;
use crate::rate::Rate;
use crate::reach::By;

/// How long what was read about a distribution is believed.
const READ_AGAIN: Duration = Duration::from_secs(300);
/// The longest that one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How many invalidations are looked through for one that was sent before.
const LOOK_BACK_MAX: usize = 300;
/// The header that our answers carry tags in.
const TAG_HEADER: &str = "cache-tag";
/// The one that derivatives read from a bucket directly carry them in. Who reads it reads buckets, and originals there have none.
const BUCKET_TAG_HEADER: &str = "x-amz-meta-cache-tag";

pub(crate) struct CloudFront {
    config: Config,
    rate: Arc<Rate>,
    client: OnceCell<Client>,
    /// How things are named, and when that was read.
    by: Mutex<Option<(By, Instant)>>,
    crowded: AtomicU64,
}

impl CloudFront {
    pub(crate) fn new(config: Config, rate: Rate) -> Self {
        Self { config, rate: Arc::new(rate), client: OnceCell::new(), by: Mutex::new(None), crowded: AtomicU64::new(0) }
    }

    /// Credentials are looked for with the first call, not while settings are read.
    async fn client(&self) -> &Client {
        self.client.get_or_init(|| client(&self.config)).await
    }

    /// Reads how the distribution wants things named.
    async fn read(&self) -> Result<By, Fault> {
        self.rate.turn().await;
        let call = self.client().await.get_distribution_config().id(&self.config.distribution).send();
        let output = call.await.map_err(|error| fault(&error))?;
        let tags = output.distribution_config().and_then(|config| config.cache_tag_config());
        Ok(match tags.map(|tags| tags.header_name()) {
            Some(name) if name.eq_ignore_ascii_case(TAG_HEADER) => By::Tags,
            Some(name) if name.eq_ignore_ascii_case(BUCKET_TAG_HEADER) => By::TagsAndOriginals,
            Some(name) => {
                tracing::warn!(
                    distribution = self.config.distribution,
                    header = name,
                    "the distribution reads tags from a header that has none of ours (Cache-Tag); wildcards are used"
                );
                By::Wildcards
            }
            None => By::Wildcards,
        })
    }

    async fn by_now(&self) -> Result<By, InvalidateError> {
        if let Some(by) = self.config.by {
            return Ok(by);
        }
        let mut known = self.by.lock().await;
        if let Some((by, at)) = &*known
            && at.elapsed() < READ_AGAIN
        {
            return Ok(*by);
        }
        let by = match self.read().await {
            Ok(by) => by,
            // Wildcards reach everything, tagged or not.
            Err(Fault::Refused { why }) if why.contains("AccessDenied") => {
                tracing::warn!(
                    distribution = self.config.distribution,
                    why,
                    "whether the distribution has tags may not be read (cloudfront:GetDistributionConfig); wildcards are used"
                );
                By::Wildcards
            }
            Err(Fault::Later { why, .. }) => return Err(InvalidateError { why, retry: true }),
            Err(other) => return Err(InvalidateError { why: format!("{other:?}"), retry: false }),
        };
        *known = Some((by, Instant::now()));
        Ok(by)
    }

    async fn create(&self, reference: &str, items: &[Item]) -> Result<Told, Fault> {
        let texts: Vec<String> = items.iter().map(Item::text).collect();
        let built = |error: aws_sdk_cloudfront::error::BuildError| Fault::Refused { why: error.to_string() };
        let quantity = i32::try_from(texts.len()).unwrap_or(i32::MAX);
        let paths = Paths::builder().quantity(quantity).set_items(Some(texts)).build().map_err(built)?;
        let batch = InvalidationBatch::builder().paths(paths).caller_reference(reference).build().map_err(built)?;
        self.rate.turn().await;
        let call = self.client().await.create_invalidation().distribution_id(&self.config.distribution);
        match call.invalidation_batch(batch).send().await {
            Ok(output) => told(output.invalidation()),
            Err(error) if is_known_reference(error.code(), error.message()) => self.find(reference, items).await,
            Err(error) if error.code() == Some("TooManyInvalidationsInProgress") => Err(self.crowd(fault(&error))),
            Err(error) if error.code() == Some("InvalidArgument") => self.bad_item(fault(&error)).await,
            Err(error) => Err(fault(&error)),
        }
    }

    /// The quotas are full, and not by what this process has in progress: somebody else uses the distribution too.
    fn crowd(&self, fault: Fault) -> Fault {
        self.crowded.fetch_add(1, Ordering::Relaxed);
        match fault {
            Fault::Later { why, after } => {
                let shared =
                    "this process keeps within the quotas, so another one invalidates on the same distribution";
                Fault::Later { why: format!("{why} ({shared})"), after }
            }
            other => other,
        }
    }

    /// An argument is refused: a tag, where the distribution has lost its tag header, or one path of many.
    async fn bad_item(&self, fault: Fault) -> Result<Told, Fault> {
        let was = self.by.lock().await.take().map(|(by, _)| by);
        let is_tagged = |by: By| matches!(by, By::Tags | By::TagsAndOriginals);
        if was.is_some_and(is_tagged) && self.by_now().await.is_ok_and(|by| !is_tagged(by)) {
            return Err(Fault::Replan { why: "the distribution reads no tags any more".to_owned() });
        }
        Err(fault)
    }

    /// What was sent before under the same name. CloudFront says that it answers with it; reports say that it refuses.
    async fn find(&self, reference: &str, items: &[Item]) -> Result<Told, Fault> {
        let client = self.client().await;
        let (mut marker, mut seen): (Option<String>, usize) = (None, 0);
        loop {
            self.rate.turn().await;
            let call = client.list_invalidations().distribution_id(&self.config.distribution).set_marker(marker);
            let output = call.send().await.map_err(|error| fault(&error))?;
            let Some(list) = output.invalidation_list() else { break };
            for summary in list.items() {
                let Some(found) = self.get(summary.id()).await? else { continue };
                let Some(batch) = found.invalidation_batch() else { continue };
                if batch.caller_reference() == reference {
                    let texts: BTreeSet<String> = items.iter().map(Item::text).collect();
                    let same = batch
                        .paths()
                        .is_some_and(|paths| paths.items().iter().cloned().collect::<BTreeSet<_>>() == texts);
                    let taken = || Fault::Renew { why: "the caller reference belongs to other paths".to_owned() };
                    return if same { told(Some(&found)) } else { Err(taken()) };
                }
                seen += 1;
            }
            marker = list.next_marker().map(ToOwned::to_owned).filter(|_| list.is_truncated());
            if marker.is_none() || seen >= LOOK_BACK_MAX {
                break;
            }
        }
        Err(Fault::Renew { why: "the caller reference is taken, and what took it is not found".to_owned() })
    }

    async fn get(&self, id: &str) -> Result<Option<Invalidation>, Fault> {
        self.rate.turn().await;
        let call = self.client().await.get_invalidation().distribution_id(&self.config.distribution).id(id);
        match call.send().await {
            Ok(output) => Ok(output.invalidation),
            Err(error) if error.code() == Some("NoSuchInvalidation") => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }
}

impl Far for CloudFront {
    fn by(&self) -> BoxFuture<'_, Result<By, InvalidateError>> {
        Box::pin(self.by_now())
    }

    fn submit<'a>(&'a self, reference: &'a str, items: &'a [Item]) -> BoxFuture<'a, Result<Told, Fault>> {
        Box::pin(self.create(reference, items))
    }

    fn look<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async move {
            let found = self.get(id).await?.ok_or(Fault::Forgotten)?;
            Ok(told(Some(&found))? == Told::Completed)
        })
    }

    fn crowded(&self) -> u64 {
        self.crowded.load(Ordering::Relaxed)
    }
}

async fn client(config: &Config) -> Client {
    let region = Region::new(config.region.clone().unwrap_or_else(|| "us-east-1".to_owned()));
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
    if let Some(profile) = &config.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(keys) = &config.credentials {
        let keys = aws_sdk_cloudfront::config::Credentials::new(&keys.id, &keys.secret, None, None, "afterimage");
        loader = loader.credentials_provider(keys);
    }
    let shared = loader.load().await;
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(CALL_TIMEOUT).operation_timeout(CALL_TIMEOUT).build();
    let mut builder = aws_sdk_cloudfront::config::Builder::from(&shared)
        // The queue tries again, so that the receipt can say why it waits.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.endpoint_url(endpoint.trim_end_matches('/'));
    }
    Client::from_conf(builder.build())
}

fn told(invalidation: Option<&Invalidation>) -> Result<Told, Fault> {
    let invalidation = invalidation.ok_or_else(|| Fault::later("the answer names no invalidation"))?;
    Ok(match invalidation.status() {
        "Completed" => Told::Completed,
        _ => Told::InProgress(invalidation.id().to_owned()),
    })
}

/// Whether an error says that the batch's name was used before, in one of the two ways that were reported.
fn is_known_reference(code: Option<&str>, message: Option<&str>) -> bool {
    let in_words = || message.unwrap_or_default().to_ascii_lowercase().contains("caller reference");
    match code {
        Some("InvalidationBatchAlreadyExists") => true,
        Some("InvalidArgument") => in_words(),
        _ => false,
    }
}

/// What an error means for a batch.
fn fault<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> Fault {
    let status = error.raw_response().map(|response| response.status().as_u16());
    let header = error.raw_response().and_then(|response| response.headers().get("retry-after"));
    let after = header.and_then(|after| after.trim().parse().ok()).map(Duration::from_secs);
    match error.code() {
        Some(code) => by_code(code, error.message().unwrap_or_default(), status, after),
        None => Fault::Later { why: in_words(error), after },
    }
}

/// An error and its causes.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        cause = inner.source();
    }
    words
}

fn by_code(code: &str, message: &str, status: Option<u16>, after: Option<Duration>) -> Fault {
    let why = format!("{code}: {message}");
    match code {
        "InvalidArgument" | "BatchTooLarge" => Fault::BadItem { why },
        // Quotas, rates, and credentials that are being renewed.
        "TooManyInvalidationsInProgress"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown"
        | "ServiceUnavailable"
        | "InternalError"
        | "ExpiredToken"
        | "RequestExpired"
        | "RequestTimeout" => Fault::Later { why, after },
        _ if status.is_none_or(|status| status == 429 || status >= 500) => Fault::Later { why, after },
        _ => Fault::Refused { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_identity::CacheTag;

    #[test]
    fn errors_are_told_apart() {
        let kind = |code: &str, status: u16| match by_code(code, "", Some(status), None) {
            Fault::Later { .. } => "later",
            Fault::BadItem { .. } => "bad item",
            Fault::Refused { .. } => "refused",
            _ => "other",
        };
        for (code, status, expected) in [
            ("TooManyInvalidationsInProgress", 400, "later"),
            ("Throttling", 400, "later"),
            ("Whatever", 503, "later"),
            ("Whatever", 429, "later"),
            ("InvalidArgument", 400, "bad item"),
            ("BatchTooLarge", 413, "bad item"),
            ("AccessDenied", 403, "refused"),
            ("NoSuchDistribution", 404, "refused"),
            ("SignatureDoesNotMatch", 403, "refused"),
        ] {
            assert_eq!(kind(code, status), expected, "{code} {status}");
        }
    }

    #[test]
    fn a_name_used_before_is_seen_in_each_reported_way() {
        let live = "Your request contains a caller reference that was used for a previous invalidation batch for the same \
                    distribution.";
        for (code, message, known) in [
            (Some("InvalidationBatchAlreadyExists"), None, true),
            (Some("InvalidArgument"), Some(live), true),
            (Some("InvalidArgument"), Some("Your request contains one or more invalid invalidation paths."), false),
            (Some("AccessDenied"), Some(live), false),
            (None, None, false),
        ] {
            assert_eq!(is_known_reference(code, message), known, "{code:?}");
        }
    }

    #[test]
    fn tags_are_read_from_headers_that_have_ours() {
        assert!([TAG_HEADER, BUCKET_TAG_HEADER].iter().all(|header| CacheTag::HEADERS.contains(header)));
    }
}
