//! The machine's clocks. Durations are measured within one event only: while a function is frozen between two events, its clocks
//! may go on or stand still, and nothing here may depend on which.

use std::time::SystemTime;

use afterimage_identity::{Clock, Stamp};
use rustix::time::{ClockId, clock_gettime};

#[derive(Debug, Clone, Copy)]
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
