//! Time as an argument: the seam through which the top rank lends its clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A moment on this machine's own clock that counts through suspend (CLOCK_BOOTTIME), in nanoseconds.
///
/// Only differences mean anything, and only on the machine that took both stamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// How long before `self` the moment `earlier` was; zero when it was not before.
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `duration` earlier, or the clock's beginning.
    pub fn before(self, duration: Duration) -> Stamp {
        Stamp(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The moment `duration` later.
    pub fn after(self, duration: Duration) -> Stamp {
        Stamp(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Lends the machine's clocks. Only the top rank implements it with real ones.
pub trait Clock: Send + Sync + 'static {
    /// The monotonic clock that counts through suspend.
    fn now(&self) -> Stamp;
    /// The wall clock, for headers, logs and receipts; nothing is decided by it except `expires` and settle times.
    fn wall(&self) -> SystemTime;
}

/// A clock that moves only when told to; for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_nanos()).expect("a test never advances 584 years"), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Stamp {
        Stamp(self.0.load(Ordering::SeqCst))
    }
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000) + Duration::from_nanos(self.now().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_never_go_below_zero() {
        let (early, late) = (Stamp(5), Stamp(9));
        assert_eq!(late.since(early), Duration::from_nanos(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.after(Duration::from_nanos(4)), late);
        assert_eq!((late.before(Duration::from_nanos(4)), early.before(Duration::from_nanos(6))), (early, Stamp(0)));
    }
}
