//! Which invalidations there were: what may begin, what was asked for before, what is in progress, and which are listed.
//! It holds so many, and so many bytes; what is in progress is never forgotten.

use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use afterimage_identity::Digest;

use super::fault::{Code, Fault};
use crate::item::Item;

/// What all remembered invalidations may take, in bytes: their number alone bounds nothing, a single one may hold 12 MB.
const BYTES_MAX: usize = 64 << 20;
/// What is kept about an invalidation and about an item beside their texts, in bytes, roughly.
const OVERHEAD_BYTES: usize = 64;
/// The most that one page of a list holds (CloudFront's own), and what it holds if nobody says.
pub(crate) const PAGE_MAX: usize = 100;

/// How many may be in progress, and how many are remembered afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Exact paths and tags in progress at once.
    pub paths_max: usize,
    /// Paths that end in `*` in progress at once.
    pub wildcards_max: usize,
    /// Invalidations remembered once they are finished.
    pub kept_max: usize,
}

impl Default for Limits {
    /// CloudFront's own quotas, and the last thousand.
    fn default() -> Self {
        Self { paths_max: 3000, wildcards_max: 15, kept_max: 1000 }
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The caller's own name for it.
    pub(crate) reference: String,
    /// The items as they were written, and what they are.
    pub(crate) items: Vec<(String, Item)>,
}

impl Batch {
    fn is_wildcard((_, item): &(String, Item)) -> bool {
        matches!(item, Item::Wildcard(_))
    }

    /// How many items count as paths, and how many as wildcards.
    fn counts(&self) -> (usize, usize) {
        let wildcards = self.items.iter().filter(|item| Self::is_wildcard(item)).count();
        (self.items.len() - wildcards, wildcards)
    }

    fn bytes(&self) -> usize {
        let items: usize = self.items.iter().map(|(text, _)| 2 * text.len() + OVERHEAD_BYTES).sum();
        items + 2 * self.reference.len() + OVERHEAD_BYTES
    }

    /// Whether another batch asks for the same, in whichever order.
    fn asks_the_same(&self, other: &Self) -> bool {
        let texts = |batch: &Self| {
            let mut texts: Vec<_> = batch.items.iter().map(|(text, _)| text.clone()).collect();
            texts.sort_unstable();
            texts
        };
        texts(self) == texts(other)
    }
}

/// One invalidation. Its fences were raised before there was a record of it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) created: SystemTime,
    pub(crate) completed: bool,
    pub(crate) batch: Batch,
    /// How many entries each item matched, as the answer says it.
    pub(crate) matched: String,
}

impl Record {
    fn bytes(&self) -> usize {
        self.batch.bytes() + self.matched.len()
    }
}

/// Part of a list, the newest first.
#[derive(Debug)]
pub(crate) struct Page {
    /// Id, creation, and whether it is finished.
    pub(crate) rows: Vec<(String, SystemTime, bool)>,
    /// Where the next page begins, if there is more.
    pub(crate) next: Option<String>,
}

/// All that are remembered.
pub(crate) struct Ledger {
    limits: Limits,
    /// No two processes make the same ids.
    started: SystemTime,
    next: u64,
    bytes: usize,
    records: BTreeMap<u64, Record>,
    by_id: HashMap<String, u64>,
    by_reference: HashMap<String, u64>,
    in_progress: usize,
    paths: usize,
    wildcards: usize,
}

impl Ledger {
    pub(crate) fn new(limits: Limits, started: SystemTime) -> Self {
        Self {
            limits,
            started,
            next: 0,
            bytes: 0,
            records: BTreeMap::new(),
            by_id: HashMap::new(),
            by_reference: HashMap::new(),
            in_progress: 0,
            paths: 0,
            wildcards: 0,
        }
    }

    /// The invalidation that was asked for with the same reference before.
    ///
    /// # Errors
    /// When that one was another.
    pub(crate) fn same(&self, batch: &Batch) -> Result<Option<&Record>, Fault> {
        let Some(record) = self.by_reference.get(&batch.reference).and_then(|at| self.records.get(at)) else {
            return Ok(None);
        };
        if record.batch.asks_the_same(batch) {
            return Ok(Some(record));
        }
        Err(Fault::new(
            Code::InvalidationBatchAlreadyExists,
            "Your request contains a caller reference that was used for a previous invalidation batch for the same \
             distribution.",
        ))
    }

    /// Whether one more may begin.
    ///
    /// # Errors
    /// When it can never be allowed, or not while others are in progress.
    pub(crate) fn admit(&self, batch: &Batch) -> Result<(), Fault> {
        let (paths, wildcards) = batch.counts();
        let Limits { paths_max, wildcards_max, .. } = self.limits;
        if paths > paths_max {
            let words =
                format!("{paths} paths and tags in one batch; the most is {paths_max}: split it, or use a wildcard");
            return Err(Fault::new(Code::BatchTooLarge, words));
        }
        let refuse = |what: &str, more: usize, now: usize, most: usize| {
            let words = format!("{more} {what} would be added to {now} in progress; the most is {most}");
            Err(Fault::new(Code::TooManyInvalidationsInProgress, words))
        };
        if self.paths + paths > paths_max {
            return refuse("paths and tags", paths, self.paths, paths_max);
        }
        if self.wildcards + wildcards > wildcards_max {
            return refuse("wildcards", wildcards, self.wildcards, wildcards_max);
        }
        Ok(())
    }

    /// Takes in an invalidation whose fences are raised; it is in progress from here on.
    pub(crate) fn begin(&mut self, batch: Batch, created: SystemTime, matched: String) -> Record {
        let at = self.next;
        self.next += 1;
        let record = Record { id: self.id(at, &batch.reference), created, completed: false, batch, matched };
        let (paths, wildcards) = record.batch.counts();
        self.in_progress += 1;
        self.paths += paths;
        self.wildcards += wildcards;
        self.bytes += record.bytes();
        self.by_id.insert(record.id.clone(), at);
        self.by_reference.insert(record.batch.reference.clone(), at);
        self.records.insert(at, record.clone());
        record
    }

    /// Every tier is clean of what it covers.
    pub(crate) fn complete(&mut self, id: &str) {
        let Some(record) = self.by_id.get(id).and_then(|at| self.records.get_mut(at)) else { return };
        if std::mem::replace(&mut record.completed, true) {
            return;
        }
        let (paths, wildcards) = record.batch.counts();
        self.in_progress -= 1;
        self.paths -= paths;
        self.wildcards -= wildcards;
        self.forget();
    }

    fn forget(&mut self) {
        while self.records.len() - self.in_progress > self.limits.kept_max || self.bytes > BYTES_MAX {
            // The oldest that is finished. The one just finished is, so there is one.
            let Some(at) = self.records.iter().find(|(_, record)| record.completed).map(|(at, _)| *at) else { return };
            let Some(record) = self.records.remove(&at) else { return };
            self.bytes -= record.bytes();
            self.by_id.remove(&record.id);
            if self.by_reference.get(&record.batch.reference) == Some(&at) {
                self.by_reference.remove(&record.batch.reference);
            }
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Record> {
        self.by_id.get(id).and_then(|at| self.records.get(at))
    }

    /// Those older than `marker`, the newest first.
    ///
    /// # Errors
    /// When the marker names none that is remembered.
    pub(crate) fn page(&self, marker: Option<&str>, items_max: usize) -> Result<Page, Fault> {
        let before = match marker {
            None => u64::MAX,
            Some(marker) => *self.by_id.get(marker).ok_or_else(|| {
                Fault::new(Code::InvalidArgument, "The marker names no invalidation that is remembered.")
            })?,
        };
        let mut older = self.records.range(..before).rev().map(|(_, record)| record);
        let rows: Vec<_> = older
            .by_ref()
            .take(items_max)
            .map(|record| (record.id.clone(), record.created, record.completed))
            .collect();
        let next = older.next().and_then(|_| rows.last()).map(|(id, ..)| id.clone());
        Ok(Page { rows, next })
    }

    /// How many are in progress.
    pub(crate) fn in_progress(&self) -> usize {
        self.in_progress
    }

    /// How many there were since the start.
    pub(crate) fn total(&self) -> u64 {
        self.next
    }

    /// When the oldest that is in progress began.
    pub(crate) fn oldest_in_progress(&self) -> Option<SystemTime> {
        self.records.values().find(|record| !record.completed).map(|record| record.created)
    }

    /// `I` and thirteen letters and digits, as CloudFront's are.
    fn id(&self, at: u64, reference: &str) -> String {
        let started = self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let digest =
            Digest::new("invalidation").part(&started.to_be_bytes()).part(&at.to_be_bytes()).part(reference.as_bytes());
        format!("I{}", digest.hex(13).to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn batch(reference: &str, items: &[&str]) -> Batch {
        let items = items.iter().map(|text| ((*text).to_owned(), Item::parse(text).unwrap())).collect();
        Batch { reference: reference.into(), items }
    }

    fn ledger(paths_max: usize, wildcards_max: usize, kept_max: usize) -> Ledger {
        Ledger::new(Limits { paths_max, wildcards_max, kept_max }, SystemTime::UNIX_EPOCH)
    }

    fn begin(ledger: &mut Ledger, reference: &str, items: &[&str]) -> String {
        let batch = batch(reference, items);
        ledger.admit(&batch).unwrap();
        ledger.begin(batch, SystemTime::UNIX_EPOCH + Duration::from_secs(ledger.total()), String::new()).id
    }

    #[test]
    fn the_same_reference_finds_the_same_batch_and_no_other() {
        let mut ledger = ledger(10, 10, 10);
        let id = begin(&mut ledger, "r", &["/a", "/b*"]);
        assert_eq!(ledger.same(&batch("r", &["/b*", "/a"])).unwrap().unwrap().id, id);
        for other in [&["/a"][..], &["/a", "/a", "/b*"], &["/a", "/B*"]] {
            assert_eq!(ledger.same(&batch("r", other)).unwrap_err().code, Code::InvalidationBatchAlreadyExists);
        }
        assert!(ledger.same(&batch("R", &["/a", "/b*"])).unwrap().is_none());
    }

    #[test]
    fn quotas_hold_at_the_bound_and_past_it_and_end_with_completion() {
        let mut ledger = ledger(3, 2, 10);
        let first = begin(&mut ledger, "1", &["/a", "#t", "/w*"]);
        let refused = |ledger: &Ledger, items: &[&str]| ledger.admit(&batch("x", items)).err().map(|fault| fault.code);
        assert_eq!(refused(&ledger, &["/b", "/v*"]), None);
        assert_eq!(refused(&ledger, &["/b", "/c"]), Some(Code::TooManyInvalidationsInProgress));
        assert_eq!(refused(&ledger, &["#b", "#c"]), Some(Code::TooManyInvalidationsInProgress));
        assert_eq!(refused(&ledger, &["/u*", "/v*"]), Some(Code::TooManyInvalidationsInProgress));
        assert_eq!(refused(&ledger, &["/1", "/2", "/3", "/4"]), Some(Code::BatchTooLarge));
        ledger.complete(&first);
        ledger.complete(&first);
        assert_eq!(refused(&ledger, &["/b", "/c", "/d", "/u*", "/v*"]), None);
        assert_eq!(ledger.in_progress(), 0);
    }

    #[test]
    fn so_many_finished_ones_are_remembered_and_all_that_are_in_progress() {
        let mut ledger = ledger(10, 10, 2);
        let ids: Vec<_> = (0..5).map(|at| begin(&mut ledger, &at.to_string(), &["/a"])).collect();
        assert!(ids.iter().all(|id| ledger.get(id).is_some()));
        for id in &ids[1..] {
            ledger.complete(id);
        }
        let known: Vec<_> = ids.iter().map(|id| ledger.get(id).is_some()).collect();
        assert_eq!(known, [true, false, false, true, true]);
        assert!(ledger.same(&batch("1", &["/other"])).unwrap().is_none(), "a forgotten reference is free again");
        assert_eq!(ledger.oldest_in_progress(), Some(SystemTime::UNIX_EPOCH));
        ledger.complete(&ids[0]);
        assert!(ledger.get(&ids[0]).is_none(), "the oldest goes first");
        assert_eq!(ledger.oldest_in_progress(), None);
    }

    #[test]
    fn so_many_bytes_are_remembered() {
        let mut ledger = ledger(100_000, 10, 1000);
        let long = format!("/{}", "x".repeat(3999));
        let items = vec![long.as_str(); 3000];
        let ids: Vec<_> = (0..5)
            .map(|at| {
                let id = begin(&mut ledger, &at.to_string(), &items);
                ledger.complete(&id);
                id
            })
            .collect();
        assert!(ledger.bytes <= BYTES_MAX);
        assert!(ledger.get(&ids[0]).is_none());
        assert!(ledger.get(&ids[4]).is_some());
    }

    #[test]
    fn pages_go_from_the_newest_to_the_oldest() {
        let mut ledger = ledger(100, 10, 100);
        let mut ids: Vec<_> = (0..5).map(|at| begin(&mut ledger, &at.to_string(), &["/a"])).collect();
        ids.reverse();
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let page = ledger.page(marker.as_deref(), 2).unwrap();
            seen.extend(page.rows.into_iter().map(|(id, ..)| id));
            marker = page.next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids);
        let whole = ledger.page(None, 5).unwrap();
        assert_eq!((whole.rows.len(), whole.next), (5, None), "exactly full is not truncated");
        assert_eq!(ledger.page(Some("I0"), 2).unwrap_err().code, Code::InvalidArgument);
        assert!(ids.iter().all(|id| id.len() == 14 && id.starts_with('I')));
    }
}
