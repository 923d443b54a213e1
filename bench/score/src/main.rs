//! `score REFERENCE.png CANDIDATE…`: SSIMULACRA2 of each candidate (JPEG or WebP) against the reference, a PNG of the whole
//! original, brought to the candidate's size by Lanczos3. One score a line; 100 is the same picture.

use std::error::Error;
use std::io::Cursor;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};

/// RGB, three bytes a pixel.
struct Picture {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args().skip(1);
    let reference = decode(&std::fs::read(paths.next().ok_or("score REFERENCE.png CANDIDATE…")?)?)?;
    for path in paths {
        let candidate = decode(&std::fs::read(&path)?)?;
        let ideal = lanczos3(&reference, candidate.width, candidate.height)?;
        println!("{:.2}", compute_ssimulacra2(&slice(&ideal)?, &slice(&candidate)?)?);
    }
    Ok(())
}

fn slice(picture: &Picture) -> Result<PixelSlice<'_>, Box<dyn Error>> {
    let row_bytes = picture.width as usize * 3;
    Ok(PixelSlice::new(&picture.data, picture.width, picture.height, row_bytes, PixelDescriptor::RGB8_SRGB)?)
}

fn lanczos3(picture: &Picture, width: u32, height: u32) -> Result<Picture, Box<dyn Error>> {
    let mut data = vec![0; width as usize * height as usize * 3];
    let source = TypedImageRef::<U8x3>::from_buffer(picture.width, picture.height, &picture.data)?;
    let mut scaled = TypedImage::<U8x3>::from_buffer(width, height, &mut data)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
    Resizer::new().resize_typed(&source, &mut scaled, &options)?;
    Ok(Picture { width, height, data })
}

fn decode(file: &[u8]) -> Result<Picture, Box<dyn Error>> {
    match file {
        [0xff, 0xd8, ..] => {
            let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
            let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(file), options);
            let data = decoder.decode()?;
            let (width, height) = decoder.dimensions().ok_or("no size")?;
            Ok(Picture { width: width as u32, height: height as u32, data })
        }
        [b'R', b'I', b'F', b'F', ..] => {
            let mut decoder = image_webp::WebPDecoder::new(Cursor::new(file))?;
            let (width, height) = decoder.dimensions();
            if decoder.has_alpha() {
                return Err("alpha is not scored".into());
            }
            let mut data = vec![0; decoder.output_buffer_size().ok_or("too large")?];
            decoder.read_image(&mut data)?;
            Ok(Picture { width, height, data })
        }
        _ => {
            let mut reader = png::Decoder::new(Cursor::new(file)).read_info()?;
            let mut data = vec![0; reader.output_buffer_size().ok_or("too large")?];
            let info = reader.next_frame(&mut data)?;
            let data = match info.color_type {
                png::ColorType::Rgb => data,
                png::ColorType::Grayscale => data.iter().flat_map(|&level| [level; 3]).collect(),
                other => return Err(format!("{other:?} is not scored").into()),
            };
            Ok(Picture { width: info.width, height: info.height, data })
        }
    }
}
