//! The watch itself: one thread that listens, by inotify where it can and by polling where it must, and says which.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use afterimage_identity::{Event, Happened, SourceId};

use crate::coalesce::{Coalescer, SUBJECTS_MAX};
use crate::keys::{Subjects, event};
use crate::poll;
use crate::stop::Stop;

/// Where events go. Called from the watching thread; the next events wait while it runs.
pub type Sink = Box<dyn Fn(Event) + Send + Sync>;

/// How a directory is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefer {
    /// The kernel's notifications where they work, else polling.
    Auto,
    /// Always polling.
    Poll,
}

/// Settings of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Pause between two looks when polling, and between two checks of the root's identity, in milliseconds, from 10.
    pub poll_ms: u64,
    /// How to watch.
    pub prefer: Prefer,
    /// How long events about one subject are collected, in milliseconds, 0 to 1,000.
    pub coalesce_ms: u64,
    /// How many folders the kernel is asked to watch at most; beyond it the watch polls. The kernel's own limit
    /// (`fs.inotify.max_user_watches`) counts besides.
    pub watches_max: usize,
    /// How many files polling remembers one by one, from 1 (about 100 bytes each). Changes of files beyond are
    /// reported as changes of their folder, and beyond as many folders as changes of everything.
    pub entries_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { poll_ms: 1_000, prefer: Prefer::Auto, coalesce_ms: 20, watches_max: 500_000, entries_max: 1_000_000 }
    }
}

impl Config {
    fn validate(&self) -> Result<(), Error> {
        let mistake = |key, value: u64, remedy| Err(Error::Config { key, value, remedy });
        if self.poll_ms < 10 {
            return mistake("poll_ms", self.poll_ms, "at least 10");
        }
        if self.coalesce_ms > 1_000 {
            return mistake("coalesce_ms", self.coalesce_ms, "at most 1000");
        }
        if self.entries_max == 0 {
            return mistake("entries_max", 0, "at least 1");
        }
        Ok(())
    }
}

/// How a directory is being watched at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the kernel's notifications.
    Inotify,
    /// By looking again and again.
    Polling {
        /// Why not by notifications, in words.
        why: String,
    },
}

/// A watch could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The root is not a directory that can be read.
    #[error("cannot watch {}: {cause}", root.display())]
    Root {
        /// The root.
        root: PathBuf,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// The thread could not be made.
    #[error("cannot start the watching thread: {0}")]
    Thread(std::io::Error),
    /// A setting is out of its range.
    #[error("{key} = {value}: {remedy}")]
    Config {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: u64,
        /// What would be right.
        remedy: &'static str,
    },
}

/// Watches one directory and everything below it. Dropped = stopped, its thread ended.
///
/// - What happens after [`Watch::start`] returned is reported: the key, its folder, or everything.
/// - Events about one subject are joined for `coalesce_ms` and then delivered, in the order first heard.
/// - Keys are relative to the root. Hidden names and names that no original can have are not reported.
/// - A file written in place is reported when its writer closes it.
#[derive(Debug)]
pub struct Watch {
    mode: Arc<Mutex<Mode>>,
    stop: Stop,
    #[cfg(target_os = "linux")]
    wake: Option<Arc<rustix::fd::OwnedFd>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches `root`, whose originals belong to `source`, and sends what happens to `sink`.
    ///
    /// # Errors
    /// [`Error::Root`] when the root is not a readable directory, [`Error::Config`] for a setting out of range,
    /// [`Error::Thread`] when no thread can be made. That notifications do not work is no error: see [`Watch::mode`].
    pub fn start(root: &Path, source: SourceId, config: Config, sink: Sink) -> Result<Self, Error> {
        config.validate()?;
        let unreadable = |cause| Error::Root { root: root.to_owned(), cause };
        std::fs::read_dir(root).map_err(unreadable)?;
        let root = root.canonicalize().map_err(unreadable)?;
        let listener = Listener::new(root, source, config, sink);
        let (mode, stop) = (listener.mode.clone(), listener.stop.clone());
        let builder = std::thread::Builder::new().name("afterimage-watch".to_owned());

        #[cfg(target_os = "linux")]
        {
            let why = match listener.config.prefer {
                Prefer::Poll => "polling was asked for".to_owned(),
                Prefer::Auto => match crate::inotify::Notifications::open(&listener) {
                    Ok(notifications) => {
                        let wake = Some(notifications.wake());
                        let thread = builder.spawn(move || notifications.run(listener)).map_err(Error::Thread)?;
                        return Ok(Self { mode, stop, wake, thread: Some(thread) });
                    }
                    Err(why) => why,
                },
            };
            let snapshot = listener.begin_polling(why);
            let thread = builder.spawn(move || poll::run(listener, snapshot)).map_err(Error::Thread)?;
            Ok(Self { mode, stop, wake: None, thread: Some(thread) })
        }
        #[cfg(not(target_os = "linux"))]
        {
            let why = match listener.config.prefer {
                Prefer::Poll => "polling was asked for",
                Prefer::Auto => "notifications are used on Linux only",
            };
            let snapshot = listener.begin_polling(why.to_owned());
            let thread = builder.spawn(move || poll::run(listener, snapshot)).map_err(Error::Thread)?;
            Ok(Self { mode, stop, thread: Some(thread) })
        }
    }

    /// How it watches at this moment. It may fall back to polling while it runs.
    pub fn mode(&self) -> Mode {
        self.mode.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.raise();
        #[cfg(target_os = "linux")]
        if let Some(wake) = &self.wake {
            // It fails only when the counter is full, and then the thread wakes anyway.
            let _ = rustix::io::write(wake, &1u64.to_ne_bytes());
        }
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the watching thread had died");
        }
    }
}

/// What both ways of watching share.
pub(crate) struct Listener {
    pub(crate) root: PathBuf,
    pub(crate) subjects: Subjects,
    pub(crate) config: Config,
    pub(crate) stop: Stop,
    mode: Arc<Mutex<Mode>>,
    sink: Sink,
}

impl Listener {
    fn new(root: PathBuf, source: SourceId, config: Config, sink: Sink) -> Self {
        let mode = Arc::new(Mutex::new(Mode::Inotify));
        Self { root, subjects: Subjects::new(source), config, stop: Stop::default(), mode, sink }
    }

    pub(crate) fn coalescer(&self) -> Coalescer {
        Coalescer::new(self.subjects.clone(), Duration::from_millis(self.config.coalesce_ms), SUBJECTS_MAX)
    }

    pub(crate) fn deliver(&self, events: Vec<Event>) {
        for event in events {
            (self.sink)(event);
        }
    }

    pub(crate) fn deliver_everything(&self) {
        (self.sink)(event(self.subjects.everything(), Happened::Changed));
    }

    /// Says that from now on it polls, and takes the first look.
    pub(crate) fn begin_polling(&self, why: String) -> poll::Seen {
        tracing::warn!(root = %self.root.display(), why, poll_ms = self.config.poll_ms, "watching by polling");
        *self.mode.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Mode::Polling { why };
        poll::Seen::look(&self.root, self.config.entries_max, &self.stop)
    }
}
