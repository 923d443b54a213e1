//! The queue through which functions tell each other what is to be done.

use afterimage_events::QueueConfig;

use crate::value::quoted;
use crate::{Mistake, Settings};

impl Settings {
    /// `lambda.later_queue`, where it is set.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn later_queue(&self) -> Result<Option<QueueConfig>, Mistake> {
        let Some(url) = &self.lambda.later_queue else { return Ok(None) };
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            let remedy =
                "no URL; write it whole, such as \"https://sqs.eu-central-1.amazonaws.com/111122223333/later\"";
            return Err(Mistake::new("lambda.later_queue", Some(quoted(url)), remedy.to_owned()));
        }
        Ok(Some(QueueConfig {
            url: url.clone(),
            endpoint: self.events.sqs_endpoint.clone(),
            region: self.events.sqs_region.clone(),
            profile: self.events.sqs_profile.clone(),
        }))
    }
}
