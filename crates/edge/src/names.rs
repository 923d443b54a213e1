//! Under which names an answer may lie in a cache, for whoever invalidates by the URL that a person knows.

use std::collections::BTreeSet;

use afterimage_variant::{Grant, Hosts, Rules, resolve};

use crate::edge::Edge;

/// One `Accept` for each way in which negotiation can end.
const ACCEPTS: [Option<&str>; 3] = [None, Some("image/webp"), Some("image/avif")];
/// Every grant: who asked when the answer was made is not known any more, and a signature may have expired since.
const GRANTS: [Grant; 4] = [Grant::Public, Grant::Signed, Grant::Open, Grant::Trusted];

impl Edge {
    /// The cache keys of all answers that a request for `target` (path and query) may have brought, whoever asked, on
    /// whatever host, and whichever formats the asker took. Empty where the target can bring none.
    pub fn names(&self, target: &str) -> BTreeSet<String> {
        let live = self.live.load();
        names(&live.config.rules, &live.config.hosts, target)
    }

    /// A host that an original is served on, where that is not any, and what its key is there. Of several hosts the first; a
    /// `*` stands as it is.
    pub fn host_of(&self, key: &str) -> Option<(String, String)> {
        let live = self.live.load();
        let (host, name) = live.config.hosts.host_of(key)?;
        Some((host.to_owned(), name.to_owned()))
    }

    /// What the paths asked on hosts that have a part of the keys to themselves lie below, each with a slash at its end.
    pub fn host_paths(&self) -> Vec<String> {
        self.live.load().config.hosts.spaces().iter().map(|space| space.path().to_owned()).collect()
    }
}

fn names(rules: &Rules, hosts: &Hosts, target: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for grant in GRANTS {
        for accept in ACCEPTS {
            let Ok(resolution) = resolve(rules, target, accept, grant) else { break };
            names.extend(hosts.canonical_paths(&resolution.key, &resolution.wanted));
            if !resolution.vary_accept {
                break;
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use afterimage_variant::Policy;

    use super::*;

    fn check(rules: &Rules, target: &str, expected: &[&str]) {
        let found = names(rules, &Hosts::default(), target);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{target}");
    }

    #[test]
    fn every_outcome_of_negotiation_is_named() {
        let rules = Rules::default();
        check(&rules, "/p/a.jpg?w=400&fm=webp", &["/p/a.jpg/-/w400.webp"]);
        check(
            &rules,
            "/p/a.jpg?w=400&auto=format",
            &["/p/a.jpg/-/w400.any", "/p/a.jpg/-/w400.auto-avif", "/p/a.jpg/-/w400.webp"],
        );
        check(&rules, "/p/a.jpg", &["/p/a.jpg"]);
        check(&rules, "/p/a%20b.jpg?utm_source=x", &["/p/a=20b.jpg"]);
        check(&rules, "/p/a.jpg/-/w400.webp", &["/p/a.jpg/-/w400.webp"]);
        check(&rules, "/p/", &[]);
        check(&rules, "/p/a.jpg?w=abc", &[]);
    }

    #[test]
    fn every_host_is_named() {
        let names_of = ["img.example.com".to_owned()];
        let hosts = Hosts::new([("t/a b/", &names_of[..])]).unwrap();
        let found = names(&Rules::default(), &hosts, "/p.jpg?w=400&fm=webp");
        assert_eq!(Vec::from_iter(found), ["/p.jpg/-/w400.webp", "/t/a=20b/p.jpg/-/w400.webp"]);
        let whole = names(&Rules::default(), &hosts, "/t/a%20b/p.jpg");
        assert!(whole.contains("/t/a=20b/p.jpg"), "whoever knows the key: {whole:?}");
    }

    #[test]
    fn every_grant_is_named() {
        // On the ladder for everybody, as asked for with a signature.
        check(&Rules::default(), "/a.jpg?w=390&fm=jpg", &["/a.jpg/-/w390.jpg", "/a.jpg/-/w400.jpg"]);
        let dims = Rules { policy: Policy::dims(), ..Rules::default() };
        let found = names(&dims, &Hosts::default(), "/a.jpg?d=100");
        for name in ["/a.jpg/-/w100-h100-crop.webp", "/a.jpg/-/w100-h100-crop.same"] {
            assert!(found.contains(name), "{name}: {found:?}");
        }
    }
}
