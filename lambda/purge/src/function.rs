//! One call of the function: what buckets say is taken and written down, what earlier calls left is gone on with, and what only
//! time or others can finish is left to a message that comes later.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use afterimage_events::dialect::read_unwrapped;
use afterimage_events::{Intake, Sender};
use afterimage_identity::{BoxFuture, Take as _};
use afterimage_lambda::{Answers, now_ms, run_until};
use afterimage_purge::{Ended, Filter, Journal, Later, Noticed, Order, Purger, Taker};
use afterimage_setup::Writing;
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::event::{Body, Call, Message, read};

/// How a call spends its time.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// So long before its end a call writes down what is left.
    pub margin: Duration,
    /// A call ends when nothing has happened for so long: what is left then waits for others.
    pub quiet: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        // The longest that nothing is seen to happen: an outer cache is asked how it wants things named, then told.
        Self { margin: Duration::from_secs(10), quiet: Duration::from_secs(6) }
    }
}

/// The function.
pub struct Function {
    writing: Writing,
    sender: Sender,
    pace: Pace,
}

/// What a call is told of originals.
#[derive(Default)]
struct Told {
    /// By buckets, in some dialect.
    bodies: Vec<String>,
    /// By functions that answer requests.
    noticed: Vec<Noticed>,
}

/// The bounds of one call.
#[derive(Clone, Copy)]
struct Time {
    deadline: SystemTime,
    /// When work ends.
    until: Instant,
}

impl Answers for Function {
    fn answer<'a>(&'a self, payload: &'a Value, deadline: SystemTime) -> BoxFuture<'a, Result<Value, String>> {
        let time = self.time(deadline);
        Box::pin(async move {
            match read(payload)? {
                Call::Queue(messages) => Ok(self.queue(messages, time).await),
                Call::Direct(body) => self.take_one(Told { bodies: vec![body], ..Told::default() }, time).await,
                Call::Noticed(noticed) => self.take_one(Told { noticed: vec![noticed], ..Told::default() }, time).await,
                Call::Later(later) => self.go_on(&later, time).await.map(|()| json!({})),
                Call::Order(order) => self.order(order, time).await,
                Call::Receipts(filter) => self.receipts(&filter).await,
            }
        })
    }
}

impl Function {
    /// Over buckets that were opened.
    pub async fn new(writing: Writing, pace: Pace) -> Self {
        let sender = Sender::connect(&writing.config().later).await;
        Self { writing, sender, pace }
    }

    fn time(&self, deadline: SystemTime) -> Time {
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        // Where the whole time is short, most of it is for work.
        let margin = self.pace.margin.min(left / 4);
        Time { deadline, until: Instant::now() + left.saturating_sub(margin) }
    }

    async fn queue(&self, messages: Vec<Message>, time: Time) -> Value {
        let (mut told, mut heard, mut noticed, mut later) = (Told::default(), Vec::new(), Vec::new(), Vec::new());
        for Message { id, body } in messages {
            match body {
                Body::Bucket(body) => {
                    heard.push(id);
                    told.bodies.push(body);
                }
                Body::Noticed(message) => {
                    noticed.push(id);
                    told.noticed.push(message);
                }
                Body::Later(message) => later.push((id, message)),
            }
        }
        heard.append(&mut noticed);
        let gone_on = join_all(later.into_iter().map(async |(id, later)| (id, self.go_on(&later, time).await)));
        let (taken, gone_on) = join(self.take(told, time), gone_on).await;
        let failed = heard.into_iter().zip(taken).chain(gone_on).filter_map(|(id, result)| {
            let why = result.err()?;
            tracing::warn!(id, why, "a message is left to the queue");
            Some(json!({ "itemIdentifier": id }))
        });
        json!({ "batchItemFailures": failed.collect::<Vec<Value>>() })
    }

    async fn take_one(&self, told: Told, time: Time) -> Result<Value, String> {
        let mut results = self.take(told, time).await;
        results.pop().unwrap_or(Ok(())).map(|()| json!({}))
    }

    /// Takes what buckets say and what requests noticed, into a new journal; for each, in this order, whether it need not be said
    /// again.
    async fn take(&self, told: Told, time: Time) -> Vec<Result<(), String>> {
        let count = told.bodies.len() + told.noticed.len();
        let all = |why: String| vec![Err(why); count];
        if count == 0 {
            return Vec::new();
        }
        let run = run_until(time.deadline);
        let purger = match self.writing.purger(self.writing.journals.begin(&run)).await {
            Ok(purger) => purger,
            Err(error) => return all(error.to_string()),
        };
        let taker = Arc::new(Taker::new(purger.clone()));
        let intake = Intake::new(self.writing.config().places.clone(), taker.clone());
        let read = told.bodies.iter().map(|body| read_unwrapped(body.as_bytes())).collect();
        let taken = join(intake.take_all(read), self.take_noticed(&taker, told.noticed));
        let results = match tokio::time::timeout_at(time.until, taken).await {
            Ok((heard, noticed)) => {
                heard.into_iter().map(|result| result.map_err(|why| why.to_string())).chain(noticed).collect()
            }
            Err(_) => all("there was no time to ask about it".to_owned()),
        };
        match self.work(&purger, &Later::new(&run.name), time, true).await {
            Ok(()) => results,
            Err(why) => all(why),
        }
    }

    /// Takes what requests noticed, each original once, whichever processes noticed it.
    async fn take_noticed(&self, taker: &Taker, noticed: Vec<Noticed>) -> Vec<Result<(), String>> {
        let (mut unique, mut at): (Vec<Noticed>, Vec<usize>) = (Vec::new(), Vec::new());
        for one in noticed {
            at.push(unique.iter().position(|other| other.original == one.original).unwrap_or(unique.len()));
            if at.last() == Some(&unique.len()) {
                unique.push(one);
            }
        }
        // So many may be gone for a bad reason. Here nobody could confirm it; the reconciler holds, and can be told to go on.
        let most = usize::try_from(self.writing.config().purge.mass_loss.count).unwrap_or(usize::MAX);
        if unique.len() > most {
            tracing::error!(
                noticed = unique.len(),
                "very many originals are gone or changed; the reconciler has to look"
            );
            unique.truncate(most);
        }
        let taken = taker.take(unique.into_iter().map(Noticed::event).collect()).await;
        let taken: Vec<Result<(), String>> =
            taken.into_iter().map(|result| result.map_err(|not| not.to_string())).collect();
        at.into_iter().map(|at| taken.get(at).cloned().unwrap_or(Ok(()))).collect()
    }

    /// Goes on with what an earlier call left.
    async fn go_on(&self, later: &Later, time: Time) -> Result<(), String> {
        let run = run_until(time.deadline);
        match self.writing.journals.adopt(&later.journal, &run, now_ms()).await.map_err(|error| error.to_string())? {
            Journal::Over => Ok(()),
            Journal::Busy(until_ms) => {
                let pause = Duration::from_millis(until_ms.saturating_sub(now_ms())) + Duration::from_secs(1);
                self.sender.send(&later.text(), pause).await
            }
            Journal::Ours(shard) => {
                let purger = self.writing.purger(shard).await.map_err(|error| error.to_string())?;
                self.work(&purger, later, time, false).await
            }
        }
    }

    /// Purges what somebody wants purged.
    async fn order(&self, order: Order, time: Time) -> Result<Value, String> {
        let run = run_until(time.deadline);
        let shard = self.writing.journals.begin(&run);
        let purger = self.writing.purger(shard).await.map_err(|error| error.to_string())?;
        let ids = purger.purge(Order { wait: false, ..order }).await.map_err(|error| error.to_string())?;
        if let Some(why) = purger.health().journal_error {
            return Err(format!("the journal cannot be written: {why}"));
        }
        self.work(&purger, &Later::new(&run.name), time, true).await?;
        Ok(json!({ "receipts": ids }))
    }

    async fn receipts(&self, filter: &Filter) -> Result<Value, String> {
        let receipts = self.writing.journals.receipts(filter).await.map_err(|error| error.to_string())?;
        Ok(json!({ "receipts": receipts }))
    }

    /// Works as far as it can, and sees to it that somebody comes for the rest: where the journal is `new`, before anything
    /// can go wrong here; otherwise the message that led here comes again until there is another.
    async fn work(&self, purger: &Arc<Purger>, later: &Later, time: Time, new: bool) -> Result<(), String> {
        let first = later.next(purger.left(), now_ms()).filter(|_| new);
        let mut sent = match &first {
            Some((next, pause)) => self.sender.send(&next.text(), *pause).await,
            None => Ok(()),
        };
        let ended = purger.visit(self.pace.quiet, time.until).await;
        let next = later.next(purger.left(), now_ms());
        let expected_ms = next.as_ref().map_or(0, |(_, pause)| now_ms() + pause.as_millis() as u64);
        let left = match purger.hand_over(expected_ms).await {
            Ok(left) => left,
            // What was written down before is gone on with by whoever comes.
            Err(error) if new || ended == Ended::Lost => {
                tracing::warn!(%error, "what was done here is not written down");
                return sent;
            }
            Err(error) => return Err(error.to_string()),
        };
        tracing::info!(journal = later.journal, ?ended, open = left.open, "worked");
        if let Some((next, pause)) = next.filter(|_| first.is_none() || sent.is_err()) {
            sent = self.sender.send(&next.text(), pause).await;
        }
        sent
    }
}
