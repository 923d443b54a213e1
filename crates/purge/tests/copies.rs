//! Copies under canonical paths: whatever is told of an original takes them, and a scan takes those that are not right.

mod world;

use std::sync::atomic::Ordering;

use afterimage_identity::{FoundBy, Happened, Notice as _, ReceiptState};
use afterimage_purge::{MassLoss, Mode, Order, OrderOf, Report};
use world::{Running, World, event, original};

async fn scan(running: &Running, mode: Mode) -> Report {
    let report = running.purger.reconcile(mode, &|_| {}).await.unwrap();
    running.purger.settle().await;
    report
}

#[tokio::test(start_paused = true)]
async fn any_word_of_an_original_takes_its_copies_and_leaves_what_is_current() {
    for (happened, found_by) in [
        (Happened::Written, FoundBy::Event),
        (Happened::Removed, FoundBy::Event),
        (Happened::Created, FoundBy::Event),
        (Happened::Changed, FoundBy::Event),
        (Happened::Changed, FoundBy::Read),
    ] {
        let world = World::new(&["cdn"]);
        world.upload("a.jpg", "there").await;
        let derivative = world.derive_variant("a.jpg", "there", "r1").await;
        world.copy("a.jpg", "there", "r1").await;
        let (of_another, another) =
            (world.derive_variant("b.jpg", "b", "r1").await, world.copy("b.jpg", "b", "r1").await);
        let running = world.run();
        running.hears(event("a.jpg", happened, found_by)).await;
        assert_eq!(world.stored().await, [derivative, of_another, another], "{happened:?} {found_by:?}");
        let receipts = running.receipts();
        assert_eq!(
            (receipts[0].state, receipts[0].removed_count),
            (ReceiptState::Done, 1),
            "{happened:?} {found_by:?}"
        );
        assert_eq!(world.outers[0].told.lock().unwrap().len(), 1, "whoever has read it has to forget it");
    }
}

#[tokio::test(start_paused = true)]
async fn an_original_of_which_only_a_copy_is_left_is_seen() {
    let world = World::new(&["cdn"]);
    world.copy("gone.jpg", "old", "r1").await;
    let long = "l".repeat(800);
    world.copy(&long, "old", "r1").await;
    let running = world.run();
    running.hears(event("gone.jpg", Happened::Removed, FoundBy::Event)).await;
    assert_eq!(running.receipts()[0].removed_count, 1);
    // Its name has only the digest of its key.
    let report = scan(&running, Mode::Run).await;
    assert_eq!((report.originals, report.gone, report.copies, report.unknown), (1, 1, 1, 0), "{report:?}");
    assert_eq!(world.stored().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn orders_take_copies_too() {
    for selector in [OrderOf::Key(original("p/a.jpg").key), OrderOf::Prefix("p/".to_owned()), OrderOf::All] {
        let world = World::new(&[]);
        world.upload("p/a.jpg", "there").await;
        world.derive_variant("p/a.jpg", "there", "r1").await;
        world.copy("p/a.jpg", "there", "r1").await;
        let running = world.run();
        running.purger.purge(Order { selector: selector.clone(), wait: true }).await.unwrap();
        running.purger.settle().await;
        assert_eq!(world.stored().await, [""; 0], "{selector:?}");
    }
}

/// Whoever asks for a copy between two sweeps has it written anew; that is no derivative that came back.
#[tokio::test(start_paused = true)]
async fn copies_of_what_is_there_may_come_again_while_a_purge_goes_on() {
    let mut world = World::new(&["cdn"]);
    world.config.fills_elsewhere = true;
    world.config.fill_ms_max = 1_000;
    world.upload("a.jpg", "new").await;
    let derivative = world.derive_variant("a.jpg", "new", "r1").await;
    world.derive_variant("a.jpg", "old", "r1").await;
    world.copy("a.jpg", "old", "r1").await;
    let running = world.run();
    running.purger.notice(event("a.jpg", Happened::Written, FoundBy::Event));
    while world.outers[0].told.lock().unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(
        world.stored().await,
        std::slice::from_ref(&derivative),
        "gone before the CDN is told, or it reads the old one again"
    );
    // A render that was under way elsewhere ends, and dies before it verifies.
    world.copy("a.jpg", "old", "r1").await;
    world.script.take();
    world.clock.advance(std::time::Duration::from_secs(2));
    running.purger.settle().await;
    assert_eq!(world.stored().await, [derivative], "the second sweep took it");
    let sweeps = world.script.take().iter().filter(|line| line.starts_with("list")).count();
    assert_eq!(sweeps, 1, "and was not repeated for it");
    assert_eq!(world.outers[0].told.lock().unwrap().len(), 2, "told again: it may have been read meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_scan_takes_copies_of_another_version_and_tells_the_cdn() {
    // Where the listing says ETags, where it says none, and where the bytes are equal by chance of names alone.
    for tells in [true, false] {
        let world = World::new(&["cdn"]);
        world.derivatives.tells.store(tells, Ordering::SeqCst);
        for key in ["a.jpg", "b.jpg"] {
            world.upload(key, "new").await;
            world.derive_variant(key, "new", "r1").await;
        }
        world.copy("a.jpg", "old", "r1").await;
        let right = world.copy("b.jpg", "new", "r1").await;
        let running = world.run();
        let looked = scan(&running, Mode::DryRun).await;
        assert_eq!((looked.changed, looked.doomed.len()), (1, 1), "{looked:?}");
        assert_eq!(world.stored().await.len(), 4, "looking changes nothing");
        let report = scan(&running, Mode::Run).await;
        assert_eq!((report.changed, report.gone, report.copies, report.copies_outdated), (1, 0, 2, 0), "{report:?}");
        // Two originals, and the copies that the listing could not vouch for.
        assert_eq!(report.asked, if tells { 2 + 1 } else { 2 + 2 }, "{report:?}");
        let stored = world.stored().await;
        assert!(stored.contains(&right) && stored.len() == 3, "{stored:?}");
        assert_eq!(world.outers[0].told.lock().unwrap().len(), 1);
        assert_eq!(scan(&running, Mode::Run).await.changed, 0, "once is enough");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_without_its_derivative_goes_without_a_word() {
    let world = World::new(&["cdn"]);
    world.upload("a.jpg", "new").await;
    let derivative = world.derive("a.jpg", "new", "r1").await;
    world.copy("a.jpg", "new", "r1").await;
    let running = world.run();
    assert_eq!(scan(&running, Mode::DryRun).await.copies_outdated, 1);
    assert_eq!(world.stored().await.len(), 2);
    let report = scan(&running, Mode::Run).await;
    assert_eq!((report.changed, report.copies_outdated), (0, 1), "{report:?}");
    assert_eq!(world.stored().await, [derivative]);
    assert_eq!(running.receipts(), [], "what it showed is right");
    assert!(world.outers[0].told.lock().unwrap().is_empty());
}

/// Nobody says which revision is made now. What was written last does, to the scan that comes after the one that saw it.
#[tokio::test(start_paused = true)]
async fn copies_of_an_earlier_revision_go_one_scan_later_however_many_they_are() {
    let mut world = World::new(&["cdn"]);
    world.config.mass_loss = MassLoss { percent: 5, count: 0 };
    world.derivatives.tells.store(true, Ordering::SeqCst);
    for key in ["a.jpg", "b.jpg"] {
        world.upload(key, key).await;
        world.derive_variant(key, key, "r1").await;
        world.copy(key, key, "r1").await;
    }
    let running = world.run();
    assert_eq!(scan(&running, Mode::Run).await.copies_outdated, 0);
    assert_eq!(scan(&running, Mode::Run).await.copies_outdated, 0);
    // Another revision makes a picture that nobody had asked for yet; its name comes last, and so does its moment.
    world.upload("c.jpg", "c").await;
    let derivative = world.derive_variant("c.jpg", "c", "r2").await;
    let copy = world.copy("c.jpg", "c", "r2").await;
    assert_eq!(scan(&running, Mode::Run).await.copies_outdated, 0, "it is seen");
    running.die().await;
    // The journal knows it.
    let running = world.run();
    let report = scan(&running, Mode::Run).await;
    assert_eq!((report.copies_outdated, report.changed, report.held), (2, 0, false), "{report:?}");
    let stored = world.stored().await;
    assert!(stored.contains(&derivative) && stored.contains(&copy) && stored.len() == 4, "{stored:?}");
    assert!(world.outers[0].told.lock().unwrap().is_empty(), "nothing of it is gone");
}

#[tokio::test(start_paused = true)]
async fn looking_at_copies_keeps_within_the_budget_and_goes_on_there() {
    let mut world = World::new(&[]);
    world.config.scan_requests_max = Some(1_000);
    for number in 0..600 {
        let key = format!("{number:04}.jpg");
        world.upload(&key, "new").await;
        world.derive_variant(&key, "new", "r1").await;
        world.copy(&key, if number < 590 { "new" } else { "old" }, "r1").await;
    }
    let running = world.run();
    let first = scan(&running, Mode::Run).await;
    assert!(first.paused && first.changed == 0 && (900..=1_000).contains(&first.asked), "{first:?}");
    let second = scan(&running, Mode::Run).await;
    assert!(!second.paused && second.changed == 10 && second.asked <= 1_000, "{second:?}");
    assert_eq!(world.stored().await.len(), 1_190);
}
