//! What arrived and what became of it, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::Ignored;
use crate::dialect::Dialect;

/// What can become of a message or record, beside being ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A record was taken: the source was asked, and what follows is written down.
    Taken,
    /// A record was not taken: the source could not say, or the journal not be written. It comes again.
    NotTaken,
    /// A message or record could not be read.
    Unreadable,
    /// A delivery had no right to speak: no token, or a signature that does not hold.
    Refused,
    /// A topic's subscription was confirmed.
    Confirmed,
    /// The queue was asked for messages.
    Polled,
    /// The queue could not be asked, or did not do what it was asked.
    QueueFailed,
    /// A message was taken off the queue for good.
    Deleted,
    /// A message was left to the queue, which brings it again or lays it aside.
    Left,
    /// The time until a message comes again was prolonged.
    Extended,
}

impl Counted {
    /// Everything.
    pub const ALL: [Self; 10] = [
        Self::Taken,
        Self::NotTaken,
        Self::Unreadable,
        Self::Refused,
        Self::Confirmed,
        Self::Polled,
        Self::QueueFailed,
        Self::Deleted,
        Self::Left,
        Self::Extended,
    ];

    /// Its word in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NotTaken => "not-taken",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::Confirmed => "confirmed",
            Self::Polled => "polled",
            Self::QueueFailed => "queue-failed",
            Self::Deleted => "deleted",
            Self::Left => "left",
            Self::Extended => "extended",
        }
    }
}

/// The counters of one process.
#[derive(Debug, Default)]
pub struct Counters {
    heard: [AtomicU64; Dialect::ALL.len()],
    ignored: [AtomicU64; Ignored::ALL.len()],
    outcomes: [AtomicU64; Counted::ALL.len()],
}

/// Their values at one moment, each with its word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records, by dialect.
    pub heard: Vec<(&'static str, u64)>,
    /// Records and messages that meant no work, by reason.
    pub ignored: Vec<(&'static str, u64)>,
    /// What became of the others.
    pub outcomes: Vec<(&'static str, u64)>,
}

impl Counters {
    pub(crate) fn heard(&self, dialect: Dialect) {
        self.heard[dialect as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ignored(&self, why: Ignored) {
        self.ignored[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, what: Counted) {
        self.outcomes[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Everything at this moment.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            heard: Dialect::ALL.iter().zip(&self.heard).map(|(of, counter)| (of.as_str(), read(counter))).collect(),
            ignored: Ignored::ALL.iter().zip(&self.ignored).map(|(of, counter)| (of.as_str(), read(counter))).collect(),
            outcomes: Counted::ALL.iter().zip(&self.outcomes).map(|(of, at)| (of.as_str(), read(at))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_its_own_counter() {
        let counters = Counters::default();
        Dialect::ALL.iter().for_each(|of| counters.heard(*of));
        Ignored::ALL.iter().for_each(|of| counters.ignored(*of));
        Counted::ALL.iter().for_each(|of| counters.count(*of));
        let counts = counters.counts();
        let all: Vec<(&str, u64)> = [counts.heard, counts.ignored, counts.outcomes].concat();
        assert!(all.iter().all(|(_, count)| *count == 1), "{all:?}");
        let words: std::collections::BTreeSet<&str> = all.iter().map(|(word, _)| *word).collect();
        assert_eq!(words.len(), all.len());
    }
}
