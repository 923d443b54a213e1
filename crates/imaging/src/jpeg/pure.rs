//! JPEG without a C library: zune-jpeg and jpeg-encoder. Slower (it has no scaled decoding), same answers.

use jpeg_encoder::{ColorType, Encoder, EncodingError, QuantizationTableType, SamplingFactor};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::header::Header;
use super::{Quantisers, Samples};
use crate::Error;
use crate::pixels::{Channels, Pixels};
use crate::plane::Plane;
use crate::stop::Stop;

pub(super) const SCALES: &[u32] = &[8];

/// jpeg-encoder takes pixels only.
pub(crate) const ENCODES_PLANES: bool = false;

pub(super) fn encode_planes(_: &[Plane], _: &Quantisers, _progressive: bool) -> Result<Vec<u8>, Error> {
    Err(Error::encode("this build encodes no planes"))
}

pub(super) fn decode(bytes: &[u8], header: &Header<'_>, _eighths: u32, _stop: &dyn Stop) -> Result<Samples, Error> {
    let (space, channels) = match header.components {
        1 => (ColorSpace::Luma, Channels::Gray),
        3 => (ColorSpace::RGB, Channels::Rgb),
        _ => (ColorSpace::CMYK, Channels::Rgba),
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let data = decoder.decode().map_err(damage)?;
    let (width, height) = (header.width, header.height);
    if data.len() != width as usize * height as usize * channels.bytes() {
        return Err(Error::broken("two readers disagree about the size"));
    }
    match header.components {
        4 => Ok(Samples::Cmyk { width, height, data }),
        _ => Ok(Samples::Pixels(Pixels::new(width, height, channels, data)?)),
    }
}

fn damage(error: DecodeErrors) -> Error {
    match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(_) => Error::truncated(error),
        DecodeErrors::Unsupported(_) => Error::unsupported(error),
        other => Error::broken(other),
    }
}

pub(super) fn encode(pixels: &Pixels, quantisers: &Quantisers, progressive: bool) -> Result<Vec<u8>, Error> {
    let mut jpeg = Vec::new();
    // The quality scales its own tables only.
    let mut encoder = Encoder::new(&mut jpeg, 50);
    let [luma, chroma] = [quantisers.luma, quantisers.chroma].map(|steps| Box::new(steps.map(u16::from)));
    encoder.set_quantization_tables(QuantizationTableType::Custom(luma), QuantizationTableType::Custom(chroma));
    encoder.set_progressive(progressive);
    encoder.set_optimized_huffman_tables(true);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let kind = match pixels.channels {
        Channels::Gray => ColorType::Luma,
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    };
    let side = |side: u32| u16::try_from(side).map_err(Error::encode);
    encoder
        .encode(&pixels.data, side(pixels.width)?, side(pixels.height)?, kind)
        .map_err(|error: EncodingError| Error::encode(error))?;
    Ok(jpeg)
}
