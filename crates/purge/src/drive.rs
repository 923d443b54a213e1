//! Carries out one purge: fence, sweep, tell the outer caches, sweep again after the longest fill, tell them again if a
//! fill overlapped. Each step is tried until it succeeds, whatever becomes of the others, and may be begun anew by
//! another process at any point.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use afterimage_identity::{Answer, FoundBy, Invalidate, LayerState, ReceiptState};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bounded;
use crate::config::Config;
use crate::fences::{self, Raises};
use crate::order::{DERIVATIVES, Target, Targets, Task};
use crate::purger::Purger;
use crate::reach::{invalidation, selectors};
use crate::shelf::Swept;

/// How often the first sweep is tried before the outer caches are told without it.
const FIRST_TRIES: u32 = 3;
/// How often a second sweep may find something new before that counts as a failure.
const ROUNDS_MAX: u32 = 10;

/// Carries out the purge `id`. `raises` are the fences already raised for it; `resumed` says that another process, or an
/// earlier attempt, began it.
pub(crate) async fn drive(purger: Arc<Purger>, id: u64, raises: Option<Raises>, resumed: bool) {
    let Some(task) = purger.books.get(id) else { return };
    if task.is_closed() || task.is_held() {
        return;
    }
    let (clean, is_clean) = watch::channel(task.again);
    let mut outer = JoinSet::new();
    if task.again.is_none() {
        let raises = fence(&purger, &task, raises);
        // Where the second sweep is due, it is all that is needed.
        let first = resumed && is_due(&purger, &task) || first_sweep(&purger, &task).await;
        purger.books.update(id, |task| task.swept = first);
        tell_all(&purger, &task, &is_clean, &mut outer);
        clean_up(&purger, &task, &raises, first, resumed, &clean).await;
    } else {
        tell_all(&purger, &task, &is_clean, &mut outer);
    }
    let mut all_told = true;
    while let Some(told) = outer.join_next().await {
        all_told &= told.unwrap_or(false);
    }
    let now_ms = purger.wall_ms();
    purger.books.update(id, |task| {
        if all_told {
            task.receipt.state = ReceiptState::Done;
            task.receipt.done_at_ms.get_or_insert(now_ms);
        } else if !task.is_closed() {
            task.parked = true;
        }
    });
    if let Some(done) = purger.books.get(id) {
        let receipt = &done.receipt;
        tracing::info!(
            id, subject = %receipt.subject, reason = receipt.reason, removed = receipt.removed_count,
            fenced_at_ms = receipt.fenced_at_ms, clean_at_ms = receipt.clean_at_ms, done = all_told, "purged"
        );
    }
    // A purge whose end is not written is done again by the next process; that is harmless.
    let _ = purger.books.flush(false).await;
}

/// When the second sweep may begin, where fills cannot be asked whether they are over: what began before the event was heard is
/// over then, or stores nothing.
pub(crate) fn due_ms(config: &Config, task: &Task) -> Option<u64> {
    (config.fills_elsewhere && task.again.is_none())
        .then(|| task.receipt.heard_at_ms.saturating_add(config.fill_ms_max))
}

fn is_due(purger: &Purger, task: &Task) -> bool {
    due_ms(&purger.config, task).is_some_and(|due_ms| purger.wall_ms() >= due_ms)
}

/// Raises the fences of a purge, unless that was done before, and writes it into the receipt.
pub(crate) fn fence(purger: &Purger, task: &Task, raises: Option<Raises>) -> Raises {
    if let Some(raises) = raises.clone().filter(|_| task.receipt.state == ReceiptState::Fenced) {
        return raises;
    }
    let raises = raises.unwrap_or_else(|| fences::raise(&purger.parts.fences, &selectors(&purger.config.source, task)));
    note_fenced(purger, task.receipt.id, &raises, ReceiptState::Fenced);
    raises
}

/// Writes into the receipt what the fences did.
pub(crate) fn note_fenced(purger: &Purger, id: u64, raises: &Raises, state: ReceiptState) {
    let now_ms = purger.wall_ms();
    purger.books.update(id, |task| {
        // A purge never goes back.
        if task.receipt.state == ReceiptState::Planned {
            task.receipt.state = state;
        }
        // Without a cache of our own nothing says that nothing old is served any more.
        if !purger.parts.fences.is_empty() {
            task.receipt.fenced_at_ms.get_or_insert(now_ms);
        }
        task.receipt.sequence = task.receipt.sequence.or(raises.sequence);
        task.receipt.entries_matched += raises.matched;
        task.receipt.fills_overlapping += raises.overlapping;
        for edge in &purger.parts.fences {
            task.layer(edge.name(), LayerState::Done);
        }
        task.layer(DERIVATIVES, LayerState::Waiting { last_error: None, attempts: 0 });
        for outer in &purger.parts.invalidators {
            task.layer(outer.name(), LayerState::Waiting { last_error: None, attempts: 0 });
        }
    });
}

/// Sweeps before the outer caches are told, so that none that reads the store refills from it. Whether it succeeded.
async fn first_sweep(purger: &Arc<Purger>, task: &Task) -> bool {
    for attempt in 1..=FIRST_TRIES {
        match sweep(purger, task).await {
            Ok(_) => return true,
            Err(why) => failed(purger, task.receipt.id, DERIVATIVES, &why, attempt),
        }
        if attempt < FIRST_TRIES {
            tokio::time::sleep(purger.config.backoff(attempt)).await;
        }
    }
    false
}

/// Brings the store to the state in which nothing is left, and sees it so.
async fn clean_up(
    purger: &Arc<Purger>,
    task: &Task,
    raises: &Raises,
    first: bool,
    resumed: bool,
    clean: &watch::Sender<Option<bool>>,
) {
    let mut attempts = 0;
    let mut swept = first;
    while !swept {
        attempts += 1;
        tokio::time::sleep(purger.config.backoff(attempts.max(FIRST_TRIES))).await;
        match sweep(purger, task).await {
            Ok(_) => swept = true,
            Err(why) => failed(purger, task.receipt.id, DERIVATIVES, &why, FIRST_TRIES + attempts),
        }
    }
    fences::drained(&purger.parts.fences, raises, Duration::from_millis(purger.config.fill_ms_max)).await;
    while let Some(due_ms) = due_ms(&purger.config, task).filter(|_| !is_due(purger, task)) {
        tokio::time::sleep(Duration::from_millis(due_ms.saturating_sub(purger.wall_ms()))).await;
    }
    // A purge somebody asked for deletes new derivatives too, so it never sees none; one more sweep takes what the
    // overlapping fills may have left.
    let overlapped = raises.overlapping > 0 || resumed || purger.config.fills_elsewhere;
    if !task.is_unconditional() || overlapped {
        second_sweep(purger, task).await;
    }
    let now_ms = purger.wall_ms();
    let again = overlapped || !first;
    purger.books.update(task.receipt.id, |task| {
        if resumed {
            task.count_planned();
        }
        task.again = Some(again);
        task.receipt.state = ReceiptState::Clean;
        task.receipt.clean_at_ms.get_or_insert(now_ms);
        task.layer(DERIVATIVES, LayerState::Done);
    });
    let _ = purger.books.flush(false).await;
    clean.send_replace(Some(again));
}

async fn second_sweep(purger: &Arc<Purger>, task: &Task) {
    let (mut attempts, mut rounds) = (0, 0);
    loop {
        let why = match sweep(purger, task).await {
            Ok(0) => return,
            Ok(_) if task.is_unconditional() => return,
            Ok(_) if rounds < ROUNDS_MAX => {
                rounds += 1;
                continue;
            }
            Ok(count) => format!("{count} derivatives came back"),
            Err(why) => why,
        };
        attempts += 1;
        failed(purger, task.receipt.id, DERIVATIVES, &why, attempts);
        tokio::time::sleep(purger.config.backoff(attempts)).await;
    }
}

fn failed(purger: &Purger, id: u64, layer: &str, why: &str, attempts: u32) {
    tracing::warn!(id, layer, why, attempts, "a step of a purge failed");
    let state = LayerState::Waiting { last_error: Some(why.to_owned()), attempts };
    purger.books.update(id, |task| task.layer(layer, state));
}

/// Deletes what has to go; how many it deleted whose like must not come back, or what went wrong.
async fn sweep(purger: &Arc<Purger>, task: &Task) -> Result<u64, String> {
    let _sweeping = Sweeping::begin(purger);
    let swept = match &task.targets {
        Targets::All => purger.shelf.sweep_derivatives("").await,
        Targets::Prefix(prefix) => purger.shelf.sweep_below(prefix).await,
        Targets::Originals(targets) => {
            let (found_by, purger) = (task.receipt.found_by, purger.clone());
            let at_once = purger.config.concurrent_max;
            let each =
                bounded::each(targets.clone(), at_once, move |target| sweep_one(purger.clone(), target, found_by));
            each.await.into_iter().fold(Swept::default(), |mut all, swept| {
                all.add(swept);
                all
            })
        }
    };
    let (count, renewable, failed) = (swept.count, swept.renewable, swept.failed);
    if count > 0 {
        purger.books.update(task.receipt.id, |task| task.removed(swept.removed, count));
    }
    failed.map_or(Ok(count - renewable), Err)
}

/// A sweep is under way while this lives.
struct Sweeping<'a>(&'a AtomicUsize);

impl<'a> Sweeping<'a> {
    fn begin(purger: &'a Purger) -> Self {
        purger.sweeping.fetch_add(1, Ordering::AcqRel);
        Self(&purger.sweeping)
    }
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Deletes the derivatives of one original that are not of the version there is now: it may have changed once more.
async fn sweep_one(purger: Arc<Purger>, target: Target, found_by: FoundBy) -> Swept {
    let key = &target.original.key;
    let _turn = purger.turns.acquire().await;
    if found_by == FoundBy::Operator {
        return purger.shelf.sweep(key, None).await;
    }
    match purger.parts.ask.ask(key).await.answer {
        Answer::Present(version) => purger.shelf.sweep(key, Some(&version)).await,
        Answer::Gone => purger.shelf.sweep(key, None).await,
        // What an event named was proven when it was planned, and deleting a derivative never costs truth. What a scan
        // found may be an unmounted disk: the next scan finds it again.
        Answer::Unprovable(_) if found_by == FoundBy::Scan => Swept::default(),
        Answer::Unprovable(_) => purger.shelf.sweep(key, target.keep.as_ref()).await,
    }
}

fn tell_all(purger: &Arc<Purger>, task: &Task, is_clean: &watch::Receiver<Option<bool>>, outer: &mut JoinSet<bool>) {
    for invalidate in &purger.parts.invalidators {
        outer.spawn(tell(purger.clone(), task.receipt.id, invalidate.clone(), is_clean.clone()));
    }
}

/// Tells one outer cache, and again if that is needed; whether it has forgotten.
async fn tell(
    purger: Arc<Purger>,
    id: u64,
    outer: Arc<dyn Invalidate>,
    mut is_clean: watch::Receiver<Option<bool>>,
) -> bool {
    let told = purger.books.get(id).and_then(|task| task.told.get(outer.name()).copied()).unwrap_or(0);
    if told < 1 && !tell_round(&purger, id, &*outer, 1).await {
        return false;
    }
    let again = match is_clean.wait_for(Option::is_some).await {
        Ok(again) => *again == Some(true),
        Err(_) => return false,
    };
    if again && told < 2 && !tell_round(&purger, id, &*outer, 2).await {
        return false;
    }
    purger.books.update(id, |task| task.layer(outer.name(), LayerState::Done));
    true
}

async fn tell_round(purger: &Arc<Purger>, id: u64, outer: &dyn Invalidate, round: u8) -> bool {
    let mut attempts = 0;
    loop {
        let Some(task) = purger.books.get(id).filter(|task| !task.is_closed()) else { return false };
        let what = invalidation(&purger.config.source, &purger.config.hosts, &task, round);
        let Err(error) = outer.invalidate(&what).await else {
            purger.books.update(id, |task| {
                task.told.insert(outer.name().to_owned(), round);
            });
            let _ = purger.books.flush(false).await;
            return true;
        };
        attempts += 1;
        failed(purger, id, outer.name(), &error.why, attempts);
        if !error.retry {
            return false;
        }
        tokio::time::sleep(purger.config.backoff(attempts)).await;
    }
}
