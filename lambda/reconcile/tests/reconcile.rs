//! The built reconciler under the double of the Lambda Runtime API, over a bucket in this process.

use std::time::Duration;

use afterimage_identity::{OriginalKey, Revision, Version};
use afterimage_testkit::Queue;
use afterimage_testkit::bucket::Double;
use afterimage_testkit::lambda::{Function, Outcome, Sandbox};
use afterimage_variant::{Wanted, derivative_key};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_afterimage-reconcile");

struct World {
    bucket: Double,
    queue: Queue,
}

fn scheduled() -> Value {
    json!({"version": "0", "id": "u", "detail-type": "Scheduled Event", "source": "aws.events", "account": "111122223333",
        "time": "2026-01-02T03:04:05Z", "region": "eu-central-1", "resources": [], "detail": {}})
}

fn asked(mode: &str) -> Value {
    json!({"afterimage": "reconcile", "mode": mode})
}

impl World {
    /// With so many originals that are there and so many that are gone, each with a derivative.
    async fn new(there: usize, gone: usize) -> Self {
        let world = Self { bucket: Double::start().await, queue: Queue::start() };
        let mut state = world.bucket.state();
        for number in 0..there + gone {
            let key = format!("{number:04}.jpg");
            let (original, revision) = (OriginalKey::new(&key).unwrap(), Revision::new("r1").unwrap());
            // As the bucket tells it.
            let etag = format!("\"{}\"", &afterimage_identity::digest_hex(key.as_bytes())[..32]);
            let version = Version::of_validator(&etag);
            let name = derivative_key(&original, &Wanted::Original, &version, &revision);
            state.write(&format!("derived/{name}"), b"body");
            if number < there {
                state.write(&format!("o/{key}"), key.as_bytes());
            }
        }
        drop(state);
        world
    }

    fn function(&self) -> Function {
        let pairs = [
            ("SOURCE_URL", "s3://pictures/o/".to_owned()),
            ("DERIVATIVES_URL", "s3://pictures/derived/".to_owned()),
            ("S3_ENDPOINT", self.bucket.endpoint.clone()),
            ("S3_PATH_STYLE", "true".to_owned()),
            ("S3_PROFILES_FILE", self.bucket.profiles().display().to_string()),
            ("LAMBDA_LATER_QUEUE", self.queue.url()),
            ("EVENTS_SQS_REGION", "eu-central-1".to_owned()),
            ("PURGE_FILL_TIMEOUT", "3s".to_owned()),
            ("RENDER_TIMEOUT", "1s".to_owned()),
            ("S3_TOTAL_TIMEOUT", "3s".to_owned()),
            ("ORIGIN_TOTAL_TIMEOUT", "3s".to_owned()),
            ("PURGE_MASS_LOSS_COUNT", "10".to_owned()),
        ];
        let function = Function::new(BINARY).timeout(Duration::from_secs(30));
        pairs.into_iter().fold(function, |function, (name, value)| function.with(&format!("AFTERIMAGE_{name}"), &value))
    }

    /// How many derivatives there are, and which records.
    fn stored(&self) -> (usize, Vec<String>) {
        let state = self.bucket.state();
        let derivatives = state.objects.keys().filter(|key| key.starts_with("derived/"));
        let records = state.objects.keys().filter_map(|key| key.strip_prefix("-/derived/"));
        (derivatives.count(), records.map(str::to_owned).collect())
    }
}

fn call(sandbox: &mut Sandbox, event: &Value) -> Value {
    tokio::task::block_in_place(|| match sandbox.send(event).outcome() {
        Outcome::Answered(answered) => answered.json(),
        other => panic!("{event}: {other:?}\n{}", sandbox.log()),
    })
}

fn start(function: &Function) -> Sandbox {
    tokio::task::block_in_place(|| function.start())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_event_told_is_found_and_the_rest_stays() {
    let world = World::new(30, 5).await;
    let mut sandbox = start(&world.function());
    let looked = call(&mut sandbox, &asked("dry_run"));
    assert_eq!((&looked["report"]["gone"], &looked["report"]["originals"]), (&json!(5), &json!(35)), "{looked}");
    assert_eq!(world.stored(), (35, Vec::new()), "looking changes nothing");
    let done = call(&mut sandbox, &scheduled());
    assert_eq!((&done["report"]["gone"], &done["report"]["changed"]), (&json!(5), &json!(0)), "{done}");
    assert_eq!(world.stored().0, 30);
    // The second sweep comes by a message, or was done in the same call.
    assert!(
        done["open"] == json!(0) || world.queue.take().iter().any(|(body, _)| body.contains("\"reconcile\"")),
        "{done}"
    );
    let again = call(&mut sandbox, &scheduled());
    assert_eq!(again["report"]["gone"], json!(0), "{again}");
    assert!(world.stored().1.iter().any(|name| name.starts_with("receipts/")));
    let journal: Vec<String> = world.stored().1.into_iter().filter(|name| name.starts_with("journal/")).collect();
    assert_eq!(journal.len(), 1, "one piece, however often it was called: {journal:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mass_loss_waits_for_a_person_over_every_process() {
    let world = World::new(20, 15).await;
    let held = call(&mut start(&world.function()), &scheduled());
    assert_eq!(held["report"]["held"], json!(true), "{held}");
    assert_eq!(world.stored().0, 35);
    let still = call(&mut start(&world.function()), &scheduled());
    assert_eq!((&still["report"]["held"], world.stored().0), (&json!(true), 35), "{still}");
    let confirmed = call(&mut start(&world.function()), &asked("confirm"));
    assert_eq!(
        (&confirmed["report"]["held"], &confirmed["report"]["gone"]),
        (&json!(false), &json!(15)),
        "{confirmed}"
    );
    assert_eq!(world.stored().0, 20);
    let after = call(&mut start(&world.function()), &scheduled());
    assert_eq!((&after["report"]["held"], &after["report"]["gone"]), (&json!(false), &json!(0)), "{after}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_is_made_in_parts_within_a_budget_and_goes_on_where_it_stopped() {
    let world = World::new(1_500, 3).await;
    let function = world.function().with("AFTERIMAGE_PURGE_RECONCILE_REQUESTS_MAX", "1000");
    let first = call(&mut start(&function), &scheduled());
    assert_eq!(first["report"]["paused"], json!(true), "{first}");
    let asked = |report: &Value| report["report"]["asked"].as_u64().unwrap();
    assert!((900..=1_000).contains(&asked(&first)), "{first}");
    assert_eq!(world.stored().0, 1_503, "the three that are gone come last");
    // A process that was killed in between has taken nothing with it.
    let second = call(&mut start(&function), &scheduled());
    assert_eq!((&second["report"]["paused"], &second["report"]["gone"]), (&json!(false), &json!(3)), "{second}");
    assert!(asked(&second) <= 1_503 - asked(&first) + 64, "{second}");
    assert_eq!(world.stored().0, 1_500);
}
