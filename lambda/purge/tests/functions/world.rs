//! Buckets, CloudFront and a queue, each a double behind a way on which processes die; and processes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use afterimage_identity::{CacheTag, Original, OriginalKey, Receipt, ReceiptState, Revision, SourceId, Version};
use afterimage_lambda::Answers as _;
use afterimage_lambda_purge::{Function, Pace};
use afterimage_purge::Filter;
use afterimage_setup::{MachineClock, Proof, Settings, Writing, WritingConfig};
use afterimage_store::bucket::Limits;
use afterimage_testkit::bucket::Double;
use afterimage_testkit::{Double as CloudFront, DoubleRules, Queue};
use afterimage_variant::{Wanted, derivative_key};
use serde_json::{Value, json};

use crate::fuse::{Fuse, way};

/// How long a call may take, and so how long a dead one is waited for.
pub const DEADLINE: Duration = Duration::from_secs(3);

/// So long that the first call does not see the end of it.
pub const FILL_MS: u64 = 900;

pub fn original(key: &str) -> Original {
    Original::new(SourceId::default(), OriginalKey::new(key).unwrap())
}

pub fn tag(key: &str) -> String {
    let tag: CacheTag = original(key).tag();
    format!("#{tag}")
}

/// The name of a derivative in its bucket.
pub fn derivative(key: &str, content: &str, revision: &str) -> String {
    let (version, revision) = (Version::of_content(content.as_bytes()), Revision::new(revision).unwrap());
    format!("derived/{}", derivative_key(&original(key).key, &Wanted::Original, &version, &revision))
}

pub fn removed(key: &str) -> Value {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete",
        "s3": {"bucket": {"name": "pictures"}, "object": {"key": format!("o/{key}")}}
    }]})
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

/// A batch of a queue, of one message.
pub fn batch(body: &str) -> Value {
    json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m1", "body": body}]})
}

pub struct World {
    pub bucket: Double,
    pub cloudfront: CloudFront,
    pub queue: Queue,
    pub fuse: Arc<Fuse>,
    pub environment: BTreeMap<String, String>,
}

/// What became of a process.
#[derive(Debug)]
pub enum Became {
    Answered(Result<Value, String>),
    Died,
}

impl World {
    /// With three derivatives of `a.jpg`, which is gone, and one of `b.jpg`, which is not.
    pub async fn new() -> Self {
        credentials();
        let bucket = Double::start().await;
        let rules = DoubleRules { progress: Duration::from_millis(20), calls_per_s: 10_000, ..DoubleRules::default() };
        let (cloudfront, queue, fuse) = (CloudFront::start(rules), Queue::start(), Fuse::new());
        for name in [
            derivative("a.jpg", "old", "r1"),
            derivative("a.jpg", "old", "r2"),
            derivative("a.jpg", "older", "r1"),
            derivative("b.jpg", "there", "r1"),
        ] {
            bucket.state().write(&name, b"body");
        }
        bucket.state().write("o/b.jpg", b"there");
        let mut world = Self { bucket, cloudfront, queue, fuse, environment: BTreeMap::new() };
        world.environment = world.environment_by(world.fuse.clone()).await;
        world
    }

    /// The environment of a function whose every request passes this fuse.
    pub async fn environment_by(&self, fuse: Arc<Fuse>) -> BTreeMap<String, String> {
        let s3 = way(&self.bucket.endpoint, fuse.clone()).await;
        let cloudfront = way(&self.cloudfront.base, fuse.clone()).await;
        let queue = way(&self.queue.base, fuse).await;
        let cdn = format!(
            "name=cf kind=edge distribution={} endpoint={cloudfront} access_key=AKIATEST secret=0123456789abcdef window=10ms",
            self.cloudfront.distribution
        );
        let pairs = [
            ("SOURCE_URL", "s3://pictures/o/".to_owned()),
            ("DERIVATIVES_URL", "s3://pictures/derived/".to_owned()),
            ("S3_ENDPOINT", s3),
            ("S3_PATH_STYLE", "true".to_owned()),
            ("S3_PROFILES_FILE", self.bucket.profiles().display().to_string()),
            ("LAMBDA_LATER_QUEUE", format!("{queue}/111122223333/later")),
            ("EVENTS_SQS_REGION", "eu-central-1".to_owned()),
            ("PURGE_FILL_TIMEOUT", "3s".to_owned()),
            ("RENDER_TIMEOUT", "1s".to_owned()),
            ("S3_TOTAL_TIMEOUT", "3s".to_owned()),
            ("ORIGIN_TOTAL_TIMEOUT", "3s".to_owned()),
            ("CDN", cdn),
        ];
        pairs.into_iter().map(|(name, value)| (format!("AFTERIMAGE_{name}"), value)).collect()
    }

    pub fn config(&self) -> WritingConfig {
        self.config_of(&self.environment)
    }

    /// As a function reads it, with fills that are over soon.
    pub fn config_of(&self, environment: &BTreeMap<String, String>) -> WritingConfig {
        let mut config = Settings::of_function(environment.clone()).unwrap().writing().unwrap();
        config.purge.fill_ms_max = FILL_MS;
        // So many stories at once take their time.
        config.derivatives.limits = Limits::default();
        config.originals.iter_mut().for_each(|(_, bucket)| bucket.limits = Limits::default());
        config.purge.backoff_ms_min = 10;
        config
    }

    /// One process answers one call, or dies of its fuse.
    pub async fn process(&self, payload: Value) -> Became {
        process(self.config(), self.fuse.clone(), payload, DEADLINE).await
    }

    /// Brings a message until it is dealt with, and whatever is sent meanwhile, each to a process of its own.
    pub async fn deliver(&self, bodies: Vec<String>) -> usize {
        let mut waiting: std::collections::VecDeque<String> = bodies.into();
        let mut deaths = 0;
        for _ in 0..200 {
            let sent = self.queue.take();
            if let Some(longest) = sent.iter().map(|(_, delay)| *delay).max() {
                tokio::time::sleep(longest.min(Duration::from_secs(1))).await;
            }
            waiting.extend(sent.into_iter().map(|(body, _)| body));
            let Some(body) = waiting.pop_front() else { return deaths };
            match self.process(batch(&body)).await {
                Became::Answered(Ok(answer)) if answer["batchItemFailures"] == json!([]) => {}
                Became::Answered(other) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    assert!(other.is_ok(), "batches are answered: {other:?}");
                    waiting.push_back(body);
                }
                Became::Died => {
                    deaths += 1;
                    waiting.push_back(body);
                }
            }
        }
        panic!("it never ends");
    }

    /// As the reconciler does, when those who were expected have not come.
    pub async fn left_behind(&self, hours: u64) -> Vec<String> {
        let writing = self.writing();
        let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
        writing.journals.tidy(now_ms + hours * 3_600_000, 1_000).await.unwrap()
    }

    pub fn writing(&self) -> Writing {
        tokio::task::block_in_place(|| Writing::open(self.config(), Proof::AtStart, Arc::new(MachineClock)).unwrap())
    }

    pub async fn receipts(&self) -> Vec<Receipt> {
        self.writing().journals.receipts(&Filter::default()).await.unwrap()
    }

    /// What the bucket holds of derivatives, and of records.
    pub fn stored(&self) -> (Vec<String>, Vec<String>) {
        let state = self.bucket.state();
        let names =
            state.objects.keys().filter(|key| ["derived/", "-/"].iter().any(|own| key.starts_with(own))).cloned();
        names.partition(|key| !key.starts_with("-/"))
    }

    /// What has to be so when nothing is left to do, whatever happened before.
    pub async fn check(&self, story: &str) {
        let (derivatives, _) = self.stored();
        assert_eq!(derivatives, [derivative("b.jpg", "there", "r1")], "{story}");
        let receipts = self.receipts().await;
        assert!(!receipts.is_empty(), "{story}: no receipt");
        for receipt in &receipts {
            assert_eq!(receipt.state, ReceiptState::Done, "{story}: {receipt:?}");
            assert!(receipt.clean_at_ms.is_some() && receipt.done_at_ms.is_some(), "{story}: {receipt:?}");
            assert!(receipt.fenced_at_ms.is_none(), "no cache of ours could be fenced");
        }
        assert!(
            receipts.iter().any(|receipt| receipt.removed_count == 3),
            "{story}: none names all three: {receipts:?}"
        );
    }
}

/// A process of its own, with its own connections, which all die with it.
pub async fn process(config: WritingConfig, fuse: Arc<Fuse>, payload: Value, deadline: Duration) -> Became {
    let (done, became) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let writing = Writing::open(config, Proof::WhenNeeded, Arc::new(MachineClock)).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let pace = Pace { margin: Duration::from_millis(300), quiet: Duration::from_millis(1_500) };
        let dies = fuse.clone();
        let answered = runtime.spawn(async move {
            let function = Function::new(writing, pace).await;
            fuse.arm(true);
            let answered = function.answer(&payload, SystemTime::now() + deadline).await;
            fuse.arm(false);
            answered
        });
        let became = runtime.block_on(async {
            tokio::select! {
                biased;
                () = dies.blows() => Became::Died,
                answered = answered => Became::Answered(answered.unwrap()),
            }
        });
        runtime.shutdown_background();
        if matches!(became, Became::Died) {
            dies.arm(false);
            dies.mend();
        }
        let _ = done.send(became);
    });
    became.await.unwrap()
}
