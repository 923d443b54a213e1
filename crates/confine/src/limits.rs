//! What is started, and how much each worker may take.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A program that calls [`serve`](crate::serve).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its file; `/proc/self/exe` is the caller's own program, also when its file was replaced meanwhile.
    pub program: PathBuf,
    /// What it is told on its command line.
    pub arguments: Vec<OsString>,
    /// All of its environment: nothing of the parent's is handed on, where secrets may be.
    pub environment: Vec<(OsString, OsString)>,
}

/// The bounds of each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs after which a worker is replaced: what one picture did to it cannot reach many others. At least 1.
    pub jobs_max: u32,
    /// The most bytes that any job may ask for: the hard bound of the address space, beyond what a new worker takes.
    pub memory_bytes_max: u64,
    /// The most bytes that a worker may write.
    pub output_bytes_max: u64,
    /// The longest a job may take. The deadline of each is the caller's; this bounds processor time, whatever becomes of the
    /// parent.
    pub job_time_max: Duration,
    /// How long a new worker may take until it has put up its walls.
    pub start_time_max: Duration,
    /// The longest pause before a worker is started again that keeps dying.
    pub pause_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            jobs_max: 256,
            memory_bytes_max: 1 << 30,
            output_bytes_max: 256 << 20,
            job_time_max: Duration::from_secs(15),
            start_time_max: Duration::from_secs(10),
            pause_max: Duration::from_secs(1),
        }
    }
}
