//! What a purge reaches: the selectors of its fences and the words for outer caches. Always at least what it is about.

use afterimage_identity::{CacheTag, Invalidation, Original, Selector, SourceId, Subject, escape};
use afterimage_variant::derivative_prefix;

use crate::order::{Targets, Task, folder_tag};

/// The path prefix of all keys that stand in paths as digests: their folders cannot be told from the path.
const DIGESTS: &str = "/=.";

/// The path prefixes under which everything made from originals with this key prefix lies.
fn path_prefixes(prefix: &str) -> Vec<String> {
    let escaped = escape(prefix);
    if escaped.is_digest() {
        return vec![DIGESTS.to_owned()];
    }
    vec![format!("/{escaped}"), DIGESTS.to_owned()]
}

/// The selectors of everything made from originals whose key begins so.
pub(crate) fn prefix_selectors(source: &SourceId, prefix: &str) -> Vec<Selector> {
    let tag = folder_tag(source, prefix).map(Selector::Tag);
    tag.into_iter().chain(path_prefixes(prefix).into_iter().map(Selector::Prefix)).collect()
}

/// The selectors that a purge fences.
pub(crate) fn selectors(source: &SourceId, task: &Task) -> Vec<Selector> {
    match (&task.targets, &task.receipt.subject) {
        (Targets::All, _) => vec![Selector::All],
        (Targets::Prefix(prefix), _) => prefix_selectors(source, prefix),
        (Targets::Originals(_), Subject::Folder { prefix, .. }) if task.wide => prefix_selectors(source, prefix),
        (Targets::Originals(targets), _) => {
            targets.iter().map(|target| Selector::Original(target.original.clone())).collect()
        }
    }
}

/// What the outer caches are told, in the given round.
pub(crate) fn invalidation(source: &SourceId, task: &Task, round: u8) -> Invalidation {
    // The moment is in it because ids begin anew when somebody moves the journal away.
    let receipt = &task.receipt;
    let reference = format!("{}-{}-{}-{round}", source.as_str(), receipt.id, receipt.heard_at_ms);
    let originals: Vec<Original> = match &task.targets {
        Targets::Originals(targets) => targets.iter().map(|target| target.original.clone()).collect(),
        Targets::Prefix(_) | Targets::All => Vec::new(),
    };
    let (tag, paths, prefixes): (Option<CacheTag>, _, _) = match (&task.targets, &task.receipt.subject) {
        (Targets::All, _) => (None, Vec::new(), vec!["/".to_owned()]),
        (Targets::Prefix(prefix), _) => (folder_tag(source, prefix), Vec::new(), path_prefixes(prefix)),
        (Targets::Originals(_), Subject::Folder { prefix, .. }) if task.wide => {
            (folder_tag(source, prefix), Vec::new(), path_prefixes(prefix))
        }
        (Targets::Originals(_), _) => {
            let tag = if let [only] = originals.as_slice() { Some(only.tag()) } else { None };
            let paths = originals.iter().map(|original| format!("/{}", original.key.escaped())).collect();
            (tag, paths, originals.iter().map(|original| format!("/{}", derivative_prefix(&original.key))).collect())
        }
    };
    Invalidation { reference, originals, tag, paths, prefixes }
}

#[cfg(test)]
mod tests {
    use afterimage_identity::{FoundBy, OriginalKey};
    use afterimage_variant::{Wanted, canonical_path};
    use proptest::prelude::*;

    use super::*;
    use crate::order::Target;

    fn original(key: &str) -> Original {
        Original::new(SourceId::default(), OriginalKey::new(key).unwrap())
    }

    #[test]
    fn one_original_is_told_by_tag_path_and_prefix() {
        let original = original("p/a b.jpg");
        let targets = Targets::Originals(vec![Target { original: original.clone(), keep: None }]);
        let mut task = Task::new(Subject::Original(original.clone()), targets, "gone", FoundBy::Event, 0);
        task.receipt.id = 7;
        let told = invalidation(&SourceId::default(), &task, 2);
        assert_eq!(told.reference, "main-7-0-2");
        assert_eq!(told.tag, Some(original.tag()));
        assert_eq!(told.paths, ["/p/a=20b.jpg"]);
        assert_eq!(told.prefixes, ["/p/a=20b.jpg/-/"]);
        assert_eq!(selectors(&SourceId::default(), &task), [Selector::Original(original)]);
    }

    proptest! {
        #[test]
        fn a_prefix_covers_every_key_that_begins_so(
            folders in prop::collection::vec("[a-c é]{1,3}", 0..20),
            long in 0usize..260,
            cut in 0.0..1.0f64,
        ) {
            let name = format!("x{}", "y".repeat(long));
            let key = folders.iter().map(String::as_str).chain([name.as_str()]).collect::<Vec<_>>().join("/");
            let original = original(&key);
            let path = canonical_path(&original.key, &Wanted::Original);
            let mut cut = 1 + ((key.len() - 1) as f64 * cut) as usize;
            while !key.is_char_boundary(cut) { cut += 1; }
            let selectors = prefix_selectors(&original.source, &key[..cut]);
            let tags = original.tags();
            prop_assert!(selectors.iter().any(|selector| selector.covers(&path, Some(&original), &tags)), "{} {:?}", path, selectors);
            prop_assert!(path_prefixes(&key[..cut]).iter().any(|prefix| path.starts_with(prefix)));
        }
    }
}
