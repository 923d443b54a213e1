//! Counters of answers, one per reason, and of the time that renders took. Reading them never stops a request.

use std::sync::atomic::{AtomicU64, Ordering};

use afterimage_cache::MissWhy;

use crate::Reason;
use crate::reason::{MISSES, miss_word};

/// What the edge has done since it started.
#[derive(Debug)]
pub struct Metrics {
    answers: Vec<AtomicU64>,
    misses: [AtomicU64; MISSES.len()],
    body_bytes: AtomicU64,
    fills: AtomicU64,
    fill_time_us: AtomicU64,
    questions: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Answers by reason.
    pub answers: Vec<(Reason, u64)>,
    /// Answers that memory could not give, by the word for why.
    pub misses: Vec<(&'static str, u64)>,
    /// Bytes of bodies sent.
    pub body_bytes: u64,
    /// Fills begun.
    pub fills: u64,
    /// Time that fills took until their answer was there, in microseconds.
    pub fill_time_us: u64,
    /// Questions to the source about entries whose proof had grown old.
    pub questions: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            answers: Reason::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            misses: Default::default(),
            body_bytes: AtomicU64::new(0),
            fills: AtomicU64::new(0),
            fill_time_us: AtomicU64::new(0),
            questions: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    pub(crate) fn answered(&self, reason: Reason, body_bytes: usize) {
        self.answers[reason as usize].fetch_add(1, Ordering::Relaxed);
        self.body_bytes.fetch_add(body_bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn missed(&self, why: MissWhy) {
        if let Some(at) = MISSES.iter().position(|known| *known == why) {
            self.misses[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Bytes of a body that streams.
    pub(crate) fn sent(&self, bytes: usize) {
        self.body_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn filled(&self, took: std::time::Duration) {
        self.fills.fetch_add(1, Ordering::Relaxed);
        self.fill_time_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn asked(&self) {
        self.questions.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            answers: Reason::ALL.iter().map(|&r| (r, self.answers[r as usize].load(Ordering::Relaxed))).collect(),
            misses: MISSES
                .iter()
                .zip(&self.misses)
                .map(|(why, count)| (miss_word(*why), count.load(Ordering::Relaxed)))
                .collect(),
            body_bytes: self.body_bytes.load(Ordering::Relaxed),
            fills: self.fills.load(Ordering::Relaxed),
            fill_time_us: self.fill_time_us.load(Ordering::Relaxed),
            questions: self.questions.load(Ordering::Relaxed),
        }
    }
}
