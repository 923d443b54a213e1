//! Which walls stand around a worker, as it says itself before it sees a job.

use serde::{Deserialize, Serialize};

/// One wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// No file can be opened, made, changed or run (Landlock).
    Files,
    /// No TCP connection can be made or taken (Landlock 4).
    Network,
    /// No signal to a process outside, no abstract socket there (Landlock 6).
    Processes,
    /// No system call but the few that a job needs (seccomp).
    SystemCalls,
    /// No more rights by running another program.
    Privileges,
    /// So much memory, processor time and output, and no core files.
    Resources,
    /// Nothing that the parent had open.
    Descriptors,
    /// It ends when its parent does.
    Parent,
}

impl Protection {
    /// Every wall, in the order of the metrics.
    pub const ALL: [Self; 8] = [
        Self::Files,
        Self::Network,
        Self::Processes,
        Self::SystemCalls,
        Self::Privileges,
        Self::Resources,
        Self::Descriptors,
        Self::Parent,
    ];

    /// One word for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Network => "network",
            Self::Processes => "processes",
            Self::SystemCalls => "system-calls",
            Self::Privileges => "privileges",
            Self::Resources => "resources",
            Self::Descriptors => "descriptors",
            Self::Parent => "parent",
        }
    }
}

/// A wall that does not stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// Which.
    pub protection: Protection,
    /// Why, in words for an operator.
    pub why: String,
}

/// Which walls stand around a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Those that do not.
    pub lacking: Vec<Lack>,
}

impl Report {
    /// Whether a wall stands.
    pub fn holds(&self, protection: Protection) -> bool {
        self.lacking.iter().all(|lack| lack.protection != protection)
    }

    pub(crate) fn note(&mut self, protection: Protection, done: Result<(), impl std::fmt::Display>) {
        if let Err(why) = done {
            self.lack(protection, why);
        }
    }

    pub(crate) fn lack(&mut self, protection: Protection, why: impl std::fmt::Display) {
        self.lacking.push(Lack { protection, why: why.to_string() });
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = Protection::ALL.into_iter().filter(|protection| self.holds(*protection));
        f.write_str(&kept.map(Protection::word).collect::<Vec<_>>().join(", "))?;
        for (index, Lack { protection, why }) in self.lacking.iter().enumerate() {
            f.write_str(if index == 0 { "; lacking " } else { ", " })?;
            write!(f, "{} ({why})", protection.word())?;
        }
        Ok(())
    }
}
