//! Which renders leave this process, and what becomes of those whose worker dies. Bytes that native code has to read are read
//! where a crash or an exploit costs one request; what a worker answers is believed to be a picture, and nothing more.

use std::sync::Arc;
use std::time::Duration;

use afterimage_confine::{Cause, Command, Error, Limits, Place, Protection, Report, Snapshot, Workers};
use afterimage_identity::{Clock, Stamp};
use afterimage_imaging as imaging;

use crate::pool::{Job, PoolConfig, Work};
use crate::{Failure, Load};

/// Which renders workers make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolated {
    /// Those whose original only native code can decode, and those that become AVIF.
    Native,
    /// All.
    All,
}

/// How workers are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// For which renders.
    pub which: Isolated,
    /// What is run: something that answers [`imaging::job`]s.
    pub command: Command,
    /// After how many renders a worker is replaced.
    pub jobs_max: u32,
}

/// The most bytes that a worker may hand back. Nothing within the limits of pixels comes near it.
const OUTPUT_BYTES_MAX: u64 = 1 << 30;

/// The workers of a pool.
pub(crate) struct Isolating {
    which: Isolated,
    workers: Arc<Workers>,
}

impl Isolating {
    pub(crate) fn new(isolation: Isolation, config: &PoolConfig, clock: Arc<dyn Clock>) -> Self {
        let limits = Limits {
            jobs_max: isolation.jobs_max,
            memory_bytes_max: config.memory_bytes_max,
            output_bytes_max: OUTPUT_BYTES_MAX.min(config.memory_bytes_max),
            job_time_max: config.render_time_max,
            ..Limits::default()
        };
        Self { which: isolation.which, workers: Workers::new(isolation.command, limits, clock) }
    }

    pub(crate) fn place(&self) -> Place {
        self.workers.place()
    }

    /// Whether every thread will need its worker.
    pub(crate) fn is_for_all(&self) -> bool {
        self.which == Isolated::All
    }

    /// Whether a worker makes this; stripping is safe code whatever the original is.
    pub(crate) fn takes(&self, work: &Work, probe: Option<&imaging::Probe>) -> bool {
        let is_native = match (work, probe) {
            (Work::Render(variant), Some(probe)) => imaging::job::is_native(probe, variant),
            _ => false,
        };
        self.is_for_all() || is_native
    }

    pub(crate) fn count(&self, load: Load) -> Load {
        Load { workers: Some(WorkerCounts::of(&self.workers.snapshot())), ..load }
    }
}

/// Has a worker make a picture.
pub(crate) fn render(
    place: &mut Place,
    job: &Job,
    memory_bytes: u64,
    deadline: Stamp,
    stop: &dyn Fn() -> bool,
) -> Result<imaging::Rendered, Failure> {
    let order = match &job.work {
        Work::Render(variant) => imaging::job::Order::Render(variant),
        Work::Strip => imaging::job::Order::Strip,
    };
    let message = order.message(&job.settings);
    let asked = afterimage_confine::Job { message: &message, input: &job.bytes, memory_bytes, deadline };
    let answer = place.run(&asked, stop).map_err(failure)?;
    match imaging::job::outcome(&answer.message, answer.output) {
        Ok(made) => made.map_err(Failure::from),
        Err(imaging::job::NotUnderstood) => {
            tracing::error!("a worker's answer makes no sense");
            Err(Failure::Crashed)
        }
    }
}

/// What a viewer is told when a worker fails. The operator reads the rest in the log.
fn failure(error: Error) -> Failure {
    let Error::Died(death) = &error else {
        if error != Error::Stopped {
            tracing::error!(%error, "no worker made this picture");
        }
        return if error == Error::Stopped { Failure::Timeout } else { Failure::Died };
    };
    tracing::error!(cause = death.cause.word(), words = death.words, "a worker died with a picture in hand");
    match death.cause {
        Cause::Deadline | Cause::Cpu => Failure::Timeout,
        Cause::Memory | Cause::Output => {
            Failure::OverLimits("Making this picture takes more memory than was predicted for it.".to_owned())
        }
        // The machine ran out of memory, or a person did it: the picture need not be to blame.
        Cause::Killed => Failure::Died,
        Cause::Crash | Cause::Forbidden | Cause::Exit | Cause::Nonsense => Failure::Crashed,
    }
}

/// What became of workers, in words for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Workers that are there.
    pub alive: u64,
    /// Workers started.
    pub started: u64,
    /// Starts that came to nothing.
    pub failed: u64,
    /// Workers replaced after their share of renders, or because they kept too much memory.
    pub replaced: u64,
    /// Renders that they answered.
    pub jobs: u64,
    /// Workers that died with a render in hand, by cause.
    pub deaths: Vec<(&'static str, u64)>,
    /// Whether each protection holds, as the newest worker says; empty before the first.
    pub protections: Vec<(&'static str, bool)>,
    /// What is lacking, and why, in words for an operator.
    pub lacking: Vec<String>,
}

impl WorkerCounts {
    fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { alive, started, failed, replaced, jobs, deaths, report } = snapshot;
        let holds = |report: &Report| Protection::ALL.map(|each| (each.word(), report.holds(each))).to_vec();
        let lacks = |report: &Report| {
            report.lacking.iter().map(|lack| format!("{}: {}", lack.protection.word(), lack.why)).collect()
        };
        Self {
            alive: *alive,
            started: *started,
            failed: *failed,
            replaced: *replaced,
            jobs: *jobs,
            deaths: Cause::ALL.iter().zip(deaths).map(|(cause, count)| (cause.word(), *count)).collect(),
            protections: report.as_ref().map(holds).unwrap_or_default(),
            lacking: report.as_ref().map(lacks).unwrap_or_default(),
        }
    }
}

/// How long a pool waits for its first worker.
pub(crate) const FIRST_START_MAX: Duration = Duration::from_secs(20);
