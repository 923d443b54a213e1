//! Calls of the write story: JSON in and out, each within its time.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use afterimage_identity::BoxFuture;
use afterimage_purge::Run;
use afterimage_setup::{MachineClock, Proof, Writing};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::{Ended, list, settings, start};

/// A function that answers calls.
pub trait Answers: Send + Sync + 'static {
    /// Answers one call, which has to end before `deadline`.
    ///
    /// # Errors
    /// In words; whoever called has to call again.
    fn answer<'a>(&'a self, payload: &'a Value, deadline: SystemTime) -> BoxFuture<'a, Result<Value, String>>;
}

/// A process of the write story, from `main` to its end: the function is made over the buckets that the settings name, which prove
/// themselves at its start, or in its first call.
pub fn serve<F: Answers>(proof: Proof, function: impl AsyncFnOnce(Writing) -> F) -> std::process::ExitCode {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(2);
    start("docs/operating/lambda.md", threads, async || {
        let function = Arc::new(function(open(proof).map_err(Ended::Refused)?).await);
        let answer = service_fn(|event: LambdaEvent<Value>| {
            let function = function.clone();
            async move {
                let answered = function.answer(&event.payload, event.context.deadline()).await;
                answered.map_err(lambda_runtime::Error::from)
            }
        });
        lambda_runtime::run(answer).await.map_err(Ended::Unheard)
    })
}

fn open(proof: Proof) -> Result<Writing, String> {
    let config = settings()?.writing().map_err(|mistakes| list(&mistakes))?;
    Writing::open(config, proof, Arc::new(MachineClock)).map_err(|error| error.to_string())
}

fn unix_ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> u64 {
    unix_ms(SystemTime::now())
}

/// A run of a call that is over at `deadline`, with a name that no other has.
pub fn run_until(deadline: SystemTime) -> Run {
    // Each `RandomState` has keys of its own.
    let chance = RandomState::new().hash_one(std::process::id());
    Run::new(now_ms(), unix_ms(deadline), chance)
}
