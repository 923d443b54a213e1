//! An edge of pictures alone: what becomes of those who wait when the one they wait for dies, and which clock counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use afterimage_cache::Cache;
use afterimage_edge::{Config, Door, Edge, Failure, Job, Load, Parts, Renderer};
use afterimage_identity::{BoxFuture, Clock, Event, ManualClock, Notice, Stamp};
use afterimage_imaging::{GainMap, Rendered};
use afterimage_store::{Asker, Error, Memory, Meta, Object, Page, Read, Stat, Write};
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
            let gain_map = bytes.ends_with(b"map").then_some(GainMap::UltraHdr);
            let chosen = CHOSEN.to_owned();
            Ok(Rendered { bytes, media_type: "image/png", width: 1, height: 1, frames: 1, chosen, gain_map })
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

/// A store on the other side of a network.
struct Far {
    store: Arc<Memory>,
    away: Duration,
}

impl Far {
    async fn travel(&self) {
        // Even no time at all takes a turn of the timer.
        if !self.away.is_zero() {
            tokio::time::sleep(self.away).await;
        }
    }
}

impl Read for Far {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            self.travel().await;
            self.store.stat(key).await
        })
    }
    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            self.travel().await;
            self.store.get(key, bytes_max).await
        })
    }
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move { self.store.list(prefix, after, limit).await })
    }
}

impl Write for Far {
    fn put<'a>(&'a self, key: &'a str, meta: Meta, body: Bytes) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            self.travel().await;
            self.store.put(key, meta, body).await
        })
    }
    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        Box::pin(async move { self.store.delete(keys).await })
    }
}

struct World {
    edge: Arc<Edge>,
    originals: Arc<Memory>,
    derivatives: Arc<Memory>,
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
        Self::between(config, originals, derivatives, deaths, (Duration::ZERO, Duration::ZERO))
    }

    /// An edge over these stores, which are so far away.
    fn over(originals: Arc<Memory>, derivatives: Arc<Memory>, deaths: usize, away: (Duration, Duration)) -> Self {
        Self::between(Config::default(), originals, derivatives, deaths, away)
    }

    fn between(
        config: Config,
        originals: Arc<Memory>,
        derivatives: Arc<Memory>,
        deaths: usize,
        away: (Duration, Duration),
    ) -> Self {
        let far = |store: &Arc<Memory>, away| Arc::new(Far { store: store.clone(), away });
        let clock = Arc::new(Jumping::default());
        let renderer = Arc::new(Echo { gate: watch::Sender::new(false), renders: AtomicUsize::new(0), deaths });
        let parts = Parts {
            originals: far(&originals, away.0),
            derivatives: far(&derivatives, away.1),
            ask: Arc::new(Asker::new(originals.clone(), clock.clone())),
            cache: Cache::new(afterimage_cache::Config::default()),
            upstream: None,
            renderer: renderer.clone(),
            notice: Arc::new(Nobody),
            clock: clock.clone(),
        };
        Self { edge: Edge::new(config, parts), originals, derivatives, renderer, clock }
    }

    async fn ask(&self) -> http::Response<Bytes> {
        self.ask_for(100).await
    }

    async fn ask_for(&self, width: u32) -> http::Response<Bytes> {
        self.ask_at(&format!("/a.png?w={width}")).await
    }

    async fn ask_at(&self, target: &str) -> http::Response<Bytes> {
        let (parts, ()) = http::Request::get(target).body(()).unwrap().into_parts();
        self.edge.handle(Door::Public, &parts).await
    }

    /// How long the answer took, what it was, and how it came to be.
    async fn timed(&self, width: u32) -> (Duration, u16, Bytes, String) {
        let begun = tokio::time::Instant::now();
        let answer = self.ask_for(width).await;
        let how = answer.headers()["cache-status"].to_str().unwrap().to_owned();
        (begun.elapsed(), answer.status().as_u16(), answer.into_body(), how)
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

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const MS: fn(u64) -> Duration = Duration::from_millis;

/// Two edges over one pair of stores, both open; everything of `a.png` in three sizes is stored by the first.
async fn two_edges() -> (World, World) {
    let (originals, derivatives) = (Arc::new(Memory::new()), Arc::new(Memory::new()));
    originals.put("a.png", Meta::default(), Bytes::from_static(PNG)).await.unwrap();
    let near = World::over(originals.clone(), derivatives.clone(), 0, (Duration::ZERO, Duration::ZERO));
    let far = World::over(originals, derivatives, 0, (MS(30), MS(40)));
    for world in [&near, &far] {
        world.renderer.gate.send_replace(true);
    }
    for width in [100, 200, 300] {
        assert_eq!(near.ask_for(width).await.status(), 200);
    }
    near.edge.settled().await;
    assert_eq!(near.renderer.renders.load(SeqCst), 3);
    (near, far)
}

#[tokio::test(start_paused = true)]
async fn the_source_is_asked_and_the_store_is_read_at_the_same_time() {
    let (_, far) = two_edges().await;
    // 30 ms to the source, 40 ms to the store: one after the other only while no version is known.
    for (width, took) in [(100, 70), (200, 40), (300, 40)] {
        let (time, status, body, how) = far.timed(width).await;
        assert_eq!((time, status, &*body), (MS(took), 200, PNG), "{width}: {how}");
        assert!(how.contains("stored-derivative"), "{how}");
    }
    assert_eq!(far.renderer.renders.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_under_a_guessed_version_counts_only_if_the_source_names_it() {
    let (_, far) = two_edges().await;
    assert_eq!(far.ask_for(100).await.status(), 200);
    let changed = [PNG, b"changed"].concat();
    far.originals.put("a.png", Meta::default(), changed.clone().into()).await.unwrap();
    let (_, status, body, how) = far.timed(200).await;
    assert_eq!((status, &*body), (200, &*changed), "{how}");
    assert_eq!(far.renderer.renders.load(SeqCst), 1, "{how}");

    // Gone: the answer does not wait for the store.
    assert!(far.originals.delete(&["a.png".into()]).await.iter().all(Result::is_ok));
    let (time, status, _, how) = far.timed(300).await;
    assert_eq!((time, status), (MS(30), 404), "{how}");
}

#[tokio::test(start_paused = true)]
async fn settled_means_stored_and_verified() {
    let (near, far) = two_edges().await;
    let begun = tokio::time::Instant::now();
    assert_eq!(far.ask_for(400).await.status(), 200);
    let answered = begun.elapsed();
    far.edge.settled().await;
    // Behind the answer: written (40 ms), and the source asked again (30 ms).
    assert_eq!(begun.elapsed() - answered, MS(70));
    assert!(near.timed(400).await.3.contains("stored-derivative"));
    let nothing = tokio::time::Instant::now();
    far.edge.settled().await;
    assert_eq!(nothing.elapsed(), Duration::ZERO);
}

/// However an answer comes to be, it says what its original has and it has not.
#[tokio::test]
async fn a_dropped_gain_map_is_named_by_every_answer() {
    let world = World::new(0).await;
    let afresh = World::over(world.originals.clone(), world.derivatives.clone(), 0, (Duration::ZERO, Duration::ZERO));
    world.renderer.gate.send_replace(true);
    world.originals.put("map.png", Meta::default(), Bytes::from_static(b"\x89PNG\r\n\x1a\nmap")).await.unwrap();
    for (edge, detail) in
        [(&world, "rendered"), (&world, "memory"), (&afresh, "stored-derivative"), (&afresh, "memory")]
    {
        let answer = edge.ask_at("/map.png?w=100").await;
        let header = |name: &str| answer.headers().get(name).and_then(|text| text.to_str().ok()).unwrap_or_default();
        assert!(header("cache-status").contains(detail), "{detail}: {}", header("cache-status"));
        assert_eq!(header("afterimage-dropped"), "gain-map;form=ultra-hdr", "{detail}");
        assert!(!edge.ask().await.headers().contains_key("afterimage-dropped"), "nothing of this one was dropped");
    }
    assert_eq!(world.renderer.renders.load(SeqCst), 2);
}
