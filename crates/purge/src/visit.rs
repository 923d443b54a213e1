//! The write story in a process that comes for a while: it goes on with what was left, and leaves what only time or others can
//! finish to the next one.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::drive::due_ms;
use crate::journals::{STANDING, archive};
use crate::order::Filter;
use crate::{Error, Purger};

/// Why a visit is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left that can be done now.
    Done,
    /// What is left waits for the end of fills, or for others.
    Waits,
    /// Its time is over.
    OutOfTime,
    /// Another process goes on with the journal.
    Lost,
}

/// What is left to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many purges.
    pub open: usize,
    /// When the first of them can go on by itself, in milliseconds since the Unix epoch; `None` where all wait for others.
    pub due_ms: Option<u64>,
}

impl Purger {
    /// Goes on with what was left, and with what is taken meanwhile, until there is nothing that it could do: nothing has
    /// happened for `quiet`. Not beyond `until`.
    pub async fn visit(self: &Arc<Self>, quiet: Duration, until: Instant) -> Ended {
        self.resume();
        let mut changes = self.books.changes();
        loop {
            changes.borrow_and_update();
            if self.books.is_lost() {
                return Ended::Lost;
            }
            let open = self.books.ids(|task| !task.is_closed() && !task.is_held() && !task.parked);
            if open.is_empty() {
                return Ended::Done;
            }
            let sweeps = || self.sweeping.load(Ordering::Acquire) > 0;
            if !sweeps() && open.iter().all(|id| self.only_time_helps(*id)) {
                return Ended::Waits;
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(until) => return Ended::OutOfTime,
                () = tokio::time::sleep(quiet) => if !sweeps() {
                    return Ended::Waits;
                },
            }
        }
    }

    /// Whether a purge has done all it can before fills elsewhere are over.
    fn only_time_helps(&self, id: u64) -> bool {
        let Some(task) = self.books.get(id) else { return true };
        let is_told = |name: &str| task.told.get(name).is_some_and(|round| *round >= 1);
        let waits = due_ms(&self.config, &task).is_some_and(|due_ms| due_ms > self.wall_ms());
        waits && task.swept && self.parts.invalidators.iter().all(|outer| is_told(outer.name()))
    }

    /// What is left to do.
    pub fn left(&self) -> Left {
        let open: Vec<_> = self.books.unfinished().into_iter().filter_map(|id| self.books.get(id)).collect();
        let due_ms = open.iter().filter_map(|task| due_ms(&self.config, task)).min();
        Left { open: open.len(), due_ms }
    }

    /// Ends this process's part: stops what runs, writes the receipts where [`Journals`](crate::Journals) finds them, and
    /// hands the journal on, or ends it where nothing is left. The standing one is always handed on, without what is done.
    /// Nobody is expected to go on with it before `expected_ms`.
    ///
    /// # Errors
    /// [`Error::Journal`]: somebody else goes on with it, or it cannot be written. Then the next run does again what this one did.
    pub async fn hand_over(&self, expected_ms: u64) -> Result<Left, Error> {
        self.shut_down().await;
        let left = self.left();
        let receipts = self.books.receipts(&Filter { limit: usize::MAX, ..Filter::default() });
        let stands = self.books.with_shard(async |shard, _| shard.name() == STANDING).await.unwrap_or(false);
        if stands {
            self.books.forget_closed();
        }
        let written = self.books.with_shard(async |shard, all| {
            if !shard.is_written() && receipts.is_empty() && !stands {
                return Ok(());
            }
            let keep = shard.keep();
            let failed = |why: String| Error::Journal { name: shard.name().to_owned(), why };
            if shard.is_lost() {
                return Err(failed("somebody else goes on with it".to_owned()));
            }
            if !receipts.is_empty() {
                let name = if stands { shard.run().name.clone() } else { shard.name().to_owned() };
                let archived = archive(&*keep, &name, &receipts).await;
                archived.map_err(|error| failed(error.to_string()))?;
            }
            let name = shard.name().to_owned();
            let failed = |error: std::io::Error| Error::Journal { name: name.clone(), why: error.to_string() };
            if left.open > 0 || stands {
                shard.release(&all, expected_ms).await.map_err(failed)?;
            } else {
                shard.end().await.map_err(failed)?;
            }
            if stands {
                shard.compact().await;
            }
            Ok(())
        });
        written.await.unwrap_or(Ok(()))?;
        Ok(left)
    }
}
