//! The form of an entry's file: a fixed head, facts, body. Everything in it is covered by a digest, and the whole key is
//! part of it, so that a file that was torn, flipped, cut or put in another's place is seen when it is read.

use afterimage_identity::{CacheTag, Original, Sequence, Version};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::DropWhy;
use super::codec::Packed;
use crate::Facts;

const MAGIC: &[u8; 8] = b"AFTRDSK\0";
/// Raised whenever the form changes. A file of another form is no damage, and is dropped too.
const FORMAT: u32 = 1;
/// Magic, format, length of the facts, length of the body, tier, run, sequence, digest of the body, digest of all that and
/// the facts.
pub(crate) const FIXED_BYTES: usize = 8 + 4 + 4 + 8 + 16 + 8 + 8 + 32 + 32;
/// No facts are longer: keys and headers are bounded well below.
pub(crate) const FACTS_BYTES_MAX: usize = 1 << 20;

/// Which tier a file belongs to. A tier that was given up has another id than the one that follows it in the same folder.
pub(crate) type TierId = [u8; 16];

/// What ties a file to a tier and to its purge sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) tier: TierId,
    /// The process that wrote it: only to that one do its stamps mean anything.
    pub(crate) run: u64,
    /// Every fence up to here was found not to cover it.
    pub(crate) sequence: Sequence,
}

#[derive(Serialize)]
struct FactsOut<'a> {
    path: &'a str,
    original: Option<&'a Original>,
    version: Option<&'a Version>,
    tags: &'a [CacheTag],
    about: &'a str,
}

#[derive(Deserialize)]
struct FactsIn {
    path: String,
    original: Option<Original>,
    version: Option<Version>,
    tags: Vec<CacheTag>,
    about: String,
}

/// The head of a file, checked.
pub(crate) struct Head {
    pub(crate) origin: Origin,
    /// Without `proved_at`: a proof does not outlive the memory that it was given to.
    pub(crate) facts: Facts,
    about: String,
    body_at: usize,
    body_sha256: [u8; 32],
}

/// The fixed head and the facts of an entry; the body follows them. `None` when they are longer than any.
pub(crate) fn encode(facts: &Facts, origin: Origin, packed: &Packed) -> Option<Vec<u8>> {
    let Facts { path, original, version, tags, .. } = facts;
    let out = FactsOut { path, original: original.as_ref(), version: version.as_ref(), tags, about: &packed.about };
    let text = serde_json::to_vec(&out).ok().filter(|text| text.len() <= FACTS_BYTES_MAX)?;
    let mut head = Vec::with_capacity(FIXED_BYTES + text.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&FORMAT.to_le_bytes());
    head.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    head.extend_from_slice(&(packed.body.len() as u64).to_le_bytes());
    head.extend_from_slice(&origin.tier);
    head.extend_from_slice(&origin.run.to_le_bytes());
    head.extend_from_slice(&origin.sequence.0.to_le_bytes());
    head.extend_from_slice(&Sha256::digest(&packed.body));
    let digest = Sha256::new().chain_update(&head).chain_update(&text).finalize();
    head.extend_from_slice(&digest);
    head.extend_from_slice(&text);
    Some(head)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// How many bytes the head of a file takes that begins with these and is `file_bytes` long.
pub(crate) fn head_bytes(bytes: &[u8], file_bytes: u64) -> Result<usize, DropWhy> {
    if bytes.len() < FIXED_BYTES || &bytes[..8] != MAGIC {
        return Err(DropWhy::Damaged);
    }
    if u32::from_le_bytes(part(bytes, 8)) != FORMAT {
        return Err(DropWhy::OtherFormat);
    }
    let facts_bytes = u32::from_le_bytes(part(bytes, 12)) as usize;
    let head_bytes = FIXED_BYTES + facts_bytes;
    let whole = (head_bytes as u64).checked_add(u64::from_le_bytes(part(bytes, 16)));
    if facts_bytes > FACTS_BYTES_MAX || whole != Some(file_bytes) { Err(DropWhy::Damaged) } else { Ok(head_bytes) }
}

/// Reads the head of a file from its first bytes, which may be all of it.
pub(crate) fn head(bytes: &[u8], file_bytes: u64) -> Result<Head, DropWhy> {
    let body_at = head_bytes(bytes, file_bytes)?;
    let (covered, text) = (&bytes[..FIXED_BYTES - 32], bytes.get(FIXED_BYTES..body_at).ok_or(DropWhy::Damaged)?);
    let digest: [u8; 32] = Sha256::new().chain_update(covered).chain_update(text).finalize().into();
    if digest != part(bytes, FIXED_BYTES - 32) {
        return Err(DropWhy::Damaged);
    }
    let FactsIn { path, original, version, tags, about } =
        serde_json::from_slice(text).map_err(|_| DropWhy::Damaged)?;
    let origin = Origin {
        tier: part(bytes, 24),
        run: u64::from_le_bytes(part(bytes, 40)),
        sequence: Sequence(u64::from_le_bytes(part(bytes, 48))),
    };
    let facts = Facts { path, original, version, tags, proved_at: None, fresh_until: None };
    Ok(Head { origin, facts, about, body_at, body_sha256: part(bytes, 56) })
}

impl Head {
    /// Takes the body out of the whole file, if it is the one that was written.
    pub(crate) fn unpack(self, file: Vec<u8>) -> Result<(Facts, Origin, Packed), DropWhy> {
        let body = Bytes::from(file).slice(self.body_at..);
        let digest: [u8; 32] = Sha256::digest(&body).into();
        if digest != self.body_sha256 {
            return Err(DropWhy::Damaged);
        }
        Ok((self.facts, self.origin, Packed { about: self.about, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_identity::{OriginalKey, SourceId, Stamp};

    fn file() -> (Facts, Origin, Vec<u8>) {
        let original = Original::new(SourceId::default(), OriginalKey::new("a").unwrap());
        let facts = Facts {
            path: "/a/-/w1.png".into(),
            tags: original.tags(),
            original: Some(original),
            version: Version::new("1").ok(),
            proved_at: Some(Stamp(7)),
            fresh_until: None,
        };
        let origin = Origin { tier: [3; 16], run: 9, sequence: Sequence(4) };
        let packed = Packed { about: "about".into(), body: Bytes::from_static(b"body") };
        let mut file = encode(&facts, origin, &packed).unwrap();
        file.extend_from_slice(&packed.body);
        (facts, origin, file)
    }

    fn read(file: &[u8]) -> Result<(Facts, Origin, Packed), DropWhy> {
        head(file, file.len() as u64)?.unpack(file.to_vec())
    }

    #[test]
    fn what_was_written_is_read_but_for_the_proof() {
        let (facts, origin, file) = file();
        let (read_facts, read_origin, packed) = read(&file).unwrap();
        assert_eq!((read_facts, read_origin), (Facts { proved_at: None, ..facts }, origin));
        assert_eq!((packed.about.as_str(), &packed.body[..]), ("about", &b"body"[..]));
        // The head alone is enough to count it.
        let head_only = &file[..head_bytes(&file, file.len() as u64).unwrap()];
        assert_eq!(head(head_only, file.len() as u64).unwrap().origin, origin);
    }

    #[test]
    fn every_flipped_bit_cut_and_zeroed_tail_is_seen() {
        let (_, _, file) = file();
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "cut to {length}");
            let mut zeroed = file[..length].to_vec();
            zeroed.resize(file.len(), 0);
            assert!(read(&zeroed).is_err(), "zeroes from {length}");
        }
        assert!(read(&[file, vec![0]].concat()).is_err(), "longer");
    }

    #[test]
    fn another_form_is_known_as_such() {
        let (_, _, mut file) = file();
        file[8] = 2;
        assert_eq!(read(&file).err(), Some(DropWhy::OtherFormat));
    }

    #[test]
    fn facts_are_bounded_exactly() {
        let (facts, origin, _) = file();
        let packed = |bytes: usize| Packed { about: "x".repeat(bytes), body: Bytes::new() };
        let empty = encode(&facts, origin, &packed(0)).unwrap().len() - FIXED_BYTES;
        let most = encode(&facts, origin, &packed(FACTS_BYTES_MAX - empty)).unwrap();
        assert!(read(&most).is_ok());
        assert!(encode(&facts, origin, &packed(FACTS_BYTES_MAX - empty + 1)).is_none());
    }
}
