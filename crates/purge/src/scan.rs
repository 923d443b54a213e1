//! One pass over all stored derivatives, original by original: which of them the source does not know any more, or knows
//! with another version. It asks at a steady pace and within a budget, goes on where an earlier pass stopped, and only looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{Answer, FoundBy, Happened, Original, Removed, Selector, Version};
use tokio::time::Instant;

use crate::Error;
use crate::copies::{compare, doubtful};
use crate::fences;
use crate::order::{REMOVED_MAX, Target};
use crate::pages::ScanAt;
use crate::plan::{Plan, plan};
use crate::purger::Purger;
use crate::reconcile::{Progress, Report};
use crate::shelf::{Group, MadeWith};

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
        if chunk.is_empty() {
            break;
        }
        tokio::time::sleep_until(next_at).await;
        next_at = tokio::time::Instant::now() + Duration::from_secs(chunk.len() as u64) / purger.config.scan_per_s;
        let before = chunk.len();
        let looked = look(purger, chunk, &mut scanned, acts, left).await;
        let fresh = looked.suspects;
        scanned.at.after = looked.last.or(scanned.at.after.take());
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
        if looked.groups < before {
            scanned.report.paused = true;
            break;
        }
    }
    scanned.report.unknown += groups.unknown;
    scanned.report.listed += groups.pages;
    Ok(scanned)
}

/// What became of one chunk.
#[derive(Default)]
struct Looked {
    suspects: Vec<Target>,
    /// How many groups were looked at: all, unless the budget was spent before.
    groups: usize,
    /// The last name of the last of them.
    last: Option<String>,
}

/// Asks about the originals of one chunk, and about copies that a listing does not show to be right. Of `left` requests, the
/// chunk's own are taken.
async fn look(purger: &Arc<Purger>, chunk: Vec<Group>, scanned: &mut Scanned, acts: bool, left: usize) -> Looked {
    let mut looked = Looked::default();
    let keys: Vec<_> = chunk.iter().filter_map(|group| group.key.clone()).collect();
    let left = (left as u64).saturating_sub(keys.len() as u64);
    let is_first = scanned.report.asked == 0;
    scanned.report.asked += keys.len() as u64;
    let made_with = purger.books.made_with();
    let mut answers = purger.ask_all(keys).await.into_iter();
    let mut asked = 0;
    for group in chunk {
        let answer = group.key.as_ref().and_then(|_| answers.next());
        if let Some(Answer::Present(version)) = &answer {
            let doubts = doubtful(&group, version, made_with.as_ref()).len() as u64;
            // One original's copies are looked at together; those of the first whatever they cost, or nobody ever came past them.
            if doubts > left.saturating_sub(asked) && !(is_first && looked.groups == 0) {
                break;
            }
        }
        looked.groups += 1;
        looked.last = Some(group.last.clone());
        scanned.at.newest = group.newest.clone().max(scanned.at.newest.take());
        let target = look_at(purger, group, answer, made_with.as_ref(), (&mut scanned.report, &mut asked), acts).await;
        looked.suspects.extend(target);
    }
    scanned.report.asked += asked;
    looked
}

/// Looks at one original; what of it has to be purged.
async fn look_at(
    purger: &Arc<Purger>,
    group: Group,
    answer: Option<Answer>,
    made_with: Option<&MadeWith>,
    (report, asked): (&mut Report, &mut u64),
    acts: bool,
) -> Option<Target> {
    let (Some(key), Some(answer)) = (group.key.clone(), answer) else {
        report.unknown += group.count;
        return None;
    };
    report.originals += 1;
    report.derivatives += group.count - group.copies;
    report.copies += group.copies;
    report.bytes += group.bytes;
    count_revisions(&mut report.revisions, &group);
    let planned = plan(&answer, &group.versions, group.copies > 0, Happened::Changed, FoundBy::Scan);
    let keep = match (planned, &answer) {
        (Plan::Purge { keep, .. }, _) => keep,
        (Plan::Unproven(_), _) => {
            report.unproven += 1;
            return None;
        }
        (Plan::Nothing, Answer::Present(version)) if group.copies > 0 => {
            look_at_copies(purger, &group, (version, made_with), (&mut *report, asked), acts).await?
        }
        (Plan::Nothing, _) => return None,
    };
    *(if answer == Answer::Gone { &mut report.gone } else { &mut report.changed }) += 1;
    doomed(report, group.doomed(keep.as_ref()));
    Some(Target { original: Original::new(purger.config.source.clone(), key), keep })
}

fn doomed(report: &mut Report, doomed: Vec<Removed>) {
    let room = REMOVED_MAX.saturating_sub(report.doomed.len());
    report.doomed.extend(doomed.into_iter().take(room));
}

/// Looks at the copies of an original that is there. An old one is a purge, which keeps the version that is there; those that are
/// only outdated are deleted, and nothing is made of it: what they show is right.
async fn look_at_copies(
    purger: &Arc<Purger>,
    group: &Group,
    (version, made_with): (&Version, Option<&MadeWith>),
    (report, asked): (&mut Report, &mut u64),
    acts: bool,
) -> Option<Option<Version>> {
    let doubts = doubtful(group, version, made_with);
    let compared = match compare(&purger.shelf, group, doubts, (version, made_with), asked).await {
        Ok(compared) => compared,
        Err(error) => {
            tracing::warn!(original = ?group.key, %error, "copies cannot be looked at; the next comparison does");
            report.unproven += 1;
            return None;
        }
    };
    if compared.is_old {
        return Some(Some(version.clone()));
    }
    let outdated: Vec<Removed> = compared.outdated.into_iter().map(|item| item.removed).collect();
    report.copies_outdated += outdated.len() as u64;
    if acts && !outdated.is_empty() {
        // At most as many as a group remembers, which one deletion takes.
        if let Some(why) = purger.shelf.delete(&outdated).await.failed {
            tracing::warn!(why, "outdated copies cannot be deleted; the next comparison finds them again");
        }
    }
    doomed(report, outdated);
    None
}

fn count_revisions(revisions: &mut BTreeMap<String, u64>, group: &Group) {
    for revision in &group.revisions {
        if revisions.len() < REVISIONS_MAX || revisions.contains_key(revision.as_str()) {
            *revisions.entry(revision.as_str().to_owned()).or_default() += 1;
        }
    }
}
