//! The promise under load: originals are deleted, overwritten and made again while many clients ask for every size of
//! them, with a slowed encoder and slow copies under way. After each `fenced_at` no old byte may be answered, after each
//! `clean_at` no old derivative may be stored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use afterimage_edge::{Door, Edge, Failure, Job, Load, Pool, PoolConfig, Renderer};
use afterimage_identity::{BoxFuture, Clock, OriginalKey, Stamp};
use afterimage_purge::{Order, OrderOf};
use afterimage_setup::{DiskTier, Wiring, watch, wire_with};
use afterimage_testkit::{colour_of, one_colour};

/// The real clocks, as the binary has them.
struct Machine;

impl Clock for Machine {
    fn now(&self) -> Stamp {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Stamp(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
    }
    fn wall(&self) -> std::time::SystemTime {
        std::time::SystemTime::now()
    }
}

/// An encoder that takes its time after it has read the original: the window in which races live.
struct Slow(Pool, AtomicU64);

impl Renderer for Slow {
    fn render(&self, job: Job) -> BoxFuture<'_, Result<afterimage_imaging::Rendered, Failure>> {
        Box::pin(async move {
            let made = self.0.render(job).await;
            let turn = self.1.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(turn * 7 % 30)).await;
            made
        })
    }
    fn load(&self) -> Load {
        self.0.load()
    }
}

/// Each round has a colour of its own.
fn colour(round: u64) -> [u8; 3] {
    [(round & 0xff) as u8, (round >> 8 & 0xff) as u8, 0x40 | (round % 7) as u8]
}

fn wiring(home: &Path) -> Wiring {
    Wiring {
        outer: Vec::new(),
        events: None,
        upstream: None,
        source: afterimage_setup::Source::Directory(home.join("originals")),
        mounts: Vec::new(),
        origins: Default::default(),
        http_originals: Default::default(),
        buckets: Default::default(),
        derivatives_bucket: None,
        derivatives_directory: home.join("derivatives"),
        state_directory: home.join("state"),
        edge: afterimage_edge::Config::default(),
        pool: PoolConfig {
            threads: 2,
            queue_max: 4096,
            memory_bytes_max: 1 << 30,
            render_time_max: Duration::from_secs(30),
        },
        isolation: None,
        cache: afterimage_cache::Config::default(),
        disk: None,
        // Everything is settled at once: nothing is spared the races by not being stored.
        originals: afterimage_store::OriginalsConfig { settle_ms: 20, ..Default::default() },
        derivatives: afterimage_store::DerivativesConfig { free_bytes_min: 0, ..Default::default() },
        purge: afterimage_purge::Config::default(),
        watch: afterimage_events::Config::default(),
    }
}

const SIZES: [&str; 5] =
    ["w=16", "w=16&fm=png", "d=16x16&fm=png", "w=16&h=16&fit=crop&fm=png", "w=16&h=16&fit=max&fm=png"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_fence_no_old_byte_and_after_each_clean_no_old_derivative() {
    race(|_| {}).await;
}

/// Memory for one picture or two: the others come back from disk, whatever was written there while they were fenced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_with_a_cache_on_disk() {
    let edge = race(|wiring| {
        let directory = wiring.state_directory.with_file_name("tier");
        wiring.disk = Some(DiskTier { directory, bytes_max: 1 << 30 });
        wiring.cache = afterimage_cache::Config { bytes_max: 3000, item_bytes_max: 3000, ..Default::default() };
    })
    .await;
    let usage = edge.cache().usage().disk.expect("a tier");
    println!("{usage:?}");
    assert!(usage.hits > 0 && usage.writes > 0 && usage.erased > 0, "{usage:?}");
}

async fn race(change: impl FnOnce(&mut Wiring)) -> Arc<Edge> {
    let rounds: u64 = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 1_000 } else { 40 };
    let clients = if rounds == 1_000 { 200 } else { 60 };
    let home = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(home.path().join("originals")).expect("a new folder");
    let original = home.path().join("originals/a.png");
    std::fs::write(&original, one_colour(24, colour(0))).expect("the first picture");
    let mut wiring = wiring(home.path());
    change(&mut wiring);
    let clock: Arc<dyn Clock> = Arc::new(Machine);
    let pool = Pool::start(wiring.pool, clock.clone()).expect("threads");
    let wired = wire_with(&wiring, clock, "a test", Arc::new(Slow(pool, AtomicU64::new(0)))).expect("the parts");
    let _watch = watch(&wiring, &wired.purger).expect("a watch");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(wired.purger.clone().run(async move {
        let _ = stopped.await;
    }));

    // The oldest round whose bytes may still be answered; raised once its fence is acknowledged.
    let oldest = Arc::new(AtomicU64::new(0));
    // Odd while the file on disk is, or was since the last fence, only half written: then it may be no picture at all.
    let half = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let answers = Arc::new(AtomicU64::new(0));
    let asking: Vec<_> = (0..clients)
        .map(|client| {
            let (edge, oldest, done, answers) = (wired.edge.clone(), oldest.clone(), done.clone(), answers.clone());
            let half = half.clone();
            tokio::spawn(async move {
                let mut turn = client;
                while !done.load(Ordering::Relaxed) {
                    turn += 1;
                    let target = format!("/a.png?{}", SIZES[turn % SIZES.len()]);
                    let (parts, ()) = http::Request::get(&target).body(()).expect("a request").into_parts();
                    let (before, half_before) = (oldest.load(Ordering::SeqCst), half.load(Ordering::SeqCst));
                    let answer = edge.handle(Door::Public, &parts).await;
                    match answer.status().as_u16() {
                        200 => {
                            let seen = colour_of(answer.body()).expect("a whole PNG");
                            let round = u64::from(seen[0]) | u64::from(seen[1]) << 8;
                            assert!(round >= before, "round {round} was answered after the fence of round {before}");
                            answers.fetch_add(1, Ordering::Relaxed);
                        }
                        404 | 503 => {}
                        415 | 422 if half_before % 2 == 1 || half.load(Ordering::SeqCst) != half_before => {}
                        other => panic!("{other}: {}", String::from_utf8_lossy(answer.body())),
                    }
                    // A hit never waits: without this the clients would keep the threads for themselves.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
        })
        .collect();

    let key = OriginalKey::new("a.png").expect("a key");
    for round in 1..=rounds {
        let bytes = one_colour(24, colour(round));
        match round % 3 {
            0 => {
                std::fs::remove_file(&original).expect("it was there");
                tokio::time::sleep(Duration::from_millis(round % 11)).await;
                std::fs::write(&original, bytes).expect("written");
            }
            1 => {
                let temporary = home.path().join("originals/.new");
                std::fs::write(&temporary, bytes).expect("written");
                std::fs::rename(&temporary, &original).expect("renamed");
            }
            // A slow copy over the old file.
            _ => {
                use std::io::Write as _;
                half.fetch_add(1, Ordering::SeqCst);
                let mut file = std::fs::File::create(&original).expect("opened");
                for part in bytes.chunks(24) {
                    file.write_all(part).expect("written");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        let ids =
            wired.purger.purge(Order { selector: OrderOf::Key(key.clone()), wait: false }).await.expect("a journal");
        // The fence is raised: from here on nothing older may begin to be answered.
        oldest.store(round, Ordering::SeqCst);
        if round % 3 == 2 {
            half.fetch_add(1, Ordering::SeqCst);
        }
        let receipt = wired.purger.wait(ids[0]).await.expect("its receipt");
        assert!(receipt.fenced_at_ms.is_some() && receipt.clean_at_ms.is_some(), "{receipt:?}");
        let current = afterimage_identity::Version::of_content(&std::fs::read(&original).expect("there"));
        for name in stored(&home.path().join("derivatives")) {
            assert!(name.contains(current.as_str()), "{name} is stored after clean_at of round {round}");
        }
        tokio::time::sleep(Duration::from_millis(25 + round % 20)).await;
    }
    // A last quiet moment: rounds are so short that few pictures are asked for twice after they were kept.
    tokio::time::sleep(Duration::from_millis(400)).await;
    done.store(true, Ordering::Relaxed);
    for client in asking {
        client.await.expect("no client saw an old byte");
    }
    let _ = stop.send(());
    running.await.expect("the write story ended");
    println!("{rounds} rounds, {} pictures answered", answers.load(Ordering::Relaxed));
    assert!(answers.load(Ordering::Relaxed) > rounds, "the clients hardly saw a picture");
    wired.edge.cache().close();
    wired.edge.clone()
}

fn stored(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(stored(&path));
        } else if path.display().to_string().contains("/-/") {
            found.push(path.display().to_string());
        }
    }
    found
}
