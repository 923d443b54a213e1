//! Why a worker is no more.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

/// What ended a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It was killed at the deadline of its job, or because nobody waited any more.
    Deadline,
    /// It crashed: a bad access, an abort, a bad instruction.
    Crash,
    /// It wanted more memory than its job was given.
    Memory,
    /// It wanted more processor time than a job has.
    Cpu,
    /// It wrote more than a job may.
    Output,
    /// It tried a system call that no job needs.
    Forbidden,
    /// Somebody killed it: the kernel, out of memory, or a person.
    Killed,
    /// It ended by itself, in the middle of a job: a panic.
    Exit,
    /// What it said made no sense.
    Nonsense,
}

impl Cause {
    /// Every cause, in the order of the metrics.
    pub const ALL: [Self; 9] = [
        Self::Deadline,
        Self::Crash,
        Self::Memory,
        Self::Cpu,
        Self::Output,
        Self::Forbidden,
        Self::Killed,
        Self::Exit,
        Self::Nonsense,
    ];

    /// One word for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Crash => "crash",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Output => "output",
            Self::Forbidden => "forbidden",
            Self::Killed => "killed",
            Self::Exit => "exit",
            Self::Nonsense => "nonsense",
        }
    }
}

/// A worker's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// What ended it.
    pub cause: Cause,
    /// Its status and its last words, for the operator's log. Never for a viewer: the worker may have chosen them.
    pub words: String,
}

/// What Rust's runtime says before it aborts because an allocation failed.
const OUT_OF_MEMORY: &str = "memory allocation of ";

impl Death {
    /// Of a worker that was not killed by us before it ended.
    pub(crate) fn of(status: ExitStatus, last_words: &str) -> Self {
        let cause = match status.signal() {
            None => Cause::Exit,
            Some(libc::SIGABRT) if last_words.contains(OUT_OF_MEMORY) => Cause::Memory,
            Some(libc::SIGSYS) => Cause::Forbidden,
            Some(libc::SIGXCPU) => Cause::Cpu,
            Some(libc::SIGXFSZ) => Cause::Output,
            Some(libc::SIGKILL) => Cause::Killed,
            Some(_) => Cause::Crash,
        };
        Self { cause, words: format!("{status}; {}", printable(last_words)) }
    }
}

/// Last words without what could pose as another line of the log.
fn printable(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.cause.word(), self.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_cause() {
        for (raw, words, cause) in [
            (0, "", Cause::Exit),
            (101 << 8, "thread panicked", Cause::Exit),
            (libc::SIGSEGV, "", Cause::Crash),
            (libc::SIGBUS, "", Cause::Crash),
            (libc::SIGABRT, "free(): invalid pointer", Cause::Crash),
            (libc::SIGABRT, "memory allocation of 4096 bytes failed", Cause::Memory),
            (libc::SIGSYS, "", Cause::Forbidden),
            (libc::SIGXCPU, "", Cause::Cpu),
            (libc::SIGXFSZ, "", Cause::Output),
            (libc::SIGKILL, "", Cause::Killed),
        ] {
            assert_eq!(Death::of(ExitStatus::from_raw(raw), words).cause, cause, "{raw} {words}");
        }
    }

    #[test]
    fn last_words_stay_on_their_line() {
        let death = Death::of(ExitStatus::from_raw(libc::SIGSEGV), "a\nERROR forged\x1b[31m");
        assert!(!death.words.contains(char::is_control), "{death:?}");
    }
}
