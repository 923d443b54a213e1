//! Which entries share something: an original, a tag. Most often it is one, and one takes no memory of its own.

use std::collections::{BTreeSet, btree_set};
use std::ops::Bound;

/// A set of slots in order.
#[derive(Default)]
pub(crate) enum Members {
    #[default]
    None,
    One(u32),
    #[expect(clippy::box_collection, reason = "nearly all are one, and are to be small in the maps of an index")]
    Many(Box<BTreeSet<u32>>),
}

impl Members {
    pub(crate) fn insert(&mut self, slot: u32) {
        match self {
            Self::None => *self = Self::One(slot),
            Self::One(only) if *only == slot => {}
            Self::One(only) => *self = Self::Many(Box::new(BTreeSet::from([*only, slot]))),
            Self::Many(slots) => drop(slots.insert(slot)),
        }
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        match self {
            Self::One(only) if *only == slot => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(slots) => {
                slots.remove(&slot);
                if let (Some(only), 1) = (slots.first(), slots.len()) {
                    *self = Self::One(*only);
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Those after a slot, or all.
    pub(crate) fn after(&self, slot: Option<u32>) -> impl Iterator<Item = u32> {
        let (one, many): (Option<u32>, btree_set::Range<'_, u32>) = match self {
            Self::None => (None, btree_set::Range::default()),
            Self::One(only) => (Some(*only).filter(|only| slot.is_none_or(|slot| *only > slot)), Default::default()),
            Self::Many(slots) => {
                let start = slot.map_or(Bound::Unbounded, Bound::Excluded);
                (None, slots.range((start, Bound::Unbounded)))
            }
        };
        one.into_iter().chain(many.copied())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_a_set(steps in prop::collection::vec((any::<bool>(), 0u32..5), 0..40), after in prop::option::of(0u32..5)) {
            let (mut members, mut model) = (Members::default(), BTreeSet::new());
            for (inserts, slot) in steps {
                if inserts {
                    members.insert(slot);
                    model.insert(slot);
                } else {
                    members.remove(slot);
                    model.remove(&slot);
                }
                let expected: Vec<_> = model.iter().copied().filter(|slot| after.is_none_or(|after| *slot > after)).collect();
                prop_assert_eq!(members.after(after).collect::<Vec<_>>(), expected);
                prop_assert_eq!(members.is_empty(), model.is_empty());
                prop_assert_eq!(matches!(members, Members::Many(_)), model.len() > 1);
            }
        }
    }
}
