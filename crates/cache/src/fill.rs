//! Fills: one fetch per path however many ask, the sequence each began at, and who waits for it. A fill is registered
//! until it is dropped, through fetch, render, storing and checking, so that a purge can wait for those it overlaps.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use afterimage_identity::{CacheTag, Original, Selector, Sequence, Stamp};
use tokio::sync::watch;

use crate::cache::Inner;
use crate::entry::{Weigh, url};
use crate::fences::{Fences, Named, Verdict};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};
use crate::{Entry, Facts};

/// A fence raised after the fill began stands against what it brought, or nobody can tell any more: it must start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fenced {
    /// A later fence covers it.
    #[error("a fence was raised over it while it was fetched")]
    Covered,
    /// The fence log no longer reaches back to the fill's beginning.
    #[error("the fence log no longer reaches back to where the fetch began")]
    Forgotten,
    /// This fill has published already.
    #[error("this fill has published already")]
    Spent,
}

/// The fill that was waited for brought nothing that may be used: start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Abandoned {
    /// It failed, or its request went away.
    #[error("the fill that was waited for was given up")]
    GivenUp,
    /// A fence was raised over it.
    #[error("a fence was raised over the fill that was waited for")]
    Fenced,
}

#[derive(Debug)]
enum State<T> {
    Pending,
    Done(Arc<Entry<T>>),
    Abandoned(Abandoned),
}

/// What to do about a miss.
#[derive(Debug)]
pub enum Begun<T: Weigh> {
    /// Nobody fetches this path: do it.
    Lead(Fill<T>),
    /// Somebody does, and began after every fence that matters: wait.
    Join(Waiter<T>),
}

/// One registered fill.
struct Alive {
    path: Arc<str>,
    original: Option<Original>,
    tags: Vec<CacheTag>,
    /// Whether `original` and `tags` are all there will be.
    complete: bool,
    sequence: Sequence,
}

impl Alive {
    fn named(&self) -> Named<'_> {
        Named { path: &self.path, original: self.original.as_ref(), tags: &self.tags }
    }

    /// Whether a selector covers what this fill will bring, as far as one can know: what is not known yet may be covered.
    fn may_be_covered(&self, selector: &Selector) -> bool {
        selector.covers(url(&self.path), self.original.as_ref(), &self.tags)
            || match selector {
                Selector::Original(_) => self.original.is_none() && !self.complete,
                Selector::Tag(_) => !self.complete,
                Selector::Path(_) | Selector::Prefix(_) | Selector::All => false,
            }
    }
}

struct Registry<T> {
    next_id: u64,
    alive: BTreeMap<u64, Alive>,
    /// The fill that a newcomer may join, per path: the newest that has not published.
    open: HashMap<Arc<str>, (u64, watch::Sender<State<T>>)>,
}

/// All fills under way.
pub(crate) struct Fills<T> {
    registry: Mutex<Registry<T>>,
    /// Touched whenever a fill ends.
    ended: watch::Sender<()>,
}

impl<T> Fills<T> {
    pub(crate) fn new() -> Self {
        let registry = Registry { next_id: 0, alive: BTreeMap::new(), open: HashMap::new() };
        Self { registry: Mutex::new(registry), ended: watch::Sender::new(()) }
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.registry).alive.len()
    }

    /// How many fills begun before `sequence` a selector covers or may cover.
    pub(crate) fn overlapping(&self, sequence: Sequence, selector: &Selector) -> u64 {
        let registry = lock(&self.registry);
        registry.alive.values().filter(|fill| fill.sequence < sequence && fill.may_be_covered(selector)).count() as u64
    }

    /// Resolves when [`overlapping`](Self::overlapping) is zero.
    pub(crate) async fn drained(&self, sequence: Sequence, selector: &Selector) {
        // Subscribed before the first look: an end between the two is seen.
        let mut ended = self.ended.subscribe();
        while self.overlapping(sequence, selector) > 0 {
            if ended.changed().await.is_err() {
                return;
            }
        }
    }

    fn close(&self, id: u64, path: &str) {
        let mut registry = lock(&self.registry);
        if registry.open.get(path).is_some_and(|(open, _)| *open == id) {
            registry.open.remove(path);
        }
    }
}

/// Begins or joins a fill.
pub(crate) fn begin<T: Weigh>(
    inner: &Arc<Inner<T>>,
    path: &str,
    original: Option<&Original>,
    tags: &[CacheTag],
    now: Stamp,
) -> Begun<T> {
    let mut registry = lock(&inner.fills.registry);
    if let Some((id, state)) = registry.open.get(path)
        && let Some(fill) = registry.alive.get(id)
        && is_clear(&inner.fences, fill.sequence, fill.named())
        && is_clear(&inner.fences, fill.sequence, Named { path, original, tags })
    {
        return Begun::Join(Waiter { state: state.subscribe(), joined_at: inner.fences.current() });
    }
    let fill = register(inner, &mut registry, path, original, tags, now);
    // A fill that was fenced gives its place up; those who wait for it are told by itself.
    registry.open.insert(fill.path.clone(), (fill.id, fill.state.clone()));
    Begun::Lead(fill)
}

/// Begins a fill that nobody can join.
pub(crate) fn begin_alone<T: Weigh>(inner: &Arc<Inner<T>>, path: &str, now: Stamp) -> Fill<T> {
    register(inner, &mut lock(&inner.fills.registry), path, None, &[], now)
}

fn register<T: Weigh>(
    inner: &Arc<Inner<T>>,
    registry: &mut Registry<T>,
    path: &str,
    original: Option<&Original>,
    tags: &[CacheTag],
    now: Stamp,
) -> Fill<T> {
    // Read under the registry's lock: a fence that comes later finds this fill registered when it counts.
    let sequence = inner.fences.current();
    let id = registry.next_id;
    registry.next_id += 1;
    let path: Arc<str> = path.into();
    let alive =
        Alive { path: path.clone(), original: original.cloned(), tags: tags.to_vec(), complete: false, sequence };
    registry.alive.insert(id, alive);
    let state = watch::Sender::new(State::Pending);
    Fill { inner: inner.clone(), id, path, sequence, begun_at: now, state, spent: AtomicBool::new(false) }
}

fn is_clear(fences: &Fences, since: Sequence, named: Named<'_>) -> bool {
    matches!(fences.test(since, named), Verdict::Clear(_))
}

/// The right and the duty to bring one answer. Dropped without publishing, it tells those who wait to start over.
///
/// Hold it until nothing of it is under way any more, storing and checking included: a purge waits for that.
pub struct Fill<T: Weigh> {
    inner: Arc<Inner<T>>,
    id: u64,
    path: Arc<str>,
    sequence: Sequence,
    begun_at: Stamp,
    state: watch::Sender<State<T>>,
    spent: AtomicBool,
}

impl<T: Weigh> Fill<T> {
    /// The purge sequence it began at.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The path it fills.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The `now` that it began with; a fill older than the longest allowed must not store anything any more.
    pub fn begun_at(&self) -> Stamp {
        self.begun_at
    }

    /// Says what the response is known to carry, so that [`drained`](afterimage_identity::Fence::drained) need not wait
    /// for it out of ignorance. Both lists are taken as complete.
    pub fn learn(&self, original: Option<&Original>, tags: &[CacheTag]) {
        let mut registry = lock(&self.inner.fills.registry);
        if let Some(alive) = registry.alive.get_mut(&self.id) {
            if alive.original.is_none() {
                alive.original = original.cloned();
            }
            let new = tags.iter().filter(|tag| !alive.tags.contains(tag)).cloned().collect::<Vec<_>>();
            alive.tags.extend(new);
            alive.complete = true;
        }
        drop(registry);
        self.inner.fills.ended.send_replace(());
    }

    /// Whether it can no longer publish these facts. Worth asking before every long step, and needed before storing.
    pub fn is_fenced(&self, facts: &Facts) -> bool {
        self.verdict(facts).is_err()
    }

    /// Tests everything that this fill and these facts are named by against every fence since it began.
    pub(crate) fn verdict(&self, facts: &Facts) -> Result<Sequence, Fenced> {
        let fences = &self.inner.fences;
        if let Some(known) = self.known_unless(facts) {
            judge(fences.test(self.sequence, known.named()))?;
        }
        judge(fences.test(self.sequence, facts.into()))
    }

    /// What was registered, when it says more than `facts` do.
    fn known_unless(&self, facts: &Facts) -> Option<Alive> {
        let registry = lock(&self.inner.fills.registry);
        let known = registry.alive.get(&self.id)?;
        let says_more = *known.path != *facts.path
            || (known.original.is_some() && known.original != facts.original)
            || known.tags.iter().any(|tag| !facts.tags.contains(tag));
        says_more.then(|| Alive {
            path: known.path.clone(),
            original: known.original.clone(),
            tags: known.tags.clone(),
            complete: known.complete,
            sequence: known.sequence,
        })
    }

    /// Publishes: tests once more against every fence since the fill began, keeps the answer if wanted and possible
    /// ([`Entry::kept`] says), and hands it to all who wait. What is handed out still has to pass
    /// [`admit`](crate::Cache::admit) before its first byte.
    ///
    /// A `proved_at` later than `now` is taken as `now`.
    ///
    /// # Errors
    /// [`Fenced`]: nothing was kept, those who wait were told; start over.
    pub fn publish(&self, facts: Facts, payload: T, keep: bool, now: Stamp) -> Result<Arc<Entry<T>>, Fenced> {
        if self.spent.swap(true, Ordering::AcqRel) {
            return Err(Fenced::Spent);
        }
        let published = self.inner.publish(self, facts, payload, keep, now);
        self.inner.fills.close(self.id, &self.path);
        self.state.send_replace(match &published {
            Ok(entry) => State::Done(entry.clone()),
            Err(_) => State::Abandoned(Abandoned::Fenced),
        });
        published
    }

    /// Keeps a further entry that this fill learnt of, under the same test. Those who wait are not told.
    ///
    /// # Errors
    /// [`Fenced`]: it was not kept.
    pub fn keep_beside(&self, facts: Facts, payload: T, now: Stamp) -> Result<(), Fenced> {
        self.inner.publish(self, facts, payload, true, now).map(drop)
    }

    /// Lets nobody join any more: what it brings is for itself. Those who wait are told to start over.
    pub fn close(&self) {
        self.inner.fills.close(self.id, &self.path);
        self.state.send_if_modified(|state| {
            let pending = matches!(state, State::Pending);
            if pending {
                *state = State::Abandoned(Abandoned::GivenUp);
            }
            pending
        });
    }

    /// Gives up. The same as dropping it.
    pub fn fail(self) {}
}

impl<T: Weigh> Drop for Fill<T> {
    fn drop(&mut self) {
        self.close();
        lock(&self.inner.fills.registry).alive.remove(&self.id);
        self.inner.fills.ended.send_replace(());
    }
}

impl<T: Weigh> std::fmt::Debug for Fill<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fill").field("path", &self.path).field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// A request that waits for another's fill.
#[derive(Debug)]
pub struct Waiter<T> {
    state: watch::Receiver<State<T>>,
    /// The purge sequence when it joined.
    joined_at: Sequence,
}

impl<T> Waiter<T> {
    /// Waits for the fill's answer. May be dropped at any time.
    ///
    /// # Errors
    /// [`Abandoned`]: start over with a look.
    pub async fn wait(mut self) -> Result<Arc<Entry<T>>, Abandoned> {
        let entry = match self.state.wait_for(|state| !matches!(state, State::Pending)).await.as_deref() {
            Ok(State::Done(entry)) => entry.clone(),
            Ok(State::Abandoned(why)) => return Err(*why),
            Ok(State::Pending) | Err(_) => return Err(Abandoned::GivenUp),
        };
        // Published before this request came, with a fence between: the fence may cover what only the published facts
        // say, so a look has to decide.
        if entry.checked() < self.joined_at { Err(Abandoned::Fenced) } else { Ok(entry) }
    }
}

pub(crate) fn judge(verdict: Verdict) -> Result<Sequence, Fenced> {
    match verdict {
        Verdict::Clear(upto) => Ok(upto),
        Verdict::Covered => Err(Fenced::Covered),
        Verdict::Forgotten => Err(Fenced::Forgotten),
    }
}
