//! Deliveries over HTTP, as the operator's listener hands them on: who may speak, and what to answer. It knows no HTTP.
//!
//! Whoever shows the token may send any dialect. SNS cannot show one: its envelopes are believed for their signature, whoever
//! else was shown in.

use std::fmt;
use std::sync::Arc;

use afterimage_identity::BoxFuture;

use crate::counters::Counted;
use crate::dialect::{Envelope, EnvelopeKind, Message, read};
use crate::intake::{Failed, Intake};

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Every record of it is dealt with for good.
    Done,
    /// The sender has no right to speak, and why.
    Refused(String),
    /// It cannot be read; brought again it never can.
    Unreadable(String),
    /// It could not be dealt with now; it has to be brought again.
    Again(String),
}

/// Whether the envelopes of SNS are what they seem, and what confirms a subscription.
pub trait Signatures: Send + Sync {
    /// Whether the signature holds and the topic is one that may speak.
    ///
    /// The error says why not; [`Distrust::again`] when it could not be found out.
    fn check<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<(), Distrust>>;
    /// Confirms the subscription that a checked envelope asks for.
    fn confirm<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<(), Distrust>>;
}

/// An envelope is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distrust {
    /// Why, in words.
    pub why: String,
    /// Whether it may be believed when it comes again.
    pub again: bool,
}

/// The webhook.
pub struct Webhook {
    intake: Arc<Intake>,
    signatures: Option<Arc<dyn Signatures>>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("intake", &self.intake).finish_non_exhaustive()
    }
}

impl Webhook {
    /// Deliveries go to `intake`; without `signatures`, SNS is refused.
    pub fn new(intake: Arc<Intake>, signatures: Option<Arc<dyn Signatures>>) -> Self {
        Self { intake, signatures }
    }

    /// Where deliveries go.
    pub fn intake(&self) -> &Arc<Intake> {
        &self.intake
    }

    /// Takes one delivery; `shown_in` says that its sender showed the token, or needs none.
    pub async fn deliver(&self, body: &[u8], shown_in: bool) -> Delivery {
        let message = match read(body) {
            // What the sender may not say is not looked at closely.
            Err(_) if !shown_in => return self.refused("a bearer token is wanted"),
            Ok(Message::Sns(envelope)) => return self.open(&envelope).await,
            _ if !shown_in => return self.refused("a bearer token is wanted"),
            message => message,
        };
        answer(self.intake.take(message).await)
    }

    async fn open(&self, envelope: &Envelope) -> Delivery {
        let Some(signatures) = &self.signatures else {
            return self.refused("no topic of SNS may speak here; list it in events.sns_topics");
        };
        if let Err(distrust) = signatures.check(envelope).await {
            return self.distrusted(envelope, distrust);
        }
        match envelope.kind {
            EnvelopeKind::Notification => answer(self.intake.take(envelope.inner()).await),
            EnvelopeKind::SubscriptionConfirmation => match signatures.confirm(envelope).await {
                Ok(()) => {
                    self.intake.counters().count(Counted::Confirmed);
                    tracing::info!(topic = envelope.topic_arn, "the subscription to a topic is confirmed");
                    Delivery::Done
                }
                Err(distrust) => self.distrusted(envelope, distrust),
            },
            EnvelopeKind::UnsubscribeConfirmation => {
                tracing::warn!(topic = envelope.topic_arn, "a topic was told to send nothing here any more");
                Delivery::Done
            }
        }
    }

    fn distrusted(&self, envelope: &Envelope, distrust: Distrust) -> Delivery {
        tracing::warn!(topic = envelope.topic_arn, why = distrust.why, "a message of SNS is not believed");
        if distrust.again { Delivery::Again(distrust.why) } else { self.refused(&distrust.why) }
    }

    fn refused(&self, why: &str) -> Delivery {
        self.intake.counters().count(Counted::Refused);
        Delivery::Refused(why.to_owned())
    }
}

fn answer(taken: Result<(), Failed>) -> Delivery {
    match taken {
        Ok(()) => Delivery::Done,
        Err(Failed::Unreadable(why)) => Delivery::Unreadable(why.to_string()),
        Err(Failed::NotTaken(why)) => Delivery::Again(why.to_string()),
    }
}
