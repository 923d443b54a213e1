//! How events come in: noticed, sent and forgotten, or taken for good.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use afterimage_identity::{BoxFuture, Event, FoundBy, NotTaken, Notice, Subject, Take};
use tokio::sync::oneshot;

use crate::observe;
use crate::purger::Purger;
use crate::queue::Heard;

impl Notice for Purger {
    fn notice(&self, event: Event) {
        let about = match &event.subject {
            Subject::Original(original) if event.found_by == FoundBy::Read => Some(&original.key),
            _ => None,
        };
        // What is held is fenced already and waits for a person; its readers have nothing new to say.
        if about.is_some_and(|key| self.books.is_held(key)) {
            return;
        }
        self.queue.push(Heard { event, at_ms: self.wall_ms(), tries: 0 });
    }
}

/// [`Take`] over a purger: an event is taken when its source was asked, and the purge that follows is in the journal and
/// fenced. It is never queued, so that its messenger can be answered.
#[derive(Clone, Debug)]
pub struct Taker(Arc<Purger>);

impl Taker {
    /// Takes events for `purger`.
    pub fn new(purger: Arc<Purger>) -> Self {
        Self(purger)
    }
}

impl Take for Taker {
    fn take(&self, events: Vec<Event>) -> BoxFuture<'_, Vec<Result<(), NotTaken>>> {
        let count = events.len();
        let stopped = move || vec![Err(NotTaken { why: "the server is stopping".to_owned() }); count];
        if self.0.is_stopped.load(Ordering::Acquire) {
            return Box::pin(std::future::ready(stopped()));
        }
        let at_ms = self.0.wall_ms();
        let batch = events.into_iter().map(|event| Heard { event, at_ms, tries: 0 }).collect();
        let (answer, answered) = oneshot::channel();
        let purger = self.0.clone();
        // A purge that was entered has to be begun, even where a client has hung up meanwhile.
        self.0.spawn(async move {
            let _ = answer.send(observe::take(&purger, batch).await);
        });
        Box::pin(async move { answered.await.unwrap_or_else(|_| stopped()) })
    }
}
