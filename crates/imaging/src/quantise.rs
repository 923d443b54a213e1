//! From any colours to a palette of a few, with the error of each pixel spread to its neighbours, which keeps skies from banding. Alpha
//! is a fourth colour. Who has few enough colours already should not come here.
//!
//! quantizr does the work (clusters split by variance, two rounds of k-means, Floyd and Steinberg's dithering to and fro);
//! docs/imaging-quality.md says what it was chosen over. Deterministic: its tables hash without chance.

use std::borrow::Cow;

use quantizr::{Histogram, Image, Options, QuantizeResult};

use crate::Error;

/// Most pixels whose colours are counted: from so many a palette is made as well as from all of a large picture, and each colour takes
/// some dozens of bytes.
pub(crate) const COUNTED_MAX: usize = 1 << 18;

/// A picture as indices.
pub(crate) struct Reduced {
    /// Red, green, blue, alpha.
    pub(crate) colours: Vec<[u8; 4]>,
    /// One a pixel.
    pub(crate) indices: Vec<u8>,
}

/// Brings rows of `width` RGBA pixels to a palette of `colours_max`, 2 to 256, that is made from `counted` pixels alone.
pub(crate) fn reduce(rgba: &[u8], width: usize, counted: &[u8], colours_max: u16) -> Result<Reduced, Error> {
    let image = |rgba, width: usize, height: usize| Image::new(rgba, width, height).map_err(why);
    let height = rgba.len() / 4 / width.max(1);
    let counted = thinned(counted, width);
    let count = counted.len() / 4;
    let mut options = Options::default();
    options.set_max_colors(colours_max.into()).map_err(why)?;
    let mut histogram = Histogram::new();
    histogram.add_image(&image(&counted, count, 1)?);
    let palette = QuantizeResult::quantize_histogram(&histogram, &options);
    let mut indices = vec![0; width * height];
    palette.remap_image(&image(rgba, width, height)?, &mut indices).map_err(why)?;
    let colours = palette.get_palette();
    let count = colours.count as usize;
    let colours = colours.entries.iter().take(count).map(|colour| [colour.r, colour.g, colour.b, colour.a]).collect();
    Ok(Reduced { colours, indices })
}

/// Every n-th pixel of each row, so that hardly more than [`COUNTED_MAX`] are left. Two rows begin alike and the next two a column
/// further: stripes and checkers are met in all their colours.
fn thinned(counted: &[u8], width: usize) -> Cow<'_, [u8]> {
    let pixels = counted.as_chunks::<4>().0;
    let step = pixels.len().div_ceil(COUNTED_MAX);
    if step < 2 {
        return Cow::Borrowed(counted);
    }
    let is_counted = |at: &usize| (at % width + at / width / 2).is_multiple_of(step);
    Cow::Owned((0..pixels.len()).filter(is_counted).flat_map(|at| pixels[at]).collect())
}

fn why(error: quantizr::Error) -> Error {
    Error::encode(format_args!("quantizr: {error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pixels_are_all_counted_and_of_many_every_column_is() {
        let picture = |width: usize, height: usize| -> Vec<u8> {
            (0..width * height).flat_map(|at| [(at % width) as u8, ((at % width) >> 8) as u8, 0, 255]).collect()
        };
        let all = picture(512, 512);
        assert_eq!(thinned(&all, 512), all.as_slice());
        for (width, height) in [(512, 513), (600, 600), (1024, 1024), (2, 200_000), (1, 300_000)] {
            let pixels = picture(width, height);
            let left = thinned(&pixels, width);
            let count = left.len() / 4;
            assert!(count <= COUNTED_MAX + height && count > COUNTED_MAX / 3, "{width}x{height}: {count}");
            let columns: std::collections::BTreeSet<&[u8]> = left.chunks_exact(4).collect();
            assert_eq!(columns.len(), width, "{width}x{height}");
        }
        let checkers: Vec<u8> = (0..600 * 600).flat_map(|at| [(at % 600 + at / 600) as u8 % 2, 0, 0, 255]).collect();
        let colours: std::collections::BTreeSet<u8> = thinned(&checkers, 600).iter().step_by(4).copied().collect();
        assert_eq!(colours.len(), 2);
    }
}
