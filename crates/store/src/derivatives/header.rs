//! What stands in front of a derivative's bytes on disk: whose it is, and the digests that show whether head or body were
//! torn, flipped, cut or put under another name. It never trusts a length it has not checked.

use afterimage_identity::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, META_BYTES_MAX, Meta, Refusal, Stat};

const MAGIC: &[u8; 8] = b"AFTRIMG\0";
/// Raised whenever the layout changes; a file of another format counts as absent.
const FORMAT: u32 = 1;
/// Magic, format, length of the facts, length of the body, digest of the body, digest of everything so far and the facts.
pub(super) const FIXED_BYTES: usize = 8 + 4 + 4 + 8 + 32 + 32;

/// Why a file is not the object it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Written by another release: a miss, not damage.
    OtherFormat,
    /// Not what was written.
    Damaged(&'static str),
}

#[derive(Serialize)]
struct FactsOut<'a> {
    key: &'a str,
    meta: &'a Meta,
}

#[derive(Deserialize)]
struct FactsIn {
    key: String,
    meta: Meta,
}

/// The fixed part, read and checked as far as that goes without the facts.
pub(super) struct Fixed {
    pub(super) facts_bytes: usize,
    pub(super) body_bytes: u64,
    body_sha256: [u8; 32],
    covered: [u8; FIXED_BYTES - 32],
    head_sha256: [u8; 32],
}

/// The whole head, checked.
pub(super) struct Head {
    pub(super) key: String,
    pub(super) meta: Meta,
    pub(super) stat: Stat,
    body_sha256: [u8; 32],
}

/// Writes the head for a body.
pub(super) fn encode(key: &str, meta: &Meta, body: &[u8]) -> Result<(Vec<u8>, Stat), Error> {
    let facts = serde_json::to_vec(&FactsOut { key, meta }).map_err(|error| Error::Io { why: error.to_string() })?;
    if facts.len() > META_BYTES_MAX {
        return Err(Error::Refused { why: Refusal::MetaTooLarge });
    }
    let body_sha256: [u8; 32] = Sha256::digest(body).into();
    let mut head = Vec::with_capacity(FIXED_BYTES + facts.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&FORMAT.to_le_bytes());
    head.extend_from_slice(&(facts.len() as u32).to_le_bytes());
    head.extend_from_slice(&(body.len() as u64).to_le_bytes());
    head.extend_from_slice(&body_sha256);
    let head_sha256: [u8; 32] = Sha256::new().chain_update(&head).chain_update(&facts).finalize().into();
    head.extend_from_slice(&head_sha256);
    head.extend_from_slice(&facts);
    Ok((head, Stat::local(Version::of_sha256(&body_sha256), body.len() as u64, true)))
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// Reads the fixed part of a file that is `file_bytes` long.
pub(super) fn fixed(bytes: &[u8; FIXED_BYTES], file_bytes: u64) -> Result<Fixed, Flaw> {
    if &bytes[..8] != MAGIC {
        return Err(Flaw::Damaged("it does not begin as a derivative does"));
    }
    if u32::from_le_bytes(part(bytes, 8)) != FORMAT {
        return Err(Flaw::OtherFormat);
    }
    let facts_bytes = u32::from_le_bytes(part(bytes, 12)) as usize;
    let body_bytes = u64::from_le_bytes(part(bytes, 16));
    if facts_bytes > META_BYTES_MAX {
        return Err(Flaw::Damaged("its facts are longer than any"));
    }
    if ((FIXED_BYTES + facts_bytes) as u64).checked_add(body_bytes) != Some(file_bytes) {
        return Err(Flaw::Damaged("its length is not the one it was written with"));
    }
    Ok(Fixed {
        facts_bytes,
        body_bytes,
        body_sha256: part(bytes, 24),
        covered: part(bytes, 0),
        head_sha256: part(bytes, FIXED_BYTES - 32),
    })
}

/// Reads the facts.
pub(super) fn head(fixed: &Fixed, facts: &[u8]) -> Result<Head, Flaw> {
    let digest: [u8; 32] = Sha256::new().chain_update(fixed.covered).chain_update(facts).finalize().into();
    if digest != fixed.head_sha256 {
        return Err(Flaw::Damaged("its facts are not the ones it was written with"));
    }
    let FactsIn { key, meta } =
        serde_json::from_slice(facts).map_err(|_| Flaw::Damaged("its facts cannot be understood"))?;
    let version = Version::of_sha256(&fixed.body_sha256);
    let stat = Stat::local(version, fixed.body_bytes, true);
    Ok(Head { key, meta, stat, body_sha256: fixed.body_sha256 })
}

impl Head {
    /// Whether this is the body that was written.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), Flaw> {
        let digest: [u8; 32] = Sha256::digest(body).into();
        if digest == self.body_sha256 {
            Ok(())
        } else {
            Err(Flaw::Damaged("its body is not the one it was written with"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Result<Head, Flaw> {
        let first = file.get(..FIXED_BYTES).ok_or(Flaw::Damaged("short"))?.try_into().unwrap();
        let fixed = fixed(first, file.len() as u64)?;
        let (facts, body) = file[FIXED_BYTES..].split_at(fixed.facts_bytes);
        let head = head(&fixed, facts)?;
        head.check(body)?;
        Ok(head)
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let meta = Meta { media_type: Some("image/webp".into()), ..Meta::default() };
        let (mut file, stat) = encode("a/-/w1.webp", &meta, b"body").unwrap();
        file.extend_from_slice(b"body");
        let head = read(&file).unwrap();
        assert_eq!((head.key.as_str(), &head.meta, &head.stat), ("a/-/w1.webp", &meta, &stat));
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "cut to {length}");
        }
        file.push(0);
        assert!(read(&file).is_err(), "longer");
    }

    #[test]
    fn another_format_is_a_miss() {
        let (mut file, _) = encode("a", &Meta::default(), b"").unwrap();
        file[8] = 2;
        assert_eq!(read(&file).err(), Some(Flaw::OtherFormat));
    }

    #[test]
    fn facts_are_bounded_exactly() {
        let meta = |bytes: usize| Meta { media_type: Some("x".repeat(bytes)), ..Meta::default() };
        let empty = serde_json::to_vec(&FactsOut { key: "k", meta: &meta(0) }).unwrap().len();
        assert!(encode("k", &meta(META_BYTES_MAX - empty), b"").is_ok());
        let error = encode("k", &meta(META_BYTES_MAX - empty + 1), b"").unwrap_err();
        assert_eq!(error, Error::Refused { why: Refusal::MetaTooLarge });
    }
}
