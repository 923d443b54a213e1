//! What a purge would take at the outer caches, said before anything is begun.

use afterimage_identity::{Forecast, FoundBy, InvalidateError, Subject};

use crate::order::{Targets, Task, subject_of};
use crate::plan::Reason;
use crate::purger::Purger;
use crate::reach::invalidation;
use crate::{Error, OrderOf};

impl Purger {
    /// What telling each outer cache would take, were this asked for now; for each, or why it cannot say. Nothing is begun.
    ///
    /// # Errors
    /// As [`Purger::purge`].
    pub async fn forecast(&self, selector: OrderOf) -> Result<Vec<Result<Forecast, (String, InvalidateError)>>, Error> {
        let (subject, targets): (Subject, Targets) = subject_of(&self.config.source, selector)?;
        let task = Task::new(subject, targets, Reason::AskedFor.as_str(), FoundBy::Operator, self.wall_ms());
        let what = [invalidation(&self.config.source, &self.config.hosts, &task, 1)];
        let mut forecasts = Vec::new();
        for outer in &self.parts.invalidators {
            forecasts.push(outer.forecast(&what).await.map_err(|error| (outer.name().to_owned(), error)));
        }
        Ok(forecasts)
    }
}
