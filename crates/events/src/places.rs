//! From a bucket's names to ours: which objects are originals of this source, and what their keys are here. Only what is
//! named as originals is; derivatives are told by the place they lie in, never by what a file is called.

use afterimage_identity::{Event, FoundBy, Happened, Original, OriginalKey, SourceId, Subject};

use crate::Ignored;

/// A bucket, and the beginning of the keys in it that is meant; empty for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The beginning of the keys.
    pub prefix: String,
}

impl Place {
    /// Reads `BUCKET`, `BUCKET/PREFIX`, or either behind `s3://`. A prefix is whole segments, so a slash ends it, written or not.
    ///
    /// # Errors
    /// The remedy.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix("s3://").unwrap_or(text);
        let (bucket, prefix) = bare.split_once('/').unwrap_or((bare, ""));
        // Names of buckets: S3 takes lower case, older ones and MinIO's more.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(fits) {
            return Err("write BUCKET or BUCKET/PREFIX/, such as \"pictures/originals/\"".to_owned());
        }
        let segments = prefix.strip_suffix('/').unwrap_or(prefix);
        if segments.is_empty() && prefix.is_empty() {
            return Ok(Self { bucket: bucket.to_owned(), prefix: String::new() });
        }
        OriginalKey::new(segments).map_err(|error| format!("its prefix cannot begin a key: {error}"))?;
        Ok(Self { bucket: bucket.to_owned(), prefix: format!("{segments}/") })
    }

    fn key<'a>(&self, bucket: &str, key: &'a str) -> Option<&'a str> {
        if self.bucket == bucket { key.strip_prefix(self.prefix.as_str()) } else { None }
    }
}

/// A place of originals, and what is put before its keys here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Originals {
    /// Where they lie.
    pub place: Place,
    /// The beginning of their keys here: empty, or that of a mount.
    pub below: String,
}

/// Every place that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The source that all originals belong to.
    pub source: SourceId,
    /// Where originals lie.
    pub originals: Vec<Originals>,
    /// Where derivatives lie; what happens there is our own doing.
    pub derivatives: Vec<Place>,
}

impl Places {
    /// What happened to the originals behind one object: two of them where two places overlap.
    ///
    /// # Errors
    /// Why it is none.
    pub fn events(&self, bucket: &str, key: &str, happened: Happened) -> Result<Vec<Event>, Ignored> {
        if self.derivatives.iter().any(|place| place.key(bucket, key).is_some()) {
            return Err(Ignored::Derivative);
        }
        let within: Vec<(&Originals, &str)> =
            self.originals.iter().filter_map(|of| Some((of, of.place.key(bucket, key)?))).collect();
        if within.is_empty() {
            let known = self.originals.iter().any(|of| of.place.bucket == bucket);
            return Err(if known { Ignored::OtherPrefix } else { Ignored::OtherBucket });
        }
        let keys = within.iter().filter_map(|(of, key)| OriginalKey::new(&format!("{}{key}", of.below)).ok());
        let event = |key| {
            let subject = Subject::Original(Original::new(self.source.clone(), key));
            Event { subject, happened, found_by: FoundBy::Event }
        };
        let events: Vec<Event> = keys.map(event).collect();
        if events.is_empty() { Err(Ignored::NotAKey) } else { Ok(events) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        Place::parse(text).unwrap()
    }

    fn places() -> Places {
        let originals = |text: &str, below: &str| Originals { place: place(text), below: below.to_owned() };
        Places {
            source: SourceId::default(),
            originals: vec![originals("img/image", ""), originals("img/team", "team/"), originals("other", "o/")],
            derivatives: vec![place("img/image/derived"), place("small")],
        }
    }

    fn keys(bucket: &str, key: &str) -> Result<Vec<String>, Ignored> {
        let events = places().events(bucket, key, Happened::Removed)?;
        Ok(events.into_iter().map(|event| event.subject.to_string()).collect())
    }

    #[test]
    fn places_are_read() {
        for (text, bucket, prefix) in [
            ("img", "img", ""),
            ("img/", "img", ""),
            ("s3://img/a/b", "img", "a/b/"),
            ("img/a/", "img", "a/"),
            ("my.bucket_1/a b/", "my.bucket_1", "a b/"),
        ] {
            assert_eq!(place(text), Place { bucket: bucket.into(), prefix: prefix.into() }, "{text}");
        }
        for wrong in ["", "ab", "a b c", "https://img/a", "img//", "img/a//b", "img/../x", &"b".repeat(256)] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn objects_become_originals_by_their_place_alone() {
        for (bucket, key, expected) in [
            ("img", "image/a.jpg", Ok("a.jpg")),
            // The article's rule took these for derivatives.
            ("img", "image/photos/100x100/a.jpg", Ok("photos/100x100/a.jpg")),
            ("img", "image/a-200x200.jpg", Ok("a-200x200.jpg")),
            ("img", "team/a.jpg", Ok("team/a.jpg")),
            ("other", "x/y", Ok("o/x/y")),
            ("img", "image/derived/a.jpg/-/w100.webp", Err(Ignored::Derivative)),
            ("img", "image/derived.jpg", Ok("derived.jpg")),
            ("small", "a.jpg", Err(Ignored::Derivative)),
            ("img", "images/a.jpg", Err(Ignored::OtherPrefix)),
            ("img", "image", Err(Ignored::OtherPrefix)),
            ("img2", "image/a.jpg", Err(Ignored::OtherBucket)),
            ("img", "image/", Err(Ignored::NotAKey)),
            ("img", "image/folder/", Err(Ignored::NotAKey)),
            ("img", "image/a//b", Err(Ignored::NotAKey)),
        ] {
            assert_eq!(keys(bucket, key), expected.map(|key| vec![key.to_owned()]), "{bucket}/{key}");
        }
    }

    #[test]
    fn overlapping_places_are_each_told() {
        let mut places = places();
        places.originals.push(Originals { place: place("img"), below: "all/".into() });
        let events = places.events("img", "team/a.jpg", Happened::Changed).unwrap();
        let keys: Vec<String> = events.iter().map(|event| event.subject.to_string()).collect();
        assert_eq!(keys, ["team/a.jpg", "all/team/a.jpg"]);
    }
}
