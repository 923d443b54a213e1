//! A queue of SQS that is only sent to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::{Upstream, answer};

/// What was sent, and for how long nobody was to see it.
pub type Sent = (String, Duration);

/// The queue `/111122223333/later`.
pub struct Queue {
    /// Where it listens.
    pub base: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    _server: Upstream,
}

impl Queue {
    /// Begins to listen.
    pub fn start() -> Self {
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let taking = sent.clone();
        let server = Upstream::start(move |asked| {
            assert_eq!(asked.header("x-amz-target"), "AmazonSQS.SendMessage");
            let call: Value = serde_json::from_slice(&asked.body).expect("JSON");
            assert!(call["QueueUrl"].as_str().is_some_and(|url| url.ends_with("/111122223333/later")), "{call}");
            let delay = call["DelaySeconds"].as_u64().expect("a delay");
            assert!(delay <= 900, "more than the service takes");
            let body = call["MessageBody"].as_str().expect("a body").to_owned();
            taking.lock().unwrap().push((body, Duration::from_secs(delay)));
            let said = br#"{"MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e","MessageId":"m"}"#;
            answer(200, &[("Content-Type", "application/x-amz-json-1.0")], said)
        });
        Self { base: server.base.clone(), sent, _server: server }
    }

    /// What was sent since this was asked last.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}
