//! From the environment to an edge that answers, or to words about why there is none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use afterimage_edge::{Door, Edge};
use afterimage_lambda::{list, settings};
use afterimage_setup::{MachineClock, Trust, locations, wire_function};

use crate::notices::{Bounds, Notices};

/// What a function has at least.
const MEGABYTES_LEAST: u64 = 128;

/// Joins the parts as the settings say. Nothing is asked of any bucket yet.
///
/// # Errors
/// What is wrong, in words.
pub fn start() -> Result<(Arc<Edge>, Arc<Notices>, Door), String> {
    let settings = settings()?;
    settings.fit_a_function().map_err(|mistakes| list(&mistakes))?;
    let queue = settings.later_queue().map_err(|mistake| list(&[mistake]))?;
    let source = settings.root_source().ok_or("no source is named")?;
    // What would lie in folders is not opened here.
    let locations = locations(&source, &BTreeMap::new())?;
    let wiring =
        settings.wiring(&source, &locations, &|path| std::fs::read(path)).map_err(|mistakes| list(&mistakes))?;
    let megabytes = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok().and_then(|text| text.parse().ok());
    let window = Duration::from_millis(wiring.purge.mass_loss_window_ms);
    let bounds = Bounds { originals_max: wiring.purge.mass_loss.count, window };
    let notices = Arc::new(Notices::new(queue, bounds, Arc::new(MachineClock)));
    let edge = wire_function(
        &wiring.for_function(megabytes.unwrap_or(MEGABYTES_LEAST) << 20),
        Arc::new(MachineClock),
        notices.clone(),
    )
    .map_err(|error| error.to_string())?;
    let door = match settings.server.trust {
        Trust::Canonical => Door::Trusted,
        Trust::Public if settings.policy.open => Door::Open,
        Trust::Public => Door::Public,
    };
    Ok((edge, notices, door))
}
