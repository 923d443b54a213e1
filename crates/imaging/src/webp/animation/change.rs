//! What changed between two pictures of one size and kind, and where.

use crate::pixels::{Channels, Pixels};

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Area {
    pub(super) fn whole(pixels: &Pixels) -> Self {
        Self { left: 0, top: 0, right: pixels.width as usize, bottom: pixels.height as usize }
    }

    pub(super) fn width(self) -> usize {
        self.right - self.left
    }

    pub(super) fn height(self) -> usize {
        self.bottom - self.top
    }

    /// The same with its corner at an even column and row.
    pub(super) fn at_even_places(self) -> Self {
        Self { left: self.left & !1, top: self.top & !1, ..self }
    }

    /// The same as seen from the corner of what it lies in.
    pub(super) fn within(self, outer: Self) -> Self {
        let (x, y) = (outer.left, outer.top);
        Self { left: self.left - x, top: self.top - y, right: self.right - x, bottom: self.bottom - y }
    }

    /// Its blocks of such a side, counted from its corner; those at the far edges may be smaller.
    pub(super) fn blocks(self, side: usize) -> impl Iterator<Item = Self> {
        let across = move |top: usize| {
            let bottom = (top + side).min(self.bottom);
            let block = move |left: usize| Self { left, top, right: (left + side).min(self.right), bottom };
            (self.left..self.right).step_by(side).map(block)
        };
        (self.top..self.bottom).step_by(side).flat_map(across)
    }

    /// Makes it transparent in a picture with alpha.
    pub(super) fn clear(self, pixels: &mut Pixels) {
        let row_len = pixels.row_len();
        let rows = pixels.data.chunks_exact_mut(row_len).skip(self.top).take(self.height());
        rows.for_each(|row| row[self.left * 4..self.right * 4].fill(0));
    }
}

/// Copies an area of one picture into another of the same size and kind.
pub(super) fn lay(from: &Pixels, area: Area, to: &mut Pixels) {
    let (row_len, samples) = (from.row_len(), from.channels.samples());
    let columns = area.left * samples..area.right * samples;
    let rows = from.rows().zip(to.data.chunks_exact_mut(row_len)).skip(area.top).take(area.height());
    rows.for_each(|(from, to)| to[columns.clone()].copy_from_slice(&from[columns.clone()]));
}

/// The smallest area inside one that holds every pixel which differs by more than the tolerance, or at all in its alpha. What is
/// invisible in both is the same.
pub(super) fn bounds(a: &Pixels, b: &Pixels, area: Area, tolerance: u8) -> Option<Area> {
    match a.channels {
        Channels::Rgba => bounds_of::<4>(a, b, area, |a, b| a[3] != b[3] || a[3] != 0 && is_far(a, b, tolerance)),
        _ => bounds_of::<3>(a, b, area, |a, b| is_far(a, b, tolerance)),
    }
}

/// Whether any pixel of an area differs, as [`bounds`] has it.
pub(super) fn differ(a: &Pixels, b: &Pixels, area: Area, tolerance: u8) -> bool {
    let row = |top: usize| Area { top, bottom: top + 1, ..area };
    (area.top..area.bottom).any(|top| bounds(a, b, row(top), tolerance).is_some())
}

fn is_far(a: &[u8], b: &[u8], tolerance: u8) -> bool {
    a[..3].iter().zip(&b[..3]).any(|(a, b)| a.abs_diff(*b) > tolerance)
}

#[inline(always)]
fn bounds_of<const SAMPLES: usize>(
    a: &Pixels,
    b: &Pixels,
    area: Area,
    differ: impl Fn(&[u8; SAMPLES], &[u8; SAMPLES]) -> bool,
) -> Option<Area> {
    let mut found: Option<Area> = None;
    for (y, (a, b)) in a.rows().zip(b.rows()).enumerate().skip(area.top).take(area.height()) {
        let (a, b) = (&a.as_chunks().0[area.left..area.right], &b.as_chunks().0[area.left..area.right]);
        // Most rows that are alike are so to the byte, which is found out faster.
        if a == b {
            continue;
        }
        let mut pairs = a.iter().zip(b);
        let Some(first) = pairs.position(|(a, b)| differ(a, b)) else { continue };
        // Counted from behind the first.
        let last = pairs.rposition(|(a, b)| differ(a, b)).map_or(first, |behind| first + 1 + behind);
        let row = Area { left: area.left + first, top: y, right: area.left + last + 1, bottom: y + 1 };
        found = Some(found.map_or(row, |found| Area {
            left: found.left.min(row.left),
            right: found.right.max(row.right),
            bottom: row.bottom,
            ..found
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: u32, height: u32, channels: Channels) -> Pixels {
        let samples = width as usize * height as usize * channels.samples();
        Pixels::new(width, height, channels, (0..samples).map(|at| (at * 89 % 200) as u8).collect()).expect("whole")
    }

    #[test]
    fn all_that_differs_is_inside_and_touches_every_side() {
        for channels in [Channels::Rgb, Channels::Rgba] {
            let a = noise(21, 9, channels);
            let whole = Area::whole(&a);
            assert_eq!(bounds(&a, &a, whole, 0), None);
            let places = [(0, 0), (20, 8), (7, 3), (7, 5), (20, 0)];
            for (one, other) in places.iter().flat_map(|one| places.iter().map(move |other| (*one, *other))) {
                let mut b = a.clone();
                for (x, y) in [one, other] {
                    b.data[(y * 21 + x) * channels.samples() + 1] += 5;
                }
                let far = if one == other { 10 } else { 5 };
                let (left, right) = (one.0.min(other.0), one.0.max(other.0) + 1);
                let (top, bottom) = (one.1.min(other.1), one.1.max(other.1) + 1);
                let wanted = Some(Area { left, top, right, bottom });
                let found = |tolerance| bounds(&a, &b, whole, tolerance);
                // The alpha of some of these pixels is 0.
                if channels == Channels::Rgb {
                    assert_eq!(found(far - 1), wanted, "{one:?} {other:?}");
                }
                assert_eq!(found(far), None);
            }
        }
    }

    #[test]
    fn alpha_counts_and_what_is_invisible_does_not() {
        let one = |pixel: [u8; 4]| Pixels::filled(1, 1, Channels::Rgba, &pixel).expect("small");
        let differ = |a, b| bounds(&one(a), &one(b), Area { left: 0, top: 0, right: 1, bottom: 1 }, 9).is_some();
        assert!(differ([1, 2, 3, 255], [1, 2, 3, 254]));
        assert!(differ([1, 2, 3, 1], [1, 12, 3, 1]));
        assert!(!differ([1, 2, 3, 0], [99, 99, 99, 0]));
    }

    #[test]
    fn blocks_tile_the_area() {
        let area = Area { left: 3, top: 5, right: 40, bottom: 22 };
        let mut met = vec![0; 50 * 30];
        for block in area.blocks(16) {
            assert!(block.width() <= 16 && block.height() <= 16);
            (block.top..block.bottom)
                .for_each(|y| met[y * 50 + block.left..y * 50 + block.right].iter_mut().for_each(|met| *met += 1));
        }
        for (at, met) in met.iter().enumerate() {
            let inside = (3..40).contains(&(at % 50)) && (5..22).contains(&(at / 50));
            assert_eq!(*met, i32::from(inside), "{at}");
        }
    }
}
