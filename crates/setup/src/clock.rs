//! The machine's clocks, for whoever stands at the top: commands and functions. Nothing else here, and nothing below, reads them.

use std::time::SystemTime;

use afterimage_identity::{Clock, Stamp};
use rustix::time::{ClockId, clock_gettime};

/// The machine's clocks.
///
/// CLOCK_BOOTTIME counts through suspend. `Instant` does not: after a night asleep its stamps would look too young. While a function
/// is frozen between two events its clocks may go on or stand still, whichever they are: there nothing may depend on which.
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
