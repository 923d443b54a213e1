//! The fourth trigger: make the picture under limits, and hand it over. What is written of it then is `written.rs`.

use std::time::Duration;

use afterimage_cache::{Facts, Fill};
use afterimage_identity::{Stamp, Version};
use afterimage_imaging as imaging;
use afterimage_variant::{Format, Wanted};
use bytes::Bytes;

use crate::config::Live;
use crate::edge::{Edge, Filled};
use crate::origin_request::{Located, passes_as_is};
use crate::picture::{Kept, Picture};
use crate::pool::{Job, Work};
use crate::turns::Turn;
use crate::viewer_request::Authorised;
use crate::{Failure, Reason};

/// A picture, the version it was made from, and the moment before that version was read.
pub(crate) struct Made {
    pub(crate) asked_at: Stamp,
    pub(crate) version: Version,
    pub(crate) settled: bool,
    pub(crate) storable: bool,
    pub(crate) outcome: Result<Picture, Failure>,
}

/// Takes the stored derivative, or reads the original and makes one.
pub(crate) async fn make(edge: &Edge, live: &Live, asked: &Authorised, located: Located) -> Result<Made, Failure> {
    if let Some(picture) = located.stored {
        let Located { asked_at, version, settled, storable, .. } = located;
        return Ok(Made { asked_at, version, settled, storable, outcome: Ok(picture) });
    }
    let key = asked.original.key.as_str();
    let renders = !passes_as_is(live, &asked.wanted);
    let turn =
        if renders && edge.originals.is_near(key) { edge.renderer.turn(is_background(asked)).await? } else { None };
    let source_bytes_max = live.config.source_bytes_max;
    let most = if located.bytes == 0 { source_bytes_max } else { located.bytes.min(source_bytes_max) };
    let _room = edge.room.take(most, live.config.fill_time_max).await?;
    let asked_at = edge.clock.now();
    let object = edge.originals.get(key, source_bytes_max).await?;
    let settled = object.stat.settled && located.settled;
    let storable = object.stat.storable && located.storable;
    let outcome = match draw(edge, live, asked, object.body, turn).await {
        // What is still being written may not even begin like an image yet.
        Err(Failure::Broken(why) | Failure::NotAnImage(why)) if !settled => Err(Failure::BrokenUnsettled(why)),
        outcome => outcome.map(|picture| Picture { storable, ..picture }),
    };
    let asked_at = asked_at.before(object.stat.age);
    Ok(Made { asked_at, version: object.stat.version, settled, storable, outcome })
}

/// Whether nobody waits for it.
fn is_background(asked: &Authorised) -> bool {
    matches!(&asked.wanted, Wanted::Variant(variant) if variant.format() == Format::AutoAvif)
}

async fn draw(
    edge: &Edge,
    live: &Live,
    asked: &Authorised,
    bytes: Bytes,
    turn: Option<Turn>,
) -> Result<Picture, Failure> {
    let Some(format) = imaging::sniff(&bytes) else {
        return Err(Failure::NotAnImage("Its first bytes are not those of an allowed image format.".into()));
    };
    let tags = asked.original.tags();
    let wall = edge.clock.wall();
    if format == imaging::Source::Svg {
        return if matches!(asked.wanted, Wanted::Original) && live.settings.allow_svg {
            Ok(Picture::new(format.media_type(), bytes, &tags, wall, Reason::AsIs))
        } else {
            Err(Failure::NotAnImage("SVG is served only where it is allowed, and only as it is.".into()))
        };
    }
    if passes_as_is(live, &asked.wanted) {
        return Ok(Picture::new(format.media_type(), bytes, &tags, wall, Reason::AsIs));
    }
    let (work, made_by) = match &asked.wanted {
        Wanted::Original => (Work::Strip, Reason::Sanitised),
        Wanted::Variant(variant) => (Work::Render(variant.clone()), Reason::Rendered),
    };
    let job = Job { bytes, work, settings: live.settings.clone(), background: is_background(asked), turn };
    let made = edge.renderer.render(job).await?;
    // Encoders grow their buffers by doubling; the cache counts bytes, so spare room must not stay.
    let body = made.bytes.into_boxed_slice().into();
    let dropped = made.gain_map.and_then(|map| format!("gain-map;form={}", map.word()).parse().ok()).map(Box::new);
    Ok(Picture { dropped, ..Picture::new(made.media_type, body, &tags, wall, made_by).choosing(&made.chosen) })
}

/// What an entry is about, before anything is known of its picture.
pub(crate) fn facts(asked: &Authorised) -> Facts {
    Facts {
        path: asked.path.clone(),
        original: Some(asked.original.clone()),
        tags: asked.original.tags(),
        ..Facts::default()
    }
}

/// Publishes what was made: from here on viewers may have it, unless a fence came first.
pub(crate) fn publish(edge: &Edge, live: &Live, asked: &Authorised, made: &Made, fill: &Fill<Kept>) -> Filled {
    let lasts = made.outcome.as_ref().err().is_none_or(Failure::is_of_the_bytes);
    let now = edge.clock.now();
    let error_age = Duration::from_secs(live.config.error_age_s.into());
    let facts = Facts {
        version: Some(made.version.clone()),
        proved_at: Some(made.asked_at),
        fresh_until: made.outcome.is_err().then(|| now.after(error_age)),
        ..facts(asked)
    };
    fill.publish(facts, Kept::Picture(made.outcome.clone()), made.settled && made.storable && lasts, now)
        .map_err(|_| Failure::Fenced)
}

/// Hands a failure to all who wait for this fill, and keeps nothing.
pub(crate) fn publish_failure(edge: &Edge, asked: &Authorised, failure: Failure, fill: &Fill<Kept>) -> Filled {
    fill.publish(facts(asked), Kept::Picture(Err(failure)), false, edge.clock.now()).map_err(|_| Failure::Fenced)
}
