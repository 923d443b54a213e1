//! The queue against an outer cache that fails in every way, from a seed, under virtual time, with processes that die.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use afterimage_identity::{Original, OriginalKey, SourceId, Stamp};
use afterimage_store::keep::Folder;
use proptest::prelude::*;

use super::*;
use crate::config::{Kind, Pace, Webhook};
use crate::far::{Fault, Told};

struct Still;

impl Clock for Still {
    fn now(&self) -> Stamp {
        Stamp::default()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

const EXACT_MAX: usize = 7;
const WILDCARDS_MAX: usize = 2;

/// What the outer cache has of one batch.
struct Taken {
    items: Vec<Item>,
    looks_left: u32,
    done: bool,
}

/// An outer cache that does what the dice say.
struct Dice {
    by: By,
    /// Thrown in turn, over and over.
    throws: Vec<u8>,
    state: Mutex<(usize, BTreeMap<String, Taken>)>,
    /// How often each item was accepted, and completed.
    seen: Mutex<HashMap<Item, (u32, u32)>>,
}

impl Dice {
    fn new(by: By, throws: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { by, throws, state: Mutex::default(), seen: Mutex::default() })
    }

    fn take(&self, reference: &str, items: &[Item]) -> Result<Told, Fault> {
        let mut state = self.state.lock().unwrap();
        let throw = self.throw(&mut state.0);
        if throw.is_multiple_of(5) {
            return Err(Fault::later("not now"));
        }
        let known = state.1.get(reference).map(|taken| taken.items.clone());
        if known.is_none() {
            let open = state.1.values().filter(|taken| !taken.done).flat_map(|taken| &taken.items).chain(items);
            let (wildcards, exact): (Vec<&Item>, Vec<&Item>) = open.partition(|item| item.is_wildcard());
            assert!(exact.len() <= EXACT_MAX && wildcards.len() <= WILDCARDS_MAX, "a quota is exceeded");
            state.1.insert(reference.into(), Taken { items: items.to_vec(), looks_left: throw.into(), done: false });
            let mut seen = self.seen.lock().unwrap();
            items.iter().for_each(|item| seen.entry(item.clone()).or_default().0 += 1);
        }
        assert!(known.is_none_or(|known| known == items), "a batch keeps its items");
        match throw % 7 {
            // It has it, and nobody hears of it.
            1 => Err(Fault::later("the line is cut")),
            _ => Ok(Told::InProgress(reference.to_owned())),
        }
    }

    fn throw(&self, at: &mut usize) -> u8 {
        *at += 1;
        // Shifted with each time round: no failure meets the same call for ever.
        self.throws[(*at + *at / self.throws.len()) % self.throws.len()]
    }
}

impl Far for Dice {
    fn by(&self) -> BoxFuture<'_, Result<By, InvalidateError>> {
        Box::pin(async { Ok(self.by) })
    }

    fn submit<'a>(&'a self, reference: &'a str, items: &'a [Item]) -> BoxFuture<'a, Result<Told, Fault>> {
        Box::pin(async move { self.take(reference, items) })
    }

    fn look<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Fault>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            let throw = self.throw(&mut state.0);
            if throw.is_multiple_of(6) {
                return Err(Fault::later("not now"));
            }
            if throw.is_multiple_of(11) {
                return Err(Fault::Forgotten);
            }
            let taken = state.1.get_mut(id).expect("only what was taken is looked at");
            taken.looks_left = (taken.looks_left / 2).min(3);
            let ends = taken.looks_left == 0;
            if ends && !std::mem::replace(&mut taken.done, true) {
                let mut seen = self.seen.lock().unwrap();
                taken.items.iter().for_each(|item| seen.entry(item.clone()).or_default().1 += 1);
            }
            Ok(ends)
        })
    }
}

fn about(number: usize) -> Invalidation {
    let original = Original::new(SourceId::default(), OriginalKey::new(&format!("p/{number}.jpg")).unwrap());
    Invalidation {
        reference: format!("main-{number}-0-1"),
        tag: Some(original.tag()),
        paths: vec![format!("/p/{number}.jpg")],
        prefixes: vec![format!("/p/{number}.jpg/-/")],
        originals: vec![original],
    }
}

fn open(dice: &Arc<Dice>, outbox: &Path) -> Arc<Layer> {
    let kind = Kind::Webhook(Webhook { url: String::new(), secret: String::new() });
    let limits = Limits {
        items_per_call: 4,
        exact_in_progress: EXACT_MAX,
        wildcards_in_progress: WILDCARDS_MAX,
        batches_in_progress: 3,
        ..Limits::of("cloudfront")
    };
    let config = Config { name: "dice".into(), kind, over_purge: 0, pace: Pace::default() };
    let outbox = Arc::new(Folder::open(outbox).unwrap());
    Arc::new(Layer::over(dice.clone(), limits, &config, Some(outbox), Arc::new(Still)))
}

/// As the write story does it: tried until it is done.
async fn told(layer: Arc<Layer>, dice: Arc<Dice>, what: Invalidation) {
    while let Err(error) = layer.invalidate(&what).await {
        assert!(error.retry, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = dice.seen.lock().unwrap();
    for item in items(&what, dice.by, 4000) {
        assert!(seen.get(&item).is_some_and(|(_, completed)| *completed > 0), "{item:?}: done before it is complete");
    }
}

async fn story(by: By, throws: Vec<u8>, wanted: usize, dies_after_ms: u64) {
    let outbox = tempfile::tempdir().unwrap();
    let dice = Dice::new(by, throws);
    let first = open(&dice, outbox.path());
    let begun: Vec<_> =
        (0..wanted).map(|number| tokio::spawn(told(first.clone(), dice.clone(), about(number)))).collect();
    tokio::time::sleep(Duration::from_millis(dies_after_ms)).await;
    begun.iter().for_each(tokio::task::JoinHandle::abort);
    drop(first);
    let mut left = Vec::new();
    for (number, task) in begun.into_iter().enumerate() {
        // The journal knows who was told.
        match task.await {
            Ok(()) => {}
            Err(error) if error.is_cancelled() => left.push(number),
            Err(error) => panic!("the first process: {error}"),
        }
    }
    // Its queue ends with it.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let second = open(&dice, outbox.path());
    let again: Vec<_> =
        left.into_iter().map(|number| tokio::spawn(told(second.clone(), dice.clone(), about(number)))).collect();
    for task in again {
        task.await.expect("the second process");
    }
    for (item, (accepted, _)) in &*dice.seen.lock().unwrap() {
        assert_eq!(*accepted, 1, "{item:?} is sent once, whatever happens");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_nothing_is_repeated_and_no_quota_is_exceeded(
        throws in prop::collection::vec(1u8..=250, 5..40),
        by_path in any::<bool>(),
        wanted in 1usize..20,
        dies_after_ms in 0u64..40_000,
    ) {
        // Dice that only ever refuse prove nothing.
        prop_assume!(throws.iter().any(|throw| throw % 5 != 0 && throw % 6 != 0 && throw % 7 != 1 && throw % 11 != 0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let by = if by_path { By::Paths } else { By::Tags };
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(100_000), story(by, throws, wanted, dies_after_ms)).await
        }).expect("it comes to an end");
    }
}
