//! Memory promised to renders: so many bytes and no more, first come first served. Whoever wants much is not overtaken for ever by
//! those who want little.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often somebody who waits asks whether they still have to.
const TICK: Duration = Duration::from_millis(20);

/// So many bytes for all together.
pub(crate) struct Budget {
    max: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: u64,
    /// The turn of whoever comes next.
    next: u64,
    /// Who waits, in the order they came.
    turns: VecDeque<u64>,
}

/// Why there are no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// More was asked for than there is for all.
    TooMuch {
        /// All there is.
        max: u64,
    },
    /// It was not worth waiting any longer.
    Stopped,
}

impl Budget {
    pub(crate) fn new(max: u64) -> Self {
        Self { max, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Takes bytes, waiting for those who came before and for those who have them, until `stop` says that it is no use any more.
    pub(crate) fn take(&self, bytes: u64, stop: &dyn Fn() -> bool) -> Result<Taken<'_>, Refused> {
        if bytes > self.max {
            return Err(Refused::TooMuch { max: self.max });
        }
        let mut state = self.lock();
        let turn = state.next;
        state.next += 1;
        state.turns.push_back(turn);
        while state.turns.front() != Some(&turn) || state.taken + bytes > self.max {
            if stop() {
                state.turns.retain(|waiting| *waiting != turn);
                drop(state);
                self.changed.notify_all();
                return Err(Refused::Stopped);
            }
            state = self.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.turns.pop_front();
        state.taken += bytes;
        drop(state);
        self.changed.notify_all();
        Ok(Taken { budget: self, bytes })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes promised to one render; given back when dropped, by panic too.
pub(crate) struct Taken<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.budget.lock().taken -= self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    #[test]
    fn exactly_all_is_given_and_one_more_is_not() {
        let budget = Budget::new(10);
        assert_eq!(budget.take(11, &|| false).err(), Some(Refused::TooMuch { max: 10 }));
        let all = budget.take(10, &|| false).expect("all of it");
        assert_eq!(budget.taken(), 10);
        assert_eq!(budget.take(1, &|| true).err(), Some(Refused::Stopped));
        drop(all);
        assert_eq!(budget.taken(), 0);
        assert!(budget.take(10, &|| true).is_ok(), "what is free needs no waiting");
    }

    #[test]
    fn who_wants_little_does_not_overtake_who_wants_much() {
        let budget = Budget::new(10);
        let half = budget.take(5, &|| false).expect("half of it");
        let (big_has, small_has) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _taken = budget.take(10, &|| false).expect("in the end");
                assert!(!small_has.load(SeqCst), "it came first");
                big_has.store(true, SeqCst);
            });
            while budget.lock().turns.is_empty() {
                std::thread::yield_now();
            }
            scope.spawn(|| {
                let _taken = budget.take(1, &|| false).expect("in the end");
                small_has.store(true, SeqCst);
                assert!(big_has.load(SeqCst));
            });
            while budget.lock().turns.len() < 2 {
                std::thread::yield_now();
            }
            drop(half);
        });
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn who_gives_up_holds_nobody_up() {
        let budget = Budget::new(10);
        let _half = budget.take(5, &|| false).expect("half of it");
        let gives_up = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let big = scope.spawn(|| budget.take(10, &|| gives_up.load(SeqCst)).err());
            while budget.lock().turns.is_empty() {
                std::thread::yield_now();
            }
            let small = scope.spawn(|| budget.take(5, &|| false).is_ok());
            gives_up.store(true, SeqCst);
            assert_eq!(big.join().expect("ends"), Some(Refused::Stopped));
            assert!(small.join().expect("ends"));
        });
    }
}
