//! The read story on one screen: viewer request, cache, origin request and response, viewer response. Each stage takes
//! what the one before it made; only the first makes an [`Authorised`], and nothing goes on without one.

use std::sync::Arc;

use afterimage_cache::{Admission, Entry, Found, MissWhy};
use afterimage_identity::{Answer, Stamp};
use afterimage_origin::Body;
use afterimage_variant::{Format, Wanted};
use bytes::Bytes;
use http::{Request, Response, request};

use crate::config::Live;
use crate::edge::{Edge, Filling};
use crate::picture::Kept;
use crate::viewer_request::{self, Authorised, Entered};
use crate::viewer_response::{self, Leaving};
use crate::{Door, Failure, Reason, Reply, host};

/// How often a request starts over because what it waited for was fenced or abandoned.
const ATTEMPTS_MAX: u32 = 4;

/// A picture, or why there is none, and where it came from.
pub(crate) struct Served {
    pub(crate) entry: Result<Arc<Entry<Kept>>, Failure>,
    /// Where it came from, when not from a fill of this request's own.
    pub(crate) from: Option<Reason>,
    /// Why memory had nothing to serve, unless it had.
    pub(crate) missed: Option<MissWhy>,
    /// The picture stands in for one that is still being made.
    pub(crate) pending: bool,
}

impl Edge {
    /// Answers one request that came in at `door`: one for a picture, or one that is passed through. Never fails: what goes
    /// wrong is an answer too.
    pub async fn answer(self: &Arc<Self>, door: Door, request: Request<Body>) -> Response<Reply> {
        let live = self.live.load_full();
        let (parts, body) = request.into_parts();
        if let Some(pass) = &live.config.pass
            && self.upstream.is_some()
            && !pass.is_for_pictures(&parts)
            && !live.config.rules.is_fronts(parts.uri.path())
            && host::may_pass(&live, &parts)
        {
            return Box::pin(self.pass(&live, pass, parts, body)).await;
        }
        // A body that came along with a request for a picture is drained by the listener; nothing here reads it.
        self.picture(&live, door, &parts).await.map(Reply::from)
    }

    /// Answers one request for a picture.
    pub async fn handle(self: &Arc<Self>, door: Door, request: &request::Parts) -> Response<Bytes> {
        self.picture(&self.live.load_full(), door, request).await
    }

    async fn picture(self: &Arc<Self>, live: &Arc<Live>, door: Door, request: &request::Parts) -> Response<Bytes> {
        let arrived = self.clock.now();
        let leaving = match viewer_request::enter(live, door, request, &*self.clock) {
            Entered::Authorised(asked) => {
                let served = self.admitted(live, &asked, arrived).await;
                Leaving::Served { asked, served }
            }
            Entered::Preflight => Leaving::Preflight,
            Entered::Method => Leaving::Method,
            Entered::Refused(failure) => Leaving::Refused(failure),
        };
        let took = self.clock.now().since(arrived);
        viewer_response::leave(live, request, leaving, took, &self.metrics)
    }

    /// The last word before the first byte: whoever was fenced since starts over, and does so only so often.
    async fn admitted(self: &Arc<Self>, live: &Arc<Live>, asked: &Arc<Authorised>, arrived: Stamp) -> Served {
        let mut now = arrived;
        for _ in 0..ATTEMPTS_MAX {
            let served = self.serve(live, asked, arrived, now).await;
            match &served.entry {
                Ok(entry) if self.cache.admit(entry) == Admission::Fenced => now = self.clock.now(),
                _ => return served,
            }
        }
        Served { entry: Err(Failure::Fenced), from: None, missed: Some(MissWhy::Fenced), pending: false }
    }

    async fn serve(
        self: &Arc<Self>,
        live: &Arc<Live>,
        asked: &Arc<Authorised>,
        arrived: Stamp,
        mut now: Stamp,
    ) -> Served {
        // The first look tells why; a later one only sees what the first has cleared away.
        let mut missed = None;
        let mut from = Reason::Memory;
        for _ in 0..ATTEMPTS_MAX {
            // What waits is boxed: it is large, and a hit's task would carry it along.
            match self.cache.look_since(&asked.path, now, arrived) {
                Found::Hit { entry, renew } => {
                    if renew {
                        self.renew(asked.original.clone());
                    }
                    return Served { entry: Ok(entry), from: Some(from), missed: None, pending: false };
                }
                Found::Prove { entry, age } => match Box::pin(self.prove(&asked.original)).await {
                    Answer::Unprovable(why) => {
                        let allowed = live
                            .config
                            .stale_when_unprovable
                            .map(|stale| self.cache.window_of(&asked.original) + stale);
                        let serves = age.is_some_and(|age| allowed.is_some_and(|allowed| age <= allowed));
                        let (entry, from, missed) = if serves {
                            (Ok(entry), Some(from), None)
                        } else {
                            (Err(Failure::Unprovable(why)), None, Some(MissWhy::Unproven))
                        };
                        return Served { entry, from, missed, pending: false };
                    }
                    // Unless the next look is a hit, it is not what was proven.
                    Answer::Present(_) | Answer::Gone => missed = missed.or(Some(MissWhy::OtherVersion)),
                },
                Found::Miss { why } => {
                    // Once only: what memory cannot hold even for a moment is fetched.
                    let is_first = why == MissWhy::Absent && from == Reason::Memory;
                    if is_first && self.cache.recall(&asked.path).await {
                        from = Reason::Disk;
                        continue;
                    }
                    let why = *missed.get_or_insert(why);
                    let waiting = self.wait(live, asked, self.begin(live, asked), arrived);
                    if let Some(served) = Box::pin(waiting).await {
                        return Served { missed: served.missed.or(Some(why)), ..served };
                    }
                }
            }
            now = self.clock.now();
        }
        Served { entry: Err(Failure::Fenced), from: None, missed: Some(MissWhy::Fenced), pending: false }
    }

    /// Waits for a fill; `None` when it was fenced or abandoned and the request has to start over.
    async fn wait(
        self: &Arc<Self>,
        live: &Arc<Live>,
        asked: &Arc<Authorised>,
        filling: Filling,
        arrived: Stamp,
    ) -> Option<Served> {
        let finished = async {
            match filling {
                Filling::Leads(told) => match told.await {
                    Ok(Ok(entry)) => Some(Served { entry: Ok(entry), from: None, missed: None, pending: false }),
                    Ok(Err(Failure::Fenced)) => None,
                    Ok(Err(failure)) => Some(Served { entry: Err(failure), from: None, missed: None, pending: false }),
                    // The fill's task panicked: this request fails alone.
                    Err(_) => Some(Served { entry: Err(Failure::Died), from: None, missed: None, pending: false }),
                },
                Filling::Joined(waiter) => {
                    let entry = waiter.wait().await.ok()?;
                    Some(Served { entry: Ok(entry), from: Some(Reason::Collapsed), missed: None, pending: false })
                }
            }
        };
        let Wanted::Variant(variant) = &asked.wanted else { return finished.await };
        if variant.format() != Format::AutoAvif {
            return finished.await;
        }
        // An AVIF takes long: whoever asked for the best format gets WebP now, and the AVIF once it is there.
        match tokio::time::timeout(live.config.pending_wait, finished).await {
            Ok(served) => served,
            Err(_) => {
                let webp = Arc::new(asked.in_format(Format::Webp)?);
                let served = self.serve(live, &webp, arrived, self.clock.now()).await;
                Some(Served { pending: true, ..served })
            }
        }
    }
}
