//! A small world for the write story: originals and derivatives in memory, an edge that caches and fences, outer caches,
//! and a script of failures. Everything that happens is written down in order.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterimage_identity::{
    Answer, Ask, BoxFuture, Clock, Event, Fence, Forecast, FoundBy, Happened, Invalidate, InvalidateError,
    Invalidation, ManualClock, Notice, Original, OriginalKey, Proof, Raised, Receipt, Revision, Selector, Sequence,
    SourceId, Subject, Unprovable, Version,
};
use afterimage_purge::{Config, Filter, MassLoss, Parts, Purger};
use afterimage_store::{Asker, Error, Memory, Meta, Object, Page, Read, Stat, Write};
use afterimage_variant::{Variant, Wanted, copy_key, derivative_key};
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub fn original(key: &str) -> Original {
    Original::new(SourceId::default(), OriginalKey::new(key).unwrap())
}

pub fn event(key: &str, happened: Happened, found_by: FoundBy) -> Event {
    Event { subject: Subject::Original(original(key)), happened, found_by }
}

/// What happened, in order, and the point at which the process dies.
#[derive(Debug, Default)]
pub struct Script {
    pub log: Mutex<Vec<String>>,
    steps: AtomicUsize,
    dies_at: AtomicUsize,
    pub died: AtomicBool,
}

impl Script {
    pub fn write(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub fn steps(&self) -> usize {
        self.steps.load(Ordering::SeqCst)
    }

    /// From the given step on, counted from now, nothing answers any more.
    pub fn die_at(&self, step: usize) {
        self.steps.store(0, Ordering::SeqCst);
        self.died.store(false, Ordering::SeqCst);
        self.dies_at.store(step, Ordering::SeqCst);
    }

    async fn step(&self, line: String) {
        let step = self.steps.fetch_add(1, Ordering::SeqCst) + 1;
        let dies_at = self.dies_at.load(Ordering::SeqCst);
        if dies_at > 0 && step >= dies_at {
            self.died.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        self.write(line);
    }
}

/// The one variant that has copies here.
pub fn variant() -> Variant {
    Variant::from_name("w300.webp").unwrap()
}

/// A store that follows the script, and fails so many times per kind of call.
pub struct Store {
    pub memory: Memory,
    pub script: Arc<Script>,
    pub deletes_fail: AtomicU64,
    pub lists_fail: AtomicU64,
    /// A deletion dies after its effect as well as before it.
    pub dies_late: AtomicBool,
    /// Whether listings say ETags, and moments, in the order of names.
    pub tells: AtomicBool,
}

fn fails(count: &AtomicU64) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Read for Store {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        self.memory.stat(key)
    }
    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            self.script.step("get".to_owned()).await;
            self.memory.get(key, bytes_max).await
        })
    }
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            self.script.step(format!("list {prefix}")).await;
            if fails(&self.lists_fail) {
                return Err(Error::Io { why: "the disk is on fire".to_owned() });
            }
            let mut page = self.memory.list(prefix, after, limit).await?;
            if self.tells.load(Ordering::SeqCst) {
                for (at, listed) in page.entries.iter_mut().enumerate() {
                    let body = self.memory.get(&listed.key, u64::MAX).await?.body;
                    listed.etag = Some(Version::of_content(&body).to_string());
                    listed.written_s = Some(at as u64);
                }
            }
            Ok(page)
        })
    }
}

impl Write for Store {
    fn put<'a>(&'a self, key: &'a str, meta: Meta, body: Bytes) -> BoxFuture<'a, Result<Stat, Error>> {
        self.memory.put(key, meta, body)
    }
    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        Box::pin(async move {
            assert!(keys.len() <= 1_000, "a batch has at most 1,000 names");
            self.script.step(format!("delete {}", keys.len())).await;
            if fails(&self.deletes_fail) {
                return keys.iter().map(|_| Err(Error::Io { why: "the disk is on fire".to_owned() })).collect();
            }
            let results = self.memory.delete(keys).await;
            if self.dies_late.load(Ordering::SeqCst) {
                self.script.step("deleted".to_owned()).await;
            }
            results
        })
    }
}

/// An edge: cached versions per original, and fills under way.
pub struct Edge {
    pub script: Arc<Script>,
    pub cached: Mutex<BTreeMap<String, (Original, Version)>>,
    /// Fills under way and the sequence at which they began.
    pub fills: Mutex<Vec<(String, Original, Sequence)>>,
    pub raised: Mutex<Vec<(Sequence, Selector)>>,
    sequence: AtomicU64,
    drained: Notify,
}

impl Edge {
    pub fn cache(&self, path: &str, original: &Original, version: &Version) {
        self.cached.lock().unwrap().insert(path.to_owned(), (original.clone(), version.clone()));
    }

    pub fn begin_fill(&self, path: &str, original: &Original) {
        let at = Sequence(self.sequence.load(Ordering::SeqCst));
        self.fills.lock().unwrap().push((path.to_owned(), original.clone(), at));
    }

    /// Ends the oldest fill under way: its original, and whether no fence overtook it.
    pub fn end_fill(&self) -> Option<(String, Original, bool)> {
        let mut fills = self.fills.lock().unwrap();
        if fills.is_empty() {
            return None;
        }
        let (path, original, at) = fills.remove(0);
        self.drained.notify_waiters();
        let raised = self.raised.lock().unwrap();
        let covers = |selector: &Selector| selector.covers(&path, Some(&original), &original.tags());
        let is_fenced = raised.iter().any(|(sequence, selector)| *sequence > at && covers(selector));
        Some((path.clone(), original.clone(), !is_fenced))
    }

    /// What dies with the process.
    pub fn die(&self) {
        self.cached.lock().unwrap().clear();
        self.end_fills();
    }

    pub fn end_fills(&self) {
        self.fills.lock().unwrap().clear();
        self.drained.notify_waiters();
    }
}

impl Fence for Edge {
    fn name(&self) -> &str {
        "edge"
    }
    fn raise(&self, selector: &Selector) -> Raised {
        self.script.write(format!("fence {selector}"));
        let sequence = Sequence(self.sequence.fetch_add(1, Ordering::SeqCst) + 1);
        self.raised.lock().unwrap().push((sequence, selector.clone()));
        let covers = |path: &str, original: &Original| selector.covers(path, Some(original), &original.tags());
        let mut cached = self.cached.lock().unwrap();
        let before = cached.len();
        cached.retain(|path, (original, _)| !covers(path, original));
        let fills = self.fills.lock().unwrap();
        let overlapping = fills.iter().filter(|(path, original, _)| covers(path, original)).count() as u64;
        Raised { sequence, matched: (before - cached.len()) as u64, overlapping }
    }
    fn erased(&self, _: Sequence) -> BoxFuture<'_, ()> {
        // `raise` removes what it covers.
        Box::pin(std::future::ready(()))
    }
    fn drained<'a>(&'a self, sequence: Sequence, selector: &'a Selector) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            loop {
                let rung = self.drained.notified();
                let open = self.fills.lock().unwrap().iter().any(|(path, original, at)| {
                    *at < sequence && selector.covers(path, Some(original), &original.tags())
                });
                if !open {
                    return;
                }
                rung.await;
            }
        })
    }
}

/// An outer cache.
pub struct Outer {
    pub name: &'static str,
    pub script: Arc<Script>,
    pub fails: AtomicU64,
    pub refuses: AtomicBool,
    pub told: Mutex<Vec<Invalidation>>,
}

impl Invalidate for Outer {
    fn name(&self) -> &str {
        self.name
    }
    fn invalidate<'a>(&'a self, what: &'a Invalidation) -> BoxFuture<'a, Result<(), InvalidateError>> {
        Box::pin(async move {
            self.script.step(format!("tell {} {}", self.name, what.reference)).await;
            if self.refuses.load(Ordering::SeqCst) {
                return Err(InvalidateError { why: "forbidden".to_owned(), retry: false });
            }
            if fails(&self.fails) {
                return Err(InvalidateError { why: "busy".to_owned(), retry: true });
            }
            self.told.lock().unwrap().push(what.clone());
            Ok(())
        })
    }

    fn forecast<'a>(&'a self, what: &'a [Invalidation]) -> BoxFuture<'a, Result<Forecast, InvalidateError>> {
        Box::pin(async move {
            Ok(Forecast {
                layer: self.name.to_owned(),
                by: "by path".to_owned(),
                items: what.iter().flat_map(|what| what.paths.clone()).collect(),
                items_count: what.iter().map(|what| what.paths.len() as u64).sum(),
                waves: 1,
                free_a_month: 0,
                microdollars_max: 0,
            })
        })
    }
}

/// Asks the originals; may be blind.
pub struct Source {
    asker: Asker,
    pub asked: AtomicUsize,
    pub is_blind: AtomicBool,
}

impl Ask for Source {
    fn ask<'a>(&'a self, key: &'a OriginalKey) -> BoxFuture<'a, Proof> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let mut proof = self.asker.ask(key).await;
            if self.is_blind.load(Ordering::SeqCst) {
                proof.answer = Answer::Unprovable(Unprovable::RootChanged);
            }
            proof
        })
    }
}

/// The whole world. The state directory outlives the purger, as on a real machine.
pub struct World {
    pub originals: Arc<Memory>,
    pub derivatives: Arc<Store>,
    pub edge: Arc<Edge>,
    pub outers: Vec<Arc<Outer>>,
    pub source: Arc<Source>,
    pub clock: Arc<ManualClock>,
    pub script: Arc<Script>,
    pub config: Config,
    _state: tempfile::TempDir,
}

impl World {
    pub fn new(outers: &[&'static str]) -> Self {
        let script = Arc::new(Script::default());
        let clock = Arc::new(ManualClock::default());
        let originals = Arc::new(Memory::new());
        // Thousands of purges wait for a real disk longer than the tests may take.
        let state = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let outer = |name: &&'static str| {
            let (fails, refuses, told) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::default());
            Arc::new(Outer { name, script: script.clone(), fails, refuses, told })
        };
        let config = Config {
            state_dir: state.path().to_owned(),
            mass_loss: MassLoss { percent: 5, count: 10 },
            scan_at_start: false,
            scan_every_ms: None,
            scan_per_s: 1_000_000,
            ..Config::default()
        };
        Self {
            derivatives: Arc::new(Store {
                memory: Memory::new(),
                script: script.clone(),
                deletes_fail: AtomicU64::new(0),
                lists_fail: AtomicU64::new(0),
                dies_late: AtomicBool::new(false),
                tells: AtomicBool::new(false),
            }),
            edge: Arc::new(Edge {
                script: script.clone(),
                cached: Mutex::default(),
                fills: Mutex::default(),
                raised: Mutex::default(),
                sequence: AtomicU64::new(0),
                drained: Notify::new(),
            }),
            outers: outers.iter().map(outer).collect(),
            source: Arc::new(Source {
                asker: Asker::new(originals.clone(), clock.clone()),
                asked: AtomicUsize::new(0),
                is_blind: AtomicBool::new(false),
            }),
            originals,
            clock,
            script,
            config,
            _state: state,
        }
    }

    pub fn open(&self) -> Arc<Purger> {
        let parts = Parts {
            fences: vec![self.edge.clone()],
            derivatives: self.derivatives.clone(),
            originals: self.originals.clone(),
            ask: self.source.clone(),
            invalidators: self.outers.iter().map(|outer| outer.clone() as Arc<dyn Invalidate>).collect(),
            clock: self.clock.clone(),
        };
        Purger::open(self.config.clone(), parts).unwrap()
    }

    /// Opens and runs.
    pub fn run(&self) -> Running {
        let purger = self.open();
        let task = tokio::spawn(purger.clone().run(std::future::pending()));
        Running { purger, task }
    }

    pub async fn upload(&self, key: &str, content: &str) -> Version {
        self.originals.put(key, Meta::default(), Bytes::copy_from_slice(content.as_bytes())).await.unwrap().version
    }

    pub async fn remove(&self, key: &str) {
        self.originals.delete(&[key.to_owned()]).await[0].as_ref().unwrap();
    }

    /// Stores a derivative of what is there under `key` with this content.
    pub async fn derive(&self, key: &str, content: &str, revision: &str) -> String {
        let original = original(key);
        let (version, revision) = (Version::of_content(content.as_bytes()), Revision::new(revision).unwrap());
        let name = derivative_key(&original.key, &Wanted::Original, &version, &revision);
        let meta = Meta { original: Some(original), version: Some(version), ..Meta::default() };
        self.derivatives.memory.put(&name, meta, Bytes::from_static(b"body")).await.unwrap();
        name
    }

    /// As [`derive`](Self::derive), a variant.
    pub async fn derive_variant(&self, key: &str, content: &str, revision: &str) -> String {
        let (version, revision) = (Version::of_content(content.as_bytes()), Revision::new(revision).unwrap());
        let name = derivative_key(&original(key).key, &Wanted::Variant(Box::new(variant())), &version, &revision);
        self.write(&name, key, content, revision).await;
        name
    }

    /// Writes the copy of that variant, as a fill does that has read this content.
    pub async fn copy(&self, key: &str, content: &str, revision: &str) -> String {
        let name = copy_key(&original(key).key, &variant());
        self.write(&name, key, content, Revision::new(revision).unwrap()).await;
        name
    }

    async fn write(&self, name: &str, key: &str, content: &str, revision: Revision) {
        let version = Version::of_content(content.as_bytes());
        let body = Bytes::from(format!("a picture of {content}"));
        let original = Some(original(key));
        let meta = Meta { original, version: Some(version), revision: Some(revision), ..Meta::default() };
        self.derivatives.memory.put(name, meta, body).await.unwrap();
    }

    /// What a stored object says that it was made from.
    pub async fn origin_of(&self, name: &str) -> (OriginalKey, Version) {
        let meta = self.derivatives.memory.get(name, u64::MAX).await.unwrap().meta;
        (meta.original.unwrap().key, meta.version.unwrap())
    }

    pub async fn stored(&self) -> Vec<String> {
        let page = self.derivatives.memory.list("", None, 100_000).await.unwrap();
        page.entries.into_iter().map(|listed| listed.key).collect()
    }
}

/// A purger at work.
pub struct Running {
    pub purger: Arc<Purger>,
    task: JoinHandle<()>,
}

impl Running {
    /// Sends an event and waits for what follows.
    pub async fn hears(&self, event: Event) {
        self.purger.notice(event);
        self.purger.settle().await;
    }

    /// The oldest first.
    pub fn receipts(&self) -> Vec<Receipt> {
        let mut receipts = self.purger.receipts(&Filter { limit: 10_000, ..Filter::default() });
        receipts.reverse();
        receipts
    }

    /// The process dies: nothing of it goes on, and its lock is free.
    pub async fn die(self) {
        self.task.abort();
        let _ = self.task.await;
        self.purger.stop();
        let weak = Arc::downgrade(&self.purger);
        drop(self.purger);
        while weak.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub fn now(clock: &ManualClock) -> u64 {
    clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}
