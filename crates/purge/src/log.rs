//! Where the books are written: a file of this machine, or a journal in a bucket that processes hand on to each other.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::journal::Journal;
use crate::shard::Shard;

/// A journal, wherever it is.
pub(crate) enum Log {
    /// A file that this process has to itself.
    File(Arc<Mutex<Journal>>),
    /// One that may be taken over.
    Shard(Box<Shard>),
}

impl Log {
    pub(crate) fn file(journal: Journal) -> Self {
        Self::File(Arc::new(Mutex::new(journal)))
    }

    /// How much has been written since it was made or last written anew.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::File(journal) => journal.lock().unwrap_or_else(PoisonError::into_inner).bytes(),
            Self::Shard(shard) => shard.bytes(),
        }
    }

    /// Whether what need not survive a crash is better written together with what has to: each writing is a request.
    pub(crate) fn is_dear(&self) -> bool {
        matches!(self, Self::Shard(_))
    }

    /// Whether somebody else goes on with it.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Shard(shard) if shard.is_lost())
    }

    /// Adds records, all of them or none; they survive a crash of the machine, if `sync`.
    pub(crate) async fn append(&mut self, payloads: Vec<Vec<u8>>, sync: bool) -> io::Result<()> {
        match self {
            Self::File(journal) => aside(journal, move |journal| journal.append(&payloads, sync)).await,
            Self::Shard(shard) => shard.append(&payloads).await,
        }
    }

    /// Replaces the whole content in one step.
    pub(crate) async fn rewrite(&mut self, payloads: Vec<Vec<u8>>) -> io::Result<()> {
        match self {
            Self::File(journal) => aside(journal, move |journal| journal.rewrite(&payloads)).await,
            Self::Shard(shard) => shard.rewrite(&payloads).await,
        }
    }
}

/// Waits for the disk where nobody else has to.
async fn aside(
    journal: &Arc<Mutex<Journal>>,
    work: impl FnOnce(&mut Journal) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let journal = journal.clone();
    let done = tokio::task::spawn_blocking(move || work(&mut journal.lock().unwrap_or_else(PoisonError::into_inner)));
    done.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
