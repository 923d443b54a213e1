//! Bytes that were read to learn a version, kept for the request that asks for them next: otherwise every first picture of an
//! original without strong ETag would cost two transfers. Taken once, or dropped soon.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use afterimage_identity::{OriginalKey, Stamp};

use super::Read;

/// The next request comes at once or not at all.
const HELD_FOR: Duration = Duration::from_secs(2);

struct Entry {
    key: OriginalKey,
    /// Just before the origin was asked.
    asked_at: Stamp,
    read: Read,
}

pub(super) struct Held {
    bytes_max: u64,
    entries: Mutex<VecDeque<Entry>>,
}

impl Held {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, entries: Mutex::default() }
    }

    pub(super) fn put(&self, key: &OriginalKey, asked_at: Stamp, read: Read, now: Stamp) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.key != *key && now.since(entry.asked_at) < HELD_FOR);
        let mut room = self.bytes_max;
        let fits = read.body.len() as u64 <= room;
        if !fits || now.since(asked_at) >= HELD_FOR {
            return;
        }
        entries.push_back(Entry { key: key.clone(), asked_at, read });
        // The newest stay.
        let kept = entries.iter().rev().take_while(|entry| {
            let bytes = entry.read.body.len() as u64;
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        });
        let surplus = entries.len() - kept.count();
        entries.drain(..surplus);
    }

    /// What was read a moment ago; it is older by that moment.
    pub(super) fn take(&self, key: &OriginalKey, now: Stamp) -> Option<Read> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| now.since(entry.asked_at) < HELD_FOR);
        let at = entries.iter().position(|entry| entry.key == *key)?;
        let Entry { asked_at, mut read, .. } = entries.remove(at)?;
        read.seen.age += now.since(asked_at);
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Seen;
    use afterimage_identity::Version;
    use bytes::Bytes;

    fn key(text: &str) -> OriginalKey {
        OriginalKey::new(text).unwrap()
    }

    fn read(bytes: usize) -> Read {
        let body = Bytes::from(vec![7; bytes]);
        let version = Version::of_content(&body);
        Read {
            seen: Seen { version, bytes: None, age: Duration::from_secs(3), storable: true },
            media_type: None,
            body,
        }
    }

    #[test]
    fn taken_once_and_older_by_the_wait() {
        let held = Held::new(10);
        held.put(&key("a"), Stamp(0), read(10), Stamp(5));
        assert!(held.take(&key("b"), Stamp(6)).is_none());
        let found = held.take(&key("a"), Stamp(7)).unwrap();
        assert_eq!(found.seen.age, Duration::from_secs(3) + Duration::from_nanos(7));
        assert!(held.take(&key("a"), Stamp(8)).is_none());
    }

    #[test]
    fn bounded_in_bytes_and_time() {
        let held = Held::new(10);
        held.put(&key("a"), Stamp(0), read(11), Stamp(0));
        assert!(held.take(&key("a"), Stamp(0)).is_none(), "larger than the bound");
        for name in ["a", "b", "c"] {
            held.put(&key(name), Stamp(0), read(5), Stamp(0));
        }
        assert!(held.take(&key("a"), Stamp(0)).is_none(), "the oldest goes");
        assert!(held.take(&key("b"), Stamp(0)).is_some());
        assert!(held.take(&key("c"), Stamp(0).after(HELD_FOR)).is_none(), "too old");
        held.put(&key("d"), Stamp(0), read(5), Stamp(0).after(HELD_FOR));
        assert!(held.take(&key("d"), Stamp(0).after(HELD_FOR)).is_none(), "too old from the start");
    }
}
