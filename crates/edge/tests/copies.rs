//! Copies under canonical paths: in which order they are written, what is said of them, and that none outlives the question
//! whether its original is still the same.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use afterimage_cache::Cache;
use afterimage_edge::{Config, Door, Edge, Failure, Job, Load, Parts, Renderer};
use afterimage_identity::{BoxFuture, Event, ManualClock, Notice, OriginalKey, Version};
use afterimage_imaging::Rendered;
use afterimage_store::{Asker, Error, Memory, Meta, Object, Page, Read, Stat, Write};
use afterimage_variant::{Wanted, canonical_path, copy_key, parse_copy_key, parse_derivative_key};
use bytes::Bytes;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const COPY: &str = "a.png/-/w100.webp";

/// What the original is replaced by.
fn new() -> Bytes {
    Bytes::from([PNG, b"new"].concat())
}

struct Echo;

impl Renderer for Echo {
    fn render(&self, job: Job) -> BoxFuture<'_, Result<Rendered, Failure>> {
        let bytes = job.bytes.to_vec();
        let (chosen, gain_map) = (String::new(), None);
        let made = Rendered { bytes, media_type: "image/webp", width: 1, height: 1, frames: 1, chosen, gain_map };
        Box::pin(std::future::ready(Ok(made)))
    }
    fn load(&self) -> Load {
        Load::default()
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Notice for Heard {
    fn notice(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// What happens at the moment in which something is put.
type AtPut = Arc<dyn Fn(&str) -> BoxFuture<'static, ()> + Send + Sync>;

/// A store that writes down what is done to it.
struct Noting {
    memory: Memory,
    done: Mutex<Vec<String>>,
    at_put: Mutex<Option<AtPut>>,
    /// Which put fails from here: the first, the second.
    fails: AtomicU64,
}

impl Read for Noting {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        self.memory.stat(key)
    }
    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        self.memory.get(key, bytes_max)
    }
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        self.memory.list(prefix, after, limit)
    }
}

impl Write for Noting {
    fn put<'a>(&'a self, key: &'a str, meta: Meta, body: Bytes) -> BoxFuture<'a, Result<Stat, Error>> {
        let at_put = self.at_put.lock().unwrap().clone();
        Box::pin(async move {
            if let Some(at_put) = at_put {
                at_put(key).await;
            }
            self.done.lock().unwrap().push(format!("put {}", what(key)));
            if self.fails.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) == Ok(1) {
                return Err(Error::Io { why: "the disk is on fire".into() });
            }
            self.memory.put(key, meta, body).await
        })
    }
    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        let whats: Vec<&str> = keys.iter().map(|key| what(key)).collect();
        self.done.lock().unwrap().push(format!("delete {}", whats.join(" ")));
        self.memory.delete(keys)
    }
}

fn what(key: &str) -> &'static str {
    match (parse_derivative_key(key), parse_copy_key(key)) {
        (Some(_), None) => "derivative",
        (None, Some(_)) => "copy",
        other => panic!("{key}: {other:?}"),
    }
}

struct World {
    edge: Arc<Edge>,
    originals: Arc<Memory>,
    store: Arc<Noting>,
    heard: Arc<Heard>,
    clock: Arc<ManualClock>,
}

impl World {
    async fn new(copies: bool) -> Self {
        let originals = Arc::new(Memory::new());
        originals.put("a.png", Meta::default(), Bytes::from_static(PNG)).await.unwrap();
        let (done, at_put, fails) = (Mutex::default(), Mutex::default(), AtomicU64::new(0));
        let store = Arc::new(Noting { memory: Memory::new(), done, at_put, fails });
        Self::over(originals, store, copies)
    }

    /// As another process finds it.
    fn over(originals: Arc<Memory>, store: Arc<Noting>, copies: bool) -> Self {
        let (clock, heard) = (Arc::new(ManualClock::default()), Arc::new(Heard::default()));
        let parts = Parts {
            originals: originals.clone(),
            derivatives: store.clone(),
            ask: Arc::new(Asker::new(originals.clone(), clock.clone())),
            cache: Cache::new(afterimage_cache::Config::default()),
            upstream: None,
            renderer: Arc::new(Echo),
            notice: heard.clone(),
            clock: clock.clone(),
        };
        Self { edge: Edge::new(Config { copies, ..Config::default() }, parts), originals, store, heard, clock }
    }

    fn again(&self) -> Self {
        Self::over(self.originals.clone(), self.store.clone(), true)
    }

    /// Asks, and waits for what is written behind the answer.
    async fn ask(&self, target: &str) -> http::Response<Bytes> {
        let (parts, ()) = http::Request::get(target).body(()).unwrap().into_parts();
        let answer = self.edge.handle(Door::Trusted, &parts).await;
        self.edge.settled().await;
        answer
    }

    async fn ask_for_copy(&self) -> http::Response<Bytes> {
        self.ask(&format!("/{COPY}")).await
    }

    /// What was done to the store, and forgets it.
    fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.store.done.lock().unwrap())
    }

    async fn stored(&self) -> Vec<String> {
        let page = self.store.memory.list("", None, 100).await.unwrap();
        page.entries.into_iter().map(|listed| what(&listed.key).to_owned()).collect()
    }

    /// What happens at each put from now on.
    fn at_put<F: Future<Output = ()> + Send + 'static>(
        &self,
        happens: impl Fn(&'static str) -> F + Send + Sync + 'static,
    ) {
        *self.store.at_put.lock().unwrap() = Some(Arc::new(move |key| Box::pin(happens(what(key)))));
    }

    /// In the moment of the put of `which`, the original is replaced.
    fn replace_at(&self, which: &'static str) {
        let originals = self.originals.clone();
        self.at_put(move |what| {
            let originals = originals.clone();
            async move {
                if what == which {
                    originals.put("a.png", Meta::default(), new()).await.unwrap();
                }
            }
        });
    }
}

#[tokio::test]
async fn a_copy_is_written_behind_its_derivative_and_says_what_an_answer_says() {
    let world = World::new(true).await;
    let answer = world.ask_for_copy().await;
    assert_eq!(world.done(), ["put derivative", "put copy"]);
    let copy = world.store.memory.get(COPY, u64::MAX).await.unwrap();
    assert_eq!(&copy.body, answer.body());
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(copy.meta.media_type, Some(header("content-type")));
    assert_eq!(copy.meta.cache_control, Some(header("cache-control")));
    let tags: Vec<&str> = copy.meta.tags.iter().map(|tag| tag.as_str()).collect();
    assert_eq!((tags.join(","), header("cache-tag")), (header("x-amz-meta-cache-tag"), tags.join(",")));
    assert_eq!(copy.meta.version, Some(Version::of_content(PNG)));
    assert_eq!(copy.meta.revision, Some(world.edge.revision()));
    // Its name is the path that the CDN asks for.
    let (key, Some(Wanted::Variant(variant))) = (OriginalKey::new("a.png").unwrap(), wanted()) else { panic!() };
    assert_eq!(copy_key(&key, &variant), COPY);
    assert_eq!(canonical_path(&key, &Wanted::Variant(variant)), format!("/{COPY}"));
    // Errors are invalidated by tag as well.
    let gone = world.ask("/gone.png/-/w100.webp").await;
    assert_eq!(gone.headers()["cache-tag"], gone.headers()["x-amz-meta-cache-tag"]);
}

fn wanted() -> Option<Wanted> {
    afterimage_variant::Variant::from_name("w100.webp").map(|variant| Wanted::Variant(Box::new(variant)))
}

#[tokio::test]
async fn without_the_setting_nothing_changes() {
    let world = World::new(false).await;
    let answer = world.ask_for_copy().await;
    assert_eq!(world.done(), ["put derivative"]);
    assert!(!answer.headers().contains_key("x-amz-meta-cache-tag"));
    let own = world.store.memory.list("", None, 1).await.unwrap().entries.remove(0).key;
    assert_eq!(world.store.memory.meta(&own).await.unwrap().cache_control, None);
}

#[tokio::test]
async fn whoever_asks_for_what_is_stored_has_its_missing_copy_written() {
    let world = World::new(true).await;
    world.ask_for_copy().await;
    world.store.memory.delete(&[COPY.to_owned()]).await.remove(0).unwrap();
    world.done();
    let other = world.again();
    let answer = other.ask_for_copy().await;
    assert!(answer.headers()["cache-status"].to_str().unwrap().contains("stored-derivative"));
    assert_eq!(other.done(), ["put copy"]);
    assert_eq!(world.store.memory.meta(COPY).await.unwrap().version, Some(Version::of_content(PNG)));
    // In memory it is nobody's question to the store.
    other.ask_for_copy().await;
    assert_eq!(other.done(), [""; 0]);
}

#[tokio::test]
async fn bare_originals_have_no_copies() {
    let world = World::new(true).await;
    world.ask("/a.png").await;
    assert!(!world.done().contains(&"put copy".to_owned()));
}

#[tokio::test]
async fn both_are_taken_back_whenever_the_original_changed() {
    for which in ["derivative", "copy"] {
        let world = World::new(true).await;
        world.replace_at(which);
        world.ask_for_copy().await;
        assert_eq!(world.done(), ["put derivative", "put copy", "delete derivative copy"], "changed at the {which}");
        assert_eq!(world.stored().await, [""; 0], "changed at the {which}");
        assert_eq!(world.heard.0.lock().unwrap().len(), 1, "changed at the {which}");
    }
}

#[tokio::test]
async fn a_copy_of_what_was_stored_is_taken_back_and_the_derivative_is_the_sweeps() {
    let world = World::new(true).await;
    world.ask_for_copy().await;
    world.done();
    let other = world.again();
    other.replace_at("copy");
    other.ask_for_copy().await;
    assert_eq!(other.done(), ["put copy", "delete copy"]);
    assert_eq!(other.heard.0.lock().unwrap().len(), 1);
}

/// The older one writes last: it has the last word over the name, and takes it away.
#[tokio::test]
async fn of_two_versions_that_write_one_copy_the_older_never_stays() {
    let world = World::new(true).await;
    let (originals, store) = (world.originals.clone(), world.store.clone());
    world.at_put(move |what| {
        let (originals, store) = (originals.clone(), store.clone());
        async move {
            if what == "copy" {
                // Meanwhile somebody else has read the new one, and written its copy.
                let version = originals.put("a.png", Meta::default(), new()).await.unwrap().version;
                let meta = Meta { version: Some(version), ..Meta::default() };
                store.memory.put(COPY, meta, new()).await.unwrap();
            }
        }
    });
    world.ask_for_copy().await;
    assert_eq!(world.store.memory.stat(COPY).await, Err(Error::NotFound));
    *world.store.at_put.lock().unwrap() = None;
    world.again().ask_for_copy().await;
    let version = world.store.memory.meta(COPY).await.unwrap().version;
    assert_eq!(version, Some(Version::of_content(&new())), "the next one writes it anew");
}

#[tokio::test]
async fn a_derivative_that_cannot_be_stored_has_no_copy_and_is_taken_back_all_the_same() {
    let world = World::new(true).await;
    world.store.fails.store(1, SeqCst);
    world.ask_for_copy().await;
    assert_eq!(world.done(), ["put derivative"], "still the same: nothing to take back");
    let world = World::new(true).await;
    world.store.fails.store(2, SeqCst);
    world.replace_at("copy");
    world.ask_for_copy().await;
    // Whose answer was lost may be there.
    assert_eq!(world.done(), ["put derivative", "put copy", "delete derivative copy"]);
}

#[tokio::test]
async fn a_fill_that_is_too_old_writes_no_copy_and_asks_again() {
    let world = World::new(true).await;
    let clock = world.clock.clone();
    let originals = world.originals.clone();
    world.at_put(move |_| {
        clock.advance(Config::default().fill_time_max + Duration::from_millis(1));
        let originals = originals.clone();
        async move { drop(originals.put("a.png", Meta::default(), new()).await.unwrap()) }
    });
    world.ask_for_copy().await;
    assert_eq!(world.done(), ["put derivative", "delete derivative"]);
}

#[tokio::test]
async fn a_fenced_fill_writes_no_copy() {
    use afterimage_identity::{Fence, Original, Selector, SourceId};
    let world = World::new(true).await;
    let original = Original::new(SourceId::default(), OriginalKey::new("a.png").unwrap());
    let cache = world.edge.cache().clone();
    world.at_put(move |_| {
        cache.raise(&Selector::Original(original.clone()));
        std::future::ready(())
    });
    world.ask_for_copy().await;
    // It starts over, and is fenced each time.
    let done = world.done();
    assert!(!done.is_empty() && done.chunks(2).all(|two| two == ["put derivative", "delete derivative"]), "{done:?}");
}
