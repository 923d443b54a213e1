//! Small records that outlive the process, in memory and in a folder; in a bucket they lie beside the derivatives
//! ([`BucketKeep`](crate::BucketKeep)).

pub mod conformance;
mod folder;
mod memory;
mod within;

use afterimage_identity::KeepError;

pub use folder::Folder;
pub use memory::Kept;
pub use within::Within;

/// The longest record, in bytes: more than this was not written here.
pub const RECORD_BYTES_MAX: u64 = 256 << 20;
/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 400;

/// Refuses names that not every place can hold.
pub(crate) fn check(name: &str) -> Result<(), KeepError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/');
    let whole = |segment: &str| !matches!(segment, "" | "." | ".." | "-");
    if name.len() <= NAME_BYTES_MAX && name.bytes().all(fits) && name.split('/').all(whole) && !name.ends_with(".new") {
        return Ok(());
    }
    Err(KeepError::Failed { why: format!("`{name}` is no name of a record") })
}
