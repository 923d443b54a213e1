//! Facts about an original as JSON (`fm=json`): what a page needs before the picture is there. It must never tell what sanitising
//! removes: no place, no time, no camera, no name.
//!
//! Fields, in this order, always all of them:
//!
//! | field | meaning |
//! |---|---|
//! | `format` | `jpeg`, `png`, `webp`, `gif` or `avif` |
//! | `media_type` | the same as a media type |
//! | `bytes` | length of the original |
//! | `width`, `height` | pixels as shown, that is after `orientation` |
//! | `aspect_ratio` | width / height, four decimals |
//! | `orientation` | EXIF orientation, 1 to 8; 1 is upright |
//! | `frames` | 1 in a still |
//! | `alpha` | whether the file can hold transparency |
//! | `average_color` | `#rrggbb` of the whole, weighted by opacity; null where nothing is visible |
//! | `dominant_colors` | up to 6 of `{color, share}`, largest share (0 to 1, of visible pixels) first |
//! | `placeholder` | data URI of a tiny WebP, at most 1,024 bytes, of the same proportions |
//! | `srcset` | `{url, width, height}` per width of the settings that does not enlarge; `url` is relative to the picture's own |

mod palette;

use base64::Engine as _;
use serde::Serialize;

use crate::pixels::{Channels, Pixels};
use crate::{Error, Never, Probe, Settings, Source, webp};
use palette::{Colour, Swatch};

/// Longest side of the placeholder in pixels, and what is tried when its bytes are too many.
const PLACEHOLDER_SIDES: [u32; 3] = [16, 8, 2];

/// Longest placeholder with its prefix, in bytes: it is repeated in every page that uses it.
const PLACEHOLDER_BYTES_MAX: usize = 1024;

/// A blurred stamp needs no more.
const PLACEHOLDER_QUALITY: f32 = 40.0;

/// Most dominant colours.
const SWATCHES_MAX: usize = 6;

#[derive(Serialize)]
struct Report<'a> {
    format: Source,
    media_type: &'a str,
    bytes: u64,
    width: u32,
    height: u32,
    aspect_ratio: f64,
    orientation: u8,
    frames: u32,
    alpha: bool,
    average_color: Option<Colour>,
    dominant_colors: Vec<Swatch>,
    placeholder: String,
    srcset: Vec<Candidate>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Candidate {
    url: String,
    width: u32,
    height: u32,
}

/// Describes an original of `source_bytes` bytes; `small` is the picture as shown, scaled down.
///
/// # Errors
/// Only where the placeholder cannot be encoded.
pub(crate) fn describe(
    probe: &Probe,
    source_bytes: u64,
    small: &Pixels,
    settings: &Settings,
) -> Result<Vec<u8>, Error> {
    let (width, height) = (probe.upright.width, probe.upright.height);
    let small = small.clone().into_rgba();
    let report = Report {
        format: probe.format,
        media_type: probe.format.media_type(),
        bytes: source_bytes,
        width,
        height,
        aspect_ratio: (f64::from(width) / f64::from(height) * 10_000.0).round() / 10_000.0,
        orientation: probe.orientation,
        frames: probe.frames,
        alpha: probe.alpha,
        average_color: palette::average(&small.data),
        dominant_colors: palette::dominant(&small.data, SWATCHES_MAX),
        placeholder: placeholder(&small)?,
        srcset: srcset(&settings.srcset_widths, width, height),
    };
    let mut json = serde_json::to_vec_pretty(&report).map_err(Error::encode)?;
    json.push(b'\n');
    Ok(json)
}

/// The widths that do not enlarge; of a picture smaller than all of them, the smallest.
fn srcset(widths: &[u32], width: u32, height: u32) -> Vec<Candidate> {
    let mut kept: Vec<u32> = widths.iter().copied().filter(|rung| *rung <= width).collect();
    if kept.is_empty() {
        kept.extend(widths.iter().min());
    }
    kept.sort_unstable();
    kept.dedup();
    let candidate = |rung: u32| {
        // What comes: `w` alone never enlarges.
        let shown = rung.min(width);
        let scaled = (f64::from(height) * f64::from(shown) / f64::from(width)).round();
        Candidate { url: format!("?w={rung}"), width: shown, height: (scaled as u32).max(1) }
    };
    kept.into_iter().map(candidate).collect()
}

fn placeholder(small: &Pixels) -> Result<String, Error> {
    let mut shortest = String::new();
    for side in PLACEHOLDER_SIDES {
        let encoding = webp::Encoding { quality: PLACEHOLDER_QUALITY, method: 4 };
        let file = webp::encode(&shrink(small, side)?.without_idle_alpha(), encoding, &Never)?;
        shortest = format!("data:image/webp;base64,{}", base64::engine::general_purpose::STANDARD.encode(file));
        if shortest.len() <= PLACEHOLDER_BYTES_MAX {
            break;
        }
    }
    Ok(shortest)
}

/// The mean of each cell, weighted by opacity; the longer side becomes `side` or stays as it is. Takes and gives RGBA.
fn shrink(small: &Pixels, side: u32) -> Result<Pixels, Error> {
    let longer = small.width.max(small.height).max(1);
    let scaled = |length: u32| {
        let wanted = u64::from(length) * u64::from(side.min(longer));
        ((wanted + u64::from(longer) / 2) / u64::from(longer)).clamp(1, u64::from(length.max(1))) as u32
    };
    let (width, height) = (scaled(small.width), scaled(small.height));
    let edge = |index: u32, count: u32, length: u32| (u64::from(index) * u64::from(length) / u64::from(count)) as usize;
    let mut data = Vec::with_capacity(width as usize * height as usize * 4);
    for y in 0..height {
        let rows = edge(y, height, small.height)..edge(y + 1, height, small.height);
        for x in 0..width {
            let columns = edge(x, width, small.width) * 4..edge(x + 1, width, small.width) * 4;
            let cell =
                small.rows().skip(rows.start).take(rows.len()).flat_map(|row| row[columns.clone()].chunks_exact(4));
            data.extend_from_slice(&palette::mean(cell));
        }
    }
    Pixels::new(width, height, Channels::Rgba, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: u32, height: u32, translucent: bool) -> Pixels {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let data = (0..width * height)
            .flat_map(|_| [next(), next(), next(), if translucent { next() } else { 255 }])
            .collect();
        Pixels::new(width, height, Channels::Rgba, data).unwrap()
    }

    #[test]
    fn a_placeholder_is_short_whatever_the_picture() {
        for (width, height) in [(128, 128), (128, 1), (1, 128), (1, 1), (3, 2), (128, 85)] {
            for translucent in [false, true] {
                let uri = placeholder(&noise(width, height, translucent)).unwrap();
                assert!(uri.len() <= PLACEHOLDER_BYTES_MAX, "{width}x{height}: {}", uri.len());
                assert!(uri.starts_with("data:image/webp;base64,UklGR"));
            }
        }
    }

    #[test]
    fn shrinking_keeps_proportions_and_means() {
        for (size, wanted) in
            [((128, 64), (16, 8)), ((64, 128), (8, 16)), ((128, 1), (16, 1)), ((5, 4), (5, 4)), ((1, 1), (1, 1))]
        {
            let shrunk = shrink(&noise(size.0, size.1, false), 16).unwrap();
            assert_eq!((shrunk.width, shrunk.height), wanted);
        }
        let half = Pixels::new(2, 1, Channels::Rgba, vec![200, 0, 0, 255, 0, 0, 0, 0]).unwrap();
        assert_eq!(shrink(&half, 1).unwrap().data, [200, 0, 0, 128], "what is invisible has no colour");
    }

    #[test]
    fn srcset_never_enlarges() {
        let widths = |list: &[u32], width, height| -> Vec<(u32, u32)> {
            srcset(list, width, height).iter().map(|candidate| (candidate.width, candidate.height)).collect()
        };
        assert_eq!(widths(&[640, 320, 960, 320], 640, 480), [(320, 240), (640, 480)]);
        assert_eq!(widths(&[640, 320], 639, 10), [(320, 5)]);
        assert_eq!(widths(&[320, 640], 100, 50), [(100, 50)]);
        assert_eq!(widths(&[320], 5000, 1), [(320, 1)]);
        assert_eq!(widths(&[], 640, 480), []);
        assert_eq!(srcset(&[320], 100, 50)[0].url, "?w=320");
    }
}
