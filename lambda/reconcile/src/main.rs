//! `afterimage-reconcile`: the bootstrap of the function that compares.

use std::process::ExitCode;

use afterimage_lambda_reconcile::Function;
use afterimage_setup::Proof;

fn main() -> ExitCode {
    // Nobody waits for it, and a role that lacks something is found before anything is compared.
    afterimage_lambda::serve(Proof::AtStart, Function::new)
}
