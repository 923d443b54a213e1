//! Erasing what fences hide, in slices, so that no lock is held for long. A fence hides; erasure deletes.

use std::sync::Arc;

use afterimage_identity::{Selector, Sequence};

use crate::Entry;
use crate::cache::Inner;
use crate::entry::Weigh;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, lock, try_lock};

/// How many entries are looked at or erased in one hold of the index's lock, about a tenth of a millisecond.
const SLICE: usize = 256;
/// How many entries a fence erases before it returns; the rest is hidden already and goes with the sweep.
const AT_ONCE: usize = 4096;
/// How many entries a fill or a fence sweeps in passing.
const IN_PASSING: usize = 64;

/// Where the sweep stands.
struct Round {
    under_way: bool,
    /// The slot to look at next.
    next: usize,
    /// The last fence when this round began.
    began: Sequence,
    /// Every entry has been checked against all fences up to here.
    done: Sequence,
}

pub(crate) struct Sweep {
    round: Mutex<Round>,
    /// The last fence that covered more than was erased when it was raised.
    left: AtomicU64,
}

impl Sweep {
    pub(crate) fn new() -> Self {
        let round = Round { under_way: false, next: 0, began: Sequence(0), done: Sequence(0) };
        Self { round: Mutex::new(round), left: AtomicU64::new(0) }
    }

    /// Whether nothing that a fence up to `sequence` covers is in the index any more.
    pub(crate) fn is_done(&self, sequence: Sequence) -> bool {
        let left = Sequence(self.left.load(Ordering::SeqCst));
        lock(&self.round).done >= sequence.min(left)
    }
}

impl<T: Weigh> Inner<T> {
    /// Erases what a fence covers, as far as [`AT_ONCE`] goes, and counts all of it.
    pub(crate) fn erase_covered(&self, selector: &Selector, sequence: Sequence) -> u64 {
        let (mut matched, mut after) = (0, None);
        loop {
            let index = lock(&self.index);
            let (mut found, next) = index.slice(selector, after, SLICE);
            drop(index);
            // What was fetched after the fence may have the same name, and was checked against it.
            found.retain(|entry| entry.checked() < sequence);
            matched += found.len() as u64;
            if matched <= AT_ONCE as u64 {
                self.erase(&found);
            } else {
                self.sweep.left.fetch_max(sequence.0, Ordering::SeqCst);
            }
            after = match next {
                Some(place) => Some(place),
                None => return matched,
            };
        }
    }

    pub(crate) fn sweep_in_passing(&self) {
        self.sweep(IN_PASSING.max(self.sweep_share()));
    }

    pub(crate) fn sweep(&self, entries_max: usize) -> bool {
        // Somebody else sweeps: nobody waits for that.
        let Some(mut round) = try_lock(&self.sweep.round) else { return true };
        let mut left = entries_max;
        loop {
            let current = self.fences.current();
            if !round.under_way {
                if round.done == current {
                    return false;
                }
                (round.under_way, round.began, round.next) = (true, current, 0);
            }
            if left == 0 {
                return true;
            }
            let slice = left.min(SLICE);
            let (entries, ended) = self.slots(round.next, slice);
            round.next += slice;
            left -= slice;
            let fenced: Vec<_> = entries.into_iter().filter(|entry| !self.is_unfenced(entry)).collect();
            if !fenced.is_empty() {
                self.erase(&fenced);
            }
            if ended {
                (round.under_way, round.done) = (false, round.began);
            }
        }
    }

    fn slots(&self, from: usize, count: usize) -> (Vec<Arc<Entry<T>>>, bool) {
        let index = lock(&self.index);
        let upto = (from + count).min(index.slots());
        let entries = (from..upto).filter_map(|slot| index.at(slot).cloned()).collect();
        (entries, upto == index.slots())
    }

    /// How much each passing sweep does so that a round ends well before the log forgets what the round checks: two
    /// rounds in the time it takes to fill the log.
    fn sweep_share(&self) -> usize {
        let entries = lock(&self.index).slots();
        4 * entries / self.fences.selectors_max() + 1
    }
}
