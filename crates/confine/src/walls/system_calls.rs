//! seccomp: the system calls that a job needs, and no others. Whoever tries another is killed, which the parent sees; a few
//! that libraries try on the way and can do without are answered with an error instead.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// What pure computing over bytes in memory, and the link to the parent, come down to.
const ALLOWED: &[i64] = &[
    // The link, the job's two files, last words.
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    // Memory; what could make it executable is held back below.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Locks, time, chance: what the standard library and allocators use of them in one thread.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_restart_syscall,
    // Dying.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What libraries ask on the way and can do without an answer to.
const REFUSED: &[i64] = &[
    libc::SYS_sched_getaffinity,
    libc::SYS_ioctl,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getcpu,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
];

/// Filters the calls of this process from here on.
pub(super) fn enclose() -> Result<(), String> {
    let words = |error: seccompiler::Error| error.to_string();
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let filter = |rules, otherwise, matched| -> Result<BpfProgram, String> {
        let filter = SeccompFilter::new(rules, otherwise, matched, arch).map_err(|error| error.to_string())?;
        BpfProgram::try_from(filter).map_err(|error| error.to_string())
    };
    let refused = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = filter(refused, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))?;
    let mut allowed = conditional().map_err(|error| error.to_string())?;
    allowed.extend(ALLOWED.iter().chain(REFUSED).map(|call| (*call, Vec::new())));
    let kill = filter(allowed, SeccompAction::KillProcess, SeccompAction::Allow)?;
    // Of two filters the stricter answer counts. The second one forbids to add a third.
    apply_filter(&refuse).map_err(words)?;
    apply_filter(&kill).map_err(words)
}

/// Calls that are harmless with some arguments only.
fn conditional() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let argument = |index, operation, value| {
        let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, operation, value)?;
        SeccompRule::new(vec![condition])
    };
    let executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    let own = std::process::id();
    Ok(BTreeMap::from([
        (libc::SYS_mmap, vec![argument(2, executable.clone(), 0)?]),
        (libc::SYS_mprotect, vec![argument(2, executable, 0)?]),
        // The standard library, where its assertions are on, asks whether a descriptor is open before it closes it.
        (
            libc::SYS_fcntl,
            vec![
                argument(1, SeccompCmpOp::Eq, libc::F_GET_SEALS as u64)?,
                argument(1, SeccompCmpOp::Eq, libc::F_GETFD as u64)?,
            ],
        ),
        // mimalloc names its mappings.
        (libc::SYS_prctl, vec![argument(0, SeccompCmpOp::Eq, libc::PR_SET_VMA as u64)?]),
        // An abort is a signal to oneself.
        (libc::SYS_tgkill, vec![argument(0, SeccompCmpOp::Eq, own.into())?]),
    ]))
}
