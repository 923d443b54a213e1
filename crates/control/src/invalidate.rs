//! Making this edge forget: the fences of all its caches raised for one item after another, then the bytes erased. It
//! deletes no derivative and tells no other cache. Whoever asks is answered once the fences stand; what they cover is
//! never served again from there on, and goes from memory soon after.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use afterimage_edge::Edge;
use afterimage_identity::{Clock, Fence, Sequence};

use crate::cloudfront::fault::{Code, Fault};
use crate::cloudfront::ledger::{Batch, Ledger, Limits, Record};
use crate::cloudfront::sigv4::{AccessKey, Verifier};
use crate::item::Item;

/// The longest value of [`MATCHED`], in bytes: some clients take headers of 8 KiB in all.
const MATCHED_BYTES_MAX: usize = 4096;
/// How many items that matched nothing are named in the log.
const UNMATCHED_LOGGED_MAX: usize = 20;

/// The header that says how many entries each item matched: a list of strings with parameters (RFC 9651).
pub(crate) const MATCHED: &str = "afterimage-matched";

/// What an operator may set about invalidations.
#[derive(Clone, Debug)]
pub struct InvalidationConfig {
    /// The id that this edge has as a distribution.
    pub distribution_id: String,
    /// Who may sign.
    pub access_keys: Vec<AccessKey>,
    /// How far a signer's clock may be from ours.
    pub clock_skew: Duration,
    /// Quotas.
    pub limits: Limits,
    /// Whether the method PURGE is taken.
    pub purge_method: bool,
}

/// The edge's caches, and what was asked of them.
pub struct Invalidations {
    pub(crate) distribution_id: String,
    pub(crate) verifier: Verifier,
    pub(crate) purge_method: bool,
    pub(crate) since: SystemTime,
    pub(crate) clock: Arc<dyn Clock>,
    edge: Arc<Edge>,
    fences: Vec<Arc<dyn Fence>>,
    ledger: Mutex<Ledger>,
    /// Held from the look for an older batch of the same reference until the new one is recorded.
    one_at_a_time: tokio::sync::Mutex<()>,
    purges: AtomicU64,
}

/// What metrics say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) in_progress: u64,
    pub(crate) oldest_s: u64,
}

/// What raising did.
struct Raised {
    /// How many entries each item matched.
    matched: Vec<u64>,
    /// The last fence of each cache.
    last: Vec<Sequence>,
}

impl Invalidations {
    /// Over the caches of one edge, from the inside out.
    pub fn new(
        config: InvalidationConfig,
        edge: Arc<Edge>,
        fences: Vec<Arc<dyn Fence>>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let since = clock.wall();
        Arc::new(Self {
            distribution_id: config.distribution_id,
            verifier: Verifier { keys: config.access_keys, service: "cloudfront", skew: config.clock_skew },
            purge_method: config.purge_method,
            since,
            clock,
            edge,
            fences,
            ledger: Mutex::new(Ledger::new(config.limits, since)),
            one_at_a_time: tokio::sync::Mutex::default(),
            purges: AtomicU64::new(0),
        })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic under the lock leaves counters that are still right for what is recorded.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Invalidates, or finds that the same was asked for before. When it resolves the fences stand. It runs to its end
    /// even if the caller goes away: a fence that stands must be on record.
    pub(crate) async fn create(self: &Arc<Self>, batch: Batch) -> Result<Record, Fault> {
        let this = self.clone();
        let created = tokio::spawn(async move {
            let _turn = this.one_at_a_time.lock().await;
            if let Some(record) = this.ledger().same(&batch)? {
                return Ok(record.clone());
            }
            this.ledger().admit(&batch)?;
            let (items, raised) = this.raise(batch.items).await?;
            let batch = Batch { items, ..batch };
            let matched = matched(&batch.items, &raised.matched);
            let record = this.ledger().begin(batch, this.clock.wall(), matched);
            this.say(&record.id, &record.batch.items, &raised.matched);
            let (id, finishing) = (record.id.clone(), this.clone());
            tokio::spawn(async move {
                finishing.erased(&raised.last).await;
                finishing.ledger().complete(&id);
                tracing::info!(id, "an invalidation is complete");
            });
            Ok(record)
        });
        created.await.unwrap_or_else(|_| Err(internal()))
    }

    /// Invalidates without keeping a record. The value of [`MATCHED`].
    pub(crate) async fn purge(self: &Arc<Self>, items: Vec<(String, Item)>) -> Result<String, Fault> {
        let this = self.clone();
        let purged = tokio::spawn(async move {
            let (items, raised) = this.raise(items).await?;
            this.purges.fetch_add(1, Ordering::Relaxed);
            this.say("PURGE", &items, &raised.matched);
            let finishing = this.clone();
            tokio::spawn(async move { finishing.erased(&raised.last).await });
            Ok(matched(&items, &raised.matched))
        });
        purged.await.unwrap_or_else(|_| Err(internal()))
    }

    /// Raises every fence, on a thread that may take its time: counting a million entries does.
    async fn raise(self: &Arc<Self>, items: Vec<(String, Item)>) -> Result<(Vec<(String, Item)>, Raised), Fault> {
        let this = self.clone();
        let raising = tokio::task::spawn_blocking(move || {
            let host_paths = this.edge.host_paths();
            let mut raised = Raised { matched: vec![0; items.len()], last: vec![Sequence(0); this.fences.len()] };
            for ((_, item), matched) in items.iter().zip(&mut raised.matched) {
                for selector in item.selectors(&host_paths, |target| this.edge.names(target)) {
                    for (fence, last) in this.fences.iter().zip(&mut raised.last) {
                        let raised = fence.raise(&selector);
                        *matched += raised.matched;
                        *last = raised.sequence;
                    }
                }
            }
            (items, raised)
        });
        raising.await.map_err(|_| internal())
    }

    async fn erased(&self, last: &[Sequence]) {
        for (fence, last) in self.fences.iter().zip(last) {
            fence.erased(*last).await;
        }
    }

    fn say(&self, id: &str, items: &[(String, Item)], matched: &[u64]) {
        let unmatched = items.iter().zip(matched).filter(|(_, matched)| **matched == 0).map(|((text, _), _)| text);
        let total: u64 = matched.iter().sum();
        tracing::info!(id, items = items.len(), matched = total, unmatched = unmatched.clone().count(), "invalidated");
        for item in unmatched.take(UNMATCHED_LOGGED_MAX) {
            tracing::info!(id, item, "an item matched nothing");
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let ledger = self.ledger();
        let now = self.clock.wall();
        let age = |since: SystemTime| now.duration_since(since).unwrap_or_default().as_secs();
        Counts {
            total: ledger.total() + self.purges.load(Ordering::Relaxed),
            in_progress: ledger.in_progress() as u64,
            oldest_s: ledger.oldest_in_progress().map(age).unwrap_or_default(),
        }
    }
}

fn internal() -> Fault {
    Fault::new(Code::InternalError, "the invalidation could not be carried out; try again")
}

/// The items in their order, each with the number of entries it matched; cut where it grows too long, the rest summed up.
fn matched(items: &[(String, Item)], counts: &[u64]) -> String {
    let mut value = String::new();
    for (at, ((text, _), count)) in items.iter().zip(counts).enumerate() {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        let member = format!("\"{escaped}\";matched={count}");
        let joint = if at == 0 { "" } else { ", " };
        if value.len() + joint.len() + member.len() > MATCHED_BYTES_MAX {
            let rest = &counts[at..];
            let unmatched = rest.iter().filter(|count| **count == 0).count();
            let sum: u64 = rest.iter().sum();
            value.push_str(&format!("{joint}more;items={};matched={sum};unmatched={unmatched}", rest.len()));
            return value;
        }
        value.push_str(joint);
        value.push_str(&member);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(texts: &[String]) -> Vec<(String, Item)> {
        texts.iter().map(|text| (text.clone(), Item::parse(text).unwrap())).collect()
    }

    #[test]
    fn every_item_says_what_it_matched() {
        let value = matched(&items(&["/a*".into(), "#t\"\\".into(), "/b".into()]), &[12, 3, 0]);
        assert_eq!(value, r##""/a*";matched=12, "#t\"\\";matched=3, "/b";matched=0"##);
    }

    #[test]
    fn very_many_items_are_summed_up() {
        let many: Vec<_> = (0..3000).map(|at| format!("/{at:04}")).collect();
        let counts: Vec<u64> = (0..3000).map(|at| at % 2).collect();
        let value = matched(&items(&many), &counts);
        let named = value.matches('/').count();
        assert!(value.len() <= MATCHED_BYTES_MAX + 60, "{}", value.len());
        assert!(named > 100);
        assert!(value.contains(&format!("more;items={}", 3000 - named)), "{}", &value[value.len() - 80..]);
        let long = format!("/{}", "x".repeat(3999));
        assert!(matched(&items(&[long.clone(), long]), &[1, 2]).ends_with(", more;items=1;matched=2;unmatched=0"));
        let quotes = format!("#{}", "\"".repeat(256));
        assert!(matched(&items(&vec![quotes; 9]), &[1; 9]).ends_with("more;items=2;matched=2;unmatched=0"));
    }
}
