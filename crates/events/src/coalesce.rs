//! Joins what is said of one subject within a short window. The window begins with the first word of a quiet period, so
//! no event waits longer than it. Bounded: too many subjects at once become "everything", never silence.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use afterimage_identity::{Event, Happened, Subject};

use crate::keys::{Subjects, event};

/// How many subjects wait at most; one more, and they all become "everything".
pub(crate) const SUBJECTS_MAX: usize = 20_000;

/// The events of the present window.
#[derive(Debug)]
pub(crate) struct Coalescer {
    subjects: Subjects,
    window: Duration,
    subjects_max: usize,
    due_at: Option<Instant>,
    order: Vec<Subject>,
    happened: HashMap<Subject, Happened>,
    everything: bool,
}

impl Coalescer {
    pub(crate) fn new(subjects: Subjects, window: Duration, subjects_max: usize) -> Self {
        let (order, happened) = (Vec::new(), HashMap::new());
        Self { subjects, window, subjects_max, due_at: None, order, happened, everything: false }
    }

    /// Takes one word.
    pub(crate) fn add(&mut self, subject: Subject, happened: Happened, now: Instant) {
        self.due_at.get_or_insert(now + self.window);
        if self.everything {
            return;
        }
        let full = self.order.len() >= self.subjects_max && !self.happened.contains_key(&subject);
        if full || matches!(subject, Subject::Everything { .. }) {
            self.everything = true;
            self.order.clear();
            self.happened.clear();
            return;
        }
        match self.happened.get_mut(&subject) {
            Some(earlier) => *earlier = joined(*earlier, happened),
            None => {
                self.order.push(subject.clone());
                self.happened.insert(subject, happened);
            }
        }
    }

    /// When the window closes, if something waits.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    /// Whether the window has closed.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.due_at.is_some_and(|due_at| due_at <= now)
    }

    /// What was said, in the order in which each subject was first named.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        self.due_at = None;
        if std::mem::take(&mut self.everything) {
            return vec![event(self.subjects.everything(), Happened::Changed)];
        }
        let mut happened = std::mem::take(&mut self.happened);
        let order = std::mem::take(&mut self.order);
        order.into_iter().filter_map(|subject| happened.remove(&subject).map(|word| event(subject, word))).collect()
    }
}

/// What two words about one subject come to.
fn joined(earlier: Happened, later: Happened) -> Happened {
    match (earlier, later) {
        (_, Happened::Removed) => Happened::Removed,
        (Happened::Created, _) => Happened::Created,
        // Gone and back within a window: the old content is not there any more.
        (Happened::Removed | Happened::Changed | Happened::Written, _) => Happened::Changed,
    }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::SourceId;

    use super::*;

    fn coalescer(subjects_max: usize) -> (Coalescer, Subjects) {
        let subjects = Subjects::new(SourceId::default());
        (Coalescer::new(subjects.clone(), Duration::from_millis(20), subjects_max), subjects)
    }

    #[test]
    fn words_about_one_subject_are_joined() {
        use Happened::{Changed, Created, Removed};
        for (words, wanted) in [
            (vec![Created, Changed], Created),
            (vec![Created, Changed, Removed], Removed),
            (vec![Removed, Created], Changed),
            (vec![Changed, Created], Changed),
            (vec![Removed, Created, Changed], Changed),
            (vec![Changed, Removed], Removed),
        ] {
            let (mut coalescer, subjects) = coalescer(9);
            for word in &words {
                coalescer.add(subjects.original("a").unwrap(), *word, Instant::now());
            }
            assert_eq!(coalescer.take(), [event(subjects.original("a").unwrap(), wanted)], "{words:?}");
            assert_eq!(coalescer.take(), []);
        }
    }

    #[test]
    fn the_window_begins_with_the_first_word_and_is_not_prolonged() {
        let (mut coalescer, subjects) = coalescer(9);
        let start = Instant::now();
        assert!(!coalescer.is_due(start + Duration::from_secs(9)));
        coalescer.add(subjects.original("a").unwrap(), Happened::Created, start);
        coalescer.add(subjects.original("b").unwrap(), Happened::Created, start + Duration::from_millis(19));
        assert!(!coalescer.is_due(start + Duration::from_millis(19)));
        assert!(coalescer.is_due(start + Duration::from_millis(20)));
        assert_eq!(coalescer.take().len(), 2);
        assert_eq!(coalescer.due_at(), None);
    }

    #[test]
    fn one_subject_too_many_is_everything() {
        let (mut coalescer, subjects) = coalescer(2);
        for key in ["a", "b", "a"] {
            coalescer.add(subjects.original(key).unwrap(), Happened::Changed, Instant::now());
        }
        assert_eq!(coalescer.take().len(), 2);
        for key in ["a", "b", "c", "d"] {
            coalescer.add(subjects.original(key).unwrap(), Happened::Changed, Instant::now());
        }
        assert_eq!(coalescer.take(), [event(subjects.everything(), Happened::Changed)]);
        coalescer.add(subjects.original("a").unwrap(), Happened::Changed, Instant::now());
        assert_eq!(coalescer.take().len(), 1);
    }
}
