//! From `main` to the end of the process.

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::refuse::refuse;

/// By hand a bootstrap says only what it is (as for wrong usage of any command).
const EXIT_BY_HAND: u8 = 2;

/// Why a process takes no more events.
#[derive(Debug)]
pub enum Ended {
    /// It never took one: what is wrong, in words for whoever deployed it.
    Refused(String),
    /// The service could not be asked for the next one.
    Unheard(lambda_runtime::Error),
}

/// Does `work` on `threads`, and tells the service where it cannot begin. `page` explains the function to whoever starts it by hand.
pub fn start(page: &str, mut threads: Builder, work: impl AsyncFnOnce() -> Result<(), Ended>) -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        eprintln!("this is the bootstrap of a function on AWS Lambda: see {page}");
        return ExitCode::from(EXIT_BY_HAND);
    }
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        match work().await {
            Ok(()) => return ExitCode::SUCCESS,
            Err(Ended::Refused(words)) => refuse(&words).await,
            Err(Ended::Unheard(error)) => tracing::error!(%error, "the runtime interface failed"),
        }
        ExitCode::FAILURE
    })
}
