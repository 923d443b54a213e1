//! Memory and disk together agree with a plain map and a clock, for any sequence of operations, restarts, kills and damage
//! included.

use std::collections::BTreeMap;
use std::time::Duration;

use afterimage_cache::{Begun, Cache, Config, Fill, Found, Kept};
use afterimage_identity::{Fence, Original, Selector, Stamp};
use proptest::prelude::*;

use super::world::{Faults, World, bare, file_of, original, picture, settle, version};

const WINDOW_NS: u64 = 40;
const PATHS: [(&str, Option<&str>); 5] = [
    ("/a/-/w1.png", Some("a")),
    ("/a/-/w2.png", Some("a")),
    ("/p/b/-/w1.png", Some("p/b")),
    ("/free", None),
    ("/p/free", None),
];

#[derive(Clone, Debug)]
enum Op {
    Advance(u64),
    /// The source gets another version.
    Change(usize),
    Begin(usize),
    Publish {
        fill: usize,
        keep: bool,
    },
    Raise(Selector),
    Look(usize),
    Disprove(usize),
    /// So many pieces of work on disk.
    Tend(u8),
    Settle,
    Flip {
        path: usize,
        bit: usize,
    },
    Kill,
    Restart {
        boots: bool,
    },
    PowerFailure,
    Rescope,
}

fn selectors() -> impl Strategy<Value = Selector> {
    prop::sample::select(vec![
        Selector::Original(original("a")),
        Selector::Tag(original("p/b").tag()),
        Selector::Tag(original("p/b").tags().remove(1)),
        Selector::Path("/a/-/w1.png".into()),
        Selector::Path("/free".into()),
        Selector::Path("/nothing".into()),
        Selector::Prefix("/a/".into()),
        Selector::Prefix("/p/".into()),
        Selector::All,
    ])
}

fn ops() -> impl Strategy<Value = Op> {
    let path = 0..PATHS.len();
    prop_oneof![
        2 => (1..30_u64).prop_map(Op::Advance),
        1 => path.clone().prop_map(Op::Change),
        5 => path.clone().prop_map(Op::Begin),
        6 => (0..3_usize, prop::bool::weighted(0.9)).prop_map(|(fill, keep)| Op::Publish { fill, keep }),
        2 => selectors().prop_map(Op::Raise),
        8 => path.clone().prop_map(Op::Look),
        1 => path.clone().prop_map(Op::Disprove),
        4 => (0..6_u8).prop_map(Op::Tend),
        2 => Just(Op::Settle),
        1 => (path, 0..4000_usize).prop_map(|(path, bit)| Op::Flip { path, bit }),
        2 => Just(Op::Kill),
        1 => any::<bool>().prop_map(|boots| Op::Restart { boots }),
        1 => Just(Op::PowerFailure),
        1 => Just(Op::Rescope),
    ]
}

#[derive(Clone, Debug)]
struct Plain {
    body: u32,
    version: u8,
}

/// What may be found under a path: one of these, or nothing unless it is sure.
#[derive(Clone, Debug, Default)]
struct Slot {
    options: Vec<Plain>,
    sure: bool,
    /// Something was put there by this process and has not landed for certain.
    is_put: bool,
}

impl Slot {
    fn may_go(&mut self) {
        self.options.push(Plain { body: NOTHING, version: 0 });
        self.sure = false;
    }
}

/// The body of what is not there.
const NOTHING: u32 = 0;

struct Open {
    path: usize,
    version: u8,
    began: usize,
    asked_at: Stamp,
    fill: Fill<Vec<u8>>,
}

struct Model {
    world: World,
    cache: Option<Cache<Vec<u8>>>,
    /// Nothing is evicted and no fence forgotten.
    exact: bool,
    truth: BTreeMap<&'static str, u8>,
    fences: Vec<Selector>,
    /// What a look may find now.
    now: BTreeMap<usize, Slot>,
    /// What may be found after the process is killed: what landed, and what may have.
    landing: BTreeMap<usize, Slot>,
    open: Vec<Open>,
    bodies: u32,
    meaning: usize,
}

const BOOTS: [&str; 64] = {
    const NAMES: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    let mut boots = [""; 64];
    let mut at = 0;
    while at < 64 {
        boots[at] = NAMES.split_at(at).1.split_at(1).0;
        at += 1;
    }
    boots
};

impl Model {
    fn new(memory: Config, bytes_max: u64, exact: bool) -> Self {
        let world = World { memory, bytes_max, ..World::new() };
        let cache = Some(world.open());
        let truth = BTreeMap::from([("a", 1), ("p/b", 1)]);
        let (fences, now, landing, open) = (Vec::new(), BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { world, cache, exact, truth, fences, now, landing, open, bodies: 0, meaning: 0 }
    }

    fn cache(&self) -> &Cache<Vec<u8>> {
        self.cache.as_ref().expect("a process")
    }

    fn covers(selector: &Selector, path: usize) -> bool {
        let (text, key) = PATHS[path];
        let original = key.map(original);
        let tags = original.as_ref().map(Original::tags).unwrap_or_default();
        selector.covers(text, original.as_ref(), &tags)
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Advance(by) => self.world.clock.advance(Duration::from_nanos(by)),
            Op::Change(path) => {
                if let Some(key) = PATHS[path].1 {
                    *self.truth.get_mut(key).expect("known") += 1;
                }
            }
            Op::Begin(path) => self.begin(path),
            Op::Publish { fill, keep } => self.publish(fill, keep),
            Op::Raise(selector) => {
                let raised = self.cache().raise(&selector);
                self.fences.push(selector.clone());
                assert_eq!(raised.sequence.0, self.fences.len() as u64, "the sequence went on");
                self.now.retain(|path, _| !Self::covers(&selector, *path));
                self.landing.retain(|path, _| !Self::covers(&selector, *path));
            }
            Op::Look(path) => self.look(path),
            Op::Disprove(path) => {
                if let Some(key) = PATHS[path].1 {
                    self.cache().disprove(&original(key));
                    self.family_went(key);
                }
            }
            Op::Tend(pieces) => (0..pieces).for_each(|_| _ = self.cache().tend()),
            Op::Settle => self.settle(),
            Op::Flip { path, bit } => self.flip(path, bit),
            Op::Kill => self.start_again(false),
            Op::Restart { boots } => {
                self.cache().close();
                self.all_landed();
                self.next_boot(boots);
                self.start_again(true);
            }
            Op::PowerFailure => {
                self.next_boot(true);
                self.landing.clear();
                self.fences.clear();
                self.start_again(false);
            }
            Op::Rescope => {
                self.meaning += 1;
                self.world.meaning = BOOTS[self.meaning % BOOTS.len()];
                self.cache().rescope(self.world.meaning);
                self.landing.clear();
                // What only lay on disk is gone; what waits to be written lands in the new tier all the same.
                for (path, slot) in &mut self.now {
                    slot.may_go();
                    self.landing.insert(*path, Slot { options: slot.options.clone(), sure: false, is_put: false });
                }
            }
        }
    }

    fn next_boot(&mut self, boots: bool) {
        if boots {
            let at = BOOTS.iter().position(|boot| *boot == self.world.boot).map_or(0, |at| at + 1);
            self.world.boot = BOOTS[at % BOOTS.len()];
        }
    }

    fn settle(&mut self) {
        settle(self.cache());
        self.all_landed();
        assert_eq!(self.world.files.entries().len() as u64, super::world::usage(self.cache()).entries);
        assert!(super::world::usage(self.cache()).bytes <= self.world.bytes_max);
    }

    fn all_landed(&mut self) {
        // What an earlier process had not written when it was killed nobody knows, unless there is something newer.
        for slot in self.landing.values_mut() {
            let is_put = std::mem::take(&mut slot.is_put);
            if is_put && let Some(last) = slot.options.iter().rposition(|plain| plain.body != NOTHING) {
                slot.options.drain(..last);
                slot.sure = self.exact && slot.options.len() == 1;
            }
        }
    }

    fn begin(&mut self, path: usize) {
        if self.open.len() >= 3 {
            return;
        }
        let (text, key) = PATHS[path];
        let asked_at = self.world.now();
        if let Begun::Lead(fill) = self.cache().begin(text, None, &[], asked_at) {
            let version = key.map_or(0, |key| self.truth[key]);
            self.open.push(Open { path, version, began: self.fences.len(), asked_at, fill });
        }
    }

    fn publish(&mut self, fill: usize, keep: bool) {
        if fill >= self.open.len() {
            return;
        }
        let Open { path, version, began, asked_at, fill } = self.open.remove(fill);
        let (text, key) = PATHS[path];
        let facts = key.map_or_else(|| bare(text), |key| picture(text, key, version, asked_at));
        self.bodies += 1;
        let body = NOTHING + self.bodies;
        let published = fill.publish(facts, body.to_le_bytes().to_vec(), keep, self.world.now());
        let fenced = self.fences[began..].iter().any(|fence| Self::covers(fence, path));
        assert!(!(fenced && published.is_ok()), "published over a fence");
        let Ok(entry) = published else {
            assert!(fenced || !self.exact, "refused without a fence");
            return;
        };
        if entry.kept() != Kept::Yes {
            return;
        }
        if let Some(key) = key {
            // Another version's entries that memory knew of are gone; those only on disk lose against a proof.
            let is_other = |at: &usize, slot: &Slot| {
                PATHS[*at].1 == Some(key) && slot.options.iter().any(|plain| plain.version != version)
            };
            for slots in [&mut self.now, &mut self.landing] {
                slots.iter_mut().filter(|(at, slot)| is_other(at, slot)).for_each(|(_, slot)| slot.may_go());
            }
        }
        let plain = Plain { body, version };
        self.now.insert(path, Slot { options: vec![plain.clone()], sure: self.exact, is_put: false });
        let slot = self.landing.entry(path).or_default();
        slot.options.push(plain);
        slot.is_put = true;
        // Dead before it is written: what was there before, or nothing.
        slot.sure = false;
        if slot.options.len() == 1 {
            slot.options.insert(0, Plain { body: NOTHING, version: 0 });
        }
    }

    /// Everything of an original was erased.
    fn family_went(&mut self, key: &str) {
        for slots in [&mut self.now, &mut self.landing] {
            let family = slots.iter_mut().filter(|(path, _)| PATHS[**path].1 == Some(key));
            // What lies only on disk goes when the thread comes to it.
            family.for_each(|(_, slot)| slot.may_go());
        }
    }

    fn look(&mut self, path: usize) {
        let (text, key) = PATHS[path];
        let mut found = self.world.find(self.cache(), text);
        let slot = self.now.get(&path).cloned().unwrap_or_default();
        if let (Found::Prove { entry, .. }, Some(key)) = (&found, key) {
            let truth = self.truth[key];
            let holds = entry.facts.version == Some(version(truth));
            let proven = self.cache().prove(&original(key), &version(truth), self.world.now(), self.cache().sequence());
            assert_eq!(proven, holds, "{text}");
            if !proven {
                self.family_went(key);
            }
            found = self.cache().look(text, self.world.now());
            assert_eq!(matches!(found, Found::Hit { .. }), holds, "{text}: {found:?}");
        }
        match found {
            Found::Hit { entry, .. } => {
                let body = u32::from_le_bytes(entry.payload.as_slice().try_into().expect("four bytes"));
                let is_option = slot.options.iter().find(|plain| plain.body == body).cloned();
                let plain = is_option.unwrap_or_else(|| panic!("{text}: {body} is none of {:?}", slot.options));
                if key.is_some() {
                    assert_eq!(entry.facts.version, Some(version(plain.version)));
                    let age = entry.proof_age(self.world.now()).expect("a proof");
                    assert!(age <= Duration::from_nanos(WINDOW_NS), "{text}: proven {age:?} ago");
                }
                self.now.insert(path, Slot { options: vec![plain], sure: slot.sure, is_put: false });
            }
            Found::Miss { why } => {
                assert!(!slot.sure || !self.is_current(path, &slot), "{text}: {why:?} instead of {slot:?}");
            }
            Found::Prove { .. } => panic!("{text} has nothing to prove"),
        }
    }

    fn is_current(&self, path: usize, slot: &Slot) -> bool {
        let Some(key) = PATHS[path].1 else { return true };
        slot.options.iter().all(|plain| plain.version == self.truth[key])
    }

    fn flip(&mut self, path: usize, bit: usize) {
        let name = file_of(PATHS[path].0);
        if self.world.files.entries().contains(&name) {
            self.world.files.edit(&name, |file| {
                let bit = bit % (file.len() * 8);
                file[bit / 8] ^= 1 << (bit % 8);
            });
            for slots in [&mut self.now, &mut self.landing] {
                if let Some(slot) = slots.get_mut(&path) {
                    slot.may_go();
                    slot.is_put = false;
                }
            }
        }
    }

    /// The process is gone; the next one begins over the same files.
    fn start_again(&mut self, in_order: bool) {
        self.open.clear();
        if !in_order {
            // From here on nothing it does reaches the disk.
            self.world.files.set(Faults { dies_after: Some(0), ..Faults::default() });
        }
        self.cache = None;
        self.world.files.set(Faults::default());
        self.cache = Some(self.world.open());
        self.fences.truncate(self.cache().sequence().0 as usize);
        assert_eq!(self.cache().sequence().0, self.fences.len() as u64, "a fence was forgotten");
        self.landing.values_mut().for_each(|slot| slot.is_put = false);
        self.now = self.landing.clone();
    }

    fn end(mut self) {
        self.settle();
        self.cache().raise(&Selector::All);
        while self.cache().sweep(1000) {}
        settle(self.cache());
        assert!(self.world.files.entries().is_empty());
        let usage = self.cache().usage();
        assert_eq!((usage.bytes, usage.entries, usage.groups), (0, 0, 0));
        assert_eq!(usage.disk.expect("a tier").bytes, 0);
    }
}

fn cases() -> ProptestConfig {
    let cases = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 100_000 } else { 1_000 };
    // A failure is printed in full; nothing is written beside the sources.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn memory_and_disk_agree_with_a_plain_map(ops in prop::collection::vec(ops(), 1..80)) {
        let mut model = Model::new(super::world::memory(), super::world::BUDGET, true);
        ops.into_iter().for_each(|op| model.run(op));
        model.end();
    }

    /// Room for one entry in memory and three on disk, and a log of three.
    #[test]
    fn never_more_than_a_plain_map_when_short_of_everything(ops in prop::collection::vec(ops(), 1..80)) {
        let memory = Config { bytes_max: 800, item_bytes_max: 800, fence_log_max: 3, ..super::world::memory() };
        let mut model = Model::new(memory, 3 * 4096, false);
        ops.into_iter().for_each(|op| model.run(op));
        model.end();
    }
}
