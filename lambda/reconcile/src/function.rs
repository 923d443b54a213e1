//! One call of the function: a part of a comparison of everything stored with its originals, as long as there is time, and a
//! look for what other functions have left behind.

use std::time::{Duration, SystemTime};

use afterimage_events::Sender;
use afterimage_identity::BoxFuture;
use afterimage_lambda::{Answers, now_ms, run_until};
use afterimage_purge::{Ended, Journal, Later, Mode, Report, Run, STANDING};
use afterimage_setup::Writing;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

/// So long before its end a call writes down what is left.
const MARGIN: Duration = Duration::from_secs(10);
/// A call ends when nothing has happened for so long.
const QUIET: Duration = Duration::from_secs(6);
/// Journals left behind wait a little, so that they do not all go on in this very second.
const LEFT_PAUSE: Duration = Duration::from_secs(5);

/// Our own words; a schedule says nothing.
#[derive(Deserialize)]
#[serde(tag = "afterimage", rename_all = "snake_case", deny_unknown_fields)]
enum Own {
    Reconcile {
        #[serde(default = "run")]
        mode: Mode,
    },
}

fn run() -> Mode {
    Mode::Run
}

/// What a call is to do.
///
/// # Errors
/// In words, where it is meant for us and cannot be read.
fn mode(payload: &Value) -> Result<Mode, String> {
    if payload.get("afterimage").is_none() {
        return Ok(Mode::Run);
    }
    let Own::Reconcile { mode } =
        Own::deserialize(payload).map_err(|error| format!("this call cannot be read: {error}"))?;
    Ok(mode)
}

/// The function.
pub struct Function {
    writing: Writing,
    sender: Sender,
}

impl Answers for Function {
    // What was found before an error is remembered.
    fn answer<'a>(&'a self, payload: &'a Value, deadline: SystemTime) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(self.compare(payload, deadline))
    }
}

impl Function {
    /// Over buckets that were opened.
    pub async fn new(writing: Writing) -> Self {
        let sender = Sender::connect(&writing.config().later).await;
        Self { writing, sender }
    }

    async fn compare(&self, payload: &Value, deadline: SystemTime) -> Result<Value, String> {
        let mode = mode(payload)?;
        let time = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let until = Instant::now() + time.saturating_sub(MARGIN.min(time / 4));
        // What was found has to be purged in the same call, as far as it can.
        let looks_until = until - time / 4;
        let run = run_until(deadline);
        if mode == Mode::DryRun {
            return self.look(&run, looks_until).await;
        }
        let found = self.writing.journals.standing(&run, now_ms()).await.map_err(|error| error.to_string())?;
        let shard = match found {
            Journal::Ours(shard) => shard,
            Journal::Busy(until_ms) => return Ok(json!({ "busy_until_ms": until_ms })),
            Journal::Over => return Err("the standing journal is over".to_owned()),
        };
        let purger = self.writing.purger(shard).await.map_err(|error| error.to_string())?;
        let report = purger.reconcile_until(mode, &|_| {}, Some(looks_until)).await;
        let ended = purger.visit(QUIET, until).await;
        let next = Later::new(STANDING).next(purger.left(), now_ms());
        let expected_ms = next.as_ref().map_or(0, |(_, pause)| now_ms() + pause.as_millis() as u64);
        let left = purger.hand_over(expected_ms).await.map_err(|error| error.to_string())?;
        if let Some((next, pause)) = next {
            self.sender.send(&next.text(), pause).await?;
        }
        let report = report.map_err(|error| error.to_string())?;
        let left_behind = if ended == Ended::OutOfTime { Vec::new() } else { self.tidy().await? };
        log(&report);
        Ok(json!({ "report": report, "open": left.open, "left_behind": left_behind }))
    }

    /// Only looks: nothing is written, and no journal taken.
    async fn look(&self, run: &Run, until: Instant) -> Result<Value, String> {
        let shard = self.writing.journals.begin(run);
        let purger = self.writing.purger(shard).await.map_err(|error| error.to_string())?;
        let report = purger.reconcile_until(Mode::DryRun, &|_| {}, Some(until)).await;
        Ok(json!({ "report": report.map_err(|error| error.to_string())? }))
    }

    /// Wakes somebody for each journal that was left behind, and clears away what is old; the journals.
    async fn tidy(&self) -> Result<Vec<String>, String> {
        let receipts_max = self.writing.config().purge.receipts_max;
        let left = self.writing.journals.tidy(now_ms(), receipts_max).await.map_err(|error| error.to_string())?;
        for journal in &left {
            tracing::warn!(journal, "a journal was left behind; somebody goes on with it");
            self.sender.send(&Later::new(journal).text(), LEFT_PAUSE).await?;
        }
        Ok(left)
    }
}

fn log(report: &Report) {
    let Report { originals, gone, changed, unproven, asked, listed, paused, held, .. } = report;
    tracing::info!(originals, gone, changed, unproven, asked, listed, paused, held, "compared");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_says_nothing_and_a_person_says_what() {
        let scheduled = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
        for payload in [&scheduled, &json!({}), &json!(null), &json!({"afterimage": "reconcile"})] {
            assert_eq!(mode(payload), Ok(Mode::Run), "{payload}");
        }
        assert_eq!(mode(&json!({"afterimage": "reconcile", "mode": "dry_run"})), Ok(Mode::DryRun));
        assert_eq!(mode(&json!({"afterimage": "reconcile", "mode": "confirm"})), Ok(Mode::Confirm));
        for payload in [
            json!({"afterimage": "purge"}),
            json!({"afterimage": "reconcile", "mode": "all"}),
            json!({"afterimage": "reconcile", "dry": true}),
        ] {
            assert!(mode(&payload).is_err(), "{payload}");
        }
    }
}
