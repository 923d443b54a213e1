//! What requests found that nothing may have told: an original that is gone or changed while something of it is kept. The purge
//! function is told, once the answer is out, so that a lost event is mended by the first viewer who asks; no viewer waits for it, and
//! no viewer's request does the write story's work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use afterimage_events::{QueueConfig, Sender};
use afterimage_identity::{Clock, Event, Notice, Original, Stamp};
use afterimage_purge::Noticed;
use tokio::sync::OnceCell;

/// So long nothing more is said of the same original.
const AGAIN: Duration = Duration::from_secs(60);

/// How much is said.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of how many originals, within the window. More may be gone for a bad reason; the reconciler knows how many that are, and holds.
    pub originals_max: u64,
    /// The window.
    pub window: Duration,
}

/// Messages to the purge function.
pub struct Notices {
    queue: Option<QueueConfig>,
    /// Connected when there is something to say, which is hardly ever.
    sender: OnceCell<Sender>,
    bounds: Bounds,
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    waiting: Vec<Noticed>,
    said: HashMap<Original, Stamp>,
}

/// What becomes of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Say,
    SaidLately,
    TooMany,
}

impl Books {
    fn admit(&mut self, original: &Original, now: Stamp, bounds: Bounds) -> Verdict {
        self.said.retain(|_, at| now.since(*at) < bounds.window.max(AGAIN));
        match self.said.get(original) {
            Some(at) if now.since(*at) < AGAIN => Verdict::SaidLately,
            None if self.said.len() as u64 >= bounds.originals_max => Verdict::TooMany,
            _ => {
                self.said.insert(original.clone(), now);
                Verdict::Say
            }
        }
    }
}

impl Notices {
    /// To this queue, or to nobody but the log.
    pub fn new(queue: Option<QueueConfig>, bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        Self { queue, sender: OnceCell::new(), bounds, clock, books: Mutex::default() }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what was noticed, for as long as there is time. What could not be said is said when it is noticed once more.
    pub async fn say(&self, time: Duration) {
        let mut waiting = std::mem::take(&mut self.books().waiting);
        let Some(queue) = self.queue.as_ref().filter(|_| !waiting.is_empty()) else { return };
        let told = tokio::time::timeout(time, async {
            let sender = self.sender.get_or_init(|| Sender::connect(queue)).await;
            while let Some(noticed) = waiting.last() {
                sender.send(&noticed.text(), Duration::ZERO).await?;
                tracing::info!(key = %noticed.original.key, "the purge function is told what no event may have told");
                waiting.pop();
            }
            Ok(())
        });
        let why = match told.await {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(_) => "there was no time".to_owned(),
        };
        tracing::warn!(why, left = waiting.len(), "the purge function could not be told; the next request tells it");
        let mut books = self.books();
        for noticed in &waiting {
            books.said.remove(&noticed.original);
        }
    }
}

impl Notice for Notices {
    fn notice(&self, event: Event) {
        let Some(noticed) = Noticed::of(&event) else { return };
        if self.queue.is_none() {
            tracing::warn!(?event, "a request found what no event may have told; the reconciler removes what is left");
            return;
        }
        let mut books = self.books();
        match books.admit(&noticed.original, self.clock.now(), self.bounds) {
            Verdict::Say => books.waiting.push(noticed),
            Verdict::SaidLately => {}
            Verdict::TooMany => tracing::error!(
                key = %noticed.original.key,
                "very many originals are gone or changed and no event told of it; the reconciler has to look"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{OriginalKey, SourceId};

    use super::*;

    #[test]
    fn once_a_minute_each_and_not_of_very_many() {
        let bounds = Bounds { originals_max: 2, window: Duration::from_secs(600) };
        let mut books = Books::default();
        let mut admit = |key: &str, second: u64| {
            let original = Original::new(SourceId::default(), OriginalKey::new(key).unwrap());
            books.admit(&original, Stamp(second * 1_000_000_000), bounds)
        };
        assert_eq!(admit("a", 0), Verdict::Say);
        assert_eq!(admit("a", 59), Verdict::SaidLately);
        assert_eq!(admit("b", 59), Verdict::Say);
        assert_eq!(admit("c", 59), Verdict::TooMany);
        assert_eq!(admit("a", 60), Verdict::Say, "known, and a minute is over");
        assert_eq!(admit("c", 658), Verdict::TooMany);
        assert_eq!(admit("c", 659), Verdict::Say, "the second is forgotten");
        assert_eq!(admit("a", 660), Verdict::Say);
    }
}
