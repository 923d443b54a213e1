//! One door to all decoders.

use crate::pixels::Frames;
use crate::stop::Stop;
use crate::{Error, Limits, Source, avif, gif, jpeg, png, webp};

/// Opens a file for decoding. `eighths` is the scale that is enough; only JPEG decodes at other scales than 8/8, so the extent of
/// what comes back says which scale it is.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    source: Source,
    eighths: u32,
    limits: &Limits,
    stop: &'a dyn Stop,
) -> Result<Frames<'a>, Error> {
    match source {
        Source::Jpeg => jpeg::decode(bytes, eighths, limits, stop),
        Source::Png => png::decode(bytes, limits, stop),
        Source::Webp => webp::decode(bytes, limits, stop),
        Source::Gif => gif::decode(bytes, limits, stop),
        Source::Avif => avif::decode(bytes, limits, stop),
        Source::Svg => Err(Error::NotAllowed(Source::Svg)),
    }
}
