//! Waits that can be cut short: how a watching thread is told to end at once.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// A flag that wakes whoever waits on it. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<(Mutex<bool>, Condvar)>);

impl Stop {
    pub(crate) fn raise(&self) {
        *self.0.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        self.0.1.notify_all();
    }

    pub(crate) fn is_raised(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits until `deadline`; whether it was raised meanwhile.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        let mut raised = self.0.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if *raised || left == Duration::ZERO {
                return *raised;
            }
            raised = match self.0.1.wait_timeout(raised, left) {
                Ok((raised, _)) => raised,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
}
