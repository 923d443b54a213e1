//! One of the `Records` of S3 and MinIO. Keys are form-encoded there: a space is `+`, a plus `%2B`, and a slash may be
//! itself or `%2F`.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde_json::Value;

use super::{Dialect, Record, Unreadable, check_version, maybe_text, names, text};
use crate::Ignored;

pub(super) fn read(value: &Value) -> Result<Record, Unreadable> {
    let service = text(value, "/eventSource")?;
    let dialect = match service.as_str() {
        "minio:s3" => Dialect::Minio,
        _ => Dialect::S3,
    };
    let name = text(value, "/eventName")?;
    let ignored = |why| Record {
        dialect,
        bucket: String::new(),
        key: Err(why),
        happened: Err(why),
        name: name.clone(),
        version_id: None,
        sequencer: None,
    };
    if !matches!(service.as_str(), "aws:s3" | "minio:s3") {
        return Ok(ignored(Ignored::OtherService));
    }
    check_version(&text(value, "/eventVersion")?, "2")?;
    let happened = names::of_record(&name);
    // What means nothing need not name an object: a bucket was made, a replication measured.
    let named = (text(value, "/s3/bucket/name"), text(value, "/s3/object/key"));
    let (bucket, key) = match (named, happened) {
        ((Ok(bucket), Ok(key)), _) => (bucket, decode(&key)),
        (_, Err(why)) => return Ok(ignored(why)),
        ((Err(error), _), _) | ((_, Err(error)), _) => return Err(error),
    };
    Ok(Record {
        dialect,
        bucket,
        key,
        happened,
        name: name.clone(),
        version_id: maybe_text(value, "/s3/object/versionId"),
        sequencer: maybe_text(value, "/s3/object/sequencer"),
    })
}

/// Form decoding. What is no UTF-8 then is the key of nothing that could be served.
fn decode(key: &str) -> Result<String, Ignored> {
    let spaced: Cow<'_, [u8]> = match key.contains('+') {
        true => key.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect::<Vec<u8>>().into(),
        false => key.as_bytes().into(),
    };
    let decoded = percent_decode(&spaced).decode_utf8().map_err(|_| Ignored::NotAKey)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_form_encoded() {
        for (said, key) in [
            ("a.jpg", Ok("a.jpg")),
            ("image/a.jpg", Ok("image/a.jpg")),
            ("image%2Fa.jpg", Ok("image/a.jpg")),
            ("image%2fa+b.jpg", Ok("image/a b.jpg")),
            ("a%20b.jpg", Ok("a b.jpg")),
            ("a%2Bb.jpg", Ok("a+b.jpg")),
            ("100%25.jpg", Ok("100%.jpg")),
            // Encoded once, decoded once.
            ("a%252Fb.jpg", Ok("a%2Fb.jpg")),
            ("%EC%82%AC%EC%A7%84/caf%C3%A9.jpg", Ok("사진/café.jpg")),
            ("사진.jpg", Ok("사진.jpg")),
            ("a%26%3D~.jpg", Ok("a&=~.jpg")),
            ("a%zz%.jpg", Ok("a%zz%.jpg")),
            ("%FF.jpg", Err(Ignored::NotAKey)),
        ] {
            assert_eq!(decode(said), key.map(str::to_owned), "{said}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_comes_back(key in any::<String>()) {
            let encoded = percent_encoding::utf8_percent_encode(&key, percent_encoding::NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(decode(&encoded.replace("%20", "+")), Ok(key.clone()));
            prop_assert_eq!(decode(&encoded.replace("%2F", "/")), Ok(key));
        }
    }
}
