//! Turns: whose original is read next. What lies on this machine is read in less time than a render takes, so bytes that wait for a
//! thread would only cost memory: as many are in hand as there are threads, and one more, so that none waits for the disk.

use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::Stamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Failure;

/// Leave to have one original in memory until something is made of it. It goes into the [`Job`](crate::Job), which keeps it as long
/// as it keeps the bytes.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Until when its render has to be done: waiting for the turn counts.
    pub(crate) deadline: Stamp,
    _permit: Arc<OwnedSemaphorePermit>,
}

/// The turns of a pool.
pub(crate) struct Turns {
    foreground: Arc<Semaphore>,
    /// Apart, as many as threads that work for nobody: those who wait do not wait behind them.
    background: Arc<Semaphore>,
}

impl Turns {
    pub(crate) fn new(threads: usize, background_threads: usize) -> Self {
        let of = |turns: usize| Arc::new(Semaphore::new(turns.min(Semaphore::MAX_PERMITS)));
        Self { foreground: of(threads.saturating_add(1)), background: of(background_threads) }
    }

    /// Waits for a turn, first come first served.
    ///
    /// # Errors
    /// [`Failure::Timeout`] when none came within the time.
    pub(crate) async fn take(&self, background: bool, deadline: Stamp, within: Duration) -> Result<Turn, Failure> {
        let turns = if background { &self.background } else { &self.foreground };
        match tokio::time::timeout(within, turns.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { deadline, _permit: Arc::new(permit) }),
            Ok(Err(_)) | Err(_) => Err(Failure::Timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn one_more_than_threads_and_the_background_apart() {
        let turns = Turns::new(2, 1);
        let take = |background| turns.take(background, Stamp(7), SOON);
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(take(false).await.expect("a turn"));
        }
        assert_eq!(take(false).await.err(), Some(Failure::Timeout));
        held.push(take(true).await.expect("a turn of its own"));
        assert_eq!(take(true).await.err(), Some(Failure::Timeout));
        // A copy of a job has the same bytes: the turn is over with the last of them.
        let copy = held[0].clone();
        held.remove(0);
        assert_eq!(take(false).await.err(), Some(Failure::Timeout));
        drop(copy);
        assert!(take(false).await.is_ok());
    }
}
