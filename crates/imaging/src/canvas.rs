//! What lies around and behind the picture: the canvas it is laid on, the background, and the end of alpha where the output has none.

use afterimage_variant::{Plan, Rgba, Surround};

use crate::Error;
use crate::pixels::{Channels, Pixels};

const WHITE: Rgba = Rgba { r: 255, g: 255, b: 255, a: 255 };

/// Lays the scaled picture on its canvas.
///
/// A named background shows behind transparency and around the picture. Without one, what is around is transparent, or white where
/// `keeps_alpha` is false; then the result has no alpha at all.
pub(crate) fn lay(picture: Pixels, plan: &Plan, background: Option<Rgba>, keeps_alpha: bool) -> Result<Pixels, Error> {
    let ground = match background {
        Some(colour) if !keeps_alpha => Some(over(colour, WHITE)),
        Some(colour) => Some(colour),
        None => (!keeps_alpha).then_some(WHITE),
    };
    let picture = match ground {
        Some(colour) => blend(picture, colour),
        None => picture,
    };
    let (canvas, size) = (plan.canvas, plan.picture);
    if canvas == size {
        return Ok(picture);
    }
    let ground = ground.unwrap_or(Rgba { r: 0, g: 0, b: 0, a: 0 });
    let picture = match picture.channels {
        _ if ground.a != 255 => picture.into_rgba(),
        Channels::Gray if ground.r != ground.g || ground.g != ground.b => picture.into_rgb(),
        _ => picture,
    };
    let bytes = picture.channels.bytes();
    let pixel = [ground.r, ground.g, ground.b, ground.a];
    let mut laid = Pixels::filled(canvas.width, canvas.height, picture.channels, &pixel[..bytes])?;
    let row_bytes = laid.row_bytes();
    // With a repeated edge every row inside the padding holds something of the picture; else only the picture's own.
    let repeats = plan.surround == Surround::Edge;
    let padding = if repeats { plan.padding } else { 0 };
    let span =
        |start: u32, length: u32, side: u32| if repeats { padding..side - padding } else { start..start + length };
    let columns = span(plan.left, size.width, canvas.width);
    for y in span(plan.top, size.height, canvas.height) {
        let from = y.saturating_sub(plan.top).min(size.height - 1) as usize;
        let row = &picture.data[from * picture.row_bytes()..][..picture.row_bytes()];
        let target = &mut laid.data[y as usize * row_bytes..][..row_bytes];
        let at = plan.left as usize * bytes;
        target[at..at + row.len()].copy_from_slice(row);
        fill(&mut target[columns.start as usize * bytes..at], &row[..bytes]);
        fill(&mut target[at + row.len()..columns.end as usize * bytes], &row[row.len() - bytes..]);
    }
    Ok(laid)
}

fn fill(target: &mut [u8], pixel: &[u8]) {
    target.chunks_exact_mut(pixel.len()).for_each(|place| place.copy_from_slice(pixel));
}

/// The picture with `ground` behind it; without alpha where the ground is opaque.
fn blend(picture: Pixels, ground: Rgba) -> Pixels {
    if picture.channels != Channels::Rgba {
        return picture;
    }
    let mut picture = picture;
    for pixel in picture.data.chunks_exact_mut(4).filter(|pixel| pixel[3] != 255) {
        let mixed = over(Rgba { r: pixel[0], g: pixel[1], b: pixel[2], a: pixel[3] }, ground);
        pixel.copy_from_slice(&[mixed.r, mixed.g, mixed.b, mixed.a]);
    }
    if ground.a == 255 { picture.into_rgb() } else { picture }
}

/// Blends a row of RGBA pixels onto another.
pub(crate) fn blend_row(under: &mut [u8], top: &[u8]) {
    for (under, top) in under.chunks_exact_mut(4).zip(top.chunks_exact(4)) {
        let mixed = match top[3] {
            0 => continue,
            255 => [top[0], top[1], top[2], 255],
            _ => {
                let colour = |p: &[u8]| Rgba { r: p[0], g: p[1], b: p[2], a: p[3] };
                let mixed = over(colour(top), colour(under));
                [mixed.r, mixed.g, mixed.b, mixed.a]
            }
        };
        under.copy_from_slice(&mixed);
    }
}

/// Porter and Duff's "over" on colours that are not premultiplied, rounded.
fn over(top: Rgba, under: Rgba) -> Rgba {
    let (top_alpha, under_alpha) = (u32::from(top.a), u32::from(under.a));
    // In units of 1/255², so that nothing is rounded before the end.
    let shown_under = under_alpha * (255 - top_alpha);
    let alpha = top_alpha * 255 + shown_under;
    if alpha == 0 {
        return Rgba { r: 0, g: 0, b: 0, a: 0 };
    }
    let mix = |top: u8, under: u8| {
        ((u32::from(top) * top_alpha * 255 + u32::from(under) * shown_under + alpha / 2) / alpha) as u8
    };
    Rgba { r: mix(top.r, under.r), g: mix(top.g, under.g), b: mix(top.b, under.b), a: ((alpha + 127) / 255) as u8 }
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
    fn alpha_ends_on_the_background() {
        let plan = plan((2, 1), (2, 1), (0, 0), Surround::Background, 0);
        let picture = || Pixels::new(2, 1, Channels::Rgba, vec![0, 0, 255, 0, 0, 0, 255, 128]).expect("right length");
        let white = lay(picture(), &plan, None, false).expect("lays");
        assert_eq!((white.channels, white.data), (Channels::Rgb, vec![255, 255, 255, 127, 127, 255]));
        let red = lay(picture(), &plan, Some(RED), true).expect("lays");
        assert_eq!((red.channels, red.data), (Channels::Rgb, vec![255, 0, 0, 127, 0, 128]));
        assert_eq!(lay(picture(), &plan, None, true).expect("lays"), picture());
    }
}
