//! A bare original without what its author did not mean to publish: where and when it was taken, by which camera, with what
//! thumbnail, comments, histories. Nothing is decoded or encoded: pixels, orientation and colour profile stay as they are, byte
//! for byte. Each format keeps a list of what may stay; everything else goes, known or not. It must never answer the input
//! unchanged because it could not be read: what cannot be sanitised is an error.
//!
//! What stays by choice (`keep_copyright`): artist and copyright notice, rewritten into an EXIF block with nothing else in it.

mod avif;
mod gif;
mod jpeg;
mod png;
mod webp;

use crate::copyright::Copyright;
use crate::exif::{self, Facts};
use crate::{Error, Rendered, Settings, Source};

/// Removes metadata from an original without touching its picture.
///
/// | format | stays |
/// |---|---|
/// | JPEG | JFIF header without its thumbnail, ICC, Adobe, tables, scans up to the end of the picture; nothing after it |
/// | PNG | critical chunks, transparency, colour (`gAMA cHRM sRGB iCCP cICP sBIT mDCV cLLI`), `pHYs bKGD`, animation |
/// | WebP | `VP8X` with true flags, `ICCP`, `ANIM`, `ANMF`, `ALPH`, `VP8`, `VP8L` |
/// | GIF | palettes, frames, their control blocks, the loop count |
/// | AVIF | all boxes in their places; metadata items, texts, thumbnails and unused bytes are blanked |
///
/// Orientation stays as an EXIF block that says only that (AVIF has properties of its own for it, which stay).
///
/// # Errors
/// Not an allowed image (SVG is never sanitised), damaged, cut off, or over limits.
pub fn strip(bytes: &[u8], settings: &Settings) -> Result<Rendered, Error> {
    let probe = crate::probe(bytes, &settings.limits)?;
    let keep = Keep { orientation: probe.orientation, copyright: settings.keep_copyright };
    let clean = match probe.format {
        Source::Jpeg => jpeg::strip(bytes, &keep),
        Source::Png => png::strip(bytes, &keep),
        Source::Webp => webp::strip(bytes, &keep),
        Source::Gif => gif::strip(bytes),
        Source::Avif => avif::strip(bytes, &keep, &settings.limits),
        Source::Svg => Err(Error::NotAllowed(Source::Svg)),
    }?;
    Ok(Rendered {
        bytes: clean,
        media_type: probe.format.media_type(),
        width: probe.upright.width,
        height: probe.upright.height,
        frames: probe.frames,
        chosen: String::new(),
        // An AVIF keeps all that is picture.
        gain_map: probe.gain_map.filter(|_| probe.format == Source::Jpeg),
    })
}

/// What is to stay beside the pixels.
struct Keep {
    /// EXIF orientation, 1 to 8.
    orientation: u8,
    /// Whether artist and copyright notice stay.
    copyright: bool,
}

impl Keep {
    /// The EXIF block of the sanitised file, as a TIFF body; `None` when it has nothing to say.
    fn exif(&self, copyright: Copyright) -> Option<Vec<u8>> {
        let copyright = if self.copyright { copyright } else { Copyright::default() };
        exif::write(&Facts { orientation: self.orientation, artist: copyright.artist, copyright: copyright.notice })
    }
}
