//! What a purge did, step by step, and when.

use serde::{Deserialize, Serialize};

use crate::{FoundBy, Sequence, Subject};

/// How far a purge has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// In the journal; nothing done yet.
    Planned,
    /// Every edge has acknowledged the fence: nothing old is served any more.
    Fenced,
    /// The stored derivatives are gone, the second sweep included.
    Clean,
    /// Every layer, CDNs included, is done.
    Done,
    /// Waits for a person: a scan found suspiciously many originals gone or changed.
    Held,
}

/// How one layer fared: an edge, the store, a CDN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum LayerState {
    /// Not yet, with the last error if there was one.
    Waiting {
        /// Why the last attempt failed.
        last_error: Option<String>,
        /// How often it was attempted.
        attempts: u32,
    },
    /// Done.
    Done,
}

/// One layer that a purge has to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its name: `edge`, `derivatives`, or a CDN's configured name.
    pub name: String,
    /// How it fared.
    #[serde(flatten)]
    pub state: LayerState,
}

/// One stored derivative that a purge removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its key at rest.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The record of one purge. Times are milliseconds since the Unix epoch on the machine that ran it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Unique on this machine, increasing.
    pub id: u64,
    /// What was purged.
    pub subject: Subject,
    /// Why, in words: `gone`, `changed`, `asked for`.
    pub reason: String,
    /// Who found out.
    pub found_by: FoundBy,
    /// How far it has come.
    pub state: ReceiptState,
    /// When the event was heard.
    pub heard_at_ms: u64,
    /// When the last edge acknowledged the fence.
    pub fenced_at_ms: Option<u64>,
    /// When the last derivative was seen gone, the second sweep included.
    pub clean_at_ms: Option<u64>,
    /// When every layer was done.
    pub done_at_ms: Option<u64>,
    /// The fence's position in this edge's purge sequence.
    pub sequence: Option<Sequence>,
    /// How many cached entries the fence matched.
    pub entries_matched: u64,
    /// How many fills were under way that the fence made start over.
    pub fills_overlapping: u64,
    /// What was removed from the store, at most the first 1,000.
    pub removed: Vec<Removed>,
    /// How many derivatives were removed in all.
    pub removed_count: u64,
    /// The layers it had to reach.
    pub layers: Vec<Layer>,
    /// What no purge can reach and its owner may bring back, in words: earlier versions that a bucket of originals keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoverable: Vec<String>,
}
