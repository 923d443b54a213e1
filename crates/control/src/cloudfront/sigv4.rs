//! Signature version 4, from the verifier's side: was this very request signed by the holder of a known key, and lately?
//! The canonical request is made from the target and headers as they came and from the body's own digest, never from what
//! the caller says about them. What can be told from the head alone is told before a byte of the body is read.

use std::fmt;
use std::time::{Duration, SystemTime};

use afterimage_identity::digest_hex;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use sha2::Sha256;
use subtle::ConstantTimeEq;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: &str = "x-amz-date";
/// The last word of every scope.
const TERMINATION: &str = "aws4_request";

/// A key that signs requests.
#[derive(Clone)]
pub struct AccessKey {
    /// What the caller names it by.
    pub id: String,
    /// What caller and server share.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a request is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It carries no signature.
    Missing,
    /// What it carries is not a whole signature; in words.
    Incomplete(String),
    /// Nobody here has a key of this name.
    UnknownKey,
    /// It was not signed with this key, or not like this, or not lately; in words.
    Mismatch(String),
}

/// Who may sign, for which service, and how far from now.
#[derive(Clone, Debug)]
pub(crate) struct Verifier {
    pub(crate) keys: Vec<AccessKey>,
    pub(crate) service: &'static str,
    pub(crate) skew: Duration,
}

/// What a request claims: a known key, a scope and a date that could be. Nothing is proven yet.
pub(crate) struct Claim<'a> {
    key: &'a AccessKey,
    /// `YYYYMMDD/region/service/aws4_request`.
    scope: String,
    date: String,
    signed: Vec<String>,
    signature: [u8; 32],
}

impl Verifier {
    /// Checks what the head alone can tell.
    pub(crate) fn claim(&self, head: &Parts, now: SystemTime) -> Result<Claim<'_>, Refusal> {
        let fields = Fields::of(head)?;
        let key = self.keys.iter().find(|key| key.id == fields.key_id).ok_or(Refusal::UnknownKey)?;
        let date = text(head, DATE)?.ok_or_else(|| incomplete("the header X-Amz-Date is missing"))?;
        for needed in ["host", DATE] {
            if !fields.signed.iter().any(|name| name == needed) {
                return Err(Refusal::Mismatch(format!("the header {needed} must be signed")));
            }
        }
        let unsigned = |name: &&http::HeaderName| {
            name.as_str().starts_with("x-amz-") && !fields.signed.iter().any(|known| known == name.as_str())
        };
        if let Some(name) = head.headers.keys().find(unsigned) {
            return Err(Refusal::Mismatch(format!("the header {name} must be signed")));
        }
        self.check_scope(&fields.scope, &date)?;
        self.check_time(&date, now)?;
        Ok(Claim { key, scope: fields.scope, date, signed: fields.signed, signature: fields.signature })
    }

    /// The region is the signer's affair: clients put their own into the scope when the endpoint is not Amazon's.
    fn check_scope(&self, scope: &str, date: &str) -> Result<(), Refusal> {
        let [day, region, service, termination] = scope.split('/').collect::<Vec<_>>()[..] else {
            return Err(incomplete("the credential is not KEY/DATE/REGION/SERVICE/aws4_request"));
        };
        if service != self.service {
            return Err(Refusal::Mismatch(format!(
                "Credential should be scoped to correct service: '{}'.",
                self.service
            )));
        }
        if termination != TERMINATION {
            return Err(Refusal::Mismatch(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATION}'."
            )));
        }
        if region.is_empty() {
            return Err(Refusal::Mismatch("Credential should be scoped to a valid region.".into()));
        }
        if Some(day) != date.get(..8) {
            return Err(Refusal::Mismatch(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP".into(),
            ));
        }
        Ok(())
    }

    fn check_time(&self, date: &str, now: SystemTime) -> Result<(), Refusal> {
        let signed_at = moment(date).ok_or_else(|| incomplete("X-Amz-Date is not of the form 20260102T030405Z"))?;
        let (earliest, latest) = (now.checked_sub(self.skew), now.checked_add(self.skew));
        let show = |moment: Option<SystemTime>| moment.map(basic).unwrap_or_default();
        if earliest.is_some_and(|earliest| signed_at < earliest) {
            let words = format!("Signature expired: {date} is now earlier than {}", show(earliest));
            return Err(Refusal::Mismatch(words));
        }
        if latest.is_some_and(|latest| signed_at > latest) {
            let words = format!("Signature not yet current: {date} is still later than {}", show(latest));
            return Err(Refusal::Mismatch(words));
        }
        Ok(())
    }
}

impl Claim<'_> {
    /// Whether exactly this request, with exactly this body, was signed with the key. Digests are compared in constant
    /// time.
    pub(crate) fn verify(&self, head: &Parts, body: &[u8]) -> Result<(), Refusal> {
        let request = canonical_request(head, &self.signed, &digest_hex(body))?;
        let expected = sign(self.key, &self.scope, &self.date, &request);
        if bool::from(expected.ct_eq(&self.signature)) {
            return Ok(());
        }
        Err(Refusal::Mismatch(
            "The request signature we calculated does not match the signature you provided. Check the secret access key \
             and the signing method."
                .into(),
        ))
    }

    /// The key's id, for the log.
    pub(crate) fn key_id(&self) -> &str {
        &self.key.id
    }
}

/// The parts of the `Authorization` header.
struct Fields {
    key_id: String,
    scope: String,
    signed: Vec<String>,
    signature: [u8; 32],
}

impl Fields {
    fn of(head: &Parts) -> Result<Self, Refusal> {
        let value = text(head, AUTHORIZATION.as_str())?.ok_or(Refusal::Missing)?;
        let list = value.strip_prefix(ALGORITHM).and_then(|list| list.strip_prefix(' ')).ok_or(Refusal::Missing)?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for field in list.split(',') {
            let (name, value) = field.trim().split_once('=').ok_or_else(|| incomplete("a field without a value"))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(incomplete("Authorization has Credential, SignedHeaders and Signature alone")),
            };
            if place.replace(value).is_some() {
                return Err(incomplete("a field is there twice"));
            }
        }
        let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature) else {
            return Err(incomplete("Authorization requires Credential, SignedHeaders and Signature"));
        };
        let (key_id, scope) = credential.split_once('/').ok_or_else(|| incomplete("the credential has no scope"))?;
        let signed: Vec<String> = signed.split(';').map(str::to_owned).collect();
        // Each once and in order, as the rules have it: then there is one way to write what was signed.
        if !signed.windows(2).all(|pair| pair[0] < pair[1]) || signed.iter().any(|name| *name != name.to_lowercase()) {
            return Err(incomplete("SignedHeaders are not in lower case and ascending order"));
        }
        let signature = unhex(signature).ok_or_else(|| incomplete("the signature is not 64 lower-case hex digits"))?;
        Ok(Self { key_id: key_id.to_owned(), scope: scope.to_owned(), signed, signature })
    }
}

fn incomplete(words: &str) -> Refusal {
    Refusal::Incomplete(words.to_owned())
}

/// The one value of a header; two are as bad as none that can be read.
fn text(head: &Parts, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = head.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.to_owned())),
        _ => Err(Refusal::Incomplete(format!("the header {name} is there twice, or is not text"))),
    }
}

fn canonical_request(head: &Parts, signed: &[String], body_digest: &str) -> Result<Vec<u8>, Refusal> {
    let mut request = format!(
        "{}\n{}\n{}\n",
        head.method,
        canonical_path(head.uri.path()),
        canonical_query(head.uri.query().unwrap_or_default())
    )
    .into_bytes();
    for name in signed {
        request.extend_from_slice(name.as_bytes());
        request.push(b':');
        request.extend_from_slice(&canonical_header(head, name)?);
        request.push(b'\n');
    }
    request.extend_from_slice(format!("\n{}\n{body_digest}", signed.join(";")).as_bytes());
    Ok(request)
}

/// Dot segments and empty ones go, then what was encoded already is encoded again, as every service but S3 wants it.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let mut canonical = String::new();
    for segment in &segments {
        canonical.push('/');
        encode(segment.as_bytes(), &mut canonical);
    }
    if segments.is_empty() || path.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

fn canonical_query(query: &str) -> String {
    let decoded_and_encoded = |text: &str| {
        let mut encoded = String::new();
        encode(&decode(text), &mut encoded);
        encoded
    };
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded_and_encoded(name), decoded_and_encoded(value))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// All values in the order they came, runs of spaces as one.
fn canonical_header(head: &Parts, name: &str) -> Result<Vec<u8>, Refusal> {
    let mut values = head.headers.get_all(name).iter().map(|value| value.as_bytes()).collect::<Vec<_>>();
    // In HTTP/2 the host stands in the target.
    if name == HOST.as_str()
        && values.is_empty()
        && let Some(authority) = head.uri.authority()
    {
        values.push(authority.as_str().as_bytes());
    }
    if values.is_empty() {
        return Err(Refusal::Mismatch(format!("the header {name} was signed and is not there")));
    }
    let words = |value: &[u8]| {
        let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        words.map(<[u8]>::to_vec).collect::<Vec<_>>().join(&b' ')
    };
    Ok(values.into_iter().map(words).collect::<Vec<_>>().join(&b','))
}

/// Percent-encodes all but the unreserved letters of RFC 3986.
fn encode(bytes: &[u8], into: &mut String) {
    for &byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(byte as char),
            _ => into.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// Decodes every `%XX`; a `%` without two hex digits stands for itself.
fn decode(text: &str) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let byte = tail.get(..2).filter(|_| first == b'%').and_then(|hex| Some(digit(hex[0])? << 4 | digit(hex[1])?));
        decoded.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// 64 lower-case hex digits.
fn unhex(text: &str) -> Option<[u8; 32]> {
    let fits = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = digit(pair[0])? << 4 | digit(*pair.get(1)?)?;
    }
    fits.then_some(bytes)
}

fn sign(key: &AccessKey, scope: &str, date: &str, canonical_request: &[u8]) -> [u8; 32] {
    let mut signing = format!("AWS4{}", key.secret).into_bytes();
    for part in scope.split('/') {
        signing = hmac(&signing, part.as_bytes()).to_vec();
    }
    hmac(&signing, format!("{ALGORITHM}\n{date}\n{scope}\n{}", digest_hex(canonical_request)).as_bytes())
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// `20150830T123600Z` as a moment.
fn moment(date: &str) -> Option<SystemTime> {
    let fits = date.len() == 16
        && date.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let part = |from: usize, upto: usize| date.get(from..upto).unwrap_or_default();
    let extended =
        format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13), part(13, 15));
    humantime::parse_rfc3339(&extended).ok().filter(|_| fits)
}

/// A moment as `20150830T123600Z`.
fn basic(moment: SystemTime) -> String {
    humantime::format_rfc3339_seconds(moment).to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests;
