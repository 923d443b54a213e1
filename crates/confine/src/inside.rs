//! The child's side: walls first, then one job after the other until the parent goes. It must do nothing between walls and jobs
//! that a job could not do, and never open anything.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::net::sockopt::socket_type;

use crate::{link, sheet, walls};

/// Bytes of a job's number, before its message and its answer.
pub(crate) const NUMBER_BYTES: usize = 8;

/// What a job came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// A message; with 16 bytes of ours at most [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX) bytes; not empty.
    pub message: Vec<u8>,
    /// The bytes that were made.
    pub output: Vec<u8>,
}

/// Why a process cannot go on as a worker.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Standard input is no link to a parent.
    #[error("this command is started by the server, never by hand")]
    NoParent,
    /// The parent said something that makes no sense, or cannot be answered.
    #[error("{what}: {why}")]
    Link {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        why: Errno,
    },
}

/// Encloses this process, for good, and answers jobs until the parent closes its end. `handle` gets message and input.
///
/// The calling thread must be the only one: walls stand around a thread. A panic of `handle` ends the process, which the
/// parent takes as the death that it is.
///
/// # Errors
/// When this process was not started by a [`Place`](crate::Place), or the parent makes no sense.
pub fn serve(handle: &mut dyn FnMut(&[u8], &[u8]) -> Answer) -> Result<(), ServeError> {
    let stdin = std::io::stdin();
    let parent = stdin.as_fd();
    if socket_type(parent) != Ok(rustix::net::SocketType::SEQPACKET) {
        return Err(ServeError::NoParent);
    }
    let failed = |what| move |why| ServeError::Link { what, why };
    // A parent that does not read last words must not hold up who says them.
    let stderr = std::io::stderr();
    fcntl_getfl(&stderr)
        .and_then(|flags| fcntl_setfl(&stderr, flags | OFlags::NONBLOCK))
        .map_err(failed("standard error"))?;
    let report = walls::enclose();
    let hello = serde_json::to_vec(&report).unwrap_or_default();
    link::send(parent, &hello, &[]).map_err(failed("the first word"))?;
    while let Some((message, files)) = link::receive(parent).map_err(failed("a job"))? {
        let Ok([input, output]) = <[OwnedFd; 2]>::try_from(files) else {
            return Err(ServeError::Link { what: "the files of a job", why: Errno::BADF });
        };
        let Some((number, message)) = message.split_first_chunk::<NUMBER_BYTES>() else {
            return Err(ServeError::Link { what: "the number of a job", why: Errno::BADMSG });
        };
        let input = sheet::Mapped::new(&input).map_err(failed("the input"))?;
        let answer = handle(message, input.bytes());
        sheet::write_all(&output, &answer.output).map_err(failed("the output"))?;
        let length = (answer.output.len() as u64).to_le_bytes();
        let answer = [&number[..], &length, &answer.message].concat();
        link::send(parent, &answer, &[]).map_err(failed("an answer"))?;
    }
    Ok(())
}
