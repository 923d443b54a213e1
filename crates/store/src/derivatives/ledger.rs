//! What lies in the directory and when it was last used, in memory. It decides who makes room; it touches no file.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Error;
use crate::lru::Lru;

/// What a file takes on disk comes in blocks of this many bytes.
const BLOCK_BYTES: u64 = 4096;
/// So many objects make room for one write at most; who needs more is refused, and the next one gets further.
pub(super) const EVICTIONS_MAX: usize = 256;
/// A use is written to disk when at least this many others came after the last one written.
const USES_UNWRITTEN_MIN: u64 = 16;

/// What a file of this length takes on disk, in bytes.
pub(super) fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}

struct Entry {
    bytes: u64,
    written_at: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes_max: u64,
    pub(super) objects_max: usize,
}

/// The books. Bytes are bytes on disk, in whole blocks.
pub(super) struct Ledger {
    entries: Lru<Entry>,
    used: u64,
    reserved: u64,
    reserved_objects: usize,
    uses: u64,
    /// While the directory is being counted: what went meanwhile, so that the count does not bring it back.
    gone: Option<HashSet<Arc<str>>>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { entries: Lru::default(), used: 0, reserved: 0, reserved_objects: 0, uses: 0, gone: Some(HashSet::new()) }
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn objects(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_counting(&self) -> bool {
        self.gone.is_some()
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.entries.contains(key)
    }

    /// Notes a use. `true` says that it should be written to disk now: enough others came since the last time to change
    /// the order after a restart.
    pub(super) fn touch(&mut self, key: &str) -> bool {
        self.uses += 1;
        let unwritten_max = (self.entries.len() as u64 / 8).max(USES_UNWRITTEN_MIN);
        let Some(entry) = self.entries.touch(key) else { return false };
        let write = self.uses - entry.written_at > unwritten_max;
        if write {
            entry.written_at = self.uses;
        }
        write
    }

    pub(super) fn insert(&mut self, key: &str, bytes: u64) {
        self.uses += 1;
        let entry = Entry { bytes, written_at: self.uses };
        if let Some(old) = self.entries.insert(key, entry) {
            self.used -= old.bytes;
        }
        self.used += bytes;
    }

    pub(super) fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.used -= entry.bytes;
        }
        if let Some(gone) = &mut self.gone {
            gone.insert(key.into());
        }
    }

    fn pop_oldest(&mut self) -> Option<(Arc<str>, u64)> {
        let (key, entry) = self.entries.pop_oldest()?;
        self.used -= entry.bytes;
        if let Some(gone) = &mut self.gone {
            gone.insert(key.clone());
        }
        Some((key, entry.bytes))
    }

    /// Takes out the least recently used until `bytes` more in one object fit into the bounds and at least `free` bytes
    /// are freed; at most [`EVICTIONS_MAX`]. The flag says whether it was enough.
    fn make_room(&mut self, bytes: u64, objects: usize, free: u64, bounds: Bounds) -> (Vec<Arc<str>>, bool) {
        let (mut victims, mut freed) = (Vec::new(), 0);
        loop {
            let taken = self.used.saturating_add(self.reserved).saturating_add(bytes);
            let fits = taken <= bounds.bytes_max
                && self.entries.len() + self.reserved_objects + objects <= bounds.objects_max
                && freed >= free;
            if fits || victims.len() == EVICTIONS_MAX {
                return (victims, fits);
            }
            let Some((key, bytes)) = self.pop_oldest() else { return (victims, false) };
            freed += bytes;
            victims.push(key);
        }
    }

    /// Who has to go for the books to be within bounds again; empty when they are.
    pub(super) fn excess(&mut self, bounds: Bounds) -> Vec<Arc<str>> {
        self.make_room(0, 0, 0, bounds).0
    }

    /// Who has to go for `free` bytes.
    pub(super) fn oldest(&mut self, free: u64, bounds: Bounds) -> Vec<Arc<str>> {
        self.make_room(0, 0, free, bounds).0
    }

    /// Enters what the count found, the oldest last. What is known already, or went meanwhile, stays as it is.
    pub(super) fn enter_older(&mut self, found: impl IntoIterator<Item = (Arc<str>, u64)>) {
        for (key, bytes) in found {
            let went = self.gone.as_ref().is_some_and(|gone| gone.contains(&key));
            if !went && self.entries.insert_oldest(&key, Entry { bytes, written_at: self.uses }) {
                self.used += bytes;
            }
        }
    }

    pub(super) fn counted(&mut self) {
        self.gone = None;
    }
}

pub(super) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    // Every method leaves the books balanced, so a panic elsewhere is no reason to stop.
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room that is kept for one write until it is done or given up.
pub(super) struct Reservation<'a> {
    ledger: &'a Mutex<Ledger>,
    bytes: u64,
}

impl<'a> Reservation<'a> {
    /// Keeps room, and says who has to go for it; they have to go even when there is not room enough.
    pub(super) fn new(ledger: &'a Mutex<Ledger>, bytes: u64, bounds: Bounds) -> (Vec<Arc<str>>, Result<Self, Error>) {
        let full = |why| Err(Error::Full { bytes, why });
        if bytes > bounds.bytes_max {
            return (Vec::new(), full(format!("derivatives may take {} bytes on disk", bounds.bytes_max)));
        }
        let mut books = lock(ledger);
        let (victims, fits) = books.make_room(bytes, 1, 0, bounds);
        if !fits {
            return (victims, full("too much would have to be evicted at once, or is being written".into()));
        }
        books.reserved += bytes;
        books.reserved_objects += 1;
        (victims, Ok(Self { ledger, bytes }))
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut books = lock(self.ledger);
        books.reserved -= self.bytes;
        books.reserved_objects -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes_max: 3 * BLOCK_BYTES, objects_max: 3 };

    fn names(victims: &[Arc<str>]) -> Vec<&str> {
        victims.iter().map(|key| &**key).collect()
    }

    #[test]
    fn blocks_round_up() {
        for (bytes, on_disk) in [(0, 0), (1, 4096), (4096, 4096), (4097, 8192)] {
            assert_eq!(blocks(bytes), on_disk);
        }
    }

    #[test]
    fn room_is_made_exactly_past_each_bound() {
        let ledger = Mutex::new(Ledger::new());
        for key in ["a", "b"] {
            lock(&ledger).insert(key, BLOCK_BYTES);
        }
        let (victims, kept) = Reservation::new(&ledger, BLOCK_BYTES, BOUNDS);
        assert!(victims.is_empty() && kept.is_ok(), "at the bound");
        let (victims, more) = Reservation::new(&ledger, BLOCK_BYTES, BOUNDS);
        assert_eq!(names(&victims), ["a"], "just past, with room kept for another");
        drop((kept, more));
        lock(&ledger).touch("b");
        lock(&ledger).insert("c", 1);
        lock(&ledger).insert("d", 1);
        let (victims, kept) = Reservation::new(&ledger, 1, BOUNDS);
        assert_eq!(names(&victims), ["b"], "the number of objects");
        assert!(kept.is_ok());
        let (victims, kept) = Reservation::new(&ledger, BOUNDS.bytes_max + 1, BOUNDS);
        assert!(victims.is_empty() && kept.is_err(), "larger than all");
    }

    #[test]
    fn evicting_is_bounded() {
        let ledger = Mutex::new(Ledger::new());
        for n in 0..EVICTIONS_MAX + 1 {
            lock(&ledger).insert(&n.to_string(), 1);
        }
        let bounds = Bounds { bytes_max: EVICTIONS_MAX as u64 + 1, objects_max: usize::MAX };
        let (victims, kept) = Reservation::new(&ledger, bounds.bytes_max, bounds);
        assert!(victims.len() == EVICTIONS_MAX && kept.is_err());
        let (victims, kept) = Reservation::new(&ledger, bounds.bytes_max, bounds);
        assert!(victims.len() == 1 && kept.is_ok(), "the next one gets further");
    }

    #[test]
    fn counting_brings_nothing_back_and_stays_older() {
        let mut books = Ledger::new();
        books.insert("live", 1);
        books.insert("deleted", 1);
        books.remove("deleted");
        books.remove("deleted unseen");
        let found = ["live", "newer", "deleted", "older", "deleted unseen"].map(|key| (Arc::from(key), 7));
        books.enter_older(found);
        books.counted();
        assert_eq!((books.used(), books.objects()), (15, 3));
        let order: Vec<_> = std::iter::from_fn(|| books.pop_oldest()).map(|(key, _)| key.to_string()).collect();
        assert_eq!(order, ["older", "newer", "live"]);
        assert_eq!(books.used(), 0);
    }

    #[test]
    fn uses_are_written_now_and_then() {
        let mut books = Ledger::new();
        books.insert("a", 1);
        let written = (0..170).filter(|_| books.touch("a")).count();
        assert_eq!(written, 10);
        assert!(!books.touch("unknown"));
    }
}
