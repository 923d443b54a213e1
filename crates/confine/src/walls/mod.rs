//! What a child puts up around itself, once and for good, before it sees the first job. Each wall is tried whatever became of the
//! others; what cannot be had is reported, not hidden.

mod files;
mod system_calls;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::thread::set_no_new_privs;

use crate::report::{Protection, Report};

/// Descriptors that a worker can have: three streams, two of the job in hand, and some to spare.
const DESCRIPTORS_MAX: u64 = 16;

/// Puts up every wall that this kernel has. Only the parent can put up the bounds of memory, processor time and output: they
/// change from job to job.
pub(crate) fn enclose() -> Report {
    let mut report = Report::default();
    report.note(Protection::Descriptors, close_others());
    report.note(Protection::Parent, belong_to_parent());
    report.note(Protection::Resources, bound_resources());
    // Without it, neither of the next two may be had by who is not root.
    report.note(Protection::Privileges, set_no_new_privs(true));
    files::enclose(&mut report);
    report.note(Protection::SystemCalls, system_calls::enclose());
    report
}

/// Closes whatever was inherited beside the three streams: a parent may have got it from its own parent without knowing.
fn close_others() -> Result<(), Errno> {
    // SAFETY: takes three integers. Nobody in this process has opened anything yet that is closed behind their back: this is
    // the first thing that a worker does.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
    if done == 0 { Ok(()) } else { Err(last_error()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS)
}

fn belong_to_parent() -> Result<(), Errno> {
    // A parent that died before this line is noticed by the first word that is sent to it.
    set_parent_process_death_signal(Some(Signal::KILL))
}

fn bound_resources() -> Result<(), Errno> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let descriptors = Rlimit { current: Some(DESCRIPTORS_MAX), maximum: Some(DESCRIPTORS_MAX) };
    setrlimit(Resource::Core, none)?;
    setrlimit(Resource::Memlock, none)?;
    setrlimit(Resource::Nproc, none)?;
    setrlimit(Resource::Nofile, descriptors)
}
