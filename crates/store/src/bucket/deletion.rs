//! Deleting from a bucket: what is there is looked up first, because a bucket reports an absent key as deleted; every key's
//! own result is read, because an answer of 200 may hold refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::connection::Bucket;
use super::failure::{Failure, Why, why};
use super::listing::{OneVersion, Start};
use super::standing::Versioning;
use crate::Listed;

/// How many keys one call takes.
const KEYS_MAX: usize = 1000;
/// How many pages are read in search of a batch before its keys are looked up one by one.
const PAGES_MAX: usize = 4;
/// How many single deletions run at once, where a server knows no others.
const SINGLE_MAX: usize = 16;

/// What became of one key: whether it was there, or why it still is.
pub(super) type Deleted = Result<bool, Failure>;

impl Bucket {
    /// Deletes whole keys, with all their versions where a bucket keeps them.
    pub(super) async fn delete(&self, keys: BTreeSet<String>, versioning: Versioning) -> BTreeMap<String, Deleted> {
        let mut results = BTreeMap::new();
        let keys: Vec<String> = keys.into_iter().collect();
        for batch in keys.chunks(KEYS_MAX) {
            let found = match self.find(batch, versioning).await {
                Ok(found) => found,
                Err(failure) => {
                    results.extend(batch.iter().map(|key| (key.clone(), Err(failure.clone()))));
                    continue;
                }
            };
            let was_there = |key: &String| found.get(key).is_some_and(|lines| lines.iter().any(|line| !line.is_marker));
            results.extend(batch.iter().map(|key| (key.clone(), Ok(was_there(key)))));
            for (line, failure) in self.remove(found.into_values().flatten().collect()).await {
                results.insert(line.key, Err(failure));
            }
        }
        results
    }

    /// What there is of these keys, which are sorted: by listing, since they mostly lie side by side.
    async fn find(
        &self,
        keys: &[String],
        versioning: Versioning,
    ) -> Result<BTreeMap<String, Vec<OneVersion>>, Failure> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(BTreeMap::new()) };
        let prefix = common(first, last);
        let mut left: BTreeSet<&String> = keys.iter().collect();
        let mut found: BTreeMap<String, Vec<OneVersion>> = BTreeMap::new();
        // Shorter by a letter comes before: listings begin behind what they are given.
        let before = first.char_indices().next_back().map_or("", |(at, _)| &first[..at]);
        let mut start = Start { key: (before.len() > prefix.len()).then(|| before.to_owned()), version: None };
        for _ in 0..PAGES_MAX {
            let (lines, next) = self.lines(versioning, prefix, &start, KEYS_MAX).await?;
            let reached = lines.iter().map(|line| line.key.clone()).max();
            for line in lines {
                if keys.binary_search(&line.key).is_ok() {
                    found.entry(line.key.clone()).or_default().push(line);
                }
            }
            let (Some(next), Some(reached)) = (next, reached) else { return Ok(found) };
            // The last key may go on in the next page.
            left = left.split_off(&reached);
            if left.is_empty() {
                return Ok(found);
            }
            start = next;
        }
        for key in left {
            found.insert(key.clone(), self.lines_of(versioning, key).await?);
        }
        Ok(found)
    }

    /// Every version of one key, markers included.
    pub(super) async fn versions_of(&self, key: &str) -> Result<Vec<OneVersion>, Failure> {
        self.lines_of(Versioning::Kept, key).await
    }

    /// Everything there is of one key. It comes first among all that begin with it.
    async fn lines_of(&self, versioning: Versioning, key: &str) -> Result<Vec<OneVersion>, Failure> {
        let (mut found, mut start) = (Vec::new(), Start::default());
        loop {
            let (lines, next) = self.lines(versioning, key, &start, KEYS_MAX).await?;
            let is_over = lines.iter().any(|line| line.key != key);
            found.extend(lines.into_iter().filter(|line| line.key == key));
            match next.filter(|_| !is_over) {
                Some(next) => start = next,
                None => return Ok(found),
            }
        }
    }

    /// A page of versions, or of keys where there are no versions; the id is empty then.
    async fn lines(
        &self,
        versioning: Versioning,
        prefix: &str,
        start: &Start,
        limit: usize,
    ) -> Result<(Vec<OneVersion>, Option<Start>), Failure> {
        if versioning == Versioning::Kept {
            return self.versions(prefix, start, limit).await;
        }
        let (keys, more) = self.keys(prefix, start.key.as_deref(), limit).await?;
        let next = keys.last().filter(|_| more).map(|last| Start { key: Some(last.key.clone()), version: None });
        let line = |listed: Listed| OneVersion {
            key: listed.key,
            id: String::new(),
            bytes: listed.bytes,
            is_marker: false,
            is_latest: true,
            etag: None,
            modified_s: 0,
        };
        Ok((keys.into_iter().map(line).collect(), next))
    }

    /// Deletes exactly these, tries again what may succeed later, and returns what is still there.
    async fn remove(&self, doomed: Vec<OneVersion>) -> Vec<(OneVersion, Failure)> {
        let (mut lost, mut left) = (Vec::new(), doomed);
        for tries in 1.. {
            let mut again = Vec::new();
            for batch in left.chunks(KEYS_MAX) {
                match self.remove_batch(batch).await {
                    Ok(failed) => {
                        let may_pass = |(_, failure): &(OneVersion, Failure)| failure.is_passing();
                        let (passing, lasting): (Vec<_>, Vec<_>) = failed.into_iter().partition(may_pass);
                        again.extend(passing);
                        lost.extend(lasting);
                    }
                    // The SDK has tried again already.
                    Err(failure) => lost.extend(batch.iter().map(|line| (line.clone(), failure.clone()))),
                }
            }
            if again.is_empty() {
                break;
            }
            if tries >= self.limits.attempts_max {
                lost.extend(again);
                break;
            }
            tokio::time::sleep(Duration::from_millis(100) * 2u32.pow(tries.min(5) - 1)).await;
            left = again.into_iter().map(|(line, _)| line).collect();
        }
        lost
    }

    /// One call, and what of it failed.
    async fn remove_batch(&self, batch: &[OneVersion]) -> Result<Vec<(OneVersion, Failure)>, Failure> {
        let named = |line: &OneVersion| {
            ObjectIdentifier::builder().key(&line.key).set_version_id(id(line).map(str::to_owned)).build()
        };
        let objects: Result<Vec<_>, _> = batch.iter().map(named).collect();
        let wrong = |error: aws_sdk_s3::error::BuildError| Failure::new(Why::Other, error.to_string());
        let delete =
            Delete::builder().set_objects(Some(objects.map_err(wrong)?)).quiet(false).build().map_err(wrong)?;
        let sent = self.client.delete_objects().bucket(self.place.bucket()).delete(delete).send().await;
        let said = match sent.map_err(|error| Failure::of("DeleteObjects", error)) {
            Ok(said) => said,
            // Some servers know it not, or want a digest of another kind.
            Err(Failure { why: Why::Unsupported | Why::Other, words, .. }) => {
                tracing::debug!(answer = words, "no bulk deletion here; deleting one by one");
                return Ok(self.remove_singly(batch).await);
            }
            Err(failure) => return Err(failure),
        };
        let whole =
            |key: Option<&str>, id: Option<&str>| (key.unwrap_or_default().to_owned(), id.unwrap_or("").to_owned());
        let done: BTreeSet<_> = said.deleted().iter().map(|one| whole(one.key(), one.version_id())).collect();
        let refused: BTreeMap<_, _> =
            said.errors().iter().map(|one| (whole(one.key(), one.version_id()), (one.code(), one.message()))).collect();
        let failed = batch.iter().filter_map(|line| {
            let asked = (line.key.clone(), line.id.clone());
            // "null" names the version of a bucket that was not versioned yet; some leave it out of the answer.
            let bare = (line.key.clone(), String::new());
            let failure = match refused.get(&asked).or_else(|| refused.get(&bare)) {
                Some((Some("NoSuchKey" | "NoSuchVersion"), _)) => return None,
                Some((code, message)) => of_key(*code, *message),
                None if done.contains(&asked) || done.contains(&bare) => return None,
                None => Failure::new(Why::Unreachable, "DeleteObjects: the answer does not speak of it"),
            };
            Some((line.clone(), failure))
        });
        Ok(failed.collect())
    }

    async fn remove_singly(&self, batch: &[OneVersion]) -> Vec<(OneVersion, Failure)> {
        let mut failed = Vec::new();
        for some in batch.chunks(SINGLE_MAX) {
            let mut tasks = tokio::task::JoinSet::new();
            for line in some.iter().cloned() {
                let call = self.client.delete_object().bucket(self.place.bucket()).key(&line.key);
                let call = call.set_version_id(id(&line).map(str::to_owned));
                tasks.spawn(
                    async move { (line, call.send().await.map_err(|error| Failure::of("DeleteObject", error))) },
                );
            }
            // A task that panics takes its key's result along: better all of it.
            for (line, result) in tasks.join_all().await {
                match result {
                    Ok(_) | Err(Failure { why: Why::Absent, .. }) => {}
                    // The SDK has tried again already.
                    Err(failure) => failed.push((line, Failure { why: Why::Other, ..failure })),
                }
            }
        }
        failed
    }
}

fn id(line: &OneVersion) -> Option<&str> {
    Some(line.id.as_str()).filter(|id| !id.is_empty())
}

/// What one key's refusal inside an answer of 200 means.
fn of_key(code: Option<&str>, message: Option<&str>) -> Failure {
    let words = format!("DeleteObjects: {}: {}", code.unwrap_or("no code"), message.unwrap_or_default());
    Failure { why: why(200, code, false), code: code.map(str::to_owned), words }
}

/// What both begin with.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let ends = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    &one[..ends.unwrap_or(one.len().min(other.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings() {
        for (one, other, expected) in
            [("a/b", "a/c", "a/"), ("a", "a/b", "a"), ("a/b", "a", "a"), ("é", "è", ""), ("x", "x", "x"), ("", "a", "")]
        {
            assert_eq!(common(one, other), expected);
        }
    }
}
