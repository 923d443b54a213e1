//! The machine's clocks, read here and nowhere below.

use std::time::SystemTime;

use afterimage_identity::{Clock, Stamp};
use rustix::time::{ClockId, clock_gettime};

/// CLOCK_BOOTTIME counts through suspend. `Instant` does not: after a night asleep its stamps would look too young.
#[derive(Debug, Default, Clone, Copy)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Stamp {
        #[cfg(target_os = "linux")]
        let now = clock_gettime(ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let now = clock_gettime(ClockId::Monotonic);
        // Both parts are never negative on these clocks.
        Stamp(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}
