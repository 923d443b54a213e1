//! What the queue asks of each kind of outer cache.

use std::time::Duration;

use afterimage_identity::{BoxFuture, InvalidateError};

use crate::item::Item;
use crate::reach::By;

/// What the other side made of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "cloudfront"), allow(dead_code, reason = "only CloudFront's API has all of it"))]
pub(crate) enum Told {
    /// It has forgotten.
    Completed,
    /// It is at it, under this id.
    InProgress(String),
}

/// Why it made nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "cloudfront"), allow(dead_code, reason = "only CloudFront's API has all of it"))]
pub(crate) enum Fault {
    /// Not now; not before `after`, if it said so.
    Later { why: String, after: Option<Duration> },
    /// It does not know the id any more. The same batch has to be sent again.
    Forgotten,
    /// The batch's own name is taken by something else, so it needs another.
    Renew { why: String },
    /// Things have to be named to it in another way than before.
    Replan { why: String },
    /// Something in the batch is refused; its halves may tell which.
    BadItem { why: String },
    /// It will not, however often it is asked.
    Refused { why: String },
}

impl Fault {
    pub(crate) fn later(why: impl Into<String>) -> Self {
        Self::Later { why: why.into(), after: None }
    }
}

/// One outer cache, as the queue sees it.
pub(crate) trait Far: Send + Sync {
    /// How things are named to it.
    fn by(&self) -> BoxFuture<'_, Result<By, InvalidateError>>;
    /// Hands a batch over. `reference` is the same for the same batch, whoever sends it and however often.
    fn submit<'a>(&'a self, reference: &'a str, items: &'a [Item]) -> BoxFuture<'a, Result<Told, Fault>>;
    /// Whether what it is at is complete.
    fn look<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Fault>>;
    /// How often it had too much in progress, although what is sent from here keeps within its quotas.
    fn crowded(&self) -> u64 {
        0
    }
}
