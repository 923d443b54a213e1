//! An edge of pictures alone: what becomes of those who wait when the one they wait for dies, and which clock counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use afterimage_cache::Cache;
use afterimage_edge::{Config, Door, Edge, Failure, Job, Load, Parts, Renderer};
use afterimage_identity::{BoxFuture, Clock, Event, ManualClock, Notice, Stamp};
use afterimage_imaging::Rendered;
use afterimage_store::{Asker, Memory, Meta, Read, Write};
use bytes::Bytes;
use tokio::sync::watch;

const CHOSEN: &str = "format=png;by=source, colours=7";

/// Gives back what it got, once the gate is open; the first so many times it dies instead.
struct Echo {
    gate: watch::Sender<bool>,
    renders: AtomicUsize,
    deaths: usize,
}

impl Renderer for Echo {
    fn render(&self, job: Job) -> BoxFuture<'_, Result<Rendered, Failure>> {
        let at = self.renders.fetch_add(1, SeqCst);
        let mut gate = self.gate.subscribe();
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            assert!(at >= self.deaths, "it dies, as the test wants it to");
            let bytes = job.bytes.to_vec();
            let chosen = CHOSEN.to_owned();
            Ok(Rendered { bytes, media_type: "image/png", width: 1, height: 1, frames: 1, chosen })
        })
    }
    fn load(&self) -> Load {
        Load::default()
    }
}

struct Nobody;

impl Notice for Nobody {
    fn notice(&self, _: Event) {}
}

/// A clock whose wall can be moved without the rest.
#[derive(Default)]
struct Jumping {
    steady: ManualClock,
    wall_s: AtomicI64,
}

impl Clock for Jumping {
    fn now(&self) -> Stamp {
        self.steady.now()
    }
    fn wall(&self) -> SystemTime {
        let by = self.wall_s.load(SeqCst);
        let moved = Duration::from_secs(by.unsigned_abs());
        if by < 0 { self.steady.wall() - moved } else { self.steady.wall() + moved }
    }
}

struct World {
    edge: Arc<Edge>,
    originals: Arc<Memory>,
    renderer: Arc<Echo>,
    clock: Arc<Jumping>,
}

impl World {
    /// One original, `a.png`, and a shut gate.
    async fn new(deaths: usize) -> Self {
        Self::of(deaths, Config::default(), Arc::new(Memory::new())).await
    }

    async fn of(deaths: usize, config: Config, derivatives: Arc<Memory>) -> Self {
        let originals = Arc::new(Memory::new());
        originals.put("a.png", Meta::default(), Bytes::from_static(b"\x89PNG\r\n\x1a\n")).await.unwrap();
        let clock = Arc::new(Jumping::default());
        let renderer = Arc::new(Echo { gate: watch::Sender::new(false), renders: AtomicUsize::new(0), deaths });
        let parts = Parts {
            originals: originals.clone(),
            derivatives,
            ask: Arc::new(Asker::new(originals.clone(), clock.clone())),
            cache: Cache::new(afterimage_cache::Config::default()),
            upstream: None,
            renderer: renderer.clone(),
            notice: Arc::new(Nobody),
            clock: clock.clone(),
        };
        Self { edge: Edge::new(config, parts), originals, renderer, clock }
    }

    async fn ask(&self) -> http::Response<Bytes> {
        let (parts, ()) = http::Request::get("/a.png?w=100").body(()).unwrap().into_parts();
        self.edge.handle(Door::Public, &parts).await
    }
}

#[tokio::test]
async fn a_leader_that_dies_hands_over_to_one_of_those_who_wait() {
    let world = Arc::new(World::new(1).await);
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.ask().await.status().as_u16() })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.renderer.renders.load(SeqCst), 1, "fifty wait for one");
    world.renderer.gate.send_replace(true);
    let mut statuses = Vec::new();
    for asked in asking {
        statuses.push(asked.await.unwrap());
    }
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(500), count(200)), (1, 49), "it fails alone: {statuses:?}");
    assert_eq!(world.renderer.renders.load(SeqCst), 2, "one of them leads for the others");
}

/// A header says what a render chose, where the operator wants that; from the store and from memory too, since it is kept.
#[tokio::test]
async fn what_was_chosen_is_said_and_outlives_the_process() {
    let said = |answer: http::Response<Bytes>| {
        let status = answer.headers()["cache-status"].to_str().unwrap().to_owned();
        (answer.headers().get("afterimage-chosen").map(|value| value.to_str().unwrap().to_owned()), status)
    };
    let derivatives = Arc::new(Memory::new());
    let shown = || Config { show_chosen: true, ..Config::default() };
    let first = World::of(0, shown(), derivatives.clone()).await;
    first.renderer.gate.send_replace(true);
    let (chosen, status) = said(first.ask().await);
    assert_eq!(chosen.as_deref(), Some(CHOSEN), "{status}");
    assert!(status.contains("rendered"), "{status}");
    while derivatives.list("", None, 1).await.unwrap().entries.is_empty() {
        tokio::task::yield_now().await;
    }
    let second = World::of(0, shown(), derivatives.clone()).await;
    for from in ["stored-derivative", "memory"] {
        let (chosen, status) = said(second.ask().await);
        assert_eq!(chosen.as_deref(), Some(CHOSEN), "{status}");
        assert!(status.contains(from), "{status}");
    }
    assert_eq!(second.renderer.renders.load(SeqCst), 0);
    let silent = World::of(0, Config::default(), derivatives).await;
    assert_eq!(said(silent.ask().await).0, None);
}

/// Wherever the wall clock is moved to, a proof lives as long as the window, to the nanosecond.
#[tokio::test]
async fn the_wall_clock_neither_prolongs_nor_shortens_what_is_proven() {
    for wall_s in [-1_000_000_000, -3600, -1, 1, 3600, 1_000_000_000] {
        let world = World::new(0).await;
        world.renderer.gate.send_replace(true);
        assert_eq!(world.ask().await.status(), 200);
        assert!(world.originals.delete(&["a.png".into()]).await.iter().all(Result::is_ok));
        world.clock.wall_s.store(wall_s, SeqCst);
        // Half of it at a time would be renewed in between; nobody asks in between.
        world.clock.steady.advance(world.edge.cache().window());
        let answer = world.ask().await;
        let from = answer.headers()["cache-status"].to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), from.contains("hit")), (200, true), "{wall_s}: {from}");
        world.clock.steady.advance(Duration::from_nanos(1));
        assert_eq!(world.ask().await.status(), 404, "{wall_s}");
    }
}
