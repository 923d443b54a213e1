//! From events to purges: asks what is stored and what is true, lets the plan decide, and enters what follows into the
//! books before anything is deleted.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afterimage_identity::{
    Answer, Event, FoundBy, Happened, NotTaken, Original, OriginalKey, ReceiptState, Removed, Subject,
};

use crate::bounded;
use crate::drive::{fence, note_fenced};
use crate::fences::{self, Raises};
use crate::order::{TARGETS_MAX, Target, Targets, Task};
use crate::plan::{Plan, Reason, is_free, plan};
use crate::purger::Purger;
use crate::queue::Heard;
use crate::reach::{prefix_selectors, selectors};

/// How often an event is looked at again when the source cannot say; then the next scan has to find it.
const TRIES_MAX: u8 = 5;
/// A read that finds the same gone again so soon after its purge tells nothing new.
const REPEAT: Duration = Duration::from_secs(5);

/// A purge that is to be made.
struct Made {
    task: Task,
    /// The fences already raised for it.
    raises: Option<Raises>,
}

/// What one event comes to.
#[derive(Default)]
struct Seen {
    made: Vec<Made>,
    /// Why it has to be looked at again, whatever was made.
    unsure: Option<String>,
}

/// Looks at a batch of events and begins the purges that follow. What cannot be told yet is looked at again later.
pub(crate) async fn handle(purger: &Arc<Purger>, batch: Vec<Heard>) {
    let mut made = Vec::new();
    for (heard, seen) in observe_all(purger, batch).await {
        made.extend(seen.made);
        if seen.unsure.is_some() {
            purger.try_again(heard);
        }
    }
    // A purge goes on without being written down; that was said.
    let _ = begin(purger, made).await;
}

/// As [`handle`], for a messenger that keeps its events: what cannot be told yet, or not be written down, is its to bring
/// again.
pub(crate) async fn take(purger: &Arc<Purger>, batch: Vec<Heard>) -> Vec<Result<(), NotTaken>> {
    let mut made = Vec::new();
    let mut results = Vec::new();
    for (_, seen) in observe_all(purger, batch).await {
        made.extend(seen.made);
        results.push(seen.unsure.map_or(Ok(()), |why| Err(NotTaken { why })));
    }
    if let Err(error) = begin(purger, made).await {
        let why = format!("the journal cannot be written: {error}");
        return results.into_iter().map(|_| Err(NotTaken { why: why.clone() })).collect();
    }
    results
}

async fn observe_all(purger: &Arc<Purger>, batch: Vec<Heard>) -> Vec<(Heard, Seen)> {
    let at_once = purger.config.concurrent_max;
    bounded::each(batch, at_once, |heard| {
        let purger = purger.clone();
        async move {
            let seen = observe(&purger, &heard).await;
            (heard, seen)
        }
    })
    .await
}

async fn observe(purger: &Arc<Purger>, heard: &Heard) -> Seen {
    let mut seen = Seen::default();
    match &heard.event.subject {
        Subject::Original(original) if original.source == purger.config.source => {
            seen.made.extend(observe_original(purger, heard, original, &mut seen.unsure).await);
        }
        Subject::Folder { source, prefix } if *source == purger.config.source => {
            seen.made = observe_folder(purger, heard, prefix, &mut seen.unsure).await;
        }
        // Another source has its own purger.
        Subject::Original(_) | Subject::Folder { .. } => {}
        Subject::Everything { .. } => purger.scan_wanted.notify_one(),
    }
    seen
}

async fn observe_original(
    purger: &Arc<Purger>,
    heard: &Heard,
    original: &Original,
    unsure: &mut Option<String>,
) -> Option<Made> {
    let Event { happened, found_by, .. } = heard.event;
    let stored = purger.shelf.stored(&original.key).await;
    let nothing_stored = stored.as_ref().is_ok_and(|group| group.count == 0);
    if is_free(nothing_stored, happened, found_by) {
        return None;
    }
    // Each process that answers requests elsewhere and had it in memory says so once more behind its purge. Where nothing of it is
    // stored, that purge was made; outer caches were told by it, and telling them has its price.
    if purger.config.fills_elsewhere && found_by == FoundBy::Read && happened == Happened::Removed && nothing_stored {
        return None;
    }
    let selector = [afterimage_identity::Selector::Original(original.clone())];
    // Nothing stored, nobody outside to tell: the fence alone says whether there was anything, and the source need not
    // be asked, which may mean reading a file that is still being copied.
    let alone = nothing_stored && purger.parts.invalidators.is_empty() && found_by == FoundBy::Event;
    let mut raises = alone.then(|| fences::raise(&purger.parts.fences, &selector));
    if raises.as_ref().is_some_and(Raises::is_empty) {
        return None;
    }
    let answer = purger.parts.ask.ask(&original.key).await.answer;
    let versions = stored.as_ref().map(|group| group.versions.clone()).unwrap_or_default();
    let copies = stored.as_ref().is_ok_and(|group| group.copies > 0);
    let Plan::Purge { reason, keep, certain } = plan(&answer, &versions, copies, happened, found_by) else {
        if let Answer::Unprovable(why) = &answer {
            *unsure = Some(why.to_string());
        }
        return None;
    };
    if let (Err(error), Reason::Changed) = (&stored, reason) {
        *unsure = Some(error.to_string());
    }
    let keep_version = keep.as_ref();
    // Names that say no version are derivatives of an original that is gone all the same.
    let left_over = reason == Reason::Gone && !nothing_stored;
    let planned: Vec<Removed> = stored.map(|group| group.doomed(keep_version)).unwrap_or_default();
    if !certain && !left_over {
        if found_by == FoundBy::Read && purger.is_repeated(&original.key, &answer, REPEAT) {
            return None;
        }
        if !nothing_stored && reason == Reason::Changed {
            // What is stored is current. A fence makes caches agree; only a fill under way can still bring something older,
            // and outer caches may hold what was written over, of which nothing is stored any more.
            let outside = happened == Happened::Written
                && !purger.parts.invalidators.is_empty()
                && !purger.is_repeated(&original.key, &answer, REPEAT);
            let raised = raises.take().unwrap_or_else(|| fences::raise(&purger.parts.fences, &selector));
            raises = Some(raised).filter(|raised| outside || raised.overlapping > 0);
            raises.as_ref()?;
        } else if purger.parts.invalidators.is_empty() && raises.is_none() {
            raises = Some(fences::raise(&purger.parts.fences, &selector)).filter(|raises| !raises.is_empty());
            raises.as_ref()?;
        }
    }
    purger.remember(&original.key, answer);
    let subject = Subject::Original(original.clone());
    let targets = Targets::Originals(vec![Target { original: original.clone(), keep }]);
    let mut task = Task::new(subject, targets, reason.as_str(), found_by, heard.at_ms);
    task.planned = planned;
    Some(Made { task, raises })
}

async fn observe_folder(purger: &Arc<Purger>, heard: &Heard, prefix: &str, unsure: &mut Option<String>) -> Vec<Made> {
    let Event { happened, found_by, .. } = heard.event;
    let source = &purger.config.source;
    // What is cached below it and not stored is not found by a listing.
    let came = happened == Happened::Created;
    let raises = (!came).then(|| fences::raise(&purger.parts.fences, &prefix_selectors(source, prefix)));
    let found = match find_below(purger, prefix, unsure).await {
        Ok(found) => found,
        Err(error) => {
            *unsure = Some(error.to_string());
            return Vec::new();
        }
    };
    let nothing = found.is_empty();
    let touched = raises.as_ref().is_some_and(|raises| !raises.is_empty());
    let tell = !came && !purger.parts.invalidators.is_empty();
    if nothing && !touched && !tell {
        return Vec::new();
    }
    let mut chunks: Vec<Vec<(Target, Vec<Removed>)>> = Vec::new();
    for found in found {
        match chunks.last_mut().filter(|chunk| chunk.len() < TARGETS_MAX) {
            Some(chunk) => chunk.push(found),
            None => chunks.push(vec![found]),
        }
    }
    if nothing {
        chunks.push(Vec::new());
    }
    let mut raises = raises;
    let made = chunks.into_iter().map(|chunk| {
        let gone = chunk.iter().all(|(target, _)| target.keep.is_none()) && (!nothing || happened == Happened::Removed);
        let reason = if gone { Reason::Gone } else { Reason::Changed };
        let (targets, planned): (Vec<Target>, Vec<Vec<Removed>>) = chunk.into_iter().unzip();
        let subject = heard.event.subject.clone();
        let mut task = Task::new(subject, Targets::Originals(targets), reason.as_str(), found_by, heard.at_ms);
        task.planned = planned.into_iter().flatten().take(TARGETS_MAX).collect();
        task.wide = !came;
        // Every chunk waits for the same fills; the first one counts what was fenced.
        let fenced = raises.clone();
        if let Some(raises) = &mut raises {
            raises.matched = 0;
        }
        Made { task, raises: fenced }
    });
    made.collect()
}

/// The originals below a folder that are gone or changed, with what goes of each.
async fn find_below(
    purger: &Arc<Purger>,
    prefix: &str,
    unsure: &mut Option<String>,
) -> Result<Vec<(Target, Vec<Removed>)>, afterimage_store::Error> {
    let mut found = Vec::new();
    for mut groups in purger.shelf.groups_below(prefix) {
        loop {
            let mut chunk = Vec::new();
            let mut more = true;
            while chunk.len() < 256 && more {
                match groups.next().await? {
                    Some(group) => chunk.extend(
                        group.key.clone().filter(|key| key.as_str().starts_with(prefix)).map(|key| (key, group)),
                    ),
                    None => more = false,
                }
            }
            let keys: Vec<OriginalKey> = chunk.iter().map(|(key, _)| key.clone()).collect();
            let answers = purger.ask_all(keys).await;
            for ((key, group), answer) in chunk.into_iter().zip(answers) {
                if let Answer::Unprovable(why) = &answer {
                    *unsure = Some(why.to_string());
                }
                // A listing has shown these, so the word of a removal or creation adds nothing for each of them.
                let (versions, copies) = (&group.versions, group.copies > 0);
                if let Plan::Purge { keep, .. } = plan(&answer, versions, copies, Happened::Changed, FoundBy::Event) {
                    let doomed = group.doomed(keep.as_ref());
                    let original = Original::new(purger.config.source.clone(), key);
                    found.push((Target { original, keep }, doomed));
                }
            }
            if !more {
                break;
            }
        }
    }
    Ok(found)
}

/// Enters purges into the books, holds what has to be held, and starts the rest; whether they are written down.
async fn begin(purger: &Arc<Purger>, made: Vec<Made>) -> io::Result<()> {
    let (held, free): (Vec<Made>, Vec<Made>) = made.into_iter().partition(|made| is_held(purger, &made.task));
    if !held.is_empty() {
        hold(purger, held.into_iter().map(|made| made.task).collect()).await;
    }
    if free.is_empty() {
        return Ok(());
    }
    let (tasks, raises): (Vec<Task>, Vec<Option<Raises>>) =
        free.into_iter().map(|made| (made.task, made.raises)).unzip();
    let (ids, written) = purger.enter(tasks).await;
    for (id, raises) in ids.into_iter().zip(raises) {
        // Whoever brought the event may believe that nothing old is served any more.
        let raises = raises.or_else(|| purger.books.get(id).map(|task| fence(purger, &task, None)));
        purger.start(id, raises, false);
    }
    written
}

/// Whether reads have found so much gone or changed that a person has to look first.
fn is_held(purger: &Purger, task: &Task) -> bool {
    let (FoundBy::Read, Subject::Original(original)) = (task.receipt.found_by, &task.receipt.subject) else {
        return false;
    };
    let lost = purger.note_loss(original.key.clone());
    purger.books.held() > 0 || purger.config.mass_loss.is_reached(lost, purger.books.originals_known())
}

/// Fences the originals of these purges and leaves the rest to a person. Those already held are not held twice.
pub(crate) async fn hold(purger: &Arc<Purger>, tasks: Vec<Task>) {
    let mut fresh: Vec<Target> = Vec::new();
    for task in &tasks {
        if let Targets::Originals(targets) = &task.targets {
            fresh.extend(targets.iter().filter(|target| !purger.books.is_held(&target.original.key)).cloned());
        }
    }
    if fresh.len() + purger.books.held() > crate::scan::SUSPECTS_MAX {
        fences::raise(&purger.parts.fences, &[afterimage_identity::Selector::All]);
        tracing::error!("more originals are gone or changed than are remembered; everything is fenced");
        fresh.truncate(crate::scan::SUSPECTS_MAX.saturating_sub(purger.books.held()));
    }
    let Some(first) = tasks.first() else { return };
    // The first reads that are held ask for a scan: it knows how much is really lost.
    if first.receipt.found_by == FoundBy::Read && purger.books.held() == 0 {
        purger.scan_wanted.notify_one();
    }
    let (found_by, heard_at_ms) = (first.receipt.found_by, first.receipt.heard_at_ms);
    for targets in fresh.chunks(TARGETS_MAX) {
        let subject = Subject::Everything { source: purger.config.source.clone() };
        let reason = "gone or changed, with very many others";
        let mut task = Task::new(subject, Targets::Originals(targets.to_vec()), reason, found_by, heard_at_ms);
        task.receipt.state = ReceiptState::Held;
        task.receipt.recoverable.clone_from(&purger.config.recoverable);
        let raises = fences::raise(&purger.parts.fences, &selectors(&purger.config.source, &task));
        for id in purger.books.add(vec![task]) {
            note_fenced(purger, id, &raises, ReceiptState::Held);
        }
        tracing::error!(
            originals = targets.len(),
            "very many originals are gone or changed: deletions wait for `reconcile --confirm`"
        );
    }
    if let Err(error) = purger.books.flush(true).await {
        tracing::error!(%error, "the hold is not written down");
    }
}

impl Purger {
    /// Looks at an event again later; after some tries it is left to the next scan.
    fn try_again(self: &Arc<Self>, mut heard: Heard) {
        heard.tries += 1;
        if heard.tries > TRIES_MAX {
            tracing::warn!(event = ?heard.event, "the source cannot say; left to the next scan");
            return;
        }
        if self.trying.fetch_add(1, Ordering::Relaxed) >= self.config.queue_max {
            self.trying.fetch_sub(1, Ordering::Relaxed);
            self.scan_wanted.notify_one();
            return;
        }
        let pause = Duration::from_secs(1 << (heard.tries - 1));
        let purger = Arc::downgrade(self);
        self.spawn(async move {
            tokio::time::sleep(pause).await;
            if let Some(purger) = purger.upgrade() {
                purger.trying.fetch_sub(1, Ordering::Relaxed);
                purger.queue.push(heard);
            }
        });
    }
}
