//! The cache agrees with a plain map and a clock, for any sequence of operations.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afterimage_cache::{Admission, Begun, Cache, Config, Entry, Facts, Fill, Found, Kept, MissWhy, Waiter};
use afterimage_identity::{Fence, Original, Selector, Sequence, Stamp};
use proptest::prelude::*;
use support::{Body, block_on, original, version};

const WINDOW_NS: u64 = 40;

#[derive(Clone, Debug)]
enum Op {
    Advance(u64),
    Begin { path: usize, named: bool },
    Publish { fill: usize, version: u8, proved_ago: Option<u64>, keep: bool, fresh_for: Option<u64> },
    Drop(usize),
    Raise(Selector),
    Look { path: usize, arrived_ago: Option<u64> },
    Prove { path: usize, version: u8, asked_ago: u64, fences_ago: u64 },
    Disprove(usize),
    Admit(usize),
    Sweep,
}

fn paths() -> [(&'static str, Option<Original>); 5] {
    [
        ("/a/-/w1.png", Some(original("a"))),
        ("/a/-/w2.png", Some(original("a"))),
        ("/p/b/-/w1.png", Some(original("p/b"))),
        ("/p/c", Some(original("p/c"))),
        ("/free", None),
    ]
}

fn selectors() -> impl Strategy<Value = Selector> {
    let folder = original("p/b").tags().remove(1);
    let all = vec![
        Selector::Original(original("a")),
        Selector::Original(original("p/b")),
        Selector::Tag(original("p/c").tag()),
        Selector::Tag(folder),
        Selector::Path("/a/-/w1.png".into()),
        Selector::Path("/free".into()),
        Selector::Path("/nothing".into()),
        Selector::Prefix("/a/".into()),
        Selector::Prefix("/p/".into()),
        Selector::All,
    ];
    prop::sample::select(all)
}

fn ops() -> impl Strategy<Value = Op> {
    let path = 0..paths().len();
    prop_oneof![
        3 => (1..30u64).prop_map(Op::Advance),
        4 => (path.clone(), any::<bool>()).prop_map(|(path, named)| Op::Begin { path, named }),
        5 => (0..4usize, 1..3u8, prop::option::of(0..50u64), prop::bool::weighted(0.8), prop::option::of(0..60u64))
            .prop_map(|(fill, version, proved_ago, keep, fresh_for)| Op::Publish { fill, version, proved_ago, keep, fresh_for }),
        2 => (0..4usize).prop_map(Op::Drop),
        2 => selectors().prop_map(Op::Raise),
        6 => (path.clone(), prop::option::of(0..30u64)).prop_map(|(path, arrived_ago)| Op::Look { path, arrived_ago }),
        2 => (path.clone(), 1..3u8, 0..50u64, 0..2u64)
            .prop_map(|(path, version, asked_ago, fences_ago)| Op::Prove { path, version, asked_ago, fences_ago }),
        1 => path.prop_map(Op::Disprove),
        3 => (0..20usize).prop_map(Op::Admit),
        1 => Just(Op::Sweep),
    ]
}

/// What the plain map knows of an answer: when its fetch began, and the proof of its version.
#[derive(Clone)]
struct Plain {
    facts: Facts,
    body: u32,
    began: Sequence,
    /// Which proof it shares; an index into [`Model::proofs`].
    proof: Option<usize>,
}

struct PlainProof {
    proved_at: Option<u64>,
    /// `None`: handed out.
    renew_after: Option<u64>,
    retired: bool,
}

struct Open {
    path: usize,
    named: bool,
    began: Sequence,
    /// No later fill of the path took its place.
    newest: bool,
    fill: Option<Fill<Body>>,
    waiters: Vec<Waiter<Body>>,
}

struct Model {
    cache: Cache<Body>,
    exact: bool,
    now: u64,
    fences: Vec<Selector>,
    kept: BTreeMap<&'static str, Plain>,
    proofs: Vec<PlainProof>,
    open: Vec<Open>,
    handed: Vec<(Arc<Entry<Body>>, Plain)>,
    bodies: u32,
}

impl Model {
    fn new(config: Config, exact: bool) -> Self {
        let cache = Cache::new(Config { window: Duration::from_nanos(WINDOW_NS), ..config });
        let (kept, proofs, open, handed) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        Self { cache, exact, now: 1000, fences: Vec::new(), kept, proofs, open, handed, bodies: 0 }
    }

    fn covered_since(&self, since: Sequence, facts: &Facts) -> bool {
        let later = self.fences.iter().skip(since.0 as usize);
        later.into_iter().any(|fence| fence.covers(&facts.path, facts.original.as_ref(), &facts.tags))
    }

    fn current_proof(&self, original: &Original) -> Option<usize> {
        self.kept.values().filter(|plain| plain.facts.original.as_ref() == Some(original)).find_map(|plain| plain.proof)
    }

    fn restamp(&mut self, proof: usize, asked_at: u64) {
        let proof = &mut self.proofs[proof];
        if proof.proved_at.is_none_or(|proved| asked_at > proved) {
            proof.proved_at = Some(asked_at);
            proof.renew_after = Some(asked_at + WINDOW_NS / 2);
        }
    }

    fn new_proof(&mut self, proved_at: Option<u64>) -> usize {
        self.proofs.push(PlainProof { proved_at: None, renew_after: Some(0), retired: false });
        let proof = self.proofs.len() - 1;
        if let Some(stamp) = proved_at {
            self.restamp(proof, stamp);
        }
        proof
    }

    fn drop_family(&mut self, original: &Original) {
        if let Some(proof) = self.current_proof(original) {
            self.proofs[proof].retired = true;
        }
        self.kept.retain(|_, plain| plain.facts.original.as_ref() != Some(original));
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Advance(by) => self.now += by,
            Op::Begin { path, named } => self.begin(path, named),
            Op::Publish { fill, version, proved_ago, keep, fresh_for } => {
                self.publish(fill, version, proved_ago, keep, fresh_for);
            }
            Op::Drop(fill) => {
                if fill < self.open.len() {
                    let open = self.open.remove(fill);
                    drop(open.fill);
                    for waiter in open.waiters {
                        assert!(block_on(waiter.wait()).is_err(), "a fill was given up, and somebody got an answer");
                    }
                }
            }
            Op::Raise(selector) => self.raise(&selector),
            Op::Look { path, arrived_ago } => self.look(path, arrived_ago),
            Op::Prove { path, version, asked_ago, fences_ago } => self.prove(path, version, asked_ago, fences_ago),
            Op::Disprove(path) => {
                if let Some(original) = &paths()[path].1 {
                    self.cache.disprove(original);
                    self.drop_family(original);
                }
            }
            Op::Admit(at) => {
                if let Some((entry, plain)) = self.handed.get(at) {
                    let retired = plain.proof.is_some_and(|proof| self.proofs[proof].retired);
                    let fenced = self.covered_since(plain.began, &plain.facts);
                    let admitted = self.cache.admit(entry) == Admission::Admit;
                    assert!(!(admitted && fenced), "{:?} was admitted", entry.facts);
                    assert!(!self.exact || admitted != (fenced || retired), "{:?}: {admitted}", entry.facts);
                }
            }
            Op::Sweep => drop(self.cache.sweep(3)),
        }
    }

    fn begin(&mut self, path: usize, named: bool) {
        if self.open.len() >= 4 {
            return;
        }
        let (text, original) = &paths()[path];
        let known = original.as_ref().filter(|_| named);
        let tags = known.map(Original::tags).unwrap_or_default();
        match self.cache.begin(text, known, &tags, Stamp(self.now)) {
            Begun::Lead(fill) => {
                assert_eq!(fill.sequence(), Sequence(self.fences.len() as u64));
                let newest = self.open.iter().find(|open| open.path == path && open.newest);
                if let Some(newest) = newest {
                    let known = |named| Facts {
                        path: (*text).to_owned(),
                        original: original.clone().filter(|_| named),
                        tags: original.as_ref().filter(|_| named).map(Original::tags).unwrap_or_default(),
                        ..Facts::default()
                    };
                    let fenced = self.covered_since(newest.began, &known(named || newest.named));
                    assert!(!self.exact || fenced, "an open fill that no fence covers was not joined");
                }
                self.open.iter_mut().filter(|open| open.path == path).for_each(|open| open.newest = false);
                let began = fill.sequence();
                self.open.push(Open { path, named, began, newest: true, fill: Some(fill), waiters: Vec::new() });
            }
            Begun::Join(waiter) => {
                let newest = self.open.iter_mut().find(|open| open.path == path && open.newest);
                newest.expect("somebody leads").waiters.push(waiter);
            }
        }
    }

    fn publish(&mut self, fill: usize, v: u8, proved_ago: Option<u64>, keep: bool, fresh_for: Option<u64>) {
        if fill >= self.open.len() {
            return;
        }
        let open = self.open.remove(fill);
        let (path, original) = paths()[open.path].clone();
        let facts = Facts {
            path: path.to_owned(),
            tags: original.as_ref().map(Original::tags).unwrap_or_default(),
            // Version 2 of `p/c` is an answer about its absence.
            version: original.as_ref().filter(|o| o.key.as_str() != "p/c" || v != 2).map(|_| version(v)),
            original,
            proved_at: proved_ago.map(|ago| Stamp(self.now - ago)),
            fresh_until: fresh_for.map(|ns| Stamp(self.now + ns)),
        };
        self.bodies += 1;
        let fill = open.fill.expect("an open fill");
        let published = fill.publish(facts.clone(), Body(self.bodies), keep, Stamp(self.now));
        let fenced = self.covered_since(open.began, &facts);
        assert!(!(published.is_ok() && fenced), "published over a fence");
        assert!(!self.exact || published.is_err() == fenced, "refused without a fence");
        for waiter in open.waiters {
            let answer = block_on(waiter.wait());
            assert_eq!(answer.is_ok(), published.is_ok(), "leader and waiters got different answers");
        }
        drop(fill);
        let Ok(entry) = published else { return };
        let plain = Plain { facts, body: self.bodies, began: open.began, proof: None };
        let plain = self.keep(path, plain, keep, entry.kept());
        self.handed.push((entry, plain));
        if self.handed.len() > 20 {
            self.handed.remove(0);
        }
    }

    fn keep(&mut self, path: &'static str, mut plain: Plain, asked: bool, kept: Kept) -> Plain {
        let proved_at = plain.facts.proved_at.map(|stamp| stamp.0);
        let mut expected = if asked { Kept::Yes } else { Kept::NotAsked };
        let versioned = plain.facts.original.clone().filter(|_| plain.facts.version.is_some());
        if let (Some(original), true) = (&versioned, asked) {
            let current = self.current_proof(original);
            let version_here =
                self.kept.values().find(|p| p.proof.is_some() && p.proof == current).map(|p| p.facts.version.clone());
            plain.proof = match current {
                Some(proof) if version_here == Some(plain.facts.version.clone()) => {
                    if let Some(stamp) = proved_at {
                        self.restamp(proof, stamp);
                    }
                    Some(proof)
                }
                // What the cache has evicted it cannot compare with.
                Some(proof) if self.proofs[proof].proved_at > proved_at && (self.exact || kept != Kept::Yes) => {
                    expected = Kept::OtherVersion;
                    Some(self.new_proof(proved_at))
                }
                Some(_) => {
                    self.drop_family(original);
                    Some(self.new_proof(proved_at))
                }
                None => Some(self.new_proof(proved_at)),
            };
        } else if versioned.is_some() {
            plain.proof = Some(self.new_proof(proved_at));
        } else if asked && plain.facts.original.is_some() && plain.facts.fresh_until.is_none() {
            expected = Kept::Unbounded;
        }
        if self.exact {
            assert_eq!(kept, expected);
        }
        if expected == Kept::Yes {
            self.kept.insert(path, plain.clone());
        }
        plain
    }

    fn raise(&mut self, selector: &Selector) {
        let raised = self.cache.raise(selector);
        self.fences.push(selector.clone());
        assert_eq!(raised.sequence, Sequence(self.fences.len() as u64));
        let before = self.kept.len();
        self.kept.retain(|path, plain| !selector.covers(path, plain.facts.original.as_ref(), &plain.facts.tags));
        if self.exact {
            assert_eq!(raised.matched, (before - self.kept.len()) as u64);
        }
        let overlapping = self.open.iter().filter(|open| {
            let (path, original) = &paths()[open.path];
            let known = original.as_ref().filter(|_| open.named);
            let tags = known.map(Original::tags).unwrap_or_default();
            selector.covers(path, known, &tags)
                || matches!(selector, Selector::Tag(_))
                || (matches!(selector, Selector::Original(_)) && known.is_none())
        });
        assert_eq!(raised.overlapping, overlapping.count() as u64);
    }

    fn look(&mut self, path: usize, arrived_ago: Option<u64>) {
        let text = paths()[path].0;
        let arrived = arrived_ago.map(|ago| self.now - ago);
        let found = match arrived {
            Some(arrived) => self.cache.look_since(text, Stamp(self.now), Stamp(arrived)),
            None => self.cache.look(text, Stamp(self.now)),
        };
        let Some(plain) = self.kept.get(text) else {
            assert!(matches!(found, Found::Miss { why: MissWhy::Absent | MissWhy::Fenced }), "{found:?} of nothing");
            return;
        };
        if !self.exact && matches!(found, Found::Miss { why: MissWhy::Absent | MissWhy::Fenced }) {
            // Evicted, or older than the log.
            self.kept.remove(text);
            return;
        }
        let stale = plain.facts.fresh_until.is_some_and(|until| self.now >= until.0);
        let Some(proof) = plain.proof else {
            let right = match found {
                Found::Miss { why } => stale && why == MissWhy::Stale,
                Found::Hit { ref entry, renew } => !stale && !renew && entry.payload.0 == plain.body,
                Found::Prove { .. } => false,
            };
            assert!(right, "{found:?} without a proof to ask for");
            return;
        };
        let proof = &mut self.proofs[proof];
        let age = proof.proved_at.map(|proved| self.now - proved);
        let asked_since = arrived.is_some_and(|arrived| proof.proved_at.is_some_and(|proved| proved >= arrived));
        let proven = age.is_some_and(|age| age <= WINDOW_NS) || asked_since;
        let renews = proof.renew_after.is_some_and(|after| self.now > after);
        if proven && !stale && renews {
            proof.renew_after = None;
        }
        match found {
            Found::Miss { why } => assert!(stale && why == MissWhy::Stale, "{why:?}"),
            Found::Prove { entry, age: found } => {
                assert!(!stale && (!proven || !self.exact));
                assert_eq!(entry.payload.0, plain.body);
                assert!(!self.exact || found == age.map(Duration::from_nanos));
            }
            Found::Hit { entry, renew } => {
                assert!(!stale && proven, "{:?} at {} after {age:?}", entry.facts, self.now);
                assert_eq!(entry.payload.0, plain.body);
                assert!(renew == renews || !self.exact);
            }
        }
    }

    fn prove(&mut self, path: usize, v: u8, asked_ago: u64, fences_ago: u64) {
        let Some(original) = paths()[path].1.clone() else { return };
        let asked_at = self.now - asked_ago;
        let asked_sequence = Sequence((self.fences.len() as u64).saturating_sub(fences_ago));
        let proven = self.cache.prove(&original, &version(v), Stamp(asked_at), asked_sequence);
        let Some(proof) = self.current_proof(&original) else {
            assert!(!proven);
            return;
        };
        let family = self.kept.values().filter(|plain| plain.facts.original.as_ref() == Some(&original));
        let same = family.filter(|plain| plain.proof.is_some()).all(|plain| plain.facts.version == Some(version(v)));
        let named = Facts { original: Some(original.clone()), tags: original.tags(), ..Facts::default() };
        let fenced = self.covered_since(asked_sequence, &named);
        if !same {
            assert!(!proven);
            self.drop_family(&original);
        } else if fenced {
            assert!(!proven, "an answer from before a fence counted");
            let after = &mut self.proofs[proof].renew_after;
            *after = after.or(Some(asked_at));
        } else {
            assert!(proven || !self.exact);
            if proven {
                self.restamp(proof, asked_at);
            }
        }
    }

    fn end(mut self) {
        while let Some(open) = self.open.pop() {
            drop(open.fill);
        }
        while self.cache.sweep(1000) {}
        let usage = self.cache.usage();
        assert_eq!((usage.fills, usage.questions), (0, 0));
        assert!(usage.bytes <= usage.bytes_max);
        if self.exact {
            assert_eq!(usage.entries, self.kept.len() as u64);
        }
        self.cache.raise(&Selector::All);
        while self.cache.sweep(1000) {}
        let usage = self.cache.usage();
        assert_eq!((usage.bytes, usage.entries, usage.groups), (0, 0, 0));
    }
}

fn cases() -> ProptestConfig {
    let cases = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 200_000 } else { 2_000 };
    // A failure is printed in full; nothing is written beside the sources.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn agrees_with_a_plain_map(ops in prop::collection::vec(ops(), 1..80)) {
        let mut model = Model::new(Config::default(), true);
        ops.into_iter().for_each(|op| model.run(op));
        model.end();
    }

    /// Two entries of room and a log of two: what is evicted or forgotten may be missed, never the other way round.
    #[test]
    fn never_serves_more_than_a_plain_map_when_short_of_everything(ops in prop::collection::vec(ops(), 1..80)) {
        let config = Config { bytes_max: 1600, item_bytes_max: 1600, fence_log_max: 2, shards: 1, ..Config::default() };
        let mut model = Model::new(config, false);
        ops.into_iter().for_each(|op| model.run(op));
        model.end();
    }
}
