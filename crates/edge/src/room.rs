//! Room for originals: what has been read and not yet been made into something. The budget of renders does not count it, and without a
//! bound of its own a queue of renders could hold as many originals as there are requests.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Failure;

/// What is counted: a permit is a kibibyte.
const UNIT_BYTES: u64 = 1 << 10;

/// Bytes of originals that may be in memory at once.
pub(crate) struct Room {
    free: Semaphore,
    units: u32,
}

impl Room {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let units = u32::try_from(bytes_max / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        // A permit more than a semaphore holds is refused when it is made.
        let units = units.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self { free: Semaphore::new(units as usize), units }
    }

    /// Waits for room, first come first served. One that is larger than all there is gets all of it.
    ///
    /// # Errors
    /// [`Failure::QueueFull`] when there is none within the time.
    pub(crate) async fn take(&self, bytes: u64, within: Duration) -> Result<SemaphorePermit<'_>, Failure> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units);
        match tokio::time::timeout(within, self.free.acquire_many(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Failure::QueueFull),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_exactly_so_much_room() {
        let room = Room::new(10 << 10);
        let soon = Duration::from_secs(1);
        let most = room.take(9 << 10, soon).await.expect("room");
        let _last = room.take(1 << 10, soon).await.expect("exactly what is left");
        assert_eq!(room.take(1, soon).await.err(), Some(Failure::QueueFull));
        drop(most);
        assert!(room.take(9 << 10, soon).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_the_room_comes_alone() {
        let room = Room::new(10 << 10);
        let all = room.take(u64::MAX, Duration::from_secs(1)).await.expect("all of it");
        assert_eq!(room.take(1, Duration::from_secs(1)).await.err(), Some(Failure::QueueFull));
        drop(all);
        assert!(room.take(0, Duration::from_secs(1)).await.is_ok(), "nothing needs none");
    }
}
