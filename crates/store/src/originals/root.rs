//! Whether the root of a directory of originals is still the one seen at start. Without that, a name that is not there
//! proves nothing: the disk may have been unmounted, or the folder replaced.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use afterimage_identity::Unprovable;
use rustix::fs::{fstat, stat};
use rustix::io::Errno;

use super::memo::Stamps;
use crate::Error;

pub(crate) struct Root {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Root {
    /// Remembers which folder `opened` is. It stays open, so its inode cannot be given to another folder meanwhile.
    #[allow(clippy::unnecessary_cast)]
    pub(crate) fn new(path: &Path, opened: BorrowedFd<'_>) -> std::io::Result<Self> {
        let seen = fstat(opened)?;
        Ok(Self { path: std::path::absolute(path)?, device: seen.st_dev as u64, inode: seen.st_ino as u64 })
    }

    /// Fails unless the root's path still leads to the folder seen at start.
    #[allow(clippy::unnecessary_cast)]
    pub(crate) fn check(&self) -> Result<(), Error> {
        let why = match stat(&self.path) {
            Ok(now) if (now.st_dev as u64, now.st_ino as u64) == (self.device, self.inode) => return Ok(()),
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Unprovable::RootChanged,
            Err(Errno::ACCESS | Errno::PERM) => Unprovable::Refused,
            Err(_) => Unprovable::Unreachable,
        };
        Err(Error::Unprovable(why))
    }
}

/// What the stamps of the file system that holds `folder` are worth.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(clippy::unnecessary_cast)]
pub(crate) fn stamps(folder: BorrowedFd<'_>) -> Stamps {
    // From linux/magic.h and the file systems' own sources.
    const FOREIGN: [u32; 12] = [
        0x6969,      // NFS
        0x517b,      // SMB
        0xff53_4d42, // CIFS
        0xfe53_4d42, // SMB 2
        0x6573_5546, // FUSE
        0x0102_1997, // 9P
        0x00c3_6400, // Ceph
        0x5346_414f, // AFS
        0x7375_7245, // Coda
        0x7461_636f, // OCFS2
        0x0116_1970, // GFS2
        0x0bd0_0bd0, // Lustre
    ];
    const WORTHLESS: [u32; 2] = [0x4d44 /* FAT */, 0x2011_bab0 /* exFAT */];
    match rustix::fs::fstatfs(folder).map(|stat| stat.f_type as u32) {
        Ok(magic) if WORTHLESS.contains(&magic) => Stamps::Worthless,
        Ok(magic) if !FOREIGN.contains(&magic) => Stamps::Ours,
        _ => Stamps::Foreign,
    }
}

/// What the stamps of the file system that holds `folder` are worth.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn stamps(_folder: BorrowedFd<'_>) -> Stamps {
    Stamps::Ours
}
