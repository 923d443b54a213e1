//! The process dies at every step of every kind of purge, before and after its effect, and a fresh one finishes.

mod world;

use std::sync::atomic::Ordering;
use std::time::Duration;

use afterimage_identity::{Event, FoundBy, Happened, Notice, ReceiptState, SourceId, Subject};
use afterimage_purge::{Mode, Order, OrderOf};
use tokio::task::JoinHandle;
use world::{Running, World, event, original};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gone,
    Changed,
    Folder,
    Asked,
    Scan,
}

async fn world() -> World {
    let world = World::new(&["cdn"]);
    for name in ["p/a.jpg", "p/b.jpg"] {
        world.derive(name, "old", "r1").await;
        world.derive(name, "old", "r2").await;
    }
    world
}

/// Begins it; what was spawned dies with the process.
async fn begin(kind: Kind, world: &World, running: &Running) -> Option<JoinHandle<()>> {
    match kind {
        Kind::Gone => {
            world.upload("p/b.jpg", "old").await;
            running.purger.notice(event("p/a.jpg", Happened::Removed, FoundBy::Event));
        }
        Kind::Changed => {
            world.upload("p/b.jpg", "old").await;
            world.upload("p/a.jpg", "new").await;
            world.derive("p/a.jpg", "new", "r1").await;
            running.purger.notice(event("p/a.jpg", Happened::Changed, FoundBy::Event));
        }
        Kind::Folder => {
            let subject = Subject::Folder { source: SourceId::default(), prefix: "p/".to_owned() };
            running.purger.notice(Event { subject, happened: Happened::Removed, found_by: FoundBy::Event });
        }
        Kind::Asked => {
            world.upload("p/b.jpg", "old").await;
            let (purger, key) = (running.purger.clone(), original("p/a.jpg").key);
            let order = Order { selector: OrderOf::Key(key), wait: false };
            return Some(tokio::spawn(async move { drop(purger.purge(order).await) }));
        }
        Kind::Scan => {
            let purger = running.purger.clone();
            return Some(tokio::spawn(async move { drop(purger.reconcile(Mode::Run, &|_| {}).await) }));
        }
    }
    None
}

fn left(kind: Kind) -> usize {
    match kind {
        Kind::Gone | Kind::Asked => 2,
        Kind::Changed => 3,
        Kind::Folder | Kind::Scan => 0,
    }
}

/// Whether something was begun, and all of it is done.
fn is_done(running: &Running) -> bool {
    let receipts = running.receipts();
    !receipts.is_empty() && receipts.iter().all(|receipt| receipt.state == ReceiptState::Done)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to this: {what}");
}

/// One purge, killed at the given step; whether it came so far.
async fn killed_at(kind: Kind, late: bool, step: usize) -> bool {
    let story = format!("{kind:?}, killed at step {step}, late: {late}");
    let mut world = world().await;
    world.config.backoff_ms_min = 1;
    world.derivatives.dies_late.store(late, Ordering::SeqCst);
    world.script.die_at(step);
    let running = world.run();
    let begun = begin(kind, &world, &running).await;
    until(&story, || world.script.died.load(Ordering::SeqCst) || is_done(&running)).await;
    let (died, written) = (world.script.died.load(Ordering::SeqCst), !running.receipts().is_empty());
    if let Some(begun) = begun {
        begun.abort();
        let _ = begun.await;
    }
    running.die().await;
    world.script.die_at(0);
    if !died {
        return false;
    }

    let running = world.run();
    // If nothing was begun, the scan at the start or a doubled event finds it again.
    let begun = if written { None } else { begin(kind, &world, &running).await };
    until(&story, || is_done(&running)).await;
    let stored = world.stored().await;
    assert_eq!(stored.len(), left(kind), "{story}: {stored:?}");
    let removed: u64 = running.receipts().iter().map(|receipt| receipt.removed_count).sum();
    let wanted = match kind {
        Kind::Gone | Kind::Changed => Some(2),
        Kind::Folder => Some(4),
        // What these would remove is not known before they do.
        Kind::Asked | Kind::Scan => None,
    };
    assert!(wanted.is_none_or(|wanted| wanted == removed), "{story}: {removed} are in receipts");
    assert!(!world.outers[0].told.lock().unwrap().is_empty(), "{story}: nobody was told");
    if let Some(begun) = begun {
        begun.await.unwrap();
    }
    running.die().await;
    true
}

#[tokio::test]
async fn killed_at_any_step_a_fresh_process_finishes() {
    for kind in [Kind::Gone, Kind::Changed, Kind::Folder, Kind::Asked, Kind::Scan] {
        for late in [false, true] {
            let mut step = 1;
            while killed_at(kind, late, step).await {
                step += 1;
            }
            assert!(step >= 4, "{kind:?}: only {step} steps were tried");
        }
    }
}

#[tokio::test]
async fn a_fill_that_overlapped_in_a_dead_process_is_not_forgotten() {
    let world = World::new(&["cdn"]);
    world.derive("a.jpg", "old", "r1").await;
    world.edge.begin_fill("/a.jpg", &original("a.jpg"));
    let running = world.run();
    running.purger.notice(event("a.jpg", Happened::Removed, FoundBy::Event));
    until("told once", || world.outers[0].told.lock().unwrap().len() == 1).await;
    running.die().await;
    // The fill died with its process, but what it had sent before may lie in the outer cache, and what it wrote at rest.
    world.edge.die();
    world.derive("a.jpg", "old", "r2").await;
    let running = world.run();
    until("done", || is_done(&running)).await;
    assert!(world.stored().await.is_empty());
    assert_eq!(world.outers[0].told.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_scan_goes_on_where_the_dead_process_stopped() {
    let mut world = World::new(&[]);
    world.config.mass_loss.count = 1_000;
    for number in 0..500 {
        world.derive(&format!("{number:03}.jpg"), "old", "r1").await;
        if number % 2 == 1 {
            world.upload(&format!("{number:03}.jpg"), "old").await;
        }
    }
    world.config.scan_per_s = 100;
    let running = world.run();
    let scan = tokio::spawn({
        let purger = running.purger.clone();
        async move { drop(purger.reconcile(Mode::Run, &|_| {}).await) }
    });
    while world.source.asked.load(Ordering::SeqCst) < 128 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scan.abort();
    let _ = scan.await;
    running.die().await;
    let asked = world.source.asked.swap(0, Ordering::SeqCst);
    world.config.scan_per_s = 1_000_000;
    let running = world.run();
    while world.stored().await.len() > 250 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.purger.settle().await;
    assert_eq!(running.purger.health().originals_known, 500);
    // Those asked about twice belong to the chunk that was not written down, and to the sweeps.
    let again = world.source.asked.load(Ordering::SeqCst);
    assert!(asked >= 128 && again <= 500 - 64 + 2 * 250, "{asked} then {again}");
}
