//! What a journal says, record by record, and what has to be written of it.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use afterimage_identity::OriginalKey;
use serde::{Deserialize, Serialize};

use crate::order::{Target, Targets, Task};
use crate::shelf::MadeWith;

/// How far a scan has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScanAt {
    pub(crate) after: Option<String>,
    pub(crate) originals: u64,
    /// How many of them are gone or changed.
    pub(crate) lost: u64,
    /// More were found than are remembered.
    pub(crate) more: bool,
    /// The revision of what was written last, of all that was seen so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<MadeWith>,
}

/// One record of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    Base {
        next_id: u64,
        originals_known: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made_with: Option<MadeWith>,
    },
    Task(Box<Task>),
    Suspect(Target),
    ScanAt(ScanAt),
    ScanEnded {
        originals: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made_with: Option<MadeWith>,
    },
}

/// What a journal says.
#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) tasks: BTreeMap<u64, Task>,
    pub(crate) closed: VecDeque<(u64, u64)>,
    pub(crate) closed_bytes: u64,
    pub(crate) dirty: BTreeSet<u64>,
    pub(crate) held: HashSet<OriginalKey>,
    pub(crate) next_id: u64,
    pub(crate) originals_known: u64,
    /// The revision that is made with, as the last whole scan saw it.
    pub(crate) made_with: Option<MadeWith>,
    pub(crate) scan: Option<(ScanAt, Vec<Target>)>,
    /// Scan records not yet written, in their order.
    pub(crate) scan_dirty: Vec<Entry>,
    pub(crate) journal_error: Option<String>,
    /// Whether another process goes on with the journal.
    pub(crate) is_lost: bool,
}

impl Pages {
    pub(crate) fn replay(&mut self, entry: Entry) {
        match entry {
            Entry::Base { next_id, originals_known, made_with } => {
                self.next_id = self.next_id.max(next_id);
                self.originals_known = originals_known;
                self.made_with = made_with;
            }
            Entry::Task(task) => drop(self.tasks.insert(task.receipt.id, *task)),
            Entry::Suspect(target) => self.scan.get_or_insert_default().1.push(target),
            Entry::ScanAt(at) => self.scan.get_or_insert_default().0 = at,
            Entry::ScanEnded { originals, made_with } => {
                self.scan = None;
                self.originals_known = originals;
                self.made_with = made_with.or(self.made_with.take());
            }
        }
    }

    pub(crate) fn some(&self, dirty: &BTreeSet<u64>, scan: &[Entry]) -> Vec<Vec<u8>> {
        let tasks = dirty.iter().filter_map(|id| self.tasks.get(id)).map(payload_of_task);
        tasks.chain(scan.iter().map(payload)).collect()
    }

    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        let (next_id, originals_known, made_with) = (self.next_id, self.originals_known, self.made_with.clone());
        let mut payloads = vec![payload(&Entry::Base { next_id, originals_known, made_with })];
        payloads.extend(self.tasks.values().map(payload_of_task));
        if let Some((at, suspects)) = &self.scan {
            payloads.extend(suspects.iter().cloned().map(|target| payload(&Entry::Suspect(target))));
            payloads.push(payload(&Entry::ScanAt(at.clone())));
        }
        payloads
    }

    pub(crate) fn count_held(&mut self) {
        let held = self.tasks.values().filter(|task| task.is_held());
        let targets = held.filter_map(|task| match &task.targets {
            Targets::Originals(targets) => Some(targets),
            Targets::Prefix(_) | Targets::All => None,
        });
        self.held = targets.flatten().map(|target| target.original.key.clone()).collect();
    }
}

pub(crate) fn size(task: &Task) -> u64 {
    payload_of_task(task).len() as u64
}

fn payload_of_task(task: &Task) -> Vec<u8> {
    payload(&Entry::Task(Box::new(task.clone())))
}

fn payload(entry: &Entry) -> Vec<u8> {
    // Only maps with keys that are no text, and errors of the types themselves, can fail; there are neither.
    serde_json::to_vec(entry).unwrap_or_default()
}
