//! From colours to a palette of at most 256 with one place for "transparent": exact where there are few enough colours, else
//! NeuQuant with its error spread to the neighbours (Floyd and Steinberg), which keeps skies from banding.

use std::collections::HashMap;

use color_quant::NeuQuant;

/// About so many pixels are looked at to find the palette. NeuQuant learns little from fewer, and hardly more from more.
const SAMPLES: usize = 20_000;

/// Colours that a palette holds besides the transparent one.
const COLOURS_MAX: usize = 255;

/// A picture as indices. Index 0 is transparent and never a colour.
pub(super) struct Indexed {
    /// Three bytes a colour; the first is for index 0.
    pub(super) palette: Vec<u8>,
    pub(super) indices: Vec<u8>,
}

/// Indices for rows of `width` RGBA pixels. A pixel is transparent where `shows` says no; else its own alpha is ignored.
pub(super) fn index(rgba: &[u8], width: usize, shows: &[bool]) -> Indexed {
    let pixels = || rgba.chunks_exact(4).zip(shows);
    exact(pixels()).unwrap_or_else(|| {
        let shown: Vec<u8> = pixels().filter(|(_, shows)| **shows).flat_map(|(p, _)| [p[0], p[1], p[2], 255]).collect();
        // NeuQuant looks at one pixel in `stride`, 1 to 30.
        let stride = (shown.len() / 4 / SAMPLES).clamp(1, 30) as i32;
        let network = NeuQuant::new(stride, COLOURS_MAX, &shown);
        let mut palette = vec![0; 3];
        palette.extend(network.color_map_rgb());
        Indexed { palette, indices: spread(rgba, width, shows, &network) }
    })
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

fn spread(rgba: &[u8], width: usize, shows: &[bool], network: &NeuQuant) -> Vec<u8> {
    let mut nearest: HashMap<[u8; 3], (u8, [u8; 4])> = HashMap::new();
    // Errors in sixteenths, one pixel of margin on both sides.
    let mut here = vec![[0i32; 3]; width + 2];
    let mut below = here.clone();
    let mut indices = Vec::with_capacity(shows.len());
    for (row, shows) in rgba.chunks_exact(width * 4).zip(shows.chunks_exact(width)) {
        for (x, (pixel, shows)) in row.chunks_exact(4).zip(shows).enumerate() {
            if !shows {
                indices.push(0);
                continue;
            }
            let wanted = [0, 1, 2].map(|c| (i32::from(pixel[c]) + here[x + 1][c] / 16).clamp(0, 255) as u8);
            let (index, colour) = *nearest.entry(wanted).or_insert_with(|| {
                let index = network.index_of(&[wanted[0], wanted[1], wanted[2], 255]);
                (index as u8 + 1, network.lookup(index).unwrap_or([0; 4]))
            });
            indices.push(index);
            for c in 0..3 {
                let error = i32::from(wanted[c]) - i32::from(colour[c]);
                here[x + 2][c] += error * 7;
                below[x][c] += error * 3;
                below[x + 1][c] += error * 5;
                below[x + 2][c] += error;
            }
        }
        std::mem::swap(&mut here, &mut below);
        below.fill([0; 3]);
    }
    indices
}
