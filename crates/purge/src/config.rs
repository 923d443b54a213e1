//! What the write story needs and may be told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{Ask, Clock, Fence, Invalidate, SourceId};
use afterimage_store::Write;

/// Settings of the write story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The source whose originals it follows.
    pub source: SourceId,
    /// Where journal and receipts are kept.
    pub state_directory: PathBuf,
    /// The longest a fill may take: how long the second sweep waits for fills at most.
    pub fill_time_max: Duration,
    /// A scan that finds more than so many percent of the originals gone or changed, and more than
    /// `mass_loss_count`, deletes nothing until a person confirms.
    pub mass_loss_percent: u32,
    /// See `mass_loss_percent`.
    pub mass_loss_count: u64,
    /// How often everything is compared. Zero: only at start.
    pub reconcile_interval: Duration,
    /// How many receipts are kept.
    pub receipts_max: usize,
    /// How many subjects may wait; beyond, everything is looked at.
    pub queue_max: usize,
    /// How many purges run at once.
    pub concurrent_max: usize,
    /// The pause after a failed attempt; it doubles up to a minute.
    pub retry_pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: SourceId::default(),
            state_directory: PathBuf::new(),
            fill_time_max: Duration::from_secs(60),
            mass_loss_percent: 5,
            mass_loss_count: 100,
            reconcile_interval: Duration::from_secs(86_400),
            receipts_max: 10_000,
            queue_max: 10_000,
            concurrent_max: 16,
            retry_pause: Duration::from_millis(100),
        }
    }
}

/// What the write story works with.
pub struct Parts {
    /// Every cache of our own that has to be fenced.
    pub fences: Vec<Arc<dyn Fence>>,
    /// The stored derivatives.
    pub derivatives: Arc<dyn Write>,
    /// Asks the source what is true.
    pub ask: Arc<dyn Ask>,
    /// Outer caches to be told.
    pub invalidators: Vec<Arc<dyn Invalidate>>,
    /// The machine's clocks.
    pub clock: Arc<dyn Clock>,
}

/// The write story cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal cannot be read or written.
    #[error("the journal at {path}: {why}")]
    Journal {
        /// Where.
        path: PathBuf,
        /// What the machine said.
        why: String,
    },
    /// The stored derivatives cannot be listed.
    #[error("the derivatives cannot be listed: {0}")]
    Derivatives(afterimage_store::Error),
    /// Another reconciliation runs.
    #[error("a reconciliation is already under way")]
    Busy,
}
