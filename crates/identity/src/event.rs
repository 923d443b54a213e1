//! What happened to originals, as the write story hears it. An event is a hint: the source is asked what is true.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Original, SourceId};

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One original.
    Original(Original),
    /// Every original whose key begins with this prefix (a folder with its trailing slash).
    Folder {
        /// The source.
        source: SourceId,
        /// The prefix of the keys.
        prefix: String,
    },
    /// Everything in a source: the messenger lost count and somebody has to look.
    Everything {
        /// The source.
        source: SourceId,
    },
}

/// As logs and receipts show it: the key, `prefix*`, or `everything`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Original(original) => f.write_str(original.key.as_str()),
            Subject::Folder { prefix, .. } => write!(f, "{prefix}*"),
            Subject::Everything { .. } => f.write_str("everything"),
        }
    }
}

/// What is said to have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It came into being: nothing was under its key before.
    Created,
    /// Something was written under its key, and the messenger does not know what was there before (a bucket's "created").
    Written,
    /// Its content may be another.
    Changed,
    /// It went.
    Removed,
}

/// Who found out. Scans and reads may find very many things gone for a bad reason (an unmounted disk); removal events
/// name their keys, so only they act without the mass-loss hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// A directory watch or a bucket event.
    Event,
    /// A request that found its original gone or changed.
    Read,
    /// A scan that compared derivatives with originals, at start or later.
    Scan,
    /// A person or a program that asked for a purge.
    Operator,
}

/// Something may have happened to originals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event {
    /// What it is about.
    pub subject: Subject,
    /// What is said to have happened.
    pub happened: Happened,
    /// Who says so.
    pub found_by: FoundBy,
}
