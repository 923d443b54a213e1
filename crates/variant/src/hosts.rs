//! Hosts that have a part of the keys to themselves: a prefix that is reached by its hosts and by no other. What a viewer asks
//! such a host for lies below its prefix; a key below the prefix is nothing that any other host has. The host itself stands in no
//! name: the canonical path begins with the whole key and is the one name that caches, tags, listings and purges know.

use std::collections::HashMap;

use afterimage_identity::{OriginalKey, escape_beginning};

use crate::host::host_pattern;
use crate::{Mistake, Refusal, RefusalKind, Resolution, Wanted, canonical_path, natural_path};

/// A part of the keys that has hosts of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    prefix: String,
    path: String,
    hosts: Vec<String>,
}

impl Space {
    /// The beginning of its keys: whole segments, each with its slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the natural paths of its keys would begin with if they could be asked for elsewhere; ends in a slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its hosts, as [`host_pattern`] gives them.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// A request target as asked on one of its hosts, as behaviours and invalidations name it: with the prefix.
    pub fn whole_target(&self, target: &str) -> String {
        format!("{}{}", self.path, target.strip_prefix('/').unwrap_or(target))
    }

    /// The whole key of an original that its hosts call `key`.
    ///
    /// # Errors
    /// Together they are too long for a key.
    pub fn key(&self, key: &OriginalKey) -> Result<OriginalKey, Refusal> {
        OriginalKey::new(&format!("{}{key}", self.prefix))
            .map_err(|why| Refusal::new(RefusalKind::UriTooLong, format!("{why}; the path names no picture")))
    }
}

/// Which hosts have which part of the keys. Without any, every host has all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// In the order of their prefixes, none of which begins another.
    spaces: Vec<Space>,
    names: HashMap<String, usize>,
    /// By what follows `*.`.
    wildcards: HashMap<String, usize>,
}

impl Hosts {
    /// Joins prefixes (each ends in a slash) and the hosts that have them.
    ///
    /// # Errors
    /// Whatever would make it a matter of opinion what a host has: a host that is named twice, a prefix that begins another,
    /// what is no host or no prefix.
    pub fn new<'a>(mounts: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Result<Self, Vec<Mistake>> {
        let mut mounts: Vec<_> = mounts.into_iter().collect();
        mounts.sort_by_key(|(prefix, _)| *prefix);
        let (mut hosts, mut mistakes) = (Self::default(), Vec::new());
        let mut wrong = |value: &str, remedy: String| {
            mistakes.push(Mistake { key: "hosts".to_owned(), value: value.to_owned(), remedy });
        };
        for (prefix, names) in mounts {
            let Some(key) = prefix.strip_suffix('/').and_then(|inner| OriginalKey::new(inner).ok()) else {
                wrong(prefix, "is no prefix of keys; write whole segments with a slash at the end".to_owned());
                continue;
            };
            // Sorted, a prefix that begins another stands right before one that it begins.
            if let Some(other) = hosts.spaces.last().filter(|other| prefix.starts_with(&other.prefix)) {
                wrong(prefix, format!("lies below {}, which has hosts of its own; keep them apart", other.prefix));
                continue;
            }
            let at = hosts.spaces.len();
            let path = format!("{}/", natural_path(&key));
            hosts.spaces.push(Space { prefix: prefix.to_owned(), path, hosts: Vec::new() });
            for name in names {
                let pattern = match host_pattern(name) {
                    Ok(pattern) => pattern,
                    Err(remedy) => {
                        wrong(name, remedy.to_owned());
                        continue;
                    }
                };
                hosts.spaces[at].hosts.push(pattern.clone());
                let before = match pattern.strip_prefix("*.") {
                    Some(rest) => hosts.wildcards.insert(rest.to_owned(), at),
                    None => hosts.names.insert(pattern, at),
                };
                if let Some(before) = before {
                    wrong(name, format!("is a host of {} already; name each host once", hosts.spaces[before].prefix));
                }
            }
        }
        if mistakes.is_empty() { Ok(hosts) } else { Err(mistakes) }
    }

    /// Whether no part of the keys has hosts of its own.
    pub fn is_empty(&self) -> bool {
        self.spaces.is_empty()
    }

    /// The parts that have hosts.
    pub fn spaces(&self) -> &[Space] {
        &self.spaces
    }

    /// What the host of this name has to itself; `None`: what is nobody's. The name is as [`host_name`](crate::host_name) gives it. A host that is
    /// named goes before a `*`.
    pub fn space(&self, name: &str) -> Option<&Space> {
        let wild = || self.wildcards.get(name.split_once('.')?.1);
        self.names.get(name).or_else(wild).map(|at| &self.spaces[*at])
    }

    /// The part that a key lies in; `None`: in what is nobody's.
    pub fn space_of(&self, key: &str) -> Option<&Space> {
        // No prefix begins another: only the last of those that come before the key can begin it.
        let after = self.spaces.partition_point(|space| space.prefix.as_str() <= key);
        self.spaces[..after].last().filter(|space| key.starts_with(&space.prefix))
    }

    /// The first host that a key is served on, where that is not any, and what it is called there.
    pub fn host_of<'a>(&'a self, key: &'a str) -> Option<(&'a str, &'a str)> {
        let space = self.space_of(key)?;
        Some((space.hosts.first()?, &key[space.prefix.len()..]))
    }

    /// What a key is called on the hosts that it is served on: the key itself, or without the prefix that its hosts have.
    pub fn outward(&self, key: &OriginalKey) -> OriginalKey {
        let own =
            self.space_of(key.as_str()).and_then(|space| OriginalKey::new(&key.as_str()[space.prefix.len()..]).ok());
        own.unwrap_or_else(|| key.clone())
    }

    /// Whether a path, as it is spelled, begins like the natural or canonical paths of a part that has hosts.
    pub fn have_path(&self, path: &str) -> bool {
        let escaped = |space: &Space| format!("/{}", escape_beginning(space.prefix.as_bytes()));
        self.spaces.iter().any(|space| path.starts_with(&space.path) || path.starts_with(&escaped(space)))
    }

    /// What a resolved target comes to on a host that has `space`.
    ///
    /// # Errors
    /// `NotFound` for a key that other hosts have to themselves, whether or not there is such an original; `UriTooLong`.
    pub fn place(&self, space: Option<&Space>, resolution: Resolution) -> Result<Resolution, Refusal> {
        match space {
            Some(space) => {
                let key = space.key(&resolution.key)?;
                Ok(Resolution { canonical_path: canonical_path(&key, &resolution.wanted), key, ..resolution })
            }
            None if self.space_of(resolution.key.as_str()).is_some() => {
                Err(Refusal::new(RefusalKind::NotFound, "the path names nothing on this host"))
            }
            None => Ok(resolution),
        }
    }

    /// The canonical paths that one key and wish may have come to, on whatever host they were asked for.
    pub fn canonical_paths(&self, key: &OriginalKey, wanted: &Wanted) -> Vec<String> {
        let below = self.spaces.iter().filter_map(|space| Some(canonical_path(&space.key(key).ok()?, wanted)));
        std::iter::once(canonical_path(key, wanted)).chain(below).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Grant, Rules, host_name, resolve};

    fn hosts(mounts: &[(&str, &[&str])]) -> Result<Hosts, Vec<Mistake>> {
        let mounts: Vec<(&str, Vec<String>)> =
            mounts.iter().map(|(prefix, names)| (*prefix, names.iter().map(ToString::to_string).collect())).collect();
        Hosts::new(mounts.iter().map(|(prefix, names)| (*prefix, names.as_slice())))
    }

    fn two() -> Hosts {
        hosts(&[("b/c d/", &["*.cdn.example", "b.example"]), ("a/", &["img.example.com", "vip.cdn.example"])]).unwrap()
    }

    #[test]
    fn a_named_host_goes_before_a_star_and_a_star_is_one_label() {
        let hosts = two();
        for (name, prefix) in [
            ("img.example.com", Some("a/")),
            ("vip.cdn.example", Some("a/")),
            ("x.cdn.example", Some("b/c d/")),
            ("b.example", Some("b/c d/")),
            ("cdn.example", None),
            ("x.y.cdn.example", None),
            ("example.com", None),
            ("localhost", None),
        ] {
            assert_eq!(hosts.space(name).map(Space::prefix), prefix, "{name}");
        }
        for (key, prefix) in [
            ("a/x", Some("a/")),
            ("b/c d/x/y", Some("b/c d/")),
            ("a", None),
            ("ab/x", None),
            ("b/c", None),
            ("b/c dd/x", None),
            ("0", None),
            ("z", None),
        ] {
            assert_eq!(hosts.space_of(key).map(Space::prefix), prefix, "{key}");
        }
    }

    #[test]
    fn what_would_be_a_matter_of_opinion_is_refused() {
        for (mounts, value, words) in [
            (&[("a/", &["x.example"][..]), ("b/", &["X.example."])][..], "X.example.", "host of a/ already"),
            (&[("a/", &["*.x.example", "*.x.example"])], "*.x.example", "host of a/ already"),
            (&[("a/", &["x.example"]), ("a/b/", &["y.example"])], "a/b/", "lies below a/"),
            (&[("a/", &["x.example"]), ("a/", &["y.example"])], "a/", "lies below a/"),
            (&[("a", &["x.example"])], "a", "no prefix"),
            (&[("", &["x.example"])], "", "no prefix"),
            (&[("a/", &["https://x.example"])], "https://x.example", "scheme"),
        ] {
            let found = hosts(mounts).unwrap_err();
            assert!(found.iter().any(|one| one.value == value && one.remedy.contains(words)), "{mounts:?}: {found:?}");
        }
        assert!(hosts(&[("a/", &["x.example"]), ("ab/", &["y.example"])]).is_ok());
    }

    /// What a target comes to on a host: its canonical path, or the kind of its refusal.
    fn asked(hosts: &Hosts, host: &str, target: &str, grant: Grant) -> Result<String, RefusalKind> {
        let space = hosts.space(&host_name(host).unwrap());
        let resolution = resolve(&Rules::default(), target, None, grant);
        resolution
            .and_then(|resolution| hosts.place(space, resolution))
            .map(|it| it.canonical_path)
            .map_err(|it| it.kind)
    }

    #[test]
    fn a_host_has_its_part_and_nobody_else_has_it() {
        let hosts = two();
        for (host, target, expected) in [
            ("img.example.com", "/p.jpg?w=300&fm=webp", Ok("/a/p.jpg/-/w300.webp")),
            ("img.example.com", "/p.jpg/-/w300.webp", Ok("/a/p.jpg/-/w300.webp")),
            ("img.example.com", "/p.jpg", Ok("/a/p.jpg")),
            ("x.cdn.example", "/p.jpg?w=300&fm=webp", Ok("/b/c=20d/p.jpg/-/w300.webp")),
            // With the prefix it is another original of the same host.
            ("img.example.com", "/a/p.jpg/-/w300.webp", Ok("/a/a/p.jpg/-/w300.webp")),
            ("localhost", "/p.jpg", Ok("/p.jpg")),
            // No other host has it, however it is spelled.
            ("localhost", "/a/p.jpg?w=300", Err(RefusalKind::NotFound)),
            ("localhost", "/%61/p.jpg?w=300", Err(RefusalKind::NotFound)),
            ("localhost", "/a/p.jpg/-/w300.webp", Err(RefusalKind::NotFound)),
            ("localhost", "/b/c%20d/p.jpg", Err(RefusalKind::NotFound)),
            ("localhost", "/b/c=20d/p.jpg/-/w300.webp", Err(RefusalKind::NotFound)),
            ("localhost", "/b/c=20d/p.jpg", Ok("/b/c=3D20d/p.jpg")),
            // And nothing leads out of it.
            ("img.example.com", "/../p.jpg", Err(RefusalKind::BadRequest)),
            ("img.example.com", "/%2e%2e/p.jpg", Err(RefusalKind::BadRequest)),
            ("img.example.com", "/..%2fp.jpg", Err(RefusalKind::BadRequest)),
            ("img.example.com", "/../p.jpg/-/w300.webp", Err(RefusalKind::NotFound)),
            ("img.example.com", "//p.jpg", Err(RefusalKind::NotFound)),
            ("img.example.com", "/", Err(RefusalKind::NotFound)),
        ] {
            for grant in [Grant::Public, Grant::Signed, Grant::Open] {
                assert_eq!(asked(&hosts, host, target, grant), expected.map(str::to_owned), "{host}{target} {grant:?}");
            }
        }
        assert_eq!(asked(&hosts, "localhost", "/a/p.jpg", Grant::Trusted), Err(RefusalKind::NotFound));
        let long = format!("/{}", "k/".repeat(2047) + "ab");
        assert!(asked(&hosts, "localhost", &long, Grant::Open).is_ok());
        assert_eq!(asked(&hosts, "img.example.com", &long, Grant::Open), Err(RefusalKind::UriTooLong));
    }

    #[test]
    fn paths_below_a_prefix_are_known_in_both_spellings() {
        let hosts = two();
        for (path, yes) in
            [("/a/x", true), ("/b/c%20d/x", true), ("/b/c=20d/x", true), ("/ab", false), ("/a", false), ("/b/x", false)]
        {
            assert_eq!(hosts.have_path(path), yes, "{path}");
        }
    }

    #[test]
    fn keys_go_out_as_they_came_in() {
        let hosts = two();
        let space = hosts.space("b.example").unwrap();
        for (key, outward) in [("b/c d/p.jpg", "p.jpg"), ("a/x/p.jpg", "x/p.jpg"), ("c/p.jpg", "c/p.jpg")] {
            assert_eq!(hosts.outward(&OriginalKey::new(key).unwrap()).as_str(), outward);
        }
        assert_eq!((space.path(), space.whole_target("/x?d=1").as_str()), ("/b/c%20d/", "/b/c%20d/x?d=1"));
    }

    proptest! {
        /// Whatever is asked for on a host lies below its prefix, and never in another's.
        #[test]
        fn no_target_leaves_its_space(target in "/[a-c./%0-9=-]{0,24}(\\?w=100)?") {
            let hosts = hosts(&[("a/", &["a.example"]), ("b/", &["b.example"])]).unwrap();
            for (host, beginning) in [("a.example", "/a/"), ("b.example", "/b/")] {
                if let Ok(path) = asked(&hosts, host, &target, Grant::Open) {
                    prop_assert!(path.starts_with(beginning) || path.starts_with("/=."), "{path}");
                }
            }
            if let Ok(path) = asked(&hosts, "localhost", &target, Grant::Open) {
                // What is called `a` itself lies below nobody's prefix, and its variants are `a/-/…`.
                let is_below = |beginning| path.strip_prefix(beginning).is_some_and(|rest| !rest.starts_with("-/"));
                prop_assert!(!is_below("/a/") && !is_below("/b/"), "{path}");
            }
        }

        #[test]
        fn the_way_out_leads_back_in(key in "[a-z é~]{1,8}(/[a-z é~]{1,8}){0,2}") {
            let hosts = two();
            let space = hosts.space("b.example").unwrap();
            let Ok(key) = OriginalKey::new(&key) else { return Ok(()) };
            prop_assert_eq!(hosts.outward(&space.key(&key).unwrap()), key);
        }
    }
}
