//! The blocks of a GIF (GIF89a specification), walked without decoding: how many frames there are, whether anything is transparent,
//! and whether the file has an end.

use crate::{Error, Limits};

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) frames: u32,
    /// Some frame has a transparent index, or leaves part of the canvas bare.
    pub(super) alpha: bool,
}

pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Facts, Error> {
    let mut walk = Walk { bytes, at: 6 };
    let screen = walk.take(7)?;
    let side = |at: usize| u32::from(u16::from_le_bytes([screen[at], screen[at + 1]]));
    let (width, height) = (side(0), side(2));
    if width == 0 || height == 0 {
        return Err(Error::broken(format!("{width}x{height} pixels")));
    }
    let has_global_colours = walk.skip_colours(screen[4])?;
    let mut facts = Facts { width, height, frames: 0, alpha: false };
    let mut metadata_bytes = 0;
    loop {
        match walk.take(1)?[0] {
            0x3b => break,
            0x21 => {
                let label = walk.take(1)?[0];
                if label == 0xf9 && walk.bytes.get(walk.at + 1).is_some_and(|packed| packed & 1 == 1) {
                    facts.alpha = true;
                }
                metadata_bytes += walk.skip_subblocks()?;
                limits.admit_metadata(metadata_bytes)?;
            }
            0x2c => {
                let image = walk.take(9)?;
                let at = |at: usize| u32::from(u16::from_le_bytes([image[at], image[at + 1]]));
                facts.frames += 1;
                if facts.frames > limits.frames_max {
                    return Err(Error::TooManyFrames { asked: facts.frames.into(), max: limits.frames_max.into() });
                }
                if facts.frames == 1 && (at(0), at(2), at(4), at(6)) != (0, 0, width, height) {
                    facts.alpha = true;
                }
                // A frame larger than the canvas is decoded whole: it counts as what it costs.
                limits.admit(at(4).max(width), at(6).max(height), facts.frames.into())?;
                if !walk.skip_colours(image[8])? && !has_global_colours {
                    return Err(Error::broken("a frame without colours"));
                }
                walk.take(1)?;
                walk.skip_subblocks()?;
            }
            // Some writers pad with zeros between blocks.
            0x00 => {}
            other => return Err(Error::broken(format!("an unknown block {other:02x}"))),
        }
    }
    if facts.frames == 0 {
        return Err(Error::broken("no frame"));
    }
    Ok(facts)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes.get(self.at..self.at + count).ok_or_else(|| Error::truncated("no trailer"))?;
        self.at += count;
        Ok(taken)
    }

    /// Skips a colour table if these flags announce one, and says whether they do.
    fn skip_colours(&mut self, flags: u8) -> Result<bool, Error> {
        let has_colours = flags & 0x80 != 0;
        if has_colours {
            self.take(3 << ((flags & 7) + 1))?;
        }
        Ok(has_colours)
    }

    /// Skips a chain of sub-blocks and says how many bytes they held.
    fn skip_subblocks(&mut self) -> Result<u64, Error> {
        let mut held = 0;
        loop {
            match self.take(1)?[0] {
                0 => return Ok(held),
                length => held += self.take(length.into())?.len() as u64,
            }
        }
    }
}
