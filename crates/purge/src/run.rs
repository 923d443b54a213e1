//! One purge, from the fence to the last sweep. Every step is retried until it succeeds; none waits for another's luck.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{
    Answer, CacheTag, Invalidation, Layer, LayerState, Original, OriginalKey, Raised, Receipt, ReceiptState, Removed,
    Selector, Sequence, escape,
};
use afterimage_variant::derivative_prefix;

use crate::observe::{stored_below, stored_of};
use crate::plan::{Stored, plan};
use crate::purger::Purger;

/// How many deletions one call asks for (S3's bound).
const BATCH_KEYS: usize = 1_000;
/// How many removed derivatives a receipt names.
const REMOVED_NAMED_MAX: usize = 1_000;
/// The longest pause between two attempts.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a purge is about, in the terms of every layer.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// One original.
    One(OriginalKey),
    /// Every original whose key begins so.
    Below(String),
}

/// Which derivatives go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// Those whose version the source does not have.
    NotCurrent,
    /// All: somebody asked for it.
    All,
}

impl Scope {
    /// The fence that covers it, without asking what is cached.
    pub(crate) fn selector(&self, purger: &Purger) -> Selector {
        match self {
            Self::One(key) => Selector::Original(purger.original(key)),
            Self::Below(prefix) if prefix.is_empty() => Selector::All,
            Self::Below(prefix) => match self.tag(purger) {
                Some(tag) => Selector::Tag(tag),
                None => Selector::Prefix(format!("/{}", escape(prefix))),
            },
        }
    }

    /// The tag that covers it, where there is one: folders deeper than tags reach have none.
    fn tag(&self, purger: &Purger) -> Option<CacheTag> {
        match self {
            Self::One(key) => Some(purger.original(key).tag()),
            Self::Below(prefix) => {
                let depth = prefix.matches('/').count();
                let is_folder = prefix.ends_with('/') && depth <= CacheTag::FOLDERS_MAX;
                is_folder.then(|| CacheTag::folder(&purger.config.source, prefix))
            }
        }
    }

    fn invalidation(&self, purger: &Purger, reference: String) -> Invalidation {
        let (originals, paths, prefixes): (Vec<Original>, _, _) = match self {
            Self::One(key) => (
                vec![purger.original(key)],
                vec![format!("/{}", key.escaped())],
                vec![format!("/{}", derivative_prefix(key))],
            ),
            Self::Below(prefix) => (Vec::new(), Vec::new(), vec![format!("/{}", escape(prefix))]),
        };
        Invalidation { reference, originals, tag: self.tag(purger), paths, prefixes }
    }
}

/// What every own edge said to a fence.
pub(crate) struct Fencing {
    selector: Selector,
    sequences: Vec<Sequence>,
    pub(crate) matched: u64,
    pub(crate) overlapping: u64,
}

impl Purger {
    /// Fences every own edge: one act each, and when it returns nothing older is served. It comes before the journal
    /// because it needs no durability: a cache in memory dies with the process, and no moment may be lost.
    pub(crate) fn fence(&self, selector: Selector) -> Fencing {
        let raised: Vec<Raised> = self.parts.fences.iter().map(|fence| fence.raise(&selector)).collect();
        Fencing {
            selector,
            sequences: raised.iter().map(|raised| raised.sequence).collect(),
            matched: raised.iter().map(|raised| raised.matched).sum(),
            overlapping: raised.iter().map(|raised| raised.overlapping).sum(),
        }
    }

    /// Writes into a receipt what the fence did.
    pub(crate) fn note_fence(&self, receipt: &mut Receipt, fencing: &Fencing) {
        receipt.state = ReceiptState::Fenced;
        receipt.fenced_at_ms = Some(self.wall_ms());
        receipt.sequence = fencing.sequences.first().copied();
        receipt.entries_matched += fencing.matched;
        receipt.fills_overlapping += fencing.overlapping;
    }

    /// Deletes, tells, sweeps again. The receipt is in the journal before the first deletion, and done at the end.
    pub(crate) async fn carry_out(self: &Arc<Self>, mut receipt: Receipt, scope: &Scope, which: Which, fencing: &Fencing) {
        self.record(&receipt, true).await;
        let told = self.tell(receipt.clone(), scope, "first");
        let cleaned = self.clean(&mut receipt, scope, which, fencing);
        let (layers, ()) = tokio::join!(told, cleaned);
        receipt.state = ReceiptState::Clean;
        receipt.clean_at_ms = Some(self.wall_ms());
        receipt.layers.extend(layers);
        if !self.parts.invalidators.is_empty() {
            self.record(&receipt, true).await;
            if fencing.overlapping > 0 {
                // A fill that overlapped may have put the old picture back into an outer cache after it was told.
                self.tell(receipt.clone(), scope, "second").await;
            }
        }
        receipt.state = ReceiptState::Done;
        receipt.done_at_ms = Some(self.wall_ms());
        self.record(&receipt, true).await;
        tracing::info!(
            id = receipt.id,
            subject = ?receipt.subject,
            reason = receipt.reason,
            removed = receipt.removed_count,
            fenced_at_ms = receipt.fenced_at_ms,
            clean_at_ms = receipt.clean_at_ms,
            "purged"
        );
    }

    /// First sweep, wait for the fills that were under way, second sweep.
    async fn clean(&self, receipt: &mut Receipt, scope: &Scope, which: Which, fencing: &Fencing) {
        self.sweep(receipt, scope, which).await;
        for (fence, sequence) in self.parts.fences.iter().zip(&fencing.sequences) {
            let drained = fence.drained(*sequence, &fencing.selector);
            if tokio::time::timeout(self.config.fill_time_max, drained).await.is_err() {
                tracing::warn!(edge = fence.name(), "a fill is older than the longest allowed; it will not be stored any more");
            }
        }
        // What an operator removed may have been rendered anew since, rightly. Only what overlapped is taken again.
        let again = if fencing.overlapping > 0 { which } else { Which::NotCurrent };
        self.sweep(receipt, scope, again).await;
    }

    async fn sweep(&self, receipt: &mut Receipt, scope: &Scope, which: Which) {
        let mut pause = self.config.retry_pause;
        loop {
            match self.sweep_once(receipt, scope, which).await {
                Ok(()) => return,
                Err(why) => {
                    tracing::warn!(subject = ?receipt.subject, why, "derivatives cannot be removed yet; trying again");
                    set_layer(receipt, "derivatives", Some(why));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
            }
        }
    }

    async fn sweep_once(&self, receipt: &mut Receipt, scope: &Scope, which: Which) -> Result<(), String> {
        let derivatives = &*self.parts.derivatives;
        let stored = match scope {
            Scope::One(key) => {
                stored_of(derivatives, key).await.map(|stored| BTreeMap::from([(key.clone(), stored)]))
            }
            Scope::Below(prefix) => stored_below(derivatives, prefix).await,
        }
        .map_err(|error| error.to_string())?;
        for (key, stored) in stored {
            if stored.is_empty() {
                continue;
            }
            let goes = match which {
                Which::All => stored,
                Which::NotCurrent => match self.parts.ask.ask(&key).await.answer {
                    // Absence is proven or nothing is deleted; the next read or scan asks again.
                    Answer::Unprovable(why) => {
                        tracing::warn!(%key, %why, "nothing is removed while the source cannot vouch for anything");
                        continue;
                    }
                    answer => plan(&answer, &stored),
                },
            };
            self.delete(receipt, goes).await?;
        }
        set_layer(receipt, "derivatives", None);
        Ok(())
    }

    /// Every key's result is looked at: a bulk delete that says yes may have failed for some.
    async fn delete(&self, receipt: &mut Receipt, goes: Vec<Stored>) -> Result<(), String> {
        let mut failed = None;
        for batch in goes.chunks(BATCH_KEYS) {
            let keys: Vec<String> = batch.iter().map(|stored| stored.key.clone()).collect();
            let results = self.parts.derivatives.delete(&keys).await;
            for (stored, result) in batch.iter().zip(results) {
                match result {
                    Ok(true) => {
                        receipt.removed_count += 1;
                        if receipt.removed.len() < REMOVED_NAMED_MAX {
                            receipt.removed.push(Removed { key: stored.key.clone(), bytes: stored.bytes });
                        }
                    }
                    Ok(false) => {}
                    Err(error) => failed = Some(format!("{}: {error}", stored.key)),
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Tells every outer cache, each until it has understood; one that fails hinders no other.
    async fn tell(&self, receipt: Receipt, scope: &Scope, round: &str) -> Vec<Layer> {
        let invalidation = scope.invalidation(self, format!("afterimage-{}-{}-{round}", receipt.heard_at_ms, receipt.id));
        let mut layers = Vec::new();
        let mut waiting: Vec<_> = self.parts.invalidators.iter().map(|layer| (layer, 0u32)).collect();
        let mut pause = self.config.retry_pause;
        while !waiting.is_empty() {
            let mut again = Vec::new();
            for (layer, attempts) in waiting {
                match layer.invalidate(&invalidation).await {
                    Ok(()) => layers.push(Layer { name: layer.name().to_owned(), state: LayerState::Done }),
                    Err(error) if error.retry => {
                        tracing::warn!(layer = layer.name(), %error, "an outer cache cannot be told yet; trying again");
                        again.push((layer, attempts + 1));
                    }
                    Err(error) => {
                        tracing::error!(layer = layer.name(), %error, "an outer cache will not be told");
                        let state = LayerState::Waiting { last_error: Some(error.why), attempts: attempts + 1 };
                        layers.push(Layer { name: layer.name().to_owned(), state });
                    }
                }
            }
            waiting = again;
            if !waiting.is_empty() {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            }
        }
        layers
    }
}

fn set_layer(receipt: &mut Receipt, name: &str, failed: Option<String>) {
    let known = receipt.layers.iter_mut().find(|layer| layer.name == name);
    let attempts = match known.as_ref().map(|layer| &layer.state) {
        Some(LayerState::Waiting { attempts, .. }) => attempts + 1,
        _ => 1,
    };
    let state = match failed {
        Some(why) => LayerState::Waiting { last_error: Some(why), attempts },
        None => LayerState::Done,
    };
    match known {
        Some(layer) => layer.state = state,
        None => receipt.layers.push(Layer { name: name.to_owned(), state }),
    }
}
