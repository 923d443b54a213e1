//! Who waits for a render: originals that lie near are read when their render is next, so that a queue holds none of them; and
//! those who wait for that are counted like all who wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use afterimage_cache::Cache;
use afterimage_edge::{Config, Door, Edge, Failure, Job, Parts, Pool, PoolConfig, Renderer, Work};
use afterimage_identity::{BoxFuture, Event, ManualClock, Notice};
use afterimage_imaging::Settings;
use afterimage_store::{Asker, Error, Memory, Meta, Object, Page, Read, Stat, Write};
use afterimage_variant::{Rules, Variant};
use bytes::Bytes;

const THREADS: usize = 2;

struct Nobody;

impl Notice for Nobody {
    fn notice(&self, _: Event) {}
}

/// How many originals are in memory, and how many were at most.
#[derive(Default)]
struct InHand {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A body that is counted as long as anybody has it.
struct Counted(Bytes, Arc<InHand>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.now.fetch_sub(1, SeqCst);
    }
}

/// A store on this machine, or on another.
struct Place {
    store: Memory,
    is_near: bool,
    in_hand: Arc<InHand>,
}

impl Read for Place {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        self.store.stat(key)
    }
    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let object = self.store.get(key, bytes_max).await?;
            self.in_hand.most.fetch_max(self.in_hand.now.fetch_add(1, SeqCst) + 1, SeqCst);
            Ok(Object { body: Bytes::from_owner(Counted(object.body, self.in_hand.clone())), ..object })
        })
    }
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        self.store.list(prefix, after, limit)
    }
    fn is_near(&self, _key: &str) -> bool {
        self.is_near
    }
}

fn sample() -> Bytes {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/pictures/museum.jpg");
    std::fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
}

fn pool(threads: usize, queue_max: usize) -> Arc<Pool> {
    let config = PoolConfig { threads, queue_max, memory_bytes_max: 1 << 30, render_time_max: Duration::from_secs(20) };
    Arc::new(Pool::start(config, Arc::new(ManualClock::default())).expect("threads"))
}

fn job(bytes: Bytes, turn: Option<afterimage_edge::Turn>) -> Job {
    let variant = Variant::from_name("w20.png").expect("canonical");
    let (work, settings) = (Work::Render(Box::new(variant)), Arc::new(Settings::default()));
    Job { bytes, work, settings, background: false, turn }
}

/// The most originals that were in memory at once while so many were asked for.
async fn most_in_hand(is_near: bool, asked: u32) -> usize {
    let (in_hand, clock) = (Arc::<InHand>::default(), Arc::new(ManualClock::default()));
    let originals = Arc::new(Place { store: Memory::new(), is_near, in_hand: in_hand.clone() });
    originals.store.put("a.jpg", Meta::default(), sample()).await.expect("put");
    let parts = Parts {
        originals: originals.clone(),
        derivatives: Arc::new(Memory::new()),
        ask: Arc::new(Asker::new(originals, clock.clone())),
        cache: Cache::new(afterimage_cache::Config::default()),
        upstream: None,
        renderer: pool(THREADS, 256),
        notice: Arc::new(Nobody),
        clock,
    };
    let edge = Edge::new(Config { rules: Rules::default(), ..Config::default() }, parts);
    let asking: Vec<_> = (0..asked)
        .map(|at| {
            let edge = edge.clone();
            tokio::spawn(async move {
                let request = http::Request::get(format!("/a.jpg?w={}&fm=jpg", 100 + at)).body(()).expect("a request");
                edge.handle(Door::Open, &request.into_parts().0).await.status().as_u16()
            })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.expect("answered"), 200);
    }
    edge.settled().await;
    in_hand.most.load(SeqCst)
}

#[tokio::test]
async fn a_queue_of_renders_holds_no_originals_that_lie_near() {
    assert!(most_in_hand(true, 16).await <= THREADS + 1, "as many as threads, and the next");
}

/// On another machine reading takes longer than rendering: whoever waited would find no original there.
#[tokio::test]
async fn what_is_far_is_read_ahead() {
    assert!(most_in_hand(false, 16).await > THREADS + 1);
}

#[tokio::test]
async fn who_waits_for_a_turn_is_in_the_queue() {
    let pool = pool(1, 3);
    let (first, second) = (pool.turn(false).await.expect("one"), pool.turn(false).await.expect("and one more"));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let turn = pool.turn(false).await?;
                pool.render(job(sample(), turn)).await
            })
        })
        .collect();
    while pool.load().waiting < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.turn(false).await.err(), Some(Failure::QueueFull));
    assert_eq!(pool.render(job(sample(), None)).await.err(), Some(Failure::QueueFull));
    // Who has a turn has been let in already.
    assert!(pool.render(job(sample(), first)).await.is_ok());
    assert!(pool.render(job(sample(), second)).await.is_ok());
    for waited in waiting {
        assert!(waited.await.expect("no panic").is_ok());
    }
    assert_eq!(pool.load().waiting, 0);
}

#[tokio::test]
async fn who_gives_up_waiting_leaves_the_queue() {
    let pool = pool(1, 1);
    let held = (pool.turn(false).await.expect("one"), pool.turn(false).await.expect("and one more"));
    for _ in 0..3 {
        assert!(tokio::time::timeout(Duration::from_millis(5), pool.turn(false)).await.is_err());
    }
    assert_eq!(pool.load().waiting, 0);
    drop(held);
    assert!(pool.turn(false).await.is_ok());
}
