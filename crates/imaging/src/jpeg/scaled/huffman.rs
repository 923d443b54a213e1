//! Huffman codes (ITU T.81, annex C) and the tables that read them fast: one that gives a whole coefficient at a look, and one that
//! steps over as many coefficients as fit.

use super::Damage;
use super::bits::{Bits, Held};

/// Bits looked at to take one coefficient: 32 KiB a table.
pub(super) const VALUE_BITS: u32 = 12;
/// Bits looked at to step over several.
pub(super) const SKIP_BITS: u32 = 13;
/// Bits looked at where the tables do not reach.
const SHORT_BITS: u32 = 9;

pub(super) type Values = [u32; 1 << VALUE_BITS];
pub(super) type Skips = [u16; 1 << SKIP_BITS];

/// Set in an entry of [`Values`] whose symbol has size 0 and is not a run of 16 zeros.
pub(super) const ENDS_BLOCK: u32 = 1 << 15;

/// A code as it was sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Codes {
    /// Length in the high byte, symbol in the low one; 0 where no code is so short.
    short: [u16; 1 << SHORT_BITS],
    /// The end of the codes of each length, as the first 16 bits that lie beyond.
    ends: [u32; 17],
    /// What to add to a code of each length to get the place of its symbol.
    offsets: [i32; 17],
    symbols: [u8; 256],
    counts: [u8; 16],
}

impl Codes {
    /// Reads one table of a DHT segment: 16 counts and the symbols. Gives also how many bytes it took.
    pub(super) fn read(body: &[u8]) -> Option<(Self, usize)> {
        let counts: [u8; 16] = body.get(..16)?.try_into().ok()?;
        let count: usize = counts.iter().map(|&count| usize::from(count)).sum();
        let mut symbols = [0; 256];
        symbols.get_mut(..count)?.copy_from_slice(body.get(16..16 + count)?);
        let mut codes = Self { short: [0; 1 << SHORT_BITS], ends: [0; 17], offsets: [0; 17], symbols, counts };
        let (mut code, mut place) = (0u32, 0u32);
        for (length, &count) in (1u32..).zip(&counts) {
            codes.offsets[length as usize] = place as i32 - code as i32;
            code += u32::from(count);
            place += u32::from(count);
            // A code of nothing but ones is reserved, so the codes of a length never fill it.
            if count > 0 && code >= 1 << length {
                return None;
            }
            codes.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        for (length, code, symbol) in codes.all().filter(|(length, ..)| *length <= SHORT_BITS) {
            let free = SHORT_BITS - length;
            codes.short[(code << free) as usize..((code + 1) << free) as usize]
                .fill((length as u16) << 8 | u16::from(symbol));
        }
        Some((codes, 16 + count))
    }

    /// Every code: length, bits, symbol.
    fn all(&self) -> impl Iterator<Item = (u32, u32, u8)> + use<> {
        let (counts, symbols, offsets) = (self.counts, self.symbols, self.offsets);
        (1u32..=16)
            .flat_map(move |length| (0..counts[length as usize - 1]).map(move |_| length))
            .enumerate()
            .map(move |(place, length)| (length, (place as i32 - offsets[length as usize]) as u32, symbols[place]))
    }

    /// Whether every symbol is one that a DC difference can have.
    pub(super) fn is_for_dc(&self) -> bool {
        self.all().all(|(_, _, symbol)| symbol <= 15)
    }

    /// The next symbol, of any length. The bits must be valid.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits) -> Result<u8, Damage> {
        let short = self.short[bits.peek::<SHORT_BITS>()];
        if short != 0 {
            bits.skip(u32::from(short >> 8));
            return Ok(short as u8);
        }
        let head = bits.peek::<16>() as u32;
        for length in SHORT_BITS + 1..=16 {
            if head < self.ends[length as usize] {
                bits.skip(length);
                let place = self.offsets[length as usize] + (head >> (16 - length)) as i32;
                return self.symbols.get(place as usize).copied().ok_or(Damage::NoCode);
            }
        }
        Err(Damage::NoCode)
    }

    /// A symbol and its coefficient, where [`Values`] does not reach: at most 31 bits, which must be valid.
    #[cold]
    #[inline(never)]
    fn long_at(&self, mut bits: Bits) -> (Bits, Result<(u8, i32), Damage>) {
        let outcome = self.symbol(&mut bits).map(|symbol| {
            let size = u32::from(symbol & 15);
            (symbol, extend(bits.take(size), size))
        });
        (bits, outcome)
    }

    #[inline(always)]
    pub(super) fn long(&self, bits: &mut Bits) -> Result<(u8, i32), Damage> {
        let (moved, outcome) = self.long_at(*bits);
        *bits = moved;
        outcome
    }

    /// For every head of [`VALUE_BITS`] bits that holds a whole symbol and its coefficient: the coefficient in the high half, the
    /// run of zeros before it in bits 8 to 11, the bits taken in the low byte. Where only the code is whole, see [`split`]; 0 for every
    /// other.
    pub(super) fn values(&self) -> Box<Values> {
        let mut table = boxed::<u32, { 1 << VALUE_BITS }>();
        for (length, code, symbol) in self.all() {
            let size = u32::from(symbol & 15);
            if length + size > VALUE_BITS {
                if length <= VALUE_BITS {
                    let (first, free) = (code << (VALUE_BITS - length), VALUE_BITS - length);
                    let entry = length << 24 | size << 16 | u32::from(symbol >> 4) << 8;
                    table[first as usize..(first + (1 << free)) as usize].fill(entry);
                }
                continue;
            }
            let free = VALUE_BITS - length - size;
            let ends = if size == 0 && symbol != 0xf0 { ENDS_BLOCK } else { 0 };
            for extra in 0..1u32 << size {
                let value = extend(extra, size) as u16;
                let entry = u32::from(value) << 16 | ends | u32::from(symbol >> 4) << 8 | (length + size);
                let first = ((code << size | extra) << free) as usize;
                table[first..first + (1 << free)].fill(entry);
            }
        }
        table
    }

    /// For every head of [`SKIP_BITS`] bits: how many bits the whole symbols in it take, with their coefficients, in the low 4
    /// bits, and above how far they lead through the block: 128 more where the block ends, [`STUCK`] where not even one is whole.
    pub(super) fn skips(&self) -> Box<Skips> {
        let mut first = boxed::<u16, { 1 << SKIP_BITS }>();
        for (length, code, symbol) in self.all() {
            let bits = length + u32::from(symbol & 15);
            if bits > SKIP_BITS {
                continue;
            }
            let step = if symbol & 15 == 0 && symbol != 0xf0 { BLOCK_ENDS } else { u16::from(symbol >> 4) + 1 };
            let free = SKIP_BITS - length;
            first[(code << free) as usize..((code + 1) << free) as usize].fill(step << 4 | bits as u16);
        }
        let mut table = boxed::<u16, { 1 << SKIP_BITS }>();
        for (head, entry) in table.iter_mut().enumerate() {
            let (mut used, mut step) = (0u32, 0u16);
            loop {
                let next = first[head << used & ((1 << SKIP_BITS) - 1)];
                let bits = u32::from(next & 15);
                if bits == 0 || used + bits > SKIP_BITS || step + (next >> 4) > BLOCK_ENDS + 63 {
                    break;
                }
                let ends = next >> 4 == BLOCK_ENDS;
                if !ends && step + (next >> 4) > 63 {
                    break;
                }
                used += bits;
                step += next >> 4;
                if ends || used == SKIP_BITS {
                    break;
                }
            }
            *entry = if used == 0 { STUCK << 4 } else { step << 4 | used as u16 };
        }
        table
    }
}

/// The coefficient of an entry of [`Values`] whose low byte is 0 and which is not: the code's length is in its highest byte, the
/// number of bits that follow in the next one. At most 27 bits, which must be valid.
#[inline(always)]
pub(super) fn split(entry: u32, bits: &mut Bits) -> i32 {
    let size = entry >> 16 & 15;
    bits.skip(entry >> 24);
    extend(bits.take(size), size)
}

/// A step that tells that the block ended.
const BLOCK_ENDS: u16 = 128;
/// A step that leads out of any block without ending it.
const STUCK: u16 = 64;

fn boxed<T: Copy + Default, const LENGTH: usize>() -> Box<[T; LENGTH]> {
    match vec![T::default(); LENGTH].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("as long as its type says"),
    }
}

/// The coefficient that `size` bits stand for (ITU T.81, figure F.12).
#[inline(always)]
pub(super) fn extend(bits: u32, size: u32) -> i32 {
    let (bits, sizes) = (bits as i32, 1i32 << size);
    // The half that begins with a zero bit is negative.
    if bits * 2 < sizes { bits - sizes + 1 } else { bits }
}

/// Steps over the rest of a block, from coefficient `next` on.
#[inline(always)]
pub(super) fn skip_block(
    bits: &mut Bits,
    held: &Held,
    codes: &Codes,
    skips: &Skips,
    mut next: usize,
) -> Result<(), Damage> {
    const LAST_END: usize = BLOCK_ENDS as usize + 63;
    while next < 64 {
        bits.refill(held);
        // Four looks of 14 bits fit into what a refill makes valid.
        for _ in 0..4 {
            let entry = skips[bits.peek::<SKIP_BITS>()];
            let reached = next + usize::from(entry >> 4);
            if reached < 64 {
                bits.skip(u32::from(entry & 15));
                next = reached;
                continue;
            }
            if (BLOCK_ENDS as usize..=LAST_END).contains(&reached) {
                bits.skip(u32::from(entry & 15));
                return Ok(());
            }
            // A long symbol; or the block is full before the entry's last one, which belongs to the next block.
            bits.refill(held);
            let (symbol, _) = codes.long(bits)?;
            if symbol & 15 == 0 && symbol != 0xf0 {
                return Ok(());
            }
            next += usize::from(symbol >> 4) + 1;
            break;
        }
    }
    if next == 64 { Ok(()) } else { Err(Damage::PastBlock) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_cannot_be_are_refused() {
        let table = |counts: &[u8], symbols: usize| {
            let mut body = [0; 16].to_vec();
            body[..counts.len()].copy_from_slice(counts);
            body.extend(vec![1; symbols]);
            Codes::read(&body).is_some()
        };
        assert!(table(&[1, 1], 2));
        assert!(!table(&[2], 2), "nothing but ones");
        assert!(!table(&[0, 4], 4), "nothing but ones");
        assert!(!table(&[1, 3], 4), "more than there are");
        assert!(!table(&[0, 3], 2), "cut short");
        assert!(table(&[], 0), "an empty one can be sent, though not used");
    }

    #[test]
    fn sizes_and_signs() {
        for (bits, size, value) in
            [(0, 0, 0), (0, 1, -1), (1, 1, 1), (0, 2, -3), (3, 2, 3), (0, 11, -2047), (1024, 11, 1024)]
        {
            assert_eq!(extend(bits, size), value);
        }
    }
}
