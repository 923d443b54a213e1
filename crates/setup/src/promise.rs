//! The promise in force, in words: what deletion means in the shape that is configured.

use std::fmt::Write as _;

use crate::choice::{OnUnprovable, PolicyKind};
use crate::duration::display;
use crate::Settings;

/// What the promise needs to know beside the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many variants of one original an unsigned viewer can have at most.
    pub variants_max: u64,
    /// Whether the ladder was lifted for experiments.
    pub open: bool,
}

/// The promise, a line a bound.
pub fn promise(settings: &Settings, shape: Shape) -> String {
    let mut text = String::new();
    let mut line = |name: &str, words: String| {
        let _ = writeln!(text, "  {name:<12} {words}");
    };
    let window = display(settings.source.window);
    line("this edge", format!("serves nothing older than {window} after its original was deleted or replaced"));
    if let OnUnprovable::ServeStale(stale) = settings.source.on_unprovable {
        line("", format!("WEAKENED: when the source cannot be asked, up to {} more", display(stale)));
    }
    line("browsers", format!("keep what they have for {} more (http.browser_age)", display(settings.http.browser_age)));
    line(
        "a CDN",
        format!("in front keeps it for up to {} unless it is purged by Cache-Tag (http.shared_age)", display(settings.http.shared_age)),
    );
    let policy = &settings.policy;
    let sizes = match policy.kind {
        _ if shape.open => "any size within limits: the ladder is lifted (--open)".to_owned(),
        PolicyKind::Ladder => format!(
            "{} widths from {} to {}, {} ratios, {} qualities; at most {} variants of one original",
            policy.ladder.len(),
            policy.ladder.first().copied().unwrap_or_default(),
            policy.ladder.last().copied().unwrap_or_default(),
            policy.ratios.len(),
            policy.qualities.len(),
            shape.variants_max
        ),
        PolicyKind::Dims => format!("squares of {:?}; at most {} variants of one original", policy.dims, shape.variants_max),
    };
    line("unsigned", sizes);
    line(
        "bounds",
        format!(
            "{} of memory for the cache, {} for renders, {} of disk for derivatives",
            settings.cache.memory_bytes_max, settings.render.memory_bytes_max, settings.derivatives.bytes_max
        ),
    );
    text
}
