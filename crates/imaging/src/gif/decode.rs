//! GIF to pixels: every frame as it is shown, with partial frames laid and disposed of as the format says. What the first frame
//! leaves bare is transparent, as in browsers; the format's background colour is ignored by all of them.

use afterimage_variant::Window;

use super::blocks;
use crate::pixels::{Channels, Decoded, Frame, Frames, Pixels};
use crate::stop::{Stop, check};
use crate::{Error, Limits, Probe, Source};

/// Delays below this are played as [`DELAY_DEFAULT_MS`], as in every browser.
const DELAY_MIN_MS: u32 = 20;
const DELAY_DEFAULT_MS: u32 = 100;

pub(crate) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, Error> {
    let facts = blocks::read(bytes, limits)?;
    let mut probe = Probe::still(Source::Gif, facts.width, facts.height, 1, facts.alpha, limits)?;
    probe.frames = facts.frames;
    probe.channels = 4;
    Ok(probe)
}

pub(crate) fn decode<'a>(bytes: &'a [u8], limits: &Limits, stop: &'a dyn Stop) -> Result<Frames<'a>, Error> {
    let facts = blocks::read(bytes, limits)?;
    check(stop)?;
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let decoder = options.read_info(bytes).map_err(damage)?;
    let loops = match decoder.repeat() {
        gif::Repeat::Infinite => 0,
        // The extension counts repetitions; formats and browsers count plays.
        gif::Repeat::Finite(0) => 1,
        gif::Repeat::Finite(repetitions) => repetitions.saturating_add(1),
    };
    let canvas = Pixels::filled(facts.width, facts.height, Channels::Rgba, &[0; 4])?;
    let player = Player { decoder: Some(decoder), canvas, after: After::Keep, is_still: facts.frames == 1, stop };
    Ok(Frames {
        width: facts.width,
        height: facts.height,
        extent: (f64::from(facts.width), f64::from(facts.height)),
        orientation: 1,
        icc: None,
        copyright: Default::default(),
        loops,
        frames: Box::new(player.map(|frame| frame.map(|frame| frame.map(Decoded::Bytes)))),
    })
}

fn damage(error: gif::DecodingError) -> Error {
    match error {
        gif::DecodingError::UnexpectedEof => Error::truncated(error),
        gif::DecodingError::Io(error) => Error::truncated(error),
        other => Error::broken(other),
    }
}

/// What happens to the canvas before the next frame.
enum After {
    Keep,
    Clear(Window),
    Restore(Vec<u8>),
}

struct Player<'a> {
    /// `None` once an error or the end was reached.
    decoder: Option<gif::Decoder<&'a [u8]>>,
    canvas: Pixels,
    after: After,
    is_still: bool,
    stop: &'a dyn Stop,
}

impl Player<'_> {
    fn show(&mut self) -> Result<Option<Frame>, Error> {
        check(self.stop)?;
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        let Some(frame) = decoder.read_next_frame().map_err(damage)? else { return Ok(None) };
        let row_bytes = self.canvas.row_bytes();
        match std::mem::replace(&mut self.after, After::Keep) {
            After::Keep => {}
            After::Restore(before) => self.canvas.data = before,
            After::Clear(window) => {
                let (x, y, width, height) =
                    (window.x as usize, window.y as usize, window.width as usize, window.height as usize);
                for row in self.canvas.data.chunks_exact_mut(row_bytes).skip(y).take(height) {
                    row[x * 4..(x + width) * 4].fill(0);
                }
            }
        }
        // Frames that reach beyond the canvas are cut to it.
        let (left, top) = (u32::from(frame.left).min(self.canvas.width), u32::from(frame.top).min(self.canvas.height));
        let width = u32::from(frame.width).min(self.canvas.width - left);
        let height = u32::from(frame.height).min(self.canvas.height - top);
        let window = Window { x: left.into(), y: top.into(), width: width.into(), height: height.into() };
        let before = match frame.dispose {
            gif::DisposalMethod::Background => After::Clear(window),
            gif::DisposalMethod::Previous => After::Restore(self.canvas.data.clone()),
            gif::DisposalMethod::Any | gif::DisposalMethod::Keep => After::Keep,
        };
        let rows = self.canvas.data.chunks_exact_mut(row_bytes).skip(top as usize).take(height as usize);
        if frame.width > 0 {
            for (row, from) in rows.zip(frame.buffer.chunks_exact(usize::from(frame.width) * 4)) {
                let row = &mut row[left as usize * 4..(left + width) as usize * 4];
                for (pixel, from) in row.chunks_exact_mut(4).zip(from.chunks_exact(4)).filter(|(_, from)| from[3] != 0)
                {
                    pixel.copy_from_slice(from);
                }
            }
        }
        let delay_ms = match u32::from(frame.delay) * 10 {
            _ if self.is_still => 0,
            delay if delay < DELAY_MIN_MS => DELAY_DEFAULT_MS,
            delay => delay,
        };
        self.after = before;
        let pixels = self.canvas.clone();
        Ok(Some(Frame { pixels: if self.is_still { pixels.without_idle_alpha() } else { pixels }, delay_ms }))
    }
}

impl Iterator for Player<'_> {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let shown = self.show();
        if !matches!(shown, Ok(Some(_))) {
            self.decoder = None;
        }
        shown.transpose()
    }
}
