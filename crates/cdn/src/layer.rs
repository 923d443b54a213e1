//! One outer cache as the write story sees it: [`Invalidate`] over a queue.

use std::sync::Arc;

use afterimage_identity::{BoxFuture, Clock, Forecast, Invalidate, InvalidateError, Invalidation, Keep};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::carry::Way;
use crate::config::Config;
use crate::desk::{Desk, Rules, Wanted};
use crate::far::Far;
use crate::item::Item;
use crate::limits::Limits;
use crate::outbox::Outbox;
use crate::reach::{By, items};
use crate::waiting::Waiting;

/// How many wait for the queue to look at theirs; more wait in front of it.
const DOOR: usize = 1024;
/// How many items a forecast names.
const NAMED_MAX: usize = 1000;

/// One outer cache.
pub struct Layer {
    way: Arc<Way>,
    limits: Limits,
    over_purge: u32,
    /// What it takes to begin, until somebody wants something.
    door: Mutex<Door>,
}

enum Door {
    Closed(Option<Rules>),
    Open(mpsc::Sender<Wanted>),
}

impl Layer {
    /// Joins a queue to the outer cache that `config` names. `outbox` keeps what is sent and not complete; without one, what a
    /// dying process was at is sent again. Nothing is asked of the network before the first invalidation.
    ///
    /// # Errors
    /// In words: what of the configuration cannot be.
    pub fn open(config: &Config, outbox: Option<Arc<dyn Keep>>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let (far, limits) = config.far(clock.clone())?;
        Ok(Self::over(far, limits, config, outbox, clock))
    }

    /// Over an outer cache that is there already.
    fn over(
        far: Arc<dyn Far>,
        limits: Limits,
        config: &Config,
        outbox: Option<Arc<dyn Keep>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let way = Way { name: config.name.clone(), far, pace: config.pace, outbox: outbox.map(Outbox::new) };
        let rules = Rules { limits, over_purge: config.over_purge, clock };
        let over_purge = config.over_purge;
        Self { way: Arc::new(way), limits, over_purge, door: Mutex::new(Door::Closed(Some(rules))) }
    }

    /// The queue; it begins with the first who wants something, and with what an earlier process was at.
    async fn door(&self) -> Result<mpsc::Sender<Wanted>, InvalidateError> {
        let mut door = self.door.lock().await;
        if let Door::Closed(beginning) = &mut *door {
            let left = match &self.way.outbox {
                Some(outbox) => outbox.left().await,
                None => Ok(Vec::new()),
            };
            // Nothing is sent before it is known what was.
            let failed = |error| format!("what was sent before cannot be read: {error}");
            let left = left.map_err(|error| InvalidateError { why: failed(error), retry: true })?;
            let (sender, receiver) = mpsc::channel(DOOR);
            if let Some(rules) = beginning.take() {
                tokio::spawn(Desk::work(self.way.clone(), rules, left, receiver));
            }
            *door = Door::Open(sender);
        }
        match &*door {
            Door::Open(sender) => Ok(sender.clone()),
            Door::Closed(_) => unreachable!("it was opened above"),
        }
    }

    async fn tell(&self, what: &Invalidation) -> Result<(), InvalidateError> {
        let items = items(what, self.way.far.by().await?, self.limits.item_chars_max);
        if items.is_empty() {
            return Ok(());
        }
        let (reply, told) = oneshot::channel();
        let ended = |()| InvalidateError { why: "the queue has ended".to_owned(), retry: true };
        let wanted = Wanted { reference: what.reference.as_str().into(), items, reply };
        self.door().await?.send(wanted).await.map_err(|_| ended(()))?;
        told.await.map_err(|_| ended(()))?
    }

    /// How often its quotas were full although what is sent from here keeps within them: somebody else invalidates there.
    pub fn crowded(&self) -> u64 {
        self.way.far.crowded()
    }

    async fn foresee(&self, what: &[Invalidation]) -> Result<Forecast, InvalidateError> {
        let by = self.way.far.by().await?;
        let mut waiting = Waiting::default();
        for what in what {
            for item in items(what, by, self.limits.item_chars_max) {
                waiting.add(item, &what.reference.as_str().into());
            }
        }
        waiting.widen(self.limits.wildcards_in_progress, self.over_purge);
        let everything = crate::waiting::Room { items: usize::MAX, exact: usize::MAX, wildcards: usize::MAX };
        let items: Vec<Item> = waiting.take(everything).into_iter().map(|entry| entry.item).collect();
        let wildcards = items.iter().filter(|item| item.is_wildcard()).count();
        let count = items.len() as u64;
        Ok(Forecast {
            layer: self.way.name.clone(),
            by: match by {
                By::Tags => "by tag",
                By::TagsAndOriginals => "by tag, and bare originals by path",
                By::Paths => "by canonical path",
                By::Wildcards => "by wildcard",
                By::Everything => "by tag and path",
            }
            .to_owned(),
            items: items.iter().take(NAMED_MAX).map(Item::text).collect(),
            items_count: count,
            waves: self.limits.waves(items.len() - wildcards, wildcards) as u64,
            free_a_month: self.limits.items_free,
            microdollars_max: count * self.limits.item_microdollars,
        })
    }
}

impl Invalidate for Layer {
    fn name(&self) -> &str {
        &self.way.name
    }

    fn invalidate<'a>(&'a self, what: &'a Invalidation) -> BoxFuture<'a, Result<(), InvalidateError>> {
        Box::pin(self.tell(what))
    }

    fn forecast<'a>(&'a self, what: &'a [Invalidation]) -> BoxFuture<'a, Result<Forecast, InvalidateError>> {
        Box::pin(self.foresee(what))
    }
}

#[cfg(test)]
mod tests;
