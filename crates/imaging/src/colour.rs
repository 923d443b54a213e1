//! Colour: what leaves is sRGB without a profile, unless somebody chose otherwise; then the profile goes with the pixels. Profiles
//! are applied after scaling, where there are fewest pixels; CMYK is converted where it is decoded, because nothing later knows ink.
//! A damaged profile, or one for another kind of pixel, is ignored, as browsers do: a slightly wrong colour is better than no picture.

use std::ops::Range;
use std::sync::Arc;

use afterimage_variant::{Gamut, Rgba};
use moxcms::{CmsError, ColorProfile, DataColorSpace, Layout, TransformExecutor, TransformOptions};

use crate::Error;
use crate::pixels::{Channels, Pixels, Sample};

/// Longest profile of an original that goes with its derivatives: what one segment of a JPEG holds. Profiles of RGB spaces have some
/// hundred bytes to four thousand; longer ones are tables of devices, and a thumbnail must not weigh what its profile does.
const PROFILE_BYTES_MAX: usize = 65_519;

type Executor<S> = Arc<dyn TransformExecutor<S> + Send + Sync>;

/// Samples that profiles can be applied to.
pub(crate) trait Managed: Sample {
    fn executor(
        from: &ColorProfile,
        layout: Layout,
        to: &ColorProfile,
        to_layout: Layout,
    ) -> Result<Executor<Self>, CmsError>;
}

impl Managed for u8 {
    fn executor(
        from: &ColorProfile,
        layout: Layout,
        to: &ColorProfile,
        to_layout: Layout,
    ) -> Result<Executor<Self>, CmsError> {
        from.create_transform_8bit(layout, to, to_layout, TransformOptions::default())
    }
}

impl Managed for u16 {
    fn executor(
        from: &ColorProfile,
        layout: Layout,
        to: &ColorProfile,
        to_layout: Layout,
    ) -> Result<Executor<Self>, CmsError> {
        from.create_transform_16bit(layout, to, to_layout, TransformOptions::default())
    }
}

/// A profile as a file. The library dates it by the clock, and equal requests must give equal bytes: it is always the same day.
pub(crate) fn written(profile: &ColorProfile) -> Option<Vec<u8>> {
    const DATE: Range<usize> = 24..36;
    let mut icc = profile.encode().ok()?;
    // Year, month, day and time, two bytes each (ICC.1, section 4.2).
    icc.get_mut(DATE)?.copy_from_slice(&[0x07, 0xd0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    Some(icc)
}

/// From which colour space a picture comes, and in which it leaves.
pub(crate) struct Colours {
    /// The original's, where it has a readable one.
    from: Option<ColorProfile>,
    /// Where it is not sRGB.
    to: Option<Leaving>,
}

/// A colour space that has to be named in the file.
struct Leaving {
    profile: ColorProfile,
    icc: Vec<u8>,
    /// Whether it is the original's own, so that nothing is converted.
    own: bool,
}

impl Colours {
    /// For pixels that mean what `icc` says, or sRGB.
    pub(crate) fn new(icc: Option<&[u8]>, gamut: Gamut) -> Self {
        let from = icc.and_then(|icc| ColorProfile::new_from_slice(icc).ok());
        let to = match gamut {
            Gamut::Srgb => None,
            Gamut::AdobeRgb => {
                let profile = ColorProfile::new_adobe_rgb();
                written(&profile).map(|icc| Leaving { profile, icc, own: false })
            }
            Gamut::Origin => from
                .as_ref()
                .filter(|profile| profile.color_space == DataColorSpace::Rgb && !is_srgb(profile))
                .zip(icc.filter(|icc| icc.len() <= PROFILE_BYTES_MAX))
                .map(|(profile, icc)| Leaving { profile: profile.clone(), icc: icc.to_vec(), own: true }),
        };
        Self { from, to }
    }

    /// The profile that goes into the file. It is one for RGB.
    pub(crate) fn icc(&self) -> Option<&[u8]> {
        self.to.as_ref().map(|to| to.icc.as_slice())
    }

    /// Whether [`Colours::apply`] would leave every pixel of such a picture as it is.
    pub(crate) fn change_nothing(&self, channels: Channels) -> bool {
        match &self.to {
            Some(to) => to.own && channels != Channels::Gray,
            None => self.from.as_ref().is_none_or(|from| match (from.color_space, channels) {
                (DataColorSpace::Rgb, Channels::Rgb | Channels::Rgba) => is_srgb(from),
                (DataColorSpace::Gray, _) => false,
                _ => true,
            }),
        }
    }

    /// Pixels with the colours of the space in which they leave.
    pub(crate) fn apply<S: Managed>(&self, pixels: Pixels<S>) -> Pixels<S> {
        if self.change_nothing(pixels.channels) {
            return pixels;
        }
        let gray = self.from.as_ref().filter(|from| from.color_space == DataColorSpace::Gray);
        let pixels = match gray.and_then(|from| through_curve(from, &pixels)) {
            Some(data) => Pixels { data, ..pixels },
            None => pixels,
        };
        let srgb = ColorProfile::new_srgb();
        let from = self.from.as_ref().filter(|from| from.color_space == DataColorSpace::Rgb).unwrap_or(&srgb);
        match (&self.to, pixels.channels) {
            // Only profiles for RGB are written: gray beside one becomes RGB, or stays what it is without one.
            (None, Channels::Gray) => pixels,
            (None, _) => through(from, &srgb, pixels),
            (Some(to), Channels::Gray) => through(from, &to.profile, pixels.into_rgb()),
            (Some(to), _) => through(from, &to.profile, pixels),
        }
    }

    /// A colour that was named in sRGB, in the space in which the picture leaves.
    pub(crate) fn named(&self, colour: Rgba) -> Rgba {
        let Some(to) = &self.to else { return colour };
        let pixel = Pixels { width: 1, height: 1, channels: Channels::Rgb, data: vec![colour.r, colour.g, colour.b] };
        match through(&ColorProfile::new_srgb(), &to.profile, pixel).data[..] {
            [r, g, b] => Rgba { r, g, b, ..colour },
            _ => colour,
        }
    }
}

/// Converts RGB, with or without alpha; or leaves it, where a profile cannot be applied.
fn through<S: Managed>(from: &ColorProfile, to: &ColorProfile, pixels: Pixels<S>) -> Pixels<S> {
    let layout = if pixels.channels == Channels::Rgba { Layout::Rgba } else { Layout::Rgb };
    let Ok(executor) = S::executor(from, layout, to, layout) else { return pixels };
    let mut data = vec![S::default(); pixels.data.len()];
    match executor.transform(&pixels.data, &mut data) {
        Ok(()) => Pixels { data, ..pixels },
        Err(_) => pixels,
    }
}

/// Whether an RGB profile changes none of a few telling colours by more than rounding on its way to sRGB, or cannot be applied.
fn is_srgb(profile: &ColorProfile) -> bool {
    let Ok(executor) = u8::executor(profile, Layout::Rgb, &ColorProfile::new_srgb(), Layout::Rgb) else { return true };
    let ramp = (0..=8u16).map(|step| (step * 32).min(255) as u8);
    let colours: Vec<u8> =
        ramp.flat_map(|v| [[v, v, v], [v, 0, 0], [0, v, 0], [0, 0, v], [255, v, 128]]).flatten().collect();
    let mut converted = vec![0; colours.len()];
    executor.transform(&colours, &mut converted).is_err()
        || colours.iter().zip(&converted).all(|(a, b)| a.abs_diff(*b) <= 1)
}

/// Gray profiles are one curve: every value through the transform, then a table, also where gray was decoded to RGB.
fn through_curve<S: Managed>(profile: &ColorProfile, pixels: &Pixels<S>) -> Option<Vec<S>> {
    let ramp: Vec<S> = (0..=S::FULL).map(S::hold).collect();
    let mut colours = vec![S::default(); ramp.len() * 3];
    let executor = S::executor(profile, Layout::Gray, &ColorProfile::new_srgb(), Layout::Rgb).ok()?;
    executor.transform(&ramp, &mut colours).ok()?;
    let curve = |value: S| colours[value.into() as usize * 3 + 1];
    let samples = pixels.channels.samples();
    let is_colour = |index: usize| samples != 4 || index % 4 != 3;
    Some(pixels.data.iter().enumerate().map(|(at, &v)| if is_colour(at) { curve(v) } else { v }).collect())
}

/// Converts four bytes of ink a pixel (0 = none, 255 = full) to sRGB: by the profile where there is one for CMYK, else each ink
/// takes away its complement, `red = (255 - cyan) * (255 - black) / 255`, which is what browsers and Pillow do.
pub(crate) fn cmyk_to_srgb(width: u32, height: u32, ink: &[u8], icc: Option<&[u8]>) -> Result<Pixels, Error> {
    let profile = icc
        .and_then(|icc| ColorProfile::new_from_slice(icc).ok())
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk);
    let by_profile = profile.and_then(|profile| {
        let transform = u8::executor(&profile, Layout::Rgba, &ColorProfile::new_srgb(), Layout::Rgb).ok()?;
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

    fn to_srgb<S: Managed>(pixels: Pixels<S>, icc: &[u8]) -> Pixels<S> {
        Colours::new(Some(icc), Gamut::Srgb).apply(pixels)
    }

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
        let translucent = Pixels::filled(1, 1, Channels::Rgba, &[200u8, 100, 100, 77]).expect("small");
        let shown = to_srgb(translucent, &p3);
        assert!(shown.data[0] > 208 && shown.data[3] == 77, "{:?}", shown.data);
    }

    #[test]
    fn gray_profiles_are_a_curve_for_any_layout() {
        let linear = ColorProfile::new_gray_with_gamma(1.0).encode().expect("encodes");
        let gray = to_srgb(Pixels::filled(1, 1, Channels::Gray, &[55u8]).expect("small"), &linear);
        // Linear 55/255 is sRGB 128.
        assert!(gray.data[0].abs_diff(128) <= 1, "{}", gray.data[0]);
        let rgba = to_srgb(Pixels::filled(1, 1, Channels::Rgba, &[55u8, 55, 55, 55]).expect("small"), &linear);
        assert_eq!(rgba.data, [gray.data[0], gray.data[0], gray.data[0], 55]);
    }

    #[test]
    fn sixteen_bits_are_converted_as_such() {
        let p3 = ColorProfile::new_display_p3().encode().expect("encodes");
        let fine = |v: u16| Pixels::filled(1, 1, Channels::Rgb, &[v, 30_000, 20_000]).expect("small");
        let reds: Vec<u16> = (40_000..40_016).map(|v| to_srgb(fine(v), &p3).data[0]).collect();
        let distinct: std::collections::BTreeSet<_> = reds.iter().collect();
        assert!(distinct.len() > 8, "steps finer than a byte are lost: {reds:?}");
        let coarse = to_srgb(rgb([200, 100, 100]), &p3);
        let wide =
            to_srgb(Pixels::filled(1, 1, Channels::Rgb, &[200 * 257, 100 * 257, 100 * 257u16]).expect("small"), &p3);
        assert!(coarse.data[0].abs_diff(wide.rounded().data[0]) <= 1);
    }

    #[test]
    fn the_originals_own_space_is_kept_and_said() {
        let p3 = ColorProfile::new_display_p3().encode().expect("encodes");
        let own = Colours::new(Some(&p3), Gamut::Origin);
        assert_eq!(own.icc(), Some(p3.as_slice()));
        assert_eq!(own.apply(rgb([200, 100, 100])), rgb([200, 100, 100]));
        // sRGB red inside P3 has less red and some green.
        let red = own.named(Rgba { r: 255, g: 0, b: 0, a: 9 });
        assert!(
            red.r.abs_diff(234) <= 1 && red.g.abs_diff(51) <= 1 && red.b.abs_diff(35) <= 1 && red.a == 9,
            "{red:?}"
        );
    }

    #[test]
    fn what_is_srgb_anyway_or_cannot_be_said_has_no_profile() {
        let srgb = ColorProfile::new_srgb().encode().expect("encodes");
        let gray = ColorProfile::new_gray_with_gamma(1.0).encode().expect("encodes");
        let mut long = ColorProfile::new_display_p3().encode().expect("encodes");
        long.resize(PROFILE_BYTES_MAX + 1, 0);
        for icc in [None, Some(&srgb), Some(&gray), Some(&long), Some(&b"junk".to_vec())] {
            assert_eq!(Colours::new(icc.map(Vec::as_slice), Gamut::Origin).icc(), None);
        }
        let converted = Colours::new(Some(&long), Gamut::Origin).apply(rgb([200, 100, 100]));
        assert!(converted.data[0] > 208, "{:?}", converted.data);
        long.truncate(PROFILE_BYTES_MAX);
        assert!(Colours::new(Some(&long), Gamut::Origin).icc().is_some());
    }

    #[test]
    fn adobe_rgb_holds_every_colour_of_srgb() {
        let adobe = Colours::new(None, Gamut::AdobeRgb);
        let icc = adobe.icc().expect("a profile").to_vec();
        assert_eq!(&icc[24..30], [0x07, 0xd0, 0, 1, 0, 1], "no clock is in it");
        for pixel in [[255, 0, 0], [0, 255, 0], [12, 200, 99], [128, 128, 128]] {
            let there = adobe.apply(rgb(pixel));
            let back = to_srgb(there, &icc);
            // The curves differ most where it is dark: a byte there is a coarse step.
            assert!(back.data.iter().zip(pixel).all(|(a, b)| a.abs_diff(b) <= 4), "{pixel:?} {:?}", &back.data[..3]);
        }
        let gray = adobe.apply(Pixels::filled(1, 1, Channels::Gray, &[50u8]).expect("small"));
        assert_eq!(gray.channels, Channels::Rgb);
        assert!(gray.data[0].abs_diff(50) > 1 && gray.data[0] == gray.data[2], "{:?}", gray.data);
    }
}
