//! The sample pictures, pictures of one colour, and what a picture is by its own bytes.

use std::path::{Path, PathBuf};

/// The folder of the sample pictures.
pub fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/pictures")
}

/// The bytes of one sample picture.
pub fn picture(name: &str) -> Vec<u8> {
    let path = pictures().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Kind, width and height from the first bytes of a JPEG, PNG, WebP, GIF or AVIF. Independent of the code under test.
pub fn size_of(bytes: &[u8]) -> Option<(&'static str, u32, u32)> {
    let be16 = |at: usize| Some(u32::from(*bytes.get(at)?) << 8 | u32::from(*bytes.get(at + 1)?));
    let le16 = |at: usize| Some(u32::from(*bytes.get(at)?) | u32::from(*bytes.get(at + 1)?) << 8);
    let be32 = |at: usize| Some(be16(at)? << 16 | be16(at + 2)?);
    if bytes.starts_with(b"\x89PNG") {
        return Some(("png", be32(16)?, be32(20)?));
    }
    if bytes.starts_with(b"GIF8") {
        return Some(("gif", le16(6)?, le16(8)?));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return match bytes.get(12..16)? {
            b"VP8 " => Some(("webp", le16(26)? & 0x3fff, le16(28)? & 0x3fff)),
            b"VP8L" => {
                let bits = le16(21)? | le16(23)? << 16;
                Some(("webp", (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
            }
            b"VP8X" => {
                let side = |at: usize| Some((le16(at)? | u32::from(*bytes.get(at + 2)?) << 16) + 1);
                Some(("webp", side(24)?, side(27)?))
            }
            _ => None,
        };
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        let at = bytes.windows(4).position(|window| window == b"ispe")?;
        return Some(("avif", be32(at + 8)?, be32(at + 12)?));
    }
    jpeg_size(bytes)
}

fn jpeg_size(bytes: &[u8]) -> Option<(&'static str, u32, u32)> {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return None;
    }
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1)?;
        let length = usize::from(*bytes.get(at + 2)?) << 8 | usize::from(*bytes.get(at + 3)?);
        if matches!(marker, 0xc0..=0xc2) {
            let side = |at: usize| Some(u32::from(*bytes.get(at)?) << 8 | u32::from(*bytes.get(at + 1)?));
            return Some(("jpg", side(at + 7)?, side(at + 5)?));
        }
        at += 2 + length;
    }
}

/// A square PNG of one colour, so that whatever is made of it says which content it was made from.
pub fn one_colour(side: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&colour.repeat((side * side) as usize)).expect("the pixels");
    writer.finish().expect("an end");
    bytes
}

/// A square PNG that is as large as it can be: no two pixels have anything to do with each other.
pub fn noise(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fastest);
    let mut writer = encoder.write_header().expect("a header");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let pixels: Vec<u8> = random.flatten().take((side * side * 3) as usize).collect();
    writer.write_image_data(&pixels).expect("the pixels");
    writer.finish().expect("an end");
    bytes
}

/// The colour of the first pixel of a PNG; `None` when it cannot be decoded to its end.
pub fn colour_of(bytes: &[u8]) -> Option<[u8; 3]> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    Some(match info.color_type {
        png::ColorType::Rgb | png::ColorType::Rgba => [pixels[0], pixels[1], pixels[2]],
        png::ColorType::Indexed => {
            let at = usize::from(pixels[0] >> (8 - reader.info().bit_depth as usize)) * 3;
            reader.info().palette.as_ref()?.get(at..at + 3)?.try_into().ok()?
        }
        _ => [pixels[0]; 3],
    })
}
