//! What follows from what is true: pure, so that it can be proved by laws. No I/O, no clock, no memory of earlier plans.

use afterimage_identity::{Answer, FoundBy, Happened, Unprovable, Version};

/// Why a purge is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The original is proven gone.
    Gone,
    /// The original is there with another version.
    Changed,
    /// Somebody asked for it.
    AskedFor,
}

impl Reason {
    /// The words in receipts and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::AskedFor => "asked for",
        }
    }
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: what is stored is of the version that is there.
    Nothing,
    /// Nothing may be deleted, because nothing is proven.
    Unproven(Unprovable),
    /// Fence the original and delete its derivatives.
    Purge {
        /// Why.
        reason: Reason,
        /// The version whose derivatives stay.
        keep: Option<Version>,
        /// Whether something stored or somebody's wish speaks for it. If not, only fences can tell whether there is
        /// anything to do.
        certain: bool,
    },
}

/// What follows for one original from the source's answer, the versions of its stored derivatives, whether there are copies of
/// them, and the event.
///
/// - Copies always go: of which version they are, their names do not say. Scans, which look at each, do not go by them here.
/// - Nothing is ever deleted on an unproven answer, except when asked for.
/// - The derivatives of the version that is there are never deleted, except when asked for.
/// - Of an original that is gone, all are deleted.
/// - Once the plan is carried out, the same question asks for no more deletions.
pub fn plan(answer: &Answer, stored: &[Version], copies: bool, happened: Happened, found_by: FoundBy) -> Plan {
    if found_by == FoundBy::Operator {
        return Plan::Purge { reason: Reason::AskedFor, keep: None, certain: true };
    }
    match answer {
        Answer::Unprovable(why) => Plan::Unproven(why.clone()),
        Answer::Gone => Plan::Purge { reason: Reason::Gone, keep: None, certain: copies || !stored.is_empty() },
        Answer::Present(version) => {
            let certain =
                stored.iter().any(|other| is_doomed(other, Some(version))) || copies && found_by != FoundBy::Scan;
            // Caches and fills may hold another version of which nothing is stored: an event says so even where what is stored
            // is current, for content may have come, gone and come again. Scans look at what is stored alone.
            let spoken = found_by == FoundBy::Event || (found_by == FoundBy::Read && stored.is_empty());
            let suspected = spoken && happened != Happened::Created;
            if !certain && !suspected {
                return Plan::Nothing;
            }
            Plan::Purge { reason: Reason::Changed, keep: Some(version.clone()), certain }
        }
    }
}

/// Whether a derivative of `version` goes when those of `keep` stay.
pub fn is_doomed(version: &Version, keep: Option<&Version>) -> bool {
    keep != Some(version)
}

/// Whether the event can be dealt with without asking the source: nothing is stored of something just created.
pub fn is_free(nothing_stored: bool, happened: Happened, found_by: FoundBy) -> bool {
    nothing_stored && happened == Happened::Created && found_by != FoundBy::Operator
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(number: u8) -> Version {
        Version::of_content(&[number])
    }

    fn answers() -> impl Strategy<Value = Answer> {
        prop_oneof![
            (0..4u8).prop_map(|number| Answer::Present(version(number))),
            Just(Answer::Gone),
            Just(Answer::Unprovable(Unprovable::Unreachable)),
        ]
    }

    fn happenings() -> impl Strategy<Value = Happened> {
        prop_oneof![Just(Happened::Created), Just(Happened::Written), Just(Happened::Changed), Just(Happened::Removed)]
    }

    fn finders() -> impl Strategy<Value = FoundBy> {
        prop_oneof![Just(FoundBy::Event), Just(FoundBy::Read), Just(FoundBy::Scan), Just(FoundBy::Operator)]
    }

    fn left(plan: &Plan, stored: &[Version]) -> Vec<Version> {
        match plan {
            Plan::Purge { keep, .. } => stored.iter().filter(|v| !is_doomed(v, keep.as_ref())).cloned().collect(),
            _ => stored.to_vec(),
        }
    }

    proptest! {
        #[test]
        fn the_laws_hold(
            answer in answers(),
            stored in prop::collection::vec((0..4u8).prop_map(version), 0..5),
            copies in any::<bool>(),
            happened in happenings(),
            found_by in finders(),
        ) {
            let planned = plan(&answer, &stored, copies, happened, found_by);
            // Whoever hears of an original with copies has them deleted, unless nothing is proven.
            if copies && found_by != FoundBy::Scan && !matches!(planned, Plan::Unproven(_)) {
                let is_certain = matches!(planned, Plan::Purge { certain: true, .. });
                prop_assert!(is_certain, "{:?}", planned);
            }
            let left = left(&planned, &stored);
            match (&answer, found_by) {
                (_, FoundBy::Operator) | (Answer::Gone, _) => prop_assert!(left.is_empty()),
                (Answer::Unprovable(_), _) => prop_assert_eq!(&left, &stored),
                (Answer::Present(current), _) => {
                    let current: Vec<Version> = stored.iter().filter(|version| *version == current).cloned().collect();
                    prop_assert_eq!(&left, &current);
                }
            }
            // Carried out, the plan asks for no more deletions.
            if found_by != FoundBy::Operator {
                let again = plan(&answer, &left, false, happened, found_by);
                let still_certain = matches!(again, Plan::Purge { certain: true, .. });
                prop_assert!(!still_certain, "{:?}", again);
            }
            // The order of a listing means nothing.
            let mut reversed = stored.clone();
            reversed.reverse();
            prop_assert_eq!(planned, plan(&answer, &reversed, copies, happened, found_by));
        }
    }

    #[test]
    fn nothing_stored_is_decided_by_the_event() {
        let there = Answer::Present(version(1));
        let purge = |answer: &Answer, happened, found_by| {
            matches!(plan(answer, &[], false, happened, found_by), Plan::Purge { certain: false, .. })
        };
        assert!(!purge(&there, Happened::Created, FoundBy::Event), "creations cost nothing");
        assert!(purge(&there, Happened::Changed, FoundBy::Event));
        assert!(purge(&there, Happened::Written, FoundBy::Event), "who knows what was there before");
        assert!(purge(&there, Happened::Changed, FoundBy::Read));
        assert!(!purge(&there, Happened::Changed, FoundBy::Scan));
        assert!(purge(&Answer::Gone, Happened::Removed, FoundBy::Event));
    }
}
