//! Memory files: how bytes cross without being copied through a pipe. The input is sealed before anybody else sees it, so it can be
//! mapped without fear that it shrinks or changes; the output is copied out, because whoever wrote it may still be writing.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, memfd_create};
use rustix::io::{Errno, pread, write};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Everything that could change a file.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// An empty memory file.
pub(crate) fn empty() -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 do not know the last flag, by which nobody can run what is written there.
    memfd_create("job", flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| memfd_create("job", flags))
}

/// A memory file of these bytes that nobody can change any more.
pub(crate) fn sealed(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let file = empty()?;
    write_all(&file, bytes)?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file)
}

pub(crate) fn write_all(file: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(&file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Copies a file out, if it has exactly so many bytes and they are not more than `max`.
pub(crate) fn copied(file: impl AsFd, bytes: u64, max: u64) -> Option<Vec<u8>> {
    let length = usize::try_from(bytes).ok().filter(|_| bytes <= max)?;
    if u64::try_from(fstat(&file).ok()?.st_size).ok()? != bytes {
        return None;
    }
    let mut copy = vec![0; length];
    let mut at = 0;
    while at < length {
        match pread(&file, &mut copy[at..], at as u64) {
            // It was cut off meanwhile.
            Ok(0) => return None,
            Ok(read) => at += read,
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(copy)
}

/// A sealed file, mapped for reading.
pub(crate) struct Mapped {
    start: *mut std::ffi::c_void,
    length: usize,
}

impl Mapped {
    /// Maps a file that is sealed against every change.
    pub(crate) fn new(file: impl AsFd) -> Result<Self, Errno> {
        if !fcntl_get_seals(&file)?.contains(SEALS) {
            return Err(Errno::PERM);
        }
        let length = usize::try_from(fstat(&file)?.st_size).map_err(|_| Errno::FBIG)?;
        if length == 0 {
            return Ok(Self { start: std::ptr::null_mut(), length });
        }
        // All of it will be read: taking the pages at once is cheaper than a fault for each.
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that anybody knows of.
        let start = unsafe { mmap(std::ptr::null_mut(), length, ProtFlags::READ, flags, file, 0)? };
        Ok(Self { start, length })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.length == 0 {
            return &[];
        }
        // SAFETY: `length` bytes are mapped for reading until `self` is dropped, and the seals forbid everybody, us included,
        // to change or shorten the file behind them.
        unsafe { std::slice::from_raw_parts(self.start.cast::<u8>().cast_const(), self.length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: this range was mapped by `new`, and no slice of it outlives `self`.
            let _ = unsafe { munmap(self.start, self.length) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::ftruncate;

    #[test]
    fn what_is_sealed_cannot_be_changed_and_can_be_read() {
        for bytes in [&b""[..], b"x", &[7; 100_000]] {
            let file = sealed(bytes).expect("a memory file");
            assert_eq!(write(&file, b"y"), Err(Errno::PERM));
            assert_eq!(ftruncate(&file, 1 << 20), Err(Errno::PERM));
            assert!(bytes.is_empty() || ftruncate(&file, 0) == Err(Errno::PERM));
            assert_eq!(Mapped::new(&file).expect("maps").bytes(), bytes);
        }
    }

    #[test]
    fn what_may_still_change_is_not_mapped() {
        let file = empty().expect("a memory file");
        write_all(&file, b"abc").expect("writes");
        assert_eq!(Mapped::new(&file).err(), Some(Errno::PERM));
    }

    #[test]
    fn only_what_was_announced_is_copied_out() {
        let file = empty().expect("a memory file");
        write_all(&file, b"abc").expect("writes");
        assert_eq!(copied(&file, 3, 3).as_deref(), Some(&b"abc"[..]));
        assert_eq!(copied(&file, 3, 2), None, "past the bound");
        assert_eq!(copied(&file, 2, 3), None, "less than there is");
        assert_eq!(copied(&file, u64::MAX, u64::MAX), None, "more than there is");
    }
}
