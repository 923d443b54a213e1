//! From messages to the write story: each record becomes an event, or is counted with the reason why not, and a message
//! is dealt with only when every one of its records is.

use std::fmt;
use std::sync::Arc;

use afterimage_identity::{Event, NotTaken, Take};

use crate::counters::{Counted, Counters};
use crate::dialect::{Message, Record, Unreadable};
use crate::{Ignored, Places};

/// A message is not dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It, or a record of it, cannot be read; the records that can be were taken.
    Unreadable(Unreadable),
    /// A record was not taken; brought again, it may be.
    NotTaken(NotTaken),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => why.fmt(f),
            Self::NotTaken(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Failed {}

/// Where messages go.
pub struct Intake {
    places: Places,
    take: Arc<dyn Take>,
    counters: Arc<Counters>,
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Intake").field("places", &self.places).finish_non_exhaustive()
    }
}

impl Intake {
    /// Events of `places` go to `take`.
    pub fn new(places: Places, take: Arc<dyn Take>) -> Self {
        Self { places, take, counters: Arc::default() }
    }

    /// What arrived here.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Takes one message.
    ///
    /// # Errors
    /// [`Failed`]: whoever brought it must bring it again, or lay it aside.
    pub async fn take(&self, message: Result<Message, Unreadable>) -> Result<(), Failed> {
        self.take_all(vec![message]).await.pop().unwrap_or(Ok(()))
    }

    /// Takes several messages, written down together; for each, whether it is dealt with.
    pub async fn take_all(&self, messages: Vec<Result<Message, Unreadable>>) -> Vec<Result<(), Failed>> {
        let mut events: Vec<Event> = Vec::new();
        let mut of: Vec<usize> = Vec::new();
        let mut results: Vec<Result<(), Failed>> = Vec::with_capacity(messages.len());
        for (at, message) in messages.into_iter().enumerate() {
            let found = self.events(message);
            of.resize(of.len() + found.events.len(), at);
            events.extend(found.events);
            results.push(found.unreadable.map_or(Ok(()), |why| Err(Failed::Unreadable(why))));
        }
        if events.is_empty() {
            return results;
        }
        let count = events.len();
        let mut taken = self.take.take(events).await;
        // Whoever answers too little has not taken the rest.
        taken.resize_with(count, || Err(NotTaken { why: "nobody said what became of it".to_owned() }));
        for (at, taken) in of.into_iter().zip(taken) {
            match taken {
                Ok(()) => self.counters.count(Counted::Taken),
                Err(why) => {
                    self.counters.count(Counted::NotTaken);
                    tracing::warn!(%why, "an event was not taken");
                    results[at] = Err(Failed::NotTaken(why));
                }
            }
        }
        results
    }

    fn events(&self, message: Result<Message, Unreadable>) -> Found {
        let mut found = Found::default();
        match message {
            Ok(Message::Records(records)) => {
                for record in records {
                    match record {
                        Ok(record) => found.events.extend(self.events_of(&record)),
                        Err(why) => found.unreadable = Some(self.unreadable(why)),
                    }
                }
            }
            Ok(Message::Test) => self.counters.ignored(Ignored::Test),
            // An envelope is opened by whoever knows whether its sender was checked.
            Ok(Message::Sns(_)) => found.unreadable = Some(self.unreadable(Unreadable::Nested)),
            Err(why) => found.unreadable = Some(self.unreadable(why)),
        }
        found
    }

    fn unreadable(&self, why: Unreadable) -> Unreadable {
        self.counters.count(Counted::Unreadable);
        tracing::warn!(%why, "a message or a record of it cannot be read");
        why
    }

    fn events_of(&self, record: &Record) -> Vec<Event> {
        self.counters.heard(record.dialect);
        let events = record.happened.and_then(|happened| {
            let key = record.key.as_deref().map_err(|why| *why)?;
            self.places.events(&record.bucket, key, happened)
        });
        let Record { bucket, key, name, version_id, sequencer, .. } = record;
        let (dialect, key) = (record.dialect.as_str(), key.as_deref().unwrap_or_default());
        match events {
            Ok(events) => {
                tracing::debug!(dialect, bucket, key, name, version_id, sequencer, "heard");
                events
            }
            Err(why) => {
                self.counters.ignored(why);
                tracing::debug!(dialect, bucket, key, name, why = why.as_str(), "ignored");
                Vec::new()
            }
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    events: Vec<Event>,
    unreadable: Option<Unreadable>,
}
