//! The names of things, and the seams that siblings meet at.
//!
//! Every other crate may import this one; it imports none of them. It holds no I/O, no clock and no policy: a name is
//! made here, checked here and escaped here, so that two crates can never disagree about what a thing is called.

mod absence;
mod digest;
mod escape;
mod event;
mod keep;
mod key;
mod receipt;
mod seam;
mod selector;
mod stamp;
mod tag;
mod version;

pub use absence::{Absence, Instead, absent_key};
pub use digest::{Digest, digest_hex};
pub use escape::{
    DIGEST_BEGINNING, ESCAPED_BYTES_MAX, EscapedKey, SEGMENT_BYTES_MAX, escape, escape_beginning, unescape,
};
pub use event::{Event, FoundBy, Happened, Subject};
pub use keep::{Keep, KeepError, Put};
pub use key::{KEY_BYTES_MAX, KeyError, Original, OriginalKey, SourceId};
pub use receipt::{Layer, LayerState, Receipt, ReceiptState, Removed};
pub use seam::{
    Answer, Ask, BoxFuture, Fence, Forecast, Invalidate, InvalidateError, Invalidation, NotTaken, Notice, Proof,
    Raised, Take, Unprovable,
};
pub use selector::{Selector, Sequence};
pub use stamp::{Clock, ManualClock, Stamp};
pub use tag::CacheTag;
pub use version::{Revision, Version, VersionError};
