//! WebP to pixels. Each bitstream is decoded as a small file of its own; animations are composed here (RFC 9649, section 2.7.1.1).

use std::io::Cursor;
use std::ops::Range;

use super::riff::{self, Container, u24};
use crate::canvas;
use crate::copyright::Copyright;
use crate::exif;
use crate::pixels::{Channels, Decoded, Frame, Frames, Pixels};
use crate::stop::{Stop, check};
use crate::{Error, Limits, Probe, Source};

pub(crate) fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, Error> {
    let container = riff::read(bytes, limits)?;
    let orientation = exif_of(bytes, &container).orientation;
    let mut probe =
        Probe::still(Source::Webp, container.width, container.height, orientation, container.alpha, limits)?;
    probe.frames = container.frames.len().max(1) as u32;
    probe.channels = if container.alpha || probe.frames > 1 { 4 } else { 3 };
    Ok(probe)
}

fn exif_of(bytes: &[u8], container: &Container) -> exif::Facts {
    container.exif.clone().map(|range| exif::read(&bytes[range])).unwrap_or_default()
}

pub(crate) fn decode<'a>(bytes: &'a [u8], limits: &Limits, stop: &'a dyn Stop) -> Result<Frames<'a>, Error> {
    let container = riff::read(bytes, limits)?;
    check(stop)?;
    let facts = exif_of(bytes, &container);
    let frames: Box<dyn Iterator<Item = Result<Frame<Decoded>, Error>> + 'a> = if container.frames.is_empty() {
        let chunks: Vec<_> = container.image.iter().map(|chunk| (&chunk.name, &bytes[chunk.body.clone()])).collect();
        let pixels = bitstream(&chunks, container.width, container.height)?.without_idle_alpha();
        Box::new(std::iter::once(Ok(Frame { pixels: pixels.into(), delay_ms: 0 })))
    } else {
        Box::new(Animation::new(bytes, &container, stop)?.map(|frame| frame.map(|frame| frame.map(Decoded::Bytes))))
    };
    Ok(Frames {
        width: container.width,
        height: container.height,
        extent: (f64::from(container.width), f64::from(container.height)),
        orientation: facts.orientation,
        icc: container.icc.map(|range| bytes[range].to_vec()),
        copyright: Copyright::of_exif(&facts),
        loops: container.loops,
        frames,
    })
}

/// Decodes one bitstream with its alpha, if any, as a file of its own. It must be exactly of the announced size.
fn bitstream(chunks: &[(&[u8; 4], &[u8])], width: u32, height: u32) -> Result<Pixels, Error> {
    let file = match chunks {
        [only] => riff::write(&[*only]),
        _ => {
            let head = riff::extended_header(width, height, 0x10);
            riff::write(&[&[(b"VP8X", head.as_slice())], chunks].concat())
        }
    };
    let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file)).map_err(damage)?;
    if decoder.dimensions() != (width, height) || decoder.is_animated() {
        return Err(Error::broken("a bitstream of another size than its frame"));
    }
    let channels = if decoder.has_alpha() { Channels::Rgba } else { Channels::Rgb };
    let mut data = vec![0; crate::pixels::buffer_len(width, height, channels)?];
    decoder.read_image(&mut data).map_err(damage)?;
    Pixels::new(width, height, channels, data)
}

fn damage(error: image_webp::DecodingError) -> Error {
    match error {
        image_webp::DecodingError::IoError(error) => Error::truncated(error),
        image_webp::DecodingError::UnsupportedFeature(what) => Error::unsupported(what),
        other => Error::broken(other),
    }
}

/// Plays an animation frame by frame onto one canvas. The background is transparent, as in browsers.
struct Animation<'a> {
    bytes: &'a [u8],
    frames: std::vec::IntoIter<Range<usize>>,
    canvas: Pixels,
    /// What the frame before asked to be cleared: x, y, width, height.
    dispose: Option<[u32; 4]>,
    stop: &'a dyn Stop,
}

impl<'a> Animation<'a> {
    fn new(bytes: &'a [u8], container: &Container, stop: &'a dyn Stop) -> Result<Self, Error> {
        let canvas = Pixels::filled(container.width, container.height, Channels::Rgba, &[0; 4])?;
        Ok(Self { bytes, frames: container.frames.clone().into_iter(), canvas, dispose: None, stop })
    }

    fn show(&mut self, range: Range<usize>) -> Result<Frame, Error> {
        check(self.stop)?;
        let head = self.bytes[range.clone()].first_chunk::<16>().ok_or_else(|| Error::broken("ANMF too short"))?;
        let (x, y) = (u24(&head[0..]) * 2, u24(&head[3..]) * 2);
        let (width, height) = (u24(&head[6..]) + 1, u24(&head[9..]) + 1);
        if x + width > self.canvas.width || y + height > self.canvas.height {
            return Err(Error::broken("a frame reaches beyond the canvas"));
        }
        let chunks = riff::chunks(self.bytes, range.start + 16, range.end)?;
        let image = chunks.iter().find(|chunk| matches!(&chunk.name, b"VP8 " | b"VP8L"));
        let image = image.ok_or_else(|| Error::broken("a frame without a picture"))?;
        let alpha = chunks.iter().find(|chunk| &chunk.name == b"ALPH" && &image.name == b"VP8 ");
        let parts: Vec<_> =
            alpha.into_iter().chain([image]).map(|chunk| (&chunk.name, &self.bytes[chunk.body.clone()])).collect();
        let picture = bitstream(&parts, width, height)?.into_rgba();
        if let Some([x, y, width, height]) = self.dispose.take() {
            self.each_row(x, y, width, height, |_, row| row.fill(0));
        }
        let blends = head[15] & 0b10 == 0;
        self.each_row(x, y, width, height, |at, row| {
            let from = &picture.data[at * row.len()..][..row.len()];
            if blends { canvas::blend_row(row, from) } else { row.copy_from_slice(from) }
        });
        if head[15] & 0b01 != 0 {
            self.dispose = Some([x, y, width, height]);
        }
        Ok(Frame { pixels: self.canvas.clone(), delay_ms: u24(&head[12..]) })
    }

    fn each_row(&mut self, x: u32, y: u32, width: u32, height: u32, mut act: impl FnMut(usize, &mut [u8])) {
        let row_bytes = self.canvas.row_bytes();
        let columns = x as usize * 4..(x + width) as usize * 4;
        let rows = self.canvas.data.chunks_exact_mut(row_bytes).skip(y as usize).take(height as usize);
        rows.enumerate().for_each(|(at, row)| act(at, &mut row[columns.clone()]));
    }
}

impl Iterator for Animation<'_> {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.frames.next()?;
        let shown = self.show(range);
        if shown.is_err() {
            self.frames = Vec::new().into_iter();
        }
        Some(shown)
    }
}
