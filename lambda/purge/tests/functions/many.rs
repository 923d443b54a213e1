//! Very many deletions at once, as a queue brings them: so many in a batch and so many processes side by side as the Terraform module
//! sets. What they cost is counted and bounded, by original; quotas hold, and so does memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use afterimage_identity::ReceiptState;
use afterimage_testkit::lambda::{Outcome, Sandbox};
use serde_json::{Value, json};

use crate::binary::function;
use crate::world::{World, derivative, removed, tag};

/// As deploy/terraform has them.
const EVENTS_AT_ONCE: usize = 100;
const LATER_AT_ONCE: usize = 10;
const PROCESSES: usize = 5;

/// Messages, each with the moment from which it may be seen.
#[derive(Default)]
struct Waiting {
    events: VecDeque<String>,
    later: Vec<(Instant, String)>,
    in_work: usize,
    calls: usize,
}

impl Waiting {
    /// The next batch, or whether all is over.
    fn next(&mut self) -> Result<Vec<String>, bool> {
        let events = self.events.len().min(EVENTS_AT_ONCE);
        let (mut batch, now): (Vec<String>, _) = (self.events.drain(..events).collect(), Instant::now());
        if batch.is_empty() {
            let due = self.later.iter().filter(|(at, _)| *at <= now).take(LATER_AT_ONCE).count();
            self.later.sort();
            batch = self.later.drain(..due).map(|(_, body)| body).collect();
        }
        if batch.is_empty() {
            return Err(self.later.is_empty() && self.in_work == 0);
        }
        (self.in_work, self.calls) = (self.in_work + 1, self.calls + 1);
        Ok(batch)
    }
}

/// Works as long as there is something to do; the most memory that the process took, in kilobytes.
fn work(world: &World, waiting: &Mutex<Waiting>) -> u64 {
    let mut sandbox = start(world);
    loop {
        let next = waiting.lock().unwrap().next();
        let batch = match next {
            Ok(batch) => batch,
            Err(true) => return memory_peak_kb(&sandbox),
            Err(false) => {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let message =
            |(id, body): (usize, &String)| json!({"eventSource": "aws:sqs", "messageId": id.to_string(), "body": body});
        let records: Vec<Value> = batch.iter().enumerate().map(message).collect();
        let answer = match sandbox.send(&json!({ "Records": records })).outcome() {
            Outcome::Answered(answered) => answered.json(),
            other => panic!("{other:?}\n{}", sandbox.log()),
        };
        let failed = answer["batchItemFailures"].as_array().expect("a list");
        let again = failed.iter().map(|failed| failed["itemIdentifier"].as_str().unwrap().parse::<usize>().unwrap());
        let mut waiting = waiting.lock().unwrap();
        // What was not taken is seen again when the queue shows it again.
        waiting.later.extend(again.map(|at| (Instant::now() + Duration::from_secs(1), batch[at].clone())));
        waiting.later.extend(world.queue.take().into_iter().map(|(body, delay)| (Instant::now() + delay, body)));
        waiting.in_work -= 1;
    }
}

fn start(world: &World) -> Sandbox {
    // Nobody dies here, so nothing need pass the fuse.
    // What comes together is told together, for as long as the default says.
    let words = world.environment["AFTERIMAGE_CDN"].split(' ').filter(|word| !word.starts_with("window="));
    let cdn = words.map(|word| match word.strip_prefix("endpoint=") {
        Some(_) => format!("endpoint={}", world.cloudfront.base),
        None => word.to_owned(),
    });
    let function = function(world)
        .with("AFTERIMAGE_S3_ENDPOINT", &world.bucket.endpoint)
        .with("AFTERIMAGE_LAMBDA_LATER_QUEUE", &world.queue.url())
        .with("AFTERIMAGE_CDN", &cdn.collect::<Vec<_>>().join(" "));
    function.timeout(Duration::from_secs(120)).start()
}

fn memory_peak_kb(sandbox: &Sandbox) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sandbox.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_deletions_cost_little_each_and_nothing_is_left() {
    let count = if std::env::var_os("AFTERIMAGE_LONG").is_some() { 10_000 } else { 300 };
    let world = World::new().await;
    // As CloudFront has them.
    world.cloudfront.change(|rules| (rules.calls_per_s, rules.progress) = (10, Duration::from_millis(500)));
    let keys: Vec<String> = (0..count).map(|number| format!("many/{number:05}.jpg")).collect();
    for key in &keys {
        world.bucket.state().write(&derivative(key, "old", "r1"), b"body");
    }
    let waiting = Mutex::new(Waiting::default());
    waiting.lock().unwrap().events = keys.iter().map(|key| removed(key).to_string()).collect();
    let begun = Instant::now();
    let memory_kb = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let processes: Vec<_> = (0..PROCESSES).map(|_| scope.spawn(|| work(&world, &waiting))).collect();
            processes.into_iter().map(|process| process.join().unwrap()).max().unwrap()
        })
    });
    let took = begun.elapsed();

    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for call in &world.bucket.state().calls {
        *calls.entry(call.clone()).or_default() += 1;
    }
    let times = waiting.lock().unwrap().calls;
    let (items, batches, peaks) =
        (world.cloudfront.items(), world.cloudfront.accepted().len(), world.cloudfront.peaks());
    println!(
        "{count} deletions: {times} calls in {took:.1?}, at most {memory_kb} kB each; S3 {calls:?}; CloudFront {} items in {batches} \
         invalidations, {} calls, at most {peaks:?} in progress, throttled {}, too many {}",
        items.len(),
        world.cloudfront.calls(),
        world.cloudfront.errors("Throttling"),
        world.cloudfront.errors("TooManyInvalidationsInProgress"),
    );
    let (derivatives, _) = world.stored();
    assert_eq!(derivatives.len(), 4, "what was not said to be gone stays: {derivatives:?}");
    assert_eq!(world.left_behind(2).await, [""; 0], "no journal waits for anybody");
    let receipts = world.receipts().await;
    assert!(receipts.iter().all(|receipt| receipt.state == ReceiptState::Done), "{receipts:?}");
    let mut told: BTreeMap<&String, usize> = BTreeMap::new();
    items.iter().for_each(|item| *told.entry(item).or_default() += 1);
    assert!(
        keys.iter().all(|key| told.get(&tag(key)) == Some(&2)) && told.len() == count,
        "each twice, and nothing else"
    );
    assert_eq!(world.cloudfront.errors("TooManyInvalidationsInProgress"), 0);
    assert!(peaks.0 <= 3_000, "{peaks:?}");
    let of = |names: &[&str]| names.iter().filter_map(|name| calls.get(*name)).sum::<usize>();
    let dear = of(&["PutObject", "ListObjectsV2"]);
    // Docs: four listings for each original, and what a call costs.
    assert!(dear <= 4 * count + 40 * times, "PUT and LIST {dear}");
    assert!(of(&["DeleteObjects"]) <= 2 * count, "{calls:?}");
    assert!(batches <= 4 * count.div_ceil(EVENTS_AT_ONCE) + 2 * PROCESSES, "{batches} invalidations");
    assert!(memory_kb < 128 << 10, "{memory_kb} kB");
}
