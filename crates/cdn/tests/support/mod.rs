//! What the tests of this crate share: invalidations as the write story says them, a clock, layers with short pauses.
#![allow(dead_code, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use afterimage_cdn::{CloudFront, Config, Credentials, Kind, Layer, Pace};
use afterimage_identity::{CacheTag, Clock, Invalidation, Keep, Original, OriginalKey, SourceId, Stamp};
use afterimage_store::keep::Folder;
use afterimage_testkit::Double;
use afterimage_variant::derivative_prefix;

pub struct Machine;

impl Clock for Machine {
    fn now(&self) -> Stamp {
        Stamp::default()
    }
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

pub fn original(key: &str) -> Original {
    Original::new(SourceId::default(), OriginalKey::new(key).unwrap())
}

/// One original, as the write story says it.
pub fn about(key: &str, reference: &str) -> Invalidation {
    let original = original(key);
    Invalidation {
        reference: reference.to_owned(),
        tag: Some(original.tag()),
        paths: vec![format!("/{}", original.key.escaped())],
        prefixes: vec![format!("/{}", derivative_prefix(&original.key))],
        originals: vec![original],
    }
}

pub fn folder(folder: &str, reference: &str) -> Invalidation {
    Invalidation {
        reference: reference.to_owned(),
        tag: Some(CacheTag::folder(&SourceId::default(), folder)),
        paths: Vec::new(),
        prefixes: vec![format!("/{folder}"), "/=.".to_owned()],
        originals: Vec::new(),
    }
}

pub fn tag(key: &str) -> String {
    format!("#{}", original(key).tag())
}

/// Pauses so short that a test need not wait; the order of things is the same.
pub fn quick() -> Pace {
    Pace {
        window: Duration::from_millis(50),
        look_min: Duration::from_millis(50),
        look_max: Duration::from_millis(200),
        backoff_min: Duration::from_millis(20),
        backoff_max: Duration::from_millis(200),
        failures_told: 4,
        patience: Duration::from_secs(60),
    }
}

pub fn distribution(double: &Double) -> CloudFront {
    CloudFront {
        distribution: double.distribution.to_owned(),
        endpoint: Some(double.base.clone()),
        region: None,
        profile: None,
        credentials: Some(Credentials { id: "AKIATEST".to_owned(), secret: "0123456789abcdef".to_owned() }),
        by: None,
    }
}

/// A layer that speaks to the double as an edge: by the edge's rate, which no test has to wait for.
pub fn edge(double: &Double, outbox: Option<&Path>) -> Arc<Layer> {
    layer(Kind::Edge(distribution(double)), outbox, 0)
}

pub fn layer(kind: Kind, outbox: Option<&Path>, over_purge: u32) -> Arc<Layer> {
    let config = Config { name: "outer".to_owned(), kind, over_purge, pace: quick() };
    let outbox = outbox.map(|folder| Arc::new(Folder::open(folder).unwrap()) as Arc<dyn Keep>);
    Arc::new(Layer::open(&config, outbox, Arc::new(Machine)).unwrap())
}
