//! Objects in memory: for tests, simulations and servers that keep nothing. Same promises as a directory, except that
//! nothing outlives the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use afterimage_identity::{BoxFuture, Version};
use bytes::Bytes;

use crate::{
    Error, Listed, META_BYTES_MAX, Meta, Object, PAGE_ENTRIES_MAX, Page, Read, Refusal, Stat, Write, keys, lru::Lru,
};

#[derive(Debug, Default)]
struct Shelf {
    objects: BTreeMap<String, Object>,
    order: Lru<u64>,
    bytes: u64,
}

impl Shelf {
    fn remove(&mut self, key: &str) -> bool {
        if let Some(bytes) = self.order.remove(key) {
            self.bytes -= bytes;
        }
        self.objects.remove(key).is_some()
    }
}

/// A [`Write`] in memory. Keys may hold any text that is a path without empty, `.` or `..` segments, so it can stand in
/// for originals too.
#[derive(Debug)]
pub struct Memory {
    shelf: Mutex<Shelf>,
    bytes_max: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store without a bound.
    pub fn new() -> Self {
        Self::bounded(u64::MAX)
    }

    /// An empty store whose bodies take at most `bytes_max` bytes; what was used least recently makes room.
    pub fn bounded(bytes_max: u64) -> Self {
        Self { shelf: Mutex::default(), bytes_max }
    }

    /// How many bytes all bodies take.
    pub fn bytes(&self) -> u64 {
        self.shelf().bytes
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // No call leaves the shelf half changed, so a panic elsewhere is no reason to stop serving.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get_now(&self, key: &str, bytes_max: u64) -> Result<Object, Error> {
        keys::check(key)?;
        let mut shelf = self.shelf();
        let object = shelf.objects.get(key).ok_or(Error::NotFound)?.clone();
        if object.stat.bytes > bytes_max {
            return Err(Error::TooLarge { bytes: object.stat.bytes, max: bytes_max });
        }
        shelf.order.touch(key);
        Ok(object)
    }

    fn put_now(&self, key: &str, meta: Meta, body: Bytes) -> Result<Stat, Error> {
        keys::check(key)?;
        let meta_bytes = serde_json::to_vec(&meta).map_err(|error| Error::Io { why: error.to_string() })?.len();
        if meta_bytes + key.len() > META_BYTES_MAX {
            return Err(Error::Refused { why: Refusal::MetaTooLarge });
        }
        let bytes = body.len() as u64;
        if bytes > self.bytes_max {
            return Err(Error::Full { bytes, why: format!("the store holds at most {} bytes", self.bytes_max) });
        }
        let stat = Stat::local(Version::of_content(&body), bytes, true);
        let mut shelf = self.shelf();
        shelf.remove(key);
        while shelf.bytes > self.bytes_max - bytes {
            let Some((oldest, freed)) = shelf.order.pop_oldest() else { break };
            shelf.bytes -= freed;
            shelf.objects.remove(&*oldest);
        }
        shelf.order.insert(key, bytes);
        shelf.bytes += bytes;
        shelf.objects.insert(key.to_owned(), Object { stat: stat.clone(), meta, body });
        Ok(stat)
    }

    fn list_now(&self, prefix: &str, after: Option<&str>, limit: usize) -> Page {
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let shelf = self.shelf();
        let entries: Vec<Listed> = shelf
            .objects
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, object)| Listed::new(key.clone(), object.stat.bytes))
            .collect();
        let next = (entries.len() == limit).then(|| entries[limit - 1].key.clone());
        Page { entries, next }
    }

    fn delete_now(&self, key: &str) -> Result<bool, Error> {
        keys::check(key)?;
        Ok(self.shelf().remove(key))
    }
}

impl Read for Memory {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            keys::check(key)?;
            self.shelf().objects.get(key).map(|object| object.stat.clone()).ok_or(Error::NotFound)
        })
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move { self.get_now(key, bytes_max) })
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move { Ok(self.list_now(prefix, after, limit)) })
    }
}

impl Write for Memory {
    fn put<'a>(&'a self, key: &'a str, meta: Meta, body: Bytes) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move { self.put_now(key, meta, body) })
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        Box::pin(async move { keys.iter().map(|key| self.delete_now(key)).collect() })
    }
}
