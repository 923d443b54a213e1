//! The imgproxy front: its URLs, read as what they mean in the primary grammar. `/SIGNATURE/OPTIONS/SOURCE` becomes a natural
//! path with a query, and from there on nothing knows how it was spelled: same canonical path, same derivative, same purge.
//!
//! What imgproxy's documentation (docs.imgproxy.net, "Processing an image", version 3) calls an option and this does not
//! understand is refused by name: leaving it out would give another picture.

mod options;
mod source;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::{Refusal, RefusalKind, Signature};
use options::Options;
pub use source::Mapping;

/// The shortest signature that may be configured, in bytes: 64 bits are out of reach of guessing over a network.
pub const SIGNATURE_BYTES_MIN: usize = 8;
/// The length of an unshortened signature, in bytes.
pub const SIGNATURE_BYTES_MAX: usize = 32;

/// A key and its salt, as `IMGPROXY_KEY` and `IMGPROXY_SALT` hold them, decoded from hex.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The key of the HMAC.
    pub key: Vec<u8>,
    /// What stands before the signed path.
    pub salt: Vec<u8>,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(…)")
    }
}

/// The front's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imgproxy {
    /// Below which path its URLs are, with a slash at both ends; `/` makes it the only grammar.
    pub path: String,
    /// The pairs that signatures are checked with, any of them. Without one, nothing is signed and the policy holds.
    pub keys: Vec<KeyPair>,
    /// How many bytes of the HMAC a signature has (`IMGPROXY_SIGNATURE_SIZE`), [`SIGNATURE_BYTES_MIN`] to
    /// [`SIGNATURE_BYTES_MAX`].
    pub signature_bytes: usize,
    /// What stands before every source URL (`IMGPROXY_BASE_URL`).
    pub base_url: String,
    /// Which source URLs are originals of ours.
    pub mappings: Vec<Mapping>,
}

/// What a URL of the front is in the primary grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Translated {
    /// A natural path and its query.
    pub(crate) target: String,
    /// What means nothing here, as it was spelled.
    pub(crate) ignored: Vec<String>,
}

impl Imgproxy {
    /// What follows the front's path in a raw target that is its own, with the leading slash.
    pub(crate) fn claims<'a>(&self, target: &'a str) -> Option<&'a str> {
        target.starts_with(&self.path).then(|| &target[self.path.len() - 1..])
    }

    /// Reads `/SIGNATURE/OPTIONS/SOURCE`. imgproxy gives a query no meaning, and nor does this.
    pub(crate) fn translate(&self, rest: &str) -> Result<Translated, Refusal> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (_, signed) = split_signature(path)?;
        let (options, source) = Options::read(signed)?;
        let (source, extension) = source::read(source)?;
        let key = source::key(&self.mappings, &self.base_url, &source)?;
        let mut ignored = options.ignored.clone();
        // Whoever may leave it out is not held by it; a signed one was checked with the signature.
        ignored.extend((self.keys.is_empty() && options.expires_unix_s.is_some()).then(|| "expires".to_owned()));
        ignored.extend((!query.is_empty()).then(|| "the query".to_owned()));
        let target = format!("{}{}", crate::natural_path(&key), options.query(extension)?);
        Ok(Translated { target, ignored })
    }

    /// Checks the signature of what [`Imgproxy::claims`] left of a target, and its `exp`.
    pub(crate) fn verify(&self, rest: &str, now_unix_s: u64) -> Result<Signature, Refusal> {
        let path = rest.split_once('?').map_or(rest, |(path, _)| path);
        let (signature, signed) = split_signature(path)?;
        if !self.keys.is_empty() && !self.signed_by_us(signature, signed) {
            let help = "no key and salt of this server have signed this URL; it must be signed exactly as it is sent";
            return Err(Refusal::new(RefusalKind::Forbidden, help).blaming("signature", signature));
        }
        if self.keys.is_empty() {
            return Ok(Signature::Absent);
        }
        let expires_unix_s = Options::read(signed)?.0.expires_unix_s;
        if let Some(expires) = expires_unix_s.filter(|expires| now_unix_s >= *expires) {
            let help = format!("the URL was good until {expires}; now is {now_unix_s} (seconds since 1970)");
            return Err(Refusal::new(RefusalKind::Expired, help).blaming("exp", &expires.to_string()));
        }
        Ok(Signature::Valid { key_name: "imgproxy".to_owned(), expires_unix_s })
    }

    fn signed_by_us(&self, signature: &str, signed: &str) -> bool {
        let given = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        // Every pair is tried, whichever matches, so that the time taken tells nothing.
        let valid = self.keys.iter().fold(Choice::from(0), |valid, pair| {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&pair.key).expect("HMAC takes keys of any length");
            mac.update(&pair.salt);
            mac.update(signed.as_bytes());
            let mac = mac.finalize().into_bytes();
            valid | mac[..self.signature_bytes].ct_eq(given.as_slice())
        });
        bool::from(valid)
    }
}

/// The first segment, and what it signs: everything after it, with its slash.
fn split_signature(path: &str) -> Result<(&str, &str), Refusal> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    match rest.find('/') {
        Some(at) if at > 0 => Ok((&rest[..at], &rest[at..])),
        _ => {
            let help = "an imgproxy URL is /SIGNATURE/OPTIONS/plain/SOURCE or /SIGNATURE/OPTIONS/BASE64SOURCE; without a key the signature is any word, such as `unsafe`";
            Err(Refusal::new(RefusalKind::NotFound, help))
        }
    }
}

#[cfg(test)]
mod tests;
