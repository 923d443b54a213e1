//! From colours to a palette of at most 256 with one place for "transparent": exact where there are few enough colours, else by
//! [`crate::quantise`].

use std::collections::HashMap;

use crate::Error;
use crate::quantise::{self, Reduced};

/// Colours that a palette holds besides the transparent one.
const COLOURS_MAX: u16 = 255;

/// A picture as indices. Index 0 is transparent and never a colour.
pub(super) struct Indexed {
    /// Three bytes a colour; the first is for index 0.
    pub(super) palette: Vec<u8>,
    pub(super) indices: Vec<u8>,
}

/// Indices for rows of `width` RGBA pixels. A pixel is transparent where `shows` says no; else its own alpha is ignored.
pub(super) fn index(mut rgba: Vec<u8>, width: usize, shows: &[bool]) -> Result<Indexed, Error> {
    if let Some(indexed) = exact(rgba.chunks_exact(4).zip(shows)) {
        return Ok(indexed);
    }
    let mut shown = Vec::with_capacity(rgba.len());
    // What does not show takes its neighbour's colour, so that its error is none that spreads to what shows.
    let mut neighbour = [0, 0, 0, 255];
    for (pixel, shows) in rgba.chunks_exact_mut(4).zip(shows) {
        if *shows {
            pixel[3] = 255;
            neighbour.copy_from_slice(pixel);
            shown.extend_from_slice(pixel);
        } else {
            pixel.copy_from_slice(&neighbour);
        }
    }
    let Reduced { colours, indices } = quantise::reduce(&rgba, width, &shown, COLOURS_MAX)?;
    let palette = [0, 0, 0].into_iter().chain(colours.iter().flat_map(|[r, g, b, _]| [*r, *g, *b])).collect();
    // 255 colours at most, so that each has a place behind the transparent one.
    let indices = indices.iter().zip(shows).map(|(index, shows)| if *shows { index + 1 } else { 0 }).collect();
    Ok(Indexed { palette, indices })
}

fn exact<'a>(pixels: impl Iterator<Item = (&'a [u8], &'a bool)>) -> Option<Indexed> {
    let mut numbers: HashMap<[u8; 3], u8> = HashMap::new();
    let mut palette = vec![0; 3];
    let mut indices = Vec::new();
    for (pixel, shows) in pixels {
        if !shows {
            indices.push(0);
            continue;
        }
        let colour = [pixel[0], pixel[1], pixel[2]];
        let index = match numbers.get(&colour) {
            Some(index) => *index,
            None => {
                let index = u8::try_from(numbers.len() + 1).ok()?;
                numbers.insert(colour, index);
                palette.extend_from_slice(&colour);
                index
            }
        };
        indices.push(index);
    }
    Some(Indexed { palette, indices })
}
