//! A queue of SQS that is only sent to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::{Step, Upstream, answer};

/// What was sent, and for how long nobody was to see it.
pub type Sent = (String, Duration);

#[derive(Default)]
struct Books {
    sent: Vec<Sent>,
    pause: Duration,
    refusals: usize,
}

/// The queue `/111122223333/later`.
pub struct Queue {
    /// Where it listens.
    pub base: String,
    books: Arc<Mutex<Books>>,
    _server: Upstream,
}

fn locked(books: &Mutex<Books>) -> MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// Begins to listen.
    pub fn start() -> Self {
        let books: Arc<Mutex<Books>> = Arc::default();
        let taking = books.clone();
        let server = Upstream::start(move |asked| {
            assert_eq!(asked.header("x-amz-target"), "AmazonSQS.SendMessage");
            let call: Value = serde_json::from_slice(&asked.body).expect("JSON");
            assert!(call["QueueUrl"].as_str().is_some_and(|url| url.ends_with("/111122223333/later")), "{call}");
            let delay = call["DelaySeconds"].as_u64().expect("a delay");
            assert!(delay <= 900, "more than the service takes");
            let body = call["MessageBody"].as_str().expect("a body").to_owned();
            let mut books = locked(&taking);
            let json = [("Content-Type", "application/x-amz-json-1.0")];
            if books.refusals > 0 {
                books.refusals -= 1;
                return answer(
                    403,
                    &json,
                    br#"{"__type":"com.amazonaws.sqs#AccessDeniedException","message":"ordered"}"#,
                );
            }
            books.sent.push((body, Duration::from_secs(delay)));
            let said = br#"{"MD5OfMessageBody":"d41d8cd98f00b204e9800998ecf8427e","MessageId":"m"}"#;
            [Step::Wait(books.pause)].into_iter().chain(answer(200, &json, said)).collect()
        });
        Self { base: server.base.clone(), books, _server: server }
    }

    /// Its URL, as a setting has it.
    pub fn url(&self) -> String {
        format!("{}/111122223333/later", self.base)
    }

    /// Takes so long to answer from now on.
    pub fn slow(&self, pause: Duration) {
        locked(&self.books).pause = pause;
    }

    /// Refuses the next `times` messages.
    pub fn refuse(&self, times: usize) {
        locked(&self.books).refusals = times;
    }

    /// What was sent since this was asked last.
    pub fn take(&self) -> Vec<Sent> {
        std::mem::take(&mut locked(&self.books).sent)
    }
}
