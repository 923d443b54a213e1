//! Processes side by side on one journal, and one that has lost it without knowing.

use std::time::Duration;

use serde_json::json;

use crate::fuse::Fuse;
use crate::world::{Became, FILL_MS, World, batch, process, removed, tag};

/// A journal that is to be gone on with, as its message says it.
async fn begun(world: &World) -> String {
    match world.process(removed("a.jpg")).await {
        Became::Answered(Ok(answer)) => assert_eq!(answer, json!({})),
        other => panic!("{other:?}"),
    }
    let sent = world.queue.take();
    assert_eq!(sent.len(), 1, "one message for later: {sent:?}");
    assert_eq!(world.cloudfront.items().len(), 1, "told once so far");
    tokio::time::sleep(Duration::from_millis(FILL_MS)).await;
    sent[0].0.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_go_on_at_once_one_does_and_both_are_answered() {
    let world = World::new().await;
    let later = begun(&world).await;
    let deadline = Duration::from_secs(3);
    let one = process(world.config(), Fuse::new(), batch(&later), deadline);
    let other = process(world.config(), Fuse::new(), batch(&later), deadline);
    let (one, other) = tokio::join!(one, other);
    let failed = |became: Became| match became {
        Became::Answered(Ok(answer)) => answer["batchItemFailures"].as_array().unwrap().len(),
        other => panic!("{other:?}"),
    };
    // Who was the second to write has not dealt with its message; it comes again.
    let failed = failed(one) + failed(other);
    assert!(failed <= 1, "{failed}");
    let again = if failed == 1 { vec![later] } else { Vec::new() };
    world.deliver(again).await;
    world.check("side by side").await;
    assert_eq!(world.cloudfront.items(), [tag("a.jpg"), tag("a.jpg")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stands_still_until_its_lease_is_over_does_no_harm_when_it_goes_on() {
    // Its first requests look for the journal and take it.
    for at in [3, 4, 6, 8] {
        let world = World::new().await;
        let later = begun(&world).await;
        let fuse = Fuse::new();
        let environment = world.environment_by(fuse.clone()).await;
        fuse.stall(at);
        let first = process(world.config_of(&environment), fuse.clone(), batch(&later), Duration::from_millis(800));
        let first = tokio::spawn(first);
        let stalls = tokio::time::timeout(Duration::from_secs(20), fuse.stalls()).await;
        assert!(stalls.is_ok(), "it did not come to request {at}");
        tokio::time::sleep(Duration::from_millis(900)).await;
        world.deliver(vec![later]).await;
        world.check(&format!("stood still at request {at}")).await;
        fuse.thaw();
        // It has not dealt with its message, or finds that somebody has.
        assert!(matches!(first.await.unwrap(), Became::Answered(Ok(_))));
        world.deliver(Vec::new()).await;
        assert_eq!(world.left_behind(2).await, [""; 0], "what is over stays over, from request {at}");
        let items = world.cloudfront.items();
        assert!((2..=4).contains(&items.len()), "told {} times", items.len());
        world.left_behind(48).await;
        let (_, records) = world.stored();
        assert!(records.iter().all(|record| record.starts_with("-/derived/receipts/")), "{records:?}");
    }
}
