//! Joins the parts of one edge over one directory: what each crate offers, nothing of what it decides.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use afterimage_cache::{Cache, DiskConfig, DiskParts, MachineFiles};
use afterimage_edge::{Edge, Isolation, Kept, OnDisk, Pool, PoolConfig, Renderer, Upstream as Passing};
use afterimage_events::Watch;
use afterimage_identity::{Clock, Event, Fence, Invalidate, Notice, Original, OriginalKey, Subject};
use afterimage_origin::{Origin, Originals as HttpOriginals};
use afterimage_purge::{Purger, StateLock};
use afterimage_store::bucket::{Config as BucketConfig, Place};
use afterimage_store::keep::Folder;
use afterimage_store::{Absences, Asker, Derivatives, Originals, Read, Write};

use crate::bucket;
use crate::{AskedServer, Events, EventsWiring, Mount, Mounted, Source, Upstream};

/// Every part's own settings, and the places they work in.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The originals at the root.
    pub source: Source,
    /// The originals below prefixes.
    pub mounts: Vec<Mount>,
    /// How each HTTP server among them is asked, by its URL.
    pub origins: BTreeMap<String, afterimage_origin::Config>,
    /// How originals are read from them; their windows are the cache's.
    pub http_originals: afterimage_origin::OriginalsConfig,
    /// How each bucket among them is asked, by its URL.
    pub buckets: BTreeMap<String, BucketConfig>,
    /// The bucket of derivatives, where they are not in a directory.
    pub derivatives_bucket: Option<BucketConfig>,
    /// The directory of derivatives.
    pub derivatives_directory: PathBuf,
    /// The directory of journal, receipts and lock.
    pub state_directory: PathBuf,
    /// The read story.
    pub edge: afterimage_edge::Config,
    /// Where what is no picture goes.
    pub upstream: Option<afterimage_origin::Config>,
    /// Its render pool.
    pub pool: PoolConfig,
    /// The worker processes behind it; without, everything is rendered in this process. Only a program that can be started
    /// as a worker may name one.
    pub isolation: Option<Isolation>,
    /// Its cache.
    pub cache: afterimage_cache::Config,
    /// The cache's tier on disk, where there is one.
    pub disk: Option<DiskTier>,
    /// Originals.
    pub originals: afterimage_store::OriginalsConfig,
    /// Derivatives.
    pub derivatives: afterimage_store::DerivativesConfig,
    /// The write story.
    pub purge: afterimage_purge::Config,
    /// The caches in front of this one.
    pub outer: Vec<afterimage_cdn::Config>,
    /// The directory watch.
    pub watch: afterimage_events::Config,
    /// The events of buckets, where any is named.
    pub events: Option<EventsWiring>,
}

/// A tier of the cache on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskTier {
    /// Its folder.
    pub directory: PathBuf,
    /// Its budget.
    pub bytes_max: u64,
}

/// The parts, joined.
pub struct Wired {
    /// The read story.
    pub edge: Arc<Edge>,
    /// The write story; [`Purger::run`] has to run.
    pub purger: Arc<Purger>,
    /// The originals.
    pub originals: Arc<dyn Read>,
    /// Whether the sources on other machines can prove absence; [`Absences::watch`] has to run.
    pub absences: Arc<Absences>,
    /// Every cache of this edge, from the inside out.
    pub fences: Vec<Arc<dyn Fence>>,
    /// The HTTP servers that are asked.
    pub servers: Vec<AskedServer>,
    /// The doors for events of buckets.
    pub events: Option<Events>,
    /// The caches in front.
    pub outer: Vec<Arc<afterimage_cdn::Layer>>,
}

/// The parts cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A directory cannot be opened.
    #[error(transparent)]
    Store(#[from] afterimage_store::Error),
    /// An HTTP server of originals cannot be asked as configured.
    #[error("{}", lines(.0))]
    Origin(Vec<afterimage_origin::Mistake>),
    /// Another process holds the state, or the journal cannot be opened.
    #[error(transparent)]
    Purge(#[from] afterimage_purge::Error),
    /// The folder of the cache on disk cannot be had.
    #[error(transparent)]
    Disk(#[from] afterimage_cache::OpenError),
    /// An outer cache cannot be told as configured.
    #[error("cdn: {0}")]
    Outer(String),
    /// The render threads cannot be started.
    #[error("the threads cannot be started: {0}")]
    Threads(std::io::Error),
    /// Worker processes cannot be started.
    #[error("{0}; where no process may be started, set render.isolation = \"none\"")]
    Workers(std::io::Error),
    /// The directory cannot be watched.
    #[error(transparent)]
    Watch(#[from] afterimage_events::Error),
}

/// Takes the state's lock and joins the parts. `about` is what another process is told about this one.
///
/// # Errors
/// [`WireError`] says which part could not be had. Nothing was changed then.
pub fn wire(wiring: &Wiring, clock: Arc<dyn Clock>, about: &str) -> Result<Wired, WireError> {
    let pool = match &wiring.isolation {
        None => Pool::start(wiring.pool, clock.clone()).map_err(WireError::Threads)?,
        Some(isolation) => Pool::isolated(wiring.pool, isolation.clone(), clock.clone()).map_err(WireError::Workers)?,
    };
    wire_with(wiring, clock, about, Arc::new(pool))
}

/// As [`wire`], with another renderer in place of the pool.
///
/// # Errors
/// As [`wire`].
pub fn wire_with(
    wiring: &Wiring,
    clock: Arc<dyn Clock>,
    about: &str,
    renderer: Arc<dyn Renderer>,
) -> Result<Wired, WireError> {
    let mut servers = Vec::new();
    let upstream = match &wiring.upstream {
        Some(config) => {
            let origin = Arc::new(Origin::new(config.clone(), clock.clone()).map_err(WireError::Origin)?);
            servers.push(AskedServer::Pass(config.url.clone(), origin.clone()));
            Some(origin as Arc<dyn Passing>)
        }
        None => None,
    };
    let lock = StateLock::acquire(&wiring.state_directory, &*clock, Some(about.to_owned()))?;
    let mut recoverable = Vec::new();
    let (originals, absences) = open_sources(wiring, &clock, Proof::AtStart, &mut servers, &mut recoverable)?;
    let derivatives: Arc<dyn Write> = match &wiring.derivatives_bucket {
        Some(config) => bucket::open_derivatives(config, Proof::AtStart)?,
        None => Arc::new(Derivatives::open(&wiring.derivatives_directory, wiring.derivatives.clone())?),
    };
    let ask = Arc::new(Asker::new(originals.clone(), clock.clone()));
    let cache = open_cache(wiring, &clock)?;
    let fences: Vec<Arc<dyn Fence>> = vec![Arc::new(cache.clone())];
    let state_dir = wiring.state_directory.clone();
    let purge = afterimage_purge::Config { state_dir, recoverable, ..wiring.purge.clone() };
    let outer = open_outer(wiring, &clock)?;
    let parts = afterimage_purge::Parts {
        fences: fences.clone(),
        derivatives: derivatives.clone(),
        originals: originals.clone(),
        ask: ask.clone(),
        invalidators: outer.iter().map(|layer| layer.clone() as Arc<dyn Invalidate>).collect(),
        clock: clock.clone(),
    };
    let purger = Purger::open_locked(purge, parts, lock)?;
    let events = wiring.events.as_ref().map(|events| events.open(&purger, &clock));
    let parts = afterimage_edge::Parts {
        originals: originals.clone(),
        derivatives,
        ask,
        cache,
        renderer,
        upstream,
        notice: purger.clone(),
        clock,
    };
    let edge = Edge::new(wiring.edge.clone(), parts);
    Ok(Wired { edge, purger, originals, absences, fences, servers, events, outer })
}

/// Joins every outer cache. What is sent and not complete is kept in a folder of its own beside the journal.
fn open_outer(wiring: &Wiring, clock: &Arc<dyn Clock>) -> Result<Vec<Arc<afterimage_cdn::Layer>>, WireError> {
    let open = |config: &afterimage_cdn::Config| {
        let outbox = wiring.state_directory.join("outbox").join(&config.name);
        let failed = |error| WireError::Outer(format!("{}: {error}", outbox.display()));
        let keep = Arc::new(Folder::open(&outbox).map_err(failed)?);
        let layer = afterimage_cdn::Layer::open(config, Some(keep), clock.clone());
        let layer = layer.map_err(|why| WireError::Outer(format!("{}: {why}", config.name)))?;
        Ok(Arc::new(layer))
    };
    wiring.outer.iter().map(open).collect()
}

/// The cache, over what lies on disk if it has a tier there.
fn open_cache(wiring: &Wiring, clock: &Arc<dyn Clock>) -> Result<Cache<Kept>, WireError> {
    let Some(DiskTier { directory, bytes_max }) = &wiring.disk else {
        return Ok(Cache::new(wiring.cache.clone()));
    };
    let upstream = wiring.upstream.as_ref().map(|config| &config.url);
    let config = DiskConfig {
        bytes_max: *bytes_max,
        // The same key from another server is another thing.
        place: format!("{:?} {:?} {upstream:?}", wiring.source, wiring.mounts),
        meaning: wiring.edge.meaning(),
        boot: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok(),
    };
    let files = Arc::new(MachineFiles::open(directory)?);
    let parts = DiskParts { files, codec: Arc::new(OnDisk), clock: clock.clone() };
    let cache = Cache::with_disk(wiring.cache.clone(), config, parts);
    cache.attend().map_err(WireError::Threads)?;
    Ok(cache)
}

/// When a bucket has to show what it can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Before anything is served: what is missing is said while somebody looks.
    AtStart,
    /// Before the first answer that needs it.
    WhenNeeded,
}

/// Opens every source, and joins them into one; those on other machines have to show that they can prove absence. Notes what each
/// keeps of what is deleted there.
pub(crate) fn open_sources(
    wiring: &Wiring,
    clock: &Arc<dyn Clock>,
    proof: Proof,
    servers: &mut Vec<AskedServer>,
    recoverable: &mut Vec<String>,
) -> Result<(Arc<dyn Read>, Arc<Absences>), WireError> {
    let root = std::iter::once(("", &wiring.source));
    let mounted = wiring.mounts.iter().map(|mount| (mount.prefix.as_str(), &mount.source));
    let (mut opened, mut remote) = (Vec::new(), Vec::new());
    for (prefix, source) in root.chain(mounted) {
        let read = open_source(wiring, clock, (prefix, source, proof), servers, recoverable)?;
        if source.directory().is_none() {
            remote.push((prefix.to_owned(), source.to_string(), read.clone()));
        }
        opened.push((prefix.to_owned(), read));
    }
    let (_, root) = opened.remove(0);
    let whole = if opened.is_empty() { root } else { Arc::new(Mounted::new(root, opened)) };
    Ok((whole, Absences::new(remote)))
}

/// The one place where a kind of source becomes what reads it.
fn open_source(
    wiring: &Wiring,
    clock: &Arc<dyn Clock>,
    (prefix, source, proof): (&str, &Source, Proof),
    servers: &mut Vec<AskedServer>,
    recoverable: &mut Vec<String>,
) -> Result<Arc<dyn Read>, WireError> {
    match source {
        Source::Directory(path) => Ok(Arc::new(Originals::open(path, wiring.originals.clone(), clock.clone())?)),
        Source::Url(url) => {
            let fallback = || afterimage_origin::Config { url: url.clone(), ..Default::default() };
            let config = wiring.origins.get(url).cloned().unwrap_or_else(fallback);
            let origin = Origin::new(config, clock.clone()).map_err(WireError::Origin)?;
            let own = wiring.cache.windows.iter().find(|(at, _)| at == prefix).map(|(_, window)| *window);
            let window = own.unwrap_or(wiring.cache.window);
            let config = afterimage_origin::OriginalsConfig { window, ..wiring.http_originals.clone() };
            let originals = Arc::new(HttpOriginals::new(Arc::new(origin), config));
            servers.push(AskedServer::Originals(url.clone(), originals.clone()));
            Ok(Arc::new(Upstream::new(originals)))
        }
        Source::Bucket(url) => {
            let wrong = |why| WireError::Store(afterimage_store::Error::Io { why });
            let config = match wiring.buckets.get(url) {
                Some(config) => config.clone(),
                None => BucketConfig::new(Place::parse(url).map_err(wrong)?),
            };
            let (originals, kept) = bucket::open_originals(&config, proof)?;
            recoverable.extend(kept);
            Ok(originals)
        }
    }
}

/// Watches every folder of originals and tells the write story. It has to be alive before the first request: what happens
/// earlier is found by the scan at start. HTTP servers cannot be watched.
///
/// # Errors
/// When a directory cannot be watched at all; where notifications do not work it polls and says so.
pub fn watch(wiring: &Wiring, purger: &Arc<Purger>) -> Result<Vec<Watch>, WireError> {
    let root = std::iter::once(("", &wiring.source));
    let mounted = wiring.mounts.iter().map(|mount| (mount.prefix.as_str(), &mount.source));
    let mut watches = Vec::new();
    for (prefix, source) in root.chain(mounted) {
        let Some(directory) = source.directory() else { continue };
        let (purger, prefix) = (purger.clone(), prefix.to_owned());
        let sink = Box::new(move |event| {
            if let Some(event) = below(&prefix, event) {
                purger.notice(event);
            }
        });
        watches.push(Watch::start(directory, wiring.edge.source.clone(), wiring.watch.clone(), sink)?);
    }
    Ok(watches)
}

/// An event of a mounted folder, in the keys of the whole. A key that is too long there was never served.
fn below(prefix: &str, event: Event) -> Option<Event> {
    if prefix.is_empty() {
        return Some(event);
    }
    let subject = match event.subject {
        Subject::Original(original) => {
            let key = OriginalKey::new(&format!("{prefix}{}", original.key)).ok()?;
            Subject::Original(Original::new(original.source, key))
        }
        Subject::Folder { source, prefix: folder } => Subject::Folder { source, prefix: format!("{prefix}{folder}") },
        Subject::Everything { source } => Subject::Folder { source, prefix: prefix.to_owned() },
    };
    Some(Event { subject, ..event })
}

/// Mistakes, one a line.
fn lines(mistakes: &[afterimage_origin::Mistake]) -> String {
    let line =
        |mistake: &afterimage_origin::Mistake| format!("{} = {}: {}", mistake.key, mistake.value, mistake.remedy);
    mistakes.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_identity::{FoundBy, Happened, SourceId};

    #[test]
    fn events_of_mounted_folders_name_the_keys_of_the_whole() {
        let source = SourceId::default();
        let original = |key: &str| Subject::Original(Original::new(source.clone(), OriginalKey::new(key).unwrap()));
        let folder = |prefix: &str| Subject::Folder { source: source.clone(), prefix: prefix.to_owned() };
        let everything = || Subject::Everything { source: source.clone() };
        let event = |subject| Event { subject, happened: Happened::Removed, found_by: FoundBy::Event };
        for (prefix, subject, expected) in [
            ("", original("a"), Some(original("a"))),
            ("", everything(), Some(everything())),
            ("m/", original("a/b"), Some(original("m/a/b"))),
            ("m/", folder("a/"), Some(folder("m/a/"))),
            ("m/", everything(), Some(folder("m/"))),
            ("m/", original(&"k".repeat(4096)), None),
        ] {
            assert_eq!(below(prefix, event(subject)), expected.map(event), "{prefix}");
        }
    }
}
