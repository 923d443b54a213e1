//! Events that wait, each subject once. It never grows past its bound: when full it remembers that everything has to be
//! looked at, which forgets nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use afterimage_identity::{Event, FoundBy, Happened, SourceId, Subject};
use tokio::sync::Notify;

#[derive(Default)]
struct Waiting {
    order: VecDeque<Subject>,
    events: HashMap<Subject, Event>,
    overflowed: bool,
}

pub(crate) struct Queue {
    source: SourceId,
    max: usize,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

impl Queue {
    pub(crate) fn new(source: SourceId, max: usize) -> Self {
        Self { source, max, waiting: Mutex::default(), arrived: Notify::new() }
    }

    /// Takes an event. Of two about one subject the later stays, but a stronger finder is not forgotten: what an event
    /// named is not held back because a scan found it too.
    pub(crate) fn put(&self, event: Event) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = waiting.events.get_mut(&event.subject) {
            let found_by = if known.found_by == FoundBy::Event { FoundBy::Event } else { event.found_by };
            *known = Event { found_by, ..event };
        } else if waiting.order.len() >= self.max {
            waiting.overflowed = true;
        } else {
            waiting.order.push_back(event.subject.clone());
            waiting.events.insert(event.subject.clone(), event);
        }
        drop(waiting);
        self.arrived.notify_one();
    }

    /// The next event; waits for one.
    pub(crate) async fn take(&self) -> Event {
        loop {
            if let Some(event) = self.try_take() {
                return event;
            }
            self.arrived.notified().await;
        }
    }

    fn try_take(&self) -> Option<Event> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subject) = waiting.order.pop_front() {
            return waiting.events.remove(&subject);
        }
        let overflowed = std::mem::take(&mut waiting.overflowed);
        overflowed.then(|| Event {
            subject: Subject::Everything { source: self.source.clone() },
            happened: Happened::Changed,
            found_by: FoundBy::Event,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).order.len()
    }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{Original, OriginalKey};

    use super::*;

    fn event(key: &str, happened: Happened) -> Event {
        let original = Original::new(SourceId::default(), OriginalKey::new(key).unwrap());
        Event { subject: Subject::Original(original), happened, found_by: FoundBy::Event }
    }

    #[test]
    fn each_subject_waits_once_and_a_full_queue_forgets_nothing() {
        let queue = Queue::new(SourceId::default(), 2);
        queue.put(event("a", Happened::Created));
        queue.put(event("a", Happened::Removed));
        queue.put(event("b", Happened::Removed));
        assert_eq!(queue.len(), 2);
        queue.put(event("c", Happened::Removed));
        assert_eq!(queue.try_take(), Some(event("a", Happened::Removed)));
        assert_eq!(queue.try_take(), Some(event("b", Happened::Removed)));
        assert!(matches!(queue.try_take(), Some(Event { subject: Subject::Everything { .. }, .. })));
        assert_eq!(queue.try_take(), None);
    }
}
