//! A picture in a few bytes, for the moment before it is there: ThumbHash and BlurHash. Both are answered as text: ThumbHash, which
//! is bytes, as base64, the form in which pages and databases carry it.

use base64::Engine as _;

use crate::Error;
use crate::pixels::Pixels;

/// Longest side of the picture that a hash is made of: ThumbHash takes no more, and neither keeps more than a few waves across.
pub(crate) const SIDE_MAX: u32 = 100;

/// Shortest side that BlurHash is made of. Its waves are sampled at the left edge of each pixel, so that on few pixels they are not
/// orthogonal, and one colour is told as a gradient.
const SIDE_MIN: u32 = 64;

/// The waves that BlurHash keeps along the longer side and along the shorter one, as its authors suggest for photographs.
const WAVES: (u32, u32) = (4, 3);

/// The ThumbHash of a picture of at most [`SIDE_MAX`] on each side, transparency included.
pub(crate) fn thumb(pixels: Pixels) -> Vec<u8> {
    let pixels = pixels.into_rgba();
    let hash = thumbhash::rgba_to_thumb_hash(pixels.width as usize, pixels.height as usize, &pixels.data);
    base64::engine::general_purpose::STANDARD.encode(hash).into_bytes()
}

/// The BlurHash of an opaque picture.
pub(crate) fn blur(pixels: Pixels) -> Result<Vec<u8>, Error> {
    let pixels = spread(&pixels.into_rgba())?;
    let (width, height) = (pixels.width, pixels.height);
    let (across, down) = if width >= height { WAVES } else { (WAVES.1, WAVES.0) };
    blurhash::encode(across, down, width, height, &pixels.data).map(String::into_bytes).map_err(Error::encode)
}

/// The picture with every pixel repeated until both sides are long enough.
fn spread(pixels: &Pixels) -> Result<Pixels, Error> {
    let times = |side: u32| SIDE_MIN.div_ceil(side) as usize;
    let (across, down) = (times(pixels.width), times(pixels.height));
    let wide = |row: &[u8]| row.chunks_exact(4).flat_map(|pixel| pixel.repeat(across)).collect::<Vec<u8>>();
    let data = pixels.rows().flat_map(|row| wide(row).repeat(down)).collect();
    Pixels::new(pixels.width * across as u32, pixels.height * down as u32, pixels.channels, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Channels;

    #[test]
    fn one_colour_is_told_back() {
        let flat = |width, height| Pixels::filled(width, height, Channels::Rgb, &[200, 100, 50]).expect("small");
        for (width, height) in [(1, 1), (100, 1), (1, 100), (100, 100), (30, 20)] {
            let hash = base64::engine::general_purpose::STANDARD.decode(thumb(flat(width, height))).expect("base64");
            let (red, green, blue, alpha) = thumbhash::thumb_hash_to_average_rgba(&hash).expect("a hash");
            for (got, wanted) in [(red, 200), (green, 100), (blue, 50), (alpha, 255)] {
                assert!((got * 255.0 - wanted as f32).abs() < 6.0, "{width}x{height}: {got} {wanted}");
            }
            let hash = String::from_utf8(blur(flat(width, height)).expect("encodes")).expect("ASCII");
            assert_eq!(hash.len(), 6 + 2 * 11, "{width}x{height}");
            let shown = blurhash::decode(&hash, 8, 8, 1.0).expect("a hash");
            for pixel in shown.chunks_exact(4) {
                for (got, wanted) in pixel.iter().zip([200u8, 100, 50]) {
                    assert!(got.abs_diff(wanted) < 12, "{width}x{height}: {pixel:?}");
                }
            }
        }
    }

    #[test]
    fn transparency_is_kept_by_the_one_that_can() {
        let half = Pixels::filled(20, 20, Channels::Rgba, &[9, 9, 9, 128]).expect("small");
        let hash = base64::engine::general_purpose::STANDARD.decode(thumb(half)).expect("base64");
        let (.., alpha) = thumbhash::thumb_hash_to_average_rgba(&hash).expect("a hash");
        assert!((alpha - 0.5).abs() < 0.05, "{alpha}");
    }
}
