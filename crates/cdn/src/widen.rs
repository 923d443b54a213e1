//! When more wildcards wait than may be in progress, those of one folder may become one, as far as somebody allows it:
//! pure. What it forgets needlessly is fetched again.

use std::collections::BTreeMap;

use crate::item::Item;
use crate::reach::folder_above;

/// The folders to forget instead, each with the items that it covers. At most `levels` folders up, and only until at
/// most `wildcards_max` wildcards are left.
pub(crate) fn widen<'a>(
    waiting: impl Iterator<Item = &'a Item> + Clone,
    wildcards_max: usize,
    levels: u32,
) -> BTreeMap<Item, Vec<Item>> {
    let mut count = waiting.clone().filter(|item| item.is_wildcard()).count();
    let mut widened: BTreeMap<Item, Vec<Item>> = BTreeMap::new();
    for level in 1..=levels {
        if count <= wildcards_max {
            break;
        }
        let mut folders: BTreeMap<String, usize> = BTreeMap::new();
        for item in waiting.clone() {
            if let Item::Wildcard(beginning) = item
                && let Some(folder) = folder_above(beginning, level)
            {
                *folders.entry(folder).or_default() += 1;
            }
        }
        let mut folders: Vec<(String, usize)> = folders.into_iter().filter(|(_, many)| *many > 1).collect();
        // The fullest first: the fewest folders are forgotten whole.
        folders.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        for (folder, _) in folders {
            if count <= wildcards_max {
                break;
            }
            let wide = Item::Wildcard(folder);
            if widened.keys().any(|wider| wider.covers(&wide)) {
                continue;
            }
            let covered: Vec<Item> = waiting.clone().filter(|item| wide.covers(item)).cloned().collect();
            let inner: Vec<Item> = widened.keys().filter(|inner| wide.covers(inner)).cloned().collect();
            let already: usize = inner
                .iter()
                .filter_map(|inner| widened.remove(inner))
                .map(|items| items.iter().filter(|item| item.is_wildcard()).count() - 1)
                .sum();
            let wildcards = covered.iter().filter(|item| item.is_wildcard()).count();
            count = count + 1 - (wildcards - already);
            widened.insert(wide, covered);
        }
    }
    widened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(texts: &[&str]) -> Vec<Item> {
        texts
            .iter()
            .map(|text| match text.strip_suffix('*') {
                Some(beginning) => Item::Wildcard(beginning.to_owned()),
                None => Item::Path((*text).to_owned()),
            })
            .collect()
    }

    fn widened(texts: &[&str], wildcards_max: usize, levels: u32) -> Vec<(String, usize)> {
        let waiting = waiting(texts);
        let found = widen(waiting.iter(), wildcards_max, levels);
        found.into_iter().map(|(wide, covered)| (wide.text(), covered.len())).collect()
    }

    const MANY: [&str; 8] = [
        "/a/b/1.jpg/-/*",
        "/a/b/2.jpg/-/*",
        "/a/b/3.jpg/-/*",
        "/a/c/1.jpg/-/*",
        "/a/c/2.jpg/-/*",
        "/a/b/1.jpg",
        "/d.jpg/-/*",
        "/e.jpg/-/*",
    ];

    #[test]
    fn nothing_is_widened_unless_it_must_and_may() {
        assert!(widened(&MANY, 7, 9).is_empty(), "as many as may be");
        assert!(widened(&MANY, 6, 0).is_empty(), "nobody allows it");
        assert_eq!(widened(&MANY, 6, 1), [("/a/b/*".into(), 4)], "the fullest folder is enough");
        assert_eq!(widened(&MANY, 4, 1), [("/a/b/*".into(), 4), ("/a/c/*".into(), 2)]);
        assert_eq!(widened(&MANY, 3, 1), [("/a/b/*".into(), 4), ("/a/c/*".into(), 2)], "not further than allowed");
        assert_eq!(widened(&MANY, 3, 2), [("/a/*".into(), 6)]);
        assert_eq!(widened(&MANY, 1, 9), [("/a/*".into(), 6)], "never everything");
    }
}
