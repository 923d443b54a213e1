//! How the payloads of a cache become bytes and come back. The tier knows nothing of them; whoever made the payload does.

use std::time::SystemTime;

use afterimage_identity::Stamp;
use bytes::Bytes;

/// A payload as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// What is said about the body, in words of the codec's own.
    pub about: String,
    /// The body.
    pub body: Bytes,
}

/// When a payload is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The local clock.
    pub now: Stamp,
    /// The wall clock.
    pub wall: SystemTime,
    /// Whether this very process packed it. Else no stamp in it means anything.
    pub same_run: bool,
}

/// Packs and unpacks.
pub trait Codec<T>: Send + Sync {
    /// `None`: it is for memory only.
    fn pack(&self, payload: &T) -> Option<Packed>;

    /// `None`: it cannot be understood, or nobody can tell any more whether it may be used.
    fn unpack(&self, packed: Packed, at: Moment) -> Option<T>;
}
