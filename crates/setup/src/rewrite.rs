//! The settings as the CloudFront Function takes them, and what it cannot do of them.

use afterimage_edge::Rewrite;
use afterimage_rewrite::EdgePolicy;

use crate::choice::OriginalsMode;
use crate::{Mistake, Settings};

/// What a function is made from, and what whoever puts it up should know.
#[derive(Clone, Debug)]
pub struct AtTheEdge {
    /// What the function goes by.
    pub policy: EdgePolicy,
    /// What it does otherwise than the server, and why that is no obstacle.
    pub notes: Vec<String>,
}

impl Settings {
    /// The policy of a public listener for the function in front of CloudFront's cache. With `originals_origin`, bare originals
    /// go to the origin of that id, past the render function.
    ///
    /// # Errors
    /// Every setting that would make the function answer otherwise than a server.
    pub fn at_the_edge(&self, originals_origin: Option<&str>) -> Result<AtTheEdge, Vec<Mistake>> {
        let mistakes = self.beyond_the_edge(originals_origin.is_some());
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let http = &self.http;
        let everybody = http.cors_origins.iter().any(|origin| origin == "*");
        let mut headers = vec![("x-content-type-options".to_owned(), "nosniff".to_owned())];
        if everybody {
            headers.push(("access-control-allow-origin".to_owned(), "*".to_owned()));
        }
        let policy = EdgePolicy {
            rules: self.rules(),
            hosts: self.hosts()?,
            denies_originals: self.originals.mode == OriginalsMode::Deny,
            originals_origin: originals_origin.map(str::to_owned),
            headers,
            cors_origins: if everybody { Vec::new() } else { http.cors_origins.clone() },
            error_age_s: u32::try_from(http.error_age.as_secs()).unwrap_or(u32::MAX),
        };
        let mut notes = Vec::new();
        if http.fallback_picture.is_some() {
            notes.push("http.fallback_picture: a path that names no picture is answered in words, since the function has no room for a picture; an original that is not there is still answered with it, by the render function".to_owned());
        }
        if !policy.hosts.is_empty() {
            notes.push("hosts of mounts: the function writes whole paths, prefix included, so that one cache key is one picture on every host; leave `hosts` out of the render function's mounts".to_owned());
        }
        if originals_origin.is_some() {
            notes.push("--cheap: bare originals come from their bucket as they are, metadata, cache lifetime and SVGs with them; nothing checks that they are pictures".to_owned());
        }
        Ok(AtTheEdge { policy, notes })
    }

    /// What the function cannot do as a server does it.
    fn beyond_the_edge(&self, cheap: bool) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut cannot = |key: &str, value: String, remedy: &str| mistakes.push(Mistake::new(key, Some(value), remedy));
        if self.policy.open {
            cannot(
                "policy.open",
                "true".to_owned(),
                "lifts the policy on loopback alone; the function is for everybody",
            );
        }
        if let Some(origin) = &self.pass.origin {
            let remedy = "the function answers for pictures alone; give what is no picture a cache behaviour of its own without the function, and leave this out of its configuration";
            cannot("pass.origin", format!("\"{origin}\""), remedy);
        }
        if self.behaviours.0.iter().any(|route| route.rewrite == Rewrite::Dims) {
            let remedy = "rewrites to the published functions' paths; the function knows one canonical path alone";
            cannot("behaviours.rewrite", "\"dims\"".to_owned(), remedy);
        }
        if cheap && self.originals.mode == OriginalsMode::Sanitised {
            let remedy = "--cheap sends bare originals from their bucket with all that is in them; say so with \"as-is\", or refuse them with \"deny\"";
            cannot("originals.mode", "\"sanitised\"".to_owned(), remedy);
        }
        if cheap && !self.mounts().is_empty() {
            let remedy = "--cheap knows one bucket of originals; serve mounts through the render function";
            cannot("source.mounts", format!("{} of them", self.mounts().len()), remedy);
        }
        mistakes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Sources;

    fn settings(overrides: &[(&str, &str)]) -> Settings {
        Settings::load(&Sources::overriding(overrides)).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
    }

    #[test]
    fn what_the_edge_cannot_do_is_named() {
        for (overrides, cheap, words) in [
            (&[("pass.origin", "https://www.example.com/")][..], None, "pass.origin = \"https://www.example.com/\""),
            (&[("policy.open", "true")], None, "policy.open = true"),
            (&[("originals.mode", "sanitised")], Some("originals"), "originals.mode = \"sanitised\""),
            (
                &[("originals.mode", "as-is"), ("source.mounts", "team/ /srv/team")],
                Some("originals"),
                "source.mounts = 1 of them",
            ),
        ] {
            let mistakes = settings(overrides).at_the_edge(cheap).unwrap_err();
            assert!(mistakes.iter().any(|mistake| mistake.to_string().contains(words)), "{words}: {mistakes:?}");
        }
    }

    #[test]
    fn what_is_done_otherwise_is_said() {
        let as_is = settings(&[("originals.mode", "as-is"), ("http.cors_origins", "https://a.example")]);
        let cheap = as_is.at_the_edge(Some("pictures")).unwrap();
        assert!(cheap.notes.iter().any(|note| note.starts_with("--cheap")), "{:?}", cheap.notes);
        assert_eq!(cheap.policy.originals_origin.as_deref(), Some("pictures"));
        assert_eq!(cheap.policy.cors_origins, ["https://a.example"]);
        let plain = settings(&[]).at_the_edge(None).unwrap();
        assert!(plain.notes.is_empty() && plain.policy.cors_origins.is_empty(), "{plain:?}");
        let hosts = settings(&[("source.mounts", "team/ hosts=team.example /srv/team")]).at_the_edge(None).unwrap();
        assert!(hosts.notes[0].contains("leave `hosts` out"), "{:?}", hosts.notes);
    }
}
