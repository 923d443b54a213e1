//! A GET that is passed through: what is stored answers where HTTP allows it, else one fetch answers all who may share it.

use std::sync::Arc;

use afterimage_cache::http::{Directives, Forwarded, Reuse, Stored, ask_alone, reuse};
use afterimage_cache::{Admission, Begun, Entry, Fill, Found, MissWhy, Waiter};
use http::{HeaderName, Response};
use tokio::sync::oneshot;

use super::asked::Asked;
use super::fetch::{Fetch, Outcome};
use super::leave::How;
use super::{PassThrough, Reply};
use crate::config::Live;
use crate::edge::Edge;
use crate::picture::Kept;
use crate::{Failure, Reason};

/// How often a request starts over because what it waited for was of no use to it; the last time it asks for itself.
const ATTEMPTS_MAX: u32 = 4;

/// What is stored for a request.
#[derive(Clone)]
pub(super) struct Lookup {
    /// The answer that its fields select.
    pub(super) entry: Option<Arc<Entry<Kept>>>,
    /// The fields that the answers of its URL are selected by.
    pub(super) names: Vec<HeaderName>,
    /// Why it has to be forwarded, if it has.
    pub(super) why: Forwarded,
    /// Answers to this URL were of no use to others just now.
    passes: bool,
    /// Where the answer was.
    from: Reason,
}

impl Lookup {
    pub(super) fn stored(&self) -> Option<&Stored> {
        self.entry.as_deref().and_then(answer)
    }
}

/// The answer in an entry.
pub(super) fn answer(entry: &Entry<Kept>) -> Option<&Stored> {
    match &entry.payload {
        Kept::Answer(stored) => Some(stored),
        _ => None,
    }
}

enum Step {
    Done(Response<Reply>),
    Again,
}

impl Edge {
    /// Looks a request up.
    pub(super) async fn find(&self, asked: &Asked) -> Lookup {
        let (entry, names, why) = (None, Vec::new(), Forwarded::UriMiss);
        let mut lookup = Lookup { entry, names, why, passes: false, from: Reason::Memory };
        let mut found = self.look_in_all(&asked.key, &mut lookup.from).await;
        if let Found::Hit { entry, .. } = &found
            && let Kept::Varies(names) = &entry.payload
        {
            lookup.names.clone_from(names);
            lookup.why = Forwarded::VaryMiss;
            found = self.look_in_all(&asked.key_with(names), &mut lookup.from).await;
        }
        match found {
            Found::Hit { entry, .. } if answer(&entry).is_some_and(|stored| stored.answers(&asked.headers)) => {
                lookup.why = Forwarded::Stale;
                lookup.entry = Some(entry);
            }
            Found::Hit { entry, .. } => lookup.passes = matches!(entry.payload, Kept::Passes),
            Found::Miss { why: MissWhy::Fenced } => lookup.why = Forwarded::Miss,
            _ => {}
        }
        lookup
    }

    /// Looks in memory, then on disk.
    async fn look_in_all(&self, key: &str, from: &mut Reason) -> Found<Kept> {
        let found = self.cache.look(key, self.clock.now());
        if matches!(found, Found::Miss { why: MissWhy::Absent }) && self.cache.recall(key).await {
            *from = Reason::Disk;
            return self.cache.look(key, self.clock.now());
        }
        found
    }

    pub(super) async fn cached(
        self: &Arc<Self>,
        live: &Arc<Live>,
        pass: &PassThrough,
        asked: &Arc<Asked>,
    ) -> Result<Response<Reply>, Failure> {
        for attempt in 1..=ATTEMPTS_MAX {
            let mut lookup = self.find(asked).await;
            if let Some(response) = self.reused(live, asked, &mut lookup) {
                return Ok(response);
            }
            if Directives::of_cache_control(&asked.headers).only_if_cached {
                return Err(Failure::OnlyIfCached);
            }
            lookup.passes |= attempt == ATTEMPTS_MAX;
            match self.fetched(live, pass, asked, lookup).await? {
                Step::Done(response) => return Ok(response),
                Step::Again => {}
            }
        }
        // What comes is fenced as fast as it comes.
        Err(Failure::Upstream(afterimage_origin::Error::Busy))
    }

    /// Answers from what is stored, if that may be used now; else says why not.
    pub(super) fn reused(
        self: &Arc<Self>,
        live: &Arc<Live>,
        asked: &Arc<Asked>,
        lookup: &mut Lookup,
    ) -> Option<Response<Reply>> {
        let (entry, now) = (lookup.entry.clone()?, self.clock.now());
        let stored = answer(&entry)?;
        let reason = match reuse(&asked.headers, stored, now) {
            Reuse::Fresh => lookup.from,
            Reuse::Stale => Reason::Stale,
            Reuse::StaleWhileRenewed => {
                self.renew_passed(live, asked, lookup);
                Reason::Stale
            }
            Reuse::Validate => {
                // Good enough for others, but not for what this request says.
                if stored.is_fresh(now) && !stored.is_always_checked() {
                    lookup.why = Forwarded::Request;
                }
                return None;
            }
        };
        if self.cache.admit(&entry) == Admission::Fenced {
            (lookup.entry, lookup.why) = (None, Forwarded::Miss);
            return None;
        }
        Some(self.leave_stored(live, asked, stored, How { forwarded: None, status: None, collapsed: false, reason }))
    }

    async fn fetched(
        self: &Arc<Self>,
        live: &Arc<Live>,
        pass: &PassThrough,
        asked: &Arc<Asked>,
        lookup: Lookup,
    ) -> Result<Step, Failure> {
        let key = asked.key_with(&lookup.names);
        let now = self.clock.now();
        let alone = lookup.passes || ask_alone(&asked.headers, lookup.stored());
        let known = lookup.clone();
        let outcome = match if alone { None } else { Some(self.cache.begin(&key, None, &[], now)) } {
            Some(Begun::Join(waiter)) => {
                match tokio::time::timeout(pass.collapse_wait, self.joined(asked, waiter)).await {
                    Ok(outcome) => outcome,
                    // Whatever holds the other up need not hold this one up.
                    Err(_) => self.lead(live, asked, lookup, self.cache.begin_alone(&key, now), false).await,
                }
            }
            Some(Begun::Lead(fill)) => self.lead(live, asked, lookup, fill, true).await,
            None => self.lead(live, asked, lookup, self.cache.begin_alone(&key, now), false).await,
        };
        match outcome {
            Outcome::Reply(response) => Ok(Step::Done(*response)),
            Outcome::Entry { entry, status, collapsed } => {
                let Some(stored) = answer(&entry) else { return Ok(Step::Again) };
                if self.cache.admit(&entry) == Admission::Fenced {
                    return Ok(Step::Again);
                }
                let reason = if collapsed { Reason::Collapsed } else { Reason::Revalidated };
                let how = How { forwarded: Some(known.why), status, collapsed, reason };
                Ok(Step::Done(self.leave_stored(live, asked, stored, how)))
            }
            Outcome::Again => Ok(Step::Again),
            Outcome::Failed(failure) => {
                let stale = self.stands_in(pass, &known).ok_or(failure)?;
                Ok(Step::Done(self.leave_stored(live, asked, stale, How::stale(known.why))))
            }
        }
    }

    /// The stale answer that stands in for an origin that fails, where that is allowed and no fence covers it.
    pub(super) fn stands_in<'a>(&self, pass: &PassThrough, lookup: &'a Lookup) -> Option<&'a Stored> {
        let stored = lookup.stored()?;
        let serves = stored.serves_on_error(self.clock.now(), pass.stale_if_error);
        let admitted = lookup.entry.as_ref().is_some_and(|entry| self.cache.admit(entry) == Admission::Admit);
        (serves && admitted).then_some(stored)
    }

    /// Waits for another's fetch.
    async fn joined(&self, asked: &Asked, waiter: Waiter<Kept>) -> Outcome {
        let Ok(entry) = waiter.wait().await else { return Outcome::Again };
        match &entry.payload {
            Kept::Failed(failure) => Outcome::Failed(failure.clone()),
            Kept::Answer(stored)
                if stored.answers(&asked.headers)
                    && reuse(&asked.headers, stored, self.clock.now()) != Reuse::Validate =>
            {
                Outcome::Entry { entry, status: None, collapsed: true }
            }
            _ => Outcome::Again,
        }
    }

    /// Fetches in a task of its own: it goes on when its viewer goes away, because others may wait for it.
    async fn lead(
        self: &Arc<Self>,
        live: &Arc<Live>,
        asked: &Arc<Asked>,
        lookup: Lookup,
        fill: Fill<Kept>,
        shared: bool,
    ) -> Outcome {
        let (tell, told) = oneshot::channel();
        let fetch = Fetch { edge: self.clone(), live: live.clone(), asked: asked.clone(), lookup, fill, shared };
        self.work.begin(fetch.run(tell));
        // The task panicked: this request fails alone.
        told.await.unwrap_or(Outcome::Failed(Failure::Died))
    }

    /// Renews an answer in the background, once however many see that it is stale.
    fn renew_passed(self: &Arc<Self>, live: &Arc<Live>, asked: &Arc<Asked>, lookup: &Lookup) {
        let key = asked.key_with(&lookup.names);
        if let Begun::Lead(fill) = self.cache.begin(&key, None, &[], self.clock.now()) {
            let (tell, _) = oneshot::channel();
            let (live, asked, lookup) = (live.clone(), asked.clone(), lookup.clone());
            let fetch = Fetch { edge: self.clone(), live, asked, lookup, fill, shared: true };
            self.work.begin(fetch.run(tell));
        }
    }
}
