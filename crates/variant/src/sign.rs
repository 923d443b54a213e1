//! Signatures over the raw request target: who may ask for more than the public may. They are checked in constant time,
//! over the bytes as they were received, before anything is decoded or dropped.
//!
//! - HMAC-SHA256 (RFC 2104): `s` is the 64 lower-case hex digits, or the 43 characters of base64url, of
//!   `HMAC(secret, "afterimage-url-v1\n" + target)`, where `target` is path and query without `?s=…` or `&s=…`. The
//!   domain is constant and the target is all the rest, so no two inputs read the same.
//! - imgix: `s` is the 32 lower-case hex digits of `MD5(token + path + "?" + query)`, without the `?` where there is no
//!   query. MD5 with a secret in front can be lengthened by a stranger; the padding that this takes is made of control
//!   and non-ASCII bytes, which no target may hold.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use serde::Serialize;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::query::Query;
use crate::rules::TARGET_BYTES_MAX;
use crate::target::{Target, percent_decode};
use crate::{Name, Refusal, RefusalKind, Rules};

/// What stands before every message, so that no key used here can be made to sign for another purpose.
const DOMAIN: &[u8] = b"afterimage-url-v1\n";

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// HMAC-SHA256; what to use unless a client can do only the other.
    HmacSha256,
    /// imgix's, so that its clients work unchanged.
    ImgixMd5,
}

impl Scheme {
    /// The shortest secret, in bytes. imgix's own tokens have 16 characters; its documentation shows shorter ones.
    pub fn secret_bytes_min(self) -> usize {
        match self {
            Self::HmacSha256 => 16,
            Self::ImgixMd5 => 8,
        }
    }
}

/// A key that signs URLs.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// What the operator calls it.
    pub name: String,
    /// What signer and server share.
    pub secret: Vec<u8>,
    /// How it signs.
    pub scheme: Scheme,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("name", &self.name).field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl SigningKey {
    fn hmac_sha256(&self, target: &str) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.secret).expect("HMAC takes keys of any length");
        mac.update(DOMAIN);
        mac.update(target.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn imgix_md5(&self, target: &str) -> [u8; 16] {
        Md5::new().chain_update(&self.secret).chain_update(target.as_bytes()).finalize().into()
    }

    /// Whether `signature` is this key's for `target`.
    fn matches(&self, target: &str, signature: &[u8]) -> Choice {
        match self.scheme {
            Scheme::HmacSha256 => {
                let mac = self.hmac_sha256(target);
                // Slices of different lengths are unequal; the length of a signature is no secret.
                hex(&mac).as_bytes().ct_eq(signature) | URL_SAFE_NO_PAD.encode(mac).as_bytes().ct_eq(signature)
            }
            Scheme::ImgixMd5 => hex(&self.imgix_md5(target)).as_bytes().ct_eq(signature),
        }
    }
}

/// What a target's signature is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// There is none.
    Absent,
    /// A key has signed it, and it has not expired.
    Valid {
        /// Which key.
        key_name: String,
        /// Until when; every max-age of the answer must end by then.
        expires_unix_s: Option<u64>,
    },
}

/// Signs a raw origin-form target, with `expires` already in it if that is wanted: appends `s`.
pub fn sign(key: &SigningKey, target: &str) -> String {
    let signature = match key.scheme {
        Scheme::HmacSha256 => hex(&key.hmac_sha256(target)),
        Scheme::ImgixMd5 => hex(&key.imgix_md5(target)),
    };
    let joint = if target.contains('?') { '&' } else { '?' };
    format!("{target}{joint}s={signature}")
}

/// Checks the signature of a raw origin-form target as it was received, and its `expires`.
///
/// # Errors
/// `Forbidden` when no key has signed it; `Expired` from the second that `expires` names; `BadRequest` when `s` is not
/// the last parameter, when `expires` is no number, or when the target holds bytes that no target may hold.
pub fn verify(rules: &Rules, target: &str, now_unix_s: u64) -> Result<Signature, Refusal> {
    let read = Target::new(target, TARGET_BYTES_MAX)?;
    if let Some((front, rest)) = rules.imgproxy.as_ref().and_then(|front| Some((front, front.claims(target)?))) {
        return front.verify(rest, now_unix_s);
    }
    let Some(query) = read.query else { return Ok(Signature::Absent) };
    let (before, last) = query.rsplit_once('&').map_or((None, query), |(before, last)| (Some(before), last));
    if before.is_some_and(|before| before.split('&').any(is_signature))
        || (is_signature(last) && !last.starts_with("s="))
    {
        let help = "`s` must be the last parameter, spelled plainly, and stand there once";
        return Err(Refusal::new(RefusalKind::BadRequest, help));
    }
    let Some(signature) = last.strip_prefix("s=") else { return Ok(Signature::Absent) };
    let signed = &target[..target.len() - last.len() - 1];
    // Every key is tried, whichever matches, so that the time taken tells nothing.
    let key = rules
        .keys
        .iter()
        .fold(None, |found, key| if bool::from(key.matches(signed, signature.as_bytes())) { Some(key) } else { found });
    let Some(key) = key else {
        let help = "no key of this server has signed this URL; it must be signed exactly as it is sent";
        return Err(Refusal::forbidden(Name::Signature, signature, help));
    };
    let expires = Query::new(before.unwrap_or_default())?.get(Name::Expires).map(str::to_owned);
    let expires_unix_s = match expires {
        None => None,
        Some(text) => Some(crate::value::seconds(&text).ok_or_else(|| Refusal::value(Name::Expires, &text))?),
    };
    match expires_unix_s {
        Some(expires) if now_unix_s >= expires => {
            let help = format!("the signature was good until {expires}; now is {now_unix_s} (seconds since 1970)");
            Err(Refusal::new(RefusalKind::Expired, help).blaming("expires", &expires.to_string()))
        }
        _ => Ok(Signature::Valid { key_name: key.name.clone(), expires_unix_s }),
    }
}

/// Whether a piece of a query names the signature, in whatever spelling.
fn is_signature(piece: &str) -> bool {
    let name = piece.split_once('=').map_or(piece, |(name, _)| name);
    if !name.contains('%') {
        return matches!(name, "s" | "s64");
    }
    let mut bytes = Vec::new();
    percent_decode(name, &mut bytes).is_ok() && matches!(bytes.as_slice(), b"s" | b"s64")
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}
