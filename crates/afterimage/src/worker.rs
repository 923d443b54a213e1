//! `afterimage worker`: this program as a process that makes pictures for a server and can reach nothing else. Nothing may be
//! added here that opens, reads or asks anything.

use std::sync::Arc;

use afterimage_confine::{Answer, Error, Limits, Report, Workers, serve};
use afterimage_edge::WorkerCommand;
use afterimage_imaging::job;
use afterimage_setup::MachineClock;

use crate::exit::Exit;

/// How this program is started as a worker. The link leads to the very file that runs, also when a newer one has its name.
pub fn command() -> WorkerCommand {
    WorkerCommand {
        program: "/proc/self/exe".into(),
        arguments: vec!["worker".into()],
        environment: vec![
            // The allocator would set aside a gibibyte of addresses, within which no bound of addresses is felt,
            ("MIMALLOC_ARENA_RESERVE".into(), "32MiB".into()),
            // and keep what was freed until it is asked again: an idle worker has to give back what is promised to others.
            ("MIMALLOC_PURGE_DELAY".into(), "0".into()),
        ],
    }
}

/// Answers renders until the server goes.
pub fn work() -> Result<(), Exit> {
    let done = serve(&mut |message, original| {
        let (message, output) = job::answer(message, original);
        Answer { message, output }
    });
    done.map_err(|error| Exit::Failed(error.to_string()))
}

/// Starts one to see which walls this machine can put up around it.
pub fn try_out() -> Result<Report, Error> {
    Workers::new(command(), Limits::default(), Arc::new(MachineClock)).place().ready()
}
