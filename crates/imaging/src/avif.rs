//! AVIF: what a file says about its picture, decoding and encoding with libaom. Reading the header needs no native code, so every
//! build can probe and sanitise; pixels need the feature `native`. It must never allocate by a size that was not held against
//! the limits, and never hand out a picture of another size than announced.
//!
//! The still picture of a file is read: the primary item, one AV1 picture or a grid of them (as telephones write), with its
//! auxiliary alpha. Turning and mirroring (`irot`, `imir`) come out as an EXIF orientation; EXIF inside AVIF says nothing about
//! orientation (ISO/IEC 23008-12 section 6.5.10). HDR transfer functions are handed on as a colour profile, not tone-mapped.

pub(crate) mod boxes;
mod cicp;
#[cfg(feature = "native")]
mod codec;
pub(crate) mod container;
#[cfg(feature = "native")]
mod convert;
#[cfg(feature = "native")]
mod decode;
#[cfg(feature = "native")]
mod encode;
mod placement;
#[cfg(feature = "native")]
mod profile;
#[cfg(all(test, feature = "native"))]
mod tests;

use crate::gain_map::{self, GainMap};
use crate::quality::Level;
use crate::{Chroma, Error, Limits};
use boxes::{Reader, broken, unsupported};
pub(crate) use cicp::Cicp;
use container::{Container, Item};
use placement::Crop;

#[cfg(feature = "native")]
pub(crate) use decode::decode;
#[cfg(feature = "native")]
pub(crate) use encode::{encode, halving_loss};
#[cfg(feature = "native")]
pub(crate) use profile::with_icc;

/// How to encode.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "native"), allow(dead_code))]
pub(crate) struct Encoding {
    pub(crate) level: Level,
    /// libaom's, 0 to 9.
    pub(crate) speed: u8,
    pub(crate) chroma: Chroma,
}

/// What was made, and what was decided on the way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cq_level: u8,
    pub(crate) whole_chroma: bool,
}

/// What the boxes say about the picture; nothing of the AV1 stream has been read.
#[derive(Debug)]
pub(crate) struct Header {
    /// The stored size, within the clean aperture, before [`Header::orientation`].
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// EXIF orientation, 1 to 8, of `irot` and `imir`.
    pub(crate) orientation: u8,
    pub(crate) alpha: bool,
    /// Whether samples have more than 8 bits.
    pub(crate) wide: bool,
    pub(crate) gain_map: Option<GainMap>,
    /// The profile in the file, or one made from `nclx` where that is not sRGB.
    #[cfg_attr(not(feature = "native"), allow(dead_code))]
    pub(crate) icc: Option<Vec<u8>>,
    // Without native codecs nobody decodes, and only the sizes above are asked for.
    #[cfg_attr(not(feature = "native"), allow(dead_code))]
    layout: Layout,
}

/// Where the pixels are.
#[derive(Debug)]
#[cfg_attr(not(feature = "native"), allow(dead_code))]
struct Layout {
    colour: Layer,
    alpha: Option<Layer>,
    premultiplied: bool,
    crop: Option<Crop>,
    /// Of the container; it wins over the stream (MIAF section 7.3.6.4).
    cicp: Option<Cicp>,
}

/// One layer of the picture: colour or alpha, in one piece or in tiles.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "native"), allow(dead_code))]
struct Layer {
    width: u32,
    height: u32,
    columns: u32,
    tile_width: u32,
    tile_height: u32,
    /// Item ids, row by row.
    tiles: Vec<u32>,
}

/// Reads the header and holds every size against the limits.
///
/// # Errors
/// Not AVIF, damaged, cut off, over limits, or of a sort that we do not read.
pub(crate) fn header(bytes: &[u8], limits: &Limits) -> Result<Header, Error> {
    let container = Container::parse(bytes, limits.metadata_bytes_max)?;
    header_of(bytes, &container, limits)
}

fn header_of(bytes: &[u8], container: &Container, limits: &Limits) -> Result<Header, Error> {
    let primary = container.item(container.primary).ok_or_else(|| broken("no primary picture"))?;
    let colour = layer(bytes, container, primary, limits)?;
    let alpha = match alpha_of(bytes, container, primary.id, &colour) {
        Some(item) => Some(layer(bytes, container, item, limits)?),
        None => None,
    };
    if let Some(alpha) = &alpha
        && (alpha.width, alpha.height) != (colour.width, colour.height)
    {
        return Err(unsupported("alpha of another size than the picture"));
    }
    let placement = placement::read(bytes, container, primary, (colour.width, colour.height))?;
    let (mut icc, mut cicp) = (None, None);
    for range in container.properties_of(primary, b"colr") {
        match bytes.get(range.clone()).unwrap_or(&[]) {
            [b'p', b'r', b'o', b'f', profile @ ..] | [b'r', b'I', b'C', b'C', profile @ ..] => {
                icc = icc.or_else(|| Some(profile.to_vec()));
            }
            [b'n', b'c', b'l', b'x', rest @ ..] => cicp = cicp.or(Cicp::of_nclx(rest)),
            _ => {}
        }
    }
    let icc = icc.or_else(|| cicp.and_then(Cicp::profile));
    let (width, height) = placement.crop.map_or((colour.width, colour.height), |crop| (crop.width, crop.height));
    let premultiplied = !container.targets(b"prem", primary.id).is_empty();
    let has_alpha = alpha.is_some();
    let wide = is_wide(bytes, container, &colour);
    let gain_map = gain_map::of_items(bytes, container);
    let layout = Layout { colour, alpha, premultiplied, crop: placement.crop, cicp };
    Ok(Header { width, height, orientation: placement.orientation, alpha: has_alpha, wide, gain_map, icc, layout })
}

/// The names of the auxiliary type of alpha (MIAF section 7.3.5.2; the second is HEVC's, which some writers use).
const ALPHA_TYPES: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];

fn alpha_of<'a>(bytes: &[u8], container: &'a Container, picture: u32, colour: &Layer) -> Option<&'a Item> {
    // A grid may carry its alpha per tile instead of as a whole; then the first tile's alpha tells, and `layer` below refuses.
    let masters = [Some(picture), colour.tiles.first().copied()];
    let of_master = |master: u32| {
        container
            .references
            .iter()
            .filter(move |reference| &reference.kind == b"auxl" && reference.to.contains(&master))
            .filter_map(|reference| container.item(reference.from))
            .find(|item| {
                container.properties_of(item, b"auxC").any(|range| {
                    // A full box: four bytes of version and flags, then the name up to NUL.
                    let name = bytes.get(range).and_then(|content| content.get(4..)).unwrap_or(&[]);
                    let name = name.split(|&byte| byte == 0).next().unwrap_or(&[]);
                    ALPHA_TYPES.contains(&name)
                })
            })
    };
    masters.into_iter().flatten().find_map(of_master)
}

/// Whether the stream announces more than 8 bits a sample (`av1C`: AV1 in ISOBMFF 1.2, section 2.3.3).
fn is_wide(bytes: &[u8], container: &Container, layer: &Layer) -> bool {
    let first = layer.tiles.first().and_then(|id| container.item(*id));
    let configuration = first.and_then(|item| container.properties_of(item, b"av1C").next());
    configuration.and_then(|range| bytes.get(range)?.get(2)).is_some_and(|flags| flags & 0x40 != 0)
}

/// What we know how to honour; HEIF forbids showing an item with an essential property that the reader does not know.
const PROPERTIES_KNOWN: [&[u8; 4]; 14] = [
    b"ispe", b"pixi", b"av1C", b"colr", b"irot", b"imir", b"clap", b"auxC", b"pasp", b"clli", b"mdcv", b"cclv",
    b"amve", b"a1lx",
];

fn check_properties(bytes: &[u8], container: &Container, item: &Item) -> Result<(), Error> {
    for (index, essential) in &item.properties {
        let property = container.properties.get(*index).ok_or_else(|| broken("a property is missing"))?;
        let harmless = match &property.kind {
            // Operating point 0 and "all layers" are what a decoder does anyway.
            b"a1op" => bytes.get(property.content.clone()) == Some(&[0]),
            b"lsel" => bytes.get(property.content.clone()) == Some(&[0xff, 0xff]),
            kind => PROPERTIES_KNOWN.contains(&kind),
        };
        if *essential && !harmless {
            return Err(unsupported(&format!("the property {}", String::from_utf8_lossy(&property.kind))));
        }
    }
    Ok(())
}

/// The size of an item (`ispe`), held against the limits.
fn size_of(bytes: &[u8], container: &Container, item: &Item, limits: &Limits) -> Result<(u32, u32), Error> {
    check_properties(bytes, container, item)?;
    let range = container.properties_of(item, b"ispe").next().ok_or_else(|| broken("a picture without a size"))?;
    let mut reader = Reader { bytes: bytes.get(..range.end).unwrap_or(&[]), at: range.start };
    reader.u32()?;
    let (width, height) = (reader.u32()?, reader.u32()?);
    check_size(width, height, limits)?;
    Ok((width, height))
}

fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), Error> {
    if width == 0 || height == 0 {
        return Err(broken("a side of 0"));
    }
    let asked = u64::from(width) * u64::from(height);
    if asked > limits.pixels_max {
        return Err(Error::TooManyPixels { asked, max: limits.pixels_max });
    }
    Ok(())
}

fn layer(bytes: &[u8], container: &Container, item: &Item, limits: &Limits) -> Result<Layer, Error> {
    let (width, height) = size_of(bytes, container, item, limits)?;
    match &item.kind {
        b"av01" => {
            Ok(Layer { width, height, columns: 1, tile_width: width, tile_height: height, tiles: vec![item.id] })
        }
        b"grid" => grid(bytes, container, item, (width, height), limits),
        kind => Err(unsupported(&format!("items of type {}", String::from_utf8_lossy(kind)))),
    }
}

/// A grid of tiles (ISO/IEC 23008-12 section 6.6.2.3): all of one size, which together cover the picture.
fn grid(
    bytes: &[u8],
    container: &Container,
    item: &Item,
    (width, height): (u32, u32),
    limits: &Limits,
) -> Result<Layer, Error> {
    let content = container.bytes_of(bytes, item)?;
    let mut reader = Reader { bytes: &content, at: 0 };
    let (version, flags) = (reader.u8()?, reader.u8()?);
    if version != 0 {
        return Err(unsupported("grids after version 0"));
    }
    let (rows, columns) = (u32::from(reader.u8()?) + 1, u32::from(reader.u8()?) + 1);
    let wide = flags & 1 == 1;
    let mut side = || if wide { reader.u32() } else { reader.u16().map(u32::from) };
    if (side()?, side()?) != (width, height) {
        return Err(broken("a grid of another size than its picture"));
    }
    let tiles = container.targets(b"dimg", item.id).to_vec();
    if tiles.len() != (rows * columns) as usize {
        return Err(broken("a grid with missing tiles"));
    }
    let mut tile_size = None;
    for id in &tiles {
        let tile = container.item(*id).ok_or_else(|| broken("a grid with missing tiles"))?;
        if &tile.kind != b"av01" {
            return Err(unsupported("grids of anything but AV1"));
        }
        let size = size_of(bytes, container, tile, limits)?;
        if tile_size.is_some_and(|first| first != size) {
            return Err(broken("a grid of unequal tiles"));
        }
        tile_size = Some(size);
    }
    let (tile_width, tile_height) = tile_size.ok_or_else(|| broken("a grid without tiles"))?;
    // The last column and row may reach beyond the picture, but must begin inside it: decoding is bounded by what is shown.
    let covers = |tile: u32, count: u32, side: u32| {
        let (tile, count, side) = (u64::from(tile), u64::from(count), u64::from(side));
        tile * count >= side && tile * (count - 1) < side
    };
    if !covers(tile_width, columns, width) || !covers(tile_height, rows, height) {
        return Err(broken("a grid that does not cover its picture"));
    }
    Ok(Layer { width, height, columns, tile_width, tile_height, tiles })
}

/// The TIFF body in an EXIF item: four bytes say how far behind them it begins (ISO/IEC 23008-12 annex A.2.1).
pub(crate) fn tiff_of_exif_item(block: &[u8]) -> Option<&[u8]> {
    let (offset, rest) = block.split_at_checked(4)?;
    let offset = u32::from_be_bytes([offset[0], offset[1], offset[2], offset[3]]);
    rest.get(usize::try_from(offset).ok()?..)
}

/// Without native codecs there are no AVIF pixels.
#[cfg(not(feature = "native"))]
pub(crate) fn decode(_: &[u8], _: &Limits, _: &dyn crate::Stop) -> Result<crate::pixels::Frames<'static>, Error> {
    Err(Error::unsupported("AVIF in a build without native codecs"))
}

/// Without native codecs there are no AVIF files of ours.
#[cfg(not(feature = "native"))]
pub(crate) fn with_icc(_: Vec<u8>, _: &[u8]) -> Result<Vec<u8>, Error> {
    Err(Error::unsupported("AVIF in a build without native codecs"))
}

/// Without native codecs there are no AVIF pixels.
#[cfg(not(feature = "native"))]
pub(crate) fn encode(
    _: &crate::pixels::Pixels,
    _: Encoding,
    _: &crate::copyright::Copyright,
    _: &dyn crate::Stop,
) -> Result<Encoded, Error> {
    Err(Error::unsupported("AVIF in a build without native codecs"))
}
