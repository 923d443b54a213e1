//! What targets came to. Reading a URL and asking policy and signature about it is pure: the same target under the same
//! settings always comes to the same. So the URLs that are asked for again and again are read once.

use std::hash::{Hash, RandomState};
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, Weighter};

use crate::Door;
use crate::viewer_request::Authorised;

/// All that is remembered, roughly: some ten thousand URLs of usual lengths.
const BYTES_MAX: u64 = 8 << 20;
/// A longer target, or `Accept`, is read every time: one of them must not take the place of many.
const TEXT_BYTES_MAX: usize = 1024;
/// What one takes beside its texts: the places in the map, the request that was authorised, its variant and its name.
const OVERHEAD_BYTES: u64 = 512;

/// Everything that a verdict depends on, settings aside.
#[derive(Clone, Copy, Hash)]
pub(crate) struct Asked<'a> {
    pub(crate) target: &'a str,
    pub(crate) accept: Option<&'a str>,
    pub(crate) door: Door,
    /// The part of the keys that the asked host has to itself.
    pub(crate) prefix: Option<&'a str>,
}

/// The same, to be kept. Hashed field by field as [`Asked`] is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Known {
    target: Box<str>,
    accept: Option<Box<str>>,
    door: Door,
    prefix: Option<Box<str>>,
}

impl Equivalent<Known> for Asked<'_> {
    fn equivalent(&self, known: &Known) -> bool {
        *self.target == *known.target
            && self.accept == known.accept.as_deref()
            && self.door == known.door
            && self.prefix == known.prefix.as_deref()
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<Known, Arc<Authorised>> for Weight {
    fn weight(&self, known: &Known, authorised: &Arc<Authorised>) -> u64 {
        // Changes and ignored names quote the target, at most once each.
        let texts = 3 * known.target.len() + known.accept.as_deref().map_or(0, str::len) + 2 * authorised.path.len();
        OVERHEAD_BYTES + texts as u64
    }
}

/// The verdicts under one set of settings; other settings begin with an empty one.
///
/// What depends on the time is never in it, refusals neither: those who ask for nonsense find nothing to fill.
pub(crate) struct Memo {
    // Keyed afresh in every process: targets come from outside.
    verdicts: Cache<Known, Arc<Authorised>, Weight, RandomState>,
}

impl Memo {
    pub(crate) fn new() -> Self {
        let items = (BYTES_MAX / (2 * OVERHEAD_BYTES)) as usize;
        Self { verdicts: Cache::with(items, BYTES_MAX, Weight, RandomState::new(), DefaultLifecycle::default()) }
    }

    pub(crate) fn get(&self, asked: &Asked<'_>) -> Option<Arc<Authorised>> {
        self.verdicts.get(asked)
    }

    pub(crate) fn keep(&self, asked: &Asked<'_>, authorised: &Arc<Authorised>) {
        let Asked { target, accept, door, prefix } = *asked;
        let bytes = target.len().max(accept.map_or(0, str::len));
        if authorised.remarks.expires_in_s.is_some() || bytes > TEXT_BYTES_MAX {
            return;
        }
        let known =
            Known { target: target.into(), accept: accept.map(Into::into), door, prefix: prefix.map(Into::into) };
        self.verdicts.insert(known, authorised.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use afterimage_identity::ManualClock;
    use afterimage_variant::{Scheme, SigningKey, sign};
    use http::Request;

    use super::*;
    use crate::config::Live;
    use crate::viewer_request::{Entered, enter};
    use crate::{Config, Failure};

    fn live(keys: Vec<SigningKey>) -> Live {
        let mut config = Config::default();
        config.rules.keys = keys;
        Live::new(config)
    }

    fn path(live: &Live, clock: &ManualClock, door: Door, target: &str, accept: &str) -> Result<String, Failure> {
        let request = Request::get(target).header("accept", accept).body(()).unwrap().into_parts().0;
        match enter(live, door, &request, clock) {
            Entered::Authorised(asked) => Ok(asked.path.clone()),
            Entered::Refused(failure) => Err(failure),
            Entered::Preflight | Entered::Method => unreachable!("it is a GET"),
        }
    }

    #[test]
    fn whatever_a_verdict_depends_on_tells_it_apart() {
        let (live, clock) = (live(Vec::new()), ManualClock::default());
        // Twice: the second time from memory.
        for _ in 0..2 {
            for (door, target, accept, expected) in [
                (Door::Public, "/a.jpg?w=400&auto=format", "image/webp", Some("/a.jpg/-/w400.webp")),
                (Door::Public, "/a.jpg?w=400&auto=format", "*/*", Some("/a.jpg/-/w400.any")),
                (Door::Public, "/a.jpg?w=640&auto=format", "*/*", Some("/a.jpg/-/w640.any")),
                (Door::Open, "/a.jpg?w=390&fm=jpg", "*/*", Some("/a.jpg/-/w390.jpg")),
                (Door::Public, "/a.jpg?w=390&fm=jpg", "*/*", Some("/a.jpg/-/w400.jpg")),
                (Door::Trusted, "/a.jpg/-/w391.jpg", "*/*", Some("/a.jpg/-/w391.jpg")),
                (Door::Public, "/a.jpg/-/w391.jpg", "*/*", None),
            ] {
                let found = path(&live, &clock, door, target, accept);
                assert_eq!(found.as_deref().ok(), expected, "{door:?} {target} {accept}");
            }
        }
        assert_eq!(live.memo.verdicts.len(), 6);
    }

    #[test]
    fn a_host_that_has_keys_to_itself_tells_verdicts_apart() {
        let hosts = ["a.example".to_owned()];
        let hosts = afterimage_variant::Hosts::new([("a/", hosts.as_slice())]).unwrap();
        let (live, clock) = (Live::new(Config { hosts, ..Config::default() }), ManualClock::default());
        for _ in 0..2 {
            for (host, expected) in [("a.example", "/a/x.jpg/-/w400.jpg"), ("b.example", "/x.jpg/-/w400.jpg")] {
                let request = Request::get("/x.jpg?w=400&fm=jpg").header("host", host).body(()).unwrap();
                let Entered::Authorised(asked) = enter(&live, Door::Public, &request.into_parts().0, &clock) else {
                    panic!("{host} is refused")
                };
                assert_eq!(asked.path, expected, "{host}");
            }
        }
    }

    #[test]
    fn a_signature_that_expires_is_looked_at_every_time() {
        let key = SigningKey { name: "k".into(), secret: vec![7; 32], scheme: Scheme::HmacSha256 };
        let (live, clock) = (live(vec![key.clone()]), ManualClock::default());
        let for_ever = sign(&key, "/a.jpg?w=391&fm=jpg");
        let until = sign(&key, "/a.jpg?w=391&fm=jpg&expires=1790000010");
        for (seconds, holds) in [(0, true), (9, true), (1, false)] {
            clock.advance(Duration::from_secs(seconds));
            assert!(path(&live, &clock, Door::Public, &for_ever, "*/*").is_ok());
            assert_eq!(path(&live, &clock, Door::Public, &until, "*/*").is_ok(), holds, "{seconds} s later");
        }
        let forged = for_ever.replace("w=391", "w=392");
        assert!(path(&live, &clock, Door::Public, &forged, "*/*").is_err());
        assert_eq!(live.memo.verdicts.len(), 1);
    }

    #[test]
    fn it_is_bounded_in_bytes() {
        let (live, clock) = (live(Vec::new()), ManualClock::default());
        let of = |bytes: usize| format!("/{}/{}.jpg?w=400&fm=jpg", "x".repeat(150), "y".repeat(bytes));
        for at in 0..40_000 {
            path(&live, &clock, Door::Public, &format!("{}&ixid={at}", of(150)), "*/*").unwrap();
        }
        assert!(live.memo.verdicts.weight() <= BYTES_MAX && live.memo.verdicts.len() > 3_000);
        // At the bound and one past it.
        let (live, clock) = (self::live(Vec::new()), ManualClock::default());
        let padded = |bytes: usize| {
            let target = "/a.jpg?w=400&fm=jpg&ixid=";
            format!("{target}{}", "z".repeat(bytes - target.len()))
        };
        for (bytes, kept) in [(TEXT_BYTES_MAX + 1, 0), (TEXT_BYTES_MAX, 1)] {
            path(&live, &clock, Door::Public, &padded(bytes), "*/*").unwrap();
            assert_eq!(live.memo.verdicts.len(), kept, "{bytes}");
        }
        path(&live, &clock, Door::Public, "/a.jpg?w=400&fm=jpg", &"*/*,".repeat(300)).unwrap();
        assert_eq!(live.memo.verdicts.len(), 1);
    }
}
