//! JPEG files at our own decoder, at every scale: it ends, with every row or with an error.

use afterimage_imaging::fuzzing::{Rows, jpeg_rows};
use afterimage_imaging::{Error, Limits, Never};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::{Chance, Manner, Target};

pub(crate) const TARGET: Target = Target {
    name: "jpeg",
    run,
    seeds: || seeds(41, 27, 80),
    // Markers, and the numbers at the ends of a byte.
    manner: Manner { special: &[0, 0xff, 0x7f, 0x80, 0x11, 0xd0, 0xda, 0xc4], end: &[0xff, 0xd9], head_bytes: 0 },
};

fn run(how: u8, bytes: &[u8]) -> bool {
    let (luma, chroma) = (1 + u32::from(how & 7), 1 + u32::from(how >> 3 & 7));
    decodes(bytes, [luma, chroma, chroma]).is_some()
}

/// Whether the file decodes, if the decoder takes it: then every row of every plane has come.
///
/// # Panics
/// When rows are missing.
pub fn decodes(bytes: &[u8], eighths: [u32; 3]) -> Option<Result<(), Error>> {
    let limits = Limits { pixels_max: 1 << 20, ..Limits::default() };
    let rows = jpeg_rows(bytes, eighths, &limits, &Never)?;
    Some(rows.map(|rows| {
        let is_missing = |Rows { due, came }: &Rows| due != came;
        assert!(!rows.iter().any(is_missing), "rows are missing: {rows:?}");
    }))
}

/// Files of every sampling that the encoder knows, 4:1:0 and its like among them, in every way of coding.
///
/// # Panics
/// Never: what is encoded fits.
pub fn seeds(width: u16, height: u16, quality: u8) -> Vec<Vec<u8>> {
    use SamplingFactor as F;
    let mut chance = Chance(u64::from(width));
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3)
        .map(|at| ((at / 3 % usize::from(width) * 5 + at / 90) as u8).wrapping_add(chance.below(40) as u8))
        .collect();
    let mut seeds = Vec::new();
    for sampling in [F::F_1_1, F::F_2_1, F::F_1_2, F::F_2_2, F::F_4_1, F::F_4_2, F::F_1_4, F::F_2_4] {
        for (progressive, optimised, restarts) in
            // The encoder cannot have both tables of its own and restarts.
            [(false, false, 0), (false, true, 0), (false, false, 2), (true, false, 0), (true, true, 0)]
        {
            for kind in [ColorType::Rgb, ColorType::Luma] {
                let mut file = Vec::new();
                let mut encoder = Encoder::new(&mut file, quality);
                encoder.set_sampling_factor(sampling);
                encoder.set_progressive(progressive);
                encoder.set_optimized_huffman_tables(optimised);
                if restarts > 0 {
                    encoder.set_restart_interval(restarts);
                }
                let bytes = usize::from(width) * usize::from(height) * if kind == ColorType::Luma { 1 } else { 3 };
                encoder.encode(&pixels[..bytes], width, height, kind).expect("encodes");
                seeds.push(file);
            }
        }
    }
    seeds
}
