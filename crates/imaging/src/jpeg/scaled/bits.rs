//! Entropy-coded data as bits: the file's bytes without stuffing, a few thousand at a time, and a window of 64 bits over them.

use super::Damage;
use crate::Error;

/// Bytes held at once. A power of two, so that an index is held inside by a mask, which costs nothing.
const HELD: usize = 1 << 15;

/// More bytes than one MCU can take: ten blocks of 64 symbols of at most 16 bits with 15 more each, and what the window reads ahead.
const MCU_BYTES_MAX: usize = 10 * 64 * 31 / 8 + 16;

/// What [`Bits`] reads from. Longer than is ever filled, so that eight bytes can be read at any place.
pub(super) type Held = [u8; HELD + 8];

/// A window over the bits. It has to stay in registers from block to block, where nearly all time is spent: what takes it by
/// reference is always inlined, what is not takes it by value and gives it back.
#[derive(Clone, Copy, Default)]
pub(super) struct Bits {
    /// The next bits, the first one on top.
    window: u64,
    /// How many of them are valid.
    valid: u64,
    /// Where in [`Held`] the next byte comes from.
    at: usize,
}

impl Bits {
    /// Makes at least 56 bits valid. What lies behind the end is whatever was there: [`Feed::check`] finds out.
    #[inline(always)]
    pub(super) fn refill(&mut self, held: &Held) {
        let at = self.at & (HELD - 1);
        let mut next = [0; 8];
        next.copy_from_slice(&held[at..at + 8]);
        // Bits beyond `valid` may be set already, and then to the same values.
        self.window |= u64::from_be_bytes(next) >> self.valid;
        self.at += ((63 - self.valid) >> 3) as usize;
        self.valid |= 56;
    }

    #[inline(always)]
    pub(super) fn peek<const COUNT: u32>(&self) -> usize {
        (self.window >> (64 - COUNT)) as usize
    }

    /// Takes `count` bits that were valid.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.window <<= count & 63;
        self.valid = self.valid.wrapping_sub(count.into());
    }

    /// The next `count` bits, 0 to 32, as a number.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        // In two steps, because a shift by 64 is none.
        let value = (self.window >> 1 >> (63 - count)) as u32;
        self.skip(count);
        value
    }

    /// Bits taken since the front of what is held; fewer than none where the last ones taken were moved out.
    fn consumed(&self) -> isize {
        self.at as isize * 8 - self.valid as isize
    }
}

/// Hands the file's entropy-coded bytes to [`Bits`], up to the next marker.
pub(super) struct Feed<'a> {
    file: &'a [u8],
    /// Where in the file the next byte to take is; once ended, the marker.
    next: usize,
    pub(super) held: Box<Held>,
    filled: usize,
    /// Whether a marker, or the end of the file, follows what is held.
    ended: bool,
    /// Where `Bits::at` is worth a closer look.
    limit: usize,
    /// Pairs of a place in `held` (negative once moved out) and the place in the file that it came from, ascending.
    origins: Vec<(isize, usize)>,
}

impl<'a> Feed<'a> {
    /// Starts at the first entropy-coded byte of a scan.
    pub(super) fn new(file: &'a [u8], start: usize) -> Self {
        let held = vec![0; HELD + 8].into_boxed_slice().try_into().expect("as long as its type says");
        let mut feed = Self { file, next: start, held, filled: 0, ended: false, limit: 0, origins: Vec::new() };
        feed.fill();
        feed
    }

    /// To be asked before every MCU: sees to it that all of it is held.
    #[inline(always)]
    pub(super) fn check(&mut self, bits: &mut Bits) -> Result<(), Damage> {
        if bits.at <= self.limit {
            return Ok(());
        }
        let (moved, outcome) = self.look_closer(*bits);
        *bits = moved;
        outcome
    }

    #[cold]
    #[inline(never)]
    fn look_closer(&mut self, mut bits: Bits) -> (Bits, Result<(), Damage>) {
        if !self.ended {
            self.advance(&mut bits);
        }
        let is_past = self.ended && bits.consumed() > self.filled as isize * 8;
        (bits, if is_past { Err(Damage::EndsEarly) } else { Ok(()) })
    }

    /// Moves what is still to be read to the front and fills up behind it.
    fn advance(&mut self, bits: &mut Bits) {
        let done = bits.at.min(self.filled);
        self.held.copy_within(done..self.filled, 0);
        self.filled -= done;
        bits.at -= done;
        for origin in &mut self.origins {
            origin.0 -= done as isize;
        }
        let still_needed = self.origins.iter().rposition(|origin| origin.0 <= -8).unwrap_or(0);
        self.origins.drain(..still_needed);
        self.fill();
    }

    fn fill(&mut self) {
        self.origins.push((self.filled as isize, self.next));
        while self.filled < HELD {
            let rest = &self.file[self.next.min(self.file.len())..];
            let room = HELD - self.filled;
            let look = &rest[..rest.len().min(room)];
            let plain = memchr::memchr(0xff, look).unwrap_or(look.len());
            self.held[self.filled..self.filled + plain].copy_from_slice(&look[..plain]);
            self.filled += plain;
            self.next += plain;
            match rest[plain..] {
                [0xff, 0x00, ..] if plain < room => {
                    self.held[self.filled] = 0xff;
                    self.filled += 1;
                    self.next += 2;
                }
                [0xff, 0xff, ..] if plain < room => self.next += 1,
                [0xff, ..] | [] if plain < room || rest.len() == plain => {
                    self.ended = true;
                    break;
                }
                _ => {}
            }
        }
        // Near the end every MCU is checked: one that begins inside may end outside.
        self.limit = if self.ended { self.filled } else { self.filled.saturating_sub(MCU_BYTES_MAX) };
    }

    /// Ends a run of entropy-coded data: it must have been used up but for less than a byte of padding. Gives the marker that
    /// follows.
    pub(super) fn finish(&mut self, mut bits: Bits) -> Result<u8, Damage> {
        if !self.ended {
            self.advance(&mut bits);
        }
        let (consumed, held) = (bits.consumed(), self.filled as isize * 8);
        match () {
            () if self.ended && consumed > held => Err(Damage::EndsEarly),
            () if !self.ended || held - consumed >= 8 => Err(Damage::Leftover),
            () => self.file.get(self.next + 1).copied().ok_or(Damage::EndsEarly),
        }
    }

    /// Goes on behind the restart marker that [`finish`](Self::finish) found.
    pub(super) fn restart(&mut self) -> Bits {
        self.next += 2;
        self.filled = 0;
        self.ended = false;
        self.origins.clear();
        self.fill();
        Bits::default()
    }

    /// Where the marker behind the data is, once [`finish`](Self::finish) has found it.
    pub(super) fn marker_at(&self) -> usize {
        self.next
    }

    /// Damage as it is reported: where, and whether it is that the data ends. What was read behind the end is anything.
    pub(super) fn report(&self, damage: Damage, bits: Bits) -> Error {
        /// The longest code and the most bits that follow one.
        const SYMBOL_BITS: isize = 31;
        let is_end = self.ended && bits.consumed() + SYMBOL_BITS > self.filled as isize * 8;
        let damage = match damage {
            Damage::NoCode | Damage::PastBlock | Damage::BadCorrection if is_end => Damage::EndsEarly,
            other => other,
        };
        damage.at(self.place(&bits))
    }

    /// The byte of the file that holds the next bit.
    fn place(&self, bits: &Bits) -> usize {
        let place = bits.consumed().div_euclid(8).min(self.filled as isize);
        let origin = self.origins.iter().rfind(|origin| origin.0 <= place).or(self.origins.first());
        let Some(&(held, mut at)) = origin else { return self.next };
        for _ in held..place {
            at += match self.file[at.min(self.file.len())..] {
                [0xff, 0x00, ..] => 2,
                // Fill bytes before a stuffed zero.
                [0xff, 0xff, ..] => 1 + usize::from(self.file[at + 1..].starts_with(&[0xff, 0x00])) * 2,
                _ => 1,
            };
        }
        at.min(self.file.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(feed: &mut Feed<'_>, bits: &mut Bits, count: usize) -> Vec<u8> {
        (0..count)
            .map(|_| {
                feed.check(bits).expect("enough");
                bits.refill(&feed.held);
                bits.take(8) as u8
            })
            .collect()
    }

    #[test]
    fn stuffing_goes_and_markers_end() {
        let file = [1, 0xff, 0, 2, 0xff, 0xff, 0, 3, 0xff, 0xff, 0xd3, 9, 0xff, 0xd9];
        let (mut feed, mut bits) = (Feed::new(&file, 0), Bits::default());
        assert_eq!(read_all(&mut feed, &mut bits, 5), [1, 0xff, 2, 0xff, 3]);
        assert_eq!(feed.finish(bits), Ok(0xd3));
        bits = feed.restart();
        assert_eq!(read_all(&mut feed, &mut bits, 1), [9]);
        assert_eq!(feed.place(&bits), 12);
        assert_eq!(feed.finish(bits), Ok(0xd9));
        assert_eq!(feed.marker_at(), 12);
        bits.refill(&feed.held);
        bits.skip(1);
        assert_eq!(feed.finish(bits), Err(Damage::EndsEarly));
    }

    #[test]
    fn long_data_passes_through_a_small_hold() {
        let plain: Vec<u8> = (0..200_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut file: Vec<u8> =
            plain.iter().flat_map(|&byte| [byte, 0].into_iter().take(1 + usize::from(byte == 255))).collect();
        file.extend([0xff, 0xd9]);
        let (mut feed, mut bits) = (Feed::new(&file, 0), Bits::default());
        for (at, byte) in plain.iter().enumerate() {
            assert_eq!(read_all(&mut feed, &mut bits, 1), [*byte]);
            if at % 997 == 0 {
                let stuffed = plain[..=at].iter().filter(|&&byte| byte == 255).count();
                assert_eq!(feed.place(&bits), at + 1 + stuffed);
            }
        }
        assert_eq!(feed.finish(bits), Ok(0xd9));
        assert_eq!(feed.marker_at(), file.len() - 2);
    }

    #[test]
    fn what_is_left_over_is_damage() {
        let (mut feed, mut bits) = (Feed::new(&[1, 2, 0xff, 0xd9], 0), Bits::default());
        bits.refill(&feed.held);
        bits.skip(8);
        assert_eq!(feed.finish(bits), Err(Damage::Leftover));
        bits.skip(1);
        assert_eq!(feed.finish(bits), Ok(0xd9));
    }
}
