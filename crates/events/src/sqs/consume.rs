//! The loop over a queue: receive, deal with, delete; several batches at once, but not too many, and each hidden from others
//! for as long as it takes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Queue, Received};
use crate::counters::Counted;
use crate::dialect::read_unwrapped;
use crate::intake::Intake;

/// For how long a message is hidden from other readers; so long after a failure it comes again.
pub(super) const HIDDEN_S: i32 = 60;
/// After so long in work it is hidden anew: well before the time is over, a slow call included.
const HIDE_EVERY: Duration = Duration::from_secs(20);
/// How many batches of at most 10 messages are in work at once.
const BATCHES_MAX: usize = 8;
/// The first pause after the queue could not be asked; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long what is in work may take to end when it is told to stop.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Reads the queue until `stop` resolves.
pub(super) async fn consume(queue: Arc<dyn Queue>, intake: Arc<Intake>, stop: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(BATCHES_MAX));
    let mut working = JoinSet::new();
    let mut failures: u32 = 0;
    let mut stop = pin!(stop);
    loop {
        let next = async {
            // It is never closed.
            let slot = slots.clone().acquire_owned().await;
            if failures > 0 {
                tokio::time::sleep(pause(failures)).await;
            }
            (slot, queue.receive().await)
        };
        let (slot, received) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => next,
        };
        while working.try_join_next().is_some() {}
        match received {
            Ok(messages) => {
                failures = 0;
                intake.counters().count(Counted::Polled);
                if !messages.is_empty() {
                    let (queue, intake) = (queue.clone(), intake.clone());
                    working.spawn(async move {
                        deal(&*queue, &intake, messages).await;
                        drop(slot);
                    });
                }
            }
            Err(why) => {
                failures = failures.saturating_add(1);
                intake.counters().count(Counted::QueueFailed);
                tracing::warn!(why, failures, "the queue cannot be asked");
            }
        }
    }
    // What does not end in time stays on the queue, and comes again.
    let _ = tokio::time::timeout(STOP_MAX, async { while working.join_next().await.is_some() {} }).await;
}

fn pause(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(PAUSE_MAX)
}

/// Deals with one batch.
async fn deal(queue: &dyn Queue, intake: &Intake, messages: Vec<Received>) {
    let handles: Vec<String> = messages.iter().map(|message| message.handle.clone()).collect();
    let read = messages.iter().map(|message| read_unwrapped(message.body.as_bytes())).collect();
    let mut work = pin!(intake.take_all(read));
    let results = loop {
        tokio::select! {
            results = &mut work => break results,
            () = tokio::time::sleep(HIDE_EVERY) => match queue.hide(handles.clone()).await {
                Ok(()) => handles.iter().for_each(|_| intake.counters().count(Counted::Extended)),
                Err(why) => {
                    intake.counters().count(Counted::QueueFailed);
                    tracing::warn!(why, "messages in work may come again");
                }
            },
        }
    };
    let mut done = Vec::new();
    for (handle, result) in handles.into_iter().zip(results) {
        match result {
            Ok(()) => done.push(handle),
            Err(why) => {
                intake.counters().count(Counted::Left);
                tracing::warn!(%why, "a message is left to the queue");
            }
        }
    }
    if done.is_empty() {
        return;
    }
    let count = done.len();
    // One that is not deleted comes again, which does no harm.
    let failed = match queue.delete(done).await {
        Ok(failed) => failed.min(count),
        Err(why) => {
            tracing::warn!(why, "messages that were dealt with could not be deleted");
            count
        }
    };
    (0..failed).for_each(|_| intake.counters().count(Counted::QueueFailed));
    (failed..count).for_each(|_| intake.counters().count(Counted::Deleted));
}

#[cfg(test)]
#[path = "consume_tests.rs"]
mod tests;
