//! What the tier counts.

use crate::sync::atomic::{AtomicU64, Ordering};

macro_rules! drop_whys {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// Why something is not on disk, or not any more.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DropWhy { $($(#[$doc])* $name),+ }

        impl DropWhy {
            /// Every reason, in the order of [`DiskUsage::dropped`].
            pub const ALL: [DropWhy; 12] = [$(DropWhy::$name),+];

            /// Its word: lower-case letters and hyphens.
            pub fn word(self) -> &'static str {
                match self { $(DropWhy::$name => $word),+ }
            }
        }
    };
}

drop_whys! {
    /// Its file is not what was written: torn, cut, flipped, zeroed.
    Damaged = "damaged",
    /// Its file is another entry's.
    Misplaced = "misplaced",
    /// Its file has the form of another release.
    OtherFormat = "other-format",
    /// Its file is of a tier that was given up: after a power failure, or under other settings.
    OtherTier = "other-tier",
    /// Its payload cannot be understood, or its age is no longer known.
    Unreadable = "unreadable",
    /// A fence covers it.
    Fenced = "fenced",
    /// Its original was found gone or changed.
    OtherVersion = "other-version",
    /// It is larger than an entry may be.
    TooLarge = "too-large",
    /// The disk is full.
    Full = "full",
    /// The disk failed.
    Failed = "failed",
    /// Too much waited to be written.
    Busy = "busy",
    /// There was no tier at that moment.
    Off = "off",
}

/// What lies on disk, and what was done there since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskUsage {
    /// Whether everything that lay there at the start has been counted.
    pub counted: bool,
    /// Whether anything is read or written: not while the fence log cannot be.
    pub on: bool,
    /// Files.
    pub entries: u64,
    /// What they take, in bytes of whole blocks.
    pub bytes: u64,
    /// The budget, in bytes.
    pub bytes_max: u64,
    /// Looks that found what memory did not have.
    pub hits: u64,
    /// Looks that did not.
    pub misses: u64,
    /// Files written.
    pub writes: u64,
    /// Files evicted for space.
    pub evicted: u64,
    /// Files erased for truth.
    pub erased: u64,
    /// Entries that are not on disk, or not any more, by [`DropWhy::ALL`].
    pub dropped: [u64; DropWhy::ALL.len()],
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) erased: AtomicU64,
    dropped: [AtomicU64; DropWhy::ALL.len()],
}

impl Counters {
    pub(crate) fn drop(&self, why: DropWhy) {
        self.dropped[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> DiskUsage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DiskUsage {
            hits: read(&self.hits),
            misses: read(&self.misses),
            writes: read(&self.writes),
            evicted: read(&self.evicted),
            erased: read(&self.erased),
            dropped: std::array::from_fn(|at| read(&self.dropped[at])),
            ..DiskUsage::default()
        }
    }
}
