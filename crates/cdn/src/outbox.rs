//! What was sent and is not known to be complete, one record a batch: a fresh process goes on where the dead one was. A
//! batch is here before it is sent. What is complete stays a little longer, until whoever asked has certainly noted it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use afterimage_identity::{Keep, KeepError, Put};
use serde::{Deserialize, Serialize};

use crate::waiting::Entry;

/// How many complete batches are remembered.
const DONE_MAX: usize = 16;
/// More records than this were not made here.
const RECORDS_MAX: usize = 10_000;
/// The ending of a batch's record.
const ENDING: &str = ".json";

/// Items that go out together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// Its own name, the same however often it is sent.
    pub(crate) reference: String,
    /// The other side's name for it, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Whether the other side has said that it is complete.
    #[serde(default)]
    pub(crate) done: bool,
    pub(crate) entries: Vec<Entry>,
}

/// A place of batches.
pub(crate) struct Outbox {
    keep: Arc<dyn Keep>,
}

impl Outbox {
    pub(crate) fn new(keep: Arc<dyn Keep>) -> Self {
        Self { keep }
    }

    /// What an earlier process left, the oldest first. A record that cannot be understood is set aside and reported: what it was
    /// about is asked for again by whoever wanted it.
    pub(crate) async fn left(&self) -> Result<Vec<Batch>, KeepError> {
        let mut batches = Vec::new();
        for name in self.keep.names("", RECORDS_MAX).await? {
            let Some(reference) = name.strip_suffix(ENDING) else { continue };
            let Some(bytes) = self.keep.read(&name).await? else { continue };
            match serde_json::from_slice::<Batch>(&bytes) {
                Ok(batch) => batches.push(batch),
                Err(error) => {
                    tracing::error!(name, %error, "a batch of invalidations cannot be read; it is set aside");
                    self.keep.write(&format!("{reference}.unreadable"), &bytes, Put::Any).await?;
                    self.keep.remove(&[name]).await?;
                }
            }
        }
        Ok(batches)
    }

    /// Writes a batch down, in place of what was there of it.
    pub(crate) async fn write(&self, batch: &Batch) -> Result<(), KeepError> {
        let failed = |error: serde_json::Error| KeepError::Failed { why: error.to_string() };
        let bytes = serde_json::to_vec(batch).map_err(failed)?;
        // References are made here, of letters, digits and `-`.
        self.keep.write(&format!("{}{ENDING}", batch.reference), &bytes, Put::Any).await
    }

    /// Forgets a batch; one that is not there is forgotten.
    pub(crate) async fn remove(&self, reference: &str) -> Result<(), KeepError> {
        self.keep.remove(&[format!("{reference}{ENDING}")]).await
    }
}

/// The complete batches whose records are still there, the oldest first, each with who wanted something of it.
#[derive(Debug, Default)]
pub(crate) struct Done(VecDeque<(String, Vec<Arc<str>>)>);

impl Done {
    /// Remembers one more.
    pub(crate) fn push(&mut self, batch: Batch) {
        let wanted: HashSet<Arc<str>> = batch.entries.into_iter().flat_map(|entry| entry.references).collect();
        self.0.push_back((batch.reference, wanted.into_iter().collect()));
    }

    /// The oldest one whose record may go. Not while somebody still waits for something else: a fresh process would be asked
    /// for all of it again.
    pub(crate) fn excess(&mut self, waits: impl Fn(&Arc<str>) -> bool) -> Option<String> {
        if self.0.len() <= DONE_MAX {
            return None;
        }
        let at = self.0.iter().position(|(_, wanted)| !wanted.iter().any(&waits))?;
        self.0.remove(at).map(|(reference, _)| reference)
    }
}

#[cfg(test)]
mod tests {
    use afterimage_store::keep::Kept;

    use super::*;
    use crate::item::Item;

    fn batch(reference: &str, done: bool) -> Batch {
        let entries = vec![Entry { item: Item::Tag("t".into()), references: vec!["main-1-1".into()] }];
        Batch { reference: reference.into(), id: None, done, entries }
    }

    #[tokio::test]
    async fn what_was_written_is_there_for_the_next_and_what_cannot_be_read_is_set_aside() {
        let keep = Arc::new(Kept::default());
        let outbox = Outbox::new(keep.clone());
        assert!(outbox.left().await.unwrap().is_empty());
        outbox.write(&batch("b", false)).await.unwrap();
        outbox.write(&batch("a", false)).await.unwrap();
        outbox.write(&Batch { id: Some("I1".into()), ..batch("a", false) }).await.unwrap();
        keep.write("d.json", b"{", Put::Any).await.unwrap();
        let found = Outbox::new(keep.clone()).left().await.unwrap();
        assert_eq!(found, [Batch { id: Some("I1".into()), ..batch("a", false) }, batch("b", false)]);
        assert_eq!(keep.names("d", 9).await.unwrap(), ["d.unreadable"]);
        outbox.remove("a").await.unwrap();
        outbox.remove("a").await.unwrap();
        assert_eq!(outbox.left().await.unwrap(), [batch("b", false)]);
    }

    #[test]
    fn complete_batches_are_kept_up_to_a_bound_and_while_somebody_waits() {
        let mut done = Done::default();
        for number in 0..DONE_MAX {
            done.push(batch(&number.to_string(), true));
        }
        assert_eq!(done.excess(|_| false), None, "as many as may be");
        done.push(batch("last", true));
        assert_eq!(done.excess(|_| true), None, "everybody still waits for something");
        assert_eq!(done.excess(|_| false).as_deref(), Some("0"));
        assert_eq!(done.excess(|_| false), None);
    }
}
