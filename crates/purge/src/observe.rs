//! What is stored, and what the source says of it. It only looks.

use std::collections::BTreeMap;

use afterimage_identity::{Answer, OriginalKey, escape};
use afterimage_store::{Error, Write};
use afterimage_variant::{derivative_prefix, parse_derivative_key};

use crate::plan::Stored;

/// How many lines of a listing are read at once.
const PAGE_ENTRIES: usize = 1_000;

/// The stored derivatives of one original. One listing finds all of them: no size has to be guessed.
pub(crate) async fn stored_of(derivatives: &dyn Write, key: &OriginalKey) -> Result<Vec<Stored>, Error> {
    list(derivatives, &derivative_prefix(key)).await
}

/// The stored derivatives of every original whose key begins with `prefix`, by original. Keys that were too long to be
/// escaped are stored under digests; whose they are stands in their metadata.
pub(crate) async fn stored_below(
    derivatives: &dyn Write,
    prefix: &str,
) -> Result<BTreeMap<OriginalKey, Vec<Stored>>, Error> {
    let mut found = BTreeMap::<OriginalKey, Vec<Stored>>::new();
    let escaped = escape(prefix);
    if !escaped.is_digest() {
        for derivative in list(derivatives, escaped.as_str()).await? {
            if let Some(key) = original_of(derivatives, &derivative.key).await
                && key.as_str().starts_with(prefix)
            {
                found.entry(key).or_default().push(derivative);
            }
        }
    }
    if !prefix.is_empty() {
        for derivative in list(derivatives, "=.").await? {
            if let Some(key) = original_of(derivatives, &derivative.key).await
                && key.as_str().starts_with(prefix)
            {
                found.entry(key).or_default().push(derivative);
            }
        }
    }
    Ok(found)
}

/// The original that a stored derivative came from: by its name, or by its metadata where the name is a digest.
pub(crate) async fn original_of(derivatives: &dyn Write, key: &str) -> Option<OriginalKey> {
    match parse_derivative_key(key) {
        Some(name) if name.key.is_some() => name.key,
        _ => derivatives.get(key, u64::MAX).await.ok()?.meta.original.map(|original| original.key),
    }
}

async fn list(derivatives: &dyn Write, prefix: &str) -> Result<Vec<Stored>, Error> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = derivatives.list(prefix, after.as_deref(), PAGE_ENTRIES).await?;
        found.extend(page.entries.into_iter().map(|listed| Stored { key: listed.key, bytes: listed.bytes }));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// The answer in one word, for receipts.
pub(crate) fn reason(answer: &Answer) -> &'static str {
    match answer {
        Answer::Gone => "gone",
        Answer::Present(_) => "changed",
        Answer::Unprovable(_) => "unprovable",
    }
}
