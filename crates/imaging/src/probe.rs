//! What is in a file, from its headers alone. Every limit that a header can break is checked here, before anything of the picture's
//! size is allocated.

use afterimage_variant::Size;

use crate::gain_map::GainMap;
use crate::geometry::Turning;
use crate::{Error, Limits, Source, avif, gif, jpeg, png, sniff, webp};

/// What the headers of a file say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The kind of file.
    pub format: Source,
    /// Stored width in pixels.
    pub width: u32,
    /// Stored height in pixels.
    pub height: u32,
    /// The size once the orientation is applied.
    pub upright: Size,
    /// Frames that would be read; 1 in a still.
    pub frames: u32,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// Whether the file can hold transparency; a particular picture may still be opaque.
    pub alpha: bool,
    /// A picture of how bright the picture may shine, which nothing here keeps.
    pub gain_map: Option<GainMap>,
    /// Samples of a decoded pixel.
    pub(crate) channels: u8,
    /// Whether a sample has more than 8 bits, and so takes two bytes.
    pub(crate) wide: bool,
    /// The blocks of each component of a JPEG whose coefficients are all kept while it is decoded, and how much coarser than the
    /// finest it is sampled; nothing of another file.
    pub(crate) blocks: Vec<(u64, u32)>,
    /// The scales in eighths at which it can be decoded, ascending; only a JPEG at others than 8.
    pub(crate) scales: &'static [u32],
}

impl Limits {
    /// Whether a picture of this size may be decoded.
    pub(crate) fn admit(&self, width: u32, height: u32, frames: u64) -> Result<(), Error> {
        let asked = (u64::from(width) * u64::from(height)).saturating_mul(frames);
        if asked > self.pixels_max { Err(Error::TooManyPixels { asked, max: self.pixels_max }) } else { Ok(()) }
    }

    /// Whether so many bytes of metadata may be read.
    pub(crate) fn admit_metadata(&self, asked: u64) -> Result<(), Error> {
        let max = self.metadata_bytes_max;
        if asked > max { Err(Error::MetadataTooLarge { asked, max }) } else { Ok(()) }
    }
}

impl Probe {
    /// A still of this size, if the limits admit it.
    pub(crate) fn still(
        format: Source,
        width: u32,
        height: u32,
        orientation: u8,
        alpha: bool,
        limits: &Limits,
    ) -> Result<Self, Error> {
        limits.admit(width, height, 1)?;
        let (upright_width, upright_height) = Turning::of_exif(orientation).sides(width, height);
        let upright = Size::new(upright_width, upright_height);
        let channels = if alpha { 4 } else { 3 };
        Ok(Self {
            format,
            width,
            height,
            upright,
            frames: 1,
            orientation,
            alpha,
            channels,
            wide: false,
            blocks: Vec::new(),
            scales: &[8],
            gain_map: None,
        })
    }
}

/// Reads the headers of a file and holds them against the limits.
///
/// # Errors
/// [`Error::TooManyBytes`] and the other limits; [`Error::NotAnImage`]; [`Error::NotAllowed`] for SVG, which has no pixels to
/// probe; [`Error::Broken`] and [`Error::Truncated`] where the structure is already damaged.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Probe, Error> {
    open(bytes, limits).map(|(probe, _)| probe)
}

/// The same, with what else is known of a JPEG by then.
pub(crate) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Probe, Option<jpeg::Header<'a>>), Error> {
    let (asked, max) = (bytes.len() as u64, limits.source_bytes_max);
    if asked > max {
        return Err(Error::TooManyBytes { asked, max });
    }
    let probe = match sniff(bytes).ok_or(Error::NotAnImage)? {
        Source::Jpeg => return jpeg::probe(bytes, limits).map(|(probe, header)| (probe, Some(header))),
        Source::Png => png::probe(bytes, limits)?,
        Source::Webp => webp::probe(bytes, limits)?,
        Source::Gif => gif::probe(bytes, limits)?,
        Source::Avif => {
            let header = avif::header(bytes, limits)?;
            let (width, height, alpha) = (header.width, header.height, header.alpha);
            let probe = Probe::still(Source::Avif, width, height, header.orientation, alpha, limits)?;
            Probe { wide: header.wide, gain_map: header.gain_map, ..probe }
        }
        Source::Svg => return Err(Error::NotAllowed(Source::Svg)),
    };
    Ok((probe, None))
}
