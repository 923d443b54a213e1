//! One fetch from the origin: asked with what is stored, judged by its head, and kept once its last byte is here. An
//! answer that is not whole is never kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use afterimage_cache::http::{Condition, Freshened, Keep, Policy, Stored, Times, evaluate, freshen, storable, tags};
use afterimage_cache::{Admission, Entry, Facts, Fill};
use afterimage_identity::CacheTag;
use afterimage_origin::{Body, Framing};
use bytes::{Bytes, BytesMut};
use http::{HeaderName, Method, Response, StatusCode, response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::asked::Asked;
use super::body::Part;
use super::cached::Lookup;
use super::leave::Through;
use super::{PassThrough, Reply};
use crate::Failure;
use crate::config::Live;
use crate::edge::Edge;
use crate::picture::Kept;

/// How long requests for a URL ask for themselves after an answer that was of no use to others. Then one asks again for
/// all, which costs them no more than the time until its head is here.
const PASSES_AGE: Duration = Duration::from_secs(10);
/// More selecting fields than this are forgotten and learnt anew.
const NAMES_MAX: usize = 16;

/// What a fetch brought to the request that began it.
pub(super) enum Outcome {
    /// An answer that is on its way.
    Reply(Box<Response<Reply>>),
    /// An answer that is here.
    Entry { entry: Arc<Entry<Kept>>, status: Option<u16>, collapsed: bool },
    /// Nothing that may be used: a fence came first, or it is of use to another only.
    Again,
    /// Nothing.
    Failed(Failure),
}

/// A fetch, with everything it needs to end by itself.
pub(super) struct Fetch {
    pub(super) edge: Arc<Edge>,
    pub(super) live: Arc<Live>,
    pub(super) asked: Arc<Asked>,
    pub(super) lookup: Lookup,
    pub(super) fill: Fill<Kept>,
    /// Others may be waiting for it.
    pub(super) shared: bool,
}

impl Fetch {
    pub(super) async fn run(self, tell: oneshot::Sender<Outcome>) {
        let (Some(upstream), Some(pass)) = (self.edge.upstream.clone(), self.live.config.pass.clone()) else {
            return;
        };
        // A fence between the look and the fill's beginning is seen here, one that comes later by the fill itself: what
        // it covers is not asked about, or the origin's consent would bring it back.
        let admitted = self.lookup.entry.as_ref().is_some_and(|entry| self.edge.cache.admit(entry) == Admission::Admit);
        let mut about = self.lookup.stored().filter(|_| admitted);
        loop {
            let asked_at = self.edge.clock.now();
            let sent = upstream.send(self.asked.request(&Method::GET, about, Body::empty())).await;
            let times = Times { asked_at, received_at: self.edge.clock.now(), received_wall: self.edge.clock.wall() };
            let (head, body) = match sent {
                Ok(response) => response.into_parts(),
                Err(error) => return self.failed(Failure::Upstream(error), tell),
            };
            if let Some(stored) = about {
                if head.status == StatusCode::NOT_MODIFIED {
                    match freshen(stored, &self.asked.headers, &head.headers, &self.asked.behaviour, times) {
                        Freshened::Holds(updated) => return self.holds(*updated, tell),
                        // It speaks of something else than was asked about: ask for the whole.
                        Freshened::Other => {
                            about = None;
                            continue;
                        }
                    }
                }
                let now = self.edge.clock.now();
                if head.status.is_server_error() && stored.serves_on_error(now, pass.stale_if_error) {
                    return self.failed(Failure::UpstreamStatus(head.status.as_u16()), tell);
                }
            }
            return self.take(&pass, head, body, times, tell).await;
        }
    }

    /// Tells all who wait, too.
    fn failed(self, failure: Failure, tell: oneshot::Sender<Outcome>) {
        let facts = Facts { path: self.fill.path().to_owned(), ..Facts::default() };
        let published = self.fill.publish(facts, Kept::Failed(failure.clone()), false, self.edge.clock.now());
        let _ = tell.send(if published.is_ok() { Outcome::Failed(failure) } else { Outcome::Again });
    }

    /// The stored answer holds, with new fields.
    fn holds(self, updated: Stored, tell: oneshot::Sender<Outcome>) {
        let keep = Keep { lifetime: Some(updated.lifetime), forced: updated.forced };
        let keeps =
            storable((&Method::GET, &self.asked.headers), (updated.status, &updated.headers), &updated.policy, keep);
        let tags = tags(&updated.headers);
        let _ = tell.send(match self.publish(updated, tags, keeps.is_ok()) {
            Ok(entry) => Outcome::Entry { entry, status: Some(304), collapsed: false },
            Err(()) => Outcome::Again,
        });
    }

    async fn take(
        self,
        pass: &PassThrough,
        head: response::Parts,
        body: Body,
        times: Times,
        tell: oneshot::Sender<Outcome>,
    ) {
        let policy = Policy::of(&head.headers, times.received_wall);
        let keep = self.asked.behaviour.keep(head.status, &policy);
        let tags = tags(&head.headers);
        self.fill.learn(None, &tags);
        let facts = Facts { path: self.fill.path().to_owned(), tags: tags.clone(), ..Facts::default() };
        // Before the first byte goes to anyone.
        if self.fill.is_fenced(&facts) {
            let _ = tell.send(Outcome::Again);
            return;
        }
        let verdict = storable((&Method::GET, &self.asked.headers), (head.status, &head.headers), &policy, keep);
        // Whole and cut short look the same there.
        let is_told_whole = head.extensions.get::<Framing>() != Some(&Framing::UntilClose);
        let length = body.size_hint().exact();
        let mut room = Room { all: self.edge.collecting.clone(), max: pass.collect_bytes_max, taken: 0 };
        let fits = length.unwrap_or(0) <= pass.item_bytes_max && room.take(length.unwrap_or(0));
        let room = (verdict.is_ok() && is_told_whole && fits).then_some(room);
        let through = Through { forwarded: self.lookup.why, stored: room.is_some(), why_not: verdict.err(), times };
        let Some(room) = room else {
            if self.shared {
                let until = self.edge.clock.now().after(PASSES_AGE);
                let facts = Facts { fresh_until: Some(until), ..facts };
                let _ = self.fill.keep_beside(facts, Kept::Passes, self.edge.clock.now());
            }
            let reply = Reply::direct(&self.edge, body);
            let response = self.edge.leave_through(&self.live, &self.asked, head, reply, &through);
            let _ = tell.send(Outcome::Reply(Box::new(response)));
            return;
        };
        let stores = Storing { status: head.status, headers: head.headers.clone(), policy, keep, times, tags };
        let has_it = head.status.is_success()
            && evaluate(&self.asked.headers, &head.headers, times.received_wall) == Condition::NotModified;
        let (parts, reply) = Reply::shared(&self.edge, length);
        let response = match has_it {
            true => self.edge.leave_not_modified(&self.live, &self.asked, head, &through),
            false => self.edge.leave_through(&self.live, &self.asked, head, reply, &through),
        };
        let _ = tell.send(Outcome::Reply(Box::new(response)));
        self.collect(pass, stores, body, room, &parts).await;
    }

    /// Hands the body on while it comes, and keeps it when it is whole.
    async fn collect(
        self,
        pass: &PassThrough,
        stores: Storing,
        mut body: Body,
        mut room: Room,
        parts: &UnboundedSender<Part>,
    ) {
        let is_known = body.size_hint().exact().is_some();
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let chunk = match frame.map(http_body::Frame::into_data) {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(_)) => continue,
                Err(error) => {
                    let _ = parts.send(Part::Failed(error));
                    // Dropping the fill tells those who wait to start over; nothing is kept.
                    return;
                }
            };
            bytes += chunk.len() as u64;
            let fits = bytes <= pass.item_bytes_max && (is_known || room.take(chunk.len() as u64));
            let _ = parts.send(Part::Chunk(chunk.clone()));
            if !fits {
                self.fill.close();
                let _ = parts.send(Part::Rest(body));
                return;
            }
            chunks.push(chunk);
        }
        let Storing { status, headers, policy, keep, times, tags } = stores;
        let stored = Stored::new(&self.asked.headers, (status, &headers, joined(chunks)), policy, keep, times);
        let _ = self.publish(stored, tags, true);
        let _ = parts.send(Part::End);
    }

    /// Keeps an answer under the key of the fields it was selected by, and those fields under the first key.
    fn publish(&self, stored: Stored, tags: Vec<CacheTag>, keep: bool) -> Result<Arc<Entry<Kept>>, ()> {
        let now = self.edge.clock.now();
        let names = together(&self.lookup.names, &stored.selected_by);
        if keep && !names.is_empty() {
            let facts = Facts { path: self.asked.key.clone(), ..Facts::default() };
            self.fill.keep_beside(facts, Kept::Varies(names.clone()), now).map_err(drop)?;
        }
        let facts = Facts { path: self.asked.key_with(&names), tags, ..Facts::default() };
        self.fill.publish(facts, Kept::Answer(Box::new(stored)), keep, now).map_err(drop)
    }
}

/// What is kept with a body once it is whole.
struct Storing {
    status: StatusCode,
    headers: http::HeaderMap,
    policy: Policy,
    keep: Keep,
    times: Times,
    tags: Vec<CacheTag>,
}

/// Both lists in one: an answer that is selected by fewer fields than others of its URL is found by all of them.
fn together(known: &[HeaderName], own: &[HeaderName]) -> Vec<HeaderName> {
    let mut names: Vec<_> = known.iter().chain(own).cloned().collect();
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    if names.len() > NAMES_MAX { own.to_vec() } else { names }
}

fn joined(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() == 1 {
        return chunks.remove(0);
    }
    let mut whole = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    chunks.iter().for_each(|chunk| whole.extend_from_slice(chunk));
    whole.freeze()
}

/// A share of what all answers on their way into the cache may take, given back at the end.
struct Room {
    all: Arc<AtomicU64>,
    max: u64,
    taken: u64,
}

impl Room {
    /// Takes so many bytes more, if they are there.
    fn take(&mut self, bytes: u64) -> bool {
        let taken = self.all.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.taken += bytes;
        taken <= self.max
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.fetch_sub(self.taken, Ordering::Relaxed);
    }
}
