//! The proof that one version of one original is there, shared by every entry made from it. It only keeps stamps; who
//! asks, and what is done about the answer, is decided elsewhere.

use std::time::Duration;

use afterimage_identity::{Stamp, Version};

use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A stamp this far ahead of the asker's `now` is believed: the asker took its `now` before it waited for the answer.
/// Anything further ahead is no stamp of this clock and proves nothing.
pub const AHEAD_MAX: Duration = Duration::from_secs(60);

/// Never proven, or the stamp was no stamp.
const NEVER: u64 = 0;
/// Somebody was told to renew and has not answered yet.
const HANDED_OUT: u64 = u64::MAX;

/// One version of one original. Retired for good once it is found gone or changed.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) version: Version,
    /// The last accepted stamp plus one, or [`NEVER`]; grows only.
    proved: AtomicU64,
    /// After this moment the next hit renews, unless [`HANDED_OUT`].
    renew_after: AtomicU64,
    retired: AtomicBool,
    /// The window of its source, where that has one of its own.
    own_window: Option<Duration>,
}

impl Group {
    /// `window` holds where the source has no window of its own.
    pub(crate) fn new(
        version: Version,
        proved_at: Option<Stamp>,
        own_window: Option<Duration>,
        window: Duration,
    ) -> Self {
        let group = Self {
            version,
            proved: AtomicU64::new(NEVER),
            renew_after: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            own_window,
        };
        if let Some(stamp) = proved_at {
            group.restamp(stamp, window);
        }
        group
    }

    /// The window that holds, where `window` holds for all that have none of their own.
    pub(crate) fn window(&self, window: Duration) -> Duration {
        self.own_window.unwrap_or(window)
    }

    /// Takes a proof whose question was sent at `asked_at`; an older one than the last changes nothing.
    pub(crate) fn restamp(&self, asked_at: Stamp, window: Duration) {
        let stamp = asked_at.0.saturating_add(1);
        if self.proved.fetch_max(stamp, Ordering::AcqRel) < stamp {
            self.renew_after.store(asked_at.after(self.window(window) / 2).0.min(HANDED_OUT - 1), Ordering::Release);
        }
    }

    pub(crate) fn proved_at(&self) -> Option<Stamp> {
        self.proved.load(Ordering::Acquire).checked_sub(1).map(Stamp)
    }

    /// How old the proof is; `None` without one that can be believed.
    pub(crate) fn age(&self, now: Stamp) -> Option<Duration> {
        if self.is_retired() {
            return None;
        }
        let stamp = self.proved_at()?;
        if stamp.since(now) > AHEAD_MAX {
            // Forgotten, or no honest stamp would ever be later than it. Another thread's newer stamp stays.
            let _ = self.proved.compare_exchange(stamp.0 + 1, NEVER, Ordering::AcqRel, Ordering::Acquire);
            return None;
        }
        Some(now.since(stamp))
    }

    /// Whether the caller is the one who should ask again in the background: one hit, once the proof is older than half
    /// the window, until the question is answered.
    pub(crate) fn take_renewal(&self, now: Stamp) -> bool {
        let after = self.renew_after.load(Ordering::Acquire);
        now.0 > after
            && self.renew_after.compare_exchange(after, HANDED_OUT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Nothing was learnt; a hit may be told to renew again, after `stamp`.
    pub(crate) fn renew_again_after(&self, stamp: Stamp) {
        let _ = self.renew_after.compare_exchange(
            HANDED_OUT,
            stamp.0.min(HANDED_OUT - 1),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }
}
