//! An origin as a place of originals: what is there now, in which version, and its bytes.
//!
//! A version is the strong ETag, else the digest of the bytes; then weak validators only save transfers. Absence is a 404 or
//! a 410 and nothing else. Nothing is stored here but what one question may hand to the next: validators, and for a moment
//! the bytes that had to be read to know a version.

mod absence;
mod answer;
mod ask;
mod held;
mod memo;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use afterimage_identity::{Answer, Ask, BoxFuture, Instead, OriginalKey, Proof, Stamp, Unprovable, Version};
use bytes::Bytes;

use self::held::Held;
use self::memo::Memos;
use crate::{Error, Origin};

/// ETags that changed over equal bytes, after which an origin's ETags are not believed any more: several servers behind one
/// name, each with its own.
const FLAPS_MAX: u64 = 3;

/// What becomes of an original that comes without any validator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unversioned {
    /// It is read whole each time it has to be proven, and its digest is the version.
    #[default]
    Get,
    /// It is not served.
    Refuse,
}

/// How originals are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalsConfig {
    /// Bytes of an original.
    pub bytes_max: u64,
    /// The validation window: answers that caches on the way kept longer than this prove nothing.
    pub window: Duration,
    /// What becomes of originals without validator.
    pub unversioned: Unversioned,
    /// Originals whose validators are remembered.
    pub memos_max: usize,
    /// Bytes that are kept for a moment because a version could only be learnt by reading them.
    pub held_bytes_max: u64,
}

impl Default for OriginalsConfig {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            window: Duration::from_secs(60),
            unversioned: Unversioned::default(),
            memos_max: 100_000,
            held_bytes_max: 64 << 20,
        }
    }
}

/// An original that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its version.
    pub version: Version,
    /// Its length in bytes, where the origin said it.
    pub bytes: Option<u64>,
    /// How old the answer is: a cache on the way, or the moment since it was read here.
    pub age: Duration,
    /// Whether anybody may store it or what is made of it: not with `no-store` or `private`.
    pub storable: bool,
}

/// An original with its bytes, which belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What is known of it.
    pub seen: Seen,
    /// The media type that the origin claims; nobody has checked it.
    pub media_type: Option<String>,
    /// All of it.
    pub body: Bytes,
}

/// Why there is no original.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// It is proven not to be there.
    #[error("the origin has no such original")]
    Gone,
    /// The origin says so, but it does not say so of a key that nobody has: its word proves nothing.
    #[error("nothing proves that the original is gone: {0}")]
    AbsenceUnproven(Instead),
    /// The key cannot be asked for without leaving the base path.
    #[error("the key cannot be a path below the origin's")]
    NotAKey,
    /// It is larger than allowed.
    #[error("the original has more than {max} bytes")]
    TooLarge {
        /// How many were announced or had come.
        bytes: u64,
        /// How many it may have.
        max: u64,
    },
    /// Nothing is proven: the origin answered something else.
    #[error("{0}")]
    Unprovable(Unprovable),
    /// Nothing is proven: the exchange failed.
    #[error("{0}")]
    Failed(#[from] Error),
}

impl Unseen {
    /// What it proves, in words that name no address and no path: viewers read them.
    pub fn answer(&self) -> Answer {
        let other = |words: &str| Unprovable::Other(words.to_owned());
        Answer::Unprovable(match self {
            Self::Gone => return Answer::Gone,
            Self::NotAKey => Unprovable::Refused,
            Self::AbsenceUnproven(_) => other("the source cannot prove that something is absent"),
            Self::TooLarge { .. } => Unprovable::Other(self.to_string()),
            Self::Unprovable(why) => why.clone(),
            Self::Failed(error) => match error {
                Error::Timeout { .. } => Unprovable::TimedOut,
                Error::Connect(_) | Error::Resolve(_) | Error::Open { .. } | Error::Busy => Unprovable::Unreachable,
                Error::Tls(_) => other("there is no secure connection to the source"),
                Error::Forbidden(_) => other("the source is at an address that may not be connected to"),
                Error::Redirect(_) => other("the source redirects to where nothing may be read from"),
                Error::Incomplete(_) => other("the source's answer broke off"),
                _ => other("the source's answer cannot be understood"),
            },
        })
    }
}

/// What the questions about originals have seen since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginalsCounts {
    /// ETags that changed over equal bytes.
    pub flaps: u64,
    /// Whether its ETags are not believed any more.
    pub by_digest: bool,
}

/// The originals of one origin. It is shared: every method takes `&self`.
pub struct Originals {
    origin: Arc<Origin>,
    config: OriginalsConfig,
    memos: Memos,
    held: Held,
    /// HEAD was refused as a method: it is not asked again.
    no_heads: AtomicBool,
    by_digest: AtomicBool,
    flaps: AtomicU64,
    knowledge: absence::Knowledge,
}

impl Originals {
    /// The originals of `origin`.
    pub fn new(origin: Arc<Origin>, config: OriginalsConfig) -> Self {
        let memos = Memos::new(config.memos_max);
        let held = Held::new(config.held_bytes_max);
        Self {
            origin,
            config,
            memos,
            held,
            no_heads: AtomicBool::new(false),
            by_digest: AtomicBool::new(false),
            flaps: AtomicU64::new(0),
            knowledge: absence::Knowledge::default(),
        }
    }

    /// What is there now.
    ///
    /// # Errors
    /// [`Unseen`]; [`Unseen::Gone`] only where absence is proven.
    pub async fn stat(&self, key: &OriginalKey) -> Result<Seen, Unseen> {
        match self.seen(key).await {
            Ok(seen) => self.young(seen),
            Err(Unseen::Gone) => Err(self.gone().await),
            Err(unseen) => Err(unseen),
        }
    }

    /// The whole original, if it has at most `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`stat`](Originals::stat), and [`Unseen::TooLarge`].
    pub async fn get(&self, key: &OriginalKey, bytes_max: u64) -> Result<Read, Unseen> {
        let held = self.held.take(key, self.now());
        let read = match held {
            Some(read) => read,
            None => match self.fetch(key).await {
                Err(Unseen::Gone) => return Err(self.gone().await),
                fetched => fetched?,
            },
        };
        let bytes = read.body.len() as u64;
        if bytes > bytes_max {
            return Err(Unseen::TooLarge { bytes, max: bytes_max });
        }
        let seen = self.young(read.seen)?;
        Ok(Read { seen, ..read })
    }

    /// What the questions have seen.
    pub fn counts(&self) -> OriginalsCounts {
        OriginalsCounts { flaps: self.flaps.load(Relaxed), by_digest: self.by_digest.load(Relaxed) }
    }

    /// The origin itself.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    fn now(&self) -> Stamp {
        self.origin.clock.now()
    }

    /// An answer that a cache on the way kept longer than the window proves nothing that could be served on.
    fn young(&self, seen: Seen) -> Result<Seen, Unseen> {
        if seen.age <= self.config.window || seen.age < Duration::from_secs(1) {
            return Ok(seen);
        }
        let (age, window) = (seen.age.as_secs(), self.config.window);
        Err(Unseen::Unprovable(Unprovable::Other(format!(
            "a cache before the source answered with something {age} s old, which is more than the window of {window:?}"
        ))))
    }

    /// Counts an ETag that changed over equal bytes.
    fn flapped(&self, key: &OriginalKey) {
        let flaps = self.flaps.fetch_add(1, Relaxed) + 1;
        if flaps >= FLAPS_MAX && !self.by_digest.swap(true, Relaxed) {
            tracing::warn!(
                %key,
                flaps,
                "an origin's ETags change while its bytes do not; from now on its versions are digests"
            );
        }
    }
}

impl Ask for Originals {
    fn ask<'a>(&'a self, key: &'a OriginalKey) -> BoxFuture<'a, Proof> {
        Box::pin(async move {
            // Before the question, never after, and older by what a cache on the way kept it (GUARANTEE, rule 2).
            let asked_at = self.now();
            match self.stat(key).await {
                Ok(seen) => Proof { asked_at: asked_at.before(seen.age), answer: Answer::Present(seen.version) },
                Err(unseen) => Proof { asked_at, answer: unseen.answer() },
            }
        })
    }
}
