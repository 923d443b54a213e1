//! Which texts name an object. A refused key never reaches a disk.

use crate::{Error, Refusal};

/// The longest key of a writable store, in bytes: with the folders in front of it a path stays below Linux's 4,096.
pub const STORED_KEY_BYTES_MAX: usize = 3072;

/// What every writable store asks of a key: no empty, `.` or `..` segment, no control character, a bounded length.
pub(crate) fn check(key: &str) -> Result<(), Error> {
    if key.len() > STORED_KEY_BYTES_MAX {
        return Err(Error::Refused { why: Refusal::KeyTooLong });
    }
    let fits = !key.chars().any(char::is_control) && key.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    if fits { Ok(()) } else { Err(Error::Refused { why: Refusal::NotAKey }) }
}
