//! Carries one batch to its end: sent until it is taken, then looked at until it is complete. It goes on for as long as
//! there is hope; what stands in the way is told to those who wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::Pace;
use crate::far::{Far, Fault, Told};
use crate::item::Item;
use crate::outbox::{Batch, Outbox};
use crate::rate::backoff;

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The other side has said that it is complete.
    Completed,
    /// Its own name was taken, so it starts anew under another.
    Renew,
    /// Whoever wants it has to name it in another way.
    Replan(String),
    /// Something in it is refused.
    BadItem(String),
    /// It is refused, however often it is sent.
    Refused(String),
}

/// What those who wait should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) batch: u64,
    pub(crate) why: String,
}

/// What every batch of one outer cache shares.
pub(crate) struct Way {
    pub(crate) name: String,
    pub(crate) far: Arc<dyn Far>,
    pub(crate) pace: Pace,
    pub(crate) outbox: Option<Outbox>,
}

impl Way {
    /// Writes a batch down. If that fails it goes on all the same: what is deleted must not stay because a disk is full.
    pub(crate) async fn write(&self, batch: &Batch) {
        let Some(outbox) = &self.outbox else { return };
        if let Err(error) = outbox.write(batch).await {
            tracing::error!(layer = self.name, %error, "a batch of invalidations is sent without being written down");
        }
    }
}

/// Sends the batch and waits until it is complete.
pub(crate) async fn carry(way: Arc<Way>, number: u64, mut batch: Batch, troubles: mpsc::Sender<Trouble>) -> End {
    let items: Vec<Item> = batch.entries.iter().map(|entry| entry.item.clone()).collect();
    let (mut failures, mut looks) = (0u32, 0u32);
    let mut patient_until = Instant::now() + way.pace.patience;
    loop {
        let told = match &batch.id {
            None => way.far.submit(&batch.reference, &items).await,
            Some(id) => way.far.look(id).await.map(|completed| match completed {
                true => Told::Completed,
                false => Told::InProgress(id.clone()),
            }),
        };
        let pause = match told {
            Ok(Told::Completed) => return End::Completed,
            Ok(Told::InProgress(id)) => {
                if batch.id.is_none() {
                    tracing::info!(layer = way.name, id, items = items.len(), "an invalidation is in progress");
                    batch.id = Some(id);
                    way.write(&batch).await;
                }
                failures = 0;
                looks += 1;
                backoff(looks, way.pace.look_min, way.pace.look_max, &batch.reference)
            }
            Err(Fault::Later { why, after }) => {
                failures += 1;
                tracing::warn!(layer = way.name, why, failures, "an invalidation has to wait");
                if failures.is_multiple_of(way.pace.failures_told) {
                    let _ = troubles.send(Trouble { batch: number, why }).await;
                }
                let pause = backoff(failures, way.pace.backoff_min, way.pace.backoff_max, &batch.reference);
                pause.max(after.unwrap_or_default().min(AFTER_MAX))
            }
            Err(Fault::Forgotten) => {
                // Sent again under the same name: whoever remembers it after all does not do it twice.
                batch.id = None;
                failures += 1;
                backoff(failures, way.pace.backoff_min, way.pace.backoff_max, &batch.reference)
            }
            Err(Fault::Renew { why }) => {
                tracing::warn!(layer = way.name, why, "an invalidation starts anew under another name");
                return End::Renew;
            }
            Err(Fault::Replan { why }) => return End::Replan(why),
            Err(Fault::BadItem { why }) => return End::BadItem(why),
            Err(Fault::Refused { why }) => return End::Refused(why),
        };
        if Instant::now() > patient_until {
            patient_until += way.pace.patience;
            let why = format!("still not complete after {} s", way.pace.patience.as_secs());
            let _ = troubles.send(Trouble { batch: number, why }).await;
        }
        tokio::time::sleep(pause).await;
    }
}

/// The longest that somebody's `Retry-After` is heeded.
const AFTER_MAX: Duration = Duration::from_secs(600);
