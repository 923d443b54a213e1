//! Pixels to GIF. Alpha is all or nothing: half and more shows. In an animation without transparency each frame holds only the
//! rectangle that changed, with what did not change in it transparent; with transparency every frame is whole and cleared after.

use super::quantise;
use crate::Error;
use crate::pixels::{Frame, Pixels};
use crate::stop::{Stop, check};

/// What a pixel needs to show at all.
const ALPHA_MIN: u8 = 128;

/// Encodes stills and animations. `loops`: how often it plays, 0 = for ever. Says how many frames there were.
pub(crate) fn encode(
    frames: &mut dyn Iterator<Item = Result<Frame, Error>>,
    loops: u16,
    stop: &dyn Stop,
) -> Result<(Vec<u8>, u32), Error> {
    let Some(first) = frames.next().transpose()? else { return Err(Error::encode("no frame")) };
    let first = opened(first);
    let side = |side: u32| {
        let max = u64::from(u16::MAX);
        u16::try_from(side).map_err(|_| Error::OutputTooLarge { asked: side.into(), max })
    };
    let (width, height) = (side(first.pixels.width)?, side(first.pixels.height)?);
    let mut encoder = gif::Encoder::new(Vec::new(), width, height, &[]).map_err(Error::encode)?;
    let mut writer = Writer { before: None, count: 0 };
    // One frame is held back: whether it is cleared afterwards depends on the next.
    let mut held = first;
    loop {
        check(stop)?;
        let next = frames.next().transpose()?.map(opened);
        if writer.count == 0 && next.is_some() && loops != 1 {
            let repeat = if loops == 0 { gif::Repeat::Infinite } else { gif::Repeat::Finite(loops - 1) };
            encoder.set_repeat(repeat).map_err(Error::encode)?;
        }
        let clears = next.as_ref().is_some_and(|next| uncovers(&held.pixels, &next.pixels));
        encoder.write_frame(&writer.frame(held, clears)?).map_err(Error::encode)?;
        match next {
            Some(next) => held = next,
            None => break,
        }
    }
    Ok((encoder.into_inner().map_err(Error::encode)?, writer.count))
}

/// With alpha that is all or nothing, and no colour where nothing shows.
fn opened(frame: Frame) -> Frame {
    let mut pixels = frame.pixels.into_rgba();
    for pixel in pixels.data.chunks_exact_mut(4) {
        if pixel[3] < ALPHA_MIN { pixel.fill(0) } else { pixel[3] = 255 }
    }
    Frame { pixels, ..frame }
}

/// Whether something that shows now is bare in the next frame.
fn uncovers(now: &Pixels, next: &Pixels) -> bool {
    now.data.chunks_exact(4).zip(next.data.chunks_exact(4)).any(|(now, next)| now[3] != 0 && next[3] == 0)
}

struct Writer {
    /// What shows when the next frame begins; `None` when that is nothing.
    before: Option<Pixels>,
    count: u32,
}

impl Writer {
    fn frame(&mut self, frame: Frame, clears: bool) -> Result<gif::Frame<'static>, Error> {
        let now = &frame.pixels;
        let (width, height) = (now.width as usize, now.height as usize);
        let changed: Vec<bool> = match &self.before {
            Some(before) => now.data.chunks_exact(4).zip(before.data.chunks_exact(4)).map(|(a, b)| a != b).collect(),
            None => now.data.chunks_exact(4).map(|pixel| pixel[3] != 0).collect(),
        };
        // A frame that is cleared afterwards must be whole: clearing takes away just its own rectangle.
        let (left, top, right, bottom) = if clears || self.count == 0 {
            (0, 0, width, height)
        } else {
            rectangle(&changed, width).unwrap_or((0, 0, 1, 1))
        };
        let (part_width, part_height) = (right - left, bottom - top);
        let rows = (top..bottom).map(|y| y * width + left..y * width + right);
        let shows: Vec<bool> = rows.clone().flat_map(|row| &changed[row]).copied().collect();
        let rgba: Vec<u8> = rows.flat_map(|row| &now.data[row.start * 4..row.end * 4]).copied().collect();
        let indexed = quantise::index(rgba, part_width, &shows)?;
        self.before = (!clears).then_some(frame.pixels);
        self.count += 1;
        Ok(gif::Frame {
            // Hundredths of a second, rounded.
            delay: u16::try_from((frame.delay_ms + 5) / 10).unwrap_or(u16::MAX),
            dispose: if clears { gif::DisposalMethod::Background } else { gif::DisposalMethod::Keep },
            transparent: shows.contains(&false).then_some(0),
            left: left as u16,
            top: top as u16,
            width: part_width as u16,
            height: part_height as u16,
            palette: Some(indexed.palette),
            buffer: indexed.indices.into(),
            ..gif::Frame::default()
        })
    }
}

/// The smallest rectangle around everything that changed: left, top, right, bottom.
fn rectangle(changed: &[bool], width: usize) -> Option<(usize, usize, usize, usize)> {
    let mut found: Option<(usize, usize, usize, usize)> = None;
    for (y, row) in changed.chunks_exact(width).enumerate() {
        let Some(left) = row.iter().position(|changed| *changed) else { continue };
        let right = row.iter().rposition(|changed| *changed).unwrap_or(left) + 1;
        found = Some(match found {
            None => (left, y, right, y + 1),
            Some((l, t, r, _)) => (l.min(left), t, r.max(right), y + 1),
        });
    }
    found
}
