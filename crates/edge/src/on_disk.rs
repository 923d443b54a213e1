//! What the cache keeps, as it lies on disk: pictures, answers that are passed through, and by which fields a URL's answers
//! are selected. Failures and marks live for moments only and stay in memory.

use std::time::{Duration, UNIX_EPOCH};

use afterimage_cache::http::Stored;
use afterimage_cache::{Codec, Moment, Packed};
use afterimage_identity::CacheTag;
use bytes::Bytes;
use http::HeaderName;
use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::picture::{Kept, Picture};

/// Packs and unpacks what an edge keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnDisk;

#[derive(Serialize, Deserialize)]
enum About {
    Picture {
        media_type: String,
        tags: Vec<CacheTag>,
        /// Seconds since 1970.
        modified_s: u64,
        made_by: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chosen: Option<String>,
        storable: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped: Option<String>,
    },
    /// In words of its own.
    Answer(String),
    Varies(Vec<String>),
}

impl Codec<Kept> for OnDisk {
    fn pack(&self, kept: &Kept) -> Option<Packed> {
        let (about, body) = match kept {
            Kept::Picture(Ok(picture)) => (picture_about(picture)?, picture.body.clone()),
            Kept::Answer(stored) => {
                let packed = stored.pack()?;
                (About::Answer(packed.about), packed.body)
            }
            Kept::Varies(names) => (About::Varies(names.iter().map(ToString::to_string).collect()), Bytes::new()),
            Kept::Picture(Err(_)) | Kept::Passes | Kept::Failed(_) => return None,
        };
        Some(Packed { about: serde_json::to_string(&about).ok()?, body })
    }

    fn unpack(&self, packed: Packed, at: Moment) -> Option<Kept> {
        let Packed { about, body } = packed;
        match serde_json::from_str(&about).ok()? {
            About::Picture { media_type, tags, modified_s, made_by, chosen, storable, dropped } => {
                let modified = UNIX_EPOCH.checked_add(Duration::from_secs(modified_s))?;
                let made_by = Reason::ALL.iter().copied().find(|reason| reason.word() == made_by)?;
                let dropped = dropped.and_then(|text| text.parse().ok()).map(Box::new);
                let picture = Picture::new(&media_type, body, &tags, modified, made_by)
                    .choosing(chosen.as_deref().unwrap_or_default());
                let picture = Picture { storable, dropped, ..picture };
                Some(Kept::Picture(Ok(picture)))
            }
            About::Answer(about) => {
                Stored::unpack(Packed { about, body }, at).map(|stored| Kept::Answer(Box::new(stored)))
            }
            About::Varies(names) => {
                let names = names.iter().map(|name| name.parse::<HeaderName>().ok());
                names.collect::<Option<_>>().map(Kept::Varies)
            }
        }
    }
}

fn picture_about(picture: &Picture) -> Option<About> {
    let tags = picture.tags.to_str().ok()?.split(',').filter(|tag| !tag.is_empty()).map(CacheTag::parse);
    Some(About::Picture {
        media_type: picture.media_type.to_str().ok()?.to_owned(),
        tags: tags.collect::<Option<_>>()?,
        modified_s: picture.modified.duration_since(UNIX_EPOCH).ok()?.as_secs(),
        made_by: picture.made_by.word().to_owned(),
        chosen: picture.chosen.as_ref().and_then(|text| text.to_str().ok()).map(str::to_owned),
        storable: picture.storable,
        dropped: picture.dropped.as_ref().and_then(|text| text.to_str().ok()).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use afterimage_identity::{Original, OriginalKey, SourceId, Stamp};

    fn there_and_back(kept: &Kept) -> Option<Kept> {
        let at = Moment { now: Stamp(5), wall: UNIX_EPOCH + Duration::from_secs(5), same_run: true };
        OnDisk.unpack(OnDisk.pack(kept)?, at)
    }

    #[test]
    fn pictures_and_selecting_fields_come_back_as_they_were() {
        let tags = Original::new(SourceId::default(), OriginalKey::new("a/b.svg").unwrap()).tags();
        for (media_type, chosen, storable, dropped) in [
            ("image/svg+xml", "", true, None),
            ("image/webp", "format=webp;by=accept", false, Some("gain-map;form=iso")),
        ] {
            let dropped = dropped.map(http::HeaderValue::from_static).map(Box::new);
            let modified = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
            let picture = Picture::new(media_type, Bytes::from_static(b"bytes"), &tags, modified, Reason::Rendered);
            let kept = Kept::Picture(Ok(Picture { storable, dropped, ..picture.choosing(chosen) }));
            assert_eq!(format!("{:?}", there_and_back(&kept).unwrap()), format!("{kept:?}"));
        }
        let varies = Kept::Varies(vec![http::header::ACCEPT, http::header::COOKIE]);
        assert_eq!(format!("{:?}", there_and_back(&varies).unwrap()), format!("{varies:?}"));
    }

    #[test]
    fn what_lives_for_moments_is_not_for_the_disk() {
        for kept in [Kept::Passes, Kept::Failed(Failure::Gone), Kept::Picture(Err(Failure::Died))] {
            assert!(OnDisk.pack(&kept).is_none(), "{kept:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_nothing() {
        let at = Moment { now: Stamp(5), wall: UNIX_EPOCH, same_run: true };
        for about in ["", "{}", "null", r#"{"Varies":["a b"]}"#, r#"{"Answer":""}"#, r#"{"Other":1}"#] {
            let packed = Packed { about: about.into(), body: Bytes::new() };
            assert!(OnDisk.unpack(packed, at).is_none(), "{about}");
        }
    }
}
