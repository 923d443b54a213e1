//! Remembers which content a file had when it last looked like this. It must never vouch for a file whose content could
//! have changed without its looks changing.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use afterimage_identity::{Stamp, Version};
use rustix::fs::Stat as FileStat;

use crate::lru::Lru;

/// The coarsest tick by which Linux stamps changes is 10 ms (`CONFIG_HZ=100`); a tuple younger than two ticks may still
/// get a second content.
const TICKS_MS_MIN: u64 = 20;
/// Where stamps have no fraction, the file system may know whole seconds only (ext3), or even ones.
const WHOLE_SECONDS_MS: u64 = 3_000;
/// How far the clock of a file server may be from ours before its stamps mislead us.
const FOREIGN_CLOCK_MS: u64 = 60_000;
const SHARDS: usize = 16;
/// What an entry takes beside its key, in bytes: measured at 190 on 64 bits, with the tables' slack.
const ENTRY_BYTES: usize = 256;

/// How a file looks from outside. `cp -p` of a file of equal size changes nothing but the time of change (ctime), which
/// no program can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tuple {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) bytes: u64,
    pub(crate) changed: (i64, u32),
    pub(crate) modified: (i64, u32),
}

impl Tuple {
    // The fields' types differ between platforms.
    #[allow(clippy::unnecessary_cast)]
    pub(crate) fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            bytes: stat.st_size as u64,
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        }
    }

    /// How long before `wall` it last changed; zero when that lies ahead.
    fn age(&self, wall: SystemTime) -> Duration {
        let now = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let changed = Duration::new(u64::try_from(self.changed.0).unwrap_or(0), self.changed.1.min(999_999_999));
        now.saturating_sub(changed)
    }
}

/// What the file system's stamps are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamps {
    /// They come from this machine's clock.
    Ours,
    /// They come from another machine's clock (NFS, SMB, FUSE and the like), and asking may take long.
    Foreign,
    /// There is no time of change that a program cannot set (FAT): looks prove nothing, so every answer is hashed.
    Worthless,
}

/// The moment at which a question was begun, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) at: Stamp,
    pub(crate) wall: SystemTime,
}

struct Entry {
    tuple: Tuple,
    first_seen: Stamp,
    /// The content's version, once it can be vouched for.
    version: Option<Version>,
}

#[derive(Default)]
struct Shard {
    entries: Lru<Entry>,
    bytes: usize,
}

/// Keys to looks and versions, bounded in bytes.
pub(crate) struct Memo {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    shard_bytes_max: usize,
    settle: Duration,
    stamps: Stamps,
}

impl Memo {
    pub(crate) fn new(bytes_max: usize, settle_ms: u64, stamps: Stamps) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            shard_bytes_max: bytes_max / SHARDS,
            settle: Duration::from_millis(settle_ms.max(TICKS_MS_MIN)),
            stamps,
        }
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The version of the content of a file that looks like this, if that is beyond doubt.
    pub(crate) fn version(&self, key: &str, tuple: &Tuple) -> Option<Version> {
        let mut shard = self.shard(key);
        let entry = shard.entries.touch(key)?;
        if entry.tuple == *tuple { entry.version.clone() } else { None }
    }

    /// Whether a file that looks like `tuple` has come to rest. `begun` is the moment just before it was looked at and
    /// read: only then does every later write get a later stamp.
    ///
    /// Three things stand in the way of trusting the stamp of a fresh change. The clock that stamps ticks every 1 to
    /// 10 ms, so two writes within a tick look alike. The kernel stamps a `write` before it copies, so one that is under
    /// way goes on changing bytes under a stamp that stays. And a slow copy pauses. The settle time covers all three; a
    /// single `write` that takes longer than it is not seen, nor are stores through a shared writable mapping between
    /// two write-backs.
    ///
    /// The age is taken from the stamp, or, where the stamp's clock is not ours or lies ahead, from when we first saw the
    /// file look like this: however wrong that clock is, it has moved on since.
    pub(crate) fn is_settled(&self, key: &str, tuple: &Tuple, begun: Begun) -> bool {
        let mut margin = self.settle;
        if tuple.changed.1 == 0 && tuple.modified.1 == 0 {
            margin = margin.max(Duration::from_millis(WHOLE_SECONDS_MS));
        }
        let by_stamp = match self.stamps {
            Stamps::Foreign => margin + Duration::from_millis(FOREIGN_CLOCK_MS),
            Stamps::Ours | Stamps::Worthless => margin,
        };
        tuple.age(begun.wall) >= by_stamp || begun.at.since(self.first_seen(key, tuple, begun.at)) >= margin
    }

    fn first_seen(&self, key: &str, tuple: &Tuple, now: Stamp) -> Stamp {
        let mut shard = self.shard(key);
        match shard.entries.peek(key) {
            Some(entry) if entry.tuple == *tuple => entry.first_seen,
            _ => {
                self.insert(&mut shard, key, Entry { tuple: *tuple, first_seen: now, version: None });
                now
            }
        }
    }

    /// Keeps the version of a file that has come to rest.
    pub(crate) fn keep(&self, key: &str, tuple: Tuple, version: Version, begun: Begun) {
        if self.stamps != Stamps::Worthless {
            let entry = Entry { tuple, first_seen: begun.at, version: Some(version) };
            self.insert(&mut self.shard(key), key, entry);
        }
    }

    pub(crate) fn forget(&self, key: &str) {
        let mut shard = self.shard(key);
        if shard.entries.remove(key).is_some() {
            shard.bytes -= key.len() + ENTRY_BYTES;
        }
    }

    fn insert(&self, shard: &mut Shard, key: &str, entry: Entry) {
        if shard.entries.insert(key, entry).is_none() {
            shard.bytes += key.len() + ENTRY_BYTES;
        }
        while shard.bytes > self.shard_bytes_max {
            let Some((oldest, _)) = shard.entries.pop_oldest() else { break };
            shard.bytes -= oldest.len() + ENTRY_BYTES;
        }
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGED_S: i64 = 1_000_000;

    fn tuple(nanos: u32) -> Tuple {
        Tuple { device: 1, inode: 2, bytes: 3, changed: (CHANGED_S, nanos), modified: (CHANGED_S, nanos) }
    }

    /// Looked at `ms` after the change by the wall clock, at `at_ms` by ours.
    fn begun(ms: i64, at_ms: u64) -> Begun {
        let change = SystemTime::UNIX_EPOCH + Duration::new(CHANGED_S as u64, 5);
        let offset = Duration::from_millis(ms.unsigned_abs());
        Begun { at: Stamp(at_ms * 1_000_000), wall: if ms < 0 { change - offset } else { change + offset } }
    }

    #[test]
    fn a_file_comes_to_rest_exactly_at_the_bound() {
        for (settle_ms, stamps, nanos, margin_ms) in [
            (2_000, Stamps::Ours, 5, 2_000),
            (0, Stamps::Ours, 5, 20),
            (2_000, Stamps::Foreign, 5, 62_000),
            (2_000, Stamps::Worthless, 5, 2_000),
        ] {
            let memo = Memo::new(1 << 20, settle_ms, stamps);
            assert!(!memo.is_settled("past", &tuple(nanos), begun(margin_ms - 1, 0)), "{stamps:?}");
            assert!(memo.is_settled("at", &tuple(nanos), begun(margin_ms, 0)), "{stamps:?}");
        }
        let memo = Memo::new(1 << 20, 0, Stamps::Ours);
        assert!(!memo.is_settled("whole seconds", &tuple(0), begun(2_999, 0)));
        assert!(memo.is_settled("whole seconds later", &tuple(0), begun(3_001, 0)));
    }

    #[test]
    fn a_stamp_that_lies_ahead_settles_by_our_own_watching() {
        let memo = Memo::new(1 << 20, 2_000, Stamps::Ours);
        assert!(!memo.is_settled("k", &tuple(5), begun(-3_600_000, 10)));
        assert!(!memo.is_settled("k", &tuple(5), begun(-3_600_000, 2_009)));
        assert!(memo.is_settled("k", &tuple(5), begun(-3_600_000, 2_010)));
        let other = Tuple { inode: 9, ..tuple(5) };
        assert!(!memo.is_settled("k", &other, begun(-3_600_000, 9_000)), "another file starts over");
    }

    #[test]
    fn only_the_same_looks_are_vouched_for() {
        let memo = Memo::new(1 << 20, 0, Stamps::Ours);
        let version = Version::of_content(b"x");
        memo.keep("k", tuple(5), version.clone(), begun(0, 0));
        assert_eq!(memo.version("k", &tuple(5)), Some(version));
        for other in [
            Tuple { device: 9, ..tuple(5) },
            Tuple { inode: 9, ..tuple(5) },
            Tuple { bytes: 9, ..tuple(5) },
            Tuple { changed: (CHANGED_S, 6), ..tuple(5) },
            Tuple { modified: (CHANGED_S, 6), ..tuple(5) },
        ] {
            assert_eq!(memo.version("k", &other), None, "{other:?}");
        }
        assert_eq!(memo.version("l", &tuple(5)), None);
        memo.forget("k");
        assert_eq!(memo.version("k", &tuple(5)), None);
        assert_eq!(memo.bytes(), 0);
        let worthless = Memo::new(1 << 20, 0, Stamps::Worthless);
        worthless.keep("k", tuple(5), Version::of_content(b"x"), begun(0, 0));
        assert_eq!(worthless.version("k", &tuple(5)), None);
    }

    #[test]
    fn it_stays_under_its_bytes() {
        let memo = Memo::new(SHARDS * 2 * (ENTRY_BYTES + 4), 0, Stamps::Ours);
        for n in 0..1000 {
            memo.keep(&format!("{n:04}"), tuple(5), Version::of_content(b"x"), begun(0, 0));
        }
        assert!(memo.bytes() <= SHARDS * 2 * (ENTRY_BYTES + 4));
        assert!(memo.version("0999", &tuple(5)).is_some(), "the newest stays");
    }
}
