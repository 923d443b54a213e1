//! The envelope of SNS: a message as a text within a message, with what its signature covers.

use serde_json::Value;

use super::{Message, Unreadable, maybe_text, text};

/// What an envelope is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeKind {
    /// It carries a message.
    Notification,
    /// The topic asks whether it may send.
    SubscriptionConfirmation,
    /// The topic says that it will send no more.
    UnsubscribeConfirmation,
}

/// One envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What it is for.
    pub kind: EnvelopeKind,
    /// The topic it comes from.
    pub topic_arn: String,
    /// Its id.
    pub message_id: String,
    /// The message.
    pub message: String,
    /// When it was sent, as it says.
    pub timestamp: String,
    /// The message's title.
    pub subject: Option<String>,
    /// What confirms a subscription.
    pub token: Option<String>,
    /// Where a subscription is confirmed.
    pub subscribe_url: Option<String>,
    /// "1" is RSA with SHA-1, "2" with SHA-256.
    pub signature_version: Option<String>,
    /// The signature in base64.
    pub signature: Option<String>,
    /// Where the certificate of the signer is.
    pub signing_cert_url: Option<String>,
}

pub(super) fn read(value: &Value) -> Result<Envelope, Unreadable> {
    let kind = match text(value, "/Type")?.as_str() {
        "Notification" => EnvelopeKind::Notification,
        "SubscriptionConfirmation" => EnvelopeKind::SubscriptionConfirmation,
        "UnsubscribeConfirmation" => EnvelopeKind::UnsubscribeConfirmation,
        _ => return Err(Unreadable::Field("/Type")),
    };
    Ok(Envelope {
        kind,
        topic_arn: text(value, "/TopicArn")?,
        message_id: text(value, "/MessageId")?,
        message: text(value, "/Message")?,
        timestamp: text(value, "/Timestamp")?,
        subject: maybe_text(value, "/Subject"),
        token: maybe_text(value, "/Token"),
        subscribe_url: maybe_text(value, "/SubscribeURL"),
        signature_version: maybe_text(value, "/SignatureVersion"),
        signature: maybe_text(value, "/Signature"),
        // Both spellings are sent: the first to HTTP, the second by Lambda.
        signing_cert_url: maybe_text(value, "/SigningCertURL").or_else(|| maybe_text(value, "/SigningCertUrl")),
    })
}

impl Envelope {
    /// The message it carries.
    ///
    /// # Errors
    /// As [`super::read`], and [`Unreadable::Nested`].
    pub fn inner(&self) -> Result<Message, Unreadable> {
        match super::read(self.message.as_bytes())? {
            Message::Sns(_) => Err(Unreadable::Nested),
            message => Ok(message),
        }
    }

    /// The words that the signature covers: of each field that there is, its name and its value, a line each.
    pub fn signed_text(&self) -> String {
        let subscription = self.kind != EnvelopeKind::Notification;
        let kind = match self.kind {
            EnvelopeKind::Notification => "Notification",
            EnvelopeKind::SubscriptionConfirmation => "SubscriptionConfirmation",
            EnvelopeKind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        };
        let fields = [
            ("Message", Some(self.message.as_str())),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_deref().filter(|_| !subscription)),
            ("SubscribeURL", self.subscribe_url.as_deref().filter(|_| subscription)),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", self.token.as_deref().filter(|_| subscription)),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(kind)),
        ];
        fields.iter().filter_map(|(name, value)| Some(format!("{name}\n{}\n", (*value)?))).collect()
    }
}
