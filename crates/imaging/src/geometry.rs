//! Turning: how stored rows become the upright, turned picture, as one of the eight symmetries of a rectangle, for windows and for
//! pixels. Windows are carried back to stored coordinates, so that only the small picture is ever turned.

use afterimage_variant::{Turn, Window};

use crate::pixels::{Pixels, Sample};

/// A symmetry of the rectangle: `shown = matrix * stored`, both measured from the centre, y downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turning([[i8; 2]; 2]);

const FLIP_H: Turning = Turning([[-1, 0], [0, 1]]);
const FLIP_V: Turning = Turning([[1, 0], [0, -1]]);
const CLOCKWISE: Turning = Turning([[0, -1], [1, 0]]);

impl Turning {
    pub(crate) const NONE: Self = Self([[1, 0], [0, 1]]);

    /// What makes a picture of this EXIF orientation upright (CIPA DC-008, tag 0x0112). Outside 1 to 8: nothing.
    pub(crate) fn of_exif(orientation: u8) -> Self {
        match orientation {
            2 => FLIP_H,
            3 => FLIP_H.then(FLIP_V),
            4 => FLIP_V,
            5 => CLOCKWISE.then(FLIP_H),
            6 => CLOCKWISE,
            7 => CLOCKWISE.then(FLIP_V),
            8 => CLOCKWISE.then(CLOCKWISE).then(CLOCKWISE),
            _ => Self::NONE,
        }
    }

    /// Flips first, then clockwise.
    pub(crate) fn of_turn(turn: Turn) -> Self {
        let mut turning = Self::NONE;
        if turn.flip_h {
            turning = turning.then(FLIP_H);
        }
        if turn.flip_v {
            turning = turning.then(FLIP_V);
        }
        (0..turn.rotate_degrees / 90 % 4).fold(turning, |turning, _| turning.then(CLOCKWISE))
    }

    /// This, and after it `next`.
    #[must_use]
    pub(crate) fn then(self, next: Self) -> Self {
        let (a, b) = (next.0, self.0);
        let cell = |row: usize, column: usize| a[row][0] * b[0][column] + a[row][1] * b[1][column];
        Self([[cell(0, 0), cell(0, 1)], [cell(1, 0), cell(1, 1)]])
    }

    /// Whether width and height change places.
    pub(crate) fn swaps(self) -> bool {
        self.0[0][0] == 0
    }

    /// Whether what is stored from left to right, and from the top down, is shown the other way round, in either direction.
    pub(crate) fn mirrors(self) -> (bool, bool) {
        let [[a, b], [c, d]] = self.0;
        (a + c < 0, b + d < 0)
    }

    /// A width and a height, exchanged where this swaps.
    pub(crate) fn sides<T>(self, width: T, height: T) -> (T, T) {
        if self.swaps() { (height, width) } else { (width, height) }
    }

    fn inverse(self) -> Self {
        let [[a, b], [c, d]] = self.0;
        Self([[a, c], [b, d]])
    }

    /// Carries a window from a stored picture of these sides to the shown one.
    pub(crate) fn show(self, window: Window, stored: (f64, f64)) -> Window {
        let shown = self.sides(stored.0, stored.1);
        let [[a, b], [c, d]] = self.0.map(|row| row.map(f64::from));
        let x = window.x + window.width / 2.0 - stored.0 / 2.0;
        let y = window.y + window.height / 2.0 - stored.1 / 2.0;
        let (width, height) = self.sides(window.width, window.height);
        let (x, y) = (a * x + b * y + shown.0 / 2.0, c * x + d * y + shown.1 / 2.0);
        Window { x: x - width / 2.0, y: y - height / 2.0, width, height }
    }

    /// Carries a window on the shown picture back to the stored one of these sides.
    pub(crate) fn store(self, window: Window, stored: (f64, f64)) -> Window {
        self.inverse().show(window, self.sides(stored.0, stored.1))
    }

    /// Turns pixels.
    pub(crate) fn apply<S: Sample>(self, pixels: Pixels<S>) -> Pixels<S> {
        if self == Self::NONE {
            return pixels;
        }
        match pixels.channels.samples() {
            1 => self.apply_to::<S, 1>(&pixels),
            3 => self.apply_to::<S, 3>(&pixels),
            _ => self.apply_to::<S, 4>(&pixels),
        }
    }

    fn apply_to<S: Sample, const SAMPLES: usize>(self, pixels: &Pixels<S>) -> Pixels<S> {
        let (stored, _) = pixels.data.as_chunks::<SAMPLES>();
        let (width, height) = self.sides(pixels.width, pixels.height);
        // A step to the right or down on the shown picture is a step of so many pixels in the stored one.
        let back = self.inverse().0;
        let stored_width = pixels.width as isize;
        let step = |column: usize| isize::from(back[0][column]) + isize::from(back[1][column]) * stored_width;
        let (right, down) = (step(0), step(1));
        let last = |sign: i8, side: u32| if sign < 0 { side as isize - 1 } else { 0 };
        let first =
            last(back[0][0] + back[0][1], pixels.width) + last(back[1][0] + back[1][1], pixels.height) * stored_width;
        let mut data = Vec::with_capacity(pixels.data.len());
        for y in 0..height as isize {
            let row = first + y * down;
            data.extend((0..width as isize).flat_map(|x| stored[(row + x * right) as usize]));
        }
        Pixels { width, height, channels: pixels.channels, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Channels;

    fn letters(width: u32, height: u32, rows: &str) -> Pixels {
        Pixels::new(width, height, Channels::Gray, rows.replace(' ', "").into_bytes()).expect("right length")
    }

    #[test]
    fn every_exif_orientation_shows_the_same_picture() {
        // The upright picture is "abc def"; each row is how a camera stores it under that orientation.
        let stored = [
            (1, 3, 2, "abc def"),
            (2, 3, 2, "cba fed"),
            (3, 3, 2, "fed cba"),
            (4, 3, 2, "def abc"),
            (5, 2, 3, "ad be cf"),
            (6, 2, 3, "cf be ad"),
            (7, 2, 3, "fc eb da"),
            (8, 2, 3, "da eb fc"),
        ];
        for (orientation, width, height, rows) in stored {
            let shown = Turning::of_exif(orientation).apply(letters(width, height, rows));
            assert_eq!(shown, letters(3, 2, "abc def"), "orientation {orientation}");
        }
        assert_eq!(Turning::of_exif(0), Turning::NONE);
        assert_eq!(Turning::of_exif(9), Turning::NONE);
    }

    #[test]
    fn windows_go_where_their_pixels_go() {
        for orientation in 1..=8 {
            let turning = Turning::of_exif(orientation);
            let picture = letters(3, 2, "abc def");
            let shown = turning.apply(picture.clone());
            for y in 0..2 {
                for x in 0..3 {
                    let pixel = Window { x: f64::from(x), y: f64::from(y), width: 1.0, height: 1.0 };
                    let there = turning.show(pixel, (3.0, 2.0));
                    let at = there.y as usize * shown.width as usize + there.x as usize;
                    assert_eq!(shown.data[at], picture.data[(y * 3 + x) as usize], "orientation {orientation}");
                    assert_eq!(turning.store(there, (3.0, 2.0)), pixel);
                }
            }
        }
    }

    #[test]
    fn flips_come_before_rotation() {
        let turn = Turn { rotate_degrees: 90, flip_h: true, flip_v: false };
        let shown = Turning::of_turn(turn).apply(letters(3, 2, "abc def"));
        // Flipped: "cba fed"; then clockwise the left column, read upwards, is the top row.
        assert_eq!(shown, letters(2, 3, "fc eb da"));
    }
}
