//! What a request finds that nothing has told is said to the purge function, behind the answer.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use afterimage_lambda::Answers as _;
use afterimage_lambda_purge::{Function as Purge, Pace};
use afterimage_setup::{MachineClock, Proof, Settings, Writing};
use afterimage_testkit::Queue;
use afterimage_testkit::lambda::url_event;
use serde_json::{Value, json};

use crate::world::{MS, World, ask};

const TARGET: &str = "/rose.webp/-/w100.webp";
const NOTICED: &str = r#"{"afterimage":"noticed","source":"main","key":"rose.webp","happened":"removed"}"#;

/// A derivative of each is stored, each is gone, and nothing told of it.
async fn lost(world: &World, queue: &Queue, names: &[&str]) -> afterimage_testkit::lambda::Sandbox {
    let mut sandbox = world.telling(queue).start();
    for name in names {
        assert_eq!(ask(&mut sandbox, "GET", &format!("/{name}/-/w100.webp"), &[]).status(), 200);
        sandbox.settle();
        world.bucket.state().delete_plainly(&format!("o/{name}"));
    }
    assert_eq!(derivatives(world).len(), names.len());
    sandbox
}

fn derivatives(world: &World) -> Vec<String> {
    world.stored().into_iter().filter(|name| !name.starts_with("d/-/")).collect()
}

/// What the purge function makes of a message.
async fn purge(world: &World, queue: &Queue, body: &str) -> Value {
    static CREDENTIALS: std::sync::Once = std::sync::Once::new();
    CREDENTIALS.call_once(|| {
        for (name, value) in [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "0123456789abcdef")] {
            // SAFETY: whoever reads the environment in these tests is Rust's own code, which shares a lock with this.
            unsafe { std::env::set_var(name, value) };
        }
    });
    let config = Settings::of_function(world.environment_with(queue)).unwrap().writing().unwrap();
    let writing =
        tokio::task::block_in_place(|| Writing::open(config, Proof::WhenNeeded, Arc::new(MachineClock)).unwrap());
    let pace = Pace { margin: MS(200), quiet: MS(300) };
    let batch = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m1", "body": body}]});
    Purge::new(writing, pace).await.answer(&batch, SystemTime::now() + Duration::from_secs(8)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_event_is_mended_by_the_first_viewer_who_asks() {
    let (world, queue) = (World::new(&["rose.webp"]).await, Queue::start());
    let mut sandbox = lost(&world, &queue, &["rose.webp"]).await;
    for _ in 0..3 {
        assert_eq!(ask(&mut sandbox, "GET", TARGET, &[]).status(), 404);
        sandbox.settle();
    }
    let sent = queue.take();
    assert_eq!(sent, [(NOTICED.to_owned(), Duration::ZERO)], "once a minute");
    assert_eq!(purge(&world, &queue, NOTICED).await, json!({"batchItemFailures": []}));
    assert_eq!(derivatives(&world), [""; 0]);
    // Another process that had it in memory says so once more; nothing is left to do, and nothing is written down for it.
    let (records, _) = (world.stored().len(), queue.take());
    assert_eq!(purge(&world, &queue, NOTICED).await, json!({"batchItemFailures": []}));
    assert_eq!((world.stored().len(), queue.take()), (records, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_viewer_waits_for_the_queue() {
    let (world, queue) = (World::new(&["rose.webp"]).await, Queue::start());
    let mut sandbox = lost(&world, &queue, &["rose.webp"]).await;
    queue.slow(MS(1_200));
    let begun = Instant::now();
    let answered = sandbox.invoke(&url_event("GET", TARGET, &[]));
    assert_eq!(answered.http().status(), 404);
    let took = begun.elapsed();
    let rest = sandbox.settle();
    // Frozen from here on: what is not said now is never said.
    assert_eq!(queue.take().len(), 1);
    assert!(took < MS(1_000) && took + rest >= MS(1_200), "{took:?} and then {rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_said_is_said_at_the_next_request() {
    let (world, queue) = (World::new(&["rose.webp"]).await, Queue::start());
    let mut sandbox = lost(&world, &queue, &["rose.webp"]).await;
    queue.refuse(1);
    let mut asked = || {
        assert_eq!(ask(&mut sandbox, "GET", TARGET, &[]).status(), 404);
        sandbox.settle();
        queue.take().len()
    };
    assert_eq!([asked(), asked(), asked()], [0, 1, 0]);
    let log = sandbox.log();
    assert!(log.contains("could not be told") && log.contains("AccessDenied"), "{log}");
    // A queue that hangs costs the next event two seconds, and no more.
    let mut hangs = world.telling(&queue).start();
    queue.slow(Duration::from_secs(30));
    assert_eq!(ask(&mut hangs, "GET", TARGET, &[]).status(), 404);
    let rest = hangs.settle();
    assert!(rest < Duration::from_secs(4), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_very_many_the_reconciler_has_to_judge() {
    let (world, queue) = (World::new(&["rose.webp", "flower.jpg"]).await, Queue::start());
    drop(lost(&world, &queue, &["rose.webp", "flower.jpg"]).await);
    let mut sandbox = world.telling(&queue).with("AFTERIMAGE_PURGE_MASS_LOSS_COUNT", "1").start();
    for target in [TARGET, "/flower.jpg/-/w100.webp"] {
        assert_eq!(ask(&mut sandbox, "GET", target, &[]).status(), 404);
        sandbox.settle();
    }
    assert_eq!(queue.take(), [(NOTICED.to_owned(), Duration::ZERO)]);
    assert!(sandbox.log().contains("the reconciler has to look"), "{}", sandbox.log());
}
