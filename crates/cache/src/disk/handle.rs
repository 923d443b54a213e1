//! What a cache with a tier on disk can do beyond one without.

use std::sync::Arc;

use super::{Disk, DiskConfig, DiskParts, Tended};
use crate::entry::Weigh;
use crate::{Cache, Config};

impl<T: Weigh + Send + Sync + 'static> Cache<T> {
    /// A cache over what lies on disk, as far as that may be believed; see [`attend`](Self::attend). What cannot be read or
    /// written there is only said in the log: answers do not need it.
    pub fn with_disk(config: Config, disk: DiskConfig, parts: DiskParts<T>) -> Self {
        Self::build(config, |fences| Some(Disk::open(disk, parts, fences)))
    }

    /// Starts the thread that does the tier's work, until the cache is dropped or [closed](Self::close).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn attend(&self) -> std::io::Result<()> {
        self.inner.attend()
    }

    /// Does one piece of that work; `false` when there is none. For those who do not start the thread.
    pub fn tend(&self) -> bool {
        self.inner.tend() == Tended::Worked
    }

    /// Brings the entry of a path back from disk into memory, if one is there that no fence covers. Its proof does not come
    /// with it. After `true`, look again.
    pub async fn recall(&self, path: &str) -> bool {
        self.inner.recall(path).await
    }

    /// As [`recall`](Self::recall), on a thread that may wait.
    pub fn recall_now(&self, path: &str) -> bool {
        self.inner.recall_now(path)
    }

    /// Says what keys and payloads mean from now on, in the caller's own words. Unless it is what they meant before, what
    /// lies on disk is given up, now and at a later start.
    pub fn rescope(&self, meaning: &str) {
        if let Some(disk) = &self.inner.disk {
            disk.rescope(meaning, &self.inner.fences);
        }
    }

    /// Writes what waits to be written and ends the tier in order, so that it outlives a boot. Blocks. Fences raised later
    /// still count at the next start; entries kept later are in memory only.
    pub fn close(&self) {
        self.inner.close();
    }
}

// The tier is shared with its thread.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<Disk<Vec<u8>>>>();
};
