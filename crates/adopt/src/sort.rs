//! What stands behind a key: whether the original that it names, or one further behind, is there. Pure.

use afterimage_store::inherited::Seen;

use crate::layout::named;

/// Every key of a place, in ascending byte order.
#[derive(Debug, Default)]
pub struct Keys(Vec<Seen>);

/// What stands behind a key in the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behind {
    /// The original that is there, the furthest one where derivatives were made of derivatives.
    Original {
        /// Its key.
        key: String,
        /// Whether the very key that the layout names is there; otherwise what was made between the two is gone.
        is_direct: bool,
    },
    /// No key that the layout names is there.
    Nothing,
}

impl Keys {
    /// Takes the next page.
    pub fn extend(&mut self, page: Vec<Seen>) {
        self.0.extend(page);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last key.
    pub fn last(&self) -> Option<&str> {
        self.0.last().map(|seen| seen.key.as_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter()
    }

    /// Whether there is something of this key now.
    fn is_there(&self, key: &str) -> bool {
        let found = self.0.binary_search_by(|seen| seen.key.as_str().cmp(key));
        found.is_ok_and(|at| !self.0[at].is_hidden)
    }

    /// What stands behind `key`; `None` when it is in no layout, and so an original or something else of its owner's.
    pub fn behind(&self, key: &str) -> Option<Behind> {
        let mut at = named(key)?.original;
        let (mut found, mut is_direct, mut is_first) = (None, false, true);
        loop {
            if self.is_there(&at) {
                found = Some(at.clone());
                is_direct |= is_first;
            }
            is_first = false;
            // Each step takes a size away, so this ends.
            match named(&at) {
                Some(further) => at = further.original,
                None => break,
            }
        }
        Some(found.map_or(Behind::Nothing, |key| Behind::Original { key, is_direct }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Keys {
        let mut names: Vec<&str> = names.to_vec();
        names.sort_unstable();
        let seen =
            |name: &&str| Seen { key: name.trim_end_matches('!').to_owned(), bytes: 1, is_hidden: name.ends_with('!') };
        Keys(names.iter().map(seen).collect())
    }

    #[test]
    fn what_stands_behind_is_looked_up_and_never_guessed() {
        let original = |key: &str, is_direct| Some(Behind::Original { key: key.to_owned(), is_direct });
        for (there, key, expected) in [
            (&["i/a.jpg", "i/100x100/jpg/a.jpg"][..], "i/100x100/jpg/a.jpg", original("i/a.jpg", true)),
            (&["i/a.jpg"], "i/a.jpg", None),
            (&["a-200x200.jpg"], "a-200x200.jpg", None),
            (&["photos/100x100/a.jpg"], "photos/100x100/a.jpg", Some(Behind::Nothing)),
            (&["photos/a.jpg"], "photos/100x100/a.jpg", original("photos/a.jpg", true)),
            (&["a.jpg"], "photos/100x100/a.jpg", Some(Behind::Nothing)),
            (&["i/a.JPG"], "i/100x100/jpg/a.jpg", Some(Behind::Nothing)),
            // A derivative of a derivative: of the original, of a derivative that is gone, of an original that is called so.
            (&["i/a.jpg", "i/100x100/jpg/a.jpg"], "i/100x100/jpg/200x200/jpg/a.jpg", original("i/a.jpg", true)),
            (&["i/a.jpg"], "i/100x100/jpg/200x200/jpg/a.jpg", original("i/a.jpg", false)),
            (&["i/100x100/a.jpg"], "i/100x100/200x200/jpg/a.jpg", original("i/100x100/a.jpg", true)),
            (
                &["i/100x100/jpg/300x300/jpg/200x200/jpg/a.jpg"],
                "i/100x100/jpg/200x200/jpg/a.jpg",
                Some(Behind::Nothing),
            ),
            // What a versioned bucket hides is not there.
            (&["i/a.jpg!"], "i/100x100/jpg/a.jpg", Some(Behind::Nothing)),
        ] {
            assert_eq!(keys(there).behind(key), expected, "{key} beside {there:?}");
        }
    }
}
