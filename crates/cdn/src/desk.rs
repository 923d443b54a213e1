//! The queue of one outer cache: collects what is wanted over a short window, sends it in batches within the quotas, and
//! answers everybody when their last item is complete. One task; nothing here waits for the network.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use afterimage_identity::{Clock, Digest, InvalidateError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::carry::{End, Trouble, Way, carry};
use crate::item::Item;
use crate::limits::Limits;
use crate::outbox::{Batch, Done};
use crate::waiting::{Entry, Room, Waiting};

/// For so many who went away before theirs was complete it is remembered that it is. Beyond it an item is sent once more,
/// which costs a little and harms nothing.
const UNCLAIMED_MAX: usize = 50_000;

/// The answer to one who wants something forgotten.
pub(crate) type Reply = oneshot::Sender<Result<(), InvalidateError>>;

/// Somebody wants these forgotten.
pub(crate) struct Wanted {
    pub(crate) reference: Arc<str>,
    pub(crate) items: Vec<Item>,
    pub(crate) reply: Reply,
}

/// Somebody who waits.
#[derive(Default)]
struct Member {
    replies: Vec<Reply>,
    /// What is not complete.
    left: HashSet<Item>,
    /// What is: kept for when another part fails and all of it is asked for again.
    done: Vec<Item>,
}

/// What is complete and nobody waited for: who asks again gets the answer at once.
#[derive(Default)]
struct Unclaimed {
    items: HashMap<Arc<str>, Vec<Item>>,
    order: VecDeque<Arc<str>>,
}

impl Unclaimed {
    fn push(&mut self, reference: &Arc<str>, item: &Item) {
        if !self.items.contains_key(reference) {
            self.order.push_back(reference.clone());
        }
        self.items.entry(reference.clone()).or_default().push(item.clone());
        if self.order.len() > UNCLAIMED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.items.remove(&oldest);
        }
    }
}

pub(crate) struct Desk {
    way: Arc<Way>,
    limits: Limits,
    over_purge: u32,
    clock: Arc<dyn Clock>,
    waiting: Waiting,
    /// When what waits is sent.
    due: Option<Instant>,
    members: HashMap<Arc<str>, Member>,
    batches: HashMap<u64, Batch>,
    /// Which batches hold something of whom.
    places: HashMap<Arc<str>, Vec<u64>>,
    next: u64,
    running: JoinSet<(u64, End)>,
    exact: usize,
    wildcards: usize,
    done: Done,
    is_starting: bool,
    unclaimed: Unclaimed,
    troubles: mpsc::Sender<Trouble>,
}

/// How many exact items and how many wildcards there are.
fn counts(entries: &[Entry]) -> (usize, usize) {
    let wildcards = entries.iter().filter(|entry| entry.item.is_wildcard()).count();
    (entries.len() - wildcards, wildcards)
}

/// What a desk is for, and by which rules.
pub(crate) struct Rules {
    pub(crate) limits: Limits,
    /// How many folders up a wildcard may be widened.
    pub(crate) over_purge: u32,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Desk {
    /// Works until nobody can want anything any more. `left` is what an earlier process was at.
    pub(crate) async fn work(way: Arc<Way>, rules: Rules, left: Vec<Batch>, mut wanted: mpsc::Receiver<Wanted>) {
        let (troubles, mut troubled) = mpsc::channel(64);
        let mut desk = Self {
            way,
            limits: rules.limits,
            over_purge: rules.over_purge,
            clock: rules.clock,
            waiting: Waiting::default(),
            due: None,
            members: HashMap::new(),
            batches: HashMap::new(),
            places: HashMap::new(),
            next: 0,
            running: JoinSet::new(),
            exact: 0,
            wildcards: 0,
            done: Done::default(),
            is_starting: true,
            unclaimed: Unclaimed::default(),
            troubles,
        };
        for batch in left {
            match batch.done {
                true => desk.complete(batch).await,
                false => desk.start(batch),
            }
        }
        desk.is_starting = false;
        loop {
            let due = desk.due.filter(|_| desk.has_room());
            tokio::select! {
                want = wanted.recv() => match want {
                    Some(want) => desk.take(want),
                    None => return,
                },
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => desk.send().await,
                Some(ended) = desk.running.join_next() => match ended {
                    Ok((number, end)) => desk.ended(number, end).await,
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                Some(trouble) = troubled.recv() => desk.tell(&trouble),
            }
        }
    }

    fn take(&mut self, want: Wanted) {
        let Wanted { reference, items, reply } = want;
        let known = self.unclaimed.items.remove(&reference).unwrap_or_default();
        let left: Vec<Item> = items.into_iter().filter(|item| !known.iter().any(|done| done.covers(item))).collect();
        if left.is_empty() {
            let _ = reply.send(Ok(()));
            return;
        }
        for item in &left {
            if !self.is_under_way(&reference, item) {
                self.waiting.add(item.clone(), &reference);
            }
        }
        if self.waiting.len() > 0 {
            let window = Instant::now() + self.window();
            self.due = Some(self.due.map_or(window, |due| due.min(window)));
        }
        let member = self.members.entry(reference).or_default();
        member.left.extend(left);
        member.done.extend(known);
        member.replies.push(reply);
    }

    /// How long is collected: the longer, the more is in progress. A trickle must not take every place with a batch of one.
    fn window(&self) -> Duration {
        if self.waiting.len() >= self.limits.items_per_call {
            return Duration::ZERO;
        }
        self.way.pace.window.saturating_mul(u32::try_from(self.running.len() + 1).unwrap_or(u32::MAX))
    }

    /// Whether something that covers the item was sent for the same one already.
    fn is_under_way(&self, reference: &Arc<str>, item: &Item) -> bool {
        let batches = self.places.get(reference).into_iter().flatten().filter_map(|number| self.batches.get(number));
        let mut entries = batches.flat_map(|batch| &batch.entries);
        entries.any(|entry| entry.item.covers(item) && entry.references.contains(reference))
    }

    fn room(&self) -> Room {
        let may_begin = self.running.len() < self.limits.batches_in_progress;
        Room {
            items: if may_begin { self.limits.items_per_call } else { 0 },
            exact: self.limits.exact_in_progress.saturating_sub(self.exact),
            wildcards: self.limits.wildcards_in_progress.saturating_sub(self.wildcards),
        }
    }

    fn has_room(&self) -> bool {
        let room = self.room();
        room.items > 0 && (room.exact > 0 || room.wildcards > 0)
    }

    /// Sends what waits, as far as there is room. The rest goes when something is complete.
    async fn send(&mut self) {
        self.waiting.widen(self.limits.wildcards_in_progress, self.over_purge);
        self.due = None;
        loop {
            let entries = self.waiting.take(self.room());
            if entries.is_empty() {
                return;
            }
            let batch = Batch { reference: self.name(&entries), id: None, done: false, entries };
            self.way.write(&batch).await;
            self.start(batch);
        }
    }

    /// A name that no other batch has, wherever it is made: the wall clock is in it, and everybody who wants it.
    fn name(&self, entries: &[Entry]) -> String {
        let since = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut digest = Digest::new("batch").part(&since.as_nanos().to_be_bytes()).part(&self.next.to_be_bytes());
        for entry in entries {
            digest = digest.part(entry.item.text().as_bytes());
            digest = entry.references.iter().fold(digest, |digest, reference| digest.part(reference.as_bytes()));
        }
        format!("afterimage-{:011}-{}", since.as_secs(), digest.hex(24))
    }

    fn start(&mut self, batch: Batch) {
        let number = self.next;
        self.next += 1;
        let (exact, wildcards) = counts(&batch.entries);
        self.exact += exact;
        self.wildcards += wildcards;
        for reference in references(&batch) {
            self.places.entry(reference.clone()).or_default().push(number);
        }
        let (way, troubles, sent) = (self.way.clone(), self.troubles.clone(), batch.clone());
        self.running.spawn(async move { (number, carry(way, number, sent, troubles).await) });
        self.batches.insert(number, batch);
    }

    async fn ended(&mut self, number: u64, end: End) {
        let Some(batch) = self.batches.remove(&number) else { return };
        let (exact, wildcards) = counts(&batch.entries);
        self.exact -= exact;
        self.wildcards -= wildcards;
        for reference in references(&batch) {
            if let Some(places) = self.places.get_mut(reference) {
                places.retain(|place| *place != number);
                if places.is_empty() {
                    self.places.remove(reference);
                }
            }
        }
        match end {
            End::Completed => {
                let batch = Batch { done: true, ..batch };
                // Before anybody is told: a process that dies in between does not send it again.
                self.way.write(&batch).await;
                self.complete(batch).await;
            }
            End::Renew => self.again(batch, 1).await,
            End::BadItem(_) if batch.entries.len() > 1 => self.again(batch, 2).await,
            End::Replan(why) => {
                self.forget(&batch.reference).await;
                self.fail(&batch, &InvalidateError { why, retry: true });
            }
            End::BadItem(why) | End::Refused(why) => {
                let items: Vec<String> = batch.entries.iter().take(3).map(|entry| entry.item.text()).collect();
                tracing::error!(layer = self.way.name, why, ?items, "an invalidation is refused");
                self.forget(&batch.reference).await;
                self.fail(&batch, &InvalidateError { why, retry: false });
            }
        }
        if self.waiting.len() > 0 && self.due.is_none() {
            // It waited for room alone.
            self.due = Some(Instant::now());
        }
    }

    /// Sends a batch again under other names, in so many parts.
    async fn again(&mut self, batch: Batch, parts: usize) {
        for entries in batch.entries.chunks(batch.entries.len().div_ceil(parts)) {
            let part = Batch { reference: self.name(entries), id: None, done: false, entries: entries.to_vec() };
            self.way.write(&part).await;
            self.start(part);
        }
        self.forget(&batch.reference).await;
    }

    async fn forget(&self, reference: &str) {
        let Some(outbox) = &self.way.outbox else { return };
        if let Err(error) = outbox.remove(reference).await {
            tracing::warn!(layer = self.way.name, %error, "a batch of invalidations stays where it is written");
        }
    }

    /// Answers whoever waits for nothing else, and remembers it for the others.
    async fn complete(&mut self, batch: Batch) {
        for Entry { item, references } in &batch.entries {
            for reference in references {
                let Some(member) = self.members.get_mut(reference) else {
                    self.unclaimed.push(reference, item);
                    continue;
                };
                member.done.push(item.clone());
                if !member.left.remove(item) && item.is_wildcard() {
                    member.left.retain(|left| !item.covers(left));
                }
                if member.left.is_empty()
                    && let Some(member) = self.members.remove(reference)
                {
                    member.replies.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
                }
            }
        }
        self.done.push(batch);
        // What an earlier process left is kept: who wanted it has had no time to ask again.
        while !self.is_starting
            && let Some(oldest) = self.done.excess(|reference| {
                self.members.contains_key(reference) || self.unclaimed.items.contains_key(reference)
            })
        {
            self.forget(&oldest).await;
        }
    }

    /// Tells those who wait for a batch that it has to wait itself. It goes on; they come back.
    fn tell(&mut self, trouble: &Trouble) {
        if let Some(batch) = self.batches.get(&trouble.batch).cloned() {
            self.fail(&batch, &InvalidateError { why: trouble.why.clone(), retry: true });
        }
    }

    fn fail(&mut self, batch: &Batch, error: &InvalidateError) {
        for reference in references(batch) {
            if let Some(member) = self.members.remove(reference) {
                member.done.iter().for_each(|item| self.unclaimed.push(reference, item));
                member.replies.into_iter().for_each(|reply| drop(reply.send(Err(error.clone()))));
            }
        }
    }
}

/// Everybody who wants something of a batch, once.
fn references(batch: &Batch) -> HashSet<&Arc<str>> {
    batch.entries.iter().flat_map(|entry| &entry.references).collect()
}
