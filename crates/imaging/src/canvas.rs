//! What lies around and behind the picture: the canvas it is laid on, the background, and the end of alpha where the output has none.

use afterimage_variant::{Plan, Rgba, Surround};

use crate::Error;
use crate::pixels::{Channels, Pixels, Sample};

const WHITE: Rgba = Rgba { r: 255, g: 255, b: 255, a: 255 };

/// Lays the scaled picture on its canvas.
///
/// A named background shows behind transparency and around the picture. Without one, what is around is transparent, or white where
/// `keeps_alpha` is false; then the result has no alpha at all.
pub(crate) fn lay<S: Sample>(
    picture: Pixels<S>,
    plan: &Plan,
    background: Option<Rgba>,
    keeps_alpha: bool,
) -> Result<Pixels<S>, Error> {
    let pixel = |colour: Rgba| [colour.r, colour.g, colour.b, colour.a].map(S::of_byte);
    let ground = match background.map(pixel) {
        Some(colour) if !keeps_alpha => Some(over(colour, pixel(WHITE))),
        Some(colour) => Some(colour),
        None => (!keeps_alpha).then(|| pixel(WHITE)),
    };
    let picture = match ground {
        Some(colour) => blend(picture, colour),
        None => picture,
    };
    let (canvas, size) = (plan.canvas, plan.picture);
    if canvas == size {
        return Ok(picture);
    }
    let ground = ground.unwrap_or_default();
    let picture = match picture.channels {
        _ if !is_opaque(ground) => picture.into_rgba(),
        Channels::Gray if ground[0] != ground[1] || ground[1] != ground[2] => picture.into_rgb(),
        _ => picture,
    };
    let samples = picture.channels.samples();
    let mut laid = Pixels::filled(canvas.width, canvas.height, picture.channels, &ground[..samples])?;
    let row_len = laid.row_len();
    // With a repeated edge every row inside the padding holds something of the picture; else only the picture's own.
    let repeats = plan.surround == Surround::Edge;
    let padding = if repeats { plan.padding } else { 0 };
    let span =
        |start: u32, length: u32, side: u32| if repeats { padding..side - padding } else { start..start + length };
    let columns = span(plan.left, size.width, canvas.width);
    for y in span(plan.top, size.height, canvas.height) {
        let from = y.saturating_sub(plan.top).min(size.height - 1) as usize;
        let row = &picture.data[from * picture.row_len()..][..picture.row_len()];
        let target = &mut laid.data[y as usize * row_len..][..row_len];
        let at = plan.left as usize * samples;
        target[at..at + row.len()].copy_from_slice(row);
        fill(&mut target[columns.start as usize * samples..at], &row[..samples]);
        fill(&mut target[at + row.len()..columns.end as usize * samples], &row[row.len() - samples..]);
    }
    Ok(laid)
}

fn fill<S: Sample>(target: &mut [S], pixel: &[S]) {
    target.chunks_exact_mut(pixel.len()).for_each(|place| place.copy_from_slice(pixel));
}

/// The picture with `ground` behind it; without alpha where the ground is opaque.
fn blend<S: Sample>(picture: Pixels<S>, ground: [S; 4]) -> Pixels<S> {
    if picture.channels != Channels::Rgba {
        return picture;
    }
    let mut picture = picture;
    for pixel in picture.data.as_chunks_mut::<4>().0.iter_mut().filter(|pixel| !is_opaque(**pixel)) {
        *pixel = over(*pixel, ground);
    }
    if is_opaque(ground) { picture.into_rgb() } else { picture }
}

/// Blends a row of RGBA pixels onto another.
pub(crate) fn blend_row(under: &mut [u8], top: &[u8]) {
    for (under, top) in under.chunks_exact_mut(4).zip(top.chunks_exact(4)) {
        let mixed = match top[3] {
            0 => continue,
            255 => [top[0], top[1], top[2], 255],
            _ => over([top[0], top[1], top[2], top[3]], [under[0], under[1], under[2], under[3]]),
        };
        under.copy_from_slice(&mixed);
    }
}

fn is_opaque<S: Sample>(pixel: [S; 4]) -> bool {
    pixel[3].into() == S::FULL
}

/// Porter and Duff's "over" on colours that are not premultiplied, rounded.
fn over<S: Sample>(top: [S; 4], under: [S; 4]) -> [S; 4] {
    let max = u64::from(S::FULL);
    let wide = |sample: S| u64::from(sample.into());
    let (top_alpha, under_alpha) = (wide(top[3]), wide(under[3]));
    // In units of 1/FULL², so that nothing is rounded before the end.
    let shown_under = under_alpha * (max - top_alpha);
    let alpha = top_alpha * max + shown_under;
    if alpha == 0 {
        return [S::default(); 4];
    }
    let mix = |at: usize| {
        let sum = wide(top[at]) * top_alpha * max + wide(under[at]) * shown_under;
        S::hold(((sum + alpha / 2) / alpha) as u32)
    };
    [mix(0), mix(1), mix(2), S::hold(((alpha + max / 2) / max) as u32)]
}

#[cfg(test)]
mod tests {
    use afterimage_variant::{Size, Window};

    use super::*;

    fn plan(picture: (u32, u32), canvas: (u32, u32), at: (u32, u32), surround: Surround, padding: u32) -> Plan {
        Plan {
            window: Window { x: 0.0, y: 0.0, width: 1.0, height: 1.0 },
            picture: Size::new(picture.0, picture.1),
            canvas: Size::new(canvas.0, canvas.1),
            left: at.0,
            top: at.1,
            search: None,
            surround,
            padding,
        }
    }

    fn gray(width: u32, height: u32, data: &[u8]) -> Pixels {
        Pixels::new(width, height, Channels::Gray, data.to_vec()).expect("right length")
    }

    const RED: Rgba = Rgba { r: 255, g: 0, b: 0, a: 255 };

    #[test]
    fn what_is_around_depends_on_background_and_alpha() {
        let plan = plan((1, 1), (3, 1), (1, 0), Surround::Background, 0);
        let lay = |background, keeps| lay(gray(1, 1, &[7]), &plan, background, keeps).expect("lays");
        assert_eq!(lay(None, false), gray(3, 1, &[255, 7, 255]));
        assert_eq!(lay(None, true).data, [0, 0, 0, 0, 7, 7, 7, 255, 0, 0, 0, 0]);
        assert_eq!(lay(Some(RED), true).data, [255, 0, 0, 7, 7, 7, 255, 0, 0]);
        let half_black = Rgba { r: 0, g: 0, b: 0, a: 128 };
        assert_eq!(lay(Some(half_black), false), gray(3, 1, &[127, 7, 127]));
        assert_eq!(lay(Some(half_black), true).data, [0, 0, 0, 128, 7, 7, 7, 255, 0, 0, 0, 128]);
    }

    #[test]
    fn a_repeated_edge_stays_out_of_the_padding() {
        let plan = plan((2, 1), (6, 5), (2, 2), Surround::Edge, 1);
        let laid = lay(gray(2, 1, &[1, 2]), &plan, None, false).expect("lays");
        let (blank, row) = ([255; 6], [255, 1, 1, 2, 2, 255]);
        assert_eq!(laid.data, [blank, row, row, row, blank].concat());
    }

    #[test]
    fn sixteen_bits_are_laid_as_eight_are() {
        let plan = plan((1, 1), (3, 1), (1, 0), Surround::Background, 0);
        let picture = Pixels::new(1, 1, Channels::Rgba, vec![1_000u16, 2_000, 3_000, 32_768]).expect("right length");
        let laid = lay(picture, &plan, Some(RED), true).expect("lays");
        assert_eq!(laid.channels, Channels::Rgb);
        // Half of the picture, half of red.
        assert_eq!(laid.data, [65_535, 0, 0, 33_267, 1_000, 1_500, 65_535, 0, 0]);
    }

    #[test]
    fn alpha_ends_on_the_background() {
        let plan = plan((2, 1), (2, 1), (0, 0), Surround::Background, 0);
        let picture = || Pixels::new(2, 1, Channels::Rgba, vec![0u8, 0, 255, 0, 0, 0, 255, 128]).expect("right length");
        let white = lay(picture(), &plan, None, false).expect("lays");
        assert_eq!((white.channels, white.data), (Channels::Rgb, vec![255, 255, 255, 127, 127, 255]));
        let red = lay(picture(), &plan, Some(RED), true).expect("lays");
        assert_eq!((red.channels, red.data), (Channels::Rgb, vec![255, 0, 0, 127, 0, 128]));
        assert_eq!(lay(picture(), &plan, None, true).expect("lays"), picture());
    }
}
