//! What is written of a picture: its derivative, and where a CDN asks the place of derivatives itself, a copy under the canonical
//! path. Then the source is asked again: unless the same version is still there, all of it is taken back (GUARANTEE, rule 6).
//!
//! A copy's name says no version, so two versions share it, and the last to write it wins. That may be the older one, which then
//! finds that the source has moved on, and takes it away from both: who asks next has it written anew. So the copy comes after
//! the derivative that it is a copy of, and the question to the source after both.

use std::collections::BTreeMap;

use afterimage_cache::Fill;
use afterimage_identity::{Event, FoundBy, Happened, Subject};
use afterimage_store::Meta;
use afterimage_variant::{Wanted, copy_key, derivative_key};

use crate::Reason;
use crate::config::Live;
use crate::edge::Edge;
use crate::origin_request::{CHOSEN, DROPPED, MADE_AT};
use crate::origin_response::{Made, facts};
use crate::picture::{Kept, Picture};
use crate::viewer_request::Authorised;

/// Writes what there is to write. The fill stays registered until this is over, so that a purge can wait for it.
pub(crate) async fn write(edge: &Edge, live: &Live, asked: &Authorised, made: &Made, fill: &Fill<Kept>) {
    let Ok(picture) = &made.outcome else { return };
    if !made.settled || !made.storable {
        return;
    }
    let mut tried: Vec<String> = Vec::new();
    for (name, meta) in names(live, asked, made, picture) {
        if edge.clock.now().since(fill.begun_at()) > live.config.fill_time_max {
            tracing::warn!(path = asked.path, name, "a fill took too long; it is not stored");
            break;
        }
        if fill.is_fenced(&facts(asked)) {
            break;
        }
        let put = edge.derivatives.put(&name, meta, picture.body.clone()).await;
        // Whose answer is an error may have been written all the same.
        tried.push(name);
        if let Err(error) = put {
            tracing::warn!(key = tried.last(), %error, "a derivative cannot be stored");
            break;
        }
    }
    if tried.is_empty() {
        return;
    }
    let still = edge.originals.stat(asked.original.key.as_str()).await;
    if still.is_ok_and(|stat| stat.version == made.version) && !fill.is_fenced(&facts(asked)) {
        return;
    }
    if let Err(why) = take_back(edge, &tried).await {
        tracing::error!(
            keys = ?tried,
            why,
            "a derivative of a changed original could not be taken back; the write story is told"
        );
    }
    edge.notice.notice(Event {
        subject: Subject::Original(asked.original.clone()),
        happened: Happened::Changed,
        found_by: FoundBy::Read,
    });
}

/// The names to be written, in their order, with what is written beside each.
fn names(live: &Live, asked: &Authorised, made: &Made, picture: &Picture) -> Vec<(String, Meta)> {
    let key = &asked.original.key;
    let is_new = matches!(picture.made_by, Reason::Rendered | Reason::Sanitised);
    let derivative = is_new.then(|| derivative_key(key, &asked.wanted, &made.version, &live.revision));
    let copy = match &asked.wanted {
        // Whoever asked for what is stored already asked because its copy is missing.
        Wanted::Variant(variant) if live.config.copies && (is_new || picture.made_by == Reason::StoredDerivative) => {
            Some(copy_key(key, variant))
        }
        _ => None,
    };
    let meta = |cache_control: Option<String>| Meta { cache_control, ..meta(live, asked, made, picture) };
    let own = derivative.map(|name| (name, meta(None)));
    // Whoever reads the copy hears what is said of the picture here.
    let copied = copy.map(|name| (name, meta(live.heads.cache_control())));
    own.into_iter().chain(copied).collect()
}

fn meta(live: &Live, asked: &Authorised, made: &Made, picture: &Picture) -> Meta {
    let said = [(CHOSEN, picture.chosen.as_deref()), (DROPPED, picture.dropped.as_deref())];
    let mut extra = BTreeMap::from([(MADE_AT.to_owned(), httpdate::fmt_http_date(picture.modified))]);
    extra.extend(said.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.to_str().ok()?.to_owned()))));
    Meta {
        media_type: picture.media_type.to_str().ok().map(str::to_owned),
        cache_control: None,
        original: Some(asked.original.clone()),
        version: Some(made.version.clone()),
        revision: Some(live.revision.clone()),
        tags: asked.original.tags(),
        extra,
    }
}

async fn take_back(edge: &Edge, keys: &[String]) -> Result<(), String> {
    let results = edge.derivatives.delete(keys).await;
    results.into_iter().try_for_each(|result| result.map(drop).map_err(|error| error.to_string()))
}
