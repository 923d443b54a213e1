//! How fast calls may follow each other: a bucket of tokens that fills at a steady rate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use afterimage_identity::Digest;
use tokio::time::Instant;

/// A bucket of tokens; each call takes one.
#[derive(Debug)]
pub(crate) struct Rate {
    burst: f64,
    per_s: f64,
    /// Tokens at a moment. Below zero, that many calls wait for theirs.
    level: Mutex<(f64, Instant)>,
}

impl Rate {
    pub(crate) fn new(burst: u32, per_min: u32) -> Self {
        let burst = f64::from(burst.max(1));
        Self { burst, per_s: f64::from(per_min.max(1)) / 60.0, level: Mutex::new((burst, Instant::now())) }
    }

    /// Waits for a turn; turns come in the order they were asked for.
    pub(crate) async fn turn(&self) {
        let wait = {
            let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let filled = now.duration_since(level.1).as_secs_f64().mul_add(self.per_s, level.0);
            *level = (filled.min(self.burst) - 1.0, now);
            Duration::from_secs_f64((-level.0).max(0.0) / self.per_s)
        };
        tokio::time::sleep(wait).await;
    }
}

/// The pause after `tries` failures: twice as long each time, from `min` to `max`, and then between half and all of it,
/// so that batches refused together do not come back together. `seed` decides, so nothing needs a source of chance.
pub(crate) fn backoff(tries: u32, min: Duration, max: Duration, seed: &str) -> Duration {
    let whole = min.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(max);
    let digest = Digest::new("backoff").part(seed.as_bytes()).part(&tries.to_be_bytes()).hex(4);
    let share = u32::from_str_radix(&digest, 16).unwrap_or(0);
    whole / 2 + whole.mul_f64(f64::from(share) / 131_072.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_past_the_burst_come_at_the_rate() {
        let rate = Rate::new(5, 120);
        let begun = Instant::now();
        for turn in 0..11 {
            rate.turn().await;
            let least = Duration::from_millis(500) * u32::saturating_sub(turn, 4);
            assert!(begun.elapsed() >= least && begun.elapsed() < least + Duration::from_millis(20), "{turn}");
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        for _ in 0..5 {
            rate.turn().await;
        }
        assert!(begun.elapsed() < Duration::from_millis(20), "the bucket is full again, and not more than full");
        rate.turn().await;
        assert!(begun.elapsed() >= Duration::from_millis(480));
    }

    #[test]
    fn pauses_grow_to_the_bound_and_differ() {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(60));
        for (tries, whole) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (99, 60)] {
            let pause = backoff(tries, min, max, "a");
            let whole = Duration::from_secs(whole);
            assert!(pause >= whole / 2 && pause <= whole, "{tries}: {pause:?}");
        }
        assert_ne!(backoff(3, min, max, "a"), backoff(3, min, max, "b"));
    }
}
