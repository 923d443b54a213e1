//! Resampling: a fractional window of a picture to a whole number of pixels, by Lanczos3 in whatever encoding the numbers are (the picture's own,
//! as sharp, Pillow and browsers do, unless they were made linear first), with alpha multiplied in around it so that invisible colours never bleed.

use std::cell::RefCell;

use afterimage_variant::Window;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3, U8x4, U16, U16x3, U16x4};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::Error;
use crate::pixels::{Channels, Pixels, Sample, buffer_len};

/// Buffers kept by a thread between renders, in bytes; beyond this they are given back.
const KEPT_BYTES_MAX: usize = 16 << 20;

thread_local! {
    // Page faults on fresh buffers cost about a tenth of a small render.
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

/// Samples that can be scaled: the resampler's pixels of one, three and four of them.
pub(crate) trait Scaled: Sample {
    type Gray: PixelTrait;
    type Rgb: PixelTrait;
    type Rgba: PixelTrait;
}

impl Scaled for u8 {
    type Gray = U8;
    type Rgb = U8x3;
    type Rgba = U8x4;
}

impl Scaled for u16 {
    type Gray = U16;
    type Rgb = U16x3;
    type Rgba = U16x4;
}

/// Scales `window`, given in pixels of `pixels`, to `width` x `height`.
///
/// A window that reaches beyond the picture is moved and cut to it. A window of exactly those whole pixels is copied.
pub(crate) fn resize<S: Scaled>(
    pixels: &Pixels<S>,
    window: Window,
    width: u32,
    height: u32,
) -> Result<Pixels<S>, Error> {
    let (x, window_width) = hold(window.x, window.width, pixels.width);
    let (y, window_height) = hold(window.y, window.height, pixels.height);
    let is_whole = |side: f64| side.fract() == 0.0;
    if window_width == f64::from(width) && window_height == f64::from(height) && is_whole(x) && is_whole(y) {
        return Ok(cut(pixels, x as usize, y as usize, width, height));
    }
    let crop = (x, y, window_width, window_height);
    let data = match pixels.channels {
        Channels::Gray => resample::<S, S::Gray>(pixels, crop, width, height),
        Channels::Rgb => resample::<S, S::Rgb>(pixels, crop, width, height),
        Channels::Rgba => resample::<S, S::Rgba>(pixels, crop, width, height),
    }?;
    Pixels::new(width, height, pixels.channels, data)
}

/// Typed, because the library's dynamic entry compiles its kernels for thirteen kinds of pixel into this crate.
fn resample<S: Sample, P: PixelTrait>(
    pixels: &Pixels<S>,
    (x, y, window_width, window_height): (f64, f64, f64, f64),
    width: u32,
    height: u32,
) -> Result<Vec<S>, Error> {
    let fail = |error: &dyn std::fmt::Display| Error::broken(format!("cannot scale: {error}"));
    let mut data = vec![S::default(); buffer_len(width, height, pixels.channels)?];
    let (from, to) = (bytemuck::cast_slice(&pixels.data), bytemuck::cast_slice_mut(&mut data));
    let source = TypedImageRef::<P>::from_buffer(pixels.width, pixels.height, from).map_err(|error| fail(&error))?;
    let mut scaled = TypedImage::<P>::from_buffer(width, height, to).map_err(|error| fail(&error))?;
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .crop(x, y, window_width, window_height)
        .use_alpha(pixels.channels == Channels::Rgba);
    RESIZER.with_borrow_mut(|resizer| {
        let outcome = resizer.resize_typed(&source, &mut scaled, &options).map_err(|error| fail(&error));
        if resizer.size_of_internal_buffers() > KEPT_BYTES_MAX {
            resizer.reset_internal_buffers();
        }
        outcome
    })?;
    Ok(data)
}

/// A span inside `0..side`, at least a thousandth of a pixel long.
fn hold(start: f64, length: f64, side: u32) -> (f64, f64) {
    let side = f64::from(side);
    let length = length.clamp(0.001, side);
    let start = start.clamp(0.0, side - length);
    // `start + length` may exceed the side by a rounding error, which the resampler would refuse.
    (start, length.min(side - start))
}

/// Copies whole pixels. The rectangle lies inside the picture.
pub(crate) fn cut<S: Sample>(pixels: &Pixels<S>, x: usize, y: usize, width: u32, height: u32) -> Pixels<S> {
    let samples = pixels.channels.samples();
    let columns = x * samples..(x + width as usize) * samples;
    let mut data = Vec::with_capacity(columns.len() * height as usize);
    pixels.rows().skip(y).take(height as usize).for_each(|row| data.extend_from_slice(&row[columns.clone()]));
    Pixels { width, height, channels: pixels.channels, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(x: f64, y: f64, width: f64, height: f64) -> Window {
        Window { x, y, width, height }
    }

    #[test]
    fn whole_pixels_are_copied() {
        let picture = Pixels::new(4, 3, Channels::Gray, (0..12u8).collect()).expect("right length");
        let part = resize(&picture, window(1.0, 1.0, 2.0, 2.0), 2, 2).expect("inside");
        assert_eq!(part.data, [5, 6, 9, 10]);
    }

    #[test]
    fn invisible_colours_do_not_bleed() {
        // Left half opaque red, right half transparent green.
        let row = [[255, 0, 0, 255u8]; 8].into_iter().chain([[0, 255, 0, 0]; 8]).flatten();
        let data: Vec<u8> = std::iter::repeat_n(row.collect::<Vec<_>>(), 16).flatten().collect();
        let picture = Pixels::new(16, 16, Channels::Rgba, data).expect("right length");
        let small = resize(&picture, window(0.0, 0.0, 16.0, 16.0), 5, 5).expect("scales");
        for pixel in small.data.chunks_exact(4).filter(|pixel| pixel[3] > 8) {
            assert!(pixel[1] <= 8, "green showed through: {pixel:?}");
        }
    }

    #[test]
    fn any_window_of_any_size_gives_the_asked_size() {
        let picture = Pixels::filled(7, 5, Channels::Rgb, &[10u8, 200, 30]).expect("small");
        for (x, y, w, h) in
            [(-3.0, -3.0, 100.0, 100.0), (6.99, 4.99, 5.0, 5.0), (0.0, 0.0, 0.0, 0.0), (6.5, 0.1, 0.5, 4.9)]
        {
            for side in [1, 2, 64] {
                let out = resize(&picture, window(x, y, w, h), side, side).expect("scales");
                assert!(out.data.chunks_exact(3).all(|pixel| pixel == [10, 200, 30]), "{x} {y} {w} {h} -> {side}");
            }
        }
    }
}
