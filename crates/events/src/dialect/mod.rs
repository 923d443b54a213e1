//! What buckets say, in each dialect that carries it: S3's own records (to a queue, a topic or a function), the envelope of
//! SNS, EventBridge, and MinIO's webhook. Pure: bytes in, records out, and never a panic, whatever the bytes.
//!
//! A record names a bucket, a key and what seems to have happened. Nothing else of it is believed: the source is asked.
//! Versions and sequencers are kept for logs alone.

mod eventbridge;
mod names;
mod records;
pub(crate) mod sns;
#[cfg(test)]
mod tests;

use std::fmt;

use afterimage_identity::Happened;
use serde_json::Value;

use crate::Ignored;
pub use sns::{Envelope, EnvelopeKind};

/// A longer message is refused: queues and topics carry no more than 1 MiB.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How many records one message may have. S3 sends one; others a few.
pub const RECORDS_MAX: usize = 1_000;

/// The shape in which something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// S3's records: keys are form-encoded.
    S3,
    /// MinIO's records: as S3's, with `s3:` before names.
    Minio,
    /// EventBridge: keys are bare.
    EventBridge,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::S3, Self::Minio, Self::EventBridge];

    /// Its word in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Minio => "minio",
            Self::EventBridge => "eventbridge",
        }
    }
}

/// What one message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Records; one that cannot be read spoils no other.
    Records(Vec<Result<Record, Unreadable>>),
    /// That notifications were set up.
    Test,
    /// Another message in the envelope of SNS.
    Sns(Box<Envelope>),
}

/// What one record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// How it was said.
    pub dialect: Dialect,
    /// The bucket.
    pub bucket: String,
    /// The key there, decoded; or why it cannot be an original's.
    pub key: Result<String, Ignored>,
    /// What seems to have happened, or why it means nothing here.
    pub happened: Result<Happened, Ignored>,
    /// The event's name as it was said.
    pub name: String,
    /// The version of the object that it is about, for logs.
    pub version_id: Option<String>,
    /// What orders the events of one key, for logs.
    pub sequencer: Option<String>,
}

/// Why a message or a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Longer than [`BODY_BYTES_MAX`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// More than [`RECORDS_MAX`].
    TooManyRecords {
        /// How many.
        records: usize,
    },
    /// No JSON, and why.
    NotJson(String),
    /// No dialect that is known.
    UnknownShape,
    /// A field is missing or of another type.
    Field(&'static str),
    /// A major version that is not known.
    Version(String),
    /// The envelope of SNS around another one.
    Nested,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(f, "{bytes} bytes; a message has at most {BODY_BYTES_MAX}"),
            Self::TooManyRecords { records } => write!(f, "{records} records; a message has at most {RECORDS_MAX}"),
            Self::NotJson(why) => write!(f, "not JSON: {why}"),
            Self::UnknownShape => f.write_str("neither records of S3 or MinIO, nor of EventBridge, nor from SNS"),
            Self::Field(name) => write!(f, "`{name}` is missing or not of its type"),
            Self::Version(version) => write!(f, "version `{version}` of the records is not known"),
            Self::Nested => f.write_str("an envelope of SNS within another"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads one message.
///
/// # Errors
/// [`Unreadable`]; a single record that cannot be read is an error in its place only.
pub fn read(body: &[u8]) -> Result<Message, Unreadable> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Unreadable::TooLong { bytes: body.len() });
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| Unreadable::NotJson(error.to_string()))?;
    if let Some(records) = value.get("Records") {
        let records = records.as_array().ok_or(Unreadable::Field("Records"))?;
        if records.len() > RECORDS_MAX {
            return Err(Unreadable::TooManyRecords { records: records.len() });
        }
        return Ok(Message::Records(records.iter().map(records::read).collect()));
    }
    if value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Message::Test);
    }
    if value.get("detail-type").is_some() {
        return Ok(Message::Records(vec![eventbridge::read(&value)]));
    }
    if value.get("TopicArn").is_some() {
        return Ok(Message::Sns(Box::new(sns::read(&value)?)));
    }
    Err(Unreadable::UnknownShape)
}

/// Reads one message, out of the envelope of SNS where it is in one. For messages whose sender was checked before, such as
/// those of a queue: nobody looks at the signature here.
///
/// # Errors
/// As [`read`]; what SNS says of subscriptions is [`Unreadable::UnknownShape`] here.
pub fn read_unwrapped(body: &[u8]) -> Result<Message, Unreadable> {
    match read(body)? {
        Message::Sns(envelope) if envelope.kind == EnvelopeKind::Notification => envelope.inner(),
        Message::Sns(_) => Err(Unreadable::UnknownShape),
        message => Ok(message),
    }
}

/// A text at a path of fields.
fn text(value: &Value, pointer: &'static str) -> Result<String, Unreadable> {
    maybe_text(value, pointer).ok_or(Unreadable::Field(pointer))
}

fn maybe_text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
}

/// Refuses a version whose major part is another: a minor one only adds fields.
fn check_version(version: &str, major: &str) -> Result<(), Unreadable> {
    if version.split('.').next() == Some(major) { Ok(()) } else { Err(Unreadable::Version(version.to_owned())) }
}
