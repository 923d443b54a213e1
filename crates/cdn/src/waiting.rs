//! What waits to be sent: each item once, whoever wants it, in the order of who came first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::item::Item;
use crate::widen::widen;

/// An item, and the references of those who want it forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) item: Item,
    pub(crate) references: Vec<Arc<str>>,
}

/// How many of each may be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) items: usize,
    pub(crate) exact: usize,
    pub(crate) wildcards: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    entries: BTreeMap<u64, Entry>,
    places: HashMap<Item, u64>,
    next: u64,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds who wants an item.
    pub(crate) fn add(&mut self, item: Item, reference: &Arc<str>) {
        if let Some(entry) = self.places.get(&item).and_then(|place| self.entries.get_mut(place)) {
            if !entry.references.contains(reference) {
                entry.references.push(reference.clone());
            }
            return;
        }
        self.places.insert(item.clone(), self.next);
        self.entries.insert(self.next, Entry { item, references: vec![reference.clone()] });
        self.next += 1;
    }

    /// Makes folders of wildcards, where more wait than may be in progress and somebody allows it.
    pub(crate) fn widen(&mut self, wildcards_max: usize, levels: u32) {
        if levels == 0 {
            return;
        }
        for (wide, covered) in widen(self.entries.values().map(|entry| &entry.item), wildcards_max, levels) {
            let taken = covered.iter().filter_map(|item| self.entries.remove(&self.places.remove(item)?));
            let references: Vec<Arc<str>> = taken.flat_map(|entry| entry.references).collect();
            tracing::info!(folder = wide.text(), items = covered.len(), "a folder is forgotten whole");
            for reference in references {
                self.add(wide.clone(), &reference);
            }
        }
    }

    /// Takes as many as there is room for, the oldest first; one that has no room lets others pass.
    pub(crate) fn take(&mut self, mut room: Room) -> Vec<Entry> {
        let mut taken = Vec::new();
        for (place, entry) in &self.entries {
            if room.items == 0 || (room.exact == 0 && room.wildcards == 0) {
                break;
            }
            let left = if entry.item.is_wildcard() { &mut room.wildcards } else { &mut room.exact };
            if *left > 0 {
                *left -= 1;
                room.items -= 1;
                taken.push(*place);
            }
        }
        let entries: Vec<Entry> = taken.iter().filter_map(|place| self.entries.remove(place)).collect();
        for entry in &entries {
            self.places.remove(&entry.item);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wildcard(text: &str) -> Item {
        Item::Wildcard(text.to_owned())
    }

    #[test]
    fn an_item_is_sent_once_however_many_want_it() {
        let mut waiting = Waiting::default();
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        for reference in [&one, &other, &one] {
            waiting.add(Item::Tag("t".into()), reference);
        }
        let taken = waiting.take(Room { items: 9, exact: 9, wildcards: 9 });
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].references, [one.clone(), other]);
        assert_eq!(waiting.len(), 0);
        waiting.add(Item::Tag("t".into()), &one);
        assert_eq!(waiting.len(), 1, "what comes later is sent again");
    }

    #[test]
    fn wildcards_without_room_let_tags_pass() {
        let mut waiting = Waiting::default();
        let one: Arc<str> = "one".into();
        for item in [wildcard("/a"), wildcard("/b"), Item::Tag("t".into()), Item::Tag("u".into())] {
            waiting.add(item, &one);
        }
        let texts = |taken: Vec<Entry>| taken.iter().map(|entry| entry.item.text()).collect::<Vec<_>>();
        assert_eq!(texts(waiting.take(Room { items: 9, exact: 1, wildcards: 1 })), ["/a*", "#t"]);
        assert_eq!(texts(waiting.take(Room { items: 9, exact: 1, wildcards: 0 })), ["#u"]);
        assert_eq!(texts(waiting.take(Room { items: 1, exact: 1, wildcards: 1 })), ["/b*"]);
    }

    #[test]
    fn a_folder_is_wanted_by_all_who_wanted_something_in_it() {
        let mut waiting = Waiting::default();
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        waiting.add(wildcard("/a/1.jpg/-/"), &one);
        waiting.add(Item::Path("/a/1.jpg".into()), &one);
        waiting.add(wildcard("/a/2.jpg/-/"), &other);
        waiting.widen(2, 1);
        assert_eq!(waiting.len(), 3, "as many as may be");
        waiting.widen(1, 1);
        let taken = waiting.take(Room { items: 9, exact: 9, wildcards: 9 });
        assert_eq!(taken, [Entry { item: wildcard("/a/"), references: vec![one, other] }]);
    }
}
