//! Listings of a bucket. Keys are asked for in URL encoding, because XML cannot carry every key that S3 takes.

use std::collections::BTreeMap;

use aws_sdk_s3::types::EncodingType;

use super::connection::Bucket;
use super::failure::{Failure, Why};
use crate::Listed;

/// The most lines of one answer.
const LINES_MAX: usize = 1000;

/// One version of one key. A delete marker has no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OneVersion {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) bytes: u64,
    pub(super) is_marker: bool,
    /// Whether it is what the key names now.
    pub(super) is_latest: bool,
    pub(super) etag: Option<String>,
    /// When it was written, in seconds since 1970; 0 where that is not said.
    pub(super) modified_s: i64,
}

/// Where a listing of versions goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) key: Option<String>,
    pub(super) version: Option<String>,
}

/// A key as it was before it was encoded; `+` is a space, as in forms.
fn decoded(text: &str, encoding: Option<&EncodingType>) -> Result<String, Failure> {
    if encoding != Some(&EncodingType::Url) {
        return Ok(text.to_owned());
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let (byte, width) = match byte {
            b'+' => (b' ', 1),
            b'%' => {
                let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                (code.ok_or_else(|| unreadable(text))?, 3)
            }
            byte => (*byte, 1),
        };
        plain.push(byte);
        at += width;
    }
    String::from_utf8(plain).map_err(|_| unreadable(text))
}

fn unreadable(text: &str) -> Failure {
    Failure::new(Why::Other, format!("the bucket lists a key that cannot be read: `{text}`"))
}

fn count(limit: usize) -> i32 {
    i32::try_from(limit.clamp(1, LINES_MAX)).unwrap_or(1)
}

fn size(bytes: Option<i64>) -> u64 {
    bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0)
}

impl Bucket {
    /// What has a whole key that begins with `prefix` and comes after `after`; and whether there may be more.
    pub(super) async fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Listed>, bool), Failure> {
        let call = self.client.list_objects_v2().bucket(self.place.bucket()).encoding_type(EncodingType::Url);
        let call = call.prefix(prefix).max_keys(count(limit)).set_start_after(after.map(str::to_owned));
        let page = call.send().await.map_err(|error| Failure::of("ListObjectsV2", error))?;
        let mut keys = Vec::with_capacity(page.contents().len());
        for object in page.contents() {
            let key = decoded(object.key().unwrap_or_default(), page.encoding_type())?;
            let written_s = object.last_modified().and_then(|at| u64::try_from(at.secs()).ok());
            let etag = object.e_tag().map(str::to_owned);
            keys.push(Listed { key, bytes: size(object.size()), etag, written_s });
        }
        let order = keys.iter().map(|listed| listed.key.as_str());
        check_order(after, order)?;
        let more = page.is_truncated() == Some(true);
        if more && keys.is_empty() {
            return Err(Failure::new(Why::Other, "ListObjectsV2: an empty page that says there is more"));
        }
        Ok((keys, more))
    }

    /// Every version of the keys that begin with `prefix`, from `from` on; and where to go on.
    pub(super) async fn versions(
        &self,
        prefix: &str,
        from: &Start,
        limit: usize,
    ) -> Result<(Vec<OneVersion>, Option<Start>), Failure> {
        let call = self.client.list_object_versions().bucket(self.place.bucket()).encoding_type(EncodingType::Url);
        let call = call.prefix(prefix).max_keys(count(limit)).set_key_marker(from.key.clone());
        let call = call.set_version_id_marker(from.version.clone());
        let page = call.send().await.map_err(|error| Failure::of("ListObjectVersions", error))?;
        let encoding = page.encoding_type();
        let mut found = Vec::new();
        for version in page.versions() {
            let key = decoded(version.key().unwrap_or_default(), encoding)?;
            let id = version.version_id().unwrap_or("null").to_owned();
            found.push(OneVersion {
                key,
                id,
                bytes: size(version.size()),
                is_marker: false,
                is_latest: version.is_latest() == Some(true),
                etag: version.e_tag().map(str::to_owned),
                modified_s: version.last_modified().map_or(0, |at| at.secs()),
            });
        }
        for marker in page.delete_markers() {
            let key = decoded(marker.key().unwrap_or_default(), encoding)?;
            let id = marker.version_id().unwrap_or("null").to_owned();
            found.push(OneVersion {
                key,
                id,
                bytes: 0,
                is_marker: true,
                is_latest: marker.is_latest() == Some(true),
                etag: None,
                modified_s: marker.last_modified().map_or(0, |at| at.secs()),
            });
        }
        let next = if page.is_truncated() == Some(true) {
            let key = page.next_key_marker().map(|key| decoded(key, encoding)).transpose()?;
            let next = Start { key, version: page.next_version_id_marker().map(str::to_owned) };
            if next == *from || next.key.is_none() {
                return Err(Failure::new(Why::Other, "ListObjectVersions: more is said to come, and not from where"));
            }
            Some(next)
        } else {
            None
        };
        Ok((found, next))
    }

    /// As [`keys`](Self::keys), of every key that has any version: what a plain listing hides is found too.
    pub(super) async fn keys_of_versions(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Listed>, bool), Failure> {
        let mut from = Start { key: after.map(str::to_owned), version: None };
        let mut keys: BTreeMap<String, Listed> = BTreeMap::new();
        loop {
            let (found, next) = self.versions(prefix, &from, limit).await?;
            check_order(after, found.iter().map(|version| version.key.as_str()).min())?;
            for version in found {
                let listed = keys.entry(version.key.clone()).or_insert_with(|| Listed::new(version.key, 0));
                listed.bytes += version.bytes;
                // A marker has none: nothing is served under its name.
                if version.is_latest {
                    (listed.etag, listed.written_s) = (version.etag, u64::try_from(version.modified_s).ok());
                }
            }
            match next {
                None => return Ok((keys.into_values().collect(), false)),
                // Where a page ends within a key, the next one begins behind all its versions.
                Some(_) if !keys.is_empty() => return Ok((keys.into_values().collect(), true)),
                Some(next) => from = next,
            }
        }
    }
}

/// A server that lists out of order would make whoever goes on after the last key miss some, or never end.
fn check_order<'a>(after: Option<&'a str>, keys: impl IntoIterator<Item = &'a str>) -> Result<(), Failure> {
    let mut last = after;
    for key in keys {
        if last.is_some_and(|last| last >= key) {
            return Err(Failure::new(Why::Other, "the bucket does not list its keys in their byte order"));
        }
        last = Some(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_forms_are() {
        let url = Some(&EncodingType::Url);
        for (text, plain) in [
            ("a/b.jpg", "a/b.jpg"),
            ("a+b", "a b"),
            ("a%20b", "a b"),
            ("a%2Bb", "a+b"),
            ("%25", "%"),
            ("%C3%A9", "é"),
            ("é", "é"),
            ("~", "~"),
        ] {
            assert_eq!(decoded(text, url).unwrap(), plain);
            assert_eq!(decoded(text, None).unwrap(), text, "what is not encoded is left alone");
        }
        for wrong in ["%", "%4", "%zz", "%FF", "%é"] {
            assert!(decoded(wrong, url).is_err(), "{wrong}");
        }
    }

    #[test]
    fn order_is_checked() {
        assert!(check_order(Some("a"), ["b", "c"]).is_ok());
        assert!(check_order(None, ["", "a"]).is_ok());
        assert!(check_order(None, ["b", "a"]).is_err());
        assert!(check_order(None, ["a", "a"]).is_err());
        assert!(check_order(Some("b"), ["b"]).is_err());
    }
}
