//! Records as files of a folder. What a call has said is on disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use afterimage_identity::{BoxFuture, Keep, KeepError, Put};

use super::check;

/// The ending of files that are not whole yet.
const FRESH: &str = "new";
/// More files than this were not made here.
const FILES_MAX: usize = 100_000;

/// [`Keep`] in a folder that nobody else writes to.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    fresh: AtomicU64,
}

impl Folder {
    /// Opens or makes the folder, and clears away what a process that died has written by halves.
    ///
    /// # Errors
    /// When the folder cannot be made or listed.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        for file in files(path)? {
            if file.extension().is_some_and(|extension| extension == FRESH) {
                fs::remove_file(file)?;
            }
        }
        Ok(Self { path: path.to_owned(), fresh: AtomicU64::new(0) })
    }

    fn fresh(&self) -> PathBuf {
        self.path.join(format!("{}.{FRESH}", self.fresh.fetch_add(1, Ordering::Relaxed)))
    }
}

/// All files below a folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
        if found.len() > FILES_MAX {
            return Err(io::Error::other(format!("more than {FILES_MAX} files")));
        }
    }
    Ok(found)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Whether it is written; a link to it takes a name that nobody has, a renaming any.
fn write(fresh: &Path, path: &Path, bytes: &[u8], put: Put) -> io::Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(fresh)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    let written = match put {
        Put::Any => fs::rename(fresh, path).map(|()| true),
        Put::New => match fs::hard_link(fresh, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(fs::read(path)? == bytes),
            Err(error) => Err(error),
        },
    };
    if put == Put::New {
        fs::remove_file(fresh)?;
    }
    if written? {
        sync_folder(path)?;
        return Ok(true);
    }
    Ok(false)
}

fn absent<T: Default>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        result => result,
    }
}

/// Runs it where waiting for a disk keeps nobody else waiting.
async fn aside<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, KeepError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| KeepError::Failed { why: format!("{}: {error}", path.display()) })
}

impl Keep for Folder {
    fn names<'a>(&'a self, beginning: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, KeepError>> {
        let (root, beginning) = (self.path.clone(), beginning.to_owned());
        Box::pin(aside(root.clone(), move || {
            let name = |path: PathBuf| Some(path.strip_prefix(&root).ok()?.to_str()?.to_owned());
            let mut names: Vec<String> = files(&root)?.into_iter().filter_map(name).collect();
            names.retain(|name| name.starts_with(&beginning) && check(name).is_ok());
            names.sort_unstable();
            names.truncate(limit);
            Ok(names)
        }))
    }

    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KeepError>> {
        Box::pin(async move {
            check(name)?;
            let path = self.path.join(name);
            aside(path.clone(), move || absent(fs::read(path).map(Some))).await
        })
    }

    fn write<'a>(&'a self, name: &'a str, bytes: &'a [u8], put: Put) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            check(name)?;
            let (path, fresh, bytes) = (self.path.join(name), self.fresh(), bytes.to_vec());
            let written = aside(path.clone(), move || write(&fresh, &path, &bytes, put)).await?;
            if written { Ok(()) } else { Err(KeepError::Taken) }
        })
    }

    fn remove<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), KeepError>> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path.join(name)).collect();
        Box::pin(aside(self.path.clone(), move || paths.iter().try_for_each(|path| absent(fs::remove_file(path)))))
    }
}
