//! From any colours to a palette of a few, with the error of each pixel spread to its neighbours, which keeps skies from banding. Alpha
//! is a fourth colour. Who has few enough colours already should not come here.
//!
//! quantizr does the work (clusters split by variance, two rounds of k-means, Floyd and Steinberg's dithering to and fro);
//! docs/imaging-quality.md says what it was chosen over. Deterministic: its tables hash without chance.

use quantizr::{Histogram, Image, Options, QuantizeResult};

use crate::Error;

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
    let (height, count) = (rgba.len() / 4 / width.max(1), counted.len() / 4);
    let mut options = Options::default();
    options.set_max_colors(colours_max.into()).map_err(why)?;
    let mut histogram = Histogram::new();
    histogram.add_image(&image(counted, count, 1)?);
    let palette = QuantizeResult::quantize_histogram(&histogram, &options);
    let mut indices = vec![0; width * height];
    palette.remap_image(&image(rgba, width, height)?, &mut indices).map_err(why)?;
    let colours = palette.get_palette();
    let count = colours.count as usize;
    let colours = colours.entries.iter().take(count).map(|colour| [colour.r, colour.g, colour.b, colour.a]).collect();
    Ok(Reduced { colours, indices })
}

fn why(error: quantizr::Error) -> Error {
    Error::encode(format_args!("quantizr: {error:?}"))
}
