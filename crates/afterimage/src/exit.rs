//! How a command ends: the one table from what went wrong to an exit code. `docs/reference/exit-codes.md` explains it.

use std::fmt;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was tried and failed.
    Failed(String),
    /// The command line is wrong.
    Usage(String),
    /// The configuration is wrong.
    Configuration(String),
    /// The state is held by another process, or nobody answers.
    State(String),
    /// The server said no, or there is no such thing.
    Refused(String),
}

impl Exit {
    /// The code the process ends with.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Configuration(_) => 3,
            Self::State(_) => 4,
            Self::Refused(_) => 5,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(words)
        | Self::Usage(words)
        | Self::Configuration(words)
        | Self::State(words)
        | Self::Refused(words)) = self;
        f.write_str(words)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        eprintln!("afterimage: {exit}");
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_end_has_its_code() {
        for (exit, code) in [
            (Exit::Failed(String::new()), 1),
            (Exit::Usage(String::new()), 2),
            (Exit::Configuration(String::new()), 3),
            (Exit::State(String::new()), 4),
            (Exit::Refused(String::new()), 5),
        ] {
            assert_eq!(exit.code(), code);
        }
    }
}
