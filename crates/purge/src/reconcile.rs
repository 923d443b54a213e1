//! The reconciler: compares every stored derivative with its original, and plays the cleaner for those whose version is
//! not there. It deletes exact versions, never an original, and nothing at all when too much seems lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use afterimage_identity::{Answer, FoundBy, OriginalKey, ReceiptState, Subject};
use afterimage_variant::parse_derivative_key;
use serde::{Deserialize, Serialize};

use crate::observe::{original_of, reason};
use crate::plan::{Stored, plan};
use crate::run::{Scope, Which};
use crate::{Error, Purger};

/// How many lines of the listing are read at once.
const PAGE_ENTRIES: usize = 1_000;
/// How many lost originals a report names.
const LOST_NAMED_MAX: usize = 1_000;

/// What a reconciliation may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only look.
    DryRun,
    /// Remove what has no original, unless suspiciously much seems lost.
    Run,
    /// Remove it even so, and let go of what was held.
    Confirm,
}

/// How far a reconciliation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Derivatives looked at.
    pub derivatives: u64,
    /// Originals asked about.
    pub originals: u64,
    /// Originals found gone or changed.
    pub lost: u64,
}

/// What a reconciliation found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Derivatives looked at.
    pub derivatives: u64,
    /// Originals that have derivatives.
    pub originals: u64,
    /// Originals found gone or changed.
    pub lost: u64,
    /// The first of them.
    pub lost_keys: Vec<String>,
    /// Derivatives of versions that are not there.
    pub orphans: u64,
    /// Their bytes.
    pub orphan_bytes: u64,
    /// Originals about which the source could prove nothing.
    pub unprovable: u64,
    /// Objects among the derivatives that are none of ours; they are left alone.
    pub foreign: u64,
    /// The purges that followed.
    pub receipts: Vec<u64>,
    /// Too much seemed lost: nothing was removed, a person has to confirm.
    pub held: bool,
}

impl Purger {
    /// Compares everything once.
    ///
    /// # Errors
    /// [`Error::Busy`] while another one runs; [`Error::Derivatives`] when they cannot be listed.
    pub async fn reconcile(
        self: &Arc<Self>,
        mode: Mode,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Report, Error> {
        if self.reconciling.swap(true, Ordering::AcqRel) {
            return Err(Error::Busy);
        }
        let result = self.compare(mode, progress).await;
        self.reconciling.store(false, Ordering::Release);
        result
    }

    async fn compare(self: &Arc<Self>, mode: Mode, progress: &(dyn Fn(Progress) + Send + Sync)) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut lost: Vec<(OriginalKey, &'static str)> = Vec::new();
        let mut after: Option<String> = None;
        // Derivatives of one original stand together in the listing, but a page may end between them.
        let mut pending: Option<(OriginalKey, Vec<Stored>)> = None;
        loop {
            let page = self.parts.derivatives.list("", after.as_deref(), PAGE_ENTRIES).await.map_err(Error::Derivatives)?;
            let mut groups: BTreeMap<OriginalKey, Vec<Stored>> = pending.take().into_iter().collect();
            let mut last = None;
            for listed in page.entries {
                report.derivatives += 1;
                let key = match parse_derivative_key(&listed.key) {
                    Some(_) => original_of(&*self.parts.derivatives, &listed.key).await,
                    None => None,
                };
                let Some(key) = key else {
                    report.foreign += 1;
                    continue;
                };
                last = Some(key.clone());
                groups.entry(key).or_default().push(Stored { key: listed.key, bytes: listed.bytes });
            }
            if page.next.is_some() {
                pending = last.and_then(|key| groups.remove_entry(&key));
            }
            for (key, stored) in groups {
                self.compare_one(key, &stored, &mut report, &mut lost).await;
            }
            progress(Progress { derivatives: report.derivatives, originals: report.originals, lost: report.lost });
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.originals_known.store(report.originals, Ordering::Relaxed);
        if mode != Mode::DryRun {
            self.act(mode, lost, &mut report).await;
        }
        Ok(report)
    }

    async fn compare_one(
        &self,
        key: OriginalKey,
        stored: &[Stored],
        report: &mut Report,
        lost: &mut Vec<(OriginalKey, &'static str)>,
    ) {
        report.originals += 1;
        let answer = self.parts.ask.ask(&key).await.answer;
        if matches!(answer, Answer::Unprovable(_)) {
            report.unprovable += 1;
            return;
        }
        let goes = plan(&answer, stored);
        if goes.is_empty() {
            return;
        }
        report.lost += 1;
        report.orphans += goes.len() as u64;
        report.orphan_bytes += goes.iter().map(|stored| stored.bytes).sum::<u64>();
        if report.lost_keys.len() < LOST_NAMED_MAX {
            report.lost_keys.push(key.to_string());
        }
        lost.push((key, reason(&answer)));
    }

    async fn act(self: &Arc<Self>, mode: Mode, lost: Vec<(OriginalKey, &'static str)>, report: &mut Report) {
        report.held = mode == Mode::Run && self.is_mass_loss(report.lost, report.originals);
        for (key, _) in &lost {
            // Held or not, nothing of what seems lost is served from here on.
            self.fence(Scope::One(key.clone()).selector(self));
        }
        if report.held {
            let subject = Subject::Everything { source: self.config.source.clone() };
            if !self.journal().receipts().any(|known| known.state == ReceiptState::Held && known.subject == subject) {
                let receipt = self.receipt_for(subject, "mass loss", FoundBy::Scan);
                report.receipts.push(receipt.id);
                self.hold(receipt).await;
            }
            return;
        }
        for (key, why) in lost {
            let scope = Scope::One(key);
            let fencing = self.fence(scope.selector(self));
            let Scope::One(key) = &scope else { continue };
            let mut receipt = self.receipt_for(Subject::Original(self.original(key)), why, FoundBy::Scan);
            self.note_fence(&mut receipt, &fencing);
            report.receipts.push(receipt.id);
            self.carry_out(receipt, &scope, Which::NotCurrent, &fencing).await;
        }
        if mode == Mode::Confirm {
            self.release_held().await;
        }
    }

    /// What was held has been looked at again and acted on.
    async fn release_held(self: &Arc<Self>) {
        let held: Vec<_> =
            self.journal().receipts().filter(|receipt| receipt.state == ReceiptState::Held).cloned().collect();
        for mut receipt in held {
            receipt.state = ReceiptState::Done;
            receipt.clean_at_ms = Some(self.wall_ms());
            receipt.done_at_ms = receipt.clean_at_ms;
            self.record(&receipt, true).await;
        }
    }
}
