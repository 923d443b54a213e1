//! Which original a digest stands for. Keys too long for a name are digests in the names of derivatives; the key itself
//! is in the metadata. A digest never changes its meaning, so an answer is remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use afterimage_identity::OriginalKey;
use afterimage_store::{Error, Read};

/// How many digests are remembered.
const KNOWN_MAX: usize = 10_000;

/// The digests known so far.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<HashMap<String, OriginalKey>>);

impl Digests {
    /// The key that `escaped` (a digest) stands for, read from the derivative `sample`; `None` when it does not say so.
    pub(crate) async fn key(&self, read: &dyn Read, escaped: &str, sample: &str) -> Result<Option<OriginalKey>, Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(escaped).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let meta = match read.meta(sample).await {
            Ok(meta) => meta,
            Err(Error::NotFound | Error::Corrupt { .. } | Error::TooLarge { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let key = meta.original.map(|original| original.key).filter(|key| key.escaped().as_str() == escaped);
        if let Some(key) = &key {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(escaped.to_owned(), key.clone());
        }
        Ok(key)
    }
}
