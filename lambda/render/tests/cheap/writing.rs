//! The write story behind the CDN: the functions that purge and reconcile, in this process, over the same bucket and a queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use afterimage_lambda::Answers;
use afterimage_lambda_purge::{Function as Purge, Pace};
use afterimage_lambda_reconcile::Function as Reconcile;
use afterimage_setup::{MachineClock, Proof, Settings, Writing};
use afterimage_store::bucket::Limits;
use afterimage_testkit::bucket::Double;
use afterimage_testkit::lambda::Function;
use afterimage_testkit::{Double as CloudFront, DoubleRules, Queue};
use serde_json::{Value, json};

use crate::cdn::Cdn;

/// How long fills take here at most, for the write story.
const FILL_MS: u64 = 600;
const DEADLINE: Duration = Duration::from_secs(8);

pub struct World {
    pub bucket: Double,
    pub cdn: Cdn,
    cloudfront: CloudFront,
    queue: Queue,
    environment: BTreeMap<String, String>,
    /// How many of the items that CloudFront was told the double of its cache has forgotten.
    forgotten: usize,
}

/// The queue is asked with what the environment says, as in a function.
fn credentials() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        for (name, value) in [("AWS_ACCESS_KEY_ID", "AKIATEST"), ("AWS_SECRET_ACCESS_KEY", "0123456789abcdef")] {
            // SAFETY: whoever reads the environment in these tests is Rust's own code, which shares a lock with this.
            unsafe { std::env::set_var(name, value) };
        }
    });
}

impl World {
    /// As the Terraform module sets things up in cheap mode, where tags are to be had.
    pub async fn new() -> Self {
        credentials();
        let bucket = Double::start().await;
        let rules = DoubleRules {
            progress: Duration::from_millis(20),
            calls_per_s: 10_000,
            tag_header: Some("x-amz-meta-cache-tag"),
            ..DoubleRules::default()
        };
        let (cloudfront, queue) = (CloudFront::start(rules), Queue::start());
        let cdn = format!(
            "name=cf kind=edge distribution={} endpoint={} access_key=AKIATEST secret=0123456789abcdef window=10ms",
            cloudfront.distribution, cloudfront.base
        );
        let pairs = [
            ("SOURCE_URL", "s3://pictures/o/".to_owned()),
            ("DERIVATIVES_URL", "s3://pictures/d/".to_owned()),
            ("S3_ENDPOINT", bucket.endpoint.clone()),
            ("S3_PATH_STYLE", "true".to_owned()),
            ("S3_PROFILES_FILE", bucket.profiles().display().to_string()),
            ("EVENTS_SQS_REGION", "eu-central-1".to_owned()),
            ("LAMBDA_LATER_QUEUE", queue.url()),
            ("CDN", cdn),
        ];
        let environment: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (format!("AFTERIMAGE_{name}"), value)).collect();
        let render = Function::new(env!("CARGO_BIN_EXE_afterimage-render"))
            .with("AFTERIMAGE_SERVER_TRUST", "canonical")
            .with("AFTERIMAGE_DERIVATIVES_COPIES", "true");
        let places =
            environment.iter().filter(|(name, _)| ["S3", "SOURCE", "DERIVATIVES"].iter().any(|own| name.contains(own)));
        let render = places.fold(render, |render, (name, value)| render.with(name, value));
        let cdn = Cdn::new(bucket.clone(), tokio::task::block_in_place(|| render.start()));
        Self { bucket, cdn, cloudfront, queue, environment, forgotten: 0 }
    }

    fn writing(&self) -> Writing {
        let mut config = Settings::of_function(self.environment.clone()).unwrap().writing().unwrap();
        config.purge.fill_ms_max = FILL_MS;
        config.derivatives.limits = Limits::default();
        config.originals.iter_mut().for_each(|(_, bucket)| bucket.limits = Limits::default());
        tokio::task::block_in_place(|| Writing::open(config, Proof::AtStart, Arc::new(MachineClock)).unwrap())
    }

    /// What a viewer gets. It may call the function, which blocks.
    pub fn get(&mut self, url: &str) -> crate::cdn::Answer {
        tokio::task::block_in_place(|| self.cdn.get(url))
    }

    /// One call of the purge function; what it tells CloudFront is forgotten there.
    pub async fn purge(&mut self, payload: Value) -> Value {
        let pace = Pace { margin: Duration::from_millis(300), quiet: Duration::from_millis(1_500) };
        let function = Purge::new(self.writing(), pace).await;
        let answered = function.answer(&payload, SystemTime::now() + DEADLINE).await.unwrap();
        self.cloudfront_forgets();
        answered
    }

    /// One call of the reconcile function.
    pub async fn reconcile(&mut self) -> Value {
        let function = Reconcile::new(self.writing()).await;
        let answered = function.answer(&json!({}), SystemTime::now() + DEADLINE).await.unwrap();
        self.cloudfront_forgets();
        answered
    }

    fn cloudfront_forgets(&mut self) {
        let items = self.cloudfront.items();
        self.cdn.forget(&items[self.forgotten..]);
        self.forgotten = items.len();
    }

    /// What CloudFront was told so far.
    pub fn told(&self) -> Vec<String> {
        self.cloudfront.items()
    }

    /// Brings what was left for later, until nothing is.
    pub async fn later(&mut self) {
        for _ in 0..20 {
            let sent = self.queue.take();
            let Some(longest) = sent.iter().map(|(_, delay)| *delay).max() else { return };
            tokio::time::sleep(longest.min(Duration::from_millis(FILL_MS + 500))).await;
            for (body, _) in sent {
                let event = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m1", "body": body}]});
                let answered = self.purge(event).await;
                assert_eq!(answered, json!({"batchItemFailures": []}));
            }
        }
        panic!("it never ends");
    }

    /// What lies below the place of derivatives and is no record, each as `derivative` or `copy`.
    pub fn stored(&self) -> Vec<&'static str> {
        let state = self.bucket.state();
        let names = state.objects.keys().filter_map(|key| key.strip_prefix("d/"));
        let kind = |name: &str| match afterimage_variant::parse_copy_key(name) {
            Some(_) => "copy",
            None => "derivative",
        };
        names.map(kind).collect()
    }
}

/// What the bucket says of a change.
pub fn record(name: &str, key: &str) -> Value {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": name,
        "s3": {"bucket": {"name": "pictures"}, "object": {"key": format!("o/{key}")}}
    }]})
}
