//! An HTTP server as a place of originals, in the terms of the store. Thin: what an answer proves is decided below, what
//! becomes of it above.

use std::sync::Arc;

use afterimage_identity::{Absence, Answer, BoxFuture, OriginalKey};
use afterimage_origin::{Counts, Origin, Originals, OriginalsCounts, Seen, Unseen};
use afterimage_store::{Error, Meta, Object, Page, Read, Refusal, Stat};

/// An HTTP server that is asked, for whoever reads its counters.
#[derive(Clone)]
pub enum AskedServer {
    /// For originals.
    Originals(String, Arc<Originals>),
    /// For what is passed through.
    Pass(String, Arc<Origin>),
}

impl AskedServer {
    /// Its URL, and what it is asked for in one word.
    pub fn name(&self) -> (&str, &'static str) {
        match self {
            Self::Originals(url, _) => (url, "originals"),
            Self::Pass(url, _) => (url, "pass"),
        }
    }

    /// What it has seen.
    pub fn counts(&self) -> (Counts, OriginalsCounts) {
        match self {
            Self::Originals(_, originals) => (originals.origin().counts(), originals.counts()),
            Self::Pass(_, origin) => (origin.counts(), OriginalsCounts::default()),
        }
    }
}

/// [`Read`] over the originals of an HTTP server. It cannot be listed.
pub struct Upstream(Arc<Originals>);

impl Upstream {
    /// Reads `originals`.
    pub fn new(originals: Arc<Originals>) -> Self {
        Self(originals)
    }
}

impl Read for Upstream {
    fn stat<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Stat, Error>> {
        Box::pin(async move {
            let key = checked(key)?;
            self.0.stat(&key).await.map(stat).map_err(|unseen| error(&key, unseen))
        })
    }

    fn get<'a>(&'a self, key: &'a str, bytes_max: u64) -> BoxFuture<'a, Result<Object, Error>> {
        Box::pin(async move {
            let key = checked(key)?;
            let read = self.0.get(&key, bytes_max).await.map_err(|unseen| error(&key, unseen))?;
            let meta = Meta { media_type: read.media_type, ..Meta::default() };
            let stat = Stat { bytes: read.body.len() as u64, ..stat(read.seen) };
            Ok(Object { stat, meta, body: read.body })
        })
    }

    fn absence(&self) -> BoxFuture<'_, Absence> {
        Box::pin(self.0.absence())
    }

    fn list<'a>(&'a self, _: &'a str, _: Option<&'a str>, _: usize) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async { Err(Error::Refused { why: Refusal::NotListed }) })
    }
}

fn checked(key: &str) -> Result<OriginalKey, Error> {
    OriginalKey::new(key).map_err(|_| Error::Refused { why: Refusal::NotAKey })
}

fn stat(seen: Seen) -> Stat {
    let Seen { version, bytes, age, storable } = seen;
    // A server publishes whole files; half an upload is what its length check is for.
    Stat { version, bytes: bytes.unwrap_or(0), settled: true, storable, age }
}

fn error(key: &OriginalKey, unseen: Unseen) -> Error {
    match &unseen {
        Unseen::NotAKey => return Error::Refused { why: Refusal::NotAKey },
        Unseen::TooLarge { bytes, max } => return Error::TooLarge { bytes: *bytes, max: *max },
        // Viewers are told less than the operator.
        Unseen::Failed(error) => {
            tracing::warn!(%key, reason = error.reason(), %error, "an original cannot be asked for")
        }
        Unseen::AbsenceUnproven(why) => {
            tracing::debug!(%key, %why, "an original is not found where that proves nothing")
        }
        Unseen::Gone | Unseen::Unprovable(_) => {}
    }
    match unseen.answer() {
        Answer::Unprovable(why) => Error::Unprovable(why),
        Answer::Gone | Answer::Present(_) => Error::NotFound,
    }
}
