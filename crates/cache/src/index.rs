//! Everything that is known about the entries together: who came when, which come from one original, which carry a tag,
//! which lie under a prefix, and how much they weigh. It changes only under its one lock, which no hit ever takes.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{CacheTag, Original, Selector, Stamp, Version};

use crate::Facts;
use crate::entry::{ByPath, Entry, url};
use crate::group::Group;
use crate::members::Members;
use crate::sieve::Sieve;
use crate::sync::atomic::Ordering;
use crate::table::Table;

/// The entries of one original, and the proof they share. Gone with the last of them.
#[derive(Default)]
struct Family {
    members: Members,
    group: Option<Arc<Group>>,
}

/// What became of a wish to join the group of an original.
pub(crate) enum Joined {
    /// This is the group.
    Group(Arc<Group>),
    /// This is the group now; the other version's entries are to be erased.
    Replaced(Arc<Group>),
    /// A later question found another version: the newcomer has a group of its own that nobody else shares.
    Alone(Arc<Group>),
}

pub(crate) struct Index<T> {
    slots: Vec<Option<Arc<Entry<T>>>>,
    free: Vec<u32>,
    sieve: Sieve,
    families: HashMap<Original, Family>,
    tags: HashMap<CacheTag, Members>,
    paths: BTreeMap<ByPath<T>, u32>,
    pub(crate) bytes: u64,
}

impl<T> Index<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            sieve: Sieve::new(),
            families: HashMap::new(),
            tags: HashMap::new(),
            paths: BTreeMap::new(),
            bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// One more than the highest slot ever used.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn at(&self, slot: usize) -> Option<&Arc<Entry<T>>> {
        self.slots.get(slot)?.as_ref()
    }

    pub(crate) fn groups(&self) -> usize {
        self.families.len()
    }

    pub(crate) fn group(&self, original: &Original) -> Option<&Arc<Group>> {
        self.families.get(original)?.group.as_ref()
    }

    /// Lets facts share what entries here have already: the names of one original, and of its folders, lie in memory once.
    pub(crate) fn share(&self, facts: &mut Facts) {
        if let Some(original) = &mut facts.original
            && let Some((known, _)) = self.families.get_key_value(original)
        {
            original.clone_from(known);
        }
        for tag in &mut facts.tags {
            if let Some((known, _)) = self.tags.get_key_value(tag) {
                tag.clone_from(known);
            }
        }
        facts.tags.shrink_to_fit();
        facts.path.shrink_to_fit();
    }

    /// Takes an entry in, and puts it into the table. What had its place there leaves and is returned.
    pub(crate) fn insert(&mut self, table: &Table<T>, entry: &Arc<Entry<T>>) -> Option<Arc<Entry<T>>> {
        let replaced = table.insert(entry);
        if let Some(replaced) = &replaced {
            self.unlist(replaced);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("the overhead of 4 billion entries exceeds any budget")
        });
        self.slots[slot as usize] = Some(entry.clone());
        entry.slot.store(slot, Ordering::Relaxed);
        self.sieve.insert(slot);
        if let Some(original) = &entry.facts.original {
            let family = self.families.entry(original.clone()).or_default();
            family.members.insert(slot);
            if entry.group.is_some() {
                family.group.clone_from(&entry.group);
            }
        }
        for tag in &entry.facts.tags {
            self.tags.entry(tag.clone()).or_default().insert(slot);
        }
        self.paths.insert(ByPath(entry.clone()), slot);
        self.bytes += entry.bytes;
        replaced
    }

    /// Takes this very entry out of index and table; `false` when it was out already.
    pub(crate) fn remove(&mut self, table: &Table<T>, entry: &Arc<Entry<T>>) -> bool {
        let listed = self.unlist(entry);
        if listed {
            table.remove(entry);
        }
        listed
    }

    fn unlist(&mut self, entry: &Arc<Entry<T>>) -> bool {
        let slot = entry.slot.load(Ordering::Relaxed);
        if !self.at(slot as usize).is_some_and(|found| Arc::ptr_eq(found, entry)) {
            return false;
        }
        self.slots[slot as usize] = None;
        self.free.push(slot);
        self.sieve.remove(slot);
        if let Some(original) = &entry.facts.original
            && let Some(family) = self.families.get_mut(original)
        {
            family.members.remove(slot);
            if family.members.is_empty() {
                self.families.remove(original);
            }
        }
        for tag in &entry.facts.tags {
            if let Some(members) = self.tags.get_mut(tag) {
                members.remove(slot);
                if members.is_empty() {
                    self.tags.remove(tag);
                }
            }
        }
        self.paths.remove(entry.facts.path.as_str());
        self.bytes -= entry.bytes;
        true
    }

    /// The entry that should make room.
    pub(crate) fn victim(&mut self) -> Option<Arc<Entry<T>>> {
        let slots = &self.slots;
        let slot = self.sieve.victim(|slot| {
            slots[slot as usize].as_ref().is_some_and(|entry| entry.visited.swap(false, Ordering::Relaxed))
        })?;
        self.slots[slot as usize].clone()
    }

    /// Finds or makes the group for a version proven at `proved_at`, and restamps it. A group made here is held by the
    /// index only once an entry with it is inserted.
    pub(crate) fn join(
        &mut self,
        original: &Original,
        version: &Version,
        proved_at: Option<Stamp>,
        own_window: Option<Duration>,
        window: Duration,
    ) -> Joined {
        let make = || Arc::new(Group::new(version.clone(), proved_at, own_window, window));
        match self.group(original) {
            None => Joined::Group(make()),
            Some(group) if group.version == *version => {
                if let Some(stamp) = proved_at {
                    group.restamp(stamp, window);
                }
                Joined::Group(group.clone())
            }
            // Of two versions the one that was asked for later is believed; of two asked for at once, the newcomer.
            Some(group) if proved_at >= group.proved_at() => Joined::Replaced(make()),
            Some(_) => Joined::Alone(make()),
        }
    }

    /// Retires the group of an original; no entry that shares it is admitted again.
    pub(crate) fn retire(&mut self, original: &Original) -> bool {
        let group = self.families.get_mut(original).and_then(|family| family.group.take());
        group.inspect(|group| group.retire()).is_some()
    }

    /// Up to `entries_max` entries that a selector names, after the place where the last slice ended; with the place
    /// where this one ended while more may follow. Entries that come or go between two slices may be missed or seen.
    pub(crate) fn slice(
        &self,
        selector: &Selector,
        after: Option<Place>,
        entries_max: usize,
    ) -> (Vec<Arc<Entry<T>>>, Option<Place>) {
        let found: Vec<_> = match selector {
            Selector::Original(original) => {
                self.members(self.families.get(original).map(|family| &family.members), &after, entries_max)
            }
            Selector::Tag(tag) => self.members(self.tags.get(tag), &after, entries_max),
            // A path comes first of all texts that begin with it, and those with a line feed behind it next.
            Selector::Path(path) => self.range(path, &after, entries_max, |found| url(found) == path),
            Selector::Prefix(prefix) => self.range(prefix, &after, entries_max, |found| found.starts_with(prefix)),
            Selector::All => self.range("", &after, entries_max, |_| true),
        };
        let place = |entry: &Arc<Entry<T>>| match selector {
            Selector::Path(_) | Selector::Prefix(_) | Selector::All => Place::Path(entry.facts.path.clone()),
            Selector::Original(_) | Selector::Tag(_) => Place::Slot(entry.slot.load(Ordering::Relaxed)),
        };
        let next = found.last().filter(|_| found.len() >= entries_max).map(place);
        (found, next)
    }

    fn members(&self, members: Option<&Members>, after: &Option<Place>, entries_max: usize) -> Vec<Arc<Entry<T>>> {
        let after = match after {
            Some(Place::Slot(slot)) => Some(*slot),
            _ => None,
        };
        let members = members.into_iter().flat_map(|members| members.after(after));
        members.take(entries_max).filter_map(|slot| self.at(slot as usize).cloned()).collect()
    }

    fn range(
        &self,
        from: &str,
        after: &Option<Place>,
        entries_max: usize,
        belongs: impl Fn(&str) -> bool,
    ) -> Vec<Arc<Entry<T>>> {
        let start = match after {
            Some(Place::Path(path)) => Bound::Excluded(path.as_str()),
            _ => Bound::Included(from),
        };
        let range = self.paths.range::<str, _>((start, Bound::Unbounded)).map(|(ordered, _)| &ordered.0);
        range.take_while(|entry| belongs(&entry.facts.path)).take(entries_max).cloned().collect()
    }
}

/// Where a slice ended.
pub(crate) enum Place {
    Slot(u32),
    Path(String),
}
