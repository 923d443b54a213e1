//! The seam through which whoever has to remember something over its own end writes it down: small named records, in a
//! folder or in a bucket.

use std::fmt;

use crate::BoxFuture;

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Only if there is none of this name: of all who try, one succeeds.
    New,
    /// Instead of what may be there.
    Any,
}

/// A record could not be written, read or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepError {
    /// There is one of this name already, and it is another.
    Taken,
    /// The place cannot be used; later it may be.
    Failed {
        /// What was being done, and what was answered.
        why: String,
    },
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("somebody else has written under this name"),
            Self::Failed { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for KeepError {}

/// Keeps small records whole, under names that are paths of `a-z`, `A-Z`, `0-9`, `.`, `-`, `_` and `/`.
///
/// What a call has said is there for every later call of everybody, whatever dies. A call that is never answered may have
/// done its work or not.
pub trait Keep: Send + Sync {
    /// The first `limit` names that begin with `beginning`, in byte order.
    ///
    /// # Errors
    /// [`KeepError::Failed`]; never a list that is silently shorter.
    fn names<'a>(&'a self, beginning: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<String>, KeepError>>;

    /// A whole record; `None` where there is none of this name.
    ///
    /// # Errors
    /// [`KeepError::Failed`].
    fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, KeepError>>;

    /// Writes a record, whole or not at all. With [`Put::New`], one that is there with these very bytes counts as written: a call
    /// whose answer was lost may be made again. Whoever wants to be told apart puts a name of its own into the bytes.
    ///
    /// # Errors
    /// [`KeepError::Taken`] with [`Put::New`] alone; [`KeepError::Failed`], after which it may be there all the same.
    fn write<'a>(&'a self, name: &'a str, bytes: &'a [u8], put: Put) -> BoxFuture<'a, Result<(), KeepError>>;

    /// Removes records; those that are not there are removed.
    ///
    /// # Errors
    /// [`KeepError::Failed`] when any of them may be there still.
    fn remove<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), KeepError>>;
}
