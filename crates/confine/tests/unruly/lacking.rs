//! Kernels that lack a wall. One is made here by a filter that answers as such a kernel does, put up before the worker's own.

use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use afterimage_confine::{Cause, Error, Protection};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use crate::{Yard, limits, patient};

/// Makes this thread's kernel one that has not heard of what is named.
pub fn take_away(names: &str) {
    let mut unknown = BTreeMap::new();
    if names.contains("landlock") {
        let calls = [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_add_rule, libc::SYS_landlock_restrict_self];
        unknown.extend(calls.map(|call| (call, Vec::new())));
    }
    if names.contains("close_range") {
        unknown.insert(libc::SYS_close_range, Vec::new());
    }
    if names.contains("seccomp") {
        unknown.insert(libc::SYS_seccomp, Vec::new());
        let mode = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, libc::PR_SET_SECCOMP as u64);
        unknown.insert(libc::SYS_prctl, vec![SeccompRule::new(vec![mode.expect("a condition")]).expect("a rule")]);
    }
    if unknown.is_empty() {
        return;
    }
    let arch = std::env::consts::ARCH.try_into().expect("a known architecture");
    let answer = SeccompAction::Errno(libc::ENOSYS as u32);
    let filter = SeccompFilter::new(unknown, SeccompAction::Allow, answer, arch).expect("a filter");
    apply_filter(&BpfProgram::try_from(filter).expect("compiles")).expect("applies");
}

/// The walls that a report says are missing.
fn lacks(yard: &mut Yard) -> Vec<Protection> {
    yard.place.ready().expect("starts").lacking.into_iter().map(|lack| lack.protection).collect()
}

const EACCES: &str = "errno 13";

#[test]
fn without_seccomp_landlock_still_keeps_files_and_network_away() {
    let yard = &mut Yard::lacking("seccomp", patient());
    assert_eq!(lacks(yard), [Protection::SystemCalls]);
    for act in ["file read", "file write", "file list", "file environ", "socket tcp 9", "socket listen 0"] {
        assert_eq!(yard.told(act), EACCES, "{act}");
    }
    assert_eq!(yard.told("process signal"), "errno 1");
    let name = format!("afterimage-unruly-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _listener = UnixListener::bind_addr(&address).expect("listens");
    assert_eq!(yard.told(&format!("socket abstract {name}")), "errno 1");
    assert_eq!(yard.told("process exec"), EACCES);
    assert_eq!(yard.told("tamper"), "[\"sealed\"]");
    assert!(!std::path::Path::new("/tmp/afterimage-unruly").exists());
    // What was started all the same is killed with its worker.
    assert!(matches!(yard.run("eat more"), Err(Error::Died(death)) if death.cause == Cause::Memory));
    assert!(yard.told("echo").starts_with("5 of "));
}

#[test]
fn without_landlock_system_calls_are_kept_away() {
    let yard = &mut Yard::lacking("landlock", limits());
    assert_eq!(lacks(yard), [Protection::Files, Protection::Network, Protection::Processes]);
    for act in ["file read", "socket tcp 9", "process fork", "process exec", "process signal"] {
        assert!(matches!(yard.run(act), Err(Error::Died(death)) if death.cause == Cause::Forbidden), "{act}");
    }
}

#[test]
fn with_neither_it_is_said_and_the_bounds_hold() {
    let yard = &mut Yard::lacking("landlock seccomp close_range", patient());
    let report = yard.place.ready().expect("starts");
    let lacking = [
        Protection::Descriptors,
        Protection::Files,
        Protection::Network,
        Protection::Processes,
        Protection::SystemCalls,
    ];
    assert_eq!(lacks(yard), lacking);
    assert!(report.to_string().contains("this kernel has no Landlock"), "{report}");
    assert_eq!(yard.workers.snapshot().report, Some(report));
    assert_eq!(yard.told("echo").split(' ').next(), Some("5"));
    for (act, cause) in [("crash segv", Cause::Crash), ("eat more", Cause::Memory)] {
        assert!(matches!(yard.run(act), Err(Error::Died(death)) if death.cause == cause), "{act}");
    }
}
