//! The allocator, and when it gives memory back to the system.

use std::ffi::{c_int, c_long};
use std::time::Duration;

/// Image buffers fragment glibc's heap: with it the process grows where it should not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay`, for which the bindings have no name.
const PURGE_DELAY: c_int = 15;

/// How long what was freed is kept for the next who wants it. Left alone it is a second, in which hundreds of renders leave behind
/// what a few need at a time: 100 MiB where 10 ms leave 60, at the same speed. None at all costs 7 % (measured, 8 viewers who ask for
/// 12 MP pictures on two cores).
const PURGE_DELAY_MS: c_long = 10;

/// From which size on the blocks of codecs written in C, which take theirs from glibc, are mapped one by one and go back when they are
/// freed. It is glibc's own figure to begin with, but left alone it grows to 32 MiB, and each thread that ever made an AVIF keeps
/// twice that: 8 threads that took turns at 12 MP had 695 MiB where one at a time needs 251.
#[cfg(target_env = "gnu")]
const CODEC_BLOCK_BYTES: c_int = 128 << 10;

/// How often somebody looks when nobody allocates. It takes microseconds.
const REST: Duration = Duration::from_secs(1);

/// Has memory given back soon, unless `MIMALLOC_PURGE_DELAY` says otherwise. To be called first.
pub fn give_back_soon() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: it stores a number; mimalloc reads it whenever something is freed, on any thread.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS) };
    }
    #[cfg(target_env = "gnu")]
    for threshold in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: it stores a number, before there is a second thread.
        unsafe { libc::mallopt(threshold, CODEC_BLOCK_BYTES) };
    }
}

/// Has memory given back also where nobody asks any more: mimalloc looks only while something is allocated, and two threads that
/// look at once can make it forget to. To be run for ever.
pub async fn give_back_at_rest() {
    let mut ticks = tokio::time::interval(REST);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // SAFETY: it may be called at any time from any thread. Only what is free is looked at, which is little.
        unsafe { libmimalloc_sys::mi_collect(true) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of the option is the header's of this version of mimalloc: its default tells whether it still is.
    #[test]
    fn it_is_the_delay_that_is_set() {
        // SAFETY: it reads a number.
        let delay_ms = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(delay_ms(), 1000, "no other option defaults to this");
        give_back_soon();
        assert_eq!(delay_ms(), PURGE_DELAY_MS);
    }
}
