//! The seam between the tier and a file system: what the tier needs of one, so that tests can give it one that is full,
//! fails, tears, or dies at any moment.

use std::io;

use afterimage_identity::digest_hex;

/// The file of the fence log.
pub(crate) const JOURNAL: &str = "fences";
/// How many folders entries are spread over; their names are two hex characters.
pub(crate) const FOLDERS: usize = 256;
/// Hex characters of a digest.
const DIGEST_CHARS: usize = 64;

/// One folder of files, this process's alone. Names are relative, with at most one `/`.
///
/// - What [`write`](Self::write) failed to write is not there under any name, unless the process dies meanwhile; then it
///   is gone when the folder is opened again.
/// - Whoever reads a name sees the whole of what was written there first, or of what was written there next.
pub trait Files: Send + Sync + 'static {
    /// The first `bytes_max` bytes of a file, or all, and how long the file is.
    ///
    /// # Errors
    /// `NotFound`, or whatever the file system says.
    fn read(&self, name: &str, bytes_max: u64) -> io::Result<(Vec<u8>, u64)>;

    /// Puts `parts`, one after the other, in the place of whatever is there, making the folder if need be. `durable`: it
    /// is there after a power failure too, once this returns.
    ///
    /// # Errors
    /// Whatever the file system says; then what was there before still is.
    fn write(&self, name: &str, parts: &[&[u8]], durable: bool) -> io::Result<()>;

    /// Adds to the end of a file that is there. It outlives this process once this returns, but not a power failure.
    ///
    /// # Errors
    /// Whatever the file system says; a part may have been added all the same.
    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`, or whatever the file system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// The names in a folder, in no order; none when it is not there.
    ///
    /// # Errors
    /// Whatever the file system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
}

/// The file of the entry with this key. A digest: keys are longer than names may be.
pub(crate) fn place(path: &str) -> String {
    let digest = digest_hex(path.as_bytes());
    format!("{}/{}", &digest[..2], &digest[2..])
}

/// The folder with this number.
pub(crate) fn folder(number: usize) -> String {
    format!("{number:02x}")
}

/// Whether a name in one of the folders can be an entry's. Nothing else is ever removed.
pub(crate) fn is_entry(name: &str) -> bool {
    name.len() == DIGEST_CHARS - 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_place_that_is_recognised() {
        for path in ["/", "/a/-/w1.png", &"x".repeat(10_000), "/é\nvary"] {
            let (folder_name, name) = place(path).split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            assert!((0..FOLDERS).any(|number| folder(number) == folder_name));
            assert!(is_entry(&name), "{name}");
        }
        for other in ["", "a.jpg", &"A".repeat(62), &"a".repeat(61), &"a".repeat(63)] {
            assert!(!is_entry(other), "{other}");
        }
    }
}
