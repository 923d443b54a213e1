//! A directory of originals, to read and nothing else: no code here writes, renames or deletes. It says that an original
//! is gone only when that is proven, and hands out bytes only with the version that they hash to.

mod listing;
mod memo;
mod reading;
mod root;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use afterimage_identity::{BoxFuture, Clock};
use bytes::Bytes;
use tokio::sync::Semaphore;

pub use listing::Skipped;

use crate::beneath::Beneath;
use crate::{Error, Meta, Object, Page, Read, Stat};
use memo::{Memo, Stamps};
use root::Root;

/// How a directory of originals is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a file must have been left alone before its content is taken for final, in milliseconds of the wall
    /// clock; less than 20 counts as 20.
    pub settle_ms: u64,
    /// The largest original that is read, in bytes.
    pub bytes_max: u64,
    /// Whether names that begin with a dot are originals.
    pub allow_hidden: bool,
    /// What the memory of versions may take, in bytes; about 300 per original.
    pub memo_bytes_max: usize,
    /// How many originals are read at once; more wait.
    pub reads_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settle_ms: 2_000,
            bytes_max: 256 * 1024 * 1024,
            allow_hidden: false,
            memo_bytes_max: 64 * 1024 * 1024,
            reads_max: 64,
        }
    }
}

pub(crate) struct Inner {
    beneath: Beneath,
    root: Root,
    memo: Memo,
    config: Config,
    clock: Arc<dyn Clock>,
    skipped: listing::Counters,
}

/// A directory of originals.
///
/// A key is the path beneath the root. The version is the digest of the content. While device, inode, size and both times
/// of a file stay as they were when it was read at rest, its version is known without reading it again.
///
/// `stat` of such a file is done on the calling thread: three or four system calls, microseconds on a local disk, less
/// than handing the work to another thread. On network file systems, which may hang, it is handed over.
///
/// Not seen: stores through a shared writable mapping that the kernel has not written back yet, and what a network file
/// system's own attribute cache hides. A file system mounted inside the root and unmounted again is an empty folder like
/// any other.
pub struct Originals {
    inner: Arc<Inner>,
    reads: Arc<Semaphore>,
    inline: bool,
}

impl Originals {
    /// Opens the directory. The folder found now is the root for as long as this lives; one that later takes its path is
    /// another one, and then nothing is proven.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such directory or it cannot be opened.
    pub fn open(root: &Path, config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::Io { why: format!("{}: {error}", root.display()) };
        let beneath = Beneath::open(root).map_err(|errno| failed(errno.into()))?;
        let seen = Root::new(root, beneath.root()).map_err(failed)?;
        let stamps = root::stamps(beneath.root());
        if stamps == Stamps::Worthless {
            tracing::warn!(root = %root.display(), "this file system keeps no time of change: every answer reads the file");
        }
        let memo = Memo::new(config.memo_bytes_max, config.settle_ms, stamps);
        let reads = Arc::new(Semaphore::new(config.reads_max.clamp(1, Semaphore::MAX_PERMITS)));
        let inner = Inner { beneath, root: seen, memo, config, clock, skipped: listing::Counters::default() };
        Ok(Self { inner: Arc::new(inner), reads, inline: stamps != Stamps::Foreign })
    }

    /// What listings have passed over so far.
    pub fn skipped(&self) -> Skipped {
        self.inner.skipped.read()
    }

    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let stopped = |why: String| Error::Io { why };
        let permit = self.reads.clone().acquire_owned().await.map_err(|error| stopped(error.to_string()))?;
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work, not by whoever waits for it: given up work still takes a thread.
            let _permit = permit;
            work(&inner)
        });
        done.await.map_err(|error| stopped(error.to_string()))?
    }
}

impl Read for Originals {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            if self.inline
                && let Some(stat) = self.inner.glance(key)?
            {
                return Ok(stat);
            }
            let key = key.to_owned();
            let read = move |inner: &Inner| match inner.glance(&key)? {
                Some(stat) => Ok(stat),
                None => Ok(inner.read(&key, None)?.0),
            };
            self.aside(read).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        let key = key.to_owned();
        Box::pin(async move {
            let (stat, body) = self.aside(move |inner| inner.read(&key, Some(bytes_max))).await?;
            let meta = Meta { version: Some(stat.version.clone()), ..Meta::default() };
            Ok(Object { stat, meta, body: Bytes::from(body) })
        })
    }

    fn is_near(&self, _key: &str) -> bool {
        self.inline
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        Box::pin(async move { self.aside(move |inner| inner.list(&prefix, after.as_deref(), limit)).await })
    }
}
