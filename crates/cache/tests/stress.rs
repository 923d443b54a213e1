//! Many threads that ask for everything while originals change: after `raise` returns, nothing older is admitted.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use afterimage_cache::{Admission, Begun, Cache, Config, Entry, Facts, Found, ProofBegun};
use afterimage_identity::{Answer, Fence, Original, Proof, Selector, Stamp, Version};
use support::{Body, original};

const ORIGINALS: usize = 4;
const SIZES: usize = 6;

struct Picture {
    original: Original,
    /// What the source has.
    version: AtomicU32,
    /// The oldest version that may still be served: what the last finished purge left.
    floor: AtomicU32,
}

struct World {
    cache: Cache<Body>,
    pictures: Vec<Picture>,
    clock: AtomicU64,
    over: AtomicBool,
    served: AtomicU64,
}

impl World {
    fn now(&self) -> Stamp {
        Stamp(self.clock.fetch_add(1, Ordering::SeqCst))
    }

    fn selector(&self, picture: usize, round: u32) -> Selector {
        let original = &self.pictures[picture].original;
        match round % 6 {
            0 => Selector::Tag(original.tag()),
            1 => Selector::Prefix(format!("/{}/-/", original.key)),
            2 => Selector::All,
            3 => Selector::Tag(original.tags()[1].clone()),
            _ => Selector::Original(original.clone()),
        }
    }

    fn serve(&self, picture: usize, entry: &Entry<Body>) -> bool {
        let floor = self.pictures[picture].floor.load(Ordering::SeqCst);
        let admitted = self.cache.admit(entry) == Admission::Admit;
        if admitted {
            assert!(entry.payload.0 >= floor, "served version {} after version {floor} was purged", entry.payload.0);
            self.served.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    async fn request(&self, picture: usize, size: usize) {
        let Picture { original, version, .. } = &self.pictures[picture];
        let path = format!("/{}/-/w{size}", original.key);
        for _ in 0..20 {
            let now = self.now();
            match self.cache.look(&path, now) {
                Found::Hit { entry, renew } => {
                    if renew {
                        self.prove(picture).await;
                    }
                    if self.serve(picture, &entry) {
                        return;
                    }
                }
                Found::Prove { .. } => self.prove(picture).await,
                Found::Miss { .. } => match self.cache.begin(&path, None, &[], now) {
                    Begun::Join(waiter) => {
                        if let Ok(entry) = waiter.wait().await
                            && self.serve(picture, &entry)
                        {
                            return;
                        }
                    }
                    Begun::Lead(fill) => {
                        let asked_at = self.now();
                        let read = version.load(Ordering::SeqCst);
                        // A slow render: anything may happen meanwhile.
                        for _ in 0..read % 4 {
                            tokio::task::yield_now().await;
                        }
                        let facts = Facts {
                            path: path.clone(),
                            original: Some(original.clone()),
                            version: Version::new(&read.to_string()).ok(),
                            proved_at: Some(asked_at),
                            tags: original.tags(),
                            fresh_until: None,
                        };
                        if let Ok(entry) = fill.publish(facts, Body(read), read % 7 != 0, self.now())
                            && self.serve(picture, &entry)
                        {
                            return;
                        }
                    }
                },
            }
        }
    }

    async fn prove(&self, picture: usize) {
        let Picture { original, version, .. } = &self.pictures[picture];
        match self.cache.begin_proof(original) {
            ProofBegun::Join(waiter) => drop(waiter.wait().await),
            ProofBegun::Lead(fill) => {
                let asked_at = self.now();
                let read = Version::new(&version.load(Ordering::SeqCst).to_string()).unwrap();
                tokio::task::yield_now().await;
                fill.finish(&Proof { asked_at, answer: Answer::Present(read) });
            }
        }
    }

    async fn owner(&self, picture: usize, rounds: u32) {
        for round in 0..rounds {
            let Picture { version, floor, .. } = &self.pictures[picture];
            let new = version.fetch_add(1, Ordering::SeqCst) + 1;
            let selector = self.selector(picture, round);
            let raised = self.cache.raise(&selector);
            floor.store(new, Ordering::SeqCst);
            if round % 10 == 0 {
                self.cache.drained(raised.sequence, &selector).await;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn nothing_purged_is_served_by_many_threads() {
    let rounds = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 100_000 } else { 2_000 };
    let pictures = (0..ORIGINALS).map(|at| Picture {
        original: original(&format!("p/{at}")),
        version: AtomicU32::new(1),
        floor: AtomicU32::new(1),
    });
    // Room for half of everything, a short log and a short window: eviction, forgetting and questions all happen.
    let cache = Cache::new(Config {
        bytes_max: 9000,
        item_bytes_max: 9000,
        fence_log_max: 3,
        window: Duration::from_nanos(200),
        ..Config::default()
    });
    let world = Arc::new(World {
        cache,
        pictures: pictures.collect(),
        clock: AtomicU64::new(0),
        over: AtomicBool::new(false),
        served: AtomicU64::new(0),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let viewers: Vec<_> = (0..32)
            .map(|viewer| {
                let world = world.clone();
                tokio::spawn(async move {
                    let mut at = viewer;
                    while !world.over.load(Ordering::SeqCst) {
                        world.request(at % ORIGINALS, at / ORIGINALS % SIZES).await;
                        at += 7;
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let owners: Vec<_> = (0..ORIGINALS)
            .map(|picture| {
                let world = world.clone();
                tokio::spawn(async move { world.owner(picture, rounds).await })
            })
            .collect();
        for owner in owners {
            owner.await.unwrap();
        }
        world.over.store(true, Ordering::SeqCst);
        for viewer in viewers {
            viewer.await.unwrap();
        }
    });
    assert!(world.served.load(Ordering::Relaxed) > u64::from(rounds) / 10, "hardly anything was served");
    world.cache.raise(&Selector::All);
    while world.cache.sweep(100) {}
    let usage = world.cache.usage();
    assert_eq!((usage.entries, usage.bytes, usage.groups, usage.fills, usage.questions), (0, 0, 0, 0, 0));
}
