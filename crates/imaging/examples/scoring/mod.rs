//! What the measuring examples share: pictures read by readers that are not ours, and SSIMULACRA2 between them.

use afterimage_imaging::{Never, Settings, render};
use afterimage_variant::{Grant, Rules, Variant, Wanted, resolve};
use fast_ssim2::{PixelDescriptor, PixelSlice, Ssimulacra2Reference};

/// Three bytes a pixel.
pub struct Rgb {
    pub width: u32,
    pub height: u32,
    pub data: Vec<u8>,
}

/// A query's variant, with nothing that policy would change.
pub fn variant(query: &str) -> Variant {
    match resolve(&Rules::default(), &format!("/x.jpg?{query}"), None, Grant::Open).map(|resolution| resolution.wanted)
    {
        Ok(Wanted::Variant(variant)) => *variant,
        other => panic!("{query}: {other:?}"),
    }
}

/// Reads a JPEG, WebP or opaque PNG; AVIF and GIF through our own decoders, because no others are here.
pub fn pixels(bytes: &[u8]) -> Rgb {
    match bytes {
        [0xff, 0xd8, ..] => {
            let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(bytes));
            let data = decoder.decode().expect("a JPEG");
            let (width, height) = decoder.dimensions().expect("a size");
            let data = if data.len() == width * height { gray(&data) } else { data };
            Rgb { width: width as u32, height: height as u32, data }
        }
        [b'R', b'I', b'F', b'F', ..] => {
            let mut decoder = image_webp::WebPDecoder::new(std::io::Cursor::new(bytes)).expect("a WebP");
            let (width, height) = decoder.dimensions();
            let mut data = vec![0; decoder.output_buffer_size().expect("a size")];
            decoder.read_image(&mut data).expect("decodes");
            let data = if decoder.has_alpha() { opaque(&data) } else { data };
            Rgb { width, height, data }
        }
        [0x89, b'P', b'N', b'G', ..] => {
            let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
            decoder.set_transformations(png::Transformations::EXPAND);
            let mut reader = decoder.read_info().expect("a PNG");
            let mut data = vec![0; reader.output_buffer_size().expect("a size")];
            let info = reader.next_frame(&mut data).expect("decodes");
            let data = match info.color_type.samples() {
                1 => gray(&data),
                3 => data,
                4 => opaque(&data),
                other => panic!("{other} samples"),
            };
            Rgb { width: info.width, height: info.height, data }
        }
        _ => pixels(&render(bytes, &variant("fm=png"), &Settings::default(), &Never).expect("decodes").bytes),
    }
}

fn gray(data: &[u8]) -> Vec<u8> {
    data.iter().flat_map(|level| [*level; 3]).collect()
}

fn opaque(data: &[u8]) -> Vec<u8> {
    data.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}

/// What a picture should be.
pub struct Reference(Ssimulacra2Reference);

impl Reference {
    pub fn new(picture: &Rgb) -> Self {
        Self(Ssimulacra2Reference::new(&whole(picture)).expect("large enough"))
    }

    /// SSIMULACRA2 of a picture beside it; 100 is the same.
    pub fn score(&self, picture: &Rgb) -> f64 {
        self.0.compare(&whole(picture)).expect("a score")
    }
}

fn whole(picture: &Rgb) -> PixelSlice<'_> {
    let row_bytes = picture.width as usize * 3;
    PixelSlice::new(&picture.data, picture.width, picture.height, row_bytes, PixelDescriptor::RGB8_SRGB).expect("whole")
}
