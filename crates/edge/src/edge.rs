//! The parts of an edge, and what they do between the stages: fills that outlive the viewer who asked, and questions to
//! the source that many requests share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use afterimage_cache::{Begun, Cache, Entry, Fill, ProofBegun, Settled, Waiter};
use afterimage_identity::{Answer, Ask, Clock, Event, FoundBy, Happened, Notice, Original, Selector, Subject};
use afterimage_identity::{Fence as _, Proof};
use afterimage_store::{Read, Write};
use arc_swap::ArcSwap;
use tokio::sync::oneshot;

use crate::config::Live;
use crate::picture::Kept;
use crate::room::Room;
use crate::viewer_request::Authorised;
use crate::work::Work;
use crate::{Config, Failure, Metrics, Renderer, Upstream, origin_request, origin_response, written};

/// What an edge is made of.
pub struct Parts {
    /// The originals. `dyn Read`: nothing in the read story could delete one.
    pub originals: Arc<dyn Read>,
    /// Where derivatives lie.
    pub derivatives: Arc<dyn Write>,
    /// Asks the source of the originals what is true.
    pub ask: Arc<dyn Ask>,
    /// The cache.
    pub cache: Cache<Kept>,
    /// Makes derivatives.
    pub renderer: Arc<dyn Renderer>,
    /// Where everything that is no picture goes, where something does.
    pub upstream: Option<Arc<dyn Upstream>>,
    /// Hears what reads find out.
    pub notice: Arc<dyn Notice>,
    /// The machine's clocks.
    pub clock: Arc<dyn Clock>,
}

/// The read story's parts and settings. It is shared by every listener and every request.
pub struct Edge {
    pub(crate) originals: Arc<dyn Read>,
    pub(crate) derivatives: Arc<dyn Write>,
    pub(crate) ask: Arc<dyn Ask>,
    pub(crate) cache: Cache<Kept>,
    pub(crate) renderer: Arc<dyn Renderer>,
    pub(crate) upstream: Option<Arc<dyn Upstream>>,
    /// Bytes of answers that are on their way into the cache.
    pub(crate) collecting: Arc<AtomicU64>,
    /// Room for originals that are being made into something.
    pub(crate) room: Room,
    pub(crate) notice: Arc<dyn Notice>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: ArcSwap<Live>,
    pub(crate) metrics: Metrics,
    pub(crate) work: Work,
}

/// What a leader learns of its own fill.
pub(crate) type Filled = Result<Arc<Entry<Kept>>, Failure>;

impl Edge {
    /// Joins the parts.
    pub fn new(config: Config, parts: Parts) -> Arc<Self> {
        let Parts { originals, derivatives, ask, cache, renderer, upstream, notice, clock } = parts;
        let room = Room::new(config.originals_bytes_max);
        let live = ArcSwap::from_pointee(Live::new(config));
        Arc::new(Self {
            originals,
            derivatives,
            ask,
            cache,
            renderer,
            upstream,
            collecting: Arc::default(),
            room,
            notice,
            clock,
            live,
            metrics: Metrics::default(),
            work: Work::default(),
        })
    }

    /// Puts other settings in force for every request that arrives from now on. When they change the bytes of derivatives,
    /// everything cached is fenced.
    pub fn reload(&self, config: Config) {
        // Which sources there are, and what is whose, was decided at start.
        let old = self.live.load();
        let config = Config { source: old.config.source.clone(), hosts: old.config.hosts.clone(), ..config };
        drop(old);
        let before = self.live.swap(Arc::new(Live::new(config)));
        let now = self.live.load();
        // Behaviours say what keys mean: under others, one key may name another answer.
        let behaves =
            before.config.pass.as_ref().map(|pass| &pass.routes) == now.config.pass.as_ref().map(|pass| &pass.routes);
        if before.revision != now.revision || before.config.originals != now.config.originals || !behaves {
            self.cache.raise(&Selector::All);
            self.cache.rescope(&now.config.meaning());
        }
    }

    /// What it has done since it started.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Resolves when nothing is under way any more that requests have begun: what was made is stored and its original was
    /// asked for once more (GUARANTEE, rule 6). For a process that is put to sleep between requests.
    pub async fn settled(&self) {
        self.work.over().await;
    }

    /// Its cache.
    pub fn cache(&self) -> &Cache<Kept> {
        &self.cache
    }

    /// Its renderer.
    pub fn renderer(&self) -> &dyn Renderer {
        &*self.renderer
    }

    /// The revision of the settings in force: the one that stands in the names of derivatives made now.
    pub fn revision(&self) -> afterimage_identity::Revision {
        self.live.load().revision.clone()
    }

    /// Begins a fill, or joins one. A fill runs to its end even if every viewer who waits for it goes away: the work is
    /// done already, and the next viewer wants it.
    pub(crate) fn begin(self: &Arc<Self>, live: &Arc<Live>, asked: &Arc<Authorised>) -> Filling {
        let tags = asked.original.tags();
        match self.cache.begin(&asked.path, Some(&asked.original), &tags, self.clock.now()) {
            Begun::Join(waiter) => Filling::Joined(waiter),
            Begun::Lead(fill) => {
                fill.learn(Some(&asked.original), &tags);
                let (tell, told) = oneshot::channel();
                self.work.begin(self.clone().fill(live.clone(), asked.clone(), fill, tell));
                Filling::Leads(told)
            }
        }
    }

    async fn fill(
        self: Arc<Self>,
        live: Arc<Live>,
        asked: Arc<Authorised>,
        fill: Fill<Kept>,
        tell: oneshot::Sender<Filled>,
    ) {
        let began_at = fill.begun_at();
        let made = match origin_request::locate(&self, &live, &asked).await {
            Ok(located) => origin_response::make(&self, &live, &asked, located).await,
            Err(failure) => Err(failure),
        };
        self.metrics.filled(self.clock.now().since(began_at));
        match made {
            Err(failure) => {
                // Those who wait get the same answer; nothing is kept.
                let published = origin_response::publish_failure(&self, &asked, failure, &fill);
                let _ = tell.send(published);
            }
            Ok(made) => {
                // Nobody may listen any more; the derivative is stored all the same.
                let _ = tell.send(origin_response::publish(&self, &live, &asked, &made, &fill));
                written::write(&self, &live, &asked, &made, &fill).await;
            }
        }
    }

    /// Asks the source about an original whose proof is too old, once however many requests want to know.
    pub(crate) async fn prove(self: &Arc<Self>, original: &Original) -> Answer {
        loop {
            match self.cache.begin_proof(original) {
                ProofBegun::Lead(question) => {
                    self.metrics.asked();
                    let proof = self.ask.ask(&original.key).await;
                    let settled = question.finish(&proof);
                    self.tell(original, &proof, settled);
                    return proof.answer;
                }
                ProofBegun::Join(waiter) => {
                    if let Ok(proof) = waiter.wait().await {
                        return proof.answer;
                    }
                }
            }
        }
    }

    /// Renews a proof before it grows too old, while the entry is still served.
    pub(crate) fn renew(self: &Arc<Self>, original: Original) {
        let edge = self.clone();
        self.work.begin(async move {
            edge.prove(&original).await;
        });
    }

    fn tell(&self, original: &Original, proof: &Proof, settled: Settled) {
        let happened = match (&proof.answer, settled) {
            (Answer::Gone, Settled::Erased) => Happened::Removed,
            (Answer::Present(_), Settled::Erased) => Happened::Changed,
            _ => return,
        };
        self.notice.notice(Event { subject: Subject::Original(original.clone()), happened, found_by: FoundBy::Read });
    }
}

/// A fill that this request waits for.
pub(crate) enum Filling {
    Leads(oneshot::Receiver<Filled>),
    Joined(Waiter<Kept>),
}
