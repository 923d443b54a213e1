//! What functions that answer requests have noticed: a hint like every event, and of very many none.

use afterimage_identity::{Happened, Revision, Version, digest_hex};
use afterimage_purge::Noticed;
use afterimage_variant::{Wanted, derivative_key};
use serde_json::{Value, json};

use crate::fuse::Fuse;
use crate::world::{Became, DEADLINE, World, derivative, original, process, tag};

fn batch(noticed: &[(&str, Happened)]) -> Value {
    let record = |(number, (key, happened)): (usize, &(&str, Happened))| {
        let text = Noticed { original: original(key), happened: *happened }.text();
        json!({"eventSource": "aws:sqs", "messageId": number.to_string(), "body": text})
    };
    json!({"Records": noticed.iter().enumerate().map(record).collect::<Vec<_>>()})
}

fn none_failed(became: Became) {
    match became {
        Became::Answered(Ok(answer)) => assert_eq!(answer, json!({"batchItemFailures": []})),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_noticed_it_is_purged_once_and_what_is_there_stays() {
    let world = World::new().await;
    // Of the very version that is there, as its bucket tells it.
    let etag = format!("\"{}\"", &digest_hex(b"here")[..32]);
    let (version, revision) = (Version::of_validator(&etag), Revision::new("r1").unwrap());
    let kept = format!("derived/{}", derivative_key(&original("c.jpg").key, &Wanted::Original, &version, &revision));
    world.bucket.state().write("o/c.jpg", b"here");
    world.bucket.state().write(&kept, b"body");
    let said = [("a.jpg", Happened::Removed), ("c.jpg", Happened::Removed), ("a.jpg", Happened::Removed)];
    none_failed(world.process(batch(&said)).await);
    world.deliver(Vec::new()).await;
    assert!(world.stored().0.contains(&kept), "it is there, whoever says what");
    world.bucket.state().delete_plainly(&kept);
    world.check("noticed").await;
    assert_eq!(world.cloudfront.items(), [tag("a.jpg"), tag("a.jpg")], "as for one event");
    let (_, records) = world.stored();
    none_failed(world.process(batch(&said)).await);
    assert_eq!((world.stored().1, world.queue.take()), (records, Vec::new()), "nothing is left to do");
    // Taken back by whoever stored it, or not: the CDN may have been given it.
    none_failed(world.process(batch(&[("a.jpg", Happened::Changed)])).await);
    assert_eq!(world.cloudfront.items().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_proven_comes_again_and_of_very_many_none_is_believed() {
    let world = World::new().await;
    world.bucket.state().hides_absence = true;
    let failed = world.process(batch(&[("a.jpg", Happened::Removed)])).await;
    assert!(
        matches!(&failed, Became::Answered(Ok(answer)) if answer["batchItemFailures"][0]["itemIdentifier"] == "0"),
        "{failed:?}"
    );
    world.bucket.state().hides_absence = false;
    let mut config = world.config();
    config.purge.mass_loss.count = 1;
    world.bucket.state().write(&derivative("c.jpg", "old", "r1"), b"body");
    let said = batch(&[("c.jpg", Happened::Removed), ("a.jpg", Happened::Removed)]);
    none_failed(process(config, Fuse::new(), said, DEADLINE).await);
    let (left, _) = world.stored();
    assert_eq!(left.len(), 4, "the first was believed, the rest is the reconciler's: {left:?}");
}
