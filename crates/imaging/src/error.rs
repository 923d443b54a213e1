//! Everything that can go wrong between bytes and picture, as facts that a caller can act on. It must never speak HTTP.

use serde::{Deserialize, Serialize};

use crate::Source;

/// Why there is no picture.
///
/// Every variant is final for the same bytes, variant and settings, except [`Error::Expired`] and [`Error::Encode`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    /// The bytes do not begin like any image that we know.
    #[error("not an image that we know")]
    NotAnImage,
    /// An image, but of a kind that the settings do not allow or that is never rendered.
    #[error("{0} is not an allowed image here")]
    NotAllowed(Source),
    /// The picture is damaged: decoding it would show something else than its author made.
    #[error("the picture is damaged: {why}")]
    Broken {
        /// What was found, in the decoder's words.
        why: String,
    },
    /// The picture ends early.
    #[error("the picture ends early: {why}")]
    Truncated {
        /// What was missing.
        why: String,
    },
    /// More pixels (width x height x frames) than the limit.
    #[error("{asked} pixels, {max} are allowed")]
    TooManyPixels {
        /// Width x height x frames.
        asked: u64,
        /// [`Limits::pixels_max`](crate::Limits::pixels_max).
        max: u64,
    },
    /// More frames than the limit.
    #[error("{asked} frames or more, {max} are allowed")]
    TooManyFrames {
        /// Frames counted until the count was given up.
        asked: u64,
        /// [`Limits::frames_max`](crate::Limits::frames_max).
        max: u64,
    },
    /// More bytes of source than the limit.
    #[error("{asked} bytes, {max} are allowed")]
    TooManyBytes {
        /// Bytes of the source.
        asked: u64,
        /// [`Limits::source_bytes_max`](crate::Limits::source_bytes_max).
        max: u64,
    },
    /// Metadata (a colour profile, EXIF) that is or inflates to more than the limit.
    #[error("{asked} bytes of metadata or more, {max} are allowed")]
    MetadataTooLarge {
        /// Bytes counted until the count was given up.
        asked: u64,
        /// [`Limits::metadata_bytes_max`](crate::Limits::metadata_bytes_max).
        max: u64,
    },
    /// More scans in a JPEG than the limit; each is a pass over the whole picture.
    #[error("{asked} scans or more, {max} are allowed")]
    TooManyScans {
        /// Scans counted until the count was given up.
        asked: u64,
        /// [`Limits::scans_max`](crate::Limits::scans_max).
        max: u64,
    },
    /// The derivative would have more pixels (width x height x frames) than the limit, or than its format can hold.
    #[error("the derivative would have {asked} pixels, {max} are allowed")]
    OutputTooLarge {
        /// Width x height x frames of the derivative; or the longer side, where the format bounds sides.
        asked: u64,
        /// [`Limits::output_pixels_max`](crate::Limits::output_pixels_max), or the bound of the format; for a trimmed picture four times
        /// what it would have untrimmed.
        max: u64,
    },
    /// The caller's [`Stop`](crate::Stop) said so.
    #[error("the render was stopped: its time is over")]
    Expired,
    /// A real picture of a sort that this build cannot read or write.
    #[error("not supported: {what}")]
    Unsupported {
        /// What it would need.
        what: String,
    },
    /// The encoder failed. Our fault.
    #[error("encoding failed: {why}")]
    Encode {
        /// In the encoder's words.
        why: String,
    },
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The original: not a picture, damaged, or over limits.
    Original,
    /// The request: the original is well, but not at this size.
    Request,
    /// Us: our time, our encoder.
    Us,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::OutputTooLarge { .. } => Fault::Request,
            Self::Expired | Self::Encode { .. } => Fault::Us,
            _ => Fault::Original,
        }
    }

    /// Whether the same request may do better later.
    pub fn may_retry(&self) -> bool {
        matches!(self, Self::Expired | Self::Encode { .. })
    }

    /// One word for logs, metrics and headers.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotAnImage => "not-an-image",
            Self::NotAllowed(_) => "not-allowed",
            Self::Broken { .. } => "broken",
            Self::Truncated { .. } => "truncated",
            Self::TooManyPixels { .. } => "too-many-pixels",
            Self::TooManyFrames { .. } => "too-many-frames",
            Self::TooManyBytes { .. } => "too-many-bytes",
            Self::MetadataTooLarge { .. } => "metadata-too-large",
            Self::TooManyScans { .. } => "too-many-scans",
            Self::OutputTooLarge { .. } => "output-too-large",
            Self::Expired => "expired",
            Self::Unsupported { .. } => "unsupported",
            Self::Encode { .. } => "encode",
        }
    }

    pub(crate) fn broken(why: impl std::fmt::Display) -> Self {
        Self::Broken { why: why.to_string() }
    }

    pub(crate) fn truncated(why: impl std::fmt::Display) -> Self {
        Self::Truncated { why: why.to_string() }
    }

    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::Unsupported { what: what.to_string() }
    }

    pub(crate) fn encode(why: impl std::fmt::Display) -> Self {
        Self::Encode { why: why.to_string() }
    }
}
