//! What a fill produces and the cache keeps: a picture with its headers already made, or why there is none.

use std::time::SystemTime;

use afterimage_cache::Weigh;
use afterimage_cache::http::Stored;
use afterimage_identity::{CacheTag, digest_hex};
use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::{Failure, Reason};

/// A picture ready to be sent. Header values are made once, so that a hit copies pointers.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `Content-Type`.
    pub media_type: HeaderValue,
    /// `ETag`: the digest of the body, strong and quoted.
    pub etag: HeaderValue,
    /// When these bytes were made, whole seconds.
    pub modified: SystemTime,
    /// `Last-Modified`, from `modified`.
    pub last_modified: HeaderValue,
    /// `Cache-Tag`.
    pub tags: HeaderValue,
    /// `Content-Length` of the whole body.
    pub length: HeaderValue,
    /// The body.
    pub body: Bytes,
    /// How it came to be.
    pub made_by: Reason,
    /// What its render chose, and why, for `Afterimage-Chosen`. Hits do not look at it unless they show it, hence the box.
    pub chosen: Option<Box<HeaderValue>>,
    /// Whether it may hold scripts (SVG) and is sent with a policy that keeps them from running.
    pub sandboxed: bool,
    /// What its original has and it has not, such as a gain map, for `Afterimage-Dropped`. Rare, hence the box.
    pub dropped: Option<Box<HeaderValue>>,
    /// Whether anybody may store it; its original's source may forbid it.
    pub storable: bool,
}

impl Picture {
    /// Makes the headers of a picture. `modified` loses its fraction of a second, as HTTP dates have none.
    pub(crate) fn new(media_type: &str, body: Bytes, tags: &[CacheTag], modified: SystemTime, made_by: Reason) -> Self {
        let whole = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(whole);
        let ascii = |text: String| HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            media_type: HeaderValue::from_str(media_type)
                .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream")),
            etag: ascii(format!("\"{}\"", &digest_hex(&body)[..32])),
            last_modified: ascii(httpdate::fmt_http_date(modified)),
            tags: tag_header(tags),
            modified,
            length: HeaderValue::from(body.len()),
            body,
            made_by,
            chosen: None,
            sandboxed: media_type.starts_with("image/svg"),
            dropped: None,
            storable: true,
        }
    }

    /// With what its render chose; empty where there was nothing to choose.
    pub(crate) fn choosing(self, chosen: &str) -> Self {
        let chosen = Some(chosen).filter(|chosen| !chosen.is_empty()).and_then(|chosen| chosen.parse().ok());
        Self { chosen: chosen.map(Box::new), ..self }
    }
}

/// `Cache-Tag`: comma-separated, as CloudFront, Cloudflare and Akamai read it.
pub(crate) fn tag_header(tags: &[CacheTag]) -> HeaderValue {
    let text = tags.iter().map(CacheTag::as_str).collect::<Vec<_>>().join(",");
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What the cache keeps under one key.
#[derive(Clone, Debug)]
pub enum Kept {
    /// A picture under its canonical path, or why there is none.
    Picture(Result<Picture, Failure>),
    /// An answer of the origin that is passed through.
    Answer(Box<Stored>),
    /// The fields that the answers of a URL are selected by: each answer has a key of its own, with their values.
    Varies(Vec<HeaderName>),
    /// What the origin says to this URL is not kept just now: each request asks for itself, and none waits for another.
    Passes,
    /// The origin failed. Never kept: it only tells those who wait.
    Failed(Failure),
}

impl Weigh for Kept {
    fn bytes(&self) -> usize {
        match self {
            // Beside the body, the values of seven fields, and rarely of an eighth: each is a text of its own with what counts its users.
            Self::Picture(picture) => {
                let chosen = |picture: &Picture| picture.chosen.as_ref().map_or(0, |chosen| chosen.len());
                let own = |picture: &Picture| picture.body.len() + picture.tags.len() + chosen(picture);
                720 + picture.as_ref().map_or(0, own)
            }
            Self::Answer(stored) => 512 + stored.bytes(),
            Self::Varies(names) => names.iter().map(|name| name.as_str().len() + 32).sum(),
            Self::Passes | Self::Failed(_) => 0,
        }
    }
}
