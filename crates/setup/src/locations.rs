//! Where state lives: derivatives are a cache, journal and receipts are state, the socket belongs to the session (XDG Base
//! Directory Specification 0.8). One source of originals has one set of them, wherever it is served from.

use crate::Source;
use afterimage_identity::Digest;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Longest path that a Unix socket can be bound to, in bytes: `sun_path` is 108 with its closing NUL (unix(7)).
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Where one source keeps what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// 16 hex characters of a digest of the canonical source.
    pub id: String,
    /// Stored derivatives: may be deleted at any time, and are made again.
    pub derivatives: PathBuf,
    /// Journal, receipts and lock.
    pub state: PathBuf,
    /// The control socket; at most [`SOCKET_PATH_BYTES_MAX`] bytes long. [`prepare_socket_folder`] comes before binding.
    pub socket: PathBuf,
}

/// The locations of the source at `canonical_source`: a URL, or a path without symbolic links (see [`canonical_path`]).
///
/// Relative values of the XDG variables are ignored, as their specification asks. Without `HOME` the system's own folders
/// are used: `/var/cache` and `/var/lib`.
///
/// # Errors
/// In words, when the source's path is relative: what it means, and so the id, would depend on the working directory.
pub fn locations(canonical_source: &Source, environment: &BTreeMap<String, String>) -> Result<Locations, String> {
    let id = match canonical_source {
        Source::Directory(path) if !path.is_absolute() => {
            return Err(format!("{} is a relative path; give the canonical one", path.display()));
        }
        Source::Directory(path) => Digest::new("state").part(path.as_os_str().as_bytes()).hex(16),
        Source::Url(url) | Source::Bucket(url) => Digest::new("state of a url").part(url.as_bytes()).hex(16),
    };
    let state = base(environment, "XDG_STATE_HOME", ".local/state", "/var/lib").join(&id);
    Ok(Locations {
        derivatives: base(environment, "XDG_CACHE_HOME", ".cache", "/var/cache").join(&id),
        socket: socket(absolute(environment, "XDG_RUNTIME_DIR"), &state, &id),
        state,
        id,
    })
}

fn absolute(environment: &BTreeMap<String, String>, name: &str) -> Option<PathBuf> {
    environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Our folder below one of the base directories.
fn base(environment: &BTreeMap<String, String>, name: &str, beneath_home: &str, system: &str) -> PathBuf {
    let home = || absolute(environment, "HOME").map(|home| home.join(beneath_home));
    absolute(environment, name).or_else(home).unwrap_or_else(|| PathBuf::from(system)).join("afterimage")
}

/// The first place whose path a socket can have: the session's folder, beside the state, a folder of its own in `/tmp`.
fn socket(runtime: Option<PathBuf>, state: &Path, id: &str) -> PathBuf {
    let session = runtime.map(|runtime| runtime.join(format!("afterimage-{id}.sock")));
    let candidates = session.into_iter().chain([state.join("socket")]);
    let fits = |path: &PathBuf| path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX;
    candidates.into_iter().find(fits).unwrap_or_else(|| temporary_sockets().join(format!("afterimage-{id}.sock")))
}

/// The folder for sockets that have no other place. Anybody may write to `/tmp`: check it before use.
fn temporary_sockets() -> PathBuf {
    PathBuf::from(format!("/tmp/afterimage-{}", rustix::process::getuid().as_raw()))
}

/// Every socket that [`locations`] may have named in this environment, of whatever source; whether somebody listens there
/// is not asked.
pub fn sockets(environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("afterimage-") && name.ends_with(".sock")
    };
    let flat = absolute(environment, "XDG_RUNTIME_DIR").into_iter().chain([temporary_sockets()]);
    let beside =
        entries(base(environment, "XDG_STATE_HOME", ".local/state", "/var/lib")).map(|state| state.join("socket"));
    flat.flat_map(entries).filter(is_ours).chain(beside.filter(|path| path.exists())).collect()
}

/// Makes the folder that a socket is bound in, for this user alone, unless it is there.
///
/// # Errors
/// Whatever making it fails with, and when it lies in `/tmp` and somebody else made it first.
pub fn prepare_socket_folder(socket: &Path) -> io::Result<()> {
    let Some(folder) = socket.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if folder == temporary_sockets() && !is_private_directory(folder)? {
        let words = format!("{} is not this user's alone; set XDG_RUNTIME_DIR to a folder that is", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    Ok(())
}

/// Whether `folder` is a folder of this user's that no other may write to: what a socket or a lock needs around it.
///
/// # Errors
/// Whatever reading its metadata fails with; it does not follow a symbolic link.
pub fn is_private_directory(folder: &Path) -> io::Result<bool> {
    let meta = std::fs::symlink_metadata(folder)?;
    Ok(meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0)
}

/// `path` without symbolic links, `.` and `..`; what does not exist yet is taken as written below what does.
///
/// # Errors
/// Whatever resolving the part that exists fails with, and `..` below a part that does not exist.
pub fn canonical_path(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut missing = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        match std::fs::canonicalize(existing) {
            Ok(canonical) => return Ok(missing.into_iter().rev().fold(canonical, |path, name| path.join(name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // A dangling symbolic link exists and leads nowhere: whoever fills the gap later decides where.
        if existing.symlink_metadata().is_ok() {
            let words = format!("{} is a symbolic link to nothing", existing.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, words));
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
            let words = format!("{} cannot be resolved", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        };
        missing.push(name.to_owned());
        existing = parent;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn folder_at(path: &str) -> Source {
        Source::Directory(path.into())
    }

    fn at(variables: &[(&str, &str)]) -> Locations {
        locations(&Source::Directory("/srv/pictures".into()), &environment(variables)).unwrap()
    }

    #[test]
    fn xdg_folders_home_and_system_in_that_order() {
        let id = at(&[]).id;
        assert_eq!(id.len(), 16);
        for (variables, derivatives, state, socket) in [
            (
                &[("HOME", "/h"), ("XDG_CACHE_HOME", "/c"), ("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "/r")][..],
                "/c/afterimage/ID",
                "/s/afterimage/ID",
                "/r/afterimage-ID.sock",
            ),
            (
                &[("HOME", "/h"), ("XDG_CACHE_HOME", "relative"), ("XDG_RUNTIME_DIR", "")],
                "/h/.cache/afterimage/ID",
                "/h/.local/state/afterimage/ID",
                "/h/.local/state/afterimage/ID/socket",
            ),
            (&[], "/var/cache/afterimage/ID", "/var/lib/afterimage/ID", "/var/lib/afterimage/ID/socket"),
        ] {
            let found = at(variables);
            let expected = |text: &str| PathBuf::from(text.replace("ID", &id));
            assert_eq!(found.derivatives, expected(derivatives));
            assert_eq!(found.state, expected(state));
            assert_eq!(found.socket, expected(socket));
        }
    }

    #[test]
    fn a_socket_path_fits_at_the_bound_and_moves_past_it() {
        // "/r…" + "/afterimage-" + 16 + ".sock" = 107 for a folder of 74.
        let runtime = |bytes: usize| format!("/{}", "r".repeat(bytes - 1));
        let at_bound = at(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", &runtime(74))]).socket;
        assert_eq!(at_bound.as_os_str().len(), SOCKET_PATH_BYTES_MAX);
        assert!(at_bound.starts_with(runtime(74)));
        let past = at(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", &runtime(75))]).socket;
        assert!(past.starts_with("/h/.local/state"));
        let deep = at(&[("HOME", &runtime(200)), ("XDG_RUNTIME_DIR", &runtime(75))]).socket;
        assert!(deep.starts_with("/tmp"), "{deep:?}");
        assert!(deep.as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
    }

    #[test]
    fn sources_have_places_of_their_own_and_their_sockets_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let variables = environment(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", folder.path().to_str().unwrap())]);
        let (one, other) =
            (locations(&folder_at("/a"), &variables).unwrap(), locations(&folder_at("/b"), &variables).unwrap());
        assert_ne!(one.id, other.id);
        assert_ne!(one.id, locations(&Source::Url("/a".into()), &variables).unwrap().id);
        assert!(locations(&folder_at("a"), &variables).is_err());
        std::fs::write(&one.socket, "").unwrap();
        std::fs::write(folder.path().join("bus"), "").unwrap();
        let found = sockets(&variables);
        assert!(found.contains(&one.socket) && !found.contains(&other.socket), "{found:?}");
        assert!(!found.contains(&folder.path().join("bus")));
        let beside = environment(&[("XDG_STATE_HOME", folder.path().to_str().unwrap())]);
        let place = locations(&folder_at("/a"), &beside).unwrap();
        std::fs::create_dir_all(&place.state).unwrap();
        std::fs::write(&place.socket, "").unwrap();
        assert!(sockets(&beside).contains(&place.socket));
    }

    #[test]
    fn links_are_resolved_and_what_is_missing_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("dangling")).unwrap();
        assert_eq!(canonical_path(&root.join("link/new/deep")).unwrap(), root.join("real/new/deep"));
        assert_eq!(canonical_path(&root.join("./real/../link")).unwrap(), root.join("real"));
        assert!(canonical_path(&root.join("missing/../x")).is_err());
        assert!(canonical_path(&root.join("dangling/x")).is_err());
    }

    #[test]
    fn a_new_folder_for_a_socket_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("a/b/socket");
        prepare_socket_folder(&socket).unwrap();
        prepare_socket_folder(&socket).unwrap();
        assert_eq!(folder.path().join("a/b").metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(prepare_socket_folder(&folder.path().join("file/socket")).is_err());
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_private() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |mode| std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o700);
        assert!(is_private_directory(folder.path()).unwrap());
        mode(0o755);
        assert!(is_private_directory(folder.path()).unwrap());
        mode(0o770);
        assert!(!is_private_directory(folder.path()).unwrap());
        assert!(is_private_directory(&folder.path().join("no")).is_err());
    }
}
