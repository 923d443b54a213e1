//! The bounded render pool: a few threads, a short queue, a budget of bytes. It never renders more at once than it has
//! cores for, never promises more memory than it was given, and says no at once when the queue is full. Where it is told to, a
//! worker process stands behind each thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use afterimage_confine::{Error, Place, Report};
use afterimage_identity::{BoxFuture, Clock, Stamp};
use afterimage_imaging as imaging;
use afterimage_variant::Variant;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::Failure;
use crate::budget::{Budget, Refused};
use crate::isolation::{self, Isolating, Isolation, WorkerCounts};
use crate::turns::{Turn, Turns};

/// What to make.
#[derive(Clone, Debug)]
pub enum Work {
    /// A variant.
    Render(Box<Variant>),
    /// The original itself without its metadata.
    Strip,
}

/// One thing to make from the bytes of one original.
#[derive(Clone)]
pub struct Job {
    /// The original.
    pub bytes: Bytes,
    /// What to make of it.
    pub work: Work,
    /// With which settings.
    pub settings: Arc<imaging::Settings>,
    /// Nobody waits for it: it runs on at most half of the threads, after everything that somebody waits for.
    pub background: bool,
    /// The leave to read the original, where it was asked for: see [`Renderer::turn`].
    pub turn: Option<Turn>,
}

/// Makes derivatives, in this process or in others.
pub trait Renderer: Send + Sync + 'static {
    /// Resolves with the derivative, or with why there is none.
    fn render(&self, job: Job) -> BoxFuture<'_, Result<imaging::Rendered, Failure>>;
    /// How many renders are running and waiting.
    fn load(&self) -> Load;
    /// Waits until a render will be next, for whoever can read the original then as well as now. It counts as waiting. `None` from
    /// whoever does not care how many originals wait.
    fn turn(&self, background: bool) -> BoxFuture<'_, Result<Option<Turn>, Failure>> {
        let _ = background;
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// How busy a renderer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Renders running.
    pub running: usize,
    /// Renders waiting.
    pub waiting: usize,
    /// Bytes that the running ones were predicted to need.
    pub bytes_in_flight: u64,
    /// What became of its worker processes, where it has any.
    pub workers: Option<WorkerCounts>,
}

/// The bounds of a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// How many renders run at once.
    pub threads: usize,
    /// How many may wait.
    pub queue_max: usize,
    /// How many bytes all that run may be predicted to need.
    pub memory_bytes_max: u64,
    /// How long one may take, waiting included.
    pub render_time_max: Duration,
}

struct Task {
    job: Job,
    deadline: Stamp,
    reply: oneshot::Sender<Result<imaging::Rendered, Failure>>,
}

#[derive(Default)]
struct State {
    /// How many wait for a turn.
    asking: usize,
    foreground: VecDeque<Task>,
    background: VecDeque<Task>,
    running: usize,
    running_background: usize,
    closed: bool,
}

struct Shared {
    config: PoolConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
    memory: Budget,
    turns: Turns,
    isolating: Option<Isolating>,
}

/// Threads that render, here or in a worker each; a panic or a death costs one request.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts the threads; everything is rendered in this process.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(config: PoolConfig, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        Self::open(config, None, clock, None)
    }

    /// Starts the threads, and a first worker; says how well that is enclosed.
    ///
    /// # Errors
    /// When the system refuses a thread, or no worker can be started.
    pub fn isolated(config: PoolConfig, isolation: Isolation, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let isolating = Isolating::new(isolation, &config, clock.clone());
        let (started, first) = sync_channel(1);
        let pool = Self::open(config, Some(isolating), clock, Some(started))?;
        match first.recv_timeout(isolation::FIRST_START_MAX) {
            Ok(Ok(report)) if report.lacking.is_empty() => tracing::info!(walls = %report, "workers are enclosed"),
            Ok(Ok(report)) => tracing::warn!(walls = %report, "workers are not enclosed as well as they could be"),
            Ok(Err(error)) => return Err(std::io::Error::other(error)),
            Err(_) => return Err(std::io::Error::other("no worker was started in time")),
        }
        Ok(pool)
    }

    fn open(
        config: PoolConfig,
        isolating: Option<Isolating>,
        clock: Arc<dyn Clock>,
        mut first: Option<SyncSender<Result<Report, Error>>>,
    ) -> std::io::Result<Self> {
        let memory = Budget::new(config.memory_bytes_max);
        let (state, changed) = (Mutex::default(), Condvar::new());
        let turns = Turns::new(config.threads.max(1), config.background_threads());
        let shared = Arc::new(Shared { config, clock, state, changed, memory, turns, isolating });
        let threads = (0..config.threads.max(1))
            .map(|number| {
                let (shared, first) = (shared.clone(), first.take());
                // Decoders recurse little, but encoders put large tables on the stack.
                std::thread::Builder::new()
                    .name(format!("render-{number}"))
                    .stack_size(4 << 20)
                    .spawn(move || shared.work(first))
            })
            .collect::<std::io::Result<_>>()?;
        Ok(Self { shared, threads })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A render thread catches panics; if it ended otherwise there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

impl Renderer for Pool {
    fn render(&self, job: Job) -> BoxFuture<'_, Result<imaging::Rendered, Failure>> {
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            {
                let mut state = self.shared.lock();
                // Who has a turn was let in when it was asked for.
                let deadline = match &job.turn {
                    Some(turn) => turn.deadline,
                    None => self.shared.enter(&state)?,
                };
                let queue = if job.background { &mut state.background } else { &mut state.foreground };
                queue.push_back(Task { job, deadline, reply });
            }
            self.shared.changed.notify_all();
            // The sender is dropped without a word only when the pool closes.
            answer.await.unwrap_or(Err(Failure::Died))
        })
    }

    fn turn(&self, background: bool) -> BoxFuture<'_, Result<Option<Turn>, Failure>> {
        Box::pin(async move {
            let asking = self.shared.ask()?;
            let within = self.shared.config.render_time_max;
            self.shared.turns.take(background, asking.deadline, within).await.map(Some)
        })
    }

    fn load(&self) -> Load {
        let state = self.shared.lock();
        let (running, waiting) = (state.running, state.waiting());
        drop(state);
        let load = Load { running, waiting, bytes_in_flight: self.shared.memory.taken(), workers: None };
        match &self.shared.isolating {
            Some(isolating) => isolating.count(load),
            None => load,
        }
    }
}

impl PoolConfig {
    /// How many threads may work for nobody at once.
    fn background_threads(&self) -> usize {
        (self.threads / 2).max(1)
    }
}

impl State {
    fn waiting(&self) -> usize {
        self.asking + self.foreground.len() + self.background.len()
    }
}

/// Somebody who waits for a turn, until this is dropped.
struct Asking<'a> {
    shared: &'a Shared,
    deadline: Stamp,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.shared.lock().asking -= 1;
    }
}

impl Shared {
    /// Until when a render that begins to wait now has to be done, unless too many wait already.
    fn enter(&self, state: &State) -> Result<Stamp, Failure> {
        if state.waiting() >= self.config.queue_max {
            return Err(Failure::QueueFull);
        }
        Ok(self.clock.now().after(self.config.render_time_max))
    }

    fn ask(&self) -> Result<Asking<'_>, Failure> {
        let mut state = self.lock();
        let deadline = self.enter(&state)?;
        state.asking += 1;
        Ok(Asking { shared: self, deadline })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does. The first one starts its worker at once and says how that went; where everything is rendered in
    /// workers, so do the others.
    fn work(&self, first: Option<SyncSender<Result<Report, Error>>>) {
        let mut place = self.isolating.as_ref().map(Isolating::place);
        let is_early = first.is_some() || self.isolating.as_ref().is_some_and(Isolating::is_for_all);
        if let Some(place) = place.as_mut().filter(|_| is_early) {
            let ready = place.ready();
            if let Some(first) = first {
                // Nobody listens any more when the pool was given up.
                let _ = first.send(ready);
            }
        }
        while let Some(task) = self.next() {
            let background = task.job.background;
            let result = self.run(&task, place.as_mut());
            let mut state = self.lock();
            state.running -= 1;
            state.running_background -= usize::from(background);
            drop(state);
            self.changed.notify_all();
            // The original goes, and its turn, before anything else is done.
            let Task { job, reply, .. } = task;
            drop(job);
            // Nobody listens any more when the fill was abandoned.
            let _ = reply.send(result);
            if let Some(place) = &mut place {
                place.rest();
            }
        }
    }

    /// The next task this thread may take, or `None` when the pool closes.
    fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let task = match state.foreground.pop_front() {
                Some(task) => Some(task),
                None if state.running_background < self.config.background_threads() => state.background.pop_front(),
                None => None,
            };
            if let Some(task) = task {
                state.running += 1;
                state.running_background += usize::from(task.job.background);
                return Some(task);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, task: &Task, place: Option<&mut Place>) -> Result<imaging::Rendered, Failure> {
        let stop = || self.clock.now() > task.deadline || task.reply.is_closed();
        if stop() {
            return Err(Failure::Timeout);
        }
        // Every decoder is wrapped: pure Rust ones fail by panic on what they do not expect.
        catch_unwind(AssertUnwindSafe(|| self.make(task, place, &stop))).unwrap_or(Err(Failure::Died))
    }

    fn make(
        &self,
        task: &Task,
        place: Option<&mut Place>,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<imaging::Rendered, Failure> {
        let Job { bytes, work, settings, .. } = &task.job;
        let source_bytes = bytes.len() as u64;
        let (probe, predicted) = match work {
            Work::Strip => (None, source_bytes),
            Work::Render(variant) => {
                let probe = imaging::probe(bytes, &settings.limits)?;
                let predicted = imaging::predicted_bytes(&probe, variant, settings);
                (Some(probe), predicted)
            }
        };
        let isolating = self.isolating.as_ref().filter(|isolating| isolating.takes(work, probe.as_ref()));
        let place = place.filter(|_| isolating.is_some());
        // A worker gets a copy of the original.
        let copied = if place.is_some() { source_bytes } else { 0 };
        let _taken = self.memory.take(predicted.saturating_add(copied), &|| stop() || self.is_closed()).map_err(
            |refused| match refused {
                Refused::TooMuch { max } => Failure::OverLimits(format!(
                    "Making this picture is predicted to need {predicted} bytes of memory; at most {max} are allowed."
                )),
                Refused::Stopped => Failure::Timeout,
            },
        )?;
        if let Some(place) = place {
            return isolation::render(place, &task.job, predicted, task.deadline, &stop);
        }
        let made = match work {
            Work::Render(variant) => imaging::render(bytes, variant, settings, &stop),
            Work::Strip => imaging::strip(bytes, settings),
        };
        made.map_err(Failure::from)
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }
}
