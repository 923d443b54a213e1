//! Damage: seeded, so that a failure can be run again, and blind, so that it needs no tool. libFuzzer sees where it leads.

/// SplitMix64: small, seeded, the same everywhere.
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound; 0 below 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound.max(1) as u64) as usize
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<u8> {
        bytes.get(self.below(bytes.len())).copied()
    }
}

/// How one kind of bytes is damaged.
pub struct Manner {
    /// Bytes that mean something there.
    pub special: &'static [u8],
    /// What closes a file, so that a cut looks as if nothing were missing.
    pub end: &'static [u8],
    /// Half of all damage goes into so many bytes at the front, where sizes and lengths are; 0 where there is no such place.
    pub head_bytes: usize,
}

/// The longest piece that is doubled or taken out.
const PIECE_BYTES_MAX: usize = 64;

impl Manner {
    /// Damages in one to four places.
    pub fn mutate(&self, bytes: &mut Vec<u8>, chance: &mut Chance) {
        for _ in 0..=chance.below(4) {
            if bytes.is_empty() {
                bytes.push(0);
            }
            let head = if chance.below(2) == 0 { self.head_bytes } else { 0 };
            let reach = if head > 0 { bytes.len().min(head) } else { bytes.len() };
            let at = chance.below(reach);
            let end = (at + chance.below(PIECE_BYTES_MAX)).min(bytes.len());
            match chance.below(8) {
                0 | 1 => bytes[at] ^= 1 << chance.below(8),
                2 => bytes[at] = chance.next_u64() as u8,
                3 => bytes[at] = chance.one_of(self.special).unwrap_or_default(),
                4 => {
                    let piece = bytes[at..end].to_vec();
                    let to = chance.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                5 => drop(bytes.drain(at..end)),
                6 => bytes.truncate(at),
                _ => {
                    bytes.truncate(at);
                    bytes.extend(self.end);
                }
            }
        }
    }
}
