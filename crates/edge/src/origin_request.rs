//! The third trigger: which version of the original is there, and is the derivative already stored?

use afterimage_identity::{Event, FoundBy, Happened, Original, Stamp, Subject, Version};
use afterimage_store::{Meta, Object, Stat};
use afterimage_variant::{Wanted, derivative_key, derivative_prefix};

use crate::config::Live;
use crate::edge::Edge;
use crate::picture::Picture;
use crate::viewer_request::Authorised;
use crate::{Failure, Reason};

/// The name under which a stored derivative remembers when it was made, as an HTTP date.
pub(crate) const MADE_AT: &str = "made-at";

/// The name under which it remembers what its render chose.
pub(crate) const CHOSEN: &str = "chosen";

/// What the source and the derivative store hold for a request.
pub(crate) struct Located {
    /// The local clock just before the source was asked.
    pub(crate) asked_at: Stamp,
    /// The version the source has.
    pub(crate) version: Version,
    /// Whether the original had settled: only then may anything be stored.
    pub(crate) settled: bool,
    /// Whether its source allows to store anything of it.
    pub(crate) storable: bool,
    /// The stored derivative.
    pub(crate) stored: Option<Picture>,
}

/// Asks the source first: a derivative read from the store is not proof (GUARANTEE, rule 5), and its name needs the
/// version.
pub(crate) async fn locate(edge: &Edge, live: &Live, asked: &Authorised) -> Result<Located, Failure> {
    let asked_at = edge.clock.now();
    let stat = match edge.originals.stat(asked.original.key.as_str()).await {
        Ok(stat) => stat,
        Err(error) => {
            let failure = Failure::from(error);
            if matches!(failure, Failure::Gone | Failure::NotServed(_)) {
                tell_if_anything_is_stored(edge, &asked.original).await;
            }
            return Err(failure);
        }
    };
    let derivative_key = derivative_key(&asked.original.key, &asked.wanted, &stat.version, &live.revision);
    let keeps = stat.settled && stat.storable && !passes_as_is(live, &asked.wanted);
    let stored = if keeps { read_stored(edge, &asked.original, &stat.version, &derivative_key).await } else { None };
    let Stat { version, settled, storable, age, .. } = stat;
    Ok(Located { asked_at: asked_at.before(age), version, settled, storable, stored })
}

/// Whether the bare original is served as it is; then a stored copy would only be a second original.
pub(crate) fn passes_as_is(live: &Live, wanted: &Wanted) -> bool {
    matches!(wanted, Wanted::Original) && live.config.originals == crate::OriginalsMode::AsIs
}

/// The store verified checksum and key; here its provenance is checked too. Whatever is wrong is a miss.
async fn read_stored(edge: &Edge, original: &Original, version: &Version, key: &str) -> Option<Picture> {
    let object = match edge.derivatives.get(key, u64::MAX).await {
        Ok(object) => object,
        Err(afterimage_store::Error::NotFound) => return None,
        Err(error) => {
            tracing::warn!(key, %error, "a stored derivative cannot be read; it is rendered again");
            return None;
        }
    };
    let Object { meta: Meta { media_type, original: of, version: at, extra, .. }, body, .. } = object;
    if of.as_ref() != Some(original) || at.as_ref() != Some(version) {
        tracing::warn!(key, "a stored derivative says that it came from something else; it is rendered again");
        return None;
    }
    let made_at = extra.get(MADE_AT).and_then(|date| httpdate::parse_http_date(date).ok())?;
    let picture = Picture::new(media_type.as_deref()?, body, &original.tags(), made_at, Reason::StoredDerivative);
    Some(picture.choosing(extra.get(CHOSEN).map_or("", String::as_str)))
}

/// A viewer who asks for nonsense must not make the write story work, so it is told only when there is something to remove.
async fn tell_if_anything_is_stored(edge: &Edge, original: &Original) {
    let prefix = derivative_prefix(&original.key);
    if edge.derivatives.list(&prefix, None, 1).await.is_ok_and(|page| !page.entries.is_empty()) {
        edge.notice.notice(Event {
            subject: Subject::Original(original.clone()),
            happened: Happened::Removed,
            found_by: FoundBy::Read,
        });
    }
}
