//! Whether the copies of an original that is there are what the original is now. A copy's name says neither version nor revision, so
//! it is held to the derivative that it is a copy of: where a listing shows that both have the same bytes, nothing is asked.

use std::sync::Arc;

use afterimage_identity::Version;
use afterimage_store::Error;

use crate::named::Named;
use crate::shelf::{Group, Item, MadeWith, Shelf};

/// What the copies of one original were found to be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// One was made from another version: a writer died before it looked at the source again.
    pub(crate) is_old: bool,
    /// These are of the version that is there, and of another revision than what is made now, or without their derivative.
    pub(crate) outdated: Vec<Item>,
}

/// The copies that the listing does not show to be right. `made_with` is the revision of what is made now, and since when, where
/// that is known.
pub(crate) fn doubtful(group: &Group, version: &Version, made_with: Option<&MadeWith>) -> Vec<Item> {
    let is_right = |copy: &Item| {
        twins(group, copy, version).any(|twin| {
            let same = (&twin.etag, twin.removed.bytes) == (&copy.etag, copy.removed.bytes);
            twin.etag.is_some() && same && is_of_now(twin, made_with)
        })
    };
    group.first.iter().filter(|item| item.named.is_copy() && !is_right(item)).cloned().collect()
}

/// Whether a derivative is of the revision that is made with; one that was written since that was seen is, whatever it is.
fn is_of_now(twin: &Item, made_with: Option<&MadeWith>) -> bool {
    made_with.is_none_or(|(seen_s, now)| {
        let is_same = matches!(&twin.named, Named::Derivative { revision, .. } if revision == now);
        is_same || twin.written_s.is_some_and(|written_s| written_s > *seen_s)
    })
}

/// The derivatives of `version` that `copy` may be a copy of.
fn twins<'a>(group: &'a Group, copy: &'a Item, version: &'a Version) -> impl Iterator<Item = &'a Item> {
    group.first.iter().filter(move |item| match (&item.named, &copy.named) {
        (Named::Derivative { wanted, version: of, .. }, Named::Copy { wanted: copied }) => {
            wanted == copied && of == version
        }
        _ => false,
    })
}

/// Asks what was written beside each of `doubtful`, one request for each, until one is old: then all go.
pub(crate) async fn compare(
    shelf: &Arc<Shelf>,
    group: &Group,
    doubtful: Vec<Item>,
    (version, made_with): (&Version, Option<&MadeWith>),
    asked: &mut u64,
) -> Result<Compared, Error> {
    let mut compared = Compared::default();
    for copy in doubtful {
        *asked += 1;
        let meta = match shelf.meta(&copy.removed.key).await {
            Ok(meta) => meta,
            // It went meanwhile.
            Err(Error::NotFound) => continue,
            Err(error) => return Err(error),
        };
        if meta.version.as_ref() != Some(version) {
            compared.is_old = true;
            return Ok(compared);
        }
        let of_its_revision = |twin: &&Item| match &twin.named {
            Named::Derivative { revision, .. } => Some(revision) == meta.revision.as_ref(),
            _ => false,
        };
        let is_right = match twins(group, &copy, version).find(of_its_revision) {
            Some(twin) => is_of_now(twin, made_with),
            // Of very many, not all are remembered.
            None => group.count > group.first.len() as u64,
        };
        if !is_right {
            compared.outdated.push(copy);
        }
    }
    Ok(compared)
}
