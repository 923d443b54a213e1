//! Reading: what memory does not have is looked for on disk and brought back into memory, where a second look finds it. It
//! comes without a proof, and only if no fence since it was fetched covers it.

use std::hash::BuildHasher;
use std::sync::Arc;

use super::files::{self, FOLDERS};
use super::header::{self, FACTS_BYTES_MAX};
use super::lines::Known;
use super::queue::Job;
use super::{Disk, DropWhy, Moment};
use crate::cache::Inner;
use crate::entry::{self, Weigh};
use crate::fences::Verdict;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::{Entry, Facts, Kept};
use afterimage_identity::Sequence;

/// What a file brought.
struct Read<T> {
    facts: Facts,
    payload: T,
    /// Every fence up to here was found not to cover it.
    sequence: Sequence,
}

/// What has no line yet lay there at the start, like what has one since.
fn written(known: Option<Known>) -> u64 {
    known.map_or(0, |known| known.written)
}

impl<T> Disk<T> {
    /// Whether a file may lie under a key; `false` only when there is none.
    pub(super) fn may_have(&self, path: &str) -> bool {
        let lines = lock(&self.lines);
        !lines.off
            && !self.queue.has_overflowed()
            && (lines.get(path).is_some() || lines.counted_folders < FOLDERS && !lines.is_counted(&files::place(path)))
    }

    fn is_same(&self, path: &str, known: Option<Known>) -> bool {
        !self.queue.is_waiting(path) && written(lock(&self.lines).get(path)) == written(known)
    }

    fn drop_read(&self, path: &str, known: Option<Known>, why: DropWhy) {
        self.queue.push(Job::Drop { path: path.to_owned(), written: written(known), why });
    }
}

impl<T: Weigh + Send + Sync + 'static> Inner<T> {
    /// Brings the entry of a key back into memory, if one may be used. Never waits on a disk itself.
    pub(crate) async fn recall(self: &Arc<Self>, path: &str) -> bool {
        let Some(disk) = &self.disk else { return false };
        if !disk.may_have(path) {
            disk.counters.misses.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let turn = disk.keyed.hash_one(path) as usize % disk.reads.len();
        let _turn = disk.reads[turn].lock().await;
        // Somebody who had the turn before may have brought it.
        let found = self.table.get(path).is_some() || {
            let (inner, path) = (self.clone(), path.to_owned());
            tokio::task::spawn_blocking(move || inner.recall_now(&path)).await.unwrap_or(false)
        };
        let counter = if found { &disk.counters.hits } else { &disk.counters.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }
}

impl<T: Weigh> Inner<T> {
    /// As [`recall`](Self::recall), and waits on the disk.
    pub(crate) fn recall_now(&self, path: &str) -> bool {
        let Some(disk) = &self.disk else { return false };
        // What waits to be written is newer than any file, and already gone from memory again.
        if !disk.may_have(path) || disk.queue.is_waiting(path) {
            return false;
        }
        let mut lines = lock(&disk.lines);
        let known = lines.get(path);
        lines.visit(path);
        drop(lines);
        match self.read(disk, path, known).and_then(|read| self.promote(disk, known, read)) {
            Ok(found) => found,
            Err(why) => {
                disk.drop_read(path, known, why);
                false
            }
        }
    }

    fn read(&self, disk: &Disk<T>, path: &str, known: Option<Known>) -> Result<Option<Read<T>>, DropWhy> {
        let bytes_max = self.config.item_bytes_max.saturating_add(FACTS_BYTES_MAX as u64);
        let (bytes, file_bytes) = match disk.files.read(&files::place(path), bytes_max) {
            Ok(read) => read,
            // While not all is counted, most keys have no file.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && known.is_none() => return Ok(None),
            Err(_) => return Err(DropWhy::Failed),
        };
        if bytes.len() as u64 != file_bytes {
            return Err(DropWhy::TooLarge);
        }
        let (facts, origin, packed) = header::head(&bytes, file_bytes)?.unpack(bytes)?;
        if facts.path != path {
            return Err(DropWhy::Misplaced);
        }
        let lines = lock(&disk.lines);
        if !lines.owns(&origin, disk.run) {
            return Err(DropWhy::OtherTier);
        }
        let before = lines.swept_before;
        drop(lines);
        let at = Moment { now: disk.clock.now(), wall: disk.clock.wall(), same_run: origin.run == disk.run };
        let payload = disk.codec.unpack(packed, at).ok_or(DropWhy::Unreadable)?;
        let sequence = origin.sequence.max(known.map_or(before, |known| known.upto));
        Ok(Some(Read { facts, payload, sequence }))
    }

    /// Puts what was read into memory, under the same test as what is fetched.
    fn promote(&self, disk: &Disk<T>, known: Option<Known>, read: Option<Read<T>>) -> Result<bool, DropWhy> {
        let Some(Read { mut facts, payload, sequence }) = read else { return Ok(false) };
        let bytes = entry::weight(&facts, payload.bytes());
        let hash = self.table.hash(&facts.path);
        let mut leaving = Vec::new();
        let mut index = lock(&self.index);
        let checked = match self.fences.test(sequence, (&facts).into()) {
            Verdict::Clear(upto) => upto,
            Verdict::Covered | Verdict::Forgotten => return Err(DropWhy::Fenced),
        };
        if self.table.get(&facts.path).is_some() {
            return Ok(true);
        }
        if !disk.is_same(&facts.path, known) {
            return Ok(false);
        }
        if let (Some(original), Some(version)) = (&facts.original, &facts.version)
            && let Some(group) = index.group(original)
            && group.version != *version
        {
            // Of two versions that nobody has proven, neither says anything about the other.
            return if group.proved_at().is_some() { Err(DropWhy::OtherVersion) } else { Ok(false) };
        }
        let (mut kept, group) = self.join_group(&mut index, &facts, true, &mut leaving);
        if kept == Kept::Yes {
            kept = self.make_room(&mut index, bytes, &mut leaving);
        }
        match kept {
            Kept::Yes => {}
            Kept::TooLarge { .. } => return Err(DropWhy::TooLarge),
            Kept::NotAsked | Kept::OtherVersion | Kept::Unbounded => return Err(DropWhy::OtherVersion),
        }
        index.share(&mut facts);
        let entry = Arc::new(Entry::new(facts, payload, bytes, hash, kept, group, checked));
        leaving.extend(index.insert(&self.table, &entry));
        drop(index);
        // Payloads are freed outside the lock.
        drop(leaving);
        Ok(true)
    }
}
