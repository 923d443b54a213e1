//! Counts what reads found gone or changed, so that an unmounted disk seen through a thousand requests is not taken for a
//! thousand deletions.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use afterimage_identity::{OriginalKey, Stamp};

/// How many originals are told apart; at so many every sensible bound is passed.
const LOSSES_MAX: usize = 100_000;

/// Originals that reads found gone or changed lately.
#[derive(Debug)]
pub(crate) struct Losses {
    window: Duration,
    order: VecDeque<(Stamp, OriginalKey)>,
    last: HashMap<OriginalKey, Stamp>,
}

impl Losses {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, order: VecDeque::new(), last: HashMap::new() }
    }

    /// Notes one more; how many different ones there are within the window.
    pub(crate) fn note(&mut self, key: OriginalKey, now: Stamp) -> u64 {
        while let Some((at, _)) = self.order.front().filter(|(at, _)| now.since(*at) > self.window || self.is_full()) {
            let at = *at;
            if let Some((_, oldest)) = self.order.pop_front()
                && self.last.get(&oldest) == Some(&at)
            {
                self.last.remove(&oldest);
            }
        }
        self.last.insert(key.clone(), now);
        self.order.push_back((now, key));
        self.last.len() as u64
    }

    fn is_full(&self) -> bool {
        self.order.len() >= LOSSES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_originals_within_the_window_are_counted() {
        let key = |number: usize| OriginalKey::new(&number.to_string()).unwrap();
        let at = |seconds: u64| Stamp(seconds * 1_000_000_000);
        let mut losses = Losses::new(Duration::from_secs(10));
        assert_eq!(losses.note(key(1), at(0)), 1);
        assert_eq!(losses.note(key(1), at(5)), 1);
        assert_eq!(losses.note(key(2), at(10)), 2);
        // The second word about the first still counts, until it is older than the window.
        assert_eq!(losses.note(key(3), at(15)), 3);
        assert_eq!(losses.note(key(4), at(16)), 3);
    }

    #[test]
    fn memory_is_bounded() {
        let mut losses = Losses::new(Duration::from_secs(10));
        for number in 0..LOSSES_MAX + 5 {
            losses.note(OriginalKey::new(&number.to_string()).unwrap(), Stamp(0));
        }
        assert_eq!(losses.last.len(), LOSSES_MAX);
    }
}
