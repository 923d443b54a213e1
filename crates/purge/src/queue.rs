//! Events that wait to be looked at. Bounded: one too many, and everything is looked at instead. Never blocks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use afterimage_identity::{Event, FoundBy, Happened, Subject};
use tokio::sync::Notify;

/// An event and when it was first heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) event: Event,
    /// Milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// How often the source could not say.
    pub(crate) tries: u8,
}

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<Subject>,
    heard: HashMap<Subject, Heard>,
    everything: bool,
    /// How many were taken and are not dealt with.
    taken: usize,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Notify,
    waiting_max: usize,
}

impl Queue {
    pub(crate) fn new(waiting_max: usize) -> Self {
        Self { waiting: Mutex::default(), bell: Notify::new(), waiting_max }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event; joins it with one about the same subject that still waits.
    pub(crate) fn push(&self, heard: Heard) {
        let mut waiting = self.waiting();
        if matches!(heard.event.subject, Subject::Everything { .. }) {
            waiting.everything = true;
        } else if let Some(earlier) = waiting.heard.get_mut(&heard.event.subject) {
            *earlier = joined(earlier, heard);
        } else if waiting.order.len() >= self.waiting_max {
            tracing::warn!(waiting = waiting.order.len(), "too many events: everything will be looked at");
            waiting.everything = true;
        } else {
            waiting.order.push_back(heard.event.subject.clone());
            waiting.heard.insert(heard.event.subject.clone(), heard);
        }
        drop(waiting);
        self.bell.notify_one();
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.waiting();
        waiting.order.len() + usize::from(waiting.everything)
    }

    /// Whether nothing waits and nothing is being looked at.
    pub(crate) fn is_idle(&self) -> bool {
        let waiting = self.waiting();
        waiting.order.is_empty() && !waiting.everything && waiting.taken == 0
    }

    /// So many of what was taken have been dealt with.
    pub(crate) fn done(&self, count: usize) {
        let mut waiting = self.waiting();
        waiting.taken = waiting.taken.saturating_sub(count);
    }

    /// Waits for events; at most `at_most` of them, and whether everything is to be looked at.
    pub(crate) async fn take(&self, at_most: usize) -> (Vec<Heard>, bool) {
        loop {
            let rung = self.bell.notified();
            {
                let mut waiting = self.waiting();
                let everything = std::mem::take(&mut waiting.everything);
                let count = at_most.min(waiting.order.len());
                let subjects: Vec<Subject> = waiting.order.drain(..count).collect();
                let heard: Vec<Heard> = subjects.iter().filter_map(|subject| waiting.heard.remove(subject)).collect();
                if everything || !heard.is_empty() {
                    waiting.taken += heard.len();
                    return (heard, everything);
                }
            }
            rung.await;
        }
    }
}

/// Two words about one subject. Whoever found out with more authority counts; what was more than a creation stays so.
fn joined(earlier: &Heard, later: Heard) -> Heard {
    let rank = |found_by| match found_by {
        FoundBy::Scan => 0,
        FoundBy::Read => 1,
        FoundBy::Event => 2,
        FoundBy::Operator => 3,
    };
    let found_by = [earlier.event.found_by, later.event.found_by].into_iter().max_by_key(|found_by| rank(*found_by));
    let happened =
        if later.event.happened == Happened::Created { earlier.event.happened } else { later.event.happened };
    Heard {
        event: Event { happened, found_by: found_by.unwrap_or(FoundBy::Event), ..later.event },
        at_ms: earlier.at_ms.min(later.at_ms),
        tries: earlier.tries.min(later.tries),
    }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{Original, OriginalKey, SourceId};

    use super::*;

    fn heard(key: &str, happened: Happened, found_by: FoundBy) -> Heard {
        let original = Original::new(SourceId::default(), OriginalKey::new(key).unwrap());
        Heard { event: Event { subject: Subject::Original(original), happened, found_by }, at_ms: 5, tries: 0 }
    }

    #[tokio::test]
    async fn doubles_are_joined_and_keep_their_place() {
        let queue = Queue::new(9);
        queue.push(heard("a", Happened::Removed, FoundBy::Event));
        queue.push(heard("b", Happened::Changed, FoundBy::Read));
        queue.push(heard("a", Happened::Created, FoundBy::Read));
        let (taken, everything) = queue.take(9).await;
        let wanted = [heard("a", Happened::Removed, FoundBy::Event), heard("b", Happened::Changed, FoundBy::Read)];
        assert_eq!((taken, everything), (wanted.to_vec(), false));
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn at_the_bound_nothing_is_lost_and_past_it_everything_is_looked_at() {
        let queue = Queue::new(2);
        queue.push(heard("a", Happened::Removed, FoundBy::Event));
        queue.push(heard("b", Happened::Removed, FoundBy::Event));
        queue.push(heard("b", Happened::Removed, FoundBy::Event));
        assert!(!queue.take(1).await.1);
        queue.push(heard("c", Happened::Removed, FoundBy::Event));
        queue.push(heard("d", Happened::Removed, FoundBy::Event));
        let (taken, everything) = queue.take(9).await;
        assert!(everything);
        assert_eq!(taken.len(), 2);
    }
}
