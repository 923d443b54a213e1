//! What became of workers, counted. Reading it stops nobody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::death::Cause;
use crate::report::Report;

/// Counters that the places of one set of workers share.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    alive: AtomicU64,
    started: AtomicU64,
    failed: AtomicU64,
    replaced: AtomicU64,
    jobs: AtomicU64,
    deaths: [AtomicU64; Cause::ALL.len()],
    report: Mutex<Option<Report>>,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Workers that are there.
    pub alive: u64,
    /// Workers started.
    pub started: u64,
    /// Starts that came to nothing.
    pub failed: u64,
    /// Workers replaced, because they had done their share of jobs or kept too much memory.
    pub replaced: u64,
    /// Jobs answered.
    pub jobs: u64,
    /// Workers that died with a job in hand, in the order of [`Cause::ALL`].
    pub deaths: [u64; Cause::ALL.len()],
    /// Which walls stood around the last one that was started; `None` before the first.
    pub report: Option<Report>,
}

impl Tally {
    /// Counts a worker as there; remembers how well it is enclosed.
    pub(crate) fn started(&self, report: &Report) {
        self.started.fetch_add(1, Ordering::Relaxed);
        self.alive.fetch_add(1, Ordering::Relaxed);
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
    }

    pub(crate) fn ended(&self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn replaced(&self) {
        self.replaced.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self) {
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn died(&self, cause: Cause) {
        self.deaths[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            alive: read(&self.alive),
            started: read(&self.started),
            failed: read(&self.failed),
            replaced: read(&self.replaced),
            jobs: read(&self.jobs),
            deaths: self.deaths.each_ref().map(read),
            report: self.report.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
