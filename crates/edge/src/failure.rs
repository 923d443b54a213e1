//! What can go wrong on the way to a picture, and the one place where it becomes a status.

use afterimage_identity::Unprovable;
use afterimage_imaging as imaging;
use afterimage_store as store;
use afterimage_variant::{Refusal, RefusalKind};
use http::StatusCode;

use crate::Reason;

/// Why a request gets no picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// The URL or its signature was refused before anything was asked.
    Refused(Refusal),
    /// The original is proven not to be there.
    Gone,
    /// A fence covered the answer, and its second attempt too.
    Fenced,
    /// The source cannot say.
    Unprovable(Unprovable),
    /// The source would have to give something that is never served: a symbolic link, a hidden file, a folder.
    NotServed(String),
    /// The original is larger than `source_bytes_max`.
    SourceTooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// The source failed while reading.
    Source(String),
    /// Not an allowed image.
    NotAnImage(String),
    /// A broken or truncated image.
    Broken(String),
    /// A broken image that is still being written: it may be whole in a moment.
    BrokenUnsettled(String),
    /// Over a limit.
    OverLimits(String),
    /// The renderer panicked or was killed.
    Died,
    /// The render took longer than allowed.
    Timeout,
    /// The render queue is full.
    QueueFull,
}

/// What the one table says of a failure.
pub(crate) struct Verdict {
    pub(crate) status: StatusCode,
    pub(crate) reason: Reason,
    pub(crate) title: &'static str,
    /// Whether the answer may be kept for the short time that errors are kept; else `no-store`.
    pub(crate) cacheable: bool,
    pub(crate) retry_after_s: Option<u32>,
}

impl Failure {
    /// The table from failures to statuses; there is no other.
    pub(crate) fn verdict(&self) -> Verdict {
        use StatusCode as S;
        let row = |status, reason, title| Verdict { status, reason, title, cacheable: true, retry_after_s: None };
        let passing =
            |status, reason, title, retry| Verdict { status, reason, title, cacheable: false, retry_after_s: retry };
        match self {
            Self::Refused(refusal) => match refusal.kind {
                RefusalKind::BadRequest => row(S::BAD_REQUEST, Reason::BadRequest, "The URL cannot be understood"),
                RefusalKind::Forbidden => row(S::FORBIDDEN, Reason::Forbidden, "Not allowed"),
                RefusalKind::NotFound => row(S::NOT_FOUND, Reason::NotFound, "No such picture"),
                RefusalKind::Expired => row(S::FORBIDDEN, Reason::Expired, "The URL has expired"),
                RefusalKind::UriTooLong => row(S::URI_TOO_LONG, Reason::UriTooLong, "The URL is too long"),
            },
            Self::Gone => row(S::NOT_FOUND, Reason::Gone, "No such picture"),
            Self::NotServed(_) => row(S::NOT_FOUND, Reason::NotFound, "No such picture"),
            Self::Fenced => passing(S::NOT_FOUND, Reason::Fenced, "The picture is being removed or replaced", Some(1)),
            Self::Unprovable(Unprovable::TimedOut) => {
                passing(S::GATEWAY_TIMEOUT, Reason::SourceTimeout, "The source took too long", Some(5))
            }
            Self::Unprovable(_) => {
                passing(S::SERVICE_UNAVAILABLE, Reason::Unprovable, "The original cannot be checked", Some(5))
            }
            Self::SourceTooLarge { .. } | Self::OverLimits(_) => {
                row(S::UNPROCESSABLE_ENTITY, Reason::OverLimits, "Over a limit")
            }
            Self::Source(_) => passing(S::BAD_GATEWAY, Reason::SourceFailed, "The source failed", Some(5)),
            Self::NotAnImage(_) => row(S::UNSUPPORTED_MEDIA_TYPE, Reason::NotAnImage, "Not an allowed image"),
            Self::Broken(_) => row(S::UNPROCESSABLE_ENTITY, Reason::Broken, "The original is broken"),
            Self::BrokenUnsettled(_) => {
                passing(S::SERVICE_UNAVAILABLE, Reason::Unsettled, "The original is still being written", Some(2))
            }
            Self::Died => passing(S::INTERNAL_SERVER_ERROR, Reason::RendererDied, "The renderer died", None),
            Self::Timeout => {
                passing(S::SERVICE_UNAVAILABLE, Reason::RenderTimeout, "The render took too long", Some(10))
            }
            Self::QueueFull => {
                passing(S::SERVICE_UNAVAILABLE, Reason::QueueFull, "Too many renders are waiting", Some(2))
            }
        }
    }

    /// What to tell the viewer, beyond the title. Nothing of the machine: no paths, no addresses.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.to_string(),
            Self::Gone => "The original does not exist.".into(),
            Self::Fenced => "Its original was changed or removed while it was being made.".into(),
            Self::Unprovable(why) => format!("It is not served while its source cannot vouch for it: {why}."),
            Self::NotServed(_) => "Nothing is served under this name.".into(),
            Self::SourceTooLarge { bytes, max } => format!("The original has {bytes} bytes; at most {max} are read."),
            Self::NotAnImage(why)
            | Self::Broken(why)
            | Self::BrokenUnsettled(why)
            | Self::OverLimits(why)
            | Self::Source(why) => why.clone(),
            Self::Died => "The picture could not be made; the fault is the server's.".into(),
            Self::Timeout => "The picture could not be made in time.".into(),
            Self::QueueFull => "Try again in a moment.".into(),
        }
    }

    /// Whether the same original would fail the same way again: then the answer may be kept as long as its version holds.
    pub(crate) fn is_of_the_bytes(&self) -> bool {
        matches!(self, Self::NotAnImage(_) | Self::Broken(_) | Self::OverLimits(_))
    }
}

impl From<imaging::Error> for Failure {
    fn from(error: imaging::Error) -> Self {
        use imaging::Error as E;
        let words = error.to_string();
        match error {
            E::NotAnImage | E::NotAllowed(_) | E::Unsupported { .. } => Self::NotAnImage(words),
            E::Broken { .. } | E::Truncated { .. } => Self::Broken(words),
            E::Expired => Self::Timeout,
            E::Encode { .. } => Self::Died,
            _ => Self::OverLimits(words),
        }
    }
}

impl From<store::Error> for Failure {
    /// Errors of the store of originals. Those of the derivative store never reach a viewer: they are misses.
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        match error {
            E::NotFound => Self::Gone,
            E::Unprovable(why) => Self::Unprovable(why),
            E::Refused { why } => Self::NotServed(why.to_string()),
            E::TooLarge { bytes, max } => Self::SourceTooLarge { bytes, max },
            other => Self::Source(other.to_string()),
        }
    }
}
