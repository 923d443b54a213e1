//! The message that a run leaves for the next one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Left;

/// The first pause where others are waited for; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(15);
/// The longest pause: as long as a queue holds a message back.
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// After so many runs in which nobody could be told anything, about a day, it is left to whoever tidies up.
const TURNS_MAX: u32 = 100;

/// Somebody has to go on with a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// Its name.
    pub journal: String,
    /// How many runs have waited for others, one after the other.
    pub turn: u32,
}

/// As it is sent: the tag tells it from what buckets say.
#[derive(Serialize, Deserialize)]
#[serde(tag = "afterimage", rename_all = "snake_case")]
enum Sent {
    Later {
        journal: String,
        #[serde(default)]
        turn: u32,
    },
}

impl Later {
    /// About a journal with which a run is to go on for the first time.
    pub fn new(journal: &str) -> Self {
        Self { journal: journal.to_owned(), turn: 0 }
    }

    /// Reads one; `None` where a text is another message.
    pub fn read(text: &str) -> Option<Self> {
        let Sent::Later { journal, turn } = serde_json::from_str(text).ok()?;
        Some(Self { journal, turn })
    }

    /// As it is sent.
    pub fn text(&self) -> String {
        // Neither a map nor an error of its own: it cannot fail.
        let sent = Sent::Later { journal: self.journal.clone(), turn: self.turn };
        serde_json::to_string(&sent).unwrap_or_default()
    }

    /// The next one and how long it waits; `None` where nothing is left, or where others were waited for long enough.
    pub fn next(&self, left: Left, now_ms: u64) -> Option<(Self, Duration)> {
        let journal = self.journal.clone();
        match left.due_ms {
            _ if left.open == 0 => None,
            Some(due_ms) => {
                let pause = Duration::from_millis(due_ms.saturating_sub(now_ms));
                Some((Self { journal, turn: 0 }, pause.clamp(Duration::from_secs(1), PAUSE_MAX)))
            }
            None if self.turn >= TURNS_MAX => None,
            None => {
                let pause = PAUSE_MIN.saturating_mul(1 << self.turn.min(16)).min(PAUSE_MAX);
                Some((Self { journal, turn: self.turn + 1 }, pause))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_sent_and_nothing_else_is() {
        let later = Later { journal: "0001-a".to_owned(), turn: 3 };
        assert_eq!(later.text(), r#"{"afterimage":"later","journal":"0001-a","turn":3}"#);
        assert_eq!(Later::read(&later.text()), Some(later));
        for text in ["", "{}", r#"{"Records":[]}"#, r#"{"journal":"x"}"#, r#"{"afterimage":"purge","journal":"x"}"#] {
            assert_eq!(Later::read(text), None, "{text}");
        }
    }

    #[test]
    fn pauses_follow_what_is_waited_for() {
        let next = |turn, open, due_ms| {
            let later = Later { journal: "j".to_owned(), turn };
            later.next(Left { open, due_ms }, 1_000_000).map(|(next, pause)| (next.turn, pause.as_millis()))
        };
        assert_eq!(next(0, 0, None), None);
        assert_eq!(next(5, 1, Some(1_061_000)), Some((0, 61_000)));
        assert_eq!(next(0, 1, Some(999_000)), Some((0, 1_000)));
        assert_eq!(next(0, 1, Some(9_999_000)), Some((0, 900_000)), "a queue holds back no longer");
        assert_eq!(next(0, 1, None), Some((1, 15_000)));
        assert_eq!(next(5, 1, None), Some((6, 480_000)));
        assert_eq!(next(99, 1, None), Some((100, 900_000)));
        assert_eq!(next(100, 1, None), None);
    }
}
