//! What the tier's own thread does, one piece at a time: write, remove, make room, count what lies there. It alone changes
//! files, so that a file and its line change together.

use std::io;
use std::sync::Arc;

use afterimage_identity::{Selector, Sequence};

use super::files::{self, FOLDERS};
use super::header::{self, Origin};
use super::lines::blocks;
use super::queue::Job;
use super::{Disk, DropWhy, REFUSED_MAX, ROOM_BYTES_MIN, SLICE, Tended};
use crate::Entry;
use crate::cache::{Inner, is_retired};
use crate::entry::Weigh;
use crate::fences::Verdict;
use crate::sync::atomic::Ordering;
use crate::sync::lock;

/// Most heads are shorter; longer ones are read again.
const HEAD_BYTES: u64 = 4096;

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl<T: Weigh> Inner<T> {
    /// Does one piece of the tier's work.
    pub(crate) fn tend(&self) -> Tended {
        let Some(disk) = &self.disk else { return Tended::Idle };
        let Some(job) = disk.queue.take() else {
            return if self.count_folder(disk) { Tended::Worked } else { Tended::Idle };
        };
        match job {
            Job::Keep(entry) => {
                if disk.queue.is_newest(&entry) && !self.keep_file(disk, &entry) {
                    // What was there before is older than what memory has.
                    disk.remove(&entry.facts.path);
                }
                disk.queue.finish(&entry);
            }
            Job::Remove(path) => disk.remove(&path),
            Job::Drop { path, written, why } => disk.drop_file(&path, written, why),
            Job::Cover(selector, sequence) => {
                disk.erase(&selector, sequence);
                let mut lines = lock(&disk.lines);
                lines.swept = lines.swept.max(sequence);
            }
            Job::Forget(original) => disk.erase(&Selector::Original(original), Sequence(u64::MAX)),
            Job::Barrier(tell) if lock(&disk.lines).counted_folders == FOLDERS => drop(tell.send(())),
            Job::Barrier(tell) => lock(&disk.waiting).push(tell),
            Job::Checkpoint => self.checkpoint(disk, false),
            Job::Renew => {
                tracing::warn!("the cache on disk could not keep up, and begins empty");
                disk.renew(&mut lock(&disk.journal), &self.fences);
            }
            Job::Look => {}
            Job::Close => {
                self.checkpoint(disk, true);
                disk.queue.close();
                lock(&disk.waiting).clear();
                return Tended::Closed;
            }
        }
        Tended::Worked
    }

    fn is_current(&self, entry: &Entry<T>) -> bool {
        self.is_unfenced(entry) && !is_retired(entry)
    }

    /// Writes an entry. `false` when nothing may lie under its key now.
    fn keep_file(&self, disk: &Disk<T>, entry: &Arc<Entry<T>>) -> bool {
        let (tier, off) = {
            let lines = lock(&disk.lines);
            (lines.tier, lines.off)
        };
        let refused = |why| {
            disk.counters.drop(why);
            false
        };
        if off {
            if disk.refused.fetch_add(1, Ordering::Relaxed) % REFUSED_MAX == REFUSED_MAX - 1 {
                disk.renew(&mut lock(&disk.journal), &self.fences);
            }
            return refused(DropWhy::Off);
        }
        if !self.is_current(entry) {
            return refused(DropWhy::Fenced);
        }
        let Some(packed) = disk.codec.pack(&entry.payload) else { return false };
        // Read after the test, which moved it on.
        let origin = Origin { tier, run: disk.run, sequence: entry.checked() };
        let Some(head) = header::encode(&entry.facts, origin, &packed) else { return refused(DropWhy::TooLarge) };
        let bytes = (head.len() + packed.body.len()) as u64;
        if blocks(bytes) > disk.bytes_max {
            return refused(DropWhy::TooLarge);
        }
        let in_memory = |path: &str| self.table.get(path).is_some();
        disk.evict_to(disk.bytes_max - blocks(bytes), in_memory);
        let write = || disk.files.write(&files::place(&entry.facts.path), &[&head, &packed.body], false);
        let mut written = write();
        if written.as_ref().is_err_and(is_full) {
            // Something else fills the disk.
            disk.evict(bytes.max(ROOM_BYTES_MIN), in_memory);
            written = write();
        }
        disk.say_failing(written.as_ref().err());
        if let Err(error) = written {
            return refused(if is_full(&error) { DropWhy::Full } else { DropWhy::Failed });
        }
        disk.counters.writes.fetch_add(1, Ordering::Relaxed);
        lock(&disk.lines).insert(&entry.facts, bytes, origin.sequence);
        // A fence that came while it was written has not seen it.
        self.is_current(entry) || refused(DropWhy::Fenced)
    }

    /// Counts one more folder of those that lay there at the start; `false` when there is none left.
    fn count_folder(&self, disk: &Disk<T>) -> bool {
        let number = lock(&disk.lines).counted_folders;
        if number == FOLDERS {
            return false;
        }
        let folder = files::folder(number);
        let names = disk.files.list(&folder).unwrap_or_else(|error| {
            tracing::warn!(folder, %error, "a folder of the cache on disk cannot be read");
            disk.stuck.store(true, Ordering::Relaxed);
            Vec::new()
        });
        for name in names.iter().filter(|name| files::is_entry(name)) {
            let place = format!("{folder}/{name}");
            if let Err(why) = self.count_file(disk, &place) {
                // Whose it is, nobody can read; it may be one of this process.
                if matches!(why, DropWhy::Damaged | DropWhy::Misplaced | DropWhy::Failed) {
                    disk.forget_line_of(&place);
                }
                disk.drop_place(&place, why);
            }
        }
        disk.evict_to(disk.bytes_max, |path| self.table.get(path).is_some());
        let mut lines = lock(&disk.lines);
        // Unless a new tier began meanwhile.
        if lines.counted_folders == number {
            lines.counted_folders += 1;
        }
        let is_done = lines.counted_folders == FOLDERS;
        if is_done {
            lines.swept = lines.swept.max(lines.opened_at);
        }
        drop(lines);
        if is_done {
            self.counted(disk);
        }
        true
    }

    /// Gives a file its line, if it may stay.
    fn count_file(&self, disk: &Disk<T>, place: &str) -> Result<(), DropWhy> {
        let read = |bytes_max| disk.files.read(place, bytes_max).map_err(|_| DropWhy::Failed);
        let (mut bytes, file_bytes) = read(HEAD_BYTES)?;
        let head_bytes = header::head_bytes(&bytes, file_bytes)?;
        if head_bytes > bytes.len() {
            (bytes, _) = read(head_bytes as u64)?;
        }
        let head = header::head(&bytes, file_bytes)?;
        if files::place(&head.facts.path) != place {
            return Err(DropWhy::Misplaced);
        }
        let lines = lock(&disk.lines);
        if lines.get(&head.facts.path).is_some() {
            return Ok(());
        }
        if !lines.owns(&head.origin, disk.run) {
            return Err(DropWhy::OtherTier);
        }
        let swept = lines.swept_before;
        drop(lines);
        match self.fences.test(head.origin.sequence.max(swept), (&head.facts).into()) {
            Verdict::Clear(upto) => {
                lock(&disk.lines).count(&head.facts, file_bytes, upto);
                Ok(())
            }
            Verdict::Covered | Verdict::Forgotten => Err(DropWhy::Fenced),
        }
    }

    /// Everything has been counted.
    fn counted(&self, disk: &Disk<T>) {
        let mut journal = lock(&disk.journal);
        if journal.off {
            // Whatever was in the way may be gone with the files.
            disk.renew(&mut journal, &self.fences);
        }
        drop(journal);
        for tell in lock(&disk.waiting).drain(..) {
            let _ = tell.send(());
        }
    }

    fn checkpoint(&self, disk: &Disk<T>, closing: bool) {
        let mut journal = lock(&disk.journal);
        if journal.off {
            return;
        }
        let lines = lock(&disk.lines);
        let is_known = lines.counted_folders == FOLDERS && !disk.stuck.load(Ordering::Relaxed);
        let swept = if is_known { lines.swept } else { lines.swept_before };
        drop(lines);
        if let Err(error) = journal.rewrite(&*disk.files, self.fences.snapshot(), swept, closing, closing) {
            disk.give_up(&mut journal, &error);
        }
    }
}

impl<T> Disk<T> {
    /// Evicts until no more than so many bytes are taken. `spare` says what is in use in another way.
    fn evict_to(&self, bytes_max: u64, spare: impl Fn(&str) -> bool) {
        let excess = lock(&self.lines).bytes.saturating_sub(bytes_max);
        if excess > 0 {
            self.evict(excess, spare);
        }
    }

    /// Evicts so many bytes, or all there are.
    pub(super) fn evict(&self, bytes: u64, spare: impl Fn(&str) -> bool) {
        let mut gone = 0;
        while gone < bytes {
            let mut lines = lock(&self.lines);
            let before = lines.bytes;
            let Some(victim) = lines.victim(&spare) else { return };
            lines.remove(&victim);
            gone += before - lines.bytes;
            drop(lines);
            self.unlink(&files::place(&victim));
            self.counters.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Removes everything that a selector names and that is older than a fence.
    fn erase(&self, selector: &Selector, before: Sequence) {
        let mut after = None;
        loop {
            let mut lines = lock(&self.lines);
            let (found, next) = lines.slice(selector, before, after, SLICE);
            for path in &found {
                lines.remove(path);
            }
            drop(lines);
            for path in &found {
                self.unlink(&files::place(path));
            }
            self.counters.erased.fetch_add(found.len() as u64, Ordering::Relaxed);
            after = match next {
                Some(place) => Some(place),
                None => return,
            };
        }
    }

    /// Removes whatever lies under a key.
    fn remove(&self, path: &str) {
        let place = files::place(path);
        let mut lines = lock(&self.lines);
        let is_there = lines.remove(path) || !lines.is_counted(&place);
        drop(lines);
        if is_there {
            self.unlink(&place);
        }
    }

    /// Removes a file that was found wanting, unless another has its place by now.
    fn drop_file(&self, path: &str, written: u64, why: DropWhy) {
        let mut lines = lock(&self.lines);
        if lines.get(path).map_or(0, |known| known.written) != written {
            return;
        }
        lines.remove(path);
        drop(lines);
        self.drop_place(&files::place(path), why);
    }

    /// Removes a file and counts it, once however many found it wanting.
    fn drop_place(&self, place: &str, why: DropWhy) {
        if self.unlink(place) {
            self.counters.drop(why);
        }
    }

    /// Removes the line of a file whose key cannot be read, if there is one. Rare, so it may look at all lines.
    fn forget_line_of(&self, place: &str) {
        let mut after = None;
        loop {
            let (found, next) = lock(&self.lines).slice(&Selector::All, Sequence(u64::MAX), after, SLICE);
            if let Some(path) = found.iter().find(|path| files::place(path) == place) {
                lock(&self.lines).remove(path);
            }
            after = match next {
                Some(next) => Some(next),
                None => return,
            };
        }
    }

    /// `false` when it was gone already.
    fn unlink(&self, place: &str) -> bool {
        match self.files.remove(place) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => {
                // It has no line, so it is not served; the next start tests it anew.
                self.stuck.store(true, Ordering::Relaxed);
                self.say_failing(Some(&error));
                true
            }
        }
    }

    /// Says once that the disk fails, and once that it no longer does.
    fn say_failing(&self, error: Option<&io::Error>) {
        let was_failing = self.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_failing => tracing::warn!(%error, "the cache on disk fails; answers do not need it"),
            None if was_failing => tracing::info!("the cache on disk works again"),
            _ => {}
        }
    }
}
