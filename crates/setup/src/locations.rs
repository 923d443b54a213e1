//! Where state lies: below the XDG base directories, in a folder named by the digest of the source.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use afterimage_identity::Digest;

/// The longest path a Unix socket can have, in bytes: `sun_path` without its NUL.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The places of one source's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// 16 hex characters: the digest of the source's canonical path.
    pub id: String,
    /// Derivatives, unless the operator chose another place.
    pub derivatives: PathBuf,
    /// Journal, receipts, lock.
    pub state: PathBuf,
    /// Where the process that serves listens for commands.
    pub socket: PathBuf,
}

/// The canonical form of an existing directory.
///
/// # Errors
/// As [`std::fs::canonicalize`].
pub fn canonical_path(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// The places for a source, from the environment's XDG_CACHE_HOME, XDG_STATE_HOME, XDG_RUNTIME_DIR and HOME.
///
/// # Errors
/// In words, when neither the XDG variable nor HOME says where.
pub fn locations(source: &Path, environment: &BTreeMap<String, String>) -> Result<Locations, String> {
    let id = Digest::new("state").part(source.as_os_str().as_encoded_bytes()).hex(16);
    // The specification: a relative path in these variables is to be ignored.
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let below = |variable: &str, home: &str| {
        absolute(variable).or_else(|| absolute("HOME").map(|path| path.join(home))).map(|path| path.join("afterimage").join(&id))
    };
    let unknown = |name: &str| format!("neither {name} nor HOME is set; set one of them, or name the directory");
    let state = below("XDG_STATE_HOME", ".local/state").ok_or_else(|| unknown("XDG_STATE_HOME"))?;
    let derivatives = below("XDG_CACHE_HOME", ".cache").ok_or_else(|| unknown("XDG_CACHE_HOME"))?;
    let socket = absolute("XDG_RUNTIME_DIR")
        .map(|directory| directory.join(format!("afterimage-{id}.sock")))
        .filter(|path| path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX)
        .unwrap_or_else(|| state.join("socket"));
    Ok(Locations { id, derivatives, state, socket })
}

/// Whether only its owner can look into a directory; what lies there may then be spoken to without a token.
pub fn is_private_directory(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).is_ok_and(|facts| facts.is_dir() && facts.mode() & 0o077 == 0)
    }
    #[cfg(not(unix))]
    {
        path.is_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn places_follow_the_environment() {
        let all = environment(&[("XDG_CACHE_HOME", "/c"), ("XDG_STATE_HOME", "/s"), ("XDG_RUNTIME_DIR", "/r"), ("HOME", "/h")]);
        let places = locations(Path::new("/pictures"), &all).unwrap();
        assert_eq!(places.derivatives, Path::new("/c/afterimage").join(&places.id));
        assert_eq!(places.state, Path::new("/s/afterimage").join(&places.id));
        assert_eq!(places.socket, Path::new("/r").join(format!("afterimage-{}.sock", places.id)));
        let home = locations(Path::new("/pictures"), &environment(&[("HOME", "/h")])).unwrap();
        assert_eq!(home.derivatives, Path::new("/h/.cache/afterimage").join(&home.id));
        assert_eq!(home.socket, home.state.join("socket"));
        assert!(locations(Path::new("/pictures"), &environment(&[("HOME", "relative")])).is_err());
    }

    #[test]
    fn sources_have_places_of_their_own_and_sockets_fit() {
        let long = format!("/{}", "r".repeat(100));
        let all = environment(&[("HOME", "/h"), ("XDG_RUNTIME_DIR", long.as_str())]);
        let (one, other) = (locations(Path::new("/a"), &all).unwrap(), locations(Path::new("/b"), &all).unwrap());
        assert_ne!(one.id, other.id);
        assert_eq!(one.socket, one.state.join("socket"));
    }
}
