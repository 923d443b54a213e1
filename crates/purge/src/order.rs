//! What is to be done, as the journal keeps it: the receipt so far, and what it is about.

use std::collections::BTreeMap;

use afterimage_identity::{
    CacheTag, FoundBy, Layer, LayerState, Original, OriginalKey, Receipt, ReceiptState, Removed, SourceId, Subject,
    Version,
};
use serde::{Deserialize, Serialize};

use crate::Error;

/// How many originals one purge is about at most; more are split.
pub(crate) const TARGETS_MAX: usize = 1_000;
/// How many removed derivatives a receipt names.
pub(crate) const REMOVED_MAX: usize = 1_000;
/// The layer of the stored derivatives in receipts.
pub(crate) const DERIVATIVES: &str = "derivatives";

/// A purge that somebody asks for. It is unconditional: all versions go, and the next request renders anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What to purge.
    pub selector: OrderOf,
    /// Whether to come back only when it is done.
    #[serde(default)]
    pub wait: bool,
}

/// What somebody wants purged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderOf {
    /// One original's derivatives.
    Key(OriginalKey),
    /// Those of every original whose key begins so; a folder ends in a slash.
    Prefix(String),
    /// All.
    All,
}

/// Which receipts to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Only about this original, or a folder it lies in, or everything.
    pub key: Option<OriginalKey>,
    /// Only in this state.
    pub state: Option<ReceiptState>,
    /// Only with a greater id.
    pub after_id: Option<u64>,
    /// At most so many, the newest; 0 means 100.
    pub limit: usize,
}

impl Filter {
    pub(crate) fn limit(&self) -> usize {
        if self.limit == 0 { 100 } else { self.limit }
    }

    pub(crate) fn takes(&self, receipt: &Receipt) -> bool {
        let about = |key: &OriginalKey| match &receipt.subject {
            Subject::Original(original) => original.key == *key,
            Subject::Folder { prefix, .. } => key.as_str().starts_with(prefix.as_str()),
            Subject::Everything { .. } => true,
        };
        self.key.as_ref().is_none_or(about)
            && self.state.is_none_or(|state| state == receipt.state)
            && self.after_id.is_none_or(|id| receipt.id > id)
    }
}

/// One original of a purge, and the version whose derivatives stay as far as was known when it was planned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) original: Original,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keep: Option<Version>,
}

/// What a purge is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Targets {
    Originals(Vec<Target>),
    Prefix(String),
    All,
}

/// A purge under way, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) receipt: Receipt,
    pub(crate) targets: Targets,
    /// What was stored when it was planned: a fresh process cannot count what a dead one removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) planned: Vec<Removed>,
    /// Whether it reaches the whole folder it is about, and not only the originals it names.
    #[serde(default)]
    pub(crate) wide: bool,
    /// How often each outer cache was told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) told: BTreeMap<String, u8>,
    /// Whether the outer caches have to be told again: known when it is clean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<bool>,
    /// Whether the first sweep was made, by this process.
    #[serde(skip)]
    pub(crate) swept: bool,
    /// An outer cache refused for good; tried again by the next process.
    #[serde(skip)]
    pub(crate) parked: bool,
}

impl Task {
    pub(crate) fn new(subject: Subject, targets: Targets, reason: &str, found_by: FoundBy, heard_at_ms: u64) -> Self {
        let receipt = Receipt {
            id: 0,
            subject,
            reason: reason.to_owned(),
            found_by,
            state: ReceiptState::Planned,
            heard_at_ms,
            fenced_at_ms: None,
            clean_at_ms: None,
            done_at_ms: None,
            sequence: None,
            entries_matched: 0,
            fills_overlapping: 0,
            removed: Vec::new(),
            removed_count: 0,
            layers: Vec::new(),
            recoverable: Vec::new(),
        };
        Self {
            receipt,
            targets,
            planned: Vec::new(),
            wide: false,
            told: BTreeMap::new(),
            again: None,
            swept: false,
            parked: false,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.receipt.state == ReceiptState::Done
    }

    pub(crate) fn is_held(&self) -> bool {
        self.receipt.state == ReceiptState::Held
    }

    /// Asked for by somebody: all versions go, whatever the source says.
    pub(crate) fn is_unconditional(&self) -> bool {
        self.receipt.found_by == FoundBy::Operator
    }

    pub(crate) fn layer(&mut self, name: &str, state: LayerState) {
        match self.receipt.layers.iter_mut().find(|layer| layer.name == name) {
            Some(layer) => layer.state = state,
            None => self.receipt.layers.push(Layer { name: name.to_owned(), state }),
        }
    }

    pub(crate) fn removed(&mut self, removed: Vec<Removed>, count: u64) {
        let room = REMOVED_MAX.saturating_sub(self.receipt.removed.len());
        self.receipt.removed.extend(removed.into_iter().take(room));
        self.receipt.removed_count += count;
    }

    /// Counts what was planned and is gone, though not by this process.
    pub(crate) fn count_planned(&mut self) {
        let counted: std::collections::HashSet<String> =
            self.receipt.removed.iter().map(|removed| removed.key.clone()).collect();
        let missed: Vec<Removed> =
            self.planned.iter().filter(|planned| !counted.contains(&planned.key)).cloned().collect();
        let count = missed.len() as u64;
        self.removed(missed, count);
    }
}

/// What somebody's wish is about.
pub(crate) fn subject_of(source: &SourceId, selector: OrderOf) -> Result<(Subject, Targets), Error> {
    let source = source.clone();
    Ok(match selector {
        OrderOf::Key(key) => {
            let original = Original::new(source, key);
            let targets = Targets::Originals(vec![Target { original: original.clone(), keep: None }]);
            (Subject::Original(original), targets)
        }
        OrderOf::Prefix(prefix) if prefix.is_empty() => {
            return Err(Error::Config("the prefix is empty; ask for everything instead".to_owned()));
        }
        OrderOf::Prefix(prefix) => (Subject::Folder { source, prefix: prefix.clone() }, Targets::Prefix(prefix)),
        OrderOf::All => (Subject::Everything { source }, Targets::All),
    })
}

/// The tag of a folder, where responses below it carry one.
pub(crate) fn folder_tag(source: &SourceId, prefix: &str) -> Option<CacheTag> {
    let depth = prefix.matches('/').count();
    (prefix.ends_with('/') && depth <= CacheTag::FOLDERS_MAX).then(|| CacheTag::folder(source, prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_responses_are_tagged_with_have_a_tag() {
        let source = SourceId::default();
        assert_eq!(folder_tag(&source, "p/"), Some(CacheTag::folder(&source, "p/")));
        assert_eq!(folder_tag(&source, "p"), None);
        let deep = |depth: usize| "d/".repeat(depth);
        assert!(folder_tag(&source, &deep(CacheTag::FOLDERS_MAX)).is_some());
        assert!(folder_tag(&source, &deep(CacheTag::FOLDERS_MAX + 1)).is_none());
    }

    #[test]
    fn receipts_name_a_bounded_number_and_count_all() {
        let subject = Subject::Everything { source: SourceId::default() };
        let mut task = Task::new(subject, Targets::All, "asked for", FoundBy::Operator, 0);
        let removed =
            |from: usize, to: usize| (from..to).map(|n| Removed { key: n.to_string(), bytes: 1 }).collect::<Vec<_>>();
        task.removed(removed(0, REMOVED_MAX), REMOVED_MAX as u64);
        assert_eq!(task.receipt.removed.len(), REMOVED_MAX);
        task.removed(removed(REMOVED_MAX, REMOVED_MAX + 1), 1);
        assert_eq!(task.receipt.removed.len(), REMOVED_MAX);
        assert_eq!(task.receipt.removed_count, REMOVED_MAX as u64 + 1);
    }

    #[test]
    fn what_a_dead_process_removed_is_counted_once() {
        let subject = Subject::Everything { source: SourceId::default() };
        let mut task = Task::new(subject, Targets::All, "gone", FoundBy::Event, 0);
        task.planned = vec![Removed { key: "a".into(), bytes: 1 }, Removed { key: "b".into(), bytes: 1 }];
        task.removed(vec![Removed { key: "b".into(), bytes: 1 }], 1);
        task.count_planned();
        assert_eq!(task.receipt.removed_count, 2);
    }
}
