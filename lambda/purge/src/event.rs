//! What a function is called with, in whichever shape it comes. Pure.

use afterimage_identity::{Happened, Original};
use afterimage_purge::{Filter, Later, Noticed, Order};
use serde::Deserialize;
use serde_json::Value;

/// A call.
#[derive(Debug, PartialEq)]
pub enum Call {
    /// Messages of a queue, which keeps those that fail.
    Queue(Vec<Message>),
    /// One message without a queue, as text: what a bucket says, to be read in its own dialect.
    Direct(String),
    /// Somebody has to go on with a journal.
    Later(Later),
    /// A request found what nothing may have told.
    Noticed(Noticed),
    /// Somebody wants something purged.
    Order(Order),
    /// Somebody wants to see receipts.
    Receipts(Filter),
}

/// One message of a queue.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// What the queue calls it.
    pub id: String,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// That somebody has to go on with a journal.
    Later(Later),
    /// That a request found what nothing may have told.
    Noticed(Noticed),
    /// What a bucket says, in some dialect.
    Bucket(String),
}

/// Our own words.
#[derive(Deserialize)]
#[serde(tag = "afterimage", rename_all = "snake_case", deny_unknown_fields)]
enum Own {
    Later {
        journal: String,
        #[serde(default)]
        turn: u32,
    },
    Noticed {
        #[serde(flatten)]
        original: Original,
        happened: Happened,
    },
    Purge {
        order: Order,
    },
    Receipts {
        #[serde(default)]
        filter: Filter,
    },
}

/// Reads a call.
///
/// # Errors
/// In words, where it is meant for us and cannot be read. What buckets say is read later.
pub fn read(payload: &Value) -> Result<Call, String> {
    if payload.get("afterimage").is_some() {
        let own = Own::deserialize(payload).map_err(|error| format!("this call cannot be read: {error}"))?;
        return Ok(match own {
            Own::Later { journal, turn } => Call::Later(Later { journal, turn }),
            Own::Noticed { original, happened } => Call::Noticed(Noticed { original, happened }),
            Own::Purge { order } => Call::Order(order),
            Own::Receipts { filter } => Call::Receipts(filter),
        });
    }
    let records = payload.get("Records").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_queue = |record: &Value| record.get("eventSource").and_then(Value::as_str) == Some("aws:sqs");
    if records.is_empty() || !records.iter().all(is_queue) {
        return Ok(Call::Direct(payload.to_string()));
    }
    let message = |record: &Value| {
        let text = |field: &str| record.get(field).and_then(Value::as_str);
        let id = text("messageId").ok_or("a message of the queue has no messageId")?.to_owned();
        let body = text("body").unwrap_or_default();
        let own = || Later::read(body).map(Body::Later).or_else(|| Noticed::read(body).map(Body::Noticed));
        Ok(Message { id, body: own().unwrap_or_else(|| Body::Bucket(body.to_owned())) })
    };
    records.iter().map(message).collect::<Result<_, &str>>().map(Call::Queue).map_err(str::to_owned)
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{OriginalKey, SourceId};
    use afterimage_purge::OrderOf;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_is_told_apart() {
        let later = Later { journal: "j".to_owned(), turn: 2 };
        let key = OriginalKey::new("p/a.jpg").unwrap();
        let original = Original::new(SourceId::default(), key.clone());
        let noticed = Noticed { original, happened: Happened::Removed };
        let s3 = json!({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete"}]});
        let bridge = json!({"detail-type": "Object Deleted", "source": "aws.s3"});
        let test = json!({"Event": "s3:TestEvent"});
        for payload in [&s3, &bridge, &test, &json!({}), &json!({"Records": []}), &json!(null), &json!([1])] {
            assert_eq!(read(payload), Ok(Call::Direct(payload.to_string())));
        }
        let queue = json!({"Records": [
            {"eventSource": "aws:sqs", "messageId": "1", "body": s3.to_string()},
            {"eventSource": "aws:sqs", "messageId": "2", "body": later.text()},
            {"eventSource": "aws:sqs", "messageId": "3"},
            {"eventSource": "aws:sqs", "messageId": "4", "body": noticed.text()},
        ]});
        let message = |id: &str, body| Message { id: id.to_owned(), body };
        let wanted = vec![
            message("1", Body::Bucket(s3.to_string())),
            message("2", Body::Later(later.clone())),
            message("3", Body::Bucket(String::new())),
            message("4", Body::Noticed(noticed.clone())),
        ];
        assert_eq!(read(&queue), Ok(Call::Queue(wanted)));
        assert_eq!(read(&json!({"afterimage": "later", "journal": "j", "turn": 2})), Ok(Call::Later(later)));
        let order = json!({"afterimage": "purge", "order": {"selector": {"key": "p/a.jpg"}}});
        assert_eq!(read(&serde_json::from_str(&noticed.text()).unwrap()), Ok(Call::Noticed(noticed)));
        assert_eq!(read(&order), Ok(Call::Order(Order { selector: OrderOf::Key(key), wait: false })));
        assert_eq!(read(&json!({"afterimage": "receipts"})), Ok(Call::Receipts(Filter::default())));
    }

    #[test]
    fn what_is_meant_for_us_and_cannot_be_read_is_said() {
        for payload in [
            json!({"afterimage": "perge"}),
            json!({"afterimage": "purge"}),
            json!({"afterimage": "purge", "order": {"selector": {"key": "../a"}}}),
            json!({"afterimage": "later"}),
            json!({"afterimage": "receipts", "fliter": {}}),
            json!({"Records": [{"eventSource": "aws:sqs", "body": "x"}]}),
        ] {
            assert!(read(&payload).is_err(), "{payload}");
        }
    }
}
