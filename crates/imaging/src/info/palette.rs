//! The colours of a picture: one mean, and a few that stand for most of it (median cut). Everything works on gamma-encoded RGBA,
//! as resizing does, so that a colour matches the thumbnail beside it. Deterministic: equal pixels, equal colours.

use serde::{Serialize, Serializer};

/// Opacity from which a pixel counts as seen.
const VISIBLE_ALPHA_MIN: u8 = 128;

/// A colour as `#rrggbb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) [u8; 3]);

impl Serialize for Colour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [red, green, blue] = self.0;
        serializer.collect_str(&format_args!("#{red:02x}{green:02x}{blue:02x}"))
    }
}

/// A colour and how much of the visible picture it stands for, 0 to 1, three decimals.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Swatch {
    color: Colour,
    share: f64,
}

/// The mean of RGBA pixels: colour weighted by opacity, and mean opacity. Transparent black when nothing is visible.
pub(super) fn mean<'a>(pixels: impl Iterator<Item = &'a [u8]>) -> [u8; 4] {
    let (mut colour, mut opacity, mut count) = ([0u64; 3], 0u64, 0u64);
    for pixel in pixels {
        let alpha = u64::from(pixel[3]);
        colour.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value) * alpha);
        opacity += alpha;
        count += 1;
    }
    if opacity == 0 {
        return [0; 4];
    }
    let [red, green, blue] = colour.map(|sum| ((sum + opacity / 2) / opacity) as u8);
    [red, green, blue, ((opacity + count / 2) / count) as u8]
}

/// The mean colour, or `None` where nothing is visible.
pub(super) fn average(rgba: &[u8]) -> Option<Colour> {
    let [red, green, blue, alpha] = mean(rgba.chunks_exact(4));
    (alpha > 0).then_some(Colour([red, green, blue]))
}

/// Up to `count_max` colours, largest share first.
pub(super) fn dominant(rgba: &[u8], count_max: usize) -> Vec<Swatch> {
    let mut pixels: Vec<[u8; 3]> = rgba
        .chunks_exact(4)
        .filter(|pixel| pixel[3] >= VISIBLE_ALPHA_MIN)
        .map(|pixel| [pixel[0], pixel[1], pixel[2]])
        .collect();
    let total = pixels.len();
    let mut boxes: Vec<&mut [[u8; 3]]> = Vec::new();
    if !pixels.is_empty() {
        boxes.push(&mut pixels);
    }
    while boxes.len() < count_max {
        // The box that errs most: many pixels spread wide. One colour cannot be split.
        let widest = (0..boxes.len())
            .max_by_key(|index| (spread(boxes[*index]).1 * boxes[*index].len() as u64, usize::MAX - index));
        let Some(index) = widest.filter(|index| spread(boxes[*index]).1 > 0) else { break };
        let (lower, upper) = split(boxes.swap_remove(index));
        boxes.push(lower);
        boxes.push(upper);
    }
    let share = |part: &[[u8; 3]]| (part.len() as f64 / total as f64 * 1000.0).round() / 1000.0;
    let mut swatches: Vec<Swatch> =
        boxes.iter().map(|part| Swatch { color: centre(part), share: share(part) }).collect();
    swatches.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.color.0.cmp(&b.color.0)));
    swatches
}

/// The channel with the widest range, and that range.
fn spread(part: &[[u8; 3]]) -> (usize, u64) {
    let range = |channel: usize| {
        let values = part.iter().map(|pixel| pixel[channel]);
        let (low, high) = values.fold((u8::MAX, 0), |(low, high), value| (low.min(value), high.max(value)));
        u64::from(high.saturating_sub(low))
    };
    // The first of equals, so that the choice does not depend on chance.
    (0..3)
        .map(|channel| (channel, range(channel)))
        .max_by_key(|(channel, range)| (*range, 3 - channel))
        .unwrap_or((0, 0))
}

/// Splits at the value nearest the median that leaves something on both sides.
fn split(part: &mut [[u8; 3]]) -> (&mut [[u8; 3]], &mut [[u8; 3]]) {
    let channel = spread(part).0;
    part.sort_unstable_by_key(|pixel| (pixel[channel], *pixel));
    let median = part[part.len() / 2][channel];
    let below = part.partition_point(|pixel| pixel[channel] < median);
    let upto = part.partition_point(|pixel| pixel[channel] <= median);
    // Equal values stay together: half a flat sky is not a colour of its own.
    let half = part.len() / 2;
    let at = if below == 0 || (upto < part.len() && upto - half < half - below) { upto } else { below };
    part.split_at_mut(at)
}

fn centre(part: &[[u8; 3]]) -> Colour {
    let count = part.len().max(1) as u64;
    let channel = |channel: usize| {
        let sum: u64 = part.iter().map(|pixel| u64::from(pixel[channel])).sum();
        ((sum + count / 2) / count) as u8
    };
    Colour([channel(0), channel(1), channel(2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(parts: &[([u8; 4], usize)]) -> Vec<u8> {
        parts.iter().flat_map(|(pixel, count)| pixel.repeat(*count)).collect()
    }

    fn found(rgba: &[u8], count_max: usize) -> Vec<([u8; 3], f64)> {
        dominant(rgba, count_max).into_iter().map(|swatch| (swatch.color.0, swatch.share)).collect()
    }

    #[test]
    fn flat_colours_are_found_exactly_largest_first() {
        let flag = picture(&[([255, 0, 0, 255], 20), ([0, 0, 255, 255], 50), ([255, 255, 255, 255], 30)]);
        assert_eq!(found(&flag, 6), [([0, 0, 255], 0.5), ([255, 255, 255], 0.3), ([255, 0, 0], 0.2)]);
        assert_eq!(found(&picture(&[([9, 8, 7, 255], 5)]), 6), [([9, 8, 7], 1.0)]);
        assert_eq!(found(&flag, 1).len(), 1);
    }

    #[test]
    fn what_is_not_seen_does_not_count() {
        let mostly_hidden = picture(&[([255, 0, 0, 127], 90), ([0, 255, 0, 128], 10)]);
        assert_eq!(found(&mostly_hidden, 6), [([0, 255, 0], 1.0)]);
        assert_eq!(found(&picture(&[([1, 2, 3, 0], 9)]), 6), []);
        assert_eq!(average(&picture(&[([1, 2, 3, 0], 9)])), None);
        assert_eq!(average(&picture(&[([200, 0, 0, 255], 1), ([0, 0, 0, 0], 9)])), Some(Colour([200, 0, 0])));
    }

    #[test]
    fn shares_add_up_and_colours_are_few_for_any_picture() {
        for seed in 0..40u32 {
            let rgba: Vec<u8> =
                (0..400u32).map(|at| (at.wrapping_mul(seed * 97 + 13) >> (seed % 5)) as u8 | 128).collect();
            let swatches = found(&rgba, 6);
            assert!((1..=6).contains(&swatches.len()));
            let sum: f64 = swatches.iter().map(|(_, share)| share).sum();
            assert!((sum - 1.0).abs() < 0.004, "{sum}");
            assert!(swatches.is_sorted_by(|a, b| a.1 >= b.1));
        }
    }
}
