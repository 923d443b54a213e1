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
    options.set_color_output(gif::ColorOutput::Indexed);
    let decoder = options.read_info(bytes).map_err(damage)?;
    let loops = match decoder.repeat() {
        gif::Repeat::Infinite => 0,
        // The extension counts repetitions; formats and browsers count plays.
        gif::Repeat::Finite(0) => 1,
        gif::Repeat::Finite(repetitions) => repetitions.saturating_add(1),
    };
    let canvas = Pixels::filled(facts.width, facts.height, Channels::Rgba, &[0; 4])?;
    let is_still = facts.frames == 1;
    let global_colours = decoder.global_palette().unwrap_or_default().to_vec();
    let decoder = Some(decoder);
    let player = Player { decoder, global_colours, canvas, after: After::Keep, is_still, is_first: true, stop };
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
    Restore(Pixels),
}

struct Player<'a> {
    /// `None` once an error or the end was reached.
    decoder: Option<gif::Decoder<&'a [u8]>>,
    /// Three bytes a colour.
    global_colours: Vec<u8>,
    /// Without alpha from a first frame that is opaque until something is cleared: what scales and encodes it has less to do.
    canvas: Pixels,
    after: After,
    is_still: bool,
    is_first: bool,
    stop: &'a dyn Stop,
}

impl Player<'_> {
    fn show(&mut self) -> Result<Option<Frame>, Error> {
        check(self.stop)?;
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        let Some(frame) = decoder.read_next_frame().map_err(damage)? else { return Ok(None) };
        let colours = colours(frame, &self.global_colours);
        match std::mem::replace(&mut self.after, After::Keep) {
            After::Keep => {}
            After::Restore(before) => self.canvas = before,
            After::Clear(window) => clear(&mut self.canvas, window),
        }
        // Frames that reach beyond the canvas are cut to it.
        let (left, top) = (u32::from(frame.left).min(self.canvas.width), u32::from(frame.top).min(self.canvas.height));
        let width = u32::from(frame.width).min(self.canvas.width - left);
        let height = u32::from(frame.height).min(self.canvas.height - top);
        let window = Window { x: left.into(), y: top.into(), width: width.into(), height: height.into() };
        let before = match frame.dispose {
            gif::DisposalMethod::Background => After::Clear(window),
            gif::DisposalMethod::Previous => After::Restore(self.canvas.clone()),
            gif::DisposalMethod::Any | gif::DisposalMethod::Keep => After::Keep,
        };
        let (row_bytes, samples) = (self.canvas.row_bytes(), self.canvas.channels.samples());
        let columns = left as usize * samples..(left + width) as usize * samples;
        let draw = if samples == 3 { draw::<3> } else { draw::<4> };
        let rows = self.canvas.data.chunks_exact_mut(row_bytes).skip(top as usize).take(height as usize);
        if frame.width > 0 {
            for (row, indices) in rows.zip(frame.buffer.chunks_exact(frame.width.into())) {
                draw(&mut row[columns.clone()], indices, &colours);
            }
        }
        if std::mem::take(&mut self.is_first) && !self.canvas.is_translucent() {
            change(&mut self.canvas, Pixels::into_rgb);
        }
        let delay_ms = match u32::from(frame.delay) * 10 {
            _ if self.is_still => 0,
            delay if delay < DELAY_MIN_MS => DELAY_DEFAULT_MS,
            delay => delay,
        };
        self.after = before;
        Ok(Some(Frame { pixels: self.canvas.clone(), delay_ms }))
    }
}

/// Makes a part of a canvas transparent.
fn clear(canvas: &mut Pixels, window: Window) {
    let (x, y, width, height) = (window.x as usize, window.y as usize, window.width as usize, window.height as usize);
    if width == 0 || height == 0 {
        return;
    }
    change(canvas, Pixels::into_rgba);
    let row_bytes = canvas.row_bytes();
    for row in canvas.data.chunks_exact_mut(row_bytes).skip(y).take(height) {
        row[x * 4..(x + width) * 4].fill(0);
    }
}

fn change(canvas: &mut Pixels, into: fn(Pixels) -> Pixels) {
    *canvas = into(Pixels { data: std::mem::take(&mut canvas.data), ..*canvas });
}

/// The colour of every index. One without a colour is transparent.
fn colours(frame: &gif::Frame<'_>, global: &[u8]) -> [[u8; 4]; 256] {
    let palette = frame.palette.as_deref().unwrap_or(global);
    let mut colours = [[0; 4]; 256];
    for (colour, &[r, g, b]) in colours.iter_mut().zip(palette.as_chunks().0) {
        *colour = [r, g, b, 255];
    }
    if let Some(index) = frame.transparent {
        colours[usize::from(index)] = [0; 4];
    }
    colours
}

/// Draws a row over what is there, which what is transparent leaves.
fn draw<const SAMPLES: usize>(row: &mut [u8], indices: &[u8], colours: &[[u8; 4]; 256]) {
    for (pixel, index) in row.as_chunks_mut::<SAMPLES>().0.iter_mut().zip(indices) {
        let colour = colours[usize::from(*index)];
        if colour[3] != 0 {
            pixel.copy_from_slice(&colour[..SAMPLES]);
        }
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
