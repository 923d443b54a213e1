//! Records in memory: for tests, and for whoever has nothing to remember.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use afterimage_identity::{BoxFuture, Keep, KeepError, Put};

use super::check;

/// [`Keep`] in memory.
#[derive(Debug, Default)]
pub struct Kept(Mutex<BTreeMap<String, Vec<u8>>>);

impl Kept {
    fn records(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keep for Kept {
    fn names<'a>(&'a self, beginning: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, KeepError>> {
        let records = self.records();
        let from = records.range::<str, _>((std::ops::Bound::Included(beginning), std::ops::Bound::Unbounded));
        let names = from.map(|(name, _)| name.clone()).take_while(|name| name.starts_with(beginning)).take(limit);
        Box::pin(std::future::ready(Ok(names.collect())))
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KeepError>> {
        let found = check(name).map(|()| self.records().get(name).cloned());
        Box::pin(std::future::ready(found))
    }

    fn write<'a>(&'a self, name: &'a str, bytes: &'a [u8], put: Put) -> BoxFuture<'a, Result<(), KeepError>> {
        let write = || {
            check(name)?;
            let mut records = self.records();
            match records.get(name) {
                Some(there) if put == Put::New && there != bytes => Err(KeepError::Taken),
                _ => {
                    records.insert(name.to_owned(), bytes.to_vec());
                    Ok(())
                }
            }
        };
        Box::pin(std::future::ready(write()))
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), KeepError>> {
        let mut records = self.records();
        for name in names {
            records.remove(name);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
