//! Several sources as one: keys below a mounted prefix are its source's, all others the root's. The longest prefix wins.

use std::sync::Arc;

use afterimage_identity::BoxFuture;
use afterimage_store::{Error, Listed, Object, Page, Read, Stat};

/// [`Read`] over a root and what is mounted below prefixes.
pub struct Mounted {
    /// The longest prefixes first; the root, whose prefix is empty, last.
    sources: Vec<(String, Arc<dyn Read>)>,
}

impl Mounted {
    /// Joins them. Each prefix ends in a slash.
    pub fn new(root: Arc<dyn Read>, mounts: Vec<(String, Arc<dyn Read>)>) -> Self {
        let mut sources = mounts;
        sources.push((String::new(), root));
        sources.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self { sources }
    }

    /// The source of a key, and the key there.
    fn find<'a>(&'a self, key: &'a str) -> (&'a dyn Read, &'a str) {
        let found = self.sources.iter().find_map(|(prefix, read)| Some((&**read, key.strip_prefix(prefix.as_str())?)));
        found.unwrap_or_else(|| unreachable!("every key begins with the root's prefix, which is empty"))
    }

    /// What one source adds to a page of the whole.
    async fn part(&self, at: usize, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        let (mounted, read) = &self.sources[at];
        let own = match prefix.strip_prefix(mounted.as_str()) {
            Some(own) => own,
            None if mounted.starts_with(prefix) => "",
            None => return Ok(Page::default()),
        };
        let after = match after {
            Some(after) => match after.strip_prefix(mounted.as_str()) {
                Some(after) => Some(after).filter(|after| !after.is_empty()),
                None if after < mounted.as_str() => None,
                // Everything of this source comes before.
                None => return Ok(Page::default()),
            },
            None => None,
        };
        let page = read.list(own, after, limit).await?;
        let whole = |key: String| format!("{mounted}{key}");
        // What another source is mounted over is not to be seen.
        let is_seen = |key: &String| self.sources[..at].iter().all(|(over, _)| !key.starts_with(over.as_str()));
        let entries = page.entries.into_iter().map(|listed| Listed { key: whole(listed.key), ..listed });
        Ok(Page { entries: entries.filter(|listed| is_seen(&listed.key)).collect(), next: page.next.map(whole) })
    }
}

impl Read for Mounted {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        let (read, key) = self.find(key);
        read.stat(key)
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        let (read, key) = self.find(key);
        read.get(key, bytes_max)
    }

    fn is_near(&self, key: &str) -> bool {
        let (read, key) = self.find(key);
        read.is_near(key)
    }

    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>, limit: usize) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            let mut entries = Vec::new();
            // Beyond the shortest of the parts nobody knows yet what comes in between.
            let mut known_to: Option<String> = None;
            for at in 0..self.sources.len() {
                let page = self.part(at, prefix, after, limit).await?;
                entries.extend(page.entries);
                if let Some(next) = page.next {
                    known_to = Some(known_to.map_or(next.clone(), |known| known.min(next)));
                }
            }
            entries.sort_unstable();
            if let Some(known_to) = &known_to {
                entries.retain(|listed| listed.key <= *known_to);
            }
            if entries.len() > limit {
                entries.truncate(limit);
                known_to = entries.last().map(|last| last.key.clone());
            }
            Ok(Page { entries, next: known_to })
        })
    }
}
