//! The loop against a queue of our own, in virtual time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use afterimage_identity::{BoxFuture, Event, NotTaken, SourceId, Take};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::*;
use crate::{Originals, Place, Places};

/// Messages with the moment until which they are hidden.
#[derive(Default)]
struct Double {
    kept: Mutex<VecDeque<(Received, Option<Instant>)>>,
    /// So many calls of `receive` fail.
    receives_fail: AtomicUsize,
    deletes_fail: AtomicUsize,
    received: AtomicUsize,
    asked_at: Mutex<Vec<Instant>>,
}

fn fails(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Double {
    fn with(bodies: impl IntoIterator<Item = String>) -> Arc<Self> {
        let kept = bodies.into_iter().enumerate().map(|(at, body)| (Received { handle: at.to_string(), body }, None));
        Arc::new(Self { kept: Mutex::new(kept.collect()), ..Self::default() })
    }

    fn len(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

impl Queue for Double {
    fn receive(&self) -> BoxFuture<'_, Result<Vec<Received>, String>> {
        Box::pin(async move {
            self.asked_at.lock().unwrap().push(Instant::now());
            if fails(&self.receives_fail) {
                return Err("no answer".to_owned());
            }
            let waited_until = Instant::now() + Duration::from_secs(20);
            loop {
                let now = Instant::now();
                let hidden_until = now + Duration::from_secs(HIDDEN_S as u64);
                let mut received = Vec::new();
                for (message, hidden) in self.kept.lock().unwrap().iter_mut() {
                    if hidden.is_none_or(|until| until <= now) && received.len() < 10 {
                        *hidden = Some(hidden_until);
                        received.push(message.clone());
                    }
                }
                self.received.fetch_add(received.len(), Ordering::SeqCst);
                if !received.is_empty() || now >= waited_until {
                    return Ok(received);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    }

    fn delete(&self, handles: Vec<String>) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move {
            if fails(&self.deletes_fail) {
                return Err("no answer".to_owned());
            }
            self.kept.lock().unwrap().retain(|(message, _)| !handles.contains(&message.handle));
            Ok(0)
        })
    }

    fn hide(&self, handles: Vec<String>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let until = Instant::now() + Duration::from_secs(HIDDEN_S as u64);
            for (message, hidden) in self.kept.lock().unwrap().iter_mut() {
                if handles.contains(&message.handle) {
                    *hidden = Some(until);
                }
            }
            Ok(())
        })
    }
}

/// A write story that takes its time, and does not take what is called so.
struct Slow {
    lasts: Duration,
    refuses: &'static str,
    heard: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    at_once_most: AtomicUsize,
}

impl Take for Slow {
    fn take(&self, events: Vec<Event>) -> BoxFuture<'_, Vec<Result<(), NotTaken>>> {
        Box::pin(async move {
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.at_once_most.fetch_max(at_once, Ordering::SeqCst);
            tokio::time::sleep(self.lasts).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            let refused = || NotTaken { why: "the source cannot say".to_owned() };
            let keys: Vec<String> = events.iter().map(|event| event.subject.to_string()).collect();
            self.heard.lock().unwrap().extend(keys.clone());
            keys.iter().map(|key| if key.contains(self.refuses) { Err(refused()) } else { Ok(()) }).collect()
        })
    }
}

fn message(keys: &[&str]) -> String {
    let record = |key: &&str| {
        format!(
            r#"{{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectRemoved:Delete","s3":{{"bucket":{{"name":"img"}},"object":{{"key":"{key}"}}}}}}"#
        )
    };
    format!(r#"{{"Records":[{}]}}"#, keys.iter().map(record).collect::<Vec<_>>().join(","))
}

struct Story {
    queue: Arc<Double>,
    slow: Arc<Slow>,
    intake: Arc<Intake>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

fn story(queue: Arc<Double>, lasts: Duration) -> Story {
    let slow = Arc::new(Slow {
        lasts,
        refuses: "refused",
        heard: Mutex::default(),
        at_once: AtomicUsize::new(0),
        at_once_most: AtomicUsize::new(0),
    });
    let places = Places {
        source: SourceId::default(),
        originals: vec![Originals { place: Place::parse("img").unwrap(), below: String::new() }],
        derivatives: vec![Place::parse("img/derived").unwrap()],
    };
    let intake = Arc::new(Intake::new(places, slow.clone()));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(consume(queue.clone(), intake.clone(), async {
        let _ = stopped.await;
    }));
    Story { queue, slow, intake, stop, task }
}

impl Story {
    fn count(&self, word: &str) -> u64 {
        let counts = self.intake.counters().counts();
        let all = counts.heard.into_iter().chain(counts.ignored).chain(counts.outcomes);
        all.filter(|(of, _)| *of == word).map(|(_, count)| count).sum()
    }
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_is_deleted_and_the_rest_is_left() {
    let bodies = [
        message(&["a.jpg"]),
        // One record that is not taken keeps its message, and spoils no other message.
        message(&["b.jpg", "refused.jpg"]),
        "no json".to_owned(),
        r#"{"Event":"s3:TestEvent"}"#.to_owned(),
        message(&["derived/a.jpg"]),
        message(&["c.jpg"]).replace("ObjectRemoved:Delete", "ObjectTagging:Put"),
    ];
    let story = story(Double::with(bodies), Duration::ZERO);
    seconds(5).await;
    assert_eq!(story.queue.len(), 2);
    assert_eq!((story.count("deleted"), story.count("left"), story.count("unreadable")), (4, 2, 1));
    assert_eq!((story.count("taken"), story.count("not-taken")), (2, 1));
    assert_eq!((story.count("test"), story.count("derivative"), story.count("tagged")), (1, 1, 1));
    // They come again when they are no longer hidden, and not before.
    seconds(50).await;
    assert_eq!(story.queue.received.load(Ordering::SeqCst), 6);
    seconds(10).await;
    assert_eq!(story.queue.received.load(Ordering::SeqCst), 8);
}

/// The endless loop of the published function: one bucket, notifications without a filter, and 1,000 derivatives deleted.
#[tokio::test(start_paused = true)]
async fn our_own_deletions_make_no_work() {
    let deleted = (0..1_000).map(|number| message(&[&format!("derived/p/{number}.jpg/-/w100.webp")]));
    let story = story(Double::with(deleted), Duration::ZERO);
    seconds(60).await;
    assert_eq!((story.queue.len(), story.count("derivative")), (0, 1_000));
    assert_eq!(*story.slow.heard.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn messages_stay_hidden_for_as_long_as_they_are_in_work() {
    let story = story(Double::with([message(&["a.jpg"])]), Duration::from_secs(200));
    seconds(190).await;
    assert_eq!(story.queue.received.load(Ordering::SeqCst), 1, "nobody else was given it");
    seconds(20).await;
    assert_eq!((story.queue.len(), story.queue.received.load(Ordering::SeqCst)), (0, 1));
    assert!(story.count("extended") >= 9);
}

#[tokio::test(start_paused = true)]
async fn so_many_batches_at_once_and_not_one_more() {
    let story = story(Double::with((0..500).map(|n| message(&[&n.to_string()]))), Duration::from_secs(1));
    seconds(30).await;
    assert_eq!(story.slow.at_once_most.load(Ordering::SeqCst), BATCHES_MAX);
    assert_eq!((story.queue.len(), story.slow.heard.lock().unwrap().len()), (0, 500));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_is_asked_again_after_longer_and_longer_pauses() {
    let queue = Double::with([message(&["a.jpg"])]);
    queue.receives_fail.store(4, Ordering::SeqCst);
    let story = story(queue, Duration::ZERO);
    seconds(30).await;
    let asked = story.queue.asked_at.lock().unwrap().clone();
    let pauses: Vec<u128> = asked.windows(2).take(4).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000]);
    assert_eq!((story.count("queue-failed"), story.queue.len()), (4, 0));
    assert_eq!((pause(8), pause(9), pause(u32::MAX)), (PAUSE_MAX, PAUSE_MAX, PAUSE_MAX));
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_deleted_comes_again() {
    let queue = Double::with([message(&["a.jpg"])]);
    queue.deletes_fail.store(1, Ordering::SeqCst);
    let story = story(queue, Duration::ZERO);
    seconds(100).await;
    assert_eq!(*story.slow.heard.lock().unwrap(), ["a.jpg", "a.jpg"]);
    assert_eq!((story.queue.len(), story.count("deleted"), story.count("queue-failed")), (0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_what_is_in_work_and_begins_nothing() {
    for (lasts, left) in [(5, 10), (3_600, 20)] {
        let story = story(Double::with((0..20).map(|n| message(&[&n.to_string()]))), Duration::from_secs(lasts));
        // The first batch is in work; the second has just been handed out, or waits.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let _ = story.stop.send(());
        let begun = Instant::now();
        story.task.await.unwrap();
        assert!(begun.elapsed() <= STOP_MAX);
        assert!(story.queue.len() <= left, "{} of {left}", story.queue.len());
    }
}
