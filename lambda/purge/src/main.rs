//! `afterimage-purge`: the bootstrap of the function that hears what buckets say.

use std::process::ExitCode;

use afterimage_lambda_purge::{Function, Pace};

fn main() -> ExitCode {
    afterimage_lambda::serve(async |writing| Function::new(writing, Pace::default()).await)
}
