//! Lists a tree of folders in the byte order of its keys, a page at a time. Memory is bounded by the page, not by the
//! folder: of a large folder only the names that come next are kept. It never guesses: a folder that cannot be read ends
//! the listing with an error.

use std::collections::BinaryHeap;

use crate::{Error, Listed, PAGE_ENTRIES_MAX, Page};

/// So many names of a folder are taken at once at least, so that small pages do not read it over and over.
const BATCH_NAMES_MIN: usize = 4096;

pub(crate) enum Kind {
    File,
    Folder,
}

/// What can be listed. Folders are named with their trailing slash; the root is the empty text.
pub(crate) trait Tree {
    /// Calls `visit` with each name in a folder; a folder that is gone has none. `first` says that this folder was not
    /// visited before in the same listing.
    fn visit(&self, folder: &str, first: bool, visit: &mut dyn FnMut(String, Kind)) -> Result<(), Error>;
    /// What the file takes at rest, in bytes; `None` when it went meanwhile.
    fn bytes(&self, key: &str) -> Result<Option<u64>, Error>;
}

struct Frame {
    folder: String,
    /// Names still to do, folders with a slash, the next one last.
    batch: Vec<String>,
    last: Option<String>,
    more: bool,
}

/// The keys that begin with `prefix` and come after `after`.
pub(crate) fn list(tree: &impl Tree, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
    let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
    let batch_max = limit.max(BATCH_NAMES_MIN);
    let mut entries = Vec::new();
    let start = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]);
    let mut frames = vec![Frame { folder: start.to_owned(), batch: Vec::new(), last: None, more: true }];
    while let Some(frame) = frames.last_mut() {
        let Some(name) = frame.batch.pop() else {
            if !frame.more {
                frames.pop();
                continue;
            }
            fill(tree, frame, prefix, after, batch_max)?;
            continue;
        };
        let key = format!("{}{name}", frame.folder);
        if name.ends_with('/') {
            frames.push(Frame { folder: key, batch: Vec::new(), last: None, more: true });
        } else if let Some(bytes) = tree.bytes(&key)? {
            entries.push(Listed::new(key, bytes));
            if entries.len() == limit {
                let next = entries.last().map(|entry| entry.key.clone());
                return Ok(Page { entries, next });
            }
        }
    }
    Ok(Page { entries, next: None })
}

/// Takes the next names of a folder in order.
fn fill(tree: &impl Tree, frame: &mut Frame, prefix: &str, after: Option<&str>, batch_max: usize) -> Result<(), Error> {
    let mut smallest: BinaryHeap<String> = BinaryHeap::new();
    let mut more = false;
    let first = frame.last.is_none() && after.is_none_or(|after| !after.starts_with(&frame.folder));
    tree.visit(&frame.folder, first, &mut |mut name, kind| {
        // With its slash a folder sorts where its keys sort: `a-b` before `a/b` before `a.b` would be wrong without it.
        let is_folder = matches!(kind, Kind::Folder);
        if is_folder {
            name.push('/');
        }
        if frame.last.as_ref().is_some_and(|last| name <= *last) {
            return;
        }
        let full = format!("{}{name}", frame.folder);
        let in_prefix = full.starts_with(prefix) || (is_folder && prefix.starts_with(&full));
        let is_after = after.is_none_or(|after| full.as_str() > after || (is_folder && after.starts_with(&full)));
        if !in_prefix || !is_after {
            return;
        }
        smallest.push(name);
        if smallest.len() > batch_max {
            smallest.pop();
            more = true;
        }
    })?;
    frame.batch = smallest.into_sorted_vec();
    frame.last = frame.batch.last().cloned();
    frame.batch.reverse();
    frame.more = more;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    struct Keys(BTreeSet<String>);

    impl Tree for Keys {
        fn visit(&self, folder: &str, _first: bool, visit: &mut dyn FnMut(String, Kind)) -> Result<(), Error> {
            let mut folders = BTreeSet::new();
            // Backwards, so that an order that only happens to come from the tree is noticed.
            for rest in self.0.iter().rev().filter_map(|key| key.strip_prefix(folder)) {
                match rest.split_once('/') {
                    Some((name, _)) if folders.insert(name) => visit(name.to_owned(), Kind::Folder),
                    Some(_) => {}
                    None => visit(rest.to_owned(), Kind::File),
                }
            }
            Ok(())
        }
        fn bytes(&self, key: &str) -> Result<Option<u64>, Error> {
            Ok(Some(key.len() as u64))
        }
    }

    proptest! {
        #[test]
        fn pages_together_are_the_sorted_keys(
            keys in proptest::collection::btree_set("([ab.!-]{1,3}/){0,3}[ab.!-]{1,3}", 0..30),
            prefix in "([ab]{1,2}/?){0,2}",
            after in proptest::option::of("[ab.!-]{1,2}/?[ab]{0,2}"),
            limit in 1usize..5,
        ) {
            let wanted = |key: &&String| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| *key > after);
            let expected: Vec<String> = keys.iter().filter(wanted).cloned().collect();
            let tree = Keys(keys.clone());
            let (mut found, mut at) = (Vec::new(), after.clone());
            loop {
                let page = list(&tree, &prefix, at.as_deref(), limit).unwrap();
                prop_assert!(page.entries.len() <= limit);
                found.extend(page.entries.into_iter().map(|entry| entry.key));
                match page.next {
                    Some(next) => at = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_folder_of_more_names_than_a_batch_is_read_in_order() {
        for count in [BATCH_NAMES_MIN, BATCH_NAMES_MIN + 1, 2 * BATCH_NAMES_MIN + 1] {
            let tree = Keys((0..count).map(|n| format!("f/{n:06}")).collect());
            let page = list(&tree, "", None, PAGE_ENTRIES_MAX).unwrap();
            assert_eq!(page.entries.len(), count);
            let mut small = Vec::new();
            let mut frame = Frame { folder: "f/".into(), batch: Vec::new(), last: None, more: true };
            while frame.more {
                fill(&tree, &mut frame, "", None, BATCH_NAMES_MIN).unwrap();
                assert!(frame.batch.len() <= BATCH_NAMES_MIN);
                small.extend(frame.batch.drain(..).rev());
            }
            assert!(small.is_sorted() && small.len() == count);
        }
    }
}
