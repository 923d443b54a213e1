//! The write story, told one event at a time.

mod world;

use std::sync::atomic::Ordering;
use std::time::Duration;

use afterimage_identity::{CacheTag, Event, FoundBy, Happened, LayerState, ReceiptState, SourceId, Subject, Version};
use afterimage_purge::{Error, Filter, Order, OrderOf};
use world::{World, event, now, original};

fn folder(prefix: &str, happened: Happened) -> Event {
    let subject = Subject::Folder { source: SourceId::default(), prefix: prefix.to_owned() };
    Event { subject, happened, found_by: FoundBy::Event }
}

fn at(log: &[String], line: &str) -> usize {
    log.iter().position(|entry| entry.starts_with(line)).unwrap_or_else(|| panic!("no `{line}` in {log:#?}"))
}

#[tokio::test(start_paused = true)]
async fn a_deletion_goes_from_the_inside_out_and_leaves_a_receipt() {
    let world = World::new(&["cdn"]);
    let version = world.upload("p/a.jpg", "old").await;
    let name = world.derive("p/a.jpg", "old", "r1").await;
    world.edge.cache("/p/a.jpg/-/w1.webp", &original("p/a.jpg"), &version);
    let running = world.run();
    world.remove("p/a.jpg").await;
    running.hears(event("p/a.jpg", Happened::Removed, FoundBy::Event)).await;

    assert!(world.stored().await.is_empty());
    let receipts = running.receipts();
    let [receipt] = receipts.as_slice() else { panic!("{receipts:#?}") };
    assert_eq!((receipt.state, receipt.reason.as_str()), (ReceiptState::Done, "gone"));
    assert_eq!((receipt.entries_matched, receipt.fills_overlapping, receipt.removed_count), (1, 0, 1));
    assert_eq!(receipt.removed[0].key, name);
    let now = Some(now(&world.clock));
    assert_eq!((receipt.fenced_at_ms, receipt.clean_at_ms, receipt.done_at_ms), (now, now, now));
    let layers: Vec<&str> = receipt.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(layers, ["edge", "derivatives", "cdn"]);
    assert!(receipt.layers.iter().all(|layer| layer.state == LayerState::Done));

    let log = world.script.take();
    assert!(at(&log, "fence") < at(&log, "delete"), "{log:#?}");
    assert!(at(&log, "delete") < at(&log, "tell cdn"), "{log:#?}");
    let told = world.outers[0].told.lock().unwrap();
    assert_eq!(told.len(), 1, "no fill overlapped, so once is enough");
    assert_eq!(told[0].tag, Some(original("p/a.jpg").tag()));
}

#[tokio::test(start_paused = true)]
async fn a_change_keeps_the_derivatives_of_the_version_that_is_there() {
    let world = World::new(&[]);
    world.upload("a.jpg", "new").await;
    world.derive("a.jpg", "old", "r1").await;
    let kept = world.derive("a.jpg", "new", "r1").await;
    let running = world.run();
    running.hears(event("a.jpg", Happened::Changed, FoundBy::Event)).await;
    assert_eq!(world.stored().await, [kept]);
    assert_eq!(running.receipts()[0].reason, "changed");
}

#[tokio::test(start_paused = true)]
async fn events_that_mean_nothing_cost_nothing() {
    let world = World::new(&["cdn"]);
    world.upload("new.jpg", "new").await;
    world.upload("same.jpg", "same").await;
    world.derive("same.jpg", "same", "r1").await;
    let running = world.run();
    running.hears(event("new.jpg", Happened::Created, FoundBy::Event)).await;
    assert_eq!(world.source.asked.load(Ordering::SeqCst), 0, "a new file is not even read");
    running.hears(event("same.jpg", Happened::Changed, FoundBy::Event)).await;
    running.hears(event("same.jpg", Happened::Created, FoundBy::Event)).await;
    assert_eq!(running.receipts(), []);
    let log = world.script.take();
    // A fence is all that a change to the same costs: nothing is deleted, nobody outside is told.
    assert!(log.iter().all(|line| line.starts_with("list") || line.starts_with("fence")), "{log:#?}");
    assert_eq!(log.iter().filter(|line| line.starts_with("fence")).count(), 1, "{log:#?}");
    // Another source's events are another purger's.
    let mut foreign = original("same.jpg");
    foreign.source = SourceId::new("other").unwrap();
    running.hears(Event { subject: Subject::Original(foreign), ..event("x", Happened::Removed, FoundBy::Event) }).await;
    assert_eq!(world.script.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn receipts_name_what_no_purge_reaches() {
    let mut world = World::new(&[]);
    world.config.recoverable = vec!["earlier versions".to_owned()];
    world.upload("a.jpg", "new").await;
    world.edge.cache("/a.jpg", &original("a.jpg"), &Version::of_content(b"old"));
    let running = world.run();
    running.hears(event("a.jpg", Happened::Written, FoundBy::Event)).await;
    assert!(world.edge.cached.lock().unwrap().is_empty());
    assert_eq!(running.receipts()[0].recoverable, ["earlier versions"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_cached_and_not_stored_is_fenced() {
    for (happened, found_by) in [(Happened::Changed, FoundBy::Event), (Happened::Changed, FoundBy::Read)] {
        let world = World::new(&[]);
        world.upload("a.jpg", "new").await;
        let running = world.run();
        running.hears(event("a.jpg", happened, found_by)).await;
        assert_eq!(running.receipts(), [], "nothing cached, nothing to tell");
        world.edge.cache("/a.jpg", &original("a.jpg"), &Version::of_content(b"old"));
        running.hears(event("a.jpg", happened, found_by)).await;
        assert!(world.edge.cached.lock().unwrap().is_empty());
        assert_eq!(running.receipts()[0].entries_matched, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_deletion_event_spares_what_was_uploaded_again() {
    let world = World::new(&["cdn"]);
    world.upload("a.jpg", "second").await;
    world.derive("a.jpg", "first", "r1").await;
    let second = world.derive("a.jpg", "second", "r1").await;
    let running = world.run();
    running.hears(event("a.jpg", Happened::Removed, FoundBy::Event)).await;
    assert_eq!(world.stored().await, [second]);
    let before = running.receipts().len();
    running.hears(event("a.jpg", Happened::Removed, FoundBy::Event)).await;
    assert_eq!(running.receipts().len(), before, "later still, there is nothing to do");
}

#[tokio::test(start_paused = true)]
async fn an_overlapping_fill_is_waited_for_and_the_outer_caches_told_again() {
    let world = World::new(&["cdn"]);
    let original = original("a.jpg");
    world.derive("a.jpg", "old", "r1").await;
    world.edge.begin_fill("/a.jpg", &original);
    let running = world.run();
    let purger = &running.purger;
    let id = purger.purge(Order { selector: OrderOf::Key(original.key.clone()), wait: false }).await.unwrap()[0];
    assert_eq!(
        running.receipts()[0].state,
        ReceiptState::Fenced,
        "whoever has asked for a purge can rely on the fence"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let receipt = running.receipts()[0].clone();
    assert_eq!((receipt.state, receipt.clean_at_ms), (ReceiptState::Fenced, None), "not clean while a fill may write");
    // The fill writes what it had read before the purge, and ends.
    world.derive("a.jpg", "old", "r2").await;
    world.edge.end_fills();
    let receipt = purger.wait(id).await.unwrap();
    assert_eq!(receipt.state, ReceiptState::Done);
    assert!(world.stored().await.is_empty());
    let told: Vec<String> = world.outers[0].told.lock().unwrap().iter().map(|told| told.reference.clone()).collect();
    let heard = receipt.heard_at_ms;
    assert_eq!(told, [format!("main-{id}-{heard}-1"), format!("main-{id}-{heard}-2")]);
}

#[tokio::test(start_paused = true)]
async fn what_changes_once_more_during_a_purge_keeps_its_newest_derivatives() {
    let world = World::new(&[]);
    world.upload("a.jpg", "second").await;
    world.derive("a.jpg", "first", "r1").await;
    world.edge.begin_fill("/a.jpg", &original("a.jpg"));
    let running = world.run();
    afterimage_identity::Notice::notice(&*running.purger, event("a.jpg", Happened::Changed, FoundBy::Event));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(running.receipts()[0].state, ReceiptState::Fenced);
    world.upload("a.jpg", "third").await;
    world.derive("a.jpg", "second", "r1").await;
    let third = world.derive("a.jpg", "third", "r1").await;
    world.edge.end_fills();
    running.purger.settle().await;
    assert_eq!(world.stored().await, [third]);
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_never_ends_is_waited_for_exactly_as_long_as_a_fill_may_take() {
    let mut world = World::new(&[]);
    world.config.fill_ms_max = 7_000;
    world.edge.begin_fill("/a.jpg", &original("a.jpg"));
    world.derive("a.jpg", "old", "r1").await;
    let running = world.run();
    let start = tokio::time::Instant::now();
    let selector = OrderOf::Key(original("a.jpg").key);
    running.purger.purge(Order { selector, wait: true }).await.unwrap();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(7) && took < Duration::from_millis(7_100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_one_layer_skips_no_other() {
    let world = World::new(&["broken", "busy", "well"]);
    world.outers[0].refuses.store(true, Ordering::SeqCst);
    world.outers[1].fails.store(6, Ordering::SeqCst);
    world.derivatives.deletes_fail.store(5, Ordering::SeqCst);
    world.derive("a.jpg", "old", "r1").await;
    let running = world.run();
    running.hears(event("a.jpg", Happened::Removed, FoundBy::Event)).await;
    assert!(world.stored().await.is_empty());
    let receipt = running.receipts()[0].clone();
    assert_eq!(receipt.state, ReceiptState::Clean);
    let state = |name: &str| receipt.layers.iter().find(|layer| layer.name == name).unwrap().state.clone();
    assert_eq!(state("broken"), LayerState::Waiting { last_error: Some("forbidden".into()), attempts: 1 });
    for done in ["edge", "derivatives", "busy", "well"] {
        assert_eq!(state(done), LayerState::Done, "{done}");
    }
    // Told before the store could be swept, and again after it.
    assert_eq!(world.outers[2].told.lock().unwrap().len(), 2);
    assert_eq!(running.purger.health().parked, 1);
    // The next process tries again.
    running.die().await;
    world.outers[0].refuses.store(false, Ordering::SeqCst);
    let running = world.run();
    running.purger.settle().await;
    assert_eq!(running.receipts()[0].state, ReceiptState::Done);
    assert_eq!(world.outers[1].told.lock().unwrap().len(), 2, "who knows is not told again");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_on_an_unproven_answer_until_it_is_proven() {
    let world = World::new(&[]);
    let name = world.derive("a.jpg", "old", "r1").await;
    world.source.is_blind.store(true, Ordering::SeqCst);
    let running = world.run();
    running.hears(event("a.jpg", Happened::Removed, FoundBy::Event)).await;
    assert_eq!(world.stored().await, [name]);
    assert_eq!(running.receipts(), []);
    world.source.is_blind.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    running.purger.settle().await;
    assert!(world.stored().await.is_empty(), "the event is looked at again by itself");
}

#[tokio::test(start_paused = true)]
async fn a_removed_folder_takes_what_lies_below_it_and_nothing_else() {
    let world = World::new(&["cdn"]);
    let long = format!("p/{}", "x".repeat(250));
    assert!(original(&long).key.escaped().is_digest());
    for key in ["p/a.jpg", "p/q/b c.jpg", &long, "p2/d.jpg", "p"] {
        world.derive(key, "old", "r1").await;
    }
    let elsewhere = format!("r/{}", "x".repeat(250));
    world.derive(&elsewhere, "old", "r1").await;
    world.edge.cache("/p/only-cached.jpg", &original("p/only-cached.jpg"), &Version::of_content(b"old"));
    world.edge.cache("/p2/d.jpg", &original("p2/d.jpg"), &Version::of_content(b"old"));
    for key in ["p2/d.jpg", "p", &elsewhere, "p/q/b c.jpg"] {
        world.upload(key, "old").await;
    }
    let running = world.run();
    running.hears(folder("p/", Happened::Removed)).await;
    let mut left = Vec::new();
    for key in ["p2/d.jpg", "p", &elsewhere, "p/q/b c.jpg"] {
        left.push(world.derive(key, "old", "r1").await);
    }
    left.sort();
    assert_eq!(world.stored().await, left, "what is there again stays");
    assert_eq!(world.edge.cached.lock().unwrap().keys().collect::<Vec<_>>(), ["/p2/d.jpg"]);
    let receipts = running.receipts();
    assert_eq!((receipts.len(), receipts[0].removed_count, receipts[0].entries_matched), (1, 2, 1));
    let told = world.outers[0].told.lock().unwrap();
    assert_eq!(told[0].tag, Some(CacheTag::folder(&SourceId::default(), "p/")));
}

#[tokio::test(start_paused = true)]
async fn orders_are_unconditional_and_reach_what_they_name() {
    let world = World::new(&[]);
    let long = format!("p/{}", "x".repeat(250));
    for key in ["p/a.jpg", "pq.jpg", &long, "other.jpg"] {
        world.upload(key, "same").await;
        world.derive(key, "same", "r1").await;
    }
    let running = world.run();
    let order = |selector| running.purger.purge(Order { selector, wait: true });
    order(OrderOf::Prefix("p".to_owned())).await.unwrap();
    assert_eq!(world.stored().await, [world.derive("other.jpg", "same", "r1").await]);
    order(OrderOf::Key(original("other.jpg").key)).await.unwrap();
    assert!(world.stored().await.is_empty());
    world.derive("p/a.jpg", "same", "r1").await;
    world.derive(&long, "same", "r1").await;
    order(OrderOf::All).await.unwrap();
    assert!(world.stored().await.is_empty());
    assert!(matches!(order(OrderOf::Prefix(String::new())).await, Err(Error::Config(_))));
    // Nothing to purge is a receipt too: somebody asked.
    order(OrderOf::Key(original("nothing.jpg").key)).await.unwrap();
    let receipts = running.receipts();
    assert_eq!(receipts.len(), 4);
    assert!(receipts.iter().all(|receipt| receipt.reason == "asked for" && receipt.state == ReceiptState::Done));
    let about = Filter { key: Some(original("pq.jpg").key), ..Filter::default() };
    assert_eq!(running.purger.receipts(&about).len(), 2, "the prefix and everything");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_own_deletions_cause_no_work() {
    let world = World::new(&["cdn"]);
    for number in 0..1_001 {
        world.derive("holiday-100x100.jpg", "old", &format!("r{number}")).await;
    }
    let running = world.run();
    running.hears(event("holiday-100x100.jpg", Happened::Removed, FoundBy::Event)).await;
    assert!(world.stored().await.is_empty());
    let receipt = running.receipts()[0].clone();
    assert_eq!((receipt.removed.len(), receipt.removed_count), (1_000, 1_001));
    let (steps, asked) = (world.script.steps(), world.source.asked.load(Ordering::SeqCst));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(world.script.steps(), steps, "an hour later nothing more was listed, deleted or told");
    assert_eq!(world.source.asked.load(Ordering::SeqCst), asked);
    assert_eq!((running.receipts().len(), running.purger.health().queue), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn readers_of_something_gone_do_not_repeat_its_purge() {
    let world = World::new(&["cdn"]);
    world.derive("a.jpg", "old", "r1").await;
    let running = world.run();
    for _ in 0..20 {
        running.hears(event("a.jpg", Happened::Removed, FoundBy::Read)).await;
    }
    assert_eq!(running.receipts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_loses_nothing() {
    let mut world = World::new(&[]);
    world.config.queue_max = 5;
    world.config.mass_loss.count = 1_000;
    for number in 0..50 {
        world.derive(&format!("{number}.jpg"), "old", "r1").await;
    }
    let running = world.run();
    for number in 0..50 {
        afterimage_identity::Notice::notice(
            &*running.purger,
            event(&format!("{number}.jpg"), Happened::Removed, FoundBy::Event),
        );
    }
    while !world.stored().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_process_at_a_time() {
    let world = World::new(&[]);
    let running = world.run();
    let parts_of_another = World::new(&[]);
    let config = world.config.clone();
    let parts = afterimage_purge::Parts {
        fences: Vec::new(),
        derivatives: parts_of_another.derivatives.clone(),
        originals: parts_of_another.originals.clone(),
        ask: parts_of_another.source.clone(),
        invalidators: Vec::new(),
        clock: parts_of_another.clock.clone(),
    };
    let refusal = afterimage_purge::Purger::open(config.clone(), parts.clone()).unwrap_err();
    assert!(matches!(&refusal, Error::Locked { holder, .. } if holder.pid == Some(std::process::id())), "{refusal}");
    running.die().await;
    afterimage_purge::Purger::open(config, parts).unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_purge_too_many_that_waits_for_an_outer_cache_gives_up_the_oldest() {
    let mut world = World::new(&["broken"]);
    world.config.open_max = 2;
    world.outers[0].refuses.store(true, Ordering::SeqCst);
    let running = world.run();
    let mut open = Vec::new();
    for number in 0..4 {
        let selector = OrderOf::Key(original(&number.to_string()).key);
        running.purger.purge(Order { selector, wait: true }).await.unwrap();
        open.push(running.purger.health().open);
    }
    // The fourth finds three that wait: one more than may.
    assert_eq!(open, [1, 2, 3, 3]);
    let oldest = running.receipts()[0].clone();
    assert_eq!(oldest.state, ReceiptState::Done);
    assert!(matches!(&oldest.layers[2].state, LayerState::Waiting { .. }), "it says what it did not reach");
    assert_eq!(oldest.done_at_ms, None);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_purge_that_was_stopped() {
    let world = World::new(&[]);
    world.edge.begin_fill("/a.jpg", &original("a.jpg"));
    let running = world.run();
    let selector = OrderOf::Key(original("a.jpg").key);
    let id = running.purger.purge(Order { selector, wait: false }).await.unwrap()[0];
    tokio::time::sleep(Duration::from_millis(10)).await;
    running.purger.stop();
    assert_eq!(running.purger.wait(id).await.unwrap().state, ReceiptState::Fenced);
    running.die().await;
    world.edge.end_fills();
    let running = world.run();
    assert_eq!(running.purger.wait(id).await.unwrap().state, ReceiptState::Done);
}
