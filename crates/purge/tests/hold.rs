//! Very much gone at once may be an unmounted disk: edges stop serving it, and a person decides on the rest.

mod world;

use std::sync::atomic::Ordering;
use std::time::Duration;

use afterimage_identity::{FoundBy, Happened, Notice, ReceiptState, Version};
use afterimage_purge::{MassLoss, Mode};
use world::{World, event, original};

/// So many originals with one derivative each, of which so many are gone. The rule of these tests: more than 10 and more
/// than 5 %.
async fn lost(gone: usize, of: usize) -> World {
    let world = World::new(&["cdn"]);
    for number in 0..of {
        let key = format!("{number:04}.jpg");
        if number >= gone {
            world.upload(&key, "old").await;
        }
        world.derive(&key, "old", "r1").await;
        world.edge.cache(&format!("/{key}"), &original(&key), &Version::of_content(b"old"));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn the_bounds_are_exact() {
    for (gone, of, held) in [(10, 10, false), (11, 11, true), (11, 220, false), (12, 220, true), (12, 240, false)] {
        let world = lost(gone, of).await;
        let running = world.run();
        let looked = running.purger.reconcile(Mode::DryRun, &|_| {}).await.unwrap();
        assert_eq!((looked.held, looked.gone, looked.originals), (held, gone as u64, of as u64));
        assert_eq!(looked.doomed.len(), gone);
        assert_eq!(world.edge.cached.lock().unwrap().len(), of, "a dry run touches nothing");
        assert_eq!(running.receipts(), []);

        let report = running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
        running.purger.settle().await;
        assert_eq!(report.held, held, "{gone} of {of}");
        assert_eq!(world.edge.cached.lock().unwrap().len(), of - gone, "either way edges stop serving what is gone");
        assert_eq!(world.stored().await.len(), if held { of } else { of - gone }, "{gone} of {of}");
        assert_eq!(world.outers[0].told.lock().unwrap().is_empty(), held);
        assert_eq!(running.purger.health().held, if held { gone } else { 0 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_confirms_and_a_restart_forgets_nothing() {
    let mut world = lost(20, 100).await;
    world.config.recoverable = vec!["earlier versions".to_owned()];
    let running = world.run();
    running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
    assert_eq!(running.receipts()[0].state, ReceiptState::Held);
    assert_eq!(running.receipts()[0].recoverable, ["earlier versions"], "who decides has to know");
    running.die().await;

    let running = world.run();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(running.purger.health().held, 20);
    assert_eq!(world.stored().await.len(), 100);
    // One came back before the person looked.
    world.upload("0003.jpg", "old").await;
    let report = running.purger.reconcile(Mode::Confirm, &|_| {}).await.unwrap();
    assert_eq!((report.gone, report.held), (19, false));
    running.purger.settle().await;
    assert_eq!(world.stored().await.len(), 81);
    assert_eq!(running.purger.health().held, 0);
    assert!(running.receipts().iter().all(|receipt| receipt.state == ReceiptState::Done));
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_releases_the_hold_by_itself() {
    let world = lost(20, 100).await;
    let running = world.run();
    running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
    for number in 0..20 {
        world.upload(&format!("{number:04}.jpg"), "old").await;
    }
    let report = running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
    assert_eq!((report.gone, report.held, running.purger.health().held), (0, false, 0));
    assert_eq!(world.stored().await.len(), 100);
    assert_eq!(world.outers[0].told.lock().unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn reads_are_held_past_the_bound_and_events_never() {
    let world = lost(30, 30).await;
    let running = world.run();
    for number in 0..10 {
        running.hears(event(&format!("{number:04}.jpg"), Happened::Removed, FoundBy::Read)).await;
    }
    assert_eq!((world.stored().await.len(), running.purger.health().held), (20, 0), "at the bound they are purged");
    for number in 10..15 {
        let key = format!("{number:04}.jpg");
        running.purger.notice(event(&key, Happened::Removed, FoundBy::Read));
        running.purger.settle().await;
        assert!(!world.edge.cached.lock().unwrap().contains_key(&format!("/{key}")), "fenced all the same");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.stored().await.len(), 20);
    // The first of them asked for a scan, and that found the rest.
    assert_eq!(running.purger.health().held, 20);
    // Readers of what is held have nothing new to say.
    let asked = world.source.asked.load(Ordering::SeqCst);
    running.hears(event("0012.jpg", Happened::Removed, FoundBy::Read)).await;
    assert_eq!(world.source.asked.load(Ordering::SeqCst), asked);
    // Events name their keys and are confirmed: they act, hold or no hold.
    for number in 10..30 {
        running.hears(event(&format!("{number:04}.jpg"), Happened::Removed, FoundBy::Event)).await;
    }
    assert!(world.stored().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unmounted_disk_is_no_loss_at_all() {
    let world = lost(0, 50).await;
    world.source.is_blind.store(true, Ordering::SeqCst);
    let running = world.run();
    for mode in [Mode::Run, Mode::Confirm] {
        let report = running.purger.reconcile(mode, &|_| {}).await.unwrap();
        assert_eq!((report.gone, report.changed, report.unproven, report.held), (0, 0, 50, false));
    }
    assert_eq!(world.stored().await.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_scan_runs_at_the_start_and_again_and_tells_how_far_it_is() {
    let mut world = lost(5, 50).await;
    world.config.scan_at_start = true;
    world.config.scan_every_ms = Some(60_000);
    world.derivatives.lists_fail.store(1, Ordering::SeqCst);
    let running = world.run();
    tokio::time::sleep(Duration::from_secs(5)).await;
    running.purger.settle().await;
    assert_eq!(world.stored().await.len(), 45, "a scan that failed is made again soon");
    world.remove("0040.jpg").await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    running.purger.settle().await;
    assert_eq!(world.stored().await.len(), 44);

    let told = std::sync::Mutex::new(Vec::new());
    let tell = |progress: afterimage_purge::Progress| told.lock().unwrap().push(progress.originals);
    running.purger.reconcile(Mode::DryRun, &tell).await.unwrap();
    assert_eq!(told.into_inner().unwrap(), [44]);
}

#[tokio::test(start_paused = true)]
async fn a_scan_keeps_its_pace() {
    let mut world = lost(0, 300).await;
    world.config.scan_per_s = 10;
    let running = world.run();
    let start = tokio::time::Instant::now();
    running.purger.reconcile(Mode::DryRun, &|_| {}).await.unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(29) && took <= Duration::from_secs(31), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn strangers_in_the_store_are_counted_and_left_alone() {
    let world = lost(1, 2).await;
    use afterimage_store::Write;
    let body = bytes::Bytes::from_static(b"x");
    world.derivatives.memory.put("readme.txt", Default::default(), body).await.unwrap();
    let running = world.run();
    let report = running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
    running.purger.settle().await;
    assert_eq!((report.unknown, report.originals, report.derivatives), (1, 2, 2));
    assert_eq!(report.revisions["r1"], 2);
    assert!(world.stored().await.contains(&"readme.txt".to_owned()));
    assert_eq!(world.stored().await.len(), 2);
}

/// 5,000 originals with a derivative each, every tenth gone without an event.
async fn large() -> World {
    let mut world = World::new(&[]);
    world.config.mass_loss = MassLoss { percent: 50, count: 10 };
    world.config.scan_requests_max = Some(1_000);
    for number in 0..5_000 {
        let key = format!("{number:04}.jpg");
        if number % 10 != 0 {
            world.upload(&key, "here").await;
        }
        world.derive(&key, "here", "r1").await;
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_budget_spreads_one_pass_over_many_scans() {
    let world = large().await;
    let running = world.run();
    let (mut scans, mut asked) = (0, 0);
    loop {
        let before = world.source.asked.load(Ordering::SeqCst);
        let report = running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
        // What a purge asks once more before it deletes is not the scan's.
        assert!(report.asked + report.listed <= 1_000, "{report:?}");
        assert!(world.source.asked.load(Ordering::SeqCst) > before);
        running.purger.settle().await;
        (scans, asked) = (scans + 1, asked + report.asked);
        if !report.paused {
            break;
        }
        // What was found so far is gone already.
        assert!(world.stored().await.len() < 5_000 - scans * 80);
    }
    assert_eq!((scans, asked), (6, 5_000), "each original was asked about once");
    assert_eq!(world.stored().await.len(), 4_500);
    let again = running.purger.reconcile(Mode::DryRun, &|_| {}).await.unwrap();
    assert!(again.paused && again.gone == 0 && again.asked + again.listed <= 1_000, "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn too_much_lost_in_a_part_of_a_pass_is_held_and_a_person_confirms_all_of_it() {
    let mut world = large().await;
    world.config.mass_loss = MassLoss { percent: 5, count: 50 };
    let running = world.run();
    let report = running.purger.reconcile(Mode::Run, &|_| {}).await.unwrap();
    assert!(report.held && report.paused, "{report:?}");
    running.purger.settle().await;
    assert_eq!(world.stored().await.len(), 5_000, "nothing is deleted");
    let report = running.purger.reconcile(Mode::Confirm, &|_| {}).await.unwrap();
    assert!(!report.paused && report.asked == 5_000, "{report:?}");
    running.purger.settle().await;
    assert_eq!(world.stored().await.len(), 4_500);
}
