//! A purge over several processes, of which one dies at its every request in turn.

use std::time::{Duration, SystemTime};

use afterimage_lambda::Answers as _;
use afterimage_lambda_purge::{Function, Pace};
use afterimage_testkit::bucket::{Fault, S3ErrorCode};
use serde_json::json;

use crate::world::{Became, World, batch, derivative, removed, tag};

/// Whether the fuse blew; what has to hold holds in either case.
async fn story(at: usize, late: bool) -> bool {
    let name = format!("killed at request {at}, {}", if late { "its work done" } else { "its work not done" });
    let world = World::new().await;
    world.fuse.set(at, late);
    let event = removed("a.jpg").to_string();
    let deaths = world.deliver(vec![event]).await;
    // A journal of which nobody was told is found by whoever looks.
    let left = world.left_behind(2).await;
    assert!(deaths > 0 || left.is_empty(), "{name}: {left:?}");
    let bodies = left.iter().map(|journal| json!({"afterimage": "later", "journal": journal}).to_string());
    world.deliver(bodies.collect()).await;
    world.check(&name).await;
    assert_eq!(world.left_behind(2).await, [""; 0], "{name}");
    let items = world.cloudfront.items();
    assert!(items.iter().all(|item| *item == tag("a.jpg")), "{name}: {items:?}");
    // Once at once, once when no fill can be under way any more; a message that was brought again makes both again.
    let most = if deaths == 0 { 2 } else { 4 };
    assert!((2..=most).contains(&items.len()), "{name}: told {} times", items.len());
    // In the end everything goes but receipts.
    world.left_behind(48).await;
    let (_, records) = world.stored();
    assert!(records.iter().all(|record| record.starts_with("-/derived/receipts/")), "{name}: {records:?}");
    deaths > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_request_fresh_processes_finish() {
    // In the short form each request is tried in one of two ways.
    let ways: &[&[bool]] =
        if std::env::var_os("AFTERIMAGE_LONG").is_some() { &[&[false, true]] } else { &[&[false], &[true]] };
    let (mut at, mut blew) = (1, true);
    while blew {
        let mut tasks = tokio::task::JoinSet::new();
        for number in at..at + 16 {
            for late in ways[number % ways.len()] {
                tasks.spawn(story(number, *late));
            }
        }
        blew = false;
        while let Some(one) = tasks.join_next().await {
            blew |= one.unwrap();
        }
        at += 16;
    }
    assert!(at > 49, "only {at} requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_purge_costs_is_bounded() {
    let world = World::new().await;
    world.deliver(vec![removed("a.jpg").to_string()]).await;
    world.check("undisturbed").await;
    let log = world.fuse.log.lock().unwrap().clone();
    let count = |is: &dyn Fn(&str) -> bool| log.iter().filter(|line| is(line)).count();
    let dear = count(&|line| line.contains("/pictures") && (line.starts_with("PUT") || line.contains("list-type")));
    let cheap =
        count(&|line| line.starts_with("HEAD") || line.starts_with("GET /pictures/") && !line.contains("list-type"));
    let deletions = count(&|line| line.contains("?delete"));
    println!("PUT and LIST {dear}, GET and HEAD {cheap}, DELETE {deletions}, all {}: {log:#?}", log.len());
    assert!(
        dear <= 60 && cheap <= 60 && deletions <= 6,
        "PUT and LIST {dear}, GET and HEAD {cheap}, DELETE {deletions}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_asked_about_is_left_to_the_queue_and_spoils_nothing_else() {
    let world = World::new().await;
    let records = [removed("a.jpg"), json!({"Records": [{"eventSource": "aws:s3"}]})].map(|body| body.to_string());
    let message = |(number, body): (usize, &String)| json!({"eventSource": "aws:sqs", "messageId": number.to_string(), "body": body});
    let messages: Vec<_> = records.iter().enumerate().map(message).collect();
    match world.process(json!({ "Records": messages })).await {
        Became::Answered(Ok(answer)) => assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "1"}]})),
        other => panic!("{other:?}"),
    }
    world.deliver(Vec::new()).await;
    world.check("beside a message that cannot be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_reported_before_it_is_written_down() {
    let world = World::new().await;
    let pace = Pace { margin: Duration::from_millis(200), quiet: Duration::from_millis(200) };
    let function = Function::new(world.writing(), pace).await;
    // The journal cannot be written; everything else works.
    world.bucket.state().fail("PutObject", Fault::Code(S3ErrorCode::AccessDenied), usize::MAX);
    let soon = || SystemTime::now() + Duration::from_secs(3);
    let answer = function.answer(&batch(&removed("a.jpg").to_string()), soon()).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m1"}]}));
    assert!(function.answer(&removed("a.jpg"), soon()).await.is_err());
    let (derivatives, _) = world.stored();
    assert_eq!(derivatives, [derivative("b.jpg", "there", "r1")], "it is carried out all the same");
}
