//! A part of a place of records, as a place of its own.

use std::sync::Arc;

use afterimage_identity::{BoxFuture, Keep, KeepError, Put};

/// The records below `prefix` of another place.
pub struct Within {
    keep: Arc<dyn Keep>,
    prefix: String,
}

impl Within {
    /// `prefix` ends in a slash.
    pub fn new(keep: Arc<dyn Keep>, prefix: impl Into<String>) -> Self {
        Self { keep, prefix: prefix.into() }
    }

    fn whole(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl Keep for Within {
    fn names<'a>(&'a self, beginning: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, KeepError>> {
        Box::pin(async move {
            let names = self.keep.names(&self.whole(beginning), limit).await?;
            Ok(names.iter().filter_map(|name| name.strip_prefix(&self.prefix)).map(str::to_owned).collect())
        })
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KeepError>> {
        Box::pin(async move { self.keep.read(&self.whole(name)).await })
    }

    fn write<'a>(&'a self, name: &'a str, bytes: &'a [u8], put: Put) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move { self.keep.write(&self.whole(name), bytes, put).await })
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            let whole: Vec<String> = names.iter().map(|name| self.whole(name)).collect();
            self.keep.remove(&whole).await
        })
    }
}
