//! Who waits for whom when a picture is made, and what becomes of those who wait when the one they wait for dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use afterimage_cache::Cache;
use afterimage_edge::{Config, Door, Edge, Failure, Job, Load, Parts, Renderer};
use afterimage_identity::{BoxFuture, Event, ManualClock, Notice};
use afterimage_imaging::Rendered;
use afterimage_store::{Asker, Memory, Meta, Write};
use bytes::Bytes;
use tokio::sync::watch;

/// Renders once the gate is open; the first time it dies instead.
struct DiesOnce {
    gate: watch::Sender<bool>,
    renders: AtomicUsize,
}

impl Renderer for DiesOnce {
    fn render(&self, job: Job) -> BoxFuture<'_, Result<Rendered, Failure>> {
        let at = self.renders.fetch_add(1, SeqCst);
        let mut gate = self.gate.subscribe();
        Box::pin(async move {
            let _ = gate.wait_for(|open| *open).await;
            assert!(at > 0, "the first one dies, as a test wants it to");
            let bytes = job.bytes.to_vec();
            Ok(Rendered { bytes, media_type: "image/png", width: 1, height: 1, frames: 1 })
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

#[tokio::test]
async fn a_leader_that_dies_hands_over_to_one_of_those_who_wait() {
    let originals = Arc::new(Memory::new());
    originals.put("a.png", Meta::default(), Bytes::from_static(b"\x89PNG\r\n\x1a\n")).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let renderer = Arc::new(DiesOnce { gate: watch::Sender::new(false), renders: AtomicUsize::new(0) });
    let parts = Parts {
        originals: originals.clone(),
        derivatives: Arc::new(Memory::new()),
        ask: Arc::new(Asker::new(originals, clock.clone())),
        cache: Cache::new(afterimage_cache::Config::default()),
        upstream: None,
        renderer: renderer.clone(),
        notice: Arc::new(Nobody),
        clock,
    };
    let edge = Edge::new(Config::default(), parts);
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move {
                let (parts, ()) = http::Request::get("/a.png?w=100").body(()).unwrap().into_parts();
                edge.handle(Door::Public, &parts).await.status().as_u16()
            })
        })
        .collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(renderer.renders.load(SeqCst), 1, "fifty wait for one");
    renderer.gate.send_replace(true);
    let mut statuses = Vec::new();
    for asked in asking {
        statuses.push(asked.await.unwrap());
    }
    let count = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(500), count(200)), (1, 49), "it fails alone: {statuses:?}");
    assert_eq!(renderer.renders.load(SeqCst), 2, "one of them leads for the others");
}
