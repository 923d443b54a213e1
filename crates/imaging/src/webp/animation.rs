//! Frames to an animated WebP (RFC 9649, section 2.7.1). The first frame is whole; of each further one only the smallest rectangle
//! around what changed is encoded, as a still of its own. What changed is told by what was last encoded of a place, not by the frame
//! before: a slow fade cannot creep away below the tolerance.

mod change;

use change::{Area, bounds, differ, lay};

use super::encode::{Encoding, encode};
use super::riff;
use crate::Error;
use crate::pixels::{Channels, Frame, Pixels};
use crate::scale::cut;
use crate::stop::{Stop, check};

/// Side of the blocks that are left out where they did not change: what VP8 codes at a time.
const BLOCK: usize = 16;

/// Leaving blocks out takes a plane of alpha: it has to spare one of so many.
const LEFT_OUT_MIN: usize = 8;

/// Longest time that a frame can show, in milliseconds: 24 bits.
const SHOWN_MS_MAX: u32 = 0xff_ffff;

/// Where the body of a frame says how long it shows.
const SHOWN_AT: std::ops::Range<usize> = 12..15;

/// Flag of a frame: what it holds replaces what is there, alpha included.
const REPLACES: u8 = 0b10;

/// Flags of the file.
const HAS_ALPHA: u8 = 0x10;
const MOVES: u8 = 0x02;

/// Encodes an animation; `loops` as in the format, 0 = for ever. All frames have one size. Says how many there were: one that changes
/// nothing lengthens the one before.
pub(crate) fn encode_animation(
    frames: &mut dyn Iterator<Item = Result<Frame, Error>>,
    loops: u16,
    encoding: Encoding,
    stop: &dyn Stop,
) -> Result<(Vec<u8>, u32), Error> {
    let first = frames.next().ok_or_else(|| Error::encode("no frame"))??;
    let shown = coloured(first.pixels);
    let (width, height) = (shown.width, shown.height);
    let mut film = Film { shown, written: Vec::new(), has_alpha: false, encoding, stop };
    film.write((0, 0), &film.shown.clone().without_idle_alpha(), REPLACES, first.delay_ms)?;
    let mut count = 1;
    for frame in frames {
        check(stop)?;
        let Frame { pixels, delay_ms } = frame?;
        film.add(coloured(pixels), delay_ms)?;
        count += 1;
    }
    let head = riff::extended_header(width, height, MOVES | if film.has_alpha { HAS_ALPHA } else { 0 });
    // A white background, which nobody sees behind a first frame that is whole, and how often it plays.
    let [low, high] = loops.to_le_bytes();
    let control = [255, 255, 255, 255, low, high];
    let mut chunks: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &head), (b"ANIM", &control)];
    chunks.extend(film.written.iter().map(|body| (b"ANMF", body.as_slice())));
    Ok((riff::write(&chunks), count))
}

fn coloured(pixels: Pixels) -> Pixels {
    if pixels.channels == Channels::Gray { pixels.into_rgb() } else { pixels }
}

/// What was written so far.
struct Film<'a> {
    /// What shows, as it was before it was encoded.
    shown: Pixels,
    /// Bodies of the frames.
    written: Vec<Vec<u8>>,
    has_alpha: bool,
    encoding: Encoding,
    stop: &'a dyn Stop,
}

impl Film<'_> {
    fn add(&mut self, mut now: Pixels, delay_ms: u32) -> Result<(), Error> {
        if now.channels != self.shown.channels {
            now = now.into_rgba();
            self.shown = std::mem::replace(&mut self.shown, now.clone()).into_rgba();
        }
        let tolerance = self.tolerance();
        let Some(area) = bounds(&self.shown, &now, Area::whole(&now), tolerance).map(Area::at_even_places) else {
            return self.lengthen(delay_ms);
        };
        let mut part = cut(&now, area.left, area.top, area.width() as u32, area.height() as u32).without_idle_alpha();
        // What is left out shows what was there, so nothing can become more transparent by that.
        if part.channels == Channels::Rgb {
            let (fresh, same): (Vec<Area>, Vec<Area>) =
                area.blocks(BLOCK).partition(|block| differ(&self.shown, &now, *block, tolerance));
            if same.len() * LEFT_OUT_MIN >= fresh.len() + same.len() {
                part = part.into_rgba();
                same.iter().for_each(|block| block.within(area).clear(&mut part));
                self.write((area.left, area.top), &part, 0, delay_ms)?;
                fresh.iter().for_each(|block| lay(&now, *block, &mut self.shown));
                return Ok(());
            }
        }
        self.write((area.left, area.top), &part, REPLACES, delay_ms)?;
        lay(&now, area, &mut self.shown);
        Ok(())
    }

    /// The greatest difference of a sample that stays as it is: less than what such a quality does to it anyway.
    fn tolerance(&self) -> u8 {
        ((100.0 - self.encoding.quality.clamp(0.0, 100.0)) / 5.0) as u8
    }

    /// Nothing changed: the last frame shows for longer, or is followed by one of a pixel.
    fn lengthen(&mut self, delay_ms: u32) -> Result<(), Error> {
        let last = self.written.last_mut().ok_or_else(|| Error::encode("no frame to lengthen"))?;
        let shown_ms = riff::u24(&last[SHOWN_AT]).saturating_add(delay_ms);
        if shown_ms <= SHOWN_MS_MAX {
            last[SHOWN_AT].copy_from_slice(&shown_ms.to_le_bytes()[..3]);
            return Ok(());
        }
        self.write((0, 0), &cut(&self.shown, 0, 0, 1, 1).without_idle_alpha(), REPLACES, delay_ms)
    }

    fn write(&mut self, (left, top): (usize, usize), part: &Pixels, flags: u8, delay_ms: u32) -> Result<(), Error> {
        let mut body = Vec::new();
        let sizes = [left as u32 / 2, top as u32 / 2, part.width - 1, part.height - 1, delay_ms.min(SHOWN_MS_MAX)];
        sizes.iter().for_each(|number| body.extend_from_slice(&number.to_le_bytes()[..3]));
        body.push(flags);
        let still = encode(part, self.encoding, self.stop)?;
        for chunk in riff::chunks(&still, 12, still.len())?.iter().filter(|chunk| &chunk.name != b"VP8X") {
            self.has_alpha |= &chunk.name == b"ALPH";
            // With its header, and the byte that makes its length even.
            let end = chunk.body.end + (chunk.body.len() & 1);
            body.extend_from_slice(&still[chunk.body.start - 8..end]);
        }
        self.written.push(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
