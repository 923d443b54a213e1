//! A directory of derivatives: one file per object, written beside and renamed, with digests over its facts and its body.
//! It never shows a part of an object, never serves a damaged one, and stays within its bytes by evicting what was used
//! least recently.

mod count;
mod disk;
mod header;
mod ledger;
mod place;
mod temporary;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use afterimage_identity::BoxFuture;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::beneath::{Beneath, io_error};
use crate::{Error, Meta, Object, Page, Read, Stat, Write, walk};
use disk::Inner;
use temporary::Temporaries;

/// How much a directory of derivatives may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The most that all derivatives together take on disk, in bytes (whole blocks of 4,096; folders not counted).
    pub bytes_max: u64,
    /// What is to stay free on the disk, in bytes, whoever fills it.
    pub free_bytes_min: u64,
    /// The most derivatives; each takes about 400 bytes of memory.
    pub objects_max: usize,
    /// How many files are worked on at once; more calls wait.
    pub files_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bytes_max: 10 * 1024 * 1024 * 1024,
            free_bytes_min: 256 * 1024 * 1024,
            objects_max: 1_000_000,
            files_max: 64,
        }
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    evicted_objects: AtomicU64,
    evicted_bytes: AtomicU64,
    damaged: AtomicU64,
    full: AtomicU64,
    swept: AtomicU64,
}

/// What a directory of derivatives holds, and what has become of it since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What the derivatives take on disk, in bytes.
    pub bytes: u64,
    /// How many there are.
    pub objects: u64,
    /// Whether what was there at start is still being counted; until then both numbers are too low.
    pub counting: bool,
    /// How many were evicted for space.
    pub evicted_objects: u64,
    /// What those took on disk, in bytes.
    pub evicted_bytes: u64,
    /// How many were found damaged and dropped.
    pub damaged_objects: u64,
    /// How many writes found no room.
    pub full: u64,
    /// How many temporary files of processes that died were removed.
    pub temporaries_swept: u64,
}

/// A directory of derivatives.
///
/// Keys are of `A-Z a-z 0-9 . _ - =` and slashes, as [`escape`](afterimage_identity::escape) makes them, and stand for
/// paths beneath the root. One process alone works on the directory. Deletions are not forced to the disk: after a power
/// failure a deleted file may be back, which the proof asked for at first use and the reconciler are there for.
pub struct Derivatives {
    inner: Arc<Inner>,
    files: Arc<Semaphore>,
}

impl Derivatives {
    /// Opens the directory, making it if need be, removes the temporary files of processes that died, and begins to count
    /// what is there on a thread of its own.
    ///
    /// # Errors
    /// [`Error::Io`] when the directory cannot be made, opened or written.
    pub fn open(root: &Path, config: Config) -> Result<Self, Error> {
        let failed = |errno| io_error(&root.display().to_string(), errno);
        let made = std::fs::DirBuilder::new();
        let made = with_private_mode(made).recursive(true).create(root);
        made.map_err(|error| Error::Io { why: format!("{}: {error}", root.display()) })?;
        let beneath = Beneath::open(root).map_err(failed)?;
        let (temporaries, swept) = Temporaries::open(&beneath).map_err(failed)?;
        let counters = Counters::default();
        counters.swept.store(swept, Ordering::Relaxed);
        let files = Arc::new(Semaphore::new(config.files_max.clamp(1, Semaphore::MAX_PERMITS)));
        let inner = Arc::new(Inner::new(beneath, config, temporaries, counters));
        let counting = inner.clone();
        let thread = std::thread::Builder::new().name("count-derivatives".into());
        if let Err(error) = thread.spawn(move || counting.count()) {
            tracing::warn!(%error, "no thread to count derivatives with; counting now");
            inner.count();
        }
        Ok(Self { inner, files })
    }

    /// What is held, and what has become of it.
    pub fn usage(&self) -> Usage {
        let counters = &self.inner.counters;
        let books = ledger::lock(&self.inner.ledger);
        Usage {
            bytes: books.used(),
            objects: books.objects() as u64,
            counting: books.is_counting(),
            evicted_objects: counters.evicted_objects.load(Ordering::Relaxed),
            evicted_bytes: counters.evicted_bytes.load(Ordering::Relaxed),
            damaged_objects: counters.damaged.load(Ordering::Relaxed),
            full: counters.full.load(Ordering::Relaxed),
            temporaries_swept: counters.swept.load(Ordering::Relaxed),
        }
    }

    /// Blocks until what was there at start has been counted.
    pub fn wait_until_counted(&self) {
        let books = ledger::lock(&self.inner.ledger);
        let done = self.inner.counted.wait_while(books, |books| books.is_counting());
        drop(done.unwrap_or_else(PoisonError::into_inner));
    }

    /// Removes temporary files that nobody is writing, and says how many there were. Blocks for a moment.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder of temporary files cannot be read.
    pub fn sweep_temporary(&self) -> Result<u64, Error> {
        let swept = self.inner.temporaries.sweep(&self.inner.beneath);
        let swept = swept.map_err(|errno| io_error("sweeping temporary files", errno))?;
        self.inner.counters.swept.fetch_add(swept, Ordering::Relaxed);
        Ok(swept)
    }

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Error> {
        let stopped = |why: String| Error::Io { why };
        let permit = self.files.clone().acquire_owned().await.map_err(|error| stopped(error.to_string()))?;
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work, not by whoever waits for it: given up work still takes a thread.
            let _permit = permit;
            work(&inner)
        });
        done.await.map_err(|error| stopped(error.to_string()))
    }
}

/// Derivatives show private pictures: nobody else on the machine reads them.
fn with_private_mode(mut builder: std::fs::DirBuilder) -> std::fs::DirBuilder {
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

impl Drop for Derivatives {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Relaxed);
    }
}

impl Read for Derivatives {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        let key = key.to_owned();
        Box::pin(async move { self.aside(move |inner| inner.stat(&key)).await? })
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        let key = key.to_owned();
        Box::pin(async move { self.aside(move |inner| inner.get(&key, bytes_max)).await? })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let list = move |inner: &Inner| {
            let folders = prefix.rsplit_once('/').map_or("", |(folders, _)| folders);
            let no_key = !folders.is_empty() && place::of(folders).is_err() || prefix.starts_with('/');
            if no_key { Ok(Page::default()) } else { walk::list(inner, &prefix, after.as_deref(), limit) }
        };
        Box::pin(async move { self.aside(list).await? })
    }
}

impl Write for Derivatives {
    fn put<'a>(&'a self, key: &'a str, meta: Meta, body: Bytes) -> BoxFuture<'a, Result<Stat, Error>> {
        let key = key.to_owned();
        Box::pin(async move { self.aside(move |inner| inner.put(&key, &meta, &body)).await? })
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        let work = keys.to_vec();
        Box::pin(async move {
            let done = self.aside(move |inner| work.iter().map(|key| inner.delete(key)).collect::<Vec<_>>()).await;
            done.unwrap_or_else(|error| keys.iter().map(|_| Err(error.clone())).collect())
        })
    }
}
