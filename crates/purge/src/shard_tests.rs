//! Runs that go on with one journal, one after the other and side by side, over a place that loses answers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use afterimage_identity::BoxFuture;
use afterimage_store::keep::Kept;

use super::*;

/// A place of records whose next writings are done and not answered, or neither.
#[derive(Default)]
struct Moody {
    kept: Kept,
    late: AtomicUsize,
    fails: AtomicUsize,
    calls: Mutex<Vec<&'static str>>,
}

fn is_due(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Keep for Moody {
    fn names<'a>(&'a self, beginning: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, KeepError>> {
        self.calls.lock().unwrap().push("names");
        self.kept.names(beginning, limit)
    }
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KeepError>> {
        self.calls.lock().unwrap().push("read");
        self.kept.read(name)
    }
    fn write<'a>(&'a self, name: &'a str, bytes: &'a [u8], put: Put) -> BoxFuture<'a, Result<(), KeepError>> {
        self.calls.lock().unwrap().push("write");
        Box::pin(async move {
            let failed = || Err(KeepError::Failed { why: "no answer".to_owned() });
            if is_due(&self.fails) {
                return failed();
            }
            let done = self.kept.write(name, bytes, put).await;
            if is_due(&self.late) { failed() } else { done }
        })
    }
    fn remove<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), KeepError>> {
        self.kept.remove(names)
    }
}

fn run(number: u64) -> Run {
    Run::new(1_000 * number, 1_000 * number + 900, number)
}

fn payloads(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// As a run finds the journal "j" at a moment, or why it does not.
async fn find(keep: &Arc<Moody>, run: &Run, now_ms: u64) -> Result<Shard, String> {
    match Shard::find(keep.clone(), "j", run, now_ms).await.map_err(|error| error.to_string())? {
        Found::Free(shard) => Ok(*shard),
        Found::Busy { until_ms } => Err(format!("busy until {until_ms}")),
        Found::Over => Err("over".to_owned()),
    }
}

async fn begun() -> (Arc<Moody>, Shard) {
    let keep = Arc::new(Moody::default());
    let mut shard = Shard::fresh(keep.clone(), "j", &run(1));
    shard.append(&payloads(&["a"])).await.unwrap();
    shard.append(&payloads(&["b", "c"])).await.unwrap();
    (keep, shard)
}

#[tokio::test]
async fn who_comes_later_reads_what_was_written_and_the_first_one_knows() {
    let (keep, mut first) = begun().await;
    assert_eq!(find(&keep, &run(2), 1_899).await.err().as_deref(), Some("busy until 1900"));
    let mut second = find(&keep, &run(2), 1_900).await.unwrap();
    let records = second.take_records();
    assert_eq!(records, payloads(&["a", "b", "c"]));
    // Looking alone takes nothing from anybody.
    first.append(&payloads(&["d"])).await.unwrap();
    assert!(second.take_over(&records).await.is_err(), "it had not read everything");
    assert!(second.is_lost() && !first.is_lost());
    let mut third = find(&keep, &run(3), 5_000).await.unwrap();
    let records = third.take_records();
    assert_eq!(records, payloads(&["a", "b", "c", "d"]));
    third.take_over(&records).await.unwrap();
    assert!(first.append(&payloads(&["e"])).await.is_err());
    assert!(first.is_lost());
    assert!(first.release(&[], 0).await.is_err() && first.end().await.is_err());
    third.append(&payloads(&["f"])).await.unwrap();
    let mut last = find(&keep, &run(9), 50_000).await.unwrap();
    assert_eq!(last.take_records(), payloads(&["a", "b", "c", "d", "f"]));
}

#[tokio::test]
async fn only_what_comes_after_a_whole_piece_is_read() {
    let (keep, mut first) = begun().await;
    first.release(&payloads(&["all"]), 7_000).await.unwrap();
    keep.calls.lock().unwrap().clear();
    // Its work has ended, so nobody has to wait for its time to be over.
    let mut second = find(&keep, &run(2), 1_500).await.unwrap();
    assert_eq!(second.take_records(), payloads(&["all"]));
    second.take_over(&payloads(&["all"])).await.unwrap();
    assert_eq!(*keep.calls.lock().unwrap(), ["names", "read", "write", "names"], "four requests, however long it is");
    second.compact().await;
    assert_eq!(keep.names("journal/j/", 99).await.unwrap(), [piece("j", 3)]);
    second.append(&payloads(&["more"])).await.unwrap();
    let mut third = find(&keep, &run(3), 9_999).await.unwrap();
    assert_eq!(third.take_records(), payloads(&["all", "more"]));
}

#[tokio::test]
async fn a_lost_answer_is_no_lost_journal() {
    for is_done in [true, false] {
        let (keep, mut shard) = begun().await;
        (if is_done { &keep.late } else { &keep.fails }).store(1, Ordering::SeqCst);
        assert!(shard.append(&payloads(&["d"])).await.is_err());
        assert!(!shard.is_lost(), "nobody knows");
        // What could not be written is tried again with what has come since.
        shard.append(&payloads(&["d", "e"])).await.unwrap();
        let mut next = find(&keep, &run(2), 9_999).await.unwrap();
        assert_eq!(
            next.take_records(),
            payloads(&["a", "b", "c", "d", "d", "e"]),
            "the same record twice says the same"
        );
    }
}

#[tokio::test]
async fn what_is_over_stays_over_for_whoever_looked_before() {
    let (keep, mut first) = begun().await;
    let mut stale = find(&keep, &run(2), 1_900).await.unwrap();
    keep.write("journal/j/outbox/cf/x.json", b"{}", Put::Any).await.unwrap();
    first.end().await.unwrap();
    assert_eq!(keep.names("journal/j/", 99).await.unwrap(), [piece("j", 2)], "the last piece alone");
    assert!(stale.take_over(&[]).await.is_err());
    assert_eq!(find(&keep, &run(3), 9_999).await.err().as_deref(), Some("over"));
}

#[tokio::test]
async fn a_number_that_was_cleared_away_is_not_taken_for_a_free_one() {
    let (keep, mut first) = begun().await;
    let mut stale = find(&keep, &run(2), 1_900).await.unwrap();
    for _ in 0..3 {
        first.release(&payloads(&["all"]), 0).await.unwrap();
    }
    first.compact().await;
    assert!(stale.take_over(&[]).await.is_err());
    assert!(stale.is_lost(), "its number was free, and is behind");
}

#[tokio::test]
async fn of_many_who_go_on_at_once_one_does() {
    let (keep, _) = begun().await;
    for round in 1..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..4 {
            let mut shard = find(&keep, &run(100 * round + number), u64::MAX).await.unwrap();
            tasks.spawn(async move {
                let records = shard.take_records();
                shard.take_over(&records).await.is_ok()
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }
}

#[tokio::test]
async fn damage_is_said_and_nothing_is_made_of_it() {
    let (keep, _) = begun().await;
    keep.write(&piece("j", 1), b"afterimage piece 1\nnonsense", Put::Any).await.unwrap();
    let error = find(&keep, &run(2), 9_999).await.err().unwrap();
    assert!(error.contains("journal/j/log/0000000001") && error.contains("damaged"), "{error}");
}

#[test]
fn ids_follow_time_and_stay_exact_in_json() {
    let first = |at_ms, chance| Run::new(at_ms, 0, chance).first_id();
    assert!(first(1_764_000_000_000, 0xfff) < first(1_764_000_000_001, 0));
    assert_ne!(first(1, 0x001), first(1, 0x100));
    // In the year 2039.
    assert!(first(2_199_000_000_000, u64::MAX) < 1 << 53);
}
