//! Leaves an origin alone for a while after it has failed several times in a row, and then tries it with one request. Time is
//! an argument. What counts as failure is said elsewhere: an answer, whatever its status, is none.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use afterimage_identity::{Clock, Stamp};

use crate::Error;

/// When an origin is left alone, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row after which it is left alone. 0 never does.
    pub failures_max: u32,
    /// For how long, until one request tries it again.
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures_max: 8, open_for: Duration::from_secs(5) }
    }
}

/// While one request tries the origin, others are told to come back after this long.
const PROBE_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Stamp },
    HalfOpen,
}

/// One per origin.
pub(crate) struct Breaker {
    config: BreakerConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    recoveries: AtomicU64,
}

impl Breaker {
    pub(crate) fn new(config: BreakerConfig, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            config,
            clock,
            state: Mutex::new(State::Closed { failures: 0 }),
            recoveries: AtomicU64::new(0),
        })
    }

    /// Lets a request through, or says when to come back.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Ticket, Error> {
        let now = self.clock.now();
        let mut state = self.lock();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until } if now < until => return Err(Error::Open { retry_after: until.since(now) }),
            State::Open { .. } => {
                *state = State::HalfOpen;
                true
            }
            State::HalfOpen => return Err(Error::Open { retry_after: PROBE_WAIT }),
        };
        drop(state);
        Ok(Ticket { breaker: self.clone(), is_probe })
    }

    /// How often the origin answered again after it had been left alone.
    pub(crate) fn recoveries(&self) -> u64 {
        self.recoveries.load(Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to try once, and the duty to say how it went. Dropped without a word (nobody waited any longer) it leaves the
/// breaker as it was, and lets the next request probe.
pub(crate) struct Ticket {
    breaker: Arc<Breaker>,
    is_probe: bool,
}

impl Ticket {
    /// An answer has begun: the origin lives. After a probe one more failure is enough to leave it alone again.
    pub(crate) fn answered(&mut self) {
        if std::mem::take(&mut self.is_probe) {
            *self.breaker.lock() = State::Closed { failures: self.breaker.config.failures_max.saturating_sub(1) };
            self.breaker.recoveries.fetch_add(1, Relaxed);
        }
    }

    /// The answer was whole.
    pub(crate) fn succeeded(mut self) {
        self.answered();
        let mut state = self.breaker.lock();
        if let State::Closed { failures } = &mut *state {
            *failures = 0;
        }
    }

    /// There was no answer, or not all of it.
    pub(crate) fn failed(mut self) {
        let Breaker { config, clock, .. } = &*self.breaker;
        let until = clock.now().after(config.open_for);
        let is_probe = std::mem::take(&mut self.is_probe);
        let mut state = self.breaker.lock();
        match &mut *state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if config.failures_max > 0 && *failures >= config.failures_max {
                    *state = State::Open { until };
                }
            }
            State::HalfOpen if is_probe => *state = State::Open { until },
            // Requests that began before it opened say nothing new.
            State::HalfOpen | State::Open { .. } => {}
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_probe {
            *self.breaker.lock() = State::Open { until: Stamp::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_identity::ManualClock;

    fn breaker() -> (Arc<Breaker>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let config = BreakerConfig { failures_max: 3, open_for: Duration::from_secs(5) };
        (Breaker::new(config, clock.clone()), clock)
    }

    fn fail(breaker: &Arc<Breaker>, times: usize) {
        for _ in 0..times {
            breaker.enter().expect("closed").failed();
        }
    }

    fn wait(breaker: &Arc<Breaker>) -> Option<Duration> {
        match breaker.enter().err()? {
            Error::Open { retry_after } => Some(retry_after),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn it_opens_at_the_bound_and_not_before_and_a_success_counts_anew() {
        let (breaker, _) = breaker();
        fail(&breaker, 2);
        breaker.enter().expect("two are not three").succeeded();
        fail(&breaker, 2);
        assert_eq!(wait(&breaker), None);
        fail(&breaker, 1);
        assert_eq!(wait(&breaker), Some(Duration::from_secs(5)));
    }

    #[test]
    fn one_probe_at_a_time_decides() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.advance(Duration::from_secs(4));
        assert_eq!(wait(&breaker), Some(Duration::from_secs(1)), "the rest of the time");
        clock.advance(Duration::from_secs(1));
        let probe = breaker.enter().expect("time is over");
        assert_eq!(wait(&breaker), Some(PROBE_WAIT), "one at a time");
        probe.failed();
        assert_eq!(wait(&breaker), Some(Duration::from_secs(5)), "and the time begins again");
        clock.advance(Duration::from_secs(5));
        assert_eq!(breaker.recoveries(), 0);
        breaker.enter().expect("a second probe").succeeded();
        breaker.enter().expect("closed").succeeded();
        assert_eq!(breaker.recoveries(), 1);
        fail(&breaker, 2);
        assert_eq!(wait(&breaker), None, "closed, with nothing held against it");
    }

    #[test]
    fn an_answer_that_breaks_off_after_a_probe_opens_it_again() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.advance(Duration::from_secs(5));
        let mut probe = breaker.enter().expect("time is over");
        probe.answered();
        assert_eq!(wait(&breaker), None, "others need not wait for its body");
        probe.failed();
        assert!(wait(&breaker).is_some());
    }

    #[test]
    fn a_probe_that_nobody_waits_for_makes_room_for_the_next() {
        let (breaker, clock) = breaker();
        fail(&breaker, 3);
        clock.advance(Duration::from_secs(5));
        drop(breaker.enter().expect("a probe"));
        assert!(breaker.enter().is_ok());
    }

    #[test]
    fn what_began_before_it_opened_changes_nothing() {
        let (breaker, clock) = breaker();
        let (early, late) = (breaker.enter().expect("closed"), breaker.enter().expect("closed"));
        fail(&breaker, 3);
        early.succeeded();
        assert!(wait(&breaker).is_some());
        clock.advance(Duration::from_secs(5));
        let _probe = breaker.enter().expect("a probe");
        late.failed();
        assert_eq!(wait(&breaker), Some(PROBE_WAIT), "still half-open");
    }

    #[test]
    fn zero_never_opens() {
        let breaker = Breaker::new(
            BreakerConfig { failures_max: 0, ..BreakerConfig::default() },
            Arc::new(ManualClock::default()),
        );
        fail(&breaker, 1000);
        assert_eq!(wait(&breaker), None);
    }
}
