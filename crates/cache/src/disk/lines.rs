//! What is known of the files without reading them: one line for each, found by key, by prefix, and by what it came from
//! or is tagged with. It is made anew at each start, from the heads of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;

use afterimage_identity::{CacheTag, Original, Selector, Sequence};

use super::header::{Origin, TierId};
use crate::Facts;
use crate::entry::url;
use crate::sieve::Sieve;

/// File systems give room in blocks of this size.
const BLOCK_BYTES: u64 = 4096;

/// What a file takes on disk.
pub(crate) fn blocks(file_bytes: u64) -> u64 {
    file_bytes.div_ceil(BLOCK_BYTES).max(1) * BLOCK_BYTES
}

struct Line {
    path: Arc<str>,
    /// Keyed digests of its original and of each tag: texts would take three times the room.
    names: Box<[u64]>,
    bytes: u64,
    sequence: Sequence,
    written: u64,
    visited: bool,
}

/// A line, as one that looks it up needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Which writing of its key by this process it is; 0 for what lay there at the start.
    pub(crate) written: u64,
    /// Every fence up to here was found not to cover it.
    pub(crate) upto: Sequence,
}

/// All lines of one tier.
pub(crate) struct Lines {
    pub(crate) tier: TierId,
    /// The folders before this one have been counted; what lies in the others may have no line yet.
    pub(crate) counted_folders: usize,
    /// No tier: nothing is read or written.
    pub(crate) off: bool,
    /// Every file that was there at the start has been tested against all fences up to here, or removed.
    pub(crate) swept_before: Sequence,
    /// Every line has been tested against all fences up to here, or removed.
    pub(crate) swept: Sequence,
    /// The last fence when counting began.
    pub(crate) opened_at: Sequence,
    pub(crate) bytes: u64,
    slots: Vec<Option<Line>>,
    free: Vec<u32>,
    sieve: Sieve,
    paths: BTreeMap<Arc<str>, u32>,
    names: BTreeSet<(u64, u32)>,
    keyed: RandomState,
    written: u64,
}

impl Lines {
    pub(crate) fn new(tier: TierId, swept_before: Sequence, opened_at: Sequence) -> Self {
        Self {
            tier,
            counted_folders: 0,
            off: false,
            swept_before,
            swept: Sequence(0),
            opened_at,
            bytes: 0,
            slots: Vec::new(),
            free: Vec::new(),
            sieve: Sieve::new(),
            paths: BTreeMap::new(),
            names: BTreeSet::new(),
            keyed: RandomState::new(),
            written: 0,
        }
    }

    /// Whether a file is of this tier. A sequence that the log of its process did not come to: the fence was never
    /// acknowledged, or the log is an older one, and another fence may have its number by now.
    pub(crate) fn owns(&self, origin: &Origin, run: u64) -> bool {
        origin.tier == self.tier && (origin.run == run || origin.sequence <= self.opened_at)
    }

    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    fn original_name(&self, original: &Original) -> u64 {
        self.keyed.hash_one(("original", original))
    }

    fn tag_name(&self, tag: &CacheTag) -> u64 {
        self.keyed.hash_one(("tag", tag))
    }

    /// Takes in a file of so many bytes that was written just now, in the place of any other with its key.
    pub(crate) fn insert(&mut self, facts: &Facts, file_bytes: u64, sequence: Sequence) {
        self.written += 1;
        self.enter(facts, file_bytes, sequence, self.written);
    }

    /// Takes in a file that lay there at the start.
    pub(crate) fn count(&mut self, facts: &Facts, file_bytes: u64, sequence: Sequence) {
        self.enter(facts, file_bytes, sequence, 0);
    }

    fn enter(&mut self, facts: &Facts, file_bytes: u64, sequence: Sequence, written: u64) {
        self.remove(&facts.path);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("4 billion files are 16 TiB of blocks at least")
        });
        let mut names: Vec<_> = facts.tags.iter().map(|tag| self.tag_name(tag)).collect();
        names.extend(facts.original.as_ref().map(|original| self.original_name(original)));
        self.names.extend(names.iter().map(|name| (*name, slot)));
        let (path, bytes): (Arc<str>, _) = (facts.path.as_str().into(), blocks(file_bytes));
        let names = names.into_boxed_slice();
        self.paths.insert(path.clone(), slot);
        self.slots[slot as usize] = Some(Line { path, names, bytes, sequence, written, visited: false });
        self.sieve.insert(slot);
        self.bytes += bytes;
    }

    /// Takes the line of a key out; `false` when there is none.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let Some(slot) = self.paths.remove(path) else { return false };
        let Some(line) = self.slots[slot as usize].take() else { return false };
        for name in &line.names {
            self.names.remove(&(*name, slot));
        }
        self.sieve.remove(slot);
        self.free.push(slot);
        self.bytes -= line.bytes;
        true
    }

    fn line(&self, slot: u32) -> Option<&Line> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The line of a key.
    pub(crate) fn get(&self, path: &str) -> Option<Known> {
        self.line(*self.paths.get(path)?)
            .map(|line| Known { written: line.written, upto: line.sequence.max(self.swept) })
    }

    /// Whether the folder of a file has been counted, so that it has no line only if it is not there.
    pub(crate) fn is_counted(&self, place: &str) -> bool {
        let folder = place.get(..2).and_then(|digits| usize::from_str_radix(digits, 16).ok());
        folder.is_some_and(|folder| folder < self.counted_folders)
    }

    /// Remembers that a key was asked for.
    pub(crate) fn visit(&mut self, path: &str) {
        if let Some(slot) = self.paths.get(path)
            && let Some(line) = &mut self.slots[*slot as usize]
        {
            line.visited = true;
        }
    }

    /// The key whose file should make room. `spare` says which ones are in use in another way.
    pub(crate) fn victim(&mut self, spare: impl Fn(&str) -> bool) -> Option<Arc<str>> {
        let slots = &mut self.slots;
        let slot = self.sieve.victim(|slot| {
            let Some(line) = &mut slots[slot as usize] else { return false };
            std::mem::take(&mut line.visited) || spare(&line.path)
        })?;
        self.line(slot).map(|line| line.path.clone())
    }

    /// Up to `lines_max` keys that a selector names, behind `after`, whose lines are older than the fence `before`. With
    /// the place to go on from while more may follow.
    pub(crate) fn slice(
        &self,
        selector: &Selector,
        before: Sequence,
        after: Option<Place>,
        lines_max: usize,
    ) -> (Vec<Arc<str>>, Option<Place>) {
        let (mut found, mut seen, mut last) = (Vec::new(), 0, None);
        for slot in self.named(selector, &after).take(lines_max) {
            seen += 1;
            let Some(line) = self.line(slot) else { continue };
            last = Some(match selector {
                Selector::Original(_) | Selector::Tag(_) => Place::Slot(slot),
                Selector::Path(_) | Selector::Prefix(_) | Selector::All => Place::Path(line.path.clone()),
            });
            if line.sequence < before {
                found.push(line.path.clone());
            }
        }
        (found, last.filter(|_| seen == lines_max))
    }

    /// The slots that a selector names, behind `after`.
    fn named<'a>(&'a self, selector: &'a Selector, after: &Option<Place>) -> Box<dyn Iterator<Item = u32> + 'a> {
        match selector {
            Selector::Original(original) => self.members(self.original_name(original), after),
            Selector::Tag(tag) => self.members(self.tag_name(tag), after),
            // A key comes first of all texts that begin with it, and those with a line feed behind it next.
            Selector::Path(path) => self.range(path, after, move |found| url(found) == path),
            Selector::Prefix(prefix) => self.range(prefix, after, move |found| found.starts_with(prefix)),
            Selector::All => self.range("", after, |_| true),
        }
    }

    fn members(&self, name: u64, after: &Option<Place>) -> Box<dyn Iterator<Item = u32> + '_> {
        let start = match after {
            Some(Place::Slot(slot)) => Bound::Excluded((name, *slot)),
            _ => Bound::Included((name, 0)),
        };
        Box::new(self.names.range((start, Bound::Included((name, u32::MAX)))).map(|(_, slot)| *slot))
    }

    fn range<'a>(
        &'a self,
        from: &str,
        after: &Option<Place>,
        belongs: impl Fn(&str) -> bool + 'a,
    ) -> Box<dyn Iterator<Item = u32> + 'a> {
        let start = match after {
            Some(Place::Path(path)) => Bound::Excluded(&**path),
            _ => Bound::Included(from),
        };
        let range = self.paths.range::<str, _>((start, Bound::Unbounded));
        Box::new(range.take_while(move |(path, _)| belongs(path)).map(|(_, slot)| *slot))
    }
}

/// Where a slice ended.
pub(crate) enum Place {
    Slot(u32),
    Path(Arc<str>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_identity::{OriginalKey, SourceId};

    fn facts(path: &str, key: &str) -> Facts {
        let original = Original::new(SourceId::default(), OriginalKey::new(key).unwrap());
        Facts { path: path.into(), tags: original.tags(), original: Some(original), ..Facts::default() }
    }

    fn all(lines: &Lines, selector: &Selector, before: u64) -> Vec<String> {
        let (mut paths, mut after) = (Vec::new(), None);
        loop {
            let (found, next) = lines.slice(selector, Sequence(before), after, 2);
            paths.extend(found.iter().map(|path| path.to_string()));
            after = match next {
                Some(place) => Some(place),
                None => return paths,
            };
        }
    }

    #[test]
    fn selectors_find_what_they_name_in_slices() {
        let mut lines = Lines::new([0; 16], Sequence(0), Sequence(0));
        for (path, key) in
            [("/f/a/1", "f/a"), ("/f/a/2", "f/a"), ("/f/a/2\nvary", "f/a"), ("/f/b/1", "f/b"), ("/g", "g")]
        {
            lines.insert(&facts(path, key), 1, Sequence(3));
        }
        let a = facts("", "f/a").original.unwrap();
        for (selector, expected) in [
            (Selector::Original(a.clone()), &["/f/a/1", "/f/a/2", "/f/a/2\nvary"][..]),
            (Selector::Tag(a.tags()[1].clone()), &["/f/a/1", "/f/a/2", "/f/a/2\nvary", "/f/b/1"]),
            (Selector::Path("/f/a/2".into()), &["/f/a/2", "/f/a/2\nvary"]),
            (Selector::Prefix("/f/".into()), &["/f/a/1", "/f/a/2", "/f/a/2\nvary", "/f/b/1"]),
            (Selector::All, &["/f/a/1", "/f/a/2", "/f/a/2\nvary", "/f/b/1", "/g"]),
            (Selector::Path("/f".into()), &[]),
        ] {
            assert_eq!(all(&lines, &selector, 4), expected, "{selector}");
            assert!(all(&lines, &selector, 3).is_empty(), "{selector} found what is newer than it");
        }
        assert!(lines.remove("/f/a/2") && !lines.remove("/f/a/2"));
        assert_eq!(all(&lines, &Selector::Original(a), 4), ["/f/a/1", "/f/a/2\nvary"]);
        assert_eq!(lines.bytes, 4 * BLOCK_BYTES);
        for path in ["/f/a/1", "/f/a/2\nvary", "/f/b/1", "/g"] {
            lines.remove(path);
        }
        assert_eq!((lines.bytes, lines.len(), lines.names.len()), (0, 0, 0));
    }

    #[test]
    fn a_file_takes_whole_blocks() {
        assert_eq!([0, 1, 4096, 4097].map(blocks), [4096, 4096, 4096, 8192]);
    }
}
