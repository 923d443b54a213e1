//! The built binary under the double of the Lambda Runtime API, called with what was recorded of each dialect.

use std::time::{Duration, Instant};

use afterimage_testkit::bucket::{Fault, State};
use afterimage_testkit::lambda::{Function, Outcome, Refused, Sandbox};
use serde_json::{Value, json};

use crate::world::{World, batch, derivative, removed, tag};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage-purge");

pub fn function(world: &World) -> Function {
    let function = Function::new(BINARY).timeout(Duration::from_secs(20));
    world.environment.iter().fold(function, |function, (name, value)| function.with(name, value))
}

/// The bucket's own record of one deletion, whole.
fn record() -> Value {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": "ObjectRemoved:Delete", "userIdentity": {"principalId": "A"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "R", "x-amz-id-2": "I"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "c",
            "bucket": {"name": "pictures", "ownerIdentity": {"principalId": "O"}, "arn": "arn:aws:s3:::pictures"},
            "object": {"key": "o%2Fred+flower%2B1.jpg", "sequencer": "0055AED6DCD90281E5"}}
    }]})
}

fn bridge() -> Value {
    json!({
        "version": "0", "id": "u", "detail-type": "Object Deleted", "source": "aws.s3", "account": "111122223333",
        "time": "2026-01-02T03:04:05Z", "region": "us-east-1", "resources": ["arn:aws:s3:::pictures"],
        "detail": {"version": "0", "bucket": {"name": "pictures"},
            "object": {"key": "o/red flower+1.jpg", "sequencer": "617f0837b476e463"},
            "request-id": "R", "requester": "111122223333", "source-ip-address": "127.0.0.1", "reason": "DeleteObject",
            "deletion-type": "Permanently Deleted"}
    })
}

fn topic() -> Value {
    json!({
        "Type": "Notification", "MessageId": "i", "TopicArn": "arn:aws:sns:us-east-1:111122223333:pictures",
        "Message": record().to_string(), "Timestamp": "2026-01-02T03:04:05.678Z"
    })
}

fn test_event() -> Value {
    json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-02T03:04:05.678Z", "Bucket": "pictures",
        "RequestId": "R", "HostId": "H"})
}

/// Calls it, and gives the answer; panics with its log where there is none.
fn call(sandbox: &mut Sandbox, event: &Value) -> Value {
    match sandbox.send(event).outcome() {
        Outcome::Answered(answered) => answered.json(),
        other => panic!("{event}: {other:?}\n{}", sandbox.log()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_dialect_is_heard_and_answered_as_its_sender_wants() {
    const KEY: &str = "red flower+1.jpg";
    let world = World::new().await;
    let mut sandbox = tokio::task::block_in_place(|| function(&world).start());
    let none = json!({"batchItemFailures": []});
    for (event, answer) in [
        (record(), json!({})),
        (batch(&record().to_string()), none.clone()),
        (batch(&topic().to_string()), none.clone()),
        (batch(&bridge().to_string()), none.clone()),
        (bridge(), json!({})),
    ] {
        let name = derivative(KEY, "old", "r1");
        world.bucket.state().write(&name, b"body");
        assert_eq!(tokio::task::block_in_place(|| call(&mut sandbox, &event)), answer);
        assert!(!world.stored().0.contains(&name), "{event}");
        let sent = world.queue.take();
        assert_eq!(sent.len(), 1, "{event}: {sent:?}");
        assert!(sent[0].1 <= Duration::from_secs(4), "after the longest fill: {sent:?}");
        // Told once so far; again when no fill can be under way any more.
        let items = world.cloudfront.items();
        assert!(items.iter().all(|item| *item == tag(KEY)), "{items:?}");
    }
    let told = world.cloudfront.items().len();
    assert_eq!(told, 5);
    for (event, answer) in [
        (test_event(), json!({})),
        (batch(&test_event().to_string()), none),
        (batch("no json"), json!({"batchItemFailures": [{"itemIdentifier": "m1"}]})),
    ] {
        assert_eq!(tokio::task::block_in_place(|| call(&mut sandbox, &event)), answer, "{event}");
    }
    for wrong in [json!({"what": "is this"}), json!({"afterimage": "perge"})] {
        let outcome = tokio::task::block_in_place(|| sandbox.send(&wrong).outcome());
        assert!(!matches!(outcome, Outcome::Answered(_)), "{wrong}: {outcome:?}");
    }
    assert_eq!((world.queue.take().len(), world.cloudfront.items().len()), (0, told), "nothing of it made work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_asked_for_is_done_by_three_calls_and_its_receipt_is_shown() {
    let world = World::new().await;
    let mut sandbox = tokio::task::block_in_place(|| function(&world).start());
    let mut call = |event: &Value| tokio::task::block_in_place(|| call(&mut sandbox, event));
    let order = json!({"afterimage": "purge", "order": {"selector": {"key": "a.jpg"}}});
    let ids = call(&order)["receipts"].clone();
    assert_eq!(ids.as_array().map(Vec::len), Some(1));
    for _ in 0..9 {
        for (body, delay) in world.queue.take() {
            tokio::time::sleep(delay.min(Duration::from_secs(4))).await;
            assert_eq!(call(&batch(&body)), json!({"batchItemFailures": []}));
        }
    }
    let receipts = call(&json!({"afterimage": "receipts", "filter": {"key": "a.jpg"}}));
    let receipt = &receipts["receipts"][0];
    assert_eq!((&receipt["id"], &receipt["state"], &receipt["removed_count"]), (&ids[0], &json!("done"), &json!(3)));
    assert_eq!(call(&json!({"afterimage": "receipts", "filter": {"key": "b.jpg"}})), json!({"receipts": []}));
    world.check("asked for").await;
    assert_eq!(world.cloudfront.items(), [tag("a.jpg"), tag("a.jpg")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_a_call_the_next_process_finishes() {
    let world = World::new().await;
    let mut sandbox = tokio::task::block_in_place(|| function(&world).timeout(Duration::from_secs(4)).start());
    // It comes so far that it has written down what is to be done.
    world.bucket.state().fail("DeleteObjects", Fault::Silence, 1);
    let event = batch(&removed("a.jpg").to_string());
    tokio::task::block_in_place(|| {
        let invocation = sandbox.send(&event);
        while world.bucket.state().count("DeleteObjects") < 1 {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(invocation.kill());
    });
    assert!(world.stored().1.iter().any(|name| name.contains("/log/")), "it had written it down");
    world.deliver(vec![removed("a.jpg").to_string()]).await;
    world.check("killed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_asks_nothing_and_the_first_call_has_the_buckets_prove_themselves_once() {
    let world = World::new().await;
    // A request to S3 takes about so long.
    for call in
        ["GetBucketVersioning", "GetObjectLockConfiguration", "HeadObject", "GetObject", "PutObject", "ListObjectsV2"]
    {
        world.bucket.state().fail(call, Fault::Slow(Duration::from_millis(20)), usize::MAX);
    }
    let mut sandbox = tokio::task::block_in_place(|| function(&world).start());
    assert_eq!(std::mem::take(&mut world.bucket.state().calls), [""; 0]);
    let mut call = || {
        let begun = Instant::now();
        assert_eq!(tokio::task::block_in_place(|| call(&mut sandbox, &removed("nobody.jpg"))), json!({}));
        (std::mem::take(&mut world.bucket.state().calls), begun.elapsed())
    };
    let ((first, took_first), (second, took_second)) = (call(), call());
    println!("first {} calls, {took_first:?}; then {}, {took_second:?}", first.len(), second.len());
    let count = |calls: &[String], name: &str| calls.iter().filter(|call| *call == name).count();
    for (name, times) in [("GetBucketVersioning", 2), ("GetObjectLockConfiguration", 1), ("HeadObject", 1)] {
        assert_eq!(count(&first, name), count(&second, name) + times, "{name}: {first:?} {second:?}");
    }
    assert!(took_first < took_second + Duration::from_millis(500), "{took_first:?} {took_second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_that_cannot_prove_what_a_receipt_says_fail_every_call_and_nothing_is_done() {
    let world = World::new().await;
    let mut sandbox = tokio::task::block_in_place(|| function(&world).start());
    let event = batch(&removed("a.jpg").to_string());
    let before = world.stored();
    type Wrong = fn(&mut State, bool);
    let wrongs: [Wrong; 3] =
        [|state, on| state.retains = on, |state, on| state.mfa_delete = on, |state, on| state.hides_absence = on];
    for wrong in wrongs {
        wrong(&mut world.bucket.state(), true);
        let answer = tokio::task::block_in_place(|| call(&mut sandbox, &event));
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m1"}]}));
        assert_eq!(world.stored(), before);
        wrong(&mut world.bucket.state(), false);
    }
    let log = sandbox.log();
    assert!(log.contains("object lock") && log.contains("s3:ListBucket") && log.contains("second factor"), "{log}");
    assert_eq!(tokio::task::block_in_place(|| call(&mut sandbox, &event)), json!({"batchItemFailures": []}));
    assert!(!world.stored().0.contains(&derivative("a.jpg", "old", "r1")));
}

#[test]
fn a_function_without_its_settings_says_what_is_missing() {
    let refused = Function::new(BINARY).with("AFTERIMAGE_SOURCE_URL", "s3://pictures/o/").try_start();
    let (refused, log) = refused.err().expect("it does not start");
    let Refused::Error(kind, body) = refused else { panic!("{refused:?}") };
    let words = body["errorMessage"].as_str().unwrap();
    assert!(kind == "Afterimage.Configuration" && log.contains(words), "{kind}: {body}");
    assert!(log.contains("derivatives.url") && log.contains("lambda.later_queue"), "{log}");
}

#[test]
fn by_hand_it_says_what_it_is() {
    let output = std::process::Command::new(BINARY).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("docs/operating/lambda.md"));
}
