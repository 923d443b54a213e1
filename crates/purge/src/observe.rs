//! From events to purges: asks what is stored and what is true, lets the plan decide, and enters what follows into the
//! books before anything is deleted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afterimage_identity::{Answer, Event, FoundBy, Happened, Original, OriginalKey, ReceiptState, Removed, Subject};

use crate::bounded;
use crate::drive::note_fenced;
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

/// Looks at a batch of events and begins the purges that follow.
pub(crate) async fn handle(purger: &Arc<Purger>, batch: Vec<Heard>) {
    let at_once = purger.config.concurrent_max;
    let each = bounded::each(batch, at_once, |heard| observe(purger.clone(), heard));
    let made: Vec<Made> = each.await.into_iter().flatten().collect();
    begin(purger, made).await;
}

async fn observe(purger: Arc<Purger>, mut heard: Heard) -> Vec<Made> {
    heard.event.happened = purger.config.heard(heard.event.happened);
    match heard.event.subject.clone() {
        Subject::Original(original) if original.source == purger.config.source => {
            observe_original(&purger, &heard, &original).await.into_iter().collect()
        }
        Subject::Folder { source, prefix } if source == purger.config.source => {
            observe_folder(&purger, &heard, &prefix).await
        }
        // Another source has its own purger; "everything" never comes here.
        _ => Vec::new(),
    }
}

async fn observe_original(purger: &Arc<Purger>, heard: &Heard, original: &Original) -> Option<Made> {
    let Event { happened, found_by, .. } = heard.event;
    let stored = purger.shelf.stored(&original.key).await;
    let nothing_stored = stored.as_ref().is_ok_and(|group| group.count == 0);
    if is_free(nothing_stored, happened, found_by) {
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
    let Plan::Purge { reason, keep, certain } = plan(&answer, &versions, happened, found_by) else {
        if matches!(answer, Answer::Unprovable(_)) {
            purger.try_again(heard.clone());
        }
        return None;
    };
    if stored.is_err() && reason == Reason::Changed {
        purger.try_again(heard.clone());
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
            // What is stored is current. A fence makes caches agree; only a fill under way can still bring something older.
            let raised = raises.take().unwrap_or_else(|| fences::raise(&purger.parts.fences, &selector));
            raises = Some(raised).filter(|raised| raised.overlapping > 0);
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

async fn observe_folder(purger: &Arc<Purger>, heard: &Heard, prefix: &str) -> Vec<Made> {
    let Event { happened, found_by, .. } = heard.event;
    let source = &purger.config.source;
    // What is cached below it and not stored is not found by a listing.
    let came = happened == Happened::Created;
    let raises = (!came).then(|| fences::raise(&purger.parts.fences, &prefix_selectors(source, prefix)));
    let Some(found) = find_below(purger, heard, prefix).await else {
        purger.try_again(heard.clone());
        return Vec::new();
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

/// The originals below a folder that are gone or changed, with what goes of each. `None` when the store cannot be listed.
async fn find_below(purger: &Arc<Purger>, heard: &Heard, prefix: &str) -> Option<Vec<(Target, Vec<Removed>)>> {
    let mut found = Vec::new();
    let mut unproven = false;
    for mut groups in purger.shelf.groups_below(prefix) {
        loop {
            let mut chunk = Vec::new();
            let mut more = true;
            while chunk.len() < 256 && more {
                match groups.next().await.ok()? {
                    Some(group) => chunk.extend(
                        group.key.clone().filter(|key| key.as_str().starts_with(prefix)).map(|key| (key, group)),
                    ),
                    None => more = false,
                }
            }
            let keys: Vec<OriginalKey> = chunk.iter().map(|(key, _)| key.clone()).collect();
            let answers = purger.ask_all(keys).await;
            for ((key, group), answer) in chunk.into_iter().zip(answers) {
                unproven |= matches!(answer, Answer::Unprovable(_));
                // A listing has shown these, so the word of a removal or creation adds nothing for each of them.
                if let Plan::Purge { keep, .. } = plan(&answer, &group.versions, Happened::Changed, FoundBy::Event) {
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
    if unproven {
        purger.try_again(heard.clone());
    }
    Some(found)
}

/// Enters purges into the books, holds what has to be held, and starts the rest.
async fn begin(purger: &Arc<Purger>, made: Vec<Made>) {
    let (held, free): (Vec<Made>, Vec<Made>) = made.into_iter().partition(|made| is_held(purger, &made.task));
    if !held.is_empty() {
        hold(purger, held.into_iter().map(|made| made.task).collect()).await;
    }
    if free.is_empty() {
        return;
    }
    let (tasks, raises): (Vec<Task>, Vec<Option<Raises>>) =
        free.into_iter().map(|made| (made.task, made.raises)).unzip();
    let ids = purger.enter(tasks).await;
    for (id, raises) in ids.into_iter().zip(raises) {
        purger.start(id, raises, false);
    }
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
