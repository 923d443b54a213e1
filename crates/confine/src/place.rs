//! A place for one worker on a thread: there is one when it is needed, never two, and a new one after so many jobs. One that dies
//! is followed by another; if they keep dying, ever later.

use std::sync::Arc;
use std::time::Duration;

use afterimage_identity::{Clock, Stamp};

use crate::death::{Cause, Death};
use crate::inside::Answer;
use crate::limits::{Command, Limits};
use crate::report::Report;
use crate::tally::{Snapshot, Tally};
use crate::worker::{Failed, Job, Worker};

/// The first pause between a death and the next start. The very first start after a success has none.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// What the workers of several places have in common.
pub struct Workers {
    command: Command,
    limits: Limits,
    clock: Arc<dyn Clock>,
    tally: Tally,
}

impl Workers {
    /// Workers that run `command`. None is started yet.
    pub fn new(command: Command, limits: Limits, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { command, limits, clock, tally: Tally::default() })
    }

    /// A place for one of them.
    ///
    /// A worker ends with the thread that started it: a place belongs to one thread.
    pub fn place(self: &Arc<Self>) -> Place {
        Place { workers: self.clone(), worker: None, deaths_in_a_row: 0, not_before: Stamp(0) }
    }

    /// What became of them so far.
    pub fn snapshot(&self) -> Snapshot {
        self.tally.snapshot()
    }
}

/// Why a job has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No worker could be started.
    #[error("no worker can be started: {0}")]
    NotStarted(String),
    /// The job could not be handed over: this machine's fault, no worker's.
    #[error("a job could not be handed over: {0}")]
    NotGiven(String),
    /// The worker died of it, or with it in hand.
    #[error("a worker died: {0}")]
    Died(Death),
    /// Nobody waits for it any more.
    #[error("nobody waits for the job any more")]
    Stopped,
}

/// A place for one worker.
pub struct Place {
    workers: Arc<Workers>,
    worker: Option<Worker>,
    deaths_in_a_row: u32,
    not_before: Stamp,
}

impl Place {
    /// Starts a worker ahead of need, and says how well it is enclosed.
    ///
    /// # Errors
    /// When none can be started.
    pub fn ready(&mut self) -> Result<Report, Error> {
        if self.worker.is_none() {
            let Workers { command, limits, clock, tally } = &*self.workers;
            match Worker::start(command, limits, &**clock) {
                Ok(worker) => {
                    tally.started(&worker.report);
                    self.worker = Some(worker);
                }
                Err(why) => {
                    tally.failed();
                    self.pause();
                    return Err(Error::NotStarted(why));
                }
            }
        }
        Ok(self.worker.as_ref().map(|worker| worker.report.clone()).unwrap_or_default())
    }

    /// Has a job done. `stop` is asked every 20 milliseconds whether anybody still waits.
    ///
    /// # Errors
    /// [`Error`]; the next job gets a new worker, whatever became of this one's.
    pub fn run(&mut self, job: &Job<'_>, stop: &dyn Fn() -> bool) -> Result<Answer, Error> {
        self.wait_out_the_pause(job.deadline, stop)?;
        let mut ran = self.run_once(job, stop);
        // One that died while it had nothing to do has seen nothing of this job.
        if matches!(ran, Err(Failed::NotGiven(_))) && self.worker.is_none() {
            self.ready()?;
            ran = self.run_once(job, stop);
        }
        let tally = &self.workers.tally;
        match ran {
            Ok(answer) => {
                self.deaths_in_a_row = 0;
                tally.answered();
                Ok(answer)
            }
            Err(Failed::Died(death)) => {
                tally.died(death.cause);
                self.pause();
                Err(Error::Died(death))
            }
            Err(Failed::Stopped) => {
                tally.died(Cause::Deadline);
                Err(Error::Stopped)
            }
            Err(Failed::NotGiven(why)) => Err(Error::NotGiven(why)),
        }
    }

    /// Replaces a worker that has done its share. To be called when nobody waits: it may take some milliseconds.
    pub fn rest(&mut self) {
        let limits = &self.workers.limits;
        let is_spent = |worker: &Worker| worker.jobs >= limits.jobs_max.max(1) || worker.is_bloated();
        if self.worker.as_ref().is_some_and(is_spent) {
            self.drop_worker();
            self.workers.tally.replaced();
            // Whether that works shows at the next job.
            let _ = self.ready();
        }
    }

    fn run_once(&mut self, job: &Job<'_>, stop: &dyn Fn() -> bool) -> Result<Answer, Failed> {
        self.ready().map_err(|error| Failed::NotGiven(error.to_string()))?;
        let Some(worker) = &mut self.worker else { return Err(Failed::NotGiven("no worker".to_owned())) };
        let Workers { limits, clock, .. } = &*self.workers;
        let ran = worker.run(job, limits, &**clock, stop);
        if ran.is_err() {
            self.drop_worker();
        }
        ran
    }

    fn drop_worker(&mut self) {
        if self.worker.take().is_some() {
            self.workers.tally.ended();
        }
    }

    /// Makes the next start wait, if this was not the first death in a row.
    fn pause(&mut self) {
        let doubled = 1u32.checked_shl(self.deaths_in_a_row.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = if self.deaths_in_a_row == 0 { Duration::ZERO } else { PAUSE_MIN.saturating_mul(doubled) };
        self.not_before = self.workers.clock.now().after(pause.min(self.workers.limits.pause_max));
        self.deaths_in_a_row = self.deaths_in_a_row.saturating_add(1);
    }

    fn wait_out_the_pause(&self, deadline: Stamp, stop: &dyn Fn() -> bool) -> Result<(), Error> {
        while self.worker.is_none() {
            let now = self.workers.clock.now();
            let left = self.not_before.since(now);
            if left.is_zero() {
                break;
            }
            if stop() || now >= deadline {
                return Err(Error::Stopped);
            }
            std::thread::sleep(left.min(PAUSE_MIN));
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.drop_worker();
    }
}
