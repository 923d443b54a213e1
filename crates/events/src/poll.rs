//! Watching by looking again and again: for network mounts, exhausted watch limits and systems without notifications.
//! A look that finds very much gone does not name it: an unmounted disk looks the same, so somebody has to look closer.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use crate::keys::event;
use crate::snapshot::Snapshot;
use crate::stop::Stop;
use crate::watch::Listener;

/// More files gone at one look than this, and more than [`MASS_LOSS_PERCENT`], is told as "everything".
const MASS_LOSS_FILES: usize = 100;
const MASS_LOSS_PERCENT: usize = 5;

/// Device and inode of a directory; `None` when there is none.
pub(crate) fn identity(root: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(root).ok().filter(std::fs::Metadata::is_dir)?;
    Some((metadata.dev(), metadata.ino()))
}

/// The last look.
pub(crate) struct Seen {
    root: Option<(u64, u64)>,
    snapshot: Snapshot,
}

impl Seen {
    pub(crate) fn look(root: &Path, entries_max: usize, stop: &Stop) -> Self {
        let snapshot = Snapshot::take(root, entries_max, SystemTime::now(), stop).unwrap_or_default();
        Self { root: identity(root), snapshot }
    }
}

/// Looks every `poll_ms` until stopped.
pub(crate) fn run(listener: Listener, mut seen: Seen) {
    let pause = Duration::from_millis(listener.config.poll_ms);
    while !listener.stop.wait_until(Instant::now() + pause) {
        let root = identity(&listener.root);
        if root != seen.root {
            seen = Seen::look(&listener.root, listener.config.entries_max, &listener.stop);
            listener.deliver_everything();
            continue;
        }
        if root.is_none() {
            continue;
        }
        let look = Snapshot::take(&listener.root, listener.config.entries_max, SystemTime::now(), &listener.stop);
        let Some(mut now) = look else { return };
        if identity(&listener.root) != root {
            // It went while we looked: the next round sees that.
            continue;
        }
        now.carry_over(&mut seen.snapshot);
        let difference = now.since(&seen.snapshot, &listener.subjects);
        if is_mass_loss(difference.removed, seen.snapshot.named()) {
            listener.deliver_everything();
        } else {
            listener.deliver(difference.words.into_iter().map(|(subject, word)| event(subject, word)).collect());
        }
        seen.snapshot = now;
    }
}

fn is_mass_loss(removed: usize, of: usize) -> bool {
    removed > MASS_LOSS_FILES && removed.saturating_mul(100) > of.saturating_mul(MASS_LOSS_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_loss_begins_past_both_bounds() {
        for (removed, of, mass) in
            [(100, 100, false), (101, 101, true), (101, 2_020, false), (102, 2_020, true), (0, 0, false)]
        {
            assert_eq!(is_mass_loss(removed, of), mass, "{removed} of {of}");
        }
    }
}
