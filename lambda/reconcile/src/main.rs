//! `afterimage-reconcile`: the bootstrap of the function that compares.

use std::process::ExitCode;

use afterimage_lambda_reconcile::Function;

fn main() -> ExitCode {
    afterimage_lambda::serve(Function::new)
}
