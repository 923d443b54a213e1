//! A place in memory, and the functions that write into it, as their source says.
#![allow(missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use afterimage_adopt::{Plan, Request, Written, survey};
use afterimage_identity::BoxFuture;
use afterimage_store::Error;
use afterimage_store::inherited::{Conditions, Headers, Identity, Inherited, Look, Removal, Seen, SeenPage};
use afterimage_testkit::one_colour;
use bytes::Bytes;
use std::sync::Arc;

pub const THEIRS: &str = "max-age=31536000";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub body: Bytes,
    pub headers: Headers,
    pub written: u64,
}

impl Thing {
    fn identity(&self) -> Identity {
        let etag = format!("\"{}\"", afterimage_identity::digest_hex(&self.body));
        let modified_s = i64::try_from(self.written).unwrap();
        Identity { etag, bytes: self.body.len() as u64, modified_s, versions: Vec::new() }
    }
}

#[derive(Default)]
pub struct Inside {
    pub things: BTreeMap<String, Thing>,
    clock: u64,
    pub heeds_nothing: bool,
    pub refuses: bool,
    /// How many removals succeed before the process is to die.
    pub dies_after: Option<usize>,
    /// Written in the moment before a removal of the same key.
    pub races: HashMap<String, Thing>,
    pub removals: usize,
}

#[derive(Default)]
pub struct Memory(Mutex<Inside>);

/// Pictures of one colour are made once for each size.
pub fn picture(side: u32) -> Bytes {
    static MADE: Mutex<BTreeMap<u32, Bytes>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(side).or_insert_with(|| one_colour(side, [9, 9, 9]).into()).clone()
}

impl Memory {
    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn put(&self, key: &str, body: Bytes, media_type: &str, cache_control: Option<&str>) {
        let headers = Headers {
            media_type: Some(media_type.to_owned()),
            cache_control: cache_control.map(str::to_owned),
            has_metadata: false,
        };
        let mut inside = self.inside();
        inside.clock += 1;
        let thing = Thing { body, headers, written: inside.clock };
        inside.things.insert(key.to_owned(), thing);
    }

    /// What the functions do when somebody asks for `key` in a size: the key that they write, if they write any.
    pub fn ask(&self, key: &str, side: u32, is_article: bool) -> Option<String> {
        let (prefix, name) = key.rsplit_once('/').map_or(("", key), |(prefix, name)| (prefix, name));
        let (_, extension) = name.rsplit_once('.')?;
        let slash = if prefix.is_empty() { "" } else { "/" };
        let derived = if is_article {
            format!("{prefix}{slash}{side}x{side}/{name}")
        } else {
            format!("{prefix}{slash}{side}x{side}/{extension}/{name}")
        };
        let is_there = |key: &str| self.inside().things.contains_key(key);
        // What is there already is served as it is; without an original nothing is written.
        if is_there(&derived) || !is_there(key) {
            return None;
        }
        self.put(&derived, picture(side), &format!("image/{extension}"), Some(THEIRS));
        Some(derived)
    }

    pub fn keys(&self) -> Vec<String> {
        self.inside().things.keys().cloned().collect()
    }
}

impl Inherited for Memory {
    fn list<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<SeenPage, Error>> {
        let inside = self.inside();
        let mut later = inside.things.iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
        let seen = later.by_ref().take(3);
        let seen: Vec<Seen> = seen
            .map(|(key, thing)| Seen { key: key.clone(), bytes: thing.body.len() as u64, is_hidden: false })
            .collect();
        let page = SeenPage { seen, more: later.next().is_some() };
        Box::pin(std::future::ready(Ok(page)))
    }

    fn look<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Look, Error>> {
        let look = match self.inside().things.get(key) {
            None => Err(Error::NotFound),
            Some(thing) if thing.body.len() as u64 > bytes_max => {
                Err(Error::TooLarge { bytes: thing.body.len() as u64, max: bytes_max })
            }
            Some(thing) => {
                Ok(Look { identity: thing.identity(), headers: Some(thing.headers.clone()), body: thing.body.clone() })
            }
        };
        Box::pin(std::future::ready(look))
    }

    fn conditions<'a>(&'a self, key: &'a str, identity: &'a Identity) -> BoxFuture<'a, Result<Conditions, Removal>> {
        Box::pin(async move {
            if self.inside().heeds_nothing {
                return match self.remove(key, identity).await {
                    Removal::Deleted => Ok(Conditions::Ignored),
                    other => Err(other),
                };
            }
            match self.inside().things.get(key) {
                None => Err(Removal::Gone),
                Some(thing) if thing.identity() != *identity => Err(Removal::Changed),
                Some(_) => Ok(Conditions::Heeded),
            }
        })
    }

    fn remove<'a>(&'a self, key: &'a str, identity: &'a Identity) -> BoxFuture<'a, Removal> {
        let mut inside = self.inside();
        if let Some(thing) = inside.races.remove(key) {
            inside.things.insert(key.to_owned(), thing);
        }
        let removal = match inside.things.get(key) {
            _ if inside.refuses => Removal::Refused("AccessDenied".into()),
            None => Removal::Gone,
            Some(thing) if thing.identity() != *identity => Removal::Changed,
            Some(_) => {
                inside.removals += 1;
                inside.things.remove(key);
                Removal::Deleted
            }
        };
        let is_dead = inside.dies_after.is_some_and(|after| inside.removals > after);
        drop(inside);
        Box::pin(async move {
            if is_dead {
                std::future::pending::<()>().await;
            }
            removal
        })
    }
}

pub async fn plan_of(place: &Arc<Memory>, orphans: bool) -> Plan {
    let request = Request { place: "memory".into(), at_ms: 0, written: Written::default(), orphans };
    survey(place.clone(), &request, &|_, _, _| {}).await.unwrap()
}
