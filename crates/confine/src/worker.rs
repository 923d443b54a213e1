//! One child process as its parent sees it: started, given jobs, killed. Whatever it does costs the job in hand and nothing else.

use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use afterimage_identity::{Clock, Stamp};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use crate::death::{Cause, Death};
use crate::inside::{Answer, NUMBER_BYTES};
use crate::limits::{Command, Limits};
use crate::report::{Protection, Report};
use crate::{link, sheet};

/// One thing to do.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// What is to be done; with 8 bytes of ours at most [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX) bytes.
    pub message: &'a [u8],
    /// What it is done to.
    pub input: &'a [u8],
    /// Bytes that it may need beside the input.
    pub memory_bytes: u64,
    /// When the worker is killed.
    pub deadline: Stamp,
}

/// How often a parent that waits asks whether anybody else still does.
const TICK: Duration = Duration::from_millis(20);

/// Address space beside what a job needs: what allocators reserve and keep, and stacks.
pub(crate) const SLACK_BYTES: u64 = 256 << 20;

/// Memory of its own that a worker may keep between jobs: what it gave back is promised to others.
const KEPT_BYTES_MAX: u64 = 24 << 20;

/// How large a process is.
struct Sizes {
    address_bytes: u64,
    /// Resident, and no file's.
    own_bytes: u64,
}

/// Last words that are kept.
const WORDS_BYTES_MAX: usize = 2 << 10;

/// Why there is no worker.
pub(crate) type StartError = String;

pub(crate) struct Worker {
    child: Child,
    link: OwnedFd,
    pub(crate) report: Report,
    /// Address space of the worker before its first job; `None` where the system does not tell.
    base_bytes: Option<u64>,
    /// Wall time of its jobs: it cannot have used more processor time.
    busy: Duration,
    pub(crate) jobs: u32,
    /// Its number may be another process's by now.
    is_over: bool,
}

/// How a job failed.
pub(crate) enum Failed {
    /// The worker is dead.
    Died(Death),
    /// It was killed because nobody waits, or the deadline is over.
    Stopped,
    /// The job could not be handed over; the worker has seen nothing of it.
    NotGiven(String),
}

impl Worker {
    /// Starts one and waits until its walls stand.
    pub(crate) fn start(command: &Command, limits: &Limits, clock: &dyn Clock) -> Result<Self, StartError> {
        let (link, theirs) = link::pair().map_err(|error| format!("no link: {error}"))?;
        // A group of its own: what is typed at the server's terminal is not for it, and all of it can be killed.
        let child = std::process::Command::new(&command.program)
            .args(&command.arguments)
            .env_clear()
            .envs(command.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{}: {error}", command.program.display()))?;
        let mut worker = Self {
            child,
            link,
            report: Report::default(),
            base_bytes: None,
            busy: Duration::ZERO,
            jobs: 0,
            is_over: false,
        };
        let deadline = clock.now().after(limits.start_time_max);
        match worker.listen(deadline, clock, &|| false) {
            Ok(hello) => {
                worker.report = serde_json::from_slice(&hello).map_err(|error| format!("its first word: {error}"))?;
            }
            Err(Failed::Died(Death { cause: Cause::Deadline, .. }) | Failed::Stopped) => {
                return Err(format!("no word of it within {:?}", limits.start_time_max));
            }
            Err(Failed::Died(death)) => return Err(format!("it ended before its first word: {}", death.words)),
            Err(Failed::NotGiven(why)) => return Err(why),
        }
        worker.bound_for_good(limits);
        Ok(worker)
    }

    /// The hard bounds, which nobody can raise again who is not root. They are the parent's to set: it knows the job.
    fn bound_for_good(&mut self, limits: &Limits) {
        self.base_bytes = self.sizes().map(|sizes| sizes.address_bytes);
        if self.base_bytes.is_none() {
            self.report.lack(Protection::Resources, "the system does not tell the size of a process");
        }
        let busy_s = limits.job_time_max.as_secs().saturating_add(2).saturating_mul(limits.jobs_max.into());
        let memory =
            self.base_bytes.map(|base| base.saturating_add(limits.memory_bytes_max).saturating_add(SLACK_BYTES));
        let bounds =
            [(Resource::As, memory), (Resource::Cpu, Some(busy_s)), (Resource::Fsize, Some(limits.output_bytes_max))];
        for (resource, bound) in bounds {
            if let Err(error) = self.bound(resource, bound, bound) {
                self.report.lack(Protection::Resources, error);
            }
        }
    }

    fn bound(&self, resource: Resource, soft: Option<u64>, hard: Option<u64>) -> Result<(), rustix::io::Errno> {
        prlimit(Some(self.pid()), resource, Rlimit { current: soft, maximum: hard }).map(drop)
    }

    /// The soft bounds of one job, within the hard ones.
    fn bound_for(&self, job: &Job<'_>, limits: &Limits) {
        let hard_memory = limits.memory_bytes_max;
        let beside = |bytes: u64| self.base_bytes.map(|base| base.saturating_add(bytes).saturating_add(SLACK_BYTES));
        let asked = job.memory_bytes.saturating_add(job.input.len() as u64).min(hard_memory);
        let per_job_s = limits.job_time_max.as_secs().saturating_add(2);
        let hard_s = per_job_s.saturating_mul(limits.jobs_max.into());
        let busy_s = self.busy.as_secs().saturating_add(per_job_s).min(hard_s);
        // The hard bounds stand whatever becomes of these.
        let _ = self.bound(Resource::As, beside(asked), beside(hard_memory));
        let _ = self.bound(Resource::Cpu, Some(busy_s), Some(hard_s));
    }

    /// Gives it one job and waits for what comes of it. After an `Err` that is not [`Failed::NotGiven`], it is dead.
    pub(crate) fn run(
        &mut self,
        job: &Job<'_>,
        limits: &Limits,
        clock: &dyn Clock,
        stop: &dyn Fn() -> bool,
    ) -> Result<Answer, Failed> {
        let not_given = |what| move |error| Failed::NotGiven(format!("{what}: {error}"));
        let input = sheet::sealed(job.input).map_err(not_given("the input"))?;
        let output = sheet::empty().map_err(not_given("the output"))?;
        self.bound_for(job, limits);
        self.jobs += 1;
        let begun = clock.now();
        // An answer to another job is none to this.
        let number = u64::from(self.jobs).to_le_bytes();
        let message = [&number[..], job.message].concat();
        if let Err(error) = link::send(&self.link, &message, &[input.as_fd(), output.as_fd()]) {
            // A worker that died while idle is noticed here.
            return Err(Failed::NotGiven(format!("the job: {error}; {}", self.end(None).words)));
        }
        let answer = self.listen(job.deadline, clock, stop);
        self.busy += clock.now().since(begun);
        let answer = answer?;
        let understood = understand(&answer, number).and_then(|(length, message)| {
            let output = sheet::copied(&output, length, limits.output_bytes_max)?;
            Some(Answer { message: message.to_vec(), output })
        });
        understood.ok_or_else(|| Failed::Died(self.end(Some(Cause::Nonsense))))
    }

    /// One message of it. It is killed when its time is over, or when nobody waits.
    fn listen(&mut self, deadline: Stamp, clock: &dyn Clock, stop: &dyn Fn() -> bool) -> Result<Vec<u8>, Failed> {
        loop {
            let left = deadline.since(clock.now());
            if link::is_ready(&self.link, left.min(TICK)) {
                break;
            }
            if left.is_zero() {
                return Err(Failed::Died(self.end(Some(Cause::Deadline))));
            }
            if stop() {
                self.end(Some(Cause::Deadline));
                return Err(Failed::Stopped);
            }
        }
        match link::receive(&self.link) {
            // Descriptors that it sends are closed unseen.
            Ok(Some((message, _))) => Ok(message),
            Ok(None) => Err(Failed::Died(self.end(None))),
            Err(_) => Err(Failed::Died(self.end(Some(Cause::Nonsense)))),
        }
    }

    /// Whether it holds much more than a new one: what allocators keep is given back by a new process only.
    pub(crate) fn is_bloated(&self) -> bool {
        let far = |base: u64| base.saturating_add(SLACK_BYTES / 4 * 3);
        self.sizes().is_some_and(|sizes| {
            sizes.own_bytes > KEPT_BYTES_MAX || self.base_bytes.is_some_and(|base| sizes.address_bytes > far(base))
        })
    }

    /// Its sizes are told by the kernel, not by itself (proc(5), statm).
    fn sizes(&self) -> Option<Sizes> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let mut pages = statm.split(' ').map_while(|field| field.parse::<u64>().ok());
        let (address, resident, shared) = (pages.next()?, pages.next()?, pages.next()?);
        let bytes = |pages: u64| pages.saturating_mul(rustix::param::page_size() as u64);
        Some(Sizes { address_bytes: bytes(address), own_bytes: bytes(resident.saturating_sub(shared)) })
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Kills it and everything it may have started, and says what it died of: of `cause`, where that is known.
    fn end(&mut self, cause: Option<Cause>) -> Death {
        self.is_over = true;
        // One that is dying already keeps its own status.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.kill();
        let status = self.child.wait();
        let words = self.last_words();
        let death = match status {
            Ok(status) => Death::of(status, &words),
            Err(error) => Death { cause: Cause::Killed, words: error.to_string() },
        };
        Death { cause: cause.unwrap_or(death.cause), ..death }
    }

    fn last_words(&mut self) -> String {
        let Some(stderr) = self.child.stderr.take() else { return String::new() };
        // Were its end held open by something that it started, this would wait for ever.
        let _ = fcntl_setfl(&stderr, OFlags::NONBLOCK);
        let (mut words, mut rest) = (Vec::new(), stderr.take(64 << 10));
        let mut part = [0; 4 << 10];
        while let Ok(read @ 1..) = rest.read(&mut part) {
            words.extend_from_slice(&part[..read]);
        }
        let from = words.len().saturating_sub(WORDS_BYTES_MAX);
        String::from_utf8_lossy(&words[from..]).into_owned()
    }
}

/// Bytes of output and message in an answer, if it is one to the job of this number.
fn understand(answer: &[u8], number: [u8; NUMBER_BYTES]) -> Option<(u64, &[u8])> {
    let answer = answer.strip_prefix(&number)?;
    let (length, message) = answer.split_first_chunk()?;
    (!message.is_empty()).then_some((u64::from_le_bytes(*length), message))
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(None);
        }
    }
}
