//! An AVIF file to pixels: each tile is decoded, converted and laid in its place, colour first, then alpha. It must never hold
//! more than one decoded tile beside the picture.

use super::boxes::{broken, unsupported};
use super::cicp::Cicp;
use super::codec::{Decoder, Picture};
use super::container::Container;
use super::{Header, Layer, convert};
use crate::copyright::Copyright;
use crate::pixels::{Channels, Decoded, Frames, Pixels, Sample, buffer_len};
use crate::stop::check;
use crate::{Error, Limits, Stop, exif};

/// Rows between two questions whether anyone still waits.
const ROWS_PER_CHECK: usize = 64;

/// Decodes the still picture of an AVIF file.
///
/// The pixels are as stored, within the clean aperture; the orientation is for the caller to apply, as with every format.
///
/// # Errors
/// As [`super::header`]; also streams that are damaged, or of another size than announced.
pub(crate) fn decode(bytes: &[u8], limits: &Limits, stop: &dyn Stop) -> Result<Frames<'static>, Error> {
    let container = Container::parse(bytes, limits.metadata_bytes_max)?;
    let header = super::header_of(bytes, &container, limits)?;
    match header.wide {
        true => decode_as::<u16>(bytes, &container, header, limits, stop),
        false => decode_as::<u8>(bytes, &container, header, limits, stop),
    }
}

fn decode_as<S: Sample>(
    bytes: &[u8],
    container: &Container,
    mut header: Header,
    limits: &Limits,
    stop: &dyn Stop,
) -> Result<Frames<'static>, Error>
where
    Decoded: From<Pixels<S>>,
{
    let layout = &header.layout;
    let colour = &layout.colour;
    let mut canvas = Canvas::<S>::new(colour, layout.alpha.is_some())?;
    let mut stream_cicp = None;
    for_each_tile(bytes, container, colour, limits, stop, |picture, x, y| {
        let cicp = layout.cicp.unwrap_or_else(|| picture.cicp());
        stream_cicp.get_or_insert(cicp);
        canvas.colour(picture, cicp, (x, y), stop)
    })?;
    if let Some(alpha) = &layout.alpha {
        for_each_tile(bytes, container, alpha, limits, stop, |picture, x, y| {
            canvas.alpha(picture, (x, y));
            Ok(())
        })?;
        if layout.premultiplied {
            convert::unpremultiply(&mut canvas.data);
        }
    }
    if header.icc.is_none() && layout.cicp.is_none() {
        header.icc = stream_cicp.and_then(Cicp::profile);
    }
    let pixels = canvas.finish(layout.crop.map(|crop| (crop.x, crop.y, crop.width, crop.height)))?;
    Ok(Frames {
        orientation: header.orientation,
        icc: header.icc,
        copyright: copyright(bytes, container),
        ..Frames::still(pixels)
    })
}

/// Decodes the tiles of a layer in turn, with the place of each.
fn for_each_tile(
    bytes: &[u8],
    container: &Container,
    layer: &Layer,
    limits: &Limits,
    stop: &dyn Stop,
    mut lay: impl FnMut(&Picture<'_>, u32, u32) -> Result<(), Error>,
) -> Result<(), Error> {
    for (index, id) in (0u32..).zip(&layer.tiles) {
        check(stop)?;
        let item = container.item(*id).ok_or_else(|| broken("a missing tile"))?;
        let stream = container.bytes_of(bytes, item)?;
        let mut decoder = Decoder::new()?;
        let picture = decoder.decode(&stream, (layer.tile_width, layer.tile_height), limits)?;
        let (column, row) = (index % layer.columns, index / layer.columns);
        lay(&picture, column * layer.tile_width, row * layer.tile_height)?;
    }
    Ok(())
}

/// The picture as it fills.
struct Canvas<S> {
    width: usize,
    height: usize,
    step: usize,
    data: Vec<S>,
    gray: bool,
}

impl<S: Sample> Canvas<S> {
    fn new(layer: &Layer, alpha: bool) -> Result<Self, Error> {
        let channels = if alpha { Channels::Rgba } else { Channels::Rgb };
        let data = vec![S::default(); buffer_len(layer.width, layer.height, channels)?];
        Ok(Self {
            width: layer.width as usize,
            height: layer.height as usize,
            step: channels.samples(),
            data,
            gray: true,
        })
    }

    /// The samples of one row of the canvas from column `x`; at most `count` pixels.
    fn row(&mut self, x: usize, y: usize, count: usize) -> &mut [S] {
        let start = (y * self.width + x) * self.step;
        let stop = (y * self.width + (x + count).min(self.width)) * self.step;
        &mut self.data[start..stop]
    }

    /// How much of a tile at `(x, y)` shows: the last column and row may reach beyond the picture.
    fn shown(&self, picture: &Picture<'_>, (x, y): (u32, u32)) -> (usize, usize, usize, usize) {
        let (width, height) = picture.plane_size(0);
        let (x, y) = (x as usize, y as usize);
        (x, y, width.min(self.width.saturating_sub(x)), height.min(self.height.saturating_sub(y)))
    }

    fn colour(&mut self, picture: &Picture<'_>, cicp: Cicp, at: (u32, u32), stop: &dyn Stop) -> Result<(), Error> {
        let (left, top, columns, rows) = self.shown(picture, at);
        let step = self.step;
        let (width, _) = picture.plane_size(0);
        let mut luma = vec![0; width];
        if picture.is_gray() {
            for y in 0..rows {
                picture.row(0, y, &mut luma);
                let row = self.row(left, top + y, columns);
                for channel in 0..3 {
                    convert::gray_row(&luma[..columns], picture.depth(), cicp.full_range, &mut row[channel..], step);
                }
            }
            return Ok(());
        }
        self.gray = false;
        let (halved_x, halved_y) = picture.subsampled();
        if cicp.matrix == 0 && (halved_x || halved_y) {
            return Err(unsupported("RGB with subsampling"));
        }
        let to_rgb = convert::ToRgb::new::<S>(cicp, picture.depth())?;
        let (chroma_width, chroma_height) = picture.plane_size(1);
        let (mut near, mut far) = (vec![0; chroma_width], vec![0; chroma_width]);
        let mut chroma = [vec![0; width], vec![0; width]];
        let mut blend = Vec::new();
        for y in 0..rows {
            if y % ROWS_PER_CHECK == 0 {
                check(stop)?;
            }
            picture.row(0, y, &mut luma);
            let (here, other) = match (halved_y, y % 2) {
                (false, _) => (y, y),
                (true, 0) => (y / 2, (y / 2).saturating_sub(1)),
                (true, _) => (y / 2, (y / 2 + 1).min(chroma_height - 1)),
            };
            for (plane, full) in chroma.iter_mut().enumerate() {
                picture.row(plane + 1, here, &mut near);
                picture.row(plane + 1, other, &mut far);
                convert::full_row(&near, &far, halved_x, &mut blend, full);
            }
            to_rgb.row([&luma, &chroma[0], &chroma[1]], self.row(left, top + y, columns), step);
        }
        Ok(())
    }

    fn alpha(&mut self, picture: &Picture<'_>, at: (u32, u32)) {
        let (left, top, columns, rows) = self.shown(picture, at);
        let mut samples = vec![0; picture.plane_size(0).0];
        for y in 0..rows {
            picture.row(0, y, &mut samples);
            let full_range = picture.cicp().full_range;
            convert::gray_row(
                &samples[..columns],
                picture.depth(),
                full_range,
                &mut self.row(left, top + y, columns)[3..],
                4,
            );
        }
    }

    /// The finished picture, cut to the clean aperture; gray ones without alpha with one channel.
    fn finish(self, crop: Option<(u32, u32, u32, u32)>) -> Result<Pixels<S>, Error> {
        let channels = if self.step == 4 { Channels::Rgba } else { Channels::Rgb };
        let mut pixels = Pixels::new(self.width as u32, self.height as u32, channels, self.data)?;
        if let Some((x, y, width, height)) = crop {
            let row = x as usize * self.step..(x + width) as usize * self.step;
            let kept = pixels.rows().skip(y as usize).take(height as usize);
            let data = kept.flat_map(|line| &line[row.clone()]).copied().collect();
            pixels = Pixels::new(width, height, channels, data)?;
        }
        if self.gray && channels == Channels::Rgb {
            let data = pixels.data.iter().step_by(3).copied().collect();
            pixels = Pixels::new(pixels.width, pixels.height, Channels::Gray, data)?;
        }
        Ok(pixels)
    }
}

/// Whose picture it is, of the EXIF item that describes the primary picture.
fn copyright(bytes: &[u8], container: &Container) -> Copyright {
    let found = container.items.iter().find(|item| &item.kind == b"Exif");
    let block = found.and_then(|item| container.bytes_of(bytes, item).ok());
    let tiff = block.as_deref().and_then(super::tiff_of_exif_item);
    tiff.map_or_else(Copyright::default, |tiff| Copyright::of_exif(&exif::read(tiff)))
}
