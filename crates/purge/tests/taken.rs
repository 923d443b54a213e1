//! Events whose messenger keeps them until they are taken: a queue, a webhook that is tried again. And what several edges,
//! told by the one that heard, mean for the receipt.

mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use afterimage_identity::{Event, FoundBy, Happened, LayerState, Receipt, ReceiptState, Take, Version};
use afterimage_purge::Taker;
use world::{Running, World, event, original};

async fn take(running: &Running, events: Vec<Event>) -> Vec<bool> {
    let taken = Taker::new(running.purger.clone()).take(events).await;
    taken.into_iter().map(|result| result.is_ok()).collect()
}

fn heard(key: &str, happened: Happened) -> Event {
    event(key, happened, FoundBy::Event)
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_outlives_the_process_and_is_fenced() {
    let world = World::new(&["cdn"]);
    world.derive("a.jpg", "old", "r1").await;
    world.edge.cache("/a", &original("a.jpg"), &Version::of_content(b"old"));
    // Every deletion dies, so only the journal can know of it.
    world.derivatives.deletes_fail.store(u64::MAX, Ordering::SeqCst);
    let running = world.run();
    assert_eq!(take(&running, vec![heard("a.jpg", Happened::Removed)]).await, [true]);
    assert!(world.edge.cached.lock().unwrap().is_empty(), "fenced when it is taken, not later");
    running.die().await;
    world.derivatives.deletes_fail.store(0, Ordering::SeqCst);
    let running = world.run();
    running.purger.settle().await;
    assert!(world.stored().await.is_empty());
    assert_eq!(running.receipts()[0].state, ReceiptState::Done);
}

#[tokio::test(start_paused = true)]
async fn what_the_source_cannot_tell_is_not_taken_and_spoils_no_other() {
    let world = World::new(&[]);
    let stays = world.derive("a.jpg", "old", "r1").await;
    let running = world.run();
    world.source.is_blind.store(true, Ordering::SeqCst);
    // Of the second nothing is stored or cached: the source need not be asked.
    let events = vec![heard("a.jpg", Happened::Removed), heard("b.jpg", Happened::Removed)];
    assert_eq!(take(&running, events.clone()).await, [false, true]);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(world.stored().await, [stays], "nobody but the messenger brings it again");
    world.source.is_blind.store(false, Ordering::SeqCst);
    assert_eq!(take(&running, events).await, [true, true]);
    running.purger.settle().await;
    assert!(world.stored().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_takes_nothing() {
    let world = World::new(&[]);
    world.derive("a.jpg", "old", "r1").await;
    let running = world.run();
    running.purger.stop();
    assert_eq!(take(&running, vec![heard("a.jpg", Happened::Removed)]).await, [false]);
}

/// A bucket says "created" of an overwrite too. What is cached of the picture before, and not stored, must go.
#[tokio::test(start_paused = true)]
async fn a_write_of_a_key_with_nothing_stored_fences_what_is_cached() {
    for outers in [&[][..], &["cdn"]] {
        let world = World::new(outers);
        world.upload("a.jpg", "new").await;
        world.edge.cache("/a", &original("a.jpg"), &Version::of_content(b"old"));
        let running = world.run();
        assert_eq!(take(&running, vec![heard("a.jpg", Happened::Written)]).await, [true]);
        assert!(world.edge.cached.lock().unwrap().is_empty());
        running.purger.settle().await;
        assert_eq!(running.receipts()[0].entries_matched, 1);
        assert!(world.outers.iter().all(|outer| outer.told.lock().unwrap().len() == 1));
    }
}

/// The picture before was evicted, the new one is stored already: only an outer cache can still hold the old one.
#[tokio::test(start_paused = true)]
async fn a_write_is_told_to_outer_caches_even_where_what_is_stored_is_current_but_not_twice() {
    let world = World::new(&["cdn"]);
    world.upload("a.jpg", "new").await;
    let new = world.derive("a.jpg", "new", "r1").await;
    let running = world.run();
    for _ in 0..3 {
        assert_eq!(take(&running, vec![heard("a.jpg", Happened::Written)]).await, [true]);
    }
    running.purger.settle().await;
    assert_eq!(world.outers[0].told.lock().unwrap().len(), 1, "doubled events are one");
    assert_eq!(world.stored().await, [new]);
}

#[tokio::test(start_paused = true)]
async fn the_write_of_something_never_asked_for_costs_no_question() {
    let world = World::new(&[]);
    world.upload("a.jpg", "new").await;
    let running = world.run();
    assert_eq!(take(&running, vec![heard("a.jpg", Happened::Written)]).await, [true]);
    assert_eq!((running.receipts().len(), world.source.asked.load(Ordering::SeqCst)), (0, 0));
}

fn layers(receipt: &Receipt) -> Vec<(&str, bool)> {
    receipt.layers.iter().map(|layer| (layer.name.as_str(), layer.state == LayerState::Done)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_receipt_names_every_edge_and_stays_open_until_all_have_acknowledged() {
    let world = World::new(&["edge-2", "edge-3"]);
    world.derive("a.jpg", "old", "r1").await;
    // One edge is away for a while.
    world.outers[1].fails.store(20, Ordering::SeqCst);
    let running = world.run();
    assert_eq!(take(&running, vec![heard("a.jpg", Happened::Removed)]).await, [true]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let receipt = running.receipts()[0].clone();
    assert_eq!((receipt.state, receipt.done_at_ms), (ReceiptState::Clean, None));
    assert_eq!(layers(&receipt), [("edge", true), ("derivatives", true), ("edge-2", true), ("edge-3", false)]);
    let waits = &receipt.layers[3].state;
    assert!(matches!(waits, LayerState::Waiting { last_error: Some(why), .. } if why == "busy"), "{waits:?}");
    running.purger.wait(receipt.id).await;
    let receipt = running.receipts()[0].clone();
    assert_eq!(receipt.state, ReceiptState::Done);
    assert!(receipt.done_at_ms.is_some() && layers(&receipt).iter().all(|(_, done)| *done), "{receipt:?}");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_deletions_at_once_are_taken_in_bounded_batches() {
    let world = World::new(&[]);
    let keys: Vec<String> = (0..10_000).map(|number| format!("{number}.jpg")).collect();
    for key in &keys {
        world.derive(key, "old", "r1").await;
    }
    let running = world.run();
    let taker = Arc::new(Taker::new(running.purger.clone()));
    for batch in keys.chunks(1_000) {
        let events = batch.iter().map(|key| heard(key, Happened::Removed)).collect();
        assert!(taker.take(events).await.iter().all(Result::is_ok));
    }
    running.purger.settle().await;
    assert!(world.stored().await.is_empty());
    assert_eq!(running.receipts().iter().map(|receipt| receipt.removed_count).sum::<u64>(), 10_000);
}
