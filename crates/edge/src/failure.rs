//! What can go wrong on the way to a picture, and the one place where it becomes a status.

use afterimage_identity::Unprovable;
use afterimage_imaging as imaging;
use afterimage_origin::{Error as Upstream, Fault};
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
    /// A broken image, or none at all, that is still being written: it may be whole in a moment.
    BrokenUnsettled(String),
    /// Over a limit.
    OverLimits(String),
    /// The renderer panicked or was killed.
    Died,
    /// The worker that read this original crashed, or tried what no render needs: it is left alone for a moment.
    Crashed,
    /// The render took longer than allowed.
    Timeout,
    /// The render queue is full.
    QueueFull,
    /// The origin to pass through to failed.
    Upstream(Upstream),
    /// It answered with this status, and a stale answer that could have stood in is gone.
    UpstreamStatus(u16),
    /// `only-if-cached`, and nothing is.
    OnlyIfCached,
    /// The body of a request that is passed through has more bytes than it may.
    RequestTooLarge {
        /// The limit.
        max: u64,
    },
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
            // Kept as long as errors are: a picture that kills workers must not kill one with every request.
            Self::Crashed => row(S::INTERNAL_SERVER_ERROR, Reason::RendererDied, "The renderer died"),
            Self::Timeout => {
                passing(S::SERVICE_UNAVAILABLE, Reason::RenderTimeout, "The render took too long", Some(10))
            }
            Self::Upstream(error) => upstream(error),
            Self::UpstreamStatus(_) => passing(S::BAD_GATEWAY, Reason::UpstreamFailed, "The origin failed", Some(5)),
            Self::OnlyIfCached => passing(S::GATEWAY_TIMEOUT, Reason::OnlyIfCached, "Nothing is cached", None),
            Self::RequestTooLarge { .. } => {
                passing(S::PAYLOAD_TOO_LARGE, Reason::RequestTooLarge, "The request is too large", None)
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
            Self::Died | Self::Crashed => "The picture could not be made; the fault is the server's.".into(),
            Self::Timeout => "The picture could not be made in time.".into(),
            Self::QueueFull => "Try again in a moment.".into(),
            Self::Upstream(error) => match error.fault() {
                Fault::Viewer => error.to_string(),
                // Which address and port that is, is not the viewer's to know.
                Fault::Origin | Fault::Us => "The server behind this one does not answer as it should.".into(),
            },
            Self::UpstreamStatus(status) => format!("The server behind this one answered {status}."),
            Self::OnlyIfCached => "The request wants an answer from memory only.".into(),
            Self::RequestTooLarge { max } => format!("At most {max} bytes are passed on."),
        }
    }

    /// Whether the same original would fail the same way again: then the answer may be kept as long as its version holds.
    pub(crate) fn is_of_the_bytes(&self) -> bool {
        matches!(self, Self::NotAnImage(_) | Self::Broken(_) | Self::OverLimits(_) | Self::Crashed)
    }
}

/// How a failing origin looks to a viewer.
fn upstream(error: &Upstream) -> Verdict {
    use StatusCode as S;
    let row = |status, reason, title, retry_after_s| Verdict { status, reason, title, cacheable: false, retry_after_s };
    let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).max(1);
    match error {
        Upstream::Timeout { .. } => row(S::GATEWAY_TIMEOUT, Reason::UpstreamTimeout, "The origin is too slow", Some(5)),
        Upstream::Open { retry_after } => {
            row(S::SERVICE_UNAVAILABLE, Reason::UpstreamBusy, "The origin is left alone", Some(seconds(*retry_after)))
        }
        Upstream::Busy => row(S::SERVICE_UNAVAILABLE, Reason::UpstreamBusy, "The origin is busy", Some(2)),
        Upstream::Loop { .. } => row(S::LOOP_DETECTED, Reason::Loop, "The request goes in a circle", None),
        error if error.fault() == Fault::Viewer => row(S::BAD_REQUEST, Reason::BadRequest, "The request failed", None),
        _ => row(S::BAD_GATEWAY, Reason::UpstreamFailed, "The origin failed", Some(5)),
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
