//! Compares everything stored with its originals and acts as the cleaner for what no event told. It never deletes an
//! original, and when very much seems lost it leaves the decision to a person.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use afterimage_identity::{Answer, FoundBy, OriginalKey, ReceiptState, Removed, Subject};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Error;
use crate::observe::hold;
use crate::order::{TARGETS_MAX, Target, Targets, Task};
use crate::purger::Purger;
use crate::scan::{Budget, Scanned, scan};

/// How much a reconciliation may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Only look.
    DryRun,
    /// Delete what is not current, unless that is suspiciously much.
    Run,
    /// Delete it even so: a person has looked.
    Confirm,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Originals asked about.
    pub originals: u64,
    /// Their derivatives.
    pub derivatives: u64,
    /// Originals that are gone.
    pub gone: u64,
    /// Originals that have another version.
    pub changed: u64,
    /// Originals of which nothing could be proven; nothing of theirs is deleted.
    pub unproven: u64,
}

/// What was found, and what is done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Originals with stored derivatives, as far as this pass asked: one that goes on where an earlier process stopped
    /// counts what that one has asked too, but not its other figures.
    pub originals: u64,
    /// Stored derivatives.
    pub derivatives: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// Originals that are gone.
    pub gone: u64,
    /// Originals that have another version.
    pub changed: u64,
    /// Originals of which nothing could be proven; nothing of theirs is deleted.
    pub unproven: u64,
    /// Stored objects that are no derivative's, or that do not say what they were made from. They are left alone.
    pub unknown: u64,
    /// Copies under canonical paths.
    #[serde(default)]
    pub copies: u64,
    /// Those of them that are of the version that is there, but of another revision than is made now, or without the derivative
    /// that they are a copy of. They are deleted, and nobody is told: what they show is not gone.
    #[serde(default)]
    pub copies_outdated: u64,
    /// How many originals have derivatives of each revision.
    pub revisions: BTreeMap<String, u64>,
    /// What goes, at most the first 1,000.
    pub doomed: Vec<Removed>,
    /// How many questions it cost.
    #[serde(default)]
    pub asked: u64,
    /// How many pages of the listing it cost.
    #[serde(default)]
    pub listed: u64,
    /// Whether it stopped at its budget: the next one goes on there.
    #[serde(default)]
    pub paused: bool,
    /// Whether it waits for a person.
    pub held: bool,
    /// The receipts of the purges begun.
    pub receipts: Vec<u64>,
}

impl Report {
    pub(crate) fn progress(&self) -> Progress {
        let Self { originals, derivatives, gone, changed, unproven, .. } = *self;
        Progress { originals, derivatives, gone, changed, unproven }
    }
}

impl Purger {
    /// Compares everything stored with its originals; see [`Mode`]. Deletions are under way when it returns: wait for
    /// the receipts.
    ///
    /// # Errors
    /// [`Error::Store`] when the derivatives cannot be listed; what was found until then is remembered.
    pub async fn reconcile(
        self: &Arc<Self>,
        mode: Mode,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Report, Error> {
        self.reconcile_until(mode, progress, None).await
    }

    /// As [`Purger::reconcile`]; it pauses at `until`, as at the end of its budget, whatever the mode.
    ///
    /// # Errors
    /// As [`Purger::reconcile`].
    pub async fn reconcile_until(
        self: &Arc<Self>,
        mode: Mode,
        progress: &(dyn Fn(Progress) + Send + Sync),
        until: Option<Instant>,
    ) -> Result<Report, Error> {
        if mode == Mode::DryRun {
            let budget = Budget { requests_max: self.config.scan_requests_max, until };
            let scanned = scan(self, Scanned::default(), progress, false, budget).await?;
            let lost = scanned.report.gone + scanned.report.changed;
            let held = self.config.mass_loss.is_reached(lost, scanned.report.originals);
            return Ok(Report { held, ..scanned.report });
        }
        let _alone = self.scanning.lock().await;
        let start = match self.books.scan() {
            Some((at, suspects)) if mode == Mode::Run => {
                let mut start = Scanned { at, suspects, ..Scanned::default() };
                start.report.originals = start.at.originals;
                start
            }
            // A person decides on what is true now.
            _ => {
                self.books.scan_ended(self.books.originals_known(), None);
                Scanned::default()
            }
        };
        // A person who decides wants to be done.
        let requests_max = self.config.scan_requests_max.filter(|_| mode == Mode::Run);
        let budget = Budget { requests_max, until };
        let mut scanned = scan(self, start, progress, true, budget).await?;
        let mut all = Vec::new();
        loop {
            if scanned.report.paused {
                let mut report = self.conclude_part(mode, scanned).await;
                report.receipts.extend(all);
                return Ok(report);
            }
            let more = scanned.at.more;
            let extra = self.still_held(&scanned.suspects).await;
            scanned.at.lost += extra.len() as u64;
            scanned.suspects.extend(extra);
            let mut report = self.conclude(mode, scanned).await;
            all.append(&mut report.receipts);
            if !more || report.held {
                return Ok(Report { receipts: all, ..report });
            }
            // More than one pass remembers: the next one takes the rest, under the same decision.
            for id in &all {
                self.wait(*id).await;
            }
            let spent = report.asked + report.listed;
            let requests_max = budget.requests_max.map(|max| max.saturating_sub(spent));
            let budget = Budget { requests_max, until };
            scanned = scan(self, Scanned::default(), progress, true, budget).await?;
        }
    }

    /// As far as a scan came within its budget: what it found is purged, or held if it is too much for what was seen so far.
    /// What was held before stays held until a whole scan has looked at it.
    async fn conclude_part(self: &Arc<Self>, mode: Mode, scanned: Scanned) -> Report {
        let Scanned { at, suspects, mut report } = scanned;
        let known = report.originals.max(self.books.originals_known());
        let is_mass_loss = self.config.mass_loss.is_reached(at.lost, known);
        let tasks: Vec<Task> = suspects.chunks(TARGETS_MAX).map(|targets| self.task_of(targets)).collect();
        self.books.scan_ended(self.books.originals_known(), None);
        self.books.scanned(at, &[]);
        if is_mass_loss && mode == Mode::Run {
            report.held = true;
            hold(self, tasks).await;
        } else {
            (report.receipts, _) = self.enter(tasks).await;
            for id in &report.receipts {
                self.start(*id, None, false);
            }
        }
        report
    }

    /// The purge of what a scan has found.
    fn task_of(&self, targets: &[Target]) -> Task {
        let subject = match targets {
            [only] => Subject::Original(only.original.clone()),
            _ => Subject::Everything { source: self.config.source.clone() },
        };
        let gone = targets.iter().filter(|target| target.keep.is_none()).count();
        let reason = match gone {
            0 => "changed",
            all if all == targets.len() => "gone",
            _ => "gone or changed",
        };
        Task::new(subject, Targets::Originals(targets.to_vec()), reason, FoundBy::Scan, self.wall_ms())
    }

    /// What is held, was not found by the scan because nothing of it is stored, and is still gone.
    async fn still_held(self: &Arc<Self>, suspects: &[Target]) -> Vec<Target> {
        let found: HashSet<&OriginalKey> = suspects.iter().map(|target| &target.original.key).collect();
        let mut held = Vec::new();
        for task in self.books.ids(|task| task.is_held()).into_iter().filter_map(|id| self.books.get(id)) {
            if let Targets::Originals(targets) = task.targets {
                held.extend(targets.into_iter().filter(|target| !found.contains(&target.original.key)));
            }
        }
        let answers = self.ask_all(held.iter().map(|target| target.original.key.clone()).collect()).await;
        let gone = held.into_iter().zip(answers).filter(|(_, answer)| *answer == Answer::Gone);
        gone.map(|(target, _)| Target { keep: None, ..target }).collect()
    }

    /// Holds or purges what a scan has found; what was held before is superseded by it.
    async fn conclude(self: &Arc<Self>, mode: Mode, scanned: Scanned) -> Report {
        let Scanned { at, suspects, mut report } = scanned;
        let superseded = self.books.ids(|task| task.is_held());
        let is_mass_loss = self.config.mass_loss.is_reached(at.lost, report.originals);
        let now_ms = self.wall_ms();
        for id in superseded {
            self.books.update(id, |task| {
                task.receipt.state = ReceiptState::Done;
                task.receipt.done_at_ms = Some(now_ms);
                task.receipt.reason.push_str("; looked at again");
            });
        }
        let tasks: Vec<Task> = suspects.chunks(TARGETS_MAX).map(|targets| self.task_of(targets)).collect();
        self.books.scan_ended(report.originals, at.newest);
        if is_mass_loss && mode == Mode::Run {
            report.held = true;
            hold(self, tasks).await;
            return report;
        }
        (report.receipts, _) = self.enter(tasks).await;
        for id in &report.receipts {
            self.start(*id, None, false);
        }
        report
    }
}
