//! What a request found where nothing may have told of it, as a message from processes that have no purger of their own.

use afterimage_identity::{Event, FoundBy, Happened, Original, Subject};
use serde::{Deserialize, Serialize};

/// A request found its original gone or changed while something of it was kept. A hint, as every event: the source is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// Which original.
    pub original: Original,
    /// What is said to have happened to it.
    pub happened: Happened,
}

/// As it is sent: the tag tells it from what buckets say.
#[derive(Serialize, Deserialize)]
#[serde(tag = "afterimage", rename_all = "snake_case")]
enum Sent {
    Noticed {
        #[serde(flatten)]
        original: Original,
        happened: Happened,
    },
}

impl Noticed {
    /// What an event says of one original; `None` of more.
    pub fn of(event: &Event) -> Option<Self> {
        let Subject::Original(original) = &event.subject else { return None };
        Some(Self { original: original.clone(), happened: event.happened })
    }

    /// The event, as a request found it: whoever sent it, it counts for no more than that.
    pub fn event(self) -> Event {
        Event { subject: Subject::Original(self.original), happened: self.happened, found_by: FoundBy::Read }
    }

    /// Reads one; `None` where a text is another message.
    pub fn read(text: &str) -> Option<Self> {
        let Sent::Noticed { original, happened } = serde_json::from_str(text).ok()?;
        Some(Self { original, happened })
    }

    /// As it is sent.
    pub fn text(&self) -> String {
        // Neither a map with keys that are no text nor an error of its own: it cannot fail.
        let sent = Sent::Noticed { original: self.original.clone(), happened: self.happened };
        serde_json::to_string(&sent).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{OriginalKey, SourceId};

    use super::*;

    #[test]
    fn it_is_read_as_it_was_sent_and_nothing_else_is() {
        let original = Original::new(SourceId::default(), OriginalKey::new("p/ä \"1\".jpg").unwrap());
        let noticed = Noticed { original: original.clone(), happened: Happened::Removed };
        let text = r#"{"afterimage":"noticed","source":"main","key":"p/ä \"1\".jpg","happened":"removed"}"#;
        assert_eq!(noticed.text(), text);
        assert_eq!(Noticed::read(text), Some(noticed.clone()));
        for wrong in ["", "{}", r#"{"Records":[]}"#, &text.replace("noticed", "later"), &text.replace("p/", "../")] {
            assert_eq!(Noticed::read(wrong), None, "{wrong}");
        }
        let event = noticed.clone().event();
        assert_eq!((event.found_by, Noticed::of(&event)), (FoundBy::Read, Some(noticed)));
        let more = Subject::Everything { source: original.source };
        assert_eq!(Noticed::of(&Event { subject: more, ..event }), None);
    }
}
