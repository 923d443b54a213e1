//! What can go wrong with objects at rest, as facts that a caller can act on. Never an HTTP status.

use afterimage_identity::{KEY_BYTES_MAX, Unprovable};

/// Why a store will not touch what a key names, although nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The name, or a folder on the way to it, is a symbolic link.
    Symlink,
    /// The name, or a folder on the way to it, begins with a dot.
    Hidden,
    /// There is something of that name, but it is a folder, a pipe, a socket or a device.
    NotAFile,
    /// The key, or a segment of it, is longer than anything stored here can be.
    KeyTooLong,
    /// The text is no key: empty, absolute, with an empty, `.` or `..` segment, or with characters not allowed here.
    NotAKey,
    /// The source cannot be listed: it only answers about keys that are named.
    NotListed,
    /// The facts about the object take more than [`META_BYTES_MAX`](crate::META_BYTES_MAX).
    MetaTooLarge,
}

impl Refusal {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Symlink => "symlink",
            Self::Hidden => "hidden",
            Self::NotAFile => "not-a-file",
            Self::KeyTooLong => "key-too-long",
            Self::NotAKey => "not-a-key",
            Self::NotListed => "not-listed",
            Self::MetaTooLarge => "meta-too-large",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Symlink => "symbolic links are not followed",
            Self::Hidden => "names that begin with a dot are not served",
            Self::NotAFile => "it is not a regular file",
            Self::KeyTooLong => {
                return write!(f, "the key or a segment of it is too long ({KEY_BYTES_MAX} bytes at most)");
            }
            Self::NotAKey => "it is not a key of this store",
            Self::NotListed => "this source cannot be listed; it only answers about keys that are named",
            Self::MetaTooLarge => "the facts about the object are too long",
        })
    }
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is proven that there is nothing of that name.
    #[error("there is no such object")]
    NotFound,
    /// Whether there is something of that name could not be learnt.
    #[error("nothing could be proven: {0}")]
    Unprovable(Unprovable),
    /// The store will not touch it.
    #[error("refused: {why}")]
    Refused {
        /// Why.
        why: Refusal,
    },
    /// The body is larger than asked for or allowed; nothing of it was read.
    #[error("the body has {bytes} bytes; at most {max} are allowed")]
    TooLarge {
        /// How large it is, in bytes.
        bytes: u64,
        /// How large it may be, in bytes.
        max: u64,
    },
    /// What was stored is not what was written. The store has dropped it: asking again finds nothing.
    #[error("what was stored is damaged: {why}")]
    Corrupt {
        /// What does not fit.
        why: String,
    },
    /// There is no room, even after evicting; trying again later may help.
    #[error("no room for {bytes} bytes: {why}")]
    Full {
        /// How much room was needed, in bytes.
        bytes: u64,
        /// Which bound stands in the way.
        why: String,
    },
    /// The machine failed.
    #[error("{why}")]
    Io {
        /// What was being done, and what the machine said.
        why: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing what is stored.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unprovable(_) | Self::Full { .. } | Self::Io { .. })
    }
}
