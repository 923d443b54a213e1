//! Which folder each of the kernel's watches stands for. A watch follows its folder when that is moved, so a folder that
//! left its name is forgotten and one that appears under a name is walked: names here are never stale for long, and a
//! folder is read only after it is watched, so nothing falls in between.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, WatchFlags};
use rustix::io::Errno;

use crate::keys::{Folder, join};

/// Why a tree cannot be watched by notifications.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no root at this moment.
    RootGone,
    /// It never works here, in words.
    Why(String),
}

/// The watches.
#[derive(Debug)]
pub(crate) struct Tree {
    folders: HashMap<i32, Folder>,
    watches: BTreeMap<Folder, i32>,
    watches_max: usize,
}

impl Tree {
    pub(crate) fn new(watches_max: usize) -> Self {
        Self { folders: HashMap::new(), watches: BTreeMap::new(), watches_max }
    }

    /// The folder of a watch; `None` for a watch that was forgotten.
    pub(crate) fn folder(&self, watch: i32) -> Option<&str> {
        self.folders.get(&watch).map(String::as_str)
    }

    pub(crate) fn is_watched(&self, folder: &str) -> bool {
        self.watches.contains_key(folder)
    }

    /// The kernel dropped this watch.
    pub(crate) fn dropped(&mut self, watch: i32) {
        if let Some(folder) = self.folders.remove(&watch)
            && self.watches.get(&folder) == Some(&watch)
        {
            self.watches.remove(&folder);
        }
    }

    /// A folder left its name, with all below it.
    pub(crate) fn forget(&mut self, descriptor: &OwnedFd, folder: &str) {
        let below: Vec<Folder> = self
            .watches
            .range(folder.to_owned()..)
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(folder))
            .cloned()
            .collect();
        for name in below {
            if let Some(watch) = self.watches.remove(&name) {
                self.folders.remove(&watch);
                // It fails when the folder is gone, and then so is the watch.
                let _ = inotify::remove_watch(descriptor, watch);
            }
        }
    }

    /// Watches `folder` and all below it; tells `found` each file in them.
    pub(crate) fn watch(
        &mut self,
        descriptor: &OwnedFd,
        root: &Path,
        folder: &str,
        found: &mut dyn FnMut(String),
    ) -> Result<(), Refused> {
        let mut ahead = vec![folder.to_owned()];
        while let Some(folder) = ahead.pop() {
            let path = root.join(&folder);
            if let Some(name) = network_name(&path) {
                return Err(Refused::Why(format!(
                    "`{}` is on {name}, which tells nothing of changes made elsewhere",
                    path.display()
                )));
            }
            if !self.add(descriptor, &path, &folder)? {
                continue;
            }
            let Ok(entries) = std::fs::read_dir(&path) else { continue };
            for entry in entries.flatten() {
                let Some(joined) = join(&folder, &entry.file_name()) else { continue };
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => ahead.push(joined + "/"),
                    Ok(_) => found(joined),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Watches one folder; `false` when it is not there any more or may not be read.
    fn add(&mut self, descriptor: &OwnedFd, path: &Path, folder: &str) -> Result<bool, Refused> {
        let watch = match inotify::add_watch(descriptor, path, flags()) {
            Ok(watch) => watch,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if folder.is_empty() => return Err(Refused::RootGone),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            Err(Errno::ACCESS) if !folder.is_empty() => {
                tracing::warn!(folder, "a folder may not be read and is not watched");
                return Ok(false);
            }
            Err(Errno::NOSPC) => {
                return Err(Refused::Why(format!(
                    "the kernel's limit is reached at {} folders; raise fs.inotify.max_user_watches",
                    self.folders.len()
                )));
            }
            Err(error) => return Err(Refused::Why(format!("`{}` cannot be watched: {error}", path.display()))),
        };
        if let Some(earlier) = self.folders.insert(watch, folder.to_owned())
            && earlier != folder
        {
            self.watches.remove(&earlier);
        }
        if let Some(replaced) = self.watches.insert(folder.to_owned(), watch)
            && replaced != watch
        {
            self.folders.remove(&replaced);
            let _ = inotify::remove_watch(descriptor, replaced);
        }
        if self.folders.len() > self.watches_max {
            return Err(Refused::Why(format!("there are more than watches_max = {} folders", self.watches_max)));
        }
        Ok(true)
    }
}

/// What the kernel is asked to tell. Not IN_MODIFY: a long copy would speak without end, and its close tells the same.
fn flags() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::ATTRIB
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
        | WatchFlags::DONT_FOLLOW
        | WatchFlags::EXCL_UNLINK
}

/// The name of the file system, when others may change it without this kernel's knowledge (magic numbers: statfs(2)).
fn network_name(path: &Path) -> Option<&'static str> {
    let magic = u32::try_from(rustix::fs::statfs(path).ok()?.f_type & 0xffff_ffff).ok()?;
    network_file_system(magic)
}

fn network_file_system(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x6573_5546 => "FUSE or virtiofs",
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        0x5346_414f => "AFS",
        0x7375_7245 => "Coda",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x786f_4256 => "VirtualBox shared folders",
        0xbacb_acbc => "VMware shared folders",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_magic() {
        assert_eq!(network_file_system(0x6969), Some("NFS"));
        assert_eq!(network_file_system(0xff53_4d42), Some("SMB"));
        for local in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342, 0x794c_7630] {
            assert_eq!(network_file_system(local), None, "{local:x}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        for (watches_max, fits) in [(3, true), (2, false)] {
            let descriptor = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
            let watched = Tree::new(watches_max).watch(&descriptor, root.path(), "", &mut |_| {});
            assert_eq!(watched.is_ok(), fits, "{watched:?}");
        }
    }

    #[test]
    fn a_moved_folder_is_known_by_its_new_name_only() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("a/b")).unwrap();
        let descriptor = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        let mut tree = Tree::new(9);
        tree.watch(&descriptor, root.path(), "", &mut |_| {}).unwrap();
        std::fs::rename(root.path().join("a"), root.path().join("c")).unwrap();
        tree.watch(&descriptor, root.path(), "c/", &mut |_| {}).unwrap();
        assert_eq!(tree.watches.keys().collect::<Vec<_>>(), ["", "c/", "c/b/"]);
        assert_eq!(tree.folders.len(), 3);
        tree.forget(&descriptor, "c/");
        assert_eq!(tree.watches.keys().collect::<Vec<_>>(), [""]);
        assert_eq!(tree.folders.len(), 1);
    }
}
