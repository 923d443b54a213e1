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

/// The name under which it remembers what it has not of its original.
pub(crate) const DROPPED: &str = "dropped";

/// What the source and the derivative store hold for a request.
pub(crate) struct Located {
    /// The local clock just before the source was asked.
    pub(crate) asked_at: Stamp,
    /// The version the source has.
    pub(crate) version: Version,
    /// The bytes of the original; 0 where its source does not say.
    pub(crate) bytes: u64,
    /// Whether the original had settled: only then may anything be stored.
    pub(crate) settled: bool,
    /// Whether its source allows to store anything of it.
    pub(crate) storable: bool,
    /// The stored derivative.
    pub(crate) stored: Option<Picture>,
}

/// Asks the source and looks into the store at the same time: a derivative read from the store is not proof (GUARANTEE, rule
/// 5), so both answers are waited for.
///
/// The name of a derivative needs the version of its original. Where something of the original is cached here, its version is
/// taken for the one that the source will name, as it nearly always is; what was read under it counts only if the source does
/// name it. Where nothing is known, the store is asked after the source: a name without the version would be shared by two
/// versions (rule 1), and a listing, which would find every version, costs more than the question that it saves.
pub(crate) async fn locate(edge: &Edge, live: &Live, asked: &Authorised) -> Result<Located, Failure> {
    let asked_at = edge.clock.now();
    let look_for = |version: Version| async {
        let key = derivative_key(&asked.original.key, &asked.wanted, &version, &live.revision);
        let stored = read_stored(edge, &asked.original, &version, &key).await;
        (version, stored)
    };
    let as_is = passes_as_is(live, &asked.wanted);
    let guess = if as_is { None } else { edge.cache.version_of(&asked.original) };
    let guessed = async {
        Ok(match guess {
            Some(version) => Some(look_for(version).await),
            None => None,
        })
    };
    // An original that is gone is answered at once: what is still being read is of no use.
    let (stat, guessed) = match tokio::try_join!(edge.originals.stat(asked.original.key.as_str()), guessed) {
        Ok(both) => both,
        Err(error) => {
            let failure = Failure::from(error);
            if matches!(failure, Failure::Gone | Failure::NotServed(_)) {
                tell_if_anything_is_stored(edge, &asked.original).await;
            }
            return Err(failure);
        }
    };
    let Stat { version, bytes, settled, storable, age } = stat;
    let stored = match guessed {
        _ if as_is || !settled || !storable => None,
        Some((guess, stored)) if guess == version => stored,
        _ => look_for(version.clone()).await.1,
    };
    Ok(Located { asked_at: asked_at.before(age), version, bytes, settled, storable, stored })
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
    let dropped = extra.get(DROPPED).and_then(|text| text.parse().ok()).map(Box::new);
    let picture = Picture::new(media_type.as_deref()?, body, &original.tags(), made_at, Reason::StoredDerivative);
    Some(Picture { dropped, ..picture.choosing(extra.get(CHOSEN).map_or("", String::as_str)) })
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
