//! The look-up table of hits: sharded, read under a shared lock, keyed by a keyed hash of the path. It only finds;
//! what an entry's path really is, and whether the entry may be used, the caller checks.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;

use crate::entry::Entry;
use crate::sync::{RwLock, read, write};

/// Takes the hash that the key already is.
#[derive(Default)]
pub(crate) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("the key is one u64");
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Shard<T> = RwLock<HashMap<u64, Arc<Entry<T>>, BuildHasherDefault<Same>>>;

pub(crate) struct Table<T> {
    // Keyed afresh in every process: paths come from outside, and two that collide push each other out.
    keyed: RandomState,
    shards: Box<[Shard<T>]>,
}

impl<T> Table<T> {
    pub(crate) fn new(shards: usize) -> Self {
        let shards = shards.clamp(1, 1024).next_power_of_two();
        Self { keyed: RandomState::new(), shards: (0..shards).map(|_| Shard::default()).collect() }
    }

    pub(crate) fn hash(&self, path: &str) -> u64 {
        self.keyed.hash_one(path)
    }

    fn shard(&self, hash: u64) -> &Shard<T> {
        // The map inside uses the top seven and the low bits; these lie between.
        &self.shards[(hash >> 40) as usize & (self.shards.len() - 1)]
    }

    pub(crate) fn get(&self, path: &str) -> Option<Arc<Entry<T>>> {
        let hash = self.hash(path);
        let shard = read(self.shard(hash));
        shard.get(&hash).filter(|entry| entry.facts.path == path).cloned()
    }

    /// Puts an entry in; returns the one that had its place.
    pub(crate) fn insert(&self, entry: &Arc<Entry<T>>) -> Option<Arc<Entry<T>>> {
        write(self.shard(entry.hash)).insert(entry.hash, entry.clone())
    }

    /// Takes this very entry out, not another that has its place by now.
    pub(crate) fn remove(&self, entry: &Arc<Entry<T>>) {
        let mut shard = write(self.shard(entry.hash));
        if shard.get(&entry.hash).is_some_and(|found| Arc::ptr_eq(found, entry)) {
            shard.remove(&entry.hash);
        }
    }
}
