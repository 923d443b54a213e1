//! From the environment to an edge that answers, or to words about why there is none.

use std::collections::BTreeMap;
use std::sync::Arc;

use afterimage_edge::{Door, Edge};
use afterimage_identity::{Event, Notice};
use afterimage_lambda::{list, settings};
use afterimage_setup::{MachineClock, Trust, locations, wire_function};

/// What a function has at least.
const MEGABYTES_LEAST: u64 = 128;

/// Joins the parts as the settings say. Nothing is asked of any bucket yet.
///
/// # Errors
/// What is wrong, in words.
pub fn start() -> Result<(Arc<Edge>, Door), String> {
    let settings = settings()?;
    settings.fit_a_function().map_err(|mistakes| list(&mistakes))?;
    let source = settings.root_source().ok_or("no source is named")?;
    // What would lie in folders is not opened here.
    let locations = locations(&source, &BTreeMap::new())?;
    let wiring =
        settings.wiring(&source, &locations, &|path| std::fs::read(path)).map_err(|mistakes| list(&mistakes))?;
    let megabytes = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok().and_then(|text| text.parse().ok());
    let edge = wire_function(
        &wiring.for_function(megabytes.unwrap_or(MEGABYTES_LEAST) << 20),
        Arc::new(MachineClock),
        Arc::new(Said),
    )
    .map_err(|error| error.to_string())?;
    let door = match settings.server.trust {
        Trust::Canonical => Door::Trusted,
        Trust::Public if settings.policy.open => Door::Open,
        Trust::Public => Door::Public,
    };
    Ok((edge, door))
}

/// Hears that an original is gone or changed while something of it is stored. The purge function is told by the bucket itself; where
/// that was lost, the reconciler finds what is left. No viewer's request does the write story's work.
struct Said;

impl Notice for Said {
    fn notice(&self, event: Event) {
        tracing::warn!(?event, "a request found what no event may have told; the reconciler removes what is left");
    }
}
