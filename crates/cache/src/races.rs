//! Every race between a fill, a purge, a hit and a question, tried under many schedules.
//!
//! The promise checked throughout: once `raise` has returned, nothing fetched before it was called is admitted.

use std::sync::Arc;

use afterimage_identity::{Fence, Original, OriginalKey, Selector, SourceId, Stamp, Version};
use shuttle::future::block_on;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use shuttle::thread;

use crate::sync::lock;
use crate::{Admission, Begun, Cache, Config, Entry, Facts, Found, Weigh};

const OLD: u8 = 1;
const NEW: u8 = 2;
const PATH: &str = "/a/-/w1.png";
const NOW: Stamp = Stamp(1);

/// The content that was read from the source.
#[derive(Clone, Copy, Debug)]
struct Content(u8);

impl Weigh for Content {
    fn bytes(&self) -> usize {
        1
    }
}

pub(crate) fn original() -> Original {
    Original::new(SourceId::default(), OriginalKey::new("a").unwrap())
}

/// One original, overwritten once and fenced then.
struct World {
    cache: Cache<Content>,
    source: AtomicU8,
    raised: AtomicBool,
    stored: Mutex<Vec<u8>>,
}

impl World {
    fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            cache: Cache::new(Config { shards: 1, ..config }),
            source: AtomicU8::new(OLD),
            raised: AtomicBool::new(false),
            stored: Mutex::new(Vec::new()),
        })
    }

    fn facts(content: u8, path: &str) -> Facts {
        Facts {
            path: path.to_owned(),
            original: Some(original()),
            version: Some(Version::new(&content.to_string()).unwrap()),
            proved_at: Some(NOW),
            tags: original().tags(),
            fresh_until: None,
        }
    }

    fn purge(&self, selector: &Selector) {
        self.source.store(NEW, Ordering::SeqCst);
        self.cache.raise(selector);
        self.raised.store(true, Ordering::SeqCst);
    }

    /// The decision before the first byte.
    fn serve(&self, entry: &Entry<Content>) {
        let raised = self.raised.load(Ordering::SeqCst);
        if self.cache.admit(entry) == Admission::Admit {
            assert!(!raised || entry.payload.0 == NEW, "the old picture was admitted after the purge returned");
        }
    }

    fn fill(&self, path: &str) {
        match self.cache.begin(path, None, &[], NOW) {
            Begun::Lead(fill) => {
                let content = self.source.load(Ordering::SeqCst);
                if let Ok(entry) = fill.publish(Self::facts(content, path), Content(content), true, NOW) {
                    self.serve(&entry);
                }
            }
            Begun::Join(waiter) => {
                if let Ok(entry) = block_on(waiter.wait()) {
                    self.serve(&entry);
                }
            }
        }
    }

    fn request(&self) {
        let arrived_after = self.raised.load(Ordering::SeqCst);
        match self.cache.look(PATH, NOW) {
            Found::Hit { entry, .. } | Found::Prove { entry, .. } => {
                assert!(!arrived_after || entry.payload.0 == NEW, "a look after the purge found the old picture");
                self.serve(&entry);
            }
            Found::Miss { .. } => match self.cache.begin(PATH, None, &[], NOW) {
                Begun::Join(waiter) => {
                    if let Ok(entry) = block_on(waiter.wait()) {
                        assert!(!arrived_after || entry.payload.0 == NEW, "joined a fill from before the purge");
                        self.serve(&entry);
                    }
                }
                Begun::Lead(fill) => drop(fill),
            },
        }
    }

    /// Table, index and budget agree, and nothing old is left in memory.
    fn check_at_rest(&self) {
        let index = lock(&self.cache.inner.index);
        let entries: Vec<_> = (0..index.slots()).filter_map(|slot| index.at(slot).cloned()).collect();
        assert_eq!(entries.len(), index.len());
        assert_eq!(entries.iter().map(|entry| entry.bytes).sum::<u64>(), index.bytes);
        for entry in &entries {
            let found = self.cache.inner.table.get(&entry.facts.path);
            assert!(found.is_some_and(|found| Arc::ptr_eq(&found, entry)), "index and table disagree");
            assert!(!self.raised.load(Ordering::SeqCst) || entry.payload.0 == NEW, "fenced bytes stayed in memory");
        }
        drop(index);
        let usage = self.cache.usage();
        assert_eq!((usage.fills, usage.questions), (0, 0));
        assert!(usage.bytes <= usage.bytes_max);
        assert!(usage.groups <= usage.entries);
    }
}

pub(crate) fn selectors() -> [Selector; 5] {
    [
        Selector::Original(original()),
        Selector::Tag(original().tag()),
        Selector::Path(PATH.into()),
        Selector::Prefix("/a/-/".into()),
        Selector::All,
    ]
}

/// How many schedules each test tries.
fn schedules() -> usize {
    if std::env::var_os("AFTERIMAGE_LONG").is_some() { 200_000 } else { 1_500 }
}

pub(crate) fn explore(story: impl Fn() + Send + Sync + 'static) {
    let story = Arc::new(story);
    let again = story.clone();
    shuttle::check_random(move || story(), schedules());
    // Random schedules rarely hold one thread back for long; these do.
    shuttle::check_pct(move || again(), schedules(), 3);
}

pub(crate) fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_fill_never_outlives_a_purge() {
    for selector in selectors() {
        explore(move || {
            let world = World::new(Config::default());
            let (filler, reader, purger) = (world.clone(), world.clone(), world.clone());
            let selector = selector.clone();
            join(vec![
                thread::spawn(move || filler.fill(PATH)),
                thread::spawn(move || (0..2).for_each(|_| reader.request())),
                thread::spawn(move || purger.purge(&selector)),
            ]);
            world.request();
            world.check_at_rest();
        });
    }
}

#[test]
fn a_request_after_a_purge_never_joins_an_older_fill() {
    explore(|| {
        let world = World::new(Config::default());
        let filler = world.clone();
        let filling = thread::spawn(move || filler.fill(PATH));
        world.purge(&Selector::Path(PATH.into()));
        world.request();
        join(vec![filling]);
        world.check_at_rest();
    });
}

#[test]
fn evicting_replacing_and_purging_leave_index_and_table_in_step() {
    explore(|| {
        // Room for two entries.
        let world = World::new(Config { bytes_max: 1500, item_bytes_max: 1500, ..Config::default() });
        let (one, two, purger) = (world.clone(), world.clone(), world.clone());
        join(vec![
            thread::spawn(move || ["/a/-/w1.png", "/a/-/w2.png"].iter().for_each(|path| one.fill(path))),
            thread::spawn(move || ["/a/-/w1.png", "/a/-/w3.png"].iter().for_each(|path| two.fill(path))),
            thread::spawn(move || purger.purge(&Selector::Prefix("/a/".into()))),
        ]);
        world.check_at_rest();
    });
}

#[test]
fn a_drained_purge_leaves_no_late_writer() {
    explore(|| {
        let world = World::new(Config::default());
        let writer = world.clone();
        let writing = thread::spawn(move || {
            let Begun::Lead(fill) = writer.cache.begin(PATH, Some(&original()), &[], NOW) else { return };
            let content = writer.source.load(Ordering::SeqCst);
            // Published, or fenced and therefore not stored; either way it may still be writing.
            if !fill.is_fenced(&World::facts(content, PATH)) {
                lock(&writer.stored).push(content);
            }
            drop(fill);
        });
        world.source.store(NEW, Ordering::SeqCst);
        let selector = Selector::Original(original());
        let raised = world.cache.raise(&selector);
        block_on(world.cache.drained(raised.sequence, &selector));
        lock(&world.stored).retain(|content| *content != OLD);
        join(vec![writing]);
        assert!(!lock(&world.stored).contains(&OLD), "an old derivative was stored after the second sweep");
        world.check_at_rest();
    });
}

#[test]
fn an_answer_from_before_a_purge_or_another_version_proves_nothing_old() {
    explore(|| {
        let world = World::new(Config::default());
        world.fill(PATH);
        let (asker, finder) = (world.clone(), world.clone());
        let version = |content: u8| Version::new(&content.to_string()).unwrap();
        join(vec![
            thread::spawn(move || {
                let sequence = asker.cache.sequence();
                let content = asker.source.load(Ordering::SeqCst);
                asker.cache.prove(&original(), &version(content), Stamp(2), sequence);
            }),
            thread::spawn(move || {
                finder.source.store(NEW, Ordering::SeqCst);
                finder.cache.disprove(&original());
                finder.raised.store(true, Ordering::SeqCst);
            }),
        ]);
        world.request();
        world.check_at_rest();
    });
}

#[test]
fn one_of_many_hits_renews() {
    explore(|| {
        let window = std::time::Duration::from_nanos(100);
        let world = World::new(Config { window, ..Config::default() });
        world.fill(PATH);
        let renewals = Arc::new(AtomicU8::new(0));
        let hits = (0..3).map(|_| {
            let (world, renewals) = (world.clone(), renewals.clone());
            thread::spawn(move || {
                if let Found::Hit { renew: true, .. } = world.cache.look(PATH, Stamp(52)) {
                    renewals.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        join(hits.collect());
        assert_eq!(renewals.load(Ordering::SeqCst), 1);
    });
}
