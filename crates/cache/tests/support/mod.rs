//! What the tests of the cache share.
#![allow(dead_code)] // Each test uses another part.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use afterimage_cache::{Begun, Cache, Entry, Facts, Fill, Weigh};
use afterimage_identity::{Original, OriginalKey, SourceId, Stamp, Version};
use std::sync::Arc;

/// A body that weighs one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body(pub u32);

impl Weigh for Body {
    fn bytes(&self) -> usize {
        1
    }
}

pub fn original(key: &str) -> Original {
    Original::new(SourceId::default(), OriginalKey::new(key).unwrap())
}

pub fn version(number: u8) -> Version {
    Version::new(&number.to_string()).unwrap()
}

/// Facts of a derivative that was proven at `proved_at`.
pub fn facts(path: &str, key: &str, number: u8, proved_at: u64) -> Facts {
    Facts {
        path: path.to_owned(),
        original: Some(original(key)),
        version: Some(version(number)),
        proved_at: Some(Stamp(proved_at)),
        tags: original(key).tags(),
        fresh_until: None,
    }
}

/// The fill of a path that nobody fetches.
pub fn lead<T: Weigh>(cache: &Cache<T>, path: &str) -> Fill<T> {
    match cache.begin(path, None, &[], Stamp(0)) {
        Begun::Lead(fill) => fill,
        Begun::Join(_) => panic!("somebody fetches {path} already"),
    }
}

/// Fetches and keeps.
pub fn put<T: Weigh + std::fmt::Debug>(cache: &Cache<T>, facts: Facts, payload: T) -> Arc<Entry<T>> {
    let now = facts.proved_at.unwrap_or_default();
    lead(cache, &facts.path.clone()).publish(facts, payload, true, now).unwrap()
}

/// Polls once.
pub fn poll<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Takes the output of a future that must be ready.
pub fn block_on<F: Future>(future: F) -> F::Output {
    poll(future).expect("ready at once")
}
