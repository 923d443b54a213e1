//! Raising fences on every own edge as one act, and waiting for the fills they overtook.

use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{Fence, Selector, Sequence};

/// What was raised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Raises {
    pub(crate) matched: u64,
    pub(crate) overlapping: u64,
    /// The first edge's.
    pub(crate) sequence: Option<Sequence>,
    each: Vec<(usize, Selector, Sequence)>,
}

impl Raises {
    /// Whether nothing was there to fence.
    pub(crate) fn is_empty(&self) -> bool {
        self.matched == 0 && self.overlapping == 0
    }
}

/// Raises every selector on every edge. When it returns, nothing covered and fetched before is served again.
pub(crate) fn raise(fences: &[Arc<dyn Fence>], selectors: &[Selector]) -> Raises {
    let mut raises = Raises::default();
    for selector in selectors {
        for (at, fence) in fences.iter().enumerate() {
            let raised = fence.raise(selector);
            raises.matched += raised.matched;
            raises.overlapping += raised.overlapping;
            raises.sequence.get_or_insert(raised.sequence);
            raises.each.push((at, selector.clone(), raised.sequence));
        }
    }
    raises
}

/// Waits until no fill that the fences overtook is under way, but no longer than the longest fill: an older one stores
/// nothing.
pub(crate) async fn drained(fences: &[Arc<dyn Fence>], raises: &Raises, fill_max: Duration) {
    let all = async {
        for (at, selector, sequence) in &raises.each {
            fences[*at].drained(*sequence, selector).await;
        }
    };
    // Past the longest fill there is nothing left to wait for.
    let _ = tokio::time::timeout(fill_max, all).await;
}
