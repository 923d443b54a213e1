//! Whatever the order of uploads, deletions, renders and crashes, and whatever becomes of the events (lost, doubled,
//! late, wrong): once the last event or scan has been dealt with, nothing old is stored or cached.

mod world;

use std::time::Duration;

use afterimage_identity::{FoundBy, Happened, Notice, Original, ReceiptState, Take, Version};
use afterimage_purge::{MassLoss, Mode, Order, OrderOf, Taker};
use afterimage_store::Read;
use proptest::prelude::*;
use world::{Running, World, event, original};

const KEYS: [&str; 4] = ["a.jpg", "p/a.jpg", "p/b c.jpg", "p.jpg"];

#[derive(Clone, Debug)]
enum Act {
    Upload(usize, u8),
    Remove(usize),
    /// An event about a key, true or not, on time or not.
    Hear(usize, Happened, FoundBy),
    HearFolder,
    /// A render begins: it reads what is there now.
    Begin(usize),
    /// The oldest render ends: it stores what it read, and caches it unless a fence overtook it.
    End,
    Scan,
    Ask(usize),
    Crash,
    Wait(u64),
    /// The next so many deletions fail.
    Fail(u64),
    /// A bucket's queue brings one of the events it keeps, and once more later, if so said.
    Bring(usize, bool),
    /// It loses one.
    Lose(usize),
    /// The bucket cannot be asked for a while, or can again.
    Blind(bool),
    /// A render that read this content a while ago dies when it has written its copy: nobody verifies, nobody waits for it.
    Dies(usize, u8),
}

fn acts() -> impl Strategy<Value = Act> {
    let key = 0..KEYS.len();
    let happened =
        prop_oneof![Just(Happened::Created), Just(Happened::Written), Just(Happened::Changed), Just(Happened::Removed)];
    let found_by = prop_oneof![Just(FoundBy::Event), Just(FoundBy::Event), Just(FoundBy::Read)];
    prop_oneof![
        4 => (key.clone(), 0..3u8).prop_map(|(key, content)| Act::Upload(key, content)),
        3 => key.clone().prop_map(Act::Remove),
        6 => (key.clone(), happened, found_by).prop_map(|(key, happened, found_by)| Act::Hear(key, happened, found_by)),
        1 => Just(Act::HearFolder),
        6 => key.clone().prop_map(Act::Begin),
        6 => Just(Act::End),
        1 => Just(Act::Scan),
        1 => key.prop_map(Act::Ask),
        1 => Just(Act::Crash),
        3 => (0..300u64).prop_map(Act::Wait),
        1 => (1..3u64).prop_map(Act::Fail),
        6 => (0..8usize, any::<bool>()).prop_map(|(at, again)| Act::Bring(at, again)),
        1 => (0..8usize).prop_map(Act::Lose),
        1 => any::<bool>().prop_map(Act::Blind),
        1 => (0..KEYS.len(), 0..3u8).prop_map(|(key, content)| Act::Dies(key, content)),
    ]
}

/// What a render in progress has read.
type Reading = std::collections::VecDeque<(usize, String)>;

async fn content(world: &World, key: &str) -> Option<String> {
    let object = world.originals.get(key, u64::MAX).await.ok()?;
    Some(String::from_utf8(object.body.to_vec()).unwrap())
}

async fn end(world: &World, read: &mut Reading) {
    let (Some((path, original, free)), Some((key, content))) = (world.edge.end_fill(), read.pop_front()) else {
        return;
    };
    world.derive(KEYS[key], &content, "r1").await;
    world.derive_variant(KEYS[key], &content, "r1").await;
    world.copy(KEYS[key], &content, "r1").await;
    if free {
        world.edge.cache(&path, &original, &Version::of_content(content.as_bytes()));
    }
}

async fn act(world: &World, running: Running, read: &mut Reading, act: Act) -> Running {
    use std::sync::atomic::Ordering;
    match act {
        Act::Upload(key, content) => drop(world.upload(KEYS[key], &content.to_string()).await),
        Act::Remove(key) => world.remove(KEYS[key]).await,
        Act::Hear(key, happened, found_by) => running.purger.notice(event(KEYS[key], happened, found_by)),
        Act::HearFolder => {
            let subject = afterimage_identity::Subject::Folder { source: original("x").source, prefix: "p/".into() };
            running
                .purger
                .notice(afterimage_identity::Event { subject, ..event("x", Happened::Removed, FoundBy::Event) });
        }
        Act::Begin(key) => {
            if let Some(content) = content(world, KEYS[key]).await {
                world.edge.begin_fill(&format!("/{key}"), &original(KEYS[key]));
                read.push_back((key, content));
            }
        }
        Act::End => end(world, read).await,
        Act::Scan => drop(running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap()),
        Act::Ask(key) => {
            let selector = OrderOf::Key(original(KEYS[key]).key);
            running.purger.purge(Order { selector, wait: false }).await.unwrap();
        }
        Act::Crash => {
            running.die().await;
            world.edge.die();
            read.clear();
            return world.run();
        }
        Act::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Act::Fail(times) => world.derivatives.deletes_fail.store(times, Ordering::SeqCst),
        Act::Dies(key, content) => drop(world.copy(KEYS[key], &content.to_string(), "r1").await),
        // These are the queue's.
        Act::Bring(..) | Act::Lose(_) | Act::Blind(_) => {}
    }
    running
}

/// What is stored or cached and not of the version that is there.
async fn old(world: &World) -> Vec<String> {
    let mut old = Vec::new();
    for name in world.stored().await {
        let (key, version) = world.origin_of(&name).await;
        if world.originals.stat(key.as_str()).await.map(|stat| stat.version).ok() != Some(version) {
            old.push(name);
        }
    }
    let cached = world.edge.cached.lock().unwrap().clone();
    for (path, (original, version)) in cached {
        if world.originals.stat(original.key.as_str()).await.map(|stat| stat.version).ok() != Some(version) {
            old.push(format!("cached {path}"));
        }
    }
    old
}

/// Drops what is cached and not stored. A scan looks at what is stored alone: what is only cached, because an earlier purge has
/// swept its derivative away, goes when its proof has grown too old, and this edge has no proofs.
async fn forget_unstored(world: &World) {
    let mut stored = Vec::new();
    for name in world.stored().await {
        stored.push(world.origin_of(&name).await);
    }
    let kept =
        |original: &Original, version: &Version| stored.iter().any(|(key, at)| *key == original.key && at == version);
    world.edge.cached.lock().unwrap().retain(|_, (original, version)| kept(original, version));
}

/// Who brings the truth, after all the rumours.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Teller {
    /// A scan at the end.
    Scan,
    /// A late event about each key at the end.
    LateEvents,
    /// An event at each change, and a scan at each start; nothing at the end.
    PromptEvents,
    /// A bucket's queue: it keeps an event of each change until it is taken, brings them in any order, late and twice, says
    /// "written" whatever was there before, and sometimes loses one; then a scan finds out. The bucket cannot always be asked.
    Queue,
}

/// What a queue keeps.
#[derive(Default)]
struct Queue {
    kept: Vec<afterimage_identity::Event>,
    lost: bool,
}

impl Queue {
    /// What the bucket says of a change.
    fn hear(&mut self, act: &Act) {
        match act {
            Act::Upload(key, _) => self.kept.push(event(KEYS[*key], Happened::Written, FoundBy::Event)),
            Act::Remove(key) => self.kept.push(event(KEYS[*key], Happened::Removed, FoundBy::Event)),
            _ => {}
        }
    }

    async fn bring(&mut self, running: &Running, at: usize, again: bool) {
        if self.kept.is_empty() {
            return;
        }
        let at = at % self.kept.len();
        let taken = Taker::new(running.purger.clone()).take(vec![self.kept[at].clone()]).await;
        if taken[0].is_ok() && !again {
            self.kept.swap_remove(at);
        }
    }

    async fn act(&mut self, world: &World, running: &Running, act: &Act) {
        match act {
            Act::Bring(at, again) => self.bring(running, *at, *again).await,
            Act::Lose(at) if !self.kept.is_empty() => {
                self.kept.swap_remove(at % self.kept.len());
                self.lost = true;
            }
            Act::Blind(is_blind) => world.source.is_blind.store(*is_blind, std::sync::atomic::Ordering::SeqCst),
            _ => self.hear(act),
        }
    }

    /// At last everything is brought, the newest first.
    async fn end(&mut self, world: &World, running: &Running) {
        world.source.is_blind.store(false, std::sync::atomic::Ordering::SeqCst);
        while let Some(last) = self.kept.len().checked_sub(1) {
            self.bring(running, last, false).await;
        }
        if self.lost {
            forget_unstored(world).await;
            running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
        }
    }
}

/// What the directory's watch says of a change.
async fn true_event(world: &World, act: &Act) -> Option<afterimage_identity::Event> {
    let (key, happened) = match act {
        Act::Upload(key, _) if content(world, KEYS[*key]).await.is_none() => (*key, Happened::Created),
        Act::Upload(key, _) => (*key, Happened::Changed),
        Act::Remove(key) => (*key, Happened::Removed),
        _ => return None,
    };
    Some(event(KEYS[key], happened, FoundBy::Event))
}

async fn story(acts: Vec<Act>, teller: Teller) -> Result<(), TestCaseError> {
    let mut world = World::new(&["cdn"]);
    world.config.mass_loss = MassLoss { percent: 100, count: 1_000 };
    let mut running = world.run();
    let mut read = Reading::new();
    let mut queue = Queue::default();
    for next in acts {
        // Only a scan finds what nobody knows of.
        if matches!(next, Act::Dies(..)) && teller != Teller::Scan {
            continue;
        }
        if teller == Teller::Queue {
            queue.act(&world, &running, &next).await;
        }
        let (told, crashed) = (true_event(&world, &next).await, matches!(next, Act::Crash));
        running = act(&world, running, &mut read, next).await;
        if teller == Teller::PromptEvents {
            told.into_iter().for_each(|event| running.purger.notice(event));
            if crashed {
                running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
            }
        }
    }
    while !read.is_empty() {
        end(&world, &mut read).await;
    }
    match teller {
        Teller::Scan => {
            forget_unstored(&world).await;
            drop(running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap());
        }
        Teller::LateEvents => {
            KEYS.iter().for_each(|key| running.purger.notice(event(key, Happened::Removed, FoundBy::Event)));
        }
        Teller::PromptEvents => {}
        Teller::Queue => queue.end(&world, &running).await,
    }
    running.purger.settle().await;
    prop_assert_eq!(old(&world).await, Vec::<String>::new());
    for receipt in running.receipts() {
        prop_assert_eq!(receipt.state, ReceiptState::Done);
        let times = [receipt.fenced_at_ms, receipt.clean_at_ms, receipt.done_at_ms];
        prop_assert!(times.iter().all(Option::is_some) && times.is_sorted(), "{:?}", receipt);
    }
    running.die().await;
    Ok(())
}

/// A fill of content that went meanwhile, while what is stored is current: the event has to fence it all the same.
#[test]
fn content_that_comes_goes_and_comes_again_leaves_no_fill_behind() {
    let acts =
        vec![Act::Upload(1, 1), Act::Begin(1), Act::Upload(1, 0), Act::Wait(1), Act::Begin(1), Act::Upload(1, 1)];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(story(acts, Teller::PromptEvents)).unwrap();
}

fn tellers() -> impl Strategy<Value = Teller> {
    prop_oneof![Just(Teller::Scan), Just(Teller::LateEvents), Just(Teller::PromptEvents), Just(Teller::Queue)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("AFTERIMAGE_LONG").is_some() { 20_000 } else { 400 }))]
    #[test]
    fn nothing_old_is_left(acts in prop::collection::vec(acts(), 1..60), teller in tellers()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(story(acts, teller))?;
    }
}
