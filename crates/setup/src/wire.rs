//! Joins the parts of one edge over one directory: what each crate offers, nothing of what it decides.

use std::path::PathBuf;
use std::sync::Arc;

use afterimage_cache::Cache;
use afterimage_edge::{Edge, Pool, PoolConfig, Renderer, Upstream};
use afterimage_events::Watch;
use afterimage_identity::{Clock, Fence, Notice};
use afterimage_origin::Origin;
use afterimage_purge::{Purger, StateLock};
use afterimage_store::{Asker, Derivatives, Originals, Read, Write};

/// Every part's own settings, and the places they work in.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The directory of originals.
    pub originals_directory: PathBuf,
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
    /// Its cache.
    pub cache: afterimage_cache::Config,
    /// Originals.
    pub originals: afterimage_store::OriginalsConfig,
    /// Derivatives.
    pub derivatives: afterimage_store::DerivativesConfig,
    /// The write story.
    pub purge: afterimage_purge::Config,
    /// The directory watch.
    pub watch: afterimage_events::Config,
}

/// The parts, joined.
pub struct Wired {
    /// The read story.
    pub edge: Arc<Edge>,
    /// The write story; [`Purger::run`] has to run.
    pub purger: Arc<Purger>,
    /// The originals.
    pub originals: Arc<dyn Read>,
    /// Every cache of this edge, from the inside out.
    pub fences: Vec<Arc<dyn Fence>>,
}

/// The parts cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A directory cannot be opened.
    #[error(transparent)]
    Store(#[from] afterimage_store::Error),
    /// Another process holds the state, or the journal cannot be opened.
    #[error(transparent)]
    Purge(#[from] afterimage_purge::Error),
    /// The render threads cannot be started.
    #[error("the render threads cannot be started: {0}")]
    Threads(std::io::Error),
    /// The origin to pass through to cannot be used as it is set.
    #[error("{}", upstream_mistakes(.0))]
    Upstream(Vec<afterimage_origin::Mistake>),
    /// The directory cannot be watched.
    #[error(transparent)]
    Watch(#[from] afterimage_events::Error),
}

fn upstream_mistakes(mistakes: &[afterimage_origin::Mistake]) -> String {
    let name = |key| if key == "url" { "origin" } else { key };
    let line = |mistake: &afterimage_origin::Mistake| {
        format!("pass.{} = \"{}\": {}", name(mistake.key), mistake.value, mistake.remedy)
    };
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Takes the state's lock and joins the parts. `about` is what another process is told about this one.
///
/// # Errors
/// [`WireError`] says which part could not be had. Nothing was changed then.
pub fn wire(wiring: &Wiring, clock: Arc<dyn Clock>, about: &str) -> Result<Wired, WireError> {
    let pool = Pool::start(wiring.pool, clock.clone()).map_err(WireError::Threads)?;
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
    let upstream = match &wiring.upstream {
        Some(config) => {
            let origin = Origin::new(config.clone(), clock.clone()).map_err(WireError::Upstream)?;
            Some(Arc::new(origin) as Arc<dyn Upstream>)
        }
        None => None,
    };
    let lock = StateLock::acquire(&wiring.state_directory, &*clock, Some(about.to_owned()))?;
    let originals = Originals::open(&wiring.originals_directory, wiring.originals.clone(), clock.clone())?;
    let originals: Arc<dyn Read> = Arc::new(originals);
    let derivatives: Arc<dyn Write> =
        Arc::new(Derivatives::open(&wiring.derivatives_directory, wiring.derivatives.clone())?);
    let ask = Arc::new(Asker::new(originals.clone(), clock.clone()));
    let cache = Cache::new(wiring.cache.clone());
    let fences: Vec<Arc<dyn Fence>> = vec![Arc::new(cache.clone())];
    let purge = afterimage_purge::Config { state_dir: wiring.state_directory.clone(), ..wiring.purge.clone() };
    let parts = afterimage_purge::Parts {
        fences: fences.clone(),
        derivatives: derivatives.clone(),
        originals: originals.clone(),
        ask: ask.clone(),
        invalidators: Vec::new(),
        clock: clock.clone(),
    };
    let purger = Purger::open_locked(purge, parts, lock)?;
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
    Ok(Wired { edge: Edge::new(wiring.edge.clone(), parts), purger, originals, fences })
}

/// Watches the originals and tells the write story. It has to be alive before the first request: what happens earlier is
/// found by the scan at start.
///
/// # Errors
/// When the directory cannot be watched at all; where notifications do not work it polls and says so.
pub fn watch(wiring: &Wiring, purger: &Arc<Purger>) -> Result<Watch, WireError> {
    let purger = purger.clone();
    let sink = Box::new(move |event| purger.notice(event));
    let watch = Watch::start(&wiring.originals_directory, wiring.edge.source.clone(), wiring.watch.clone(), sink)?;
    Ok(watch)
}
