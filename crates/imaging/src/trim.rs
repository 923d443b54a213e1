//! Where a uniform border ends. It only finds the rectangle; nothing is cut here.

use afterimage_variant::Trim;

use crate::Error;
use crate::pixels::{Channels, Pixels, Sample};
use crate::stop::{Stop, check};

/// How far a channel may be from the border's colour (or from full transparency) and still count as border, in 255ths.
const TOLERANCE: u32 = 10;

/// A rectangle of whole pixels: columns `left..right`, rows `top..bottom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) right: u32,
    pub(crate) bottom: u32,
}

/// The part of `within` that is left when its border is gone. A part that is nothing but border stays as it is.
///
/// `corner` is the pixel whose colour the border has: the top left one as shown. `within` and `corner` lie inside the picture.
pub(crate) fn inside<S: Sample>(
    pixels: &Pixels<S>,
    within: Bounds,
    corner: (u32, u32),
    trim: Trim,
    stop: &dyn Stop,
) -> Result<Bounds, Error> {
    let samples = pixels.channels.samples();
    let pixel_at = |x: u32, y: u32| &pixels.data[y as usize * pixels.row_len() + x as usize * samples..][..samples];
    let tolerance = TOLERANCE * (S::FULL / 255);
    let by_alpha = match trim {
        Trim::Color => false,
        Trim::Alpha => true,
        Trim::Auto => pixels.is_translucent(),
    };
    if by_alpha && pixels.channels != Channels::Rgba {
        return Ok(within);
    }
    let colour = pixel_at(corner.0, corner.1).to_vec();
    let near = |a: &S, b: &S| (*a).into().abs_diff((*b).into()) <= tolerance;
    let is_border = |pixel: &[S]| match by_alpha {
        true => pixel[3].into() <= tolerance,
        false => pixel.iter().zip(&colour).all(|(a, b)| near(a, b)),
    };
    let mut found: Option<Bounds> = None;
    for y in within.top..within.bottom {
        if y % 256 == 0 {
            check(stop)?;
        }
        let mut columns = within.left..within.right;
        let Some(left) = columns.find(|&x| !is_border(pixel_at(x, y))) else { continue };
        let right = columns.rfind(|&x| !is_border(pixel_at(x, y))).unwrap_or(left) + 1;
        found = Some(match found {
            None => Bounds { left, top: y, right, bottom: y + 1 },
            Some(b) => Bounds { left: b.left.min(left), top: b.top, right: b.right.max(right), bottom: y + 1 },
        });
    }
    Ok(found.unwrap_or(within))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Never;

    fn check_trim(rows: &[&[u8]], trim: Trim, wanted: (u32, u32, u32, u32)) {
        let picture =
            Pixels::new(rows[0].len() as u32, rows.len() as u32, Channels::Gray, rows.concat()).expect("right length");
        let all = Bounds { left: 0, top: 0, right: picture.width, bottom: picture.height };
        let got = inside(&picture, all, (0, 0), trim, &Never).expect("not stopped");
        assert_eq!((got.left, got.top, got.right, got.bottom), wanted, "{rows:?}");
    }

    #[test]
    fn colour_borders() {
        check_trim(&[&[9, 9, 9, 9], &[9, 50, 9, 9], &[9, 9, 60, 9], &[9, 9, 9, 9]], Trim::Color, (1, 1, 3, 3));
        // Exactly at the tolerance is border, just past it is not.
        check_trim(&[&[9, 9, 9], &[9, 19, 20]], Trim::Color, (2, 1, 3, 2));
        // Nothing but border stays.
        check_trim(&[&[9, 9], &[9, 9]], Trim::Auto, (0, 0, 2, 2));
        // No alpha, so nothing is transparent.
        check_trim(&[&[9, 50], &[9, 9]], Trim::Alpha, (0, 0, 2, 2));
    }

    #[test]
    fn transparent_borders_and_the_part_looked_at() {
        let mut data = vec![0u8; 4 * 4 * 4];
        data[(4 + 2) * 4 + 3] = 11;
        data[(2 * 4 + 1) * 4 + 3] = 10;
        let picture = Pixels::new(4, 4, Channels::Rgba, data).expect("right length");
        let all = Bounds { left: 0, top: 0, right: 4, bottom: 4 };
        let one = Bounds { left: 2, top: 1, right: 3, bottom: 2 };
        for trim in [Trim::Auto, Trim::Alpha] {
            assert_eq!(inside(&picture, all, (0, 0), trim, &Never), Ok(one));
        }
        let part = Bounds { left: 0, top: 2, right: 4, bottom: 4 };
        assert_eq!(inside(&picture, part, (0, 2), Trim::Auto, &Never), Ok(part));
    }
}
