//! The machine's clocks, read here and nowhere below.

use std::time::SystemTime;

use afterimage_identity::{Clock, Stamp};
use rustix::time::{ClockId, clock_gettime};

/// CLOCK_BOOTTIME goes on while a function is frozen.
#[derive(Debug, Default, Clone, Copy)]
pub struct MachineClock;

impl Clock for MachineClock {
    fn now(&self) -> Stamp {
        let now = clock_gettime(ClockId::Boottime);
        // Both parts are never negative on this clock.
        Stamp(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}
