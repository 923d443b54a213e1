//! Watching by the kernel's notifications. It must never be silent about what it could not hear: after an overflow, an
//! unmount or the loss of its root it starts over and says "everything"; where it cannot listen it hands over to polling.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use afterimage_identity::Happened;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags};
use rustix::io::Errno;

use crate::coalesce::Coalescer;
use crate::keys::join;
use crate::poll::identity;
use crate::tree::{Refused, Tree};
use crate::watch::Listener;

/// Files of one new folder that are named one by one; beyond, its folder is enough.
const NAMED_MAX: usize = 10_000;
const BUFFER_BYTES: usize = 64 * 1024;

/// The kernel's notifications about one tree.
pub(crate) struct Notifications {
    wake: Arc<OwnedFd>,
    /// `None` while there is no root.
    heard: Option<Heard>,
}

struct Heard {
    descriptor: OwnedFd,
    tree: Tree,
    root: (u64, u64),
}

/// What a round of listening came to.
#[derive(Debug, PartialEq, Eq)]
enum Round {
    Heard,
    /// Something was missed: start over.
    Lost(&'static str),
    /// Notifications do not work any more.
    Refused(String),
}

impl Notifications {
    /// Watches everything below the root, or says why that does not work here.
    pub(crate) fn open(listener: &Listener) -> Result<Self, String> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|error| error.to_string())?;
        match Heard::open(&listener.root, listener.config.watches_max) {
            Ok(heard) => Ok(Self { wake: Arc::new(wake), heard: Some(heard) }),
            Err(Refused::RootGone) => Ok(Self { wake: Arc::new(wake), heard: None }),
            Err(Refused::Why(why)) => Err(why),
        }
    }

    /// Write eight bytes of `1u64` to it to wake the thread.
    pub(crate) fn wake(&self) -> Arc<OwnedFd> {
        self.wake.clone()
    }

    /// Listens until stopped, or polls from the moment on when listening does not work any more.
    pub(crate) fn run(mut self, listener: Listener) {
        let mut pending = listener.coalescer();
        let root_pause = Duration::from_millis(listener.config.poll_ms);
        let mut root_check_at = Instant::now() + root_pause;
        loop {
            let wake_at = pending.due_at().map_or(root_check_at, |due_at| due_at.min(root_check_at));
            self.wait(wake_at.saturating_duration_since(Instant::now()));
            if listener.stop.is_raised() {
                return;
            }
            let mut round = match &mut self.heard {
                Some(heard) => heard.listen(&listener, &mut pending),
                None => Round::Heard,
            };
            if Instant::now() >= root_check_at {
                root_check_at = Instant::now() + root_pause;
                let root = identity(&listener.root);
                if root != self.heard.as_ref().map(|heard| heard.root) && round == Round::Heard {
                    round = Round::Lost("the root is gone or is another one");
                }
            }
            if let Round::Lost(why) = round {
                tracing::warn!(root = %listener.root.display(), why, "the watch starts over");
                round = self.start_over(&listener);
                if round == Round::Heard {
                    listener.deliver_everything();
                }
            }
            if let Round::Refused(why) = round {
                drop(self);
                listener.deliver(pending.take());
                let seen = listener.begin_polling(why);
                listener.deliver_everything();
                return crate::poll::run(listener, seen);
            }
            if pending.is_due(Instant::now()) {
                listener.deliver(pending.take());
            }
        }
    }

    fn wait(&self, at_most: Duration) {
        let timeout =
            Timespec { tv_sec: at_most.as_secs().min(3_600) as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
        let mut descriptors = vec![PollFd::new(&self.wake, PollFlags::IN)];
        descriptors.extend(self.heard.as_ref().map(|heard| PollFd::new(&heard.descriptor, PollFlags::IN)));
        // An interruption only makes the round come sooner.
        let _ = poll(&mut descriptors, Some(&timeout));
    }

    fn start_over(&mut self, listener: &Listener) -> Round {
        self.heard = None;
        match Heard::open(&listener.root, listener.config.watches_max) {
            Ok(heard) => self.heard = Some(heard),
            Err(Refused::RootGone) => {}
            Err(Refused::Why(why)) => return Round::Refused(why),
        }
        Round::Heard
    }
}

impl Heard {
    fn open(root: &Path, watches_max: usize) -> Result<Self, Refused> {
        let seen = identity(root).ok_or(Refused::RootGone)?;
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|error| Refused::Why(format!("notifications are not to be had: {error}")))?;
        let mut tree = Tree::new(watches_max);
        tree.watch(&descriptor, root, "", &mut |_| {})?;
        if identity(root) != Some(seen) {
            return Err(Refused::RootGone);
        }
        Ok(Self { descriptor, tree, root: seen })
    }

    /// Takes what the kernel has to tell, until there is nothing more or the window closes.
    fn listen(&mut self, listener: &Listener, pending: &mut Coalescer) -> Round {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(&self.descriptor, &mut buffer);
        let mut round = Round::Heard;
        loop {
            if reader.is_buffer_empty() && (round != Round::Heard || pending.is_due(Instant::now())) {
                return round;
            }
            let told = match reader.next() {
                Ok(told) => told,
                Err(Errno::AGAIN) => return round,
                Err(Errno::INTR) => continue,
                Err(_) => return Round::Lost("the kernel's queue could not be read"),
            };
            let (watch, flags) = (told.wd(), told.events());
            let name = told.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let heard = hear(&mut self.tree, &self.descriptor, listener, pending, watch, flags, name);
            if heard != Round::Heard {
                round = heard;
            }
        }
    }
}

fn hear(
    tree: &mut Tree,
    descriptor: &OwnedFd,
    listener: &Listener,
    pending: &mut Coalescer,
    watch: i32,
    flags: ReadFlags,
    name: Option<&OsStr>,
) -> Round {
    if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
        return Round::Lost("the kernel's queue overflowed");
    }
    let Some(folder) = tree.folder(watch).map(str::to_owned) else { return Round::Heard };
    if flags.contains(ReadFlags::UNMOUNT) {
        return Round::Lost("a file system was unmounted");
    }
    let left = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED;
    if flags.intersects(left) {
        if folder.is_empty() {
            return Round::Lost("the root is gone or is another one");
        }
        if flags.contains(ReadFlags::IGNORED) {
            tree.dropped(watch);
        }
        return Round::Heard;
    }
    let Some(joined) = name.and_then(|name| join(&folder, name)) else { return Round::Heard };
    if flags.contains(ReadFlags::ISDIR) {
        return hear_folder(tree, descriptor, listener, pending, joined + "/", flags);
    }
    let happened = if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        Happened::Removed
    } else if flags.contains(ReadFlags::CREATE) {
        Happened::Created
    } else {
        // Written and closed, its attributes changed, or something moved onto the name and may have replaced it.
        Happened::Changed
    };
    if let Some(subject) = listener.subjects.original(&joined) {
        pending.add(subject, happened, Instant::now());
    }
    Round::Heard
}

fn hear_folder(
    tree: &mut Tree,
    descriptor: &OwnedFd,
    listener: &Listener,
    pending: &mut Coalescer,
    folder: String,
    flags: ReadFlags,
) -> Round {
    if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
        tree.forget(descriptor, &folder);
        pending.add(listener.subjects.folder(&folder), Happened::Removed, Instant::now());
        return Round::Heard;
    }
    let appeared = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
    if !appeared && tree.is_watched(&folder) {
        return Round::Heard;
    }
    // What came or went in it before the watch stood is in no queue: the files found are named, and the folder is
    // named after the watch stands, for those that are already gone again.
    let mut files = Vec::new();
    let watched = tree.watch(descriptor, &listener.root, &folder, &mut |file| {
        if files.len() < NAMED_MAX {
            files.push(file);
        }
    });
    let happened = if flags.contains(ReadFlags::CREATE) { Happened::Created } else { Happened::Changed };
    pending.add(listener.subjects.folder(&folder), happened, Instant::now());
    for file in files {
        if let Some(subject) = listener.subjects.original(&file) {
            pending.add(subject, Happened::Created, Instant::now());
        }
    }
    match watched {
        Ok(()) => Round::Heard,
        Err(Refused::RootGone) => Round::Lost("the root is gone or is another one"),
        Err(Refused::Why(why)) => Round::Refused(why),
    }
}
