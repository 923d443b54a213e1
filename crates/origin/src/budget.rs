//! How much may be tried again: a tenth of what was asked. Without it a failing origin gets twice the load at the moment
//! when it can bear it least.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// What one retry costs, in requests.
const PRICE: u32 = 10;
/// Retries that can be saved up.
const SAVED_MAX: u32 = 10;

/// Each request puts in one, each retry takes out [`PRICE`].
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicU32);

impl Budget {
    pub(crate) fn put(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |saved| (saved < PRICE * SAVED_MAX).then_some(saved + 1));
    }

    /// Whether one retry may be made now.
    pub(crate) fn take(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |saved| saved.checked_sub(PRICE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_and_not_one_more() {
        let budget = Budget::default();
        assert!(!budget.take(), "nothing was asked yet");
        let retries = (0..1000)
            .filter(|_| {
                budget.put();
                budget.take()
            })
            .count();
        assert_eq!(retries, 100);
        (0..5000).for_each(|_| budget.put());
        let burst = (0..1000).filter(|_| budget.take()).count();
        assert_eq!(burst, 10, "only so many are saved up");
    }
}
