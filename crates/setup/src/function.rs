//! The read story alone, for a process that is asked one thing at a time, is put to sleep in between, and may never wake up: a
//! function in front of buckets. No lock, no state, no write story, and nothing that counts on a clock that goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use afterimage_edge::{Edge, Parts, Pool, Renderer};
use afterimage_identity::{Clock, Notice};
use afterimage_store::Asker;

use crate::choice::OnUnprovable;
use crate::mistake::Mistake;
use crate::size::Bytes;
use crate::table::Settings;
use crate::value::quoted;
use crate::wire::{self, Proof, WireError, Wiring};
use crate::{Source, Sources, bucket};

/// The longest answer that a function may stream: 200 MB, its head included
/// (docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html).
pub const FUNCTION_ANSWER_BYTES_MAX: u64 = 200 << 20;
/// A bare original is answered as long as it is; this much is left for the head.
const ORIGINAL_BYTES_MAX: u64 = FUNCTION_ANSWER_BYTES_MAX - (1 << 20);

impl Settings {
    /// The settings of a function: from its environment, and from the file that `AFTERIMAGE_CONFIG` names there, beside the
    /// bootstrap where its path is relative.
    ///
    /// # Errors
    /// Every mistake; that the file cannot be read is one.
    pub fn of_function(environment: BTreeMap<String, String>) -> Result<Self, Vec<Mistake>> {
        let read = |path: &Path| std::fs::read_to_string(path);
        let file = match environment.get("AFTERIMAGE_CONFIG").filter(|name| !name.is_empty()) {
            Some(name) => {
                let path = environment.get("LAMBDA_TASK_ROOT").map(PathBuf::from).unwrap_or_default().join(name);
                let wrong = |error| vec![Mistake::new("AFTERIMAGE_CONFIG", Some(quoted(name)), format!("{error}"))];
                Some((path.clone(), read(&path).map_err(wrong)?))
            }
            None => None,
        };
        Self::load(&Sources { file, environment, overrides: Vec::new(), read_secret: &read })
    }

    /// What a function cannot do of what these settings ask for.
    ///
    /// # Errors
    /// Every mistake, with its remedy.
    pub fn fit_a_function(&self) -> Result<(), Vec<Mistake>> {
        let mut found = Vec::new();
        let mut wrong = |key, value: Option<String>, remedy: &str| {
            found.push(Mistake::new(key, value.as_deref().map(quoted), remedy))
        };
        let folder = "a function has no folder that lasts; name a bucket, s3://BUCKET/PREFIX";
        match self.root_source() {
            None => wrong("source.url", None, "is not set; name the bucket of originals, s3://BUCKET/PREFIX"),
            Some(Source::Directory(path)) => wrong("source.directory", Some(path.display().to_string()), folder),
            Some(Source::Url(_) | Source::Bucket(_)) => {}
        }
        for mount in self.mounts().iter().filter(|mount| mount.source.directory().is_some()) {
            wrong("source.mounts", Some(mount.source.to_string()), folder);
        }
        if self.derivatives.url.is_none() {
            wrong("derivatives.url", None, "is not set; name the bucket of derivatives, s3://BUCKET/PREFIX");
        }
        if let Some(path) = &self.cache.disk_directory {
            let remedy = "a function's disk is gone with it, and no purge reaches it; leave it out";
            wrong("cache.disk_directory", Some(path.display().to_string()), remedy);
        }
        if let Some(url) = &self.pass.origin {
            let remedy = "how long an answer is fresh cannot be counted on a clock that may stand still between two requests; let \
                          the CDN send there what is no picture";
            wrong("pass.origin", Some(url.clone()), remedy);
        }
        if self.source.on_unprovable != OnUnprovable::Refuse {
            let remedy = "a function's clock may stand still between two requests, so nothing could be served for so long and \
                          no longer; leave it at \"503\"";
            wrong("source.on_unprovable", None, remedy);
        }
        if self.limits.source_bytes_max.get() > ORIGINAL_BYTES_MAX {
            let remedy = format!("a function streams 200 MB at most; use {} or less", Bytes(ORIGINAL_BYTES_MAX));
            wrong("limits.source_bytes_max", Some(self.limits.source_bytes_max.to_string()), &remedy);
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

impl Wiring {
    /// As a function needs it: `memory_bytes` is all that the process may take.
    ///
    /// Every request asks the source anew. What was proven before the process was put to sleep is of an age that no clock of its
    /// own is sure to know (a frozen machine's clocks may have stood still), so no proof outlives the request that asked for it,
    /// and the bound on serving what is deleted holds with a window of zero.
    #[must_use]
    pub fn for_function(mut self, memory_bytes: u64) -> Self {
        self.cache.window = Duration::ZERO;
        self.cache.windows.iter_mut().for_each(|(_, window)| *window = Duration::ZERO);
        // What is cached helps only the next request to the same process; renders must not be killed for it.
        self.cache.bytes_max = self.cache.bytes_max.min(memory_bytes / 8).max(1);
        if self.edge.copies {
            // Whoever asks does so because a copy is missing. A fill writes one; an answer from memory would leave it so.
            self.cache.bytes_max = 1;
        }
        self.cache.item_bytes_max = self.cache.item_bytes_max.min(self.cache.bytes_max);
        self.pool.memory_bytes_max = self.pool.memory_bytes_max.min(memory_bytes / 2);
        self
    }
}

/// Joins the parts of the read story. Nothing is asked of any bucket yet: that time would be the first viewer's.
///
/// # Errors
/// [`WireError`] says which part could not be had.
pub fn wire_function(wiring: &Wiring, clock: Arc<dyn Clock>, notice: Arc<dyn Notice>) -> Result<Arc<Edge>, WireError> {
    let pool = Pool::start(wiring.pool, clock.clone()).map_err(WireError::Threads)?;
    let (mut servers, mut recoverable) = (Vec::new(), Vec::new());
    let (originals, _) = wire::open_sources(wiring, &clock, Proof::WhenNeeded, &mut servers, &mut recoverable)?;
    let config = wiring.derivatives_bucket.as_ref();
    let none = || afterimage_store::Error::Io { why: "no bucket of derivatives is named".into() };
    let parts = Parts {
        originals: originals.clone(),
        derivatives: bucket::open_derivatives(config.ok_or_else(none)?, Proof::WhenNeeded)?,
        ask: Arc::new(Asker::new(originals, clock.clone())),
        cache: afterimage_cache::Cache::new(wiring.cache.clone()),
        renderer: Arc::new(pool) as Arc<dyn Renderer>,
        upstream: None,
        notice,
        clock,
    };
    Ok(Edge::new(wiring.edge.clone(), parts))
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    use super::*;

    fn check(set: &[(&str, &str)], expected: &[&str]) {
        let environment = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let read_secret: crate::ReadSecret<'_> = &|path: &std::path::Path| std::fs::read_to_string(path);
        let sources = crate::Sources { file: None, environment, overrides: Vec::new(), read_secret };
        let settings = Settings::load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let found = settings.fit_a_function().err().unwrap_or_default();
        let keys: Vec<_> = found.iter().map(|mistake| mistake.key.clone()).collect();
        assert_eq!(keys, expected, "{set:?}");
    }

    #[test]
    fn with_copies_nothing_is_kept_in_memory() {
        let bytes_max = |copies: &str| {
            let pairs = [
                ("AFTERIMAGE_SOURCE_URL", "s3://pictures/"),
                ("AFTERIMAGE_DERIVATIVES_URL", "s3://derived/"),
                ("AFTERIMAGE_DERIVATIVES_COPIES", copies),
            ];
            let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let settings = Settings::load(&crate::Sources { environment, ..Default::default() }).unwrap();
            let source = settings.root_source().unwrap();
            let homes = [("HOME".to_owned(), "/home/nobody".to_owned())].into();
            let locations = crate::locations(&source, &homes).unwrap();
            let wiring = settings.wiring(&source, &locations, &|path| std::fs::read(path)).unwrap();
            let wiring = wiring.for_function(1 << 30);
            (wiring.edge.copies, wiring.cache.bytes_max, wiring.cache.item_bytes_max)
        };
        assert_eq!(bytes_max("true"), (true, 1, 1));
        assert_eq!(bytes_max("false"), (false, 128 << 20, 32 << 20));
    }

    #[test]
    fn what_a_function_cannot_do_is_a_mistake() {
        const SOURCE: (&str, &str) = ("AFTERIMAGE_SOURCE_URL", "s3://pictures/");
        const DERIVED: (&str, &str) = ("AFTERIMAGE_DERIVATIVES_URL", "s3://derived/");
        check(&[SOURCE, DERIVED], &[]);
        check(&[], &["source.url", "derivatives.url"]);
        check(&[SOURCE], &["derivatives.url"]);
        check(&[SOURCE, DERIVED, ("AFTERIMAGE_CACHE_DISK_DIRECTORY", "/tmp/x")], &["cache.disk_directory"]);
        check(&[SOURCE, DERIVED, ("AFTERIMAGE_SOURCE_ON_UNPROVABLE", "5m")], &["source.on_unprovable"]);
        check(&[SOURCE, DERIVED, ("AFTERIMAGE_PASS_ORIGIN", "https://www.example.com/")], &["pass.origin"]);
        let bytes = |text| [SOURCE, DERIVED, ("AFTERIMAGE_LIMITS_SOURCE_BYTES_MAX", text)];
        check(&bytes("199MiB"), &[]);
        check(&bytes("200MiB"), &["limits.source_bytes_max"]);
    }

    #[test]
    fn a_file_lies_beside_the_bootstrap_and_one_that_cannot_be_read_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("own.toml"), "[source]\nname = \"shop\"\n").unwrap();
        let root = folder.path().display().to_string();
        let load = |name: &str| {
            let pairs = [("AFTERIMAGE_CONFIG", name), ("LAMBDA_TASK_ROOT", &root)];
            Settings::of_function(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        };
        let named = |settings: Settings| settings.source.name.as_str().to_owned();
        let usual = named(Settings::default());
        let absolute = folder.path().join("own.toml").display().to_string();
        for (config, name) in [("own.toml", "shop"), (&absolute, "shop"), ("", &usual)] {
            assert_eq!(load(config).map(named), Ok(name.to_owned()), "{config}");
        }
        let mistakes = load("/nowhere/afterimage.toml").unwrap_err();
        let words = mistakes[0].to_string();
        assert!(words.contains("AFTERIMAGE_CONFIG = \"/nowhere/afterimage.toml\""), "{words}");
    }
}
