//! What caches in front hold of what was deleted: as path prefixes, in whichever spelling they know. The published functions
//! leave the query in the cache's key, so only what ends in `*` reaches it; both the path that viewers wrote and the one that
//! it was rewritten to are named. Pure.

use std::collections::BTreeSet;

use afterimage_identity::{Invalidation, escape_beginning};

use crate::plan::{Do, Plan};

/// How many prefixes one invalidation has.
const PREFIXES_MAX: usize = 1000;

/// How much is forgotten together. What is wider costs less, and reaches what was cached and never stored as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Each thing that goes, and each original: `/i/100x100/jpg/a.jpg*` and `/i/a.jpg*`.
    Keys,
    /// Each folder of originals, with the folders of sizes in it: `/i/*`.
    Folders,
    /// Everything: `/*`.
    All,
}

/// What caches in front are told to forget once `plan`, whose digest is `digest`, was carried out.
pub fn forget(plan: &Plan, digest: &str, reach: Reach) -> Vec<Invalidation> {
    let mut keys: BTreeSet<&str> = BTreeSet::new();
    for line in plan.lines.iter().filter(|line| line.act == Do::Delete) {
        let folder = line.original.rfind('/').map_or("", |slash| &line.original[..=slash]);
        match reach {
            Reach::Keys => keys.extend([line.key.as_str(), line.original.as_str()]),
            Reach::Folders => drop(keys.insert(folder)),
            Reach::All => drop(keys.insert("")),
        }
    }
    // What is covered by another need not be said: the shorter one comes first.
    let mut apart: Vec<&str> = Vec::new();
    for key in keys {
        if !apart.last().is_some_and(|last| key.starts_with(last)) {
            apart.push(key);
        }
    }
    let prefixes: Vec<String> = apart.into_iter().map(|key| format!("/{}", escape_beginning(key.as_bytes()))).collect();
    let invalidation = |(number, prefixes): (usize, &[String])| Invalidation {
        reference: format!("adopt-{}-{reach:?}-{number}", &digest[..digest.len().min(16)]).to_ascii_lowercase(),
        originals: Vec::new(),
        tag: None,
        paths: Vec::new(),
        prefixes: prefixes.to_vec(),
    };
    prefixes.chunks(PREFIXES_MAX).enumerate().map(invalidation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Header, Kind, Line};

    #[test]
    fn what_is_wider_is_less() {
        let line = |act, key: &str, original: &str| Line {
            act,
            kind: Kind::Derivative,
            key: key.to_owned(),
            original: original.to_owned(),
            is: None,
            why: Vec::new(),
        };
        let lines = vec![
            line(Do::Delete, "i/100x100/jpg/a b.jpg", "i/a b.jpg"),
            line(Do::Delete, "i/200x200/webp/a b.jpg", "i/a b.jpg"),
            line(Do::Delete, "i/100x100/jpg/200x200/jpg/c.jpg", "i/c.jpg"),
            line(Do::Delete, "j/100x100/d.jpg", "j/d.jpg"),
            line(Do::Keep, "k/100x100/e.jpg", "k/e.jpg"),
        ];
        let plan = Plan { header: Header::new("s3://b/", 0), lines };
        let told = |reach| -> Vec<String> {
            forget(&plan, "0123456789abcdef0", reach).into_iter().flat_map(|one| one.prefixes).collect()
        };
        let keys = [
            "/i/100x100/jpg/200x200/jpg/c.jpg",
            "/i/100x100/jpg/a=20b.jpg",
            "/i/200x200/webp/a=20b.jpg",
            "/i/a=20b.jpg",
            "/i/c.jpg",
            "/j/100x100/d.jpg",
            "/j/d.jpg",
        ];
        assert_eq!(told(Reach::Keys), keys);
        assert_eq!(told(Reach::Folders), ["/i/", "/j/"]);
        assert_eq!(told(Reach::All), ["/"]);
        assert_eq!(forget(&plan, "0123456789abcdef0", Reach::All)[0].reference, "adopt-0123456789abcdef-all-0");
        let nothing = Plan { lines: Vec::new(), ..plan };
        assert!(forget(&nothing, "0", Reach::All).is_empty());
    }
}
