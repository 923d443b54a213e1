//! The stored derivatives as the write story sees them: grouped by original, and deleted by exact name in batches. It can
//! delete derivatives only: originals are never behind the store it holds.

use std::collections::VecDeque;
use std::sync::Arc;

use afterimage_identity::{OriginalKey, Removed, Revision, Version, escape};
use afterimage_store::{Error, Listed, Meta, Write};
use afterimage_variant::derivative_prefix;

use crate::digests::Digests;
use crate::named::Named;
use crate::order::REMOVED_MAX;

/// How many names one listing and one deletion hold.
const BATCH_MAX: usize = 1_000;
/// The beginning of every name whose original's key is a digest.
const DIGESTS: &str = "=.";
/// How many versions and revisions of one original are told apart.
const VERSIONS_MAX: usize = 1_000;

/// One stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) removed: Removed,
    pub(crate) named: Named,
    /// Equal for equal bytes, where the listing says it.
    pub(crate) etag: Option<String>,
    /// When it was written, where the listing says it.
    pub(crate) written_s: Option<u64>,
}

/// A revision, and when something was made with it.
pub(crate) type MadeWith = (u64, Revision);

/// The derivatives of one original, and their copies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    /// `None` when it cannot be learnt.
    pub(crate) key: Option<OriginalKey>,
    pub(crate) versions: Vec<Version>,
    pub(crate) revisions: Vec<Revision>,
    /// The first [`REMOVED_MAX`] of them.
    pub(crate) first: Vec<Item>,
    /// How many of them are copies.
    pub(crate) copies: u64,
    /// The revision of the derivative that was written last, where the listing says when.
    pub(crate) newest: Option<MadeWith>,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
    /// The last name of the group.
    pub(crate) last: String,
}

impl Group {
    fn push(&mut self, listed: &Listed) {
        let named = Named::read(&listed.key);
        if let Named::Derivative { version, revision, .. } = &named {
            if self.versions.len() < VERSIONS_MAX && !self.versions.contains(version) {
                self.versions.push(version.clone());
            }
            if self.revisions.len() < VERSIONS_MAX && !self.revisions.contains(revision) {
                self.revisions.push(revision.clone());
            }
            let made = listed.written_s.map(|written_s| (written_s, revision.clone()));
            self.newest = made.max(self.newest.take());
        }
        self.copies += u64::from(named.is_copy());
        if self.first.len() < REMOVED_MAX {
            let removed = Removed { key: listed.key.clone(), bytes: listed.bytes };
            self.first.push(Item { removed, named, etag: listed.etag.clone(), written_s: listed.written_s });
        }
        self.count += 1;
        self.bytes += listed.bytes;
        self.last.clone_from(&listed.key);
    }

    /// What goes when the derivatives of `keep` stay, as far as it is named.
    pub(crate) fn doomed(&self, keep: Option<&Version>) -> Vec<Removed> {
        let doomed = self.first.iter().filter(|item| item.named.goes(keep));
        doomed.map(|item| item.removed.clone()).collect()
    }
}

/// What a sweep did.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    pub(crate) removed: Vec<Removed>,
    pub(crate) count: u64,
    /// How many of them were copies of an original that is there: whoever asks for one writes it anew, so that there are some
    /// again says nothing.
    pub(crate) renewable: u64,
    /// What went wrong last; what could be deleted is deleted all the same.
    pub(crate) failed: Option<String>,
}

impl Swept {
    pub(crate) fn add(&mut self, other: Swept) {
        let room = REMOVED_MAX.saturating_sub(self.removed.len());
        self.removed.extend(other.removed.into_iter().take(room));
        self.count += other.count;
        self.renewable += other.renewable;
        self.failed = other.failed.or(self.failed.take());
    }
}

/// The stored derivatives.
pub(crate) struct Shelf {
    derivatives: Arc<dyn Write>,
    digests: Digests,
}

impl Shelf {
    pub(crate) fn new(derivatives: Arc<dyn Write>) -> Self {
        Self { derivatives, digests: Digests::default() }
    }

    /// The derivatives of one original.
    pub(crate) async fn stored(&self, key: &OriginalKey) -> Result<Group, Error> {
        let prefix = derivative_prefix(key);
        let mut group = Group { key: Some(key.clone()), ..Group::default() };
        let mut after: Option<String> = None;
        loop {
            let page = self.derivatives.list(&prefix, after.as_deref(), BATCH_MAX).await?;
            page.entries.iter().for_each(|listed| group.push(listed));
            after = page.next;
            if after.is_none() {
                return Ok(group);
            }
        }
    }

    /// All derivatives whose name begins with `prefix` and comes after `after`, by original.
    pub(crate) fn groups(self: &Arc<Self>, prefix: &str, after: Option<String>) -> Groups {
        let (ahead, unknown, pages) = (VecDeque::new(), 0, 0);
        Groups { shelf: self.clone(), prefix: prefix.to_owned(), after, ahead, is_listed: false, unknown, pages }
    }

    /// The derivatives of all originals whose key begins with `prefix`: two listings, because long keys are digests.
    pub(crate) fn groups_below(self: &Arc<Self>, prefix: &str) -> Vec<Groups> {
        let escaped = escape(prefix);
        let plain = (!escaped.is_digest()).then(|| self.groups(escaped.as_str(), None));
        plain.into_iter().chain([self.groups(DIGESTS, None)]).collect()
    }

    /// What was written beside one of them.
    pub(crate) async fn meta(&self, name: &str) -> Result<Meta, Error> {
        self.derivatives.meta(name).await
    }

    /// Deletes the derivatives of one original, except those of `keep`, and all copies.
    pub(crate) async fn sweep(&self, key: &OriginalKey, keep: Option<&Version>) -> Swept {
        let mut swept = self.sweep_names(&derivative_prefix(key), |named| named.goes(keep)).await;
        if keep.is_none() {
            swept.renewable = 0;
        }
        swept
    }

    /// Deletes everything whose name begins with `prefix` and that is a derivative, or a copy of one.
    pub(crate) async fn sweep_derivatives(&self, prefix: &str) -> Swept {
        let swept = self.sweep_names(prefix, |named| *named != Named::Unknown).await;
        Swept { renewable: 0, ..swept }
    }

    /// Deletes the derivatives of all originals whose key begins with `prefix`.
    pub(crate) async fn sweep_below(self: &Arc<Self>, prefix: &str) -> Swept {
        let escaped = escape(prefix);
        let mut swept = Swept::default();
        if !escaped.is_digest() {
            swept.add(self.sweep_derivatives(escaped.as_str()).await);
        }
        let mut groups = self.groups(DIGESTS, None);
        loop {
            match groups.next().await {
                Ok(Some(Group { key: Some(key), .. })) if key.as_str().starts_with(prefix) => {
                    swept.add(self.sweep(&key, None).await);
                }
                Ok(Some(_)) => {}
                Ok(None) => return swept,
                Err(error) => {
                    swept.failed = Some(error.to_string());
                    return swept;
                }
            }
        }
    }

    async fn sweep_names(&self, prefix: &str, goes: impl Fn(&Named) -> bool) -> Swept {
        let mut swept = Swept::default();
        let mut after: Option<String> = None;
        loop {
            let page = match self.derivatives.list(prefix, after.as_deref(), BATCH_MAX).await {
                Ok(page) => page,
                Err(error) => {
                    swept.failed = Some(error.to_string());
                    return swept;
                }
            };
            let doomed = page.entries.into_iter().filter(|listed| goes(&Named::read(&listed.key)));
            let doomed: Vec<Removed> = doomed.map(|Listed { key, bytes, .. }| Removed { key, bytes }).collect();
            // A store may answer with longer pages than were asked for.
            for batch in doomed.chunks(BATCH_MAX) {
                swept.add(self.delete(batch).await);
            }
            after = page.next;
            if after.is_none() {
                return swept;
            }
        }
    }

    /// Deletes these, at most [`BATCH_MAX`].
    pub(crate) async fn delete(&self, batch: &[Removed]) -> Swept {
        let names: Vec<String> = batch.iter().map(|doomed| doomed.key.clone()).collect();
        let results = self.derivatives.delete(&names).await;
        let mut swept = Swept::default();
        if results.len() != names.len() {
            swept.failed = Some(format!("the store answered {} of {} deletions", results.len(), names.len()));
        }
        for (doomed, result) in batch.iter().zip(results) {
            match result {
                // Somebody else may have deleted or evicted it first: gone is what counts, but it is not ours to claim.
                Ok(false) | Err(Error::NotFound) => {}
                Ok(true) => {
                    swept.count += 1;
                    swept.renewable += u64::from(Named::read(&doomed.key).is_copy());
                    swept.removed.push(doomed.clone());
                }
                Err(error) => swept.failed = Some(format!("{}: {error}", doomed.key)),
            }
        }
        swept
    }
}

/// A listing, original by original.
pub(crate) struct Groups {
    shelf: Arc<Shelf>,
    prefix: String,
    after: Option<String>,
    ahead: VecDeque<Listed>,
    is_listed: bool,
    /// How many names are not derivatives' names.
    pub(crate) unknown: u64,
    /// How many pages were asked for.
    pub(crate) pages: u64,
}

impl Groups {
    async fn peek(&mut self) -> Result<Option<&Listed>, Error> {
        while self.ahead.is_empty() && !self.is_listed {
            self.pages += 1;
            let page = self.shelf.derivatives.list(&self.prefix, self.after.as_deref(), BATCH_MAX).await?;
            self.ahead = page.entries.into();
            self.is_listed = page.next.is_none();
            self.after = page.next;
        }
        Ok(self.ahead.front())
    }

    /// The next original's derivatives.
    pub(crate) async fn next(&mut self) -> Result<Option<Group>, Error> {
        let (owner, sample) = loop {
            let Some(listed) = self.peek().await? else { return Ok(None) };
            // A copy may come first, and may be all that is left.
            if let Some((_, owner)) = Named::read_with_owner(&listed.key) {
                break (owner, listed.key.clone());
            }
            self.unknown += 1;
            self.ahead.pop_front();
        };
        let start = &sample[..owner.escaped_key.len() + "/-/".len()];
        let mut group = Group { key: owner.key, ..Group::default() };
        while let Some(listed) = self.peek().await?.filter(|listed| listed.key.starts_with(start)).cloned() {
            group.push(&listed);
            self.ahead.pop_front();
        }
        if group.key.is_none() {
            let read = &*self.shelf.derivatives;
            group.key = self.shelf.digests.key(read, &owner.escaped_key, &sample).await?;
        }
        Ok(Some(group))
    }
}
