//! Carries a confirmed plan out: each thing is looked at once more, and deleted on the condition that it still is what the plan
//! says. What was done is written down before the next batch begins.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use afterimage_store::inherited::{Conditions, Identity, Inherited, Removal};
use tokio::task::JoinSet;

use crate::Error;
use crate::plan::{Do, Plan};
use crate::results::{Did, Result_, Results};

/// How many deletions run at once.
const AT_ONCE: usize = 32;
/// After how many deletions what was done is written down.
const BATCH: usize = 500;
/// Of what was not deleted, so many are named in the outcome; all are in the file.
const NAMED_MAX: usize = 20;

/// What a person allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// To go on where the place heeds no conditions: what is replaced between the last look and the deletion goes too.
    pub unconditional: bool,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// How many things were to go.
    pub doomed: u64,
    /// How many were gone already, by an earlier run of this plan.
    pub before: u64,
    /// How many were deleted now.
    pub deleted: u64,
    /// How many were not there any more.
    pub gone: u64,
    /// How many have changed, and stay.
    pub changed: u64,
    /// How many the place refused to delete.
    pub refused: u64,
    /// How many failed, and may be tried again.
    pub failed: u64,
    /// What stays although it was to go, with the reason; at most the first 20.
    pub left: Vec<String>,
}

impl Outcome {
    /// Whether everything that was to go is gone.
    pub fn is_complete(&self) -> bool {
        self.before + self.deleted + self.gone == self.doomed
    }

    fn count(&mut self, result: &Result_) {
        let counter = match result.did {
            Did::Deleted => &mut self.deleted,
            Did::Gone => &mut self.gone,
            Did::Changed => &mut self.changed,
            Did::Refused => &mut self.refused,
            Did::Failed => &mut self.failed,
        };
        *counter += 1;
        if !matches!(result.did, Did::Deleted | Did::Gone) && self.left.len() < NAMED_MAX {
            let why = result.why.as_deref().unwrap_or("it is not what it was when it was looked at");
            self.left.push(format!("{}: {why}", result.key));
        }
    }
}

/// Deletes what `plan`, whose digest is `digest`, says, and writes each result to `results`. `told` hears how many of how
/// many are done.
///
/// # Errors
/// [`Error::Stopped`] where the place heeds no conditions and that is not allowed, or refuses a whole batch. What was done
/// by then is in the file; the same call goes on there.
pub async fn carry_out(
    plan: &Plan,
    digest: &str,
    place: Arc<dyn Inherited>,
    results: &Path,
    options: Options,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<Outcome, Error> {
    let (mut results, done) = Results::open(results, digest)?;
    let doomed = plan.lines.iter().filter(|line| line.act == Do::Delete);
    let mut outcome = Outcome { doomed: plan.doomed(), ..Outcome::default() };
    let mut left: BTreeMap<&str, &Identity> =
        doomed.filter_map(|line| Some((line.key.as_str(), line.is.as_ref()?))).collect();
    left.retain(|key, _| !done.contains_key(*key));
    outcome.before = outcome.doomed - left.len() as u64;
    prove(&mut left, &place, &mut results, &mut outcome, options).await?;
    let left: Vec<(&str, &Identity)> = left.into_iter().collect();
    for batch in left.chunks(BATCH) {
        let done = remove(batch, &place).await;
        results.add(&done)?;
        done.iter().for_each(|result| outcome.count(result));
        told(outcome.doomed - outcome.before, outcome.deleted + outcome.gone);
        if let Some(first) = done.first().filter(|_| done.iter().all(|result| result.did == Did::Refused)) {
            let why = first.why.as_deref().unwrap_or_default();
            return Err(Error::Stopped(format!(
                "nothing of {} things may be deleted: {why}; give --profile the credentials of a role that may",
                done.len()
            )));
        }
    }
    Ok(outcome)
}

/// Learns whether conditions are heeded, with the first thing that is still there.
async fn prove(
    left: &mut BTreeMap<&str, &Identity>,
    place: &Arc<dyn Inherited>,
    results: &mut Results,
    outcome: &mut Outcome,
    options: Options,
) -> Result<(), Error> {
    while let Some((key, identity)) = left.pop_first() {
        let removal = match place.conditions(key, identity).await {
            Ok(Conditions::Heeded) => {
                left.insert(key, identity);
                return Ok(());
            }
            Ok(Conditions::Ignored) => {
                note(key, Removal::Deleted, results, outcome)?;
                if options.unconditional {
                    return Ok(());
                }
                return Err(Error::Stopped(format!(
                    "this server heeds no conditions (If-Match) of deletions: {key} was to go, and went on a condition that did \
                     not hold. What somebody replaces in the moment between the last look and the deletion would be lost; see \
                     to it that nobody writes, and go on with --unconditional"
                )));
            }
            Err(removal) => removal,
        };
        let refused = match &removal {
            Removal::Refused(why) | Removal::Failed(why) => Some(why.clone()),
            _ => None,
        };
        note(key, removal, results, outcome)?;
        if let Some(why) = refused {
            return Err(Error::Stopped(format!(
                "whether deletions may be conditional cannot be learnt: {why}; the role needs s3:GetObject and s3:DeleteObject"
            )));
        }
    }
    Ok(())
}

fn note(key: &str, removal: Removal, results: &mut Results, outcome: &mut Outcome) -> Result<(), Error> {
    let result = said(key, removal);
    outcome.count(&result);
    results.add(&[result])
}

async fn remove(batch: &[(&str, &Identity)], place: &Arc<dyn Inherited>) -> Vec<Result_> {
    let mut done = Vec::with_capacity(batch.len());
    for some in batch.chunks(AT_ONCE) {
        let mut tasks = JoinSet::new();
        for (key, identity) in some {
            let (place, key, identity) = (place.clone(), (*key).to_owned(), (*identity).clone());
            tasks.spawn(async move {
                let removal = place.remove(&key, &identity).await;
                said(&key, removal)
            });
        }
        done.extend(tasks.join_all().await);
    }
    done
}

fn said(key: &str, removal: Removal) -> Result_ {
    let (did, why) = match removal {
        Removal::Deleted => (Did::Deleted, None),
        Removal::Gone => (Did::Gone, None),
        Removal::Changed => (Did::Changed, None),
        Removal::Refused(why) => (Did::Refused, Some(why)),
        Removal::Failed(why) => (Did::Failed, Some(why)),
    };
    Result_ { did, key: key.to_owned(), why }
}
