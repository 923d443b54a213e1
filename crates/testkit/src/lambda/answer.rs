//! What came of one event.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

/// What came of one event.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A whole answer.
    Answered(Answered),
    /// The function said that it failed.
    Failed {
        /// `Lambda-Runtime-Function-Error-Type`.
        kind: String,
        /// The error as it was posted.
        body: Value,
    },
    /// The connection ended in the middle of the answer, behind these bytes.
    Cut(Vec<u8>),
    /// The deadline passed: the sandbox was killed.
    TimedOut,
    /// The process ended without an answer.
    Exited,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Whether it was streamed.
    pub streamed: bool,
    /// The content type of the post itself.
    pub content_type: String,
    /// Its bytes as they were posted.
    pub body: Vec<u8>,
    /// From handing out the event to the first byte of the answer, its prelude included.
    pub first_byte: Duration,
    /// From handing out the event to the last byte.
    pub last_byte: Duration,
}

impl Answered {
    /// The answer as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON: {error}: {:?}", self.text()))
    }

    /// The answer as the function URL sends it on: behind the prelude when it was streamed, out of the JSON when not.
    pub fn http(&self) -> http::Response<Vec<u8>> {
        let (head, body) = if self.streamed {
            assert_eq!(self.content_type, "application/vnd.awslambda.http-integration-response");
            let end = self.body.windows(8).position(|window| window == [0; 8]);
            let end = end.unwrap_or_else(|| panic!("no prelude: {:?}", self.text()));
            let head: Value = serde_json::from_slice(&self.body[..end]).expect("the prelude is JSON");
            (head, self.body[end + 8..].to_vec())
        } else {
            let whole = self.json();
            let text = whole["body"].as_str().unwrap_or_default();
            let body = match whole["isBase64Encoded"].as_bool() {
                Some(true) => BASE64_STANDARD.decode(text).expect("base64"),
                _ => text.as_bytes().to_vec(),
            };
            (whole, body)
        };
        let status = head["statusCode"].as_u64().expect("a status code");
        let mut answer = http::Response::builder().status(u16::try_from(status).expect("a status code"));
        for (name, value) in head["headers"].as_object().into_iter().flatten() {
            // The service takes texts alone: a list would lose the header.
            answer = answer.header(name, value.as_str().unwrap_or_else(|| panic!("{name}: {value} is no text")));
        }
        for cookie in head["cookies"].as_array().into_iter().flatten() {
            answer = answer.header("set-cookie", cookie.as_str().expect("a cookie is a text"));
        }
        answer.body(body).expect("an answer of HTTP")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(400)]).into_owned()
    }
}
