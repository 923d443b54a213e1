//! `afterimage-purge`: the bootstrap of the function that hears what buckets say.

use std::process::ExitCode;

use afterimage_lambda_purge::{Function, Pace};
use afterimage_setup::Proof;

fn main() -> ExitCode {
    // A deletion waits for it. Where a right is missing, every call says so.
    afterimage_lambda::serve(Proof::WhenNeeded, async |writing| Function::new(writing, Pace::default()).await)
}
