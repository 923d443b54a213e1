//! One pass over all stored derivatives, original by original: which of them the source does not know any more, or knows
//! with another version. It asks at a steady pace and within a budget, goes on where an earlier pass stopped, and only looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{Answer, FoundBy, Happened, Original, Removed, Selector};
use tokio::time::Instant;

use crate::Error;
use crate::fences;
use crate::order::{REMOVED_MAX, Target};
use crate::pages::ScanAt;
use crate::plan::{Plan, plan};
use crate::purger::Purger;
use crate::reconcile::{Progress, Report};
use crate::shelf::Group;

/// How many originals found gone or changed one pass remembers.
pub(crate) const SUSPECTS_MAX: usize = 50_000;
/// How many originals are asked about together.
const CHUNK_MAX: usize = 64;
/// How many revisions a report tells apart.
const REVISIONS_MAX: usize = 64;

/// What a pass has found.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) at: ScanAt,
    pub(crate) suspects: Vec<Target>,
    pub(crate) report: Report,
}

/// How much one pass may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) requests_max: Option<u64>,
    pub(crate) until: Option<Instant>,
}

/// Goes through everything stored from `scanned` on, and tells `progress` after each chunk. If it `acts`, edges stop
/// serving what it finds at once, and the journal knows how far it has come. Past its budget it pauses.
pub(crate) async fn scan(
    purger: &Arc<Purger>,
    mut scanned: Scanned,
    progress: &(dyn Fn(Progress) + Send + Sync),
    acts: bool,
    budget: Budget,
) -> Result<Scanned, Error> {
    let mut groups = purger.shelf.groups("", scanned.at.after.clone());
    let mut next_at = tokio::time::Instant::now();
    loop {
        let spent = scanned.report.asked + groups.pages;
        let left = budget
            .requests_max
            .map_or(usize::MAX, |max| usize::try_from(max.saturating_sub(spent)).unwrap_or(usize::MAX));
        // One request is kept for the page that the chunk may need.
        let room = CHUNK_MAX.min(purger.config.scan_per_s as usize).min(left.saturating_sub(1));
        if room == 0 || budget.until.is_some_and(|until| tokio::time::Instant::now() >= until) {
            scanned.report.paused = true;
            break;
        }
        let mut chunk: Vec<Group> = Vec::new();
        while chunk.len() < room {
            match groups.next().await? {
                Some(group) => chunk.push(group),
                None => break,
            }
        }
        let Some(last) = chunk.last().map(|group| group.last.clone()) else { break };
        tokio::time::sleep_until(next_at).await;
        next_at = tokio::time::Instant::now() + Duration::from_secs(chunk.len() as u64) / purger.config.scan_per_s;
        let fresh = look(purger, chunk, &mut scanned.report).await;
        scanned.at.after = Some(last);
        scanned.at.originals = scanned.report.originals;
        let room = SUSPECTS_MAX.saturating_sub(scanned.suspects.len());
        scanned.at.lost += fresh.len() as u64;
        scanned.at.more |= fresh.len() > room;
        if acts {
            let select = |target: &Target| Selector::Original(target.original.clone());
            fences::raise(&purger.parts.fences, &fresh.iter().map(select).collect::<Vec<_>>());
            purger.books.scanned(scanned.at.clone(), &fresh[..fresh.len().min(room)]);
            // What is not written is found again.
            let _ = purger.books.flush(false).await;
        }
        scanned.suspects.extend(fresh.into_iter().take(room));
        progress(scanned.report.progress());
    }
    scanned.report.unknown += groups.unknown;
    scanned.report.listed += groups.pages;
    Ok(scanned)
}

/// Asks about the originals of one chunk.
async fn look(purger: &Arc<Purger>, chunk: Vec<Group>, report: &mut Report) -> Vec<Target> {
    let mut suspects = Vec::new();
    let (known, unknown): (Vec<Group>, Vec<Group>) = chunk.into_iter().partition(|group| group.key.is_some());
    report.unknown += unknown.iter().map(|group| group.count).sum::<u64>();
    report.asked += known.len() as u64;
    let answers = purger.ask_all(known.iter().filter_map(|group| group.key.clone()).collect()).await;
    for (group, answer) in known.into_iter().zip(answers) {
        let Some(key) = group.key.clone() else { continue };
        report.originals += 1;
        report.derivatives += group.count;
        report.bytes += group.bytes;
        count_revisions(&mut report.revisions, &group);
        match plan(&answer, &group.versions, Happened::Changed, FoundBy::Scan) {
            Plan::Nothing => {}
            Plan::Unproven(_) => report.unproven += 1,
            Plan::Purge { keep, .. } => {
                *(if answer == Answer::Gone { &mut report.gone } else { &mut report.changed }) += 1;
                let doomed: Vec<Removed> = group.doomed(keep.as_ref());
                let room = REMOVED_MAX.saturating_sub(report.doomed.len());
                report.doomed.extend(doomed.into_iter().take(room));
                suspects.push(Target { original: Original::new(purger.config.source.clone(), key), keep });
            }
        }
    }
    suspects
}

fn count_revisions(revisions: &mut BTreeMap<String, u64>, group: &Group) {
    for revision in &group.revisions {
        if revisions.len() < REVISIONS_MAX || revisions.contains_key(revision.as_str()) {
            *revisions.entry(revision.as_str().to_owned()).or_default() += 1;
        }
    }
}
