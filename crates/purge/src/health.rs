//! How the write story is doing, in numbers for whoever watches it.

use std::time::Duration;

use serde::Serialize;

use crate::Purger;

/// How the write story is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// How many originals wait for a person (`reconcile --confirm`).
    pub held: usize,
    /// How many events wait.
    pub queue: usize,
    /// How many purges are under way.
    pub open: usize,
    /// How many of them wait for the next scan or start, because an outer cache refused.
    pub parked: usize,
    /// How long ago the oldest of them was begun.
    pub oldest: Duration,
    /// How many originals with derivatives the last scan saw.
    pub originals_known: u64,
    /// Why the journal could not be written last time; purges go on without it.
    pub journal_error: Option<String>,
}

impl Purger {
    /// How it is doing.
    pub fn health(&self) -> Health {
        Health {
            held: self.books.held(),
            queue: self.queue.len(),
            open: self.books.unfinished().len(),
            parked: self.books.ids(|task| task.parked).len(),
            oldest: self.oldest(),
            originals_known: self.books.originals_known(),
            journal_error: self.books.journal_error(),
        }
    }

    fn oldest(&self) -> Duration {
        let heard = self.books.oldest_unfinished_ms();
        Duration::from_millis(heard.map_or(0, |heard| self.wall_ms().saturating_sub(heard)))
    }
}
