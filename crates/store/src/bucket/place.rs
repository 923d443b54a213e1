//! Where in a bucket objects lie, and whether two such places touch each other.

use std::fmt;

use crate::{Error, Refusal};

/// The longest key that S3 takes, in bytes.
pub const BUCKET_KEY_BYTES_MAX: usize = 1024;
/// The longest prefix, in bytes: the longest name of a derivative has to fit behind it.
pub const PREFIX_BYTES_MAX: usize = 200;

/// A bucket, and the prefix in it that every key begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    bucket: String,
    /// Empty, or whole segments with a slash at the end.
    prefix: String,
}

impl Place {
    /// Reads `s3://BUCKET` or `s3://BUCKET/PREFIX`. The prefix is taken as it is written, with nothing decoded.
    ///
    /// # Errors
    /// The remedy.
    pub fn parse(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("s3://").ok_or("write it as s3://BUCKET/PREFIX")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !(3..=255).contains(&bucket.len()) || !bucket.bytes().all(fits) {
            return Err(format!("`{bucket}` is no name of a bucket: 3 to 255 of A-Z, a-z, 0-9, ., - and _"));
        }
        if prefix.is_empty() {
            return Ok(Self { bucket: bucket.to_owned(), prefix: String::new() });
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        afterimage_identity::OriginalKey::new(prefix)
            .map_err(|error| format!("its prefix cannot begin a key: {error}"))?;
        if prefix.len() + 1 > PREFIX_BYTES_MAX {
            return Err(format!(
                "its prefix has more than {PREFIX_BYTES_MAX} bytes; names of derivatives have to fit behind it"
            ));
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: format!("{prefix}/") })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The prefix: empty, or with a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key in the bucket of what is called `key` here.
    ///
    /// # Errors
    /// [`Refusal::KeyTooLong`].
    pub fn key(&self, key: &str) -> Result<String, Error> {
        if self.prefix.len() + key.len() > BUCKET_KEY_BYTES_MAX {
            return Err(Error::Refused { why: Refusal::KeyTooLong });
        }
        Ok(format!("{}{key}", self.prefix))
    }

    /// Whether something can lie in both: the same bucket, and one prefix inside the other.
    pub fn touches(&self, other: &Self) -> bool {
        self.bucket == other.bucket
            && (self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        for (url, bucket, prefix) in [
            ("s3://pictures", "pictures", ""),
            ("s3://pictures/", "pictures", ""),
            ("s3://pictures/a", "pictures", "a/"),
            ("s3://my.Old_bucket/a/b c%20/", "my.Old_bucket", "a/b c%20/"),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!((place.bucket(), place.prefix()), (bucket, prefix), "{url}");
        }
        for wrong in [
            "pictures",
            "s3:/pictures",
            "https://pictures/",
            "s3://",
            "s3://ab",
            "s3://a b c",
            "s3://pictures//",
            "s3://pictures/../x",
            "s3://pictures/a//b",
            "s3://pictures/-",
        ] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_are_bounded_exactly() {
        let place = |bytes: usize| Place::parse(&format!("s3://pictures/{}", "p".repeat(bytes)));
        assert!(place(PREFIX_BYTES_MAX).is_err());
        let place = place(PREFIX_BYTES_MAX - 1).unwrap();
        let room = BUCKET_KEY_BYTES_MAX - PREFIX_BYTES_MAX;
        assert_eq!(place.key(&"k".repeat(room)).unwrap().len(), BUCKET_KEY_BYTES_MAX);
        assert_eq!(place.key(&"k".repeat(room + 1)), Err(Error::Refused { why: Refusal::KeyTooLong }));
        assert!(Place::parse(&format!("s3://{}", "b".repeat(255))).is_ok());
        assert!(Place::parse(&format!("s3://{}", "b".repeat(256))).is_err());
    }

    #[test]
    fn places_touch_when_one_is_inside_the_other() {
        for (one, other, touch) in [
            ("s3://abc", "s3://abc", true),
            ("s3://abc", "s3://abc/derived", true),
            ("s3://abc/a", "s3://abc/a/b/", true),
            ("s3://abc/originals", "s3://abc/derived", false),
            ("s3://abc/a", "s3://abc/ab", false),
            ("s3://abc", "s3://abd", false),
        ] {
            let place = |url| Place::parse(url).unwrap();
            assert_eq!(place(one).touches(&place(other)), touch, "{one} {other}");
            assert_eq!(place(other).touches(&place(one)), touch, "{other} {one}");
        }
    }
}
