//! The queue through the vendor's own client.

use std::time::Duration;

use afterimage_identity::BoxFuture;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};

use super::consume::HIDDEN_S;
use super::{Queue, QueueConfig, Received};

/// How long the service waits for a message before it says that there is none: its longest.
const WAIT_S: i32 = 20;
/// The most messages at once: the service's bound.
const MESSAGES_MAX: i32 = 10;
/// How long any call may take, the wait included.
const CALL: Duration = Duration::from_secs(30);

pub(super) struct Sqs {
    client: Client,
    url: String,
}

impl Sqs {
    /// Finds credentials and region; nothing is asked of the queue yet.
    pub(super) async fn connect(config: &QueueConfig) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = config.region() {
            loader = loader.region(Region::new(region));
        }
        let shared = loader.load().await;
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(CALL).build();
        let mut builder = aws_sdk_sqs::config::Builder::from(&shared).timeout_config(timeouts);
        if let Some(endpoint) = config.endpoint() {
            builder = builder.endpoint_url(endpoint);
        }
        if shared.region().is_none() {
            // Servers of one's own have no regions, but signatures name one.
            builder = builder.region(Region::new("us-east-1"));
        }
        Self { client: Client::from_conf(builder.build()), url: config.url.clone() }
    }

    pub(super) async fn send(&self, body: &str, delay_s: i32) -> Result<(), String> {
        let request = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(delay_s);
        request.send().await.map(drop).map_err(words)
    }
}

/// What went wrong, with its causes.
fn words(error: impl std::error::Error) -> String {
    DisplayErrorContext(error).to_string()
}

impl Queue for Sqs {
    fn receive(&self) -> BoxFuture<'_, Result<Vec<Received>, String>> {
        Box::pin(async move {
            let request = self.client.receive_message().queue_url(&self.url);
            let request = request.max_number_of_messages(MESSAGES_MAX).wait_time_seconds(WAIT_S);
            let answer = request.visibility_timeout(HIDDEN_S).send().await.map_err(words)?;
            let messages = answer.messages.unwrap_or_default();
            let received = messages.into_iter().filter_map(|message| {
                Some(Received { handle: message.receipt_handle?, body: message.body.unwrap_or_default() })
            });
            Ok(received.collect())
        })
    }

    fn delete(&self, handles: Vec<String>) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move {
            let entry = |(at, handle): (usize, String)| {
                DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle).build()
            };
            let entries = handles.into_iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>().map_err(words)?;
            let request = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
            Ok(request.send().await.map_err(words)?.failed.len())
        })
    }

    fn hide(&self, handles: Vec<String>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let entry = |(at, handle): (usize, String)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                entry.receipt_handle(handle).visibility_timeout(HIDDEN_S).build()
            };
            let entries = handles.into_iter().enumerate().map(entry).collect::<Result<Vec<_>, _>>().map_err(words)?;
            let request = self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
            let failed = request.send().await.map_err(words)?.failed.len();
            if failed == 0 { Ok(()) } else { Err(format!("{failed} messages could not be hidden longer")) }
        })
    }
}
