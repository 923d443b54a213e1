//! All journals of one place: where new ones begin, how one is gone on with, which were left behind, and the receipts of
//! what was done.

use std::collections::BTreeMap;
use std::sync::Arc;

use afterimage_identity::{Keep, KeepError, Put, Receipt};

use crate::order::Filter;
use crate::shard::{Found, Run, Shard, folder, read};

/// Whoever was expected and has not come for so long does not come.
const PATIENCE_MS: u64 = 3_600_000;
/// So long the last piece of a journal that is over stays.
const MEMORY_MS: u64 = 86_400_000;
/// How many names are looked at when it is tidied up: the rest next time.
const NAMES_MAX: usize = 10_000;
/// How many journals are looked at then.
const JOURNALS_MAX: usize = 200;
/// How many runs' receipts are read for one answer.
const RUNS_MAX: usize = 200;

/// The journal of the reconciler, which never ends.
pub const STANDING: &str = "reconcile";

/// Whether this run may go on with a journal.
pub enum Journal {
    /// It may.
    Ours(Shard),
    /// Somebody else works on it, until then at most, in milliseconds since the Unix epoch.
    Busy(u64),
    /// All of it is done.
    Over,
}

/// Journals that outlive every process that writes them.
///
/// - One run at a time goes on with one journal; who has lost it knows with its next writing.
/// - What is in a journal is done by somebody, as long as somebody looks.
#[derive(Clone)]
pub struct Journals {
    keep: Arc<dyn Keep>,
}

impl Journals {
    /// Those in a place of records.
    pub fn new(keep: Arc<dyn Keep>) -> Self {
        Self { keep }
    }

    /// A new one, of this run. Nothing is written before there is something to do.
    pub fn begin(&self, run: &Run) -> Shard {
        Shard::fresh(self.keep.clone(), &run.name, run)
    }

    /// One that an earlier run began.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn adopt(&self, name: &str, run: &Run, now_ms: u64) -> Result<Journal, KeepError> {
        Ok(match Shard::find(self.keep.clone(), name, run, now_ms).await? {
            Found::Free(shard) => Journal::Ours(*shard),
            Found::Busy { until_ms } => Journal::Busy(until_ms),
            Found::Over => Journal::Over,
        })
    }

    /// The one that never ends ([`STANDING`]), whether or not an earlier run began it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn standing(&self, run: &Run, now_ms: u64) -> Result<Journal, KeepError> {
        Ok(match self.adopt(STANDING, run, now_ms).await? {
            Journal::Over => Journal::Ours(Shard::fresh(self.keep.clone(), STANDING, run)),
            other => other,
        })
    }

    /// The journals in which something is left to do and whose next run has not come; clears away what is long over, and all
    /// but the newest `receipts_max` runs' receipts. The standing one is not looked at.
    ///
    /// # Errors
    /// When it cannot be listed or read.
    pub async fn tidy(&self, now_ms: u64, receipts_max: usize) -> Result<Vec<String>, KeepError> {
        let mut pieces: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in self.keep.names("journal/", NAMES_MAX).await? {
            let journal = name.split('/').nth(1).unwrap_or_default().to_owned();
            pieces.entry(journal).or_default().push(name);
        }
        pieces.remove(STANDING);
        let (mut left, mut over) = (Vec::new(), Vec::new());
        for (journal, names) in pieces.into_iter().take(JOURNALS_MAX) {
            let log = format!("{}log/", folder(&journal));
            let is_old = |at_ms: u64| now_ms > at_ms.saturating_add(MEMORY_MS);
            match names.iter().rfind(|name| name.starts_with(&log)) {
                Some(last) => {
                    let (head, _) = read(&*self.keep, last).await?;
                    if head.ended && is_old(head.until_ms) {
                        over.extend(names);
                    } else if !head.ended && now_ms > head.expected_ms.saturating_add(PATIENCE_MS) {
                        left.push(journal);
                    }
                }
                // Written by a run that had lost it.
                None if journal.get(..13).and_then(|at| at.parse().ok()).is_none_or(is_old) => over.extend(names),
                None => {}
            }
        }
        let mut receipts = self.keep.names("receipts/", receipts_max.saturating_add(NAMES_MAX)).await?;
        receipts.truncate(receipts.len().saturating_sub(receipts_max));
        over.extend(receipts);
        if !over.is_empty() {
            self.keep.remove(&over).await?;
        }
        Ok(left)
    }

    /// Receipts, the newest first, of what the newest runs did.
    ///
    /// # Errors
    /// When they cannot be listed or read.
    pub async fn receipts(&self, filter: &Filter) -> Result<Vec<Receipt>, KeepError> {
        let mut names = self.keep.names("receipts/", usize::MAX).await?;
        let mut found: BTreeMap<u64, Receipt> = BTreeMap::new();
        for name in names.drain(names.len().saturating_sub(RUNS_MAX)..).rev() {
            let Some(bytes) = self.keep.read(&name).await? else { continue };
            let failed = |error| KeepError::Failed { why: format!("{name}: {error}") };
            let receipts: Vec<Receipt> = serde_json::from_slice(&bytes).map_err(failed)?;
            // What a later run says of it is newer.
            for receipt in receipts {
                found.entry(receipt.id).or_insert(receipt);
            }
        }
        let found = found.into_values().rev().filter(|receipt| filter.takes(receipt));
        Ok(found.take(filter.limit()).collect())
    }
}

/// Writes what a run did where [`Journals::receipts`] finds it.
pub(crate) async fn archive(keep: &dyn Keep, name: &str, receipts: &[Receipt]) -> Result<(), KeepError> {
    let failed = |error: serde_json::Error| KeepError::Failed { why: error.to_string() };
    let bytes = serde_json::to_vec(receipts).map_err(failed)?;
    keep.write(&format!("receipts/{name}.json"), &bytes, Put::Any).await
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{FoundBy, ReceiptState, SourceId, Subject};
    use afterimage_store::keep::Kept;

    use super::*;
    use crate::order::{Targets, Task};

    const HOUR_MS: u64 = 3_600_000;

    fn receipt(id: u64, state: ReceiptState) -> Receipt {
        let subject = Subject::Everything { source: SourceId::default() };
        let task = Task::new(subject, Targets::All, "asked for", FoundBy::Operator, 0);
        Receipt { id, state, ..task.receipt }
    }

    #[tokio::test]
    async fn what_nobody_came_for_is_found_and_what_is_over_goes_in_the_end() {
        let keep = Arc::new(Kept::default());
        let journals = Journals::new(keep.clone());
        let run = |number: u64| Run::new(number, 1_000 + number, number);
        let (mut working, mut released, mut over) =
            (journals.begin(&run(1)), journals.begin(&run(2)), journals.begin(&run(3)));
        for shard in [&mut working, &mut released, &mut over] {
            shard.append(&[b"task".to_vec()]).await.unwrap();
        }
        released.release(&[b"task".to_vec()], 2 * HOUR_MS).await.unwrap();
        over.end().await.unwrap();
        let Journal::Ours(mut standing) = journals.standing(&run(4), 0).await.unwrap() else { panic!("it is free") };
        standing.rewrite(&[]).await.unwrap();
        let stray = format!("journal/{}/outbox/cf/x.json", run(5).name);
        keep.write(&stray, b"{}", Put::Any).await.unwrap();
        // Exactly at the bound nobody is late.
        assert_eq!(journals.tidy(1_001 + HOUR_MS, 9).await.unwrap(), [""; 0]);
        assert_eq!(journals.tidy(1_002 + HOUR_MS, 9).await.unwrap(), [run(1).name]);
        assert_eq!(journals.tidy(3 * HOUR_MS + 1, 9).await.unwrap(), [run(1).name, run(2).name]);
        let names = async || keep.names("journal/", 99).await.unwrap();
        assert_eq!(names().await.len(), 6);
        journals.tidy(1_003 + 24 * HOUR_MS, 9).await.unwrap();
        assert_eq!(names().await.len(), 5, "the stray record is older than the piece");
        journals.tidy(1_004 + 24 * HOUR_MS, 9).await.unwrap();
        assert_eq!(names().await.len(), 4);
    }

    #[tokio::test]
    async fn receipts_are_shown_as_the_newest_run_has_them_and_the_oldest_runs_go() {
        let keep = Arc::new(Kept::default());
        let journals = Journals::new(keep.clone());
        archive(&*keep, "0001-a", &[receipt(1, ReceiptState::Fenced), receipt(2, ReceiptState::Done)]).await.unwrap();
        archive(&*keep, "0002-b", &[receipt(1, ReceiptState::Done), receipt(3, ReceiptState::Clean)]).await.unwrap();
        let shown = async |filter: Filter| -> Vec<(u64, ReceiptState)> {
            let receipts = journals.receipts(&filter).await.unwrap();
            receipts.iter().map(|receipt| (receipt.id, receipt.state)).collect()
        };
        let all = [(3, ReceiptState::Clean), (2, ReceiptState::Done), (1, ReceiptState::Done)];
        assert_eq!(shown(Filter::default()).await, all);
        assert_eq!(shown(Filter { limit: 1, ..Filter::default() }).await, all[..1]);
        assert_eq!(shown(Filter { state: Some(ReceiptState::Done), ..Filter::default() }).await, all[1..]);
        journals.tidy(0, 1).await.unwrap();
        assert_eq!(shown(Filter::default()).await, [all[0], all[2]]);
    }
}
