//! Colour: everything that leaves is sRGB. Profiles are applied after scaling, where there are fewest pixels; CMYK is converted
//! where it is decoded, because nothing later knows ink. A damaged profile, or one for another kind of pixel, is ignored, as
//! browsers do: a slightly wrong colour is better than no picture.

use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};
use std::sync::Arc;

use crate::Error;
use crate::pixels::{Channels, Pixels};

/// Converts pixels that mean what `icc` says to sRGB.
pub(crate) fn to_srgb(pixels: Pixels, icc: &[u8]) -> Pixels {
    let Ok(profile) = ColorProfile::new_from_slice(icc) else { return pixels };
    let converted = match (profile.color_space, pixels.channels) {
        (DataColorSpace::Rgb, Channels::Rgb) => through(&profile, Layout::Rgb, &pixels),
        (DataColorSpace::Rgb, Channels::Rgba) => through(&profile, Layout::Rgba, &pixels),
        (DataColorSpace::Gray, _) => through_curve(&profile, &pixels),
        _ => None,
    };
    match converted {
        Some(data) => Pixels { data, ..pixels },
        None => pixels,
    }
}

/// Whether [`to_srgb`] would leave every pixel as it is.
pub(crate) fn changes_nothing(icc: &[u8], channels: Channels) -> bool {
    let Ok(profile) = ColorProfile::new_from_slice(icc) else { return true };
    let layout = if channels == Channels::Rgba { Layout::Rgba } else { Layout::Rgb };
    match (profile.color_space, channels) {
        (DataColorSpace::Rgb, Channels::Rgb | Channels::Rgba) => transform(&profile, layout, layout)
            .is_none_or(|transform| is_identity(transform.as_ref(), channels.bytes())),
        (DataColorSpace::Gray, _) => false,
        _ => true,
    }
}

fn transform(profile: &ColorProfile, from: Layout, to: Layout) -> Option<Arc<Transform8BitExecutor>> {
    profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default()).ok()
}

fn through(profile: &ColorProfile, layout: Layout, pixels: &Pixels) -> Option<Vec<u8>> {
    let transform = transform(profile, layout, layout)?;
    if is_identity(transform.as_ref(), pixels.channels.bytes()) {
        return None;
    }
    let mut data = vec![0; pixels.data.len()];
    transform.transform(&pixels.data, &mut data).ok()?;
    Some(data)
}

/// Whether a transform changes none of a few telling colours by more than rounding: sRGB by another name.
fn is_identity(transform: &Transform8BitExecutor, bytes: usize) -> bool {
    let ramp = (0..=8u16).map(|step| (step * 32).min(255) as u8);
    let colours: Vec<u8> = ramp
        .flat_map(|v| [[v, v, v, 255], [v, 0, 0, 255], [0, v, 0, 255], [0, 0, v, 255], [255, v, 128, 255]])
        .flat_map(|pixel| pixel.into_iter().take(bytes))
        .collect();
    let mut converted = vec![0; colours.len()];
    transform.transform(&colours, &mut converted).is_ok()
        && colours.iter().zip(&converted).all(|(a, b)| a.abs_diff(*b) <= 1)
}

/// Gray profiles are one curve: 256 values through the transform, then a table, also where gray was decoded to RGB.
fn through_curve(profile: &ColorProfile, pixels: &Pixels) -> Option<Vec<u8>> {
    let ramp: Vec<u8> = (0..=255).collect();
    let mut colours = vec![0; 256 * 3];
    transform(profile, Layout::Gray, Layout::Rgb)?.transform(&ramp, &mut colours).ok()?;
    let curve = |value: u8| colours[usize::from(value) * 3 + 1];
    let bytes = pixels.channels.bytes();
    let is_colour = |index: usize| bytes != 4 || index % 4 != 3;
    Some(pixels.data.iter().enumerate().map(|(at, &v)| if is_colour(at) { curve(v) } else { v }).collect())
}

/// Converts four bytes of ink a pixel (0 = none, 255 = full) to sRGB: by the profile where there is one for CMYK, else each ink
/// takes away its complement, `red = (255 - cyan) * (255 - black) / 255`, which is what browsers and Pillow do.
pub(crate) fn cmyk_to_srgb(width: u32, height: u32, ink: &[u8], icc: Option<&[u8]>) -> Result<Pixels, Error> {
    let profile = icc
        .and_then(|icc| ColorProfile::new_from_slice(icc).ok())
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk);
    let by_profile = profile.and_then(|profile| {
        let transform = transform(&profile, Layout::Rgba, Layout::Rgb)?;
        let mut data = vec![0; ink.len() / 4 * 3];
        transform.transform(ink, &mut data).ok()?;
        Some(data)
    });
    let data = by_profile.unwrap_or_else(|| {
        let light = |ink: u8, black: u8| ((u32::from(255 - ink) * u32::from(255 - black) + 127) / 255) as u8;
        ink.chunks_exact(4).flat_map(|p| [light(p[0], p[3]), light(p[1], p[3]), light(p[2], p[3])]).collect()
    });
    Pixels::new(width, height, Channels::Rgb, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(pixel: [u8; 3]) -> Pixels {
        Pixels::filled(2, 2, Channels::Rgb, &pixel).expect("small")
    }

    #[test]
    fn ink_without_a_profile() {
        let cases = [
            ([0, 0, 0, 0], [255, 255, 255]),
            ([255, 0, 0, 0], [0, 255, 255]),
            ([0, 0, 0, 255], [0, 0, 0]),
            ([0, 128, 255, 51], [204, 102, 0]),
        ];
        for (ink, wanted) in cases {
            assert_eq!(cmyk_to_srgb(1, 1, &ink, None).map(|p| p.data), Ok(wanted.to_vec()), "{ink:?}");
            assert_eq!(cmyk_to_srgb(1, 1, &ink, Some(b"junk")).map(|p| p.data), Ok(wanted.to_vec()), "{ink:?}");
        }
    }

    #[test]
    fn srgb_and_damaged_profiles_change_nothing() {
        let srgb = ColorProfile::new_srgb().encode().expect("encodes");
        for pixel in [[0, 0, 0], [12, 34, 56], [255, 1, 128]] {
            assert_eq!(to_srgb(rgb(pixel), &srgb), rgb(pixel));
            assert_eq!(to_srgb(rgb(pixel), &srgb[..100]), rgb(pixel));
            assert_eq!(to_srgb(rgb(pixel), b""), rgb(pixel));
        }
    }

    #[test]
    fn wide_gamut_becomes_srgb_and_alpha_stays() {
        let p3 = ColorProfile::new_display_p3().encode().expect("encodes");
        // Display P3 (200, 100, 100) is about sRGB (214, 95, 97).
        let shown = to_srgb(rgb([200, 100, 100]), &p3);
        assert!(shown.data[0] > 208 && shown.data[1] < 98, "{:?}", &shown.data[..3]);
        let translucent = Pixels::filled(1, 1, Channels::Rgba, &[200, 100, 100, 77]).expect("small");
        let shown = to_srgb(translucent, &p3);
        assert!(shown.data[0] > 208 && shown.data[3] == 77, "{:?}", shown.data);
    }

    #[test]
    fn gray_profiles_are_a_curve_for_any_layout() {
        let linear = ColorProfile::new_gray_with_gamma(1.0).encode().expect("encodes");
        let gray = to_srgb(Pixels::filled(1, 1, Channels::Gray, &[55]).expect("small"), &linear);
        // Linear 55/255 is sRGB 128.
        assert!(gray.data[0].abs_diff(128) <= 1, "{}", gray.data[0]);
        let rgba = to_srgb(Pixels::filled(1, 1, Channels::Rgba, &[55, 55, 55, 55]).expect("small"), &linear);
        assert_eq!(rgba.data, [gray.data[0], gray.data[0], gray.data[0], 55]);
    }
}
