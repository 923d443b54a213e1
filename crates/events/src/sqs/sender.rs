//! Messages to oneself, for later.

use std::time::Duration;

use super::QueueConfig;
use super::client::Sqs;

/// The longest that a queue holds a message back.
pub const DELAY_MAX: Duration = Duration::from_secs(900);

/// Sends to one queue.
pub struct Sender(Sqs);

impl Sender {
    /// Finds credentials and region; nothing is asked of the queue yet.
    pub async fn connect(config: &QueueConfig) -> Self {
        Self(Sqs::connect(config).await)
    }

    /// Sends a message that nobody sees for so long, at most [`DELAY_MAX`]; part of a second counts as a whole one.
    ///
    /// # Errors
    /// In words, what the queue or the way to it said; the message may be there all the same.
    pub async fn send(&self, body: &str, delay: Duration) -> Result<(), String> {
        let delay = delay.min(DELAY_MAX);
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        self.0.send(body, i32::try_from(seconds).unwrap_or(i32::MAX)).await
    }
}
