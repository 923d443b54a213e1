//! Events of a bucket by a queue of SQS. A message is taken off the queue only when every one of its records is dealt with for
//! good; what fails stays, comes again, and is laid aside by the queue's own rule in the end (its dead-letter queue).

mod client;
mod consume;
mod sender;

use std::sync::Arc;

use afterimage_identity::BoxFuture;

use crate::Intake;
pub use sender::{DELAY_MAX, Sender};

/// Which queue, and how it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueConfig {
    /// The queue's URL.
    pub url: String,
    /// Where the service is, if not where the URL or the region says.
    pub endpoint: Option<String>,
    /// Its region, if the URL does not say it.
    pub region: Option<String>,
    /// The profile whose credentials are used; otherwise the usual chain: environment, files, the machine's role.
    pub profile: Option<String>,
}

impl QueueConfig {
    /// The region: as set, or as the queue's URL names it.
    pub(crate) fn region(&self) -> Option<String> {
        let named = || {
            let mut labels = host(&self.url)?.split('.');
            let region = (labels.next()? == "sqs").then(|| labels.next())??;
            host(&self.url)?.contains(".amazonaws.").then(|| region.to_owned())
        };
        self.region.clone().or_else(named)
    }

    /// The endpoint: as set, or the URL's own server where that is not the vendor's.
    pub(crate) fn endpoint(&self) -> Option<String> {
        let own = || {
            let (scheme, rest) = self.url.split_once("://")?;
            let authority = rest.split('/').next()?;
            (!host(&self.url)?.contains(".amazonaws.")).then(|| format!("{scheme}://{authority}"))
        };
        self.endpoint.clone().or_else(own)
    }
}

fn host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host))
}

/// One message as the queue hands it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// What deletes or keeps it, this time.
    pub(crate) handle: String,
    pub(crate) body: String,
}

/// A queue.
pub(crate) trait Queue: Send + Sync {
    /// Waits a while for messages, at most 10; they stay hidden from others for [`consume::HIDDEN_S`].
    fn receive(&self) -> BoxFuture<'_, Result<Vec<Received>, String>>;
    /// Takes messages off the queue; how many it did not.
    fn delete(&self, handles: Vec<String>) -> BoxFuture<'_, Result<usize, String>>;
    /// Hides messages for [`consume::HIDDEN_S`] more.
    fn hide(&self, handles: Vec<String>) -> BoxFuture<'_, Result<(), String>>;
}

/// Reads one queue into an intake.
pub struct Consumer {
    config: QueueConfig,
    intake: Arc<Intake>,
}

impl Consumer {
    /// Messages of `config`'s queue will go to `intake`.
    pub fn new(config: QueueConfig, intake: Arc<Intake>) -> Self {
        Self { config, intake }
    }

    /// The queue's URL.
    pub fn url(&self) -> &str {
        &self.config.url
    }

    /// Reads until `stop` resolves; then what is in work is finished, or left to the queue.
    pub async fn run(self: Arc<Self>, stop: impl Future<Output = ()> + Send) {
        let queue = Arc::new(client::Sqs::connect(&self.config).await);
        consume::consume(queue, self.intake.clone(), stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_queue_is() {
        let config = |url: &str| QueueConfig { url: url.to_owned(), ..QueueConfig::default() };
        for (url, region, endpoint) in [
            ("https://sqs.eu-central-1.amazonaws.com/111122223333/q", Some("eu-central-1"), None),
            ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", Some("cn-north-1"), None),
            ("http://127.0.0.1:4566/000000000000/q", None, Some("http://127.0.0.1:4566")),
            ("https://queue.example/q", None, Some("https://queue.example")),
            ("sqs.example", None, None),
        ] {
            let config = config(url);
            assert_eq!((config.region().as_deref(), config.endpoint().as_deref()), (region, endpoint), "{url}");
        }
        let set = QueueConfig {
            endpoint: Some("https://vpce".into()),
            region: Some("eu-west-1".into()),
            ..config("https://sqs.us-east-1.amazonaws.com/1/q")
        };
        assert_eq!((set.region().as_deref(), set.endpoint().as_deref()), (Some("eu-west-1"), Some("https://vpce")));
    }
}
