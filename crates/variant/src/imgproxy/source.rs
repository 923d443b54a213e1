//! The source of an imgproxy URL: plain or base64url, and which original of ours it is.

use afterimage_identity::OriginalKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::target::percent_decode;
use crate::{Refusal, RefusalKind};

/// A beginning of source URLs, and the beginning of our keys that stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Such as `s3://photos/`, `https://example.com/img/` or `local:///`; ends with a slash.
    pub url: String,
    /// Such as `photos/`, or nothing.
    pub prefix: String,
}

/// Schemes whose URLs hold a percent-encoded path; the others hold the key as it is.
const ENCODED_SCHEMES: [&str; 2] = ["http://", "https://"];

/// The source URL and the extension behind it.
pub(super) fn read(text: &str) -> Result<(String, Option<&str>), Refusal> {
    let bad = |help: &str| Refusal::new(RefusalKind::BadRequest, help).blaming("source", text);
    if let Some(plain) = text.strip_prefix("plain/") {
        let (url, extension) = match plain.rsplit_once('@') {
            Some((url, extension)) => (url, Some(extension)),
            None => (plain, None),
        };
        let mut bytes = Vec::with_capacity(url.len());
        percent_decode(url, &mut bytes).map_err(|_| bad("the source holds a `%` without two hex digits"))?;
        let url = String::from_utf8(bytes).map_err(|_| bad("the source is not UTF-8 once decoded"))?;
        return Ok((url, extension.filter(|extension| !extension.is_empty())));
    }
    if text.starts_with("enc/") {
        return Err(bad("encrypted sources are not supported; send `plain/…` or base64, and sign the URL"));
    }
    // The source may be cut into segments, so that file systems and proxies bear it.
    let (encoded, extension) = match text.split_once('.') {
        Some((encoded, extension)) => (encoded, Some(extension)),
        None => (text, None),
    };
    let joined = encoded.replace('/', "");
    let bytes = URL_SAFE_NO_PAD.decode(joined.trim_end_matches('=')).map_err(|_| {
        bad("neither an option, nor `plain/` and a URL, nor a base64url source; options are written NAME:VALUE")
    })?;
    let url = String::from_utf8(bytes).map_err(|_| bad("the source is not UTF-8 once decoded"))?;
    Ok((url, extension.filter(|extension| !extension.is_empty())))
}

/// The original that a source URL names.
pub(super) fn key(mappings: &[Mapping], base_url: &str, source: &str) -> Result<OriginalKey, Refusal> {
    let bad = |kind: RefusalKind, help: String| Refusal::new(kind, help).blaming("source", source);
    let url = uncollapsed(&format!("{base_url}{source}"));
    // The longest beginning wins, as with mounts.
    let mapping =
        mappings.iter().filter(|mapping| url.starts_with(&mapping.url)).max_by_key(|mapping| mapping.url.len());
    let Some(mapping) = mapping else {
        let known: Vec<&str> = mappings.iter().take(20).map(|mapping| mapping.url.as_str()).collect();
        let help = format!("no source of this server begins like that; there are {}", known.join(", "));
        return Err(bad(RefusalKind::NotFound, help));
    };
    let path = &url[mapping.url.len()..];
    if path.contains(['?', '#']) {
        let help = "a source names an original by its path; a query or fragment is not part of one";
        return Err(bad(RefusalKind::BadRequest, help.to_owned()));
    }
    let path = if ENCODED_SCHEMES.iter().any(|scheme| mapping.url.starts_with(scheme)) {
        let mut bytes = Vec::with_capacity(path.len());
        let decoded = percent_decode(path, &mut bytes).ok().and_then(|()| String::from_utf8(bytes).ok());
        decoded.ok_or_else(|| bad(RefusalKind::BadRequest, "the path of the source does not decode to UTF-8".into()))?
    } else {
        path.to_owned()
    };
    OriginalKey::new(&format!("{}{path}", mapping.prefix))
        .map_err(|why| bad(RefusalKind::NotFound, format!("{why}; the source names no picture")))
}

/// Proxies and frameworks make one slash of two: `s3:/bucket/a.jpg` is `s3://bucket/a.jpg`.
fn uncollapsed(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(":/") else { return url.to_owned() };
    let is_scheme = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match scheme {
        "local" => format!("local:///{}", rest.trim_start_matches('/')),
        _ if is_scheme && !rest.starts_with('/') => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    }
}
