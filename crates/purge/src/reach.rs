//! What a purge reaches: the selectors of its fences and the words for outer caches. Always at least what it is about.

use afterimage_identity::{CacheTag, Invalidation, Original, Selector, SourceId, Subject, escape};
use afterimage_variant::{Hosts, derivative_prefix};

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

/// As [`path_prefixes`], in the paths that hosts are asked for: those of a host's own part go without its prefix.
fn outward_prefixes(hosts: &Hosts, prefix: &str) -> Vec<String> {
    let own = hosts.spaces().iter().find_map(|space| prefix.strip_prefix(space.prefix()));
    let mut prefixes = path_prefixes(own.unwrap_or(prefix));
    if own.is_none() && hosts.spaces().iter().any(|space| space.prefix().starts_with(prefix)) {
        // All that some host has: on it, every path.
        prefixes.push("/".to_owned());
    }
    prefixes
}

/// What the outer caches are told, in the given round: paths as hosts are asked for them. A cache of ours takes them to be meant
/// on every host.
pub(crate) fn invalidation(source: &SourceId, hosts: &Hosts, task: &Task, round: u8) -> Invalidation {
    // The moment is in it because ids begin anew when somebody moves the journal away.
    let receipt = &task.receipt;
    let reference = format!("{}-{}-{}-{round}", source.as_str(), receipt.id, receipt.heard_at_ms);
    let originals: Vec<Original> = match &task.targets {
        Targets::Originals(targets) => targets.iter().map(|target| target.original.clone()).collect(),
        Targets::Prefix(_) | Targets::All => Vec::new(),
    };
    let (tag, paths, prefixes): (Option<CacheTag>, _, _) = match (&task.targets, &task.receipt.subject) {
        (Targets::All, _) => (None, Vec::new(), vec!["/".to_owned()]),
        (Targets::Prefix(prefix), _) => (folder_tag(source, prefix), Vec::new(), outward_prefixes(hosts, prefix)),
        (Targets::Originals(_), Subject::Folder { prefix, .. }) if task.wide => {
            (folder_tag(source, prefix), Vec::new(), outward_prefixes(hosts, prefix))
        }
        (Targets::Originals(_), _) => {
            let tag = if let [only] = originals.as_slice() { Some(only.tag()) } else { None };
            let keys: Vec<_> = originals.iter().map(|original| hosts.outward(&original.key)).collect();
            let paths = keys.iter().map(|key| format!("/{}", key.escaped())).collect();
            (tag, paths, keys.iter().map(|key| format!("/{}", derivative_prefix(key))).collect())
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
        let told = invalidation(&SourceId::default(), &Hosts::default(), &task, 2);
        assert_eq!(told.reference, "main-7-0-2");
        assert_eq!(told.tag, Some(original.tag()));
        assert_eq!(told.paths, ["/p/a=20b.jpg"]);
        assert_eq!(told.prefixes, ["/p/a=20b.jpg/-/"]);
        assert_eq!(selectors(&SourceId::default(), &task), [Selector::Original(original)]);
    }

    #[test]
    fn outer_caches_know_paths_as_hosts_are_asked_for_them() {
        let names = ["one.example".to_owned()];
        let hosts = Hosts::new([("t/one/", &names[..])]).unwrap();
        let told = |key: &str| {
            let original = original(key);
            let targets = Targets::Originals(vec![Target { original: original.clone(), keep: None }]);
            let task = Task::new(Subject::Original(original), targets, "gone", FoundBy::Event, 0);
            let told = invalidation(&SourceId::default(), &hosts, &task, 1);
            (told.paths, told.prefixes)
        };
        assert_eq!(told("t/one/p/a b.jpg"), (vec!["/p/a=20b.jpg".into()], vec!["/p/a=20b.jpg/-/".into()]));
        assert_eq!(told("t/two/a.jpg"), (vec!["/t/two/a.jpg".into()], vec!["/t/two/a.jpg/-/".into()]));
        // The whole key stands as a digest, the key on its host does not.
        let long = format!("{}/{}/{}/xyz", "a".repeat(200), "b".repeat(200), "c".repeat(200)) + &"/d".repeat(46);
        let (paths, _) = told(&format!("t/one/{long}"));
        assert_eq!(paths, [format!("/{long}")]);
        for (prefix, expected) in [
            ("t/one/p/", &["/p/", "/=."][..]),
            ("t/one/", &["/", "/=."]),
            ("t/", &["/t/", "/=.", "/"]),
            ("t/two/", &["/t/two/", "/=."]),
        ] {
            assert_eq!(outward_prefixes(&hosts, prefix), expected, "{prefix}");
        }
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
