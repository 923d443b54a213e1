//! Whether a picture has so few colours that a palette holds it exactly. It never changes a colour.

use std::collections::HashMap;

use crate::pixels::{Channels, Pixels};

/// A picture as indices.
pub(super) struct Indexed {
    /// 1, 2, 4 or 8 bits an index.
    pub(super) depth: png::BitDepth,
    /// Three bytes a colour.
    pub(super) colours: Vec<u8>,
    /// Alpha of the first colours; the rest is opaque. Empty when all are.
    pub(super) alphas: Vec<u8>,
    /// Packed indices, every row from a whole byte.
    pub(super) rows: Vec<u8>,
}

/// The picture with a palette, if it has at most 256 colours. Gray pictures stay as they are: their bytes are as small.
pub(super) fn index(pixels: &Pixels) -> Option<Indexed> {
    let bytes = pixels.channels.bytes();
    if pixels.channels == Channels::Gray {
        return None;
    }
    let rgba = |p: &[u8]| u32::from_le_bytes([p[0], p[1], p[2], p.get(3).copied().unwrap_or(255)]);
    let mut numbers: HashMap<u32, u8> = HashMap::new();
    let mut last = None;
    for colour in pixels.data.chunks_exact(bytes).map(rgba) {
        if last == Some(colour) {
            continue;
        }
        last = Some(colour);
        if !numbers.contains_key(&colour) {
            numbers.insert(colour, u8::try_from(numbers.len()).ok()?);
        }
    }
    // Translucent colours first, because tRNS ends with the last of them; then by value, so that equal pictures give equal bytes.
    let mut sorted: Vec<u32> = numbers.keys().copied().collect();
    sorted.sort_unstable_by_key(|colour| (colour >> 24 == 255, *colour));
    for (number, colour) in (0u8..=255).zip(&sorted) {
        numbers.insert(*colour, number);
    }
    let (depth, bits) = match sorted.len() {
        0..=2 => (png::BitDepth::One, 1),
        3..=4 => (png::BitDepth::Two, 2),
        5..=16 => (png::BitDepth::Four, 4),
        _ => (png::BitDepth::Eight, 8),
    };
    let mut rows = Vec::with_capacity(pixels.height as usize * (pixels.width as usize * bits).div_ceil(8));
    for row in pixels.rows() {
        for group in row.chunks(bytes * 8 / bits) {
            let packed = group
                .chunks_exact(bytes)
                .enumerate()
                .fold(0u8, |packed, (place, pixel)| packed | numbers[&rgba(pixel)] << (8 - bits * (place + 1)));
            rows.push(packed);
        }
    }
    Some(Indexed {
        depth,
        colours: sorted.iter().flat_map(|colour| colour.to_le_bytes().into_iter().take(3)).collect(),
        alphas: sorted.iter().map(|colour| (colour >> 24) as u8).take_while(|alpha| *alpha != 255).collect(),
        rows,
    })
}
