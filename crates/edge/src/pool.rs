//! The bounded render pool: a few threads, a short queue, a budget of bytes. It never renders more at once than it has
//! cores for, never promises more memory than it was given, and says no at once when the queue is full.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use afterimage_identity::{BoxFuture, Clock, Stamp};
use afterimage_imaging as imaging;
use afterimage_variant::Variant;
use bytes::Bytes;
use tokio::sync::oneshot;

use crate::Failure;

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
}

/// Makes derivatives. The seam behind which worker processes will stand.
pub trait Renderer: Send + Sync + 'static {
    /// Resolves with the derivative, or with why there is none.
    fn render(&self, job: Job) -> BoxFuture<'_, Result<imaging::Rendered, Failure>>;
    /// How many renders are running and waiting.
    fn load(&self) -> Load;
}

/// How busy a renderer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Renders running.
    pub running: usize,
    /// Renders waiting.
    pub waiting: usize,
    /// Bytes that the running ones were predicted to need.
    pub bytes_in_flight: u64,
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
    foreground: VecDeque<Task>,
    background: VecDeque<Task>,
    running: usize,
    running_background: usize,
    bytes_in_flight: u64,
    closed: bool,
}

struct Shared {
    config: PoolConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Condvar,
}

/// Threads of this process that render; a panic costs one request.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(config: PoolConfig, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { config, clock, state: Mutex::default(), changed: Condvar::new() });
        let threads = (0..config.threads.max(1))
            .map(|number| {
                let shared = shared.clone();
                // Decoders recurse little, but encoders put large tables on the stack.
                std::thread::Builder::new()
                    .name(format!("render-{number}"))
                    .stack_size(4 << 20)
                    .spawn(move || shared.work())
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
                if state.foreground.len() + state.background.len() >= self.shared.config.queue_max {
                    return Err(Failure::QueueFull);
                }
                let deadline = self.shared.clock.now().after(self.shared.config.render_time_max);
                let queue = if job.background { &mut state.background } else { &mut state.foreground };
                queue.push_back(Task { job, deadline, reply });
            }
            self.shared.changed.notify_all();
            // The sender is dropped without a word only when the pool closes.
            answer.await.unwrap_or(Err(Failure::Died))
        })
    }

    fn load(&self) -> Load {
        let state = self.shared.lock();
        Load {
            running: state.running,
            waiting: state.foreground.len() + state.background.len(),
            bytes_in_flight: state.bytes_in_flight,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(task) = self.next() {
            let background = task.job.background;
            let result = self.run(&task);
            let mut state = self.lock();
            state.running -= 1;
            state.running_background -= usize::from(background);
            drop(state);
            self.changed.notify_all();
            // Nobody listens any more when the fill was abandoned.
            let _ = task.reply.send(result);
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
                None if state.running_background < (self.config.threads / 2).max(1) => state.background.pop_front(),
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

    fn run(&self, task: &Task) -> Result<imaging::Rendered, Failure> {
        if task.reply.is_closed() || self.clock.now() > task.deadline {
            return Err(Failure::Timeout);
        }
        // Every decoder is wrapped: pure Rust ones fail by panic on what they do not expect.
        catch_unwind(AssertUnwindSafe(|| {
            let predicted = self.predict(&task.job)?;
            let _taken = self.take_memory(predicted)?;
            let stop = || self.clock.now() > task.deadline || task.reply.is_closed();
            let made = match &task.job.work {
                Work::Render(variant) => imaging::render(&task.job.bytes, variant, &task.job.settings, &stop),
                Work::Strip => imaging::strip(&task.job.bytes, &task.job.settings),
            };
            made.map_err(Failure::from)
        }))
        .unwrap_or(Err(Failure::Died))
    }

    fn predict(&self, job: &Job) -> Result<u64, Failure> {
        match &job.work {
            Work::Strip => Ok(job.bytes.len() as u64),
            Work::Render(variant) => {
                let probe = imaging::probe(&job.bytes, &job.settings.limits)?;
                Ok(imaging::predicted_bytes(&probe, variant, &job.settings))
            }
        }
    }

    fn take_memory(&self, bytes: u64) -> Result<Taken<'_>, Failure> {
        let max = self.config.memory_bytes_max;
        if bytes > max {
            return Err(Failure::OverLimits(format!(
                "Making this picture is predicted to need {bytes} bytes of memory; at most {max} are allowed."
            )));
        }
        let mut state = self.lock();
        while state.bytes_in_flight + bytes > max && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes_in_flight += bytes;
        Ok(Taken { shared: self, bytes })
    }
}

/// Memory promised to one render; given back when dropped, by panic too.
struct Taken<'a> {
    shared: &'a Shared,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.shared.lock().bytes_in_flight -= self.bytes;
        self.shared.changed.notify_all();
    }
}
