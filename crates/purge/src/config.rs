//! The purger's settings, what it is joined to, and what can go wrong when it opens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{Ask, Clock, Fence, Invalidate, SourceId};
use afterimage_store::{Read, Write};
use afterimage_variant::Hosts;

use crate::Holder;

/// When a scan or reads have found suspiciously much gone or changed: more than both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassLoss {
    /// Per cent of the originals known, 0 to 100.
    pub percent: u8,
    /// How many originals.
    pub count: u64,
}

impl MassLoss {
    /// Whether `lost` of `known` originals are too many to delete without a person.
    pub fn is_reached(self, lost: u64, known: u64) -> bool {
        lost > self.count && lost.saturating_mul(100) > known.saturating_mul(u64::from(self.percent))
    }
}

/// Settings of the write story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The source whose derivatives it cleans.
    pub source: SourceId,
    /// Hosts that have a part of the keys to themselves: outer caches know paths as such a host is asked for them.
    pub hosts: Hosts,
    /// Where lock and journal live.
    pub state_dir: PathBuf,
    /// The longest fill, in milliseconds: so long the second sweep waits at most. A fill older than this stores nothing.
    pub fill_ms_max: u64,
    /// Whether pictures are made by processes that cannot be fenced or asked: then the second sweep waits for the longest fill, and
    /// outer caches are told again, whether or not a fill is known to overlap.
    pub fills_elsewhere: bool,
    /// When deletions found by scans and reads wait for a person.
    pub mass_loss: MassLoss,
    /// For how long originals found gone or changed by reads are counted together, in milliseconds.
    pub mass_loss_window_ms: u64,
    /// How many events wait at most, from 1; one more and everything is looked at.
    pub queue_max: usize,
    /// How many questions to the source and runs go on at once, from 1.
    pub concurrent_max: usize,
    /// How many finished receipts are kept.
    pub receipts_max: usize,
    /// How many bytes the receipts may take in memory and in the journal.
    pub receipts_bytes_max: u64,
    /// How many unfinished purges may wait for outer caches; beyond, the oldest of them is given up and says so.
    pub open_max: usize,
    /// The first pause before trying again, in milliseconds, from 1; each next one is twice as long.
    pub backoff_ms_min: u64,
    /// The longest pause before trying again, in milliseconds.
    pub backoff_ms_max: u64,
    /// What no purge can reach, in words for receipts.
    pub recoverable: Vec<String>,
    /// Whether everything is looked at when it starts.
    pub scan_at_start: bool,
    /// How often everything is looked at, in milliseconds, from 1,000; `None`: only at start and when asked.
    pub scan_every_ms: Option<u64>,
    /// How many originals a scan asks about per second, from 1.
    pub scan_per_s: u32,
    /// How many requests (questions to the source, pages of the listing) one scan may cost, from 1,000; the next one goes on
    /// where it stopped. `None` does not bound them.
    pub scan_requests_max: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: SourceId::default(),
            hosts: Hosts::default(),
            state_dir: PathBuf::from("."),
            fill_ms_max: 60_000,
            fills_elsewhere: false,
            mass_loss: MassLoss { percent: 5, count: 100 },
            mass_loss_window_ms: 600_000,
            queue_max: 10_000,
            concurrent_max: 16,
            receipts_max: 10_000,
            receipts_bytes_max: 32 << 20,
            open_max: 10_000,
            backoff_ms_min: 100,
            backoff_ms_max: 60_000,
            recoverable: Vec::new(),
            scan_at_start: true,
            scan_every_ms: Some(3_600_000),
            scan_per_s: 500,
            scan_requests_max: None,
        }
    }
}

impl Config {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Config`] for every setting out of its range, joined into one text.
    pub fn validate(&self) -> Result<(), Error> {
        let rules = [
            (self.mass_loss.percent <= 100, "mass_loss.percent: 0 to 100"),
            (self.queue_max >= 1, "queue_max: at least 1"),
            (self.concurrent_max >= 1, "concurrent_max: at least 1"),
            (self.backoff_ms_min >= 1, "backoff_ms_min: at least 1"),
            (self.backoff_ms_max >= self.backoff_ms_min, "backoff_ms_max: at least backoff_ms_min"),
            (self.scan_every_ms.is_none_or(|ms| ms >= 1_000), "scan_every_ms: at least 1000"),
            (self.scan_per_s >= 1, "scan_per_s: at least 1"),
            (self.scan_requests_max.is_none_or(|max| max >= 1_000), "scan_requests_max: at least 1000"),
        ];
        let broken: Vec<&str> = rules.iter().filter(|(holds, _)| !holds).map(|(_, rule)| *rule).collect();
        if broken.is_empty() { Ok(()) } else { Err(Error::Config(broken.join("; "))) }
    }

    /// The pause after `attempts` failures.
    pub(crate) fn backoff(&self, attempts: u32) -> Duration {
        let ms = self.backoff_ms_min.saturating_mul(1 << attempts.saturating_sub(1).min(32));
        Duration::from_millis(ms.min(self.backoff_ms_max))
    }
}

/// What the write story is joined to.
#[derive(Clone)]
pub struct Parts {
    /// Every own edge.
    pub fences: Vec<Arc<dyn Fence>>,
    /// Where derivatives lie.
    pub derivatives: Arc<dyn Write>,
    /// Where originals lie; read only.
    pub originals: Arc<dyn Read>,
    /// Asks the source what is true.
    pub ask: Arc<dyn Ask>,
    /// The outer caches.
    pub invalidators: Vec<Arc<dyn Invalidate>>,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
}

/// Why the write story cannot open, or cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings are out of range.
    #[error("{0}")]
    Config(String),
    /// Another process holds the state.
    #[error("{} is in use by {holder}", state_dir.display())]
    Locked {
        /// The state directory.
        state_dir: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// The state directory or the journal cannot be used.
    #[error("{}: {cause}", path.display())]
    State {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The journal was written by a version that this one does not understand.
    #[error("{}: a journal of another format; use the version that wrote it, or move the file away", path.display())]
    Format {
        /// The journal.
        path: PathBuf,
    },
    /// A journal in a bucket cannot be used, or somebody else goes on with it.
    #[error("journal {name}: {why}")]
    Journal {
        /// Its name.
        name: String,
        /// Why, in words.
        why: String,
    },
    /// A listing failed, so nothing can be said about what is stored.
    #[error("cannot list the derivatives: {0}")]
    Store(#[from] afterimage_store::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_loss_begins_exactly_past_both_bounds() {
        let rule = MassLoss { percent: 5, count: 100 };
        for (lost, known, reached) in [
            (100, 100, false),
            (101, 101, true),
            (101, 2_020, false),
            (102, 2_020, true),
            (101, 0, true),
            (0, 0, false),
        ] {
            assert_eq!(rule.is_reached(lost, known), reached, "{lost} of {known}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_bound() {
        let config = Config { backoff_ms_min: 100, backoff_ms_max: 1_000, ..Config::default() };
        let pauses: Vec<u128> = (1..=6).map(|attempts| config.backoff(attempts).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(config.backoff(u32::MAX).as_millis(), 1_000);
    }

    #[test]
    fn ranges_are_checked() {
        assert!(Config::default().validate().is_ok());
        assert!(Config { queue_max: 0, ..Config::default() }.validate().is_err());
        assert!(Config { scan_every_ms: Some(999), ..Config::default() }.validate().is_err());
        assert!(Config { scan_requests_max: Some(999), ..Config::default() }.validate().is_err());
        assert!(Config { backoff_ms_max: 99, ..Config::default() }.validate().is_err());
        let both = Config { queue_max: 0, scan_per_s: 0, ..Config::default() }.validate().unwrap_err().to_string();
        assert!(both.contains("queue_max") && both.contains("scan_per_s"), "{both}");
    }
}
