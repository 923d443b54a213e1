//! Taking in what a fill brought: the last test against fences, the proof it shares, and the room it needs.

use std::sync::Arc;

use afterimage_identity::Stamp;

use crate::cache::Inner;
use crate::entry::{self, Weigh};
use crate::fill::{Fenced, Fill};
use crate::group::Group;
use crate::index::{Index, Joined};
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::{Entry, Facts, Kept};

impl<T: Weigh> Inner<T> {
    pub(crate) fn publish(
        &self,
        fill: &Fill<T>,
        mut facts: Facts,
        payload: T,
        keep: bool,
        now: Stamp,
    ) -> Result<Arc<Entry<T>>, Fenced> {
        let bytes = entry::weight(&facts, payload.bytes());
        // An honest question was sent before now; taking it as older than it was never serves longer.
        facts.proved_at = facts.proved_at.map(|stamp| stamp.min(now));
        let hash = self.table.hash(&facts.path);
        let mut leaving = Vec::new();
        let mut index = lock(&self.index);
        // The test and the insertion are one step for a fence: it is appended before it takes this lock to erase, so it
        // either stands against the test or finds the entry.
        let checked = fill.verdict(&facts)?;
        let (mut kept, group) = self.join_group(&mut index, &facts, keep, &mut leaving);
        if kept == Kept::Yes {
            kept = self.make_room(&mut index, bytes, &mut leaving);
        }
        let group = group.or_else(|| self.own_group(&facts));
        if kept == Kept::Yes {
            index.share(&mut facts);
        }
        let entry = Arc::new(Entry::new(facts, payload, bytes, hash, kept, group, checked));
        if kept == Kept::Yes {
            leaving.extend(index.insert(&self.table, &entry));
            // Under the lock: what comes first into memory comes first onto the disk.
            if let Some(disk) = &self.disk {
                disk.keep(&entry);
            }
        }
        drop(index);
        // Payloads are freed outside the lock.
        drop(leaving);
        self.sweep_in_passing();
        Ok(entry)
    }

    /// Decides whether the entry may be kept as far as its original is concerned, and finds the proof it shares.
    pub(crate) fn join_group(
        &self,
        index: &mut Index<T>,
        facts: &Facts,
        keep: bool,
        leaving: &mut Vec<Arc<Entry<T>>>,
    ) -> (Kept, Option<Arc<Group>>) {
        if !keep {
            return (Kept::NotAsked, None);
        }
        let Some(original) = &facts.original else { return (Kept::Yes, None) };
        let Some(version) = &facts.version else {
            let kept = if facts.fresh_until.is_some() { Kept::Yes } else { Kept::Unbounded };
            return (kept, None);
        };
        match index.join(original, version, facts.proved_at, self.own_window(original), self.window()) {
            Joined::Group(group) => (Kept::Yes, Some(group)),
            Joined::Alone(group) => (Kept::OtherVersion, Some(group)),
            Joined::Replaced(group) => {
                leaving.extend(self.erase_family(index, original));
                (Kept::Yes, Some(group))
            }
        }
    }

    /// The proof of an entry that is handed out but not kept: nobody shares it.
    fn own_group(&self, facts: &Facts) -> Option<Arc<Group>> {
        let (original, version) = (facts.original.as_ref()?, facts.version.as_ref()?);
        Some(Arc::new(Group::new(version.clone(), facts.proved_at, self.own_window(original), self.window())))
    }

    pub(crate) fn make_room(&self, index: &mut Index<T>, bytes: u64, leaving: &mut Vec<Arc<Entry<T>>>) -> Kept {
        let max = self.config.item_bytes_max.min(self.config.bytes_max);
        if bytes > max {
            return Kept::TooLarge { bytes, max };
        }
        while index.bytes + bytes > self.config.bytes_max {
            let Some(victim) = index.victim() else { break };
            index.remove(&self.table, &victim);
            self.evicted.fetch_add(1, Ordering::Relaxed);
            leaving.push(victim);
        }
        Kept::Yes
    }
}
