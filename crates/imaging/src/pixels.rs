//! Decoded pixels and the frames they come in: what every decoder hands over and every encoder takes. 8 or 16 bits a sample, never
//! premultiplied, rows tight and top down. Wider samples than 8 bits stay 16 until the picture is done, and are then rounded once.

use std::fmt;

use crate::Error;
use crate::copyright::Copyright;

/// One sample of a channel.
pub(crate) trait Sample: bytemuck::Pod + Default + Ord + Into<u32> + fmt::Debug {
    /// Full light, full opacity.
    const FULL: u32;

    /// The sample of this value, or the brightest there is.
    fn hold(value: u32) -> Self;

    /// The sample that means what a byte means.
    fn of_byte(byte: u8) -> Self {
        Self::hold(u32::from(byte) * (Self::FULL / 255))
    }
}

impl Sample for u8 {
    const FULL: u32 = 255;

    fn hold(value: u32) -> Self {
        value.min(Self::FULL) as Self
    }
}

impl Sample for u16 {
    const FULL: u32 = 65_535;

    fn hold(value: u32) -> Self {
        value.min(Self::FULL) as Self
    }
}

/// What one pixel holds, as the number of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    Gray = 1,
    Rgb = 3,
    Rgba = 4,
}

impl Channels {
    pub(crate) fn samples(self) -> usize {
        self as usize
    }

    /// Bytes of a pixel with 8 bits a sample.
    pub(crate) fn bytes(self) -> usize {
        self.samples()
    }
}

/// One picture in memory. `data.len()` is always width x height x samples per pixel, and neither side is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pixels<S = u8> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) data: Vec<S>,
}

impl<S: Sample> Pixels<S> {
    /// Takes a buffer of exactly the right length.
    pub(crate) fn new(width: u32, height: u32, channels: Channels, data: Vec<S>) -> Result<Self, Error> {
        let wanted = buffer_len(width, height, channels)?;
        if width == 0 || height == 0 || data.len() != wanted {
            return Err(Error::broken(format!("{width}x{height} pixels in {} samples", data.len())));
        }
        Ok(Self { width, height, channels, data })
    }

    /// A picture of one colour.
    pub(crate) fn filled(width: u32, height: u32, channels: Channels, pixel: &[S]) -> Result<Self, Error> {
        debug_assert_eq!(pixel.len(), channels.samples());
        let samples = buffer_len(width, height, channels)?;
        let data = match pixel.iter().all(|&sample| sample == pixel[0]) {
            true => vec![pixel[0]; samples],
            false => pixel.repeat(samples / channels.samples()),
        };
        Self::new(width, height, channels, data)
    }

    /// Samples of a row.
    pub(crate) fn row_len(&self) -> usize {
        self.width as usize * self.channels.samples()
    }

    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, S> {
        self.data.chunks_exact(self.row_len())
    }

    /// Whether any pixel is not fully opaque.
    pub(crate) fn is_translucent(&self) -> bool {
        self.channels == Channels::Rgba && self.data.chunks_exact(4).any(|pixel| pixel[3].into() != S::FULL)
    }

    /// The same picture with four channels.
    pub(crate) fn into_rgba(self) -> Self {
        let opaque = S::hold(S::FULL);
        let data = match self.channels {
            Channels::Rgba => return self,
            Channels::Gray => self.data.iter().flat_map(|&v| [v, v, v, opaque]).collect(),
            Channels::Rgb => self.data.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], opaque]).collect(),
        };
        Self { data, channels: Channels::Rgba, ..self }
    }

    /// The same picture with three channels. Alpha is dropped, not blended: for pictures known to be opaque.
    pub(crate) fn into_rgb(self) -> Self {
        let data = match self.channels {
            Channels::Rgb => return self,
            Channels::Gray => self.data.iter().flat_map(|&v| [v, v, v]).collect(),
            Channels::Rgba => self.data.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        };
        Self { data, channels: Channels::Rgb, ..self }
    }

    /// With 8 bits a sample, each the nearest. Noise in place of rounding (dithering) would have to be paid for by every encoder.
    pub(crate) fn rounded(self) -> Pixels {
        let byte = |sample: S| ((sample.into() * 255 + S::FULL / 2) / S::FULL) as u8;
        let data = self.data.into_iter().map(byte).collect();
        Pixels { width: self.width, height: self.height, channels: self.channels, data }
    }

    /// Without alpha where it says nothing.
    pub(crate) fn without_idle_alpha(self) -> Self {
        if self.channels == Channels::Rgba && !self.is_translucent() { self.into_rgb() } else { self }
    }
}

/// Pixels at the depth they have: whatever is more than 8 bits in a file is 16 here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decoded {
    Bytes(Pixels),
    Words(Pixels<u16>),
}

impl From<Pixels> for Decoded {
    fn from(pixels: Pixels) -> Self {
        Self::Bytes(pixels)
    }
}

impl From<Pixels<u16>> for Decoded {
    fn from(pixels: Pixels<u16>) -> Self {
        Self::Words(pixels)
    }
}

impl Decoded {
    fn size(&self) -> (u32, u32) {
        match self {
            Self::Bytes(pixels) => (pixels.width, pixels.height),
            Self::Words(pixels) => (pixels.width, pixels.height),
        }
    }

    /// Whether any pixel is not fully opaque.
    pub(crate) fn is_translucent(&self) -> bool {
        match self {
            Self::Bytes(pixels) => pixels.is_translucent(),
            Self::Words(pixels) => pixels.is_translucent(),
        }
    }

    /// With 8 bits a sample.
    pub(crate) fn into_bytes(self) -> Pixels {
        match self {
            Self::Bytes(pixels) => pixels,
            Self::Words(pixels) => pixels.rounded(),
        }
    }
}

impl Pixels {
    /// Bytes of a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.row_len()
    }
}

/// Samples of a buffer for such a picture.
pub(crate) fn buffer_len(width: u32, height: u32, channels: Channels) -> Result<usize, Error> {
    let pixels = u64::from(width) * u64::from(height);
    pixels
        .checked_mul(channels.samples() as u64)
        .and_then(|samples| usize::try_from(samples).ok())
        .ok_or(Error::TooManyPixels { asked: pixels, max: u64::from(u32::MAX) })
}

/// One frame as shown, the size of the whole picture (partial frames are composed by the decoder).
#[derive(Debug, Clone)]
pub(crate) struct Frame<P = Pixels> {
    pub(crate) pixels: P,
    /// How long it shows; 0 in a still.
    pub(crate) delay_ms: u32,
}

impl<P> Frame<P> {
    /// The same frame with something else made of its pixels.
    pub(crate) fn map<Q>(self, change: impl FnOnce(P) -> Q) -> Frame<Q> {
        Frame { pixels: change(self.pixels), delay_ms: self.delay_ms }
    }
}

/// What a decoder hands over: the frames, one at a time, and what the file says about all of them.
pub(crate) struct Frames<'a> {
    /// The stored size at full scale, before any orientation.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How many columns and rows of each frame the picture truly covers. A JPEG decoded at n/8 covers `width * n / 8`
    /// columns, which is fractional; the last decoded column may reach beyond it. Other decoders: the frame's own size.
    pub(crate) extent: (f64, f64),
    /// EXIF orientation, 1 to 8.
    pub(crate) orientation: u8,
    /// The colour profile of the pixels, where it is not sRGB by definition.
    pub(crate) icc: Option<Vec<u8>>,
    pub(crate) copyright: Copyright,
    /// How often an animation plays; 0 = for ever.
    pub(crate) loops: u16,
    /// At least one frame, all of one size. After an error nothing follows.
    pub(crate) frames: Box<dyn Iterator<Item = Result<Frame<Decoded>, Error>> + 'a>,
}

impl Frames<'static> {
    /// A still picture with nothing else known about it: upright, sRGB, at full scale.
    pub(crate) fn still(pixels: impl Into<Decoded>) -> Self {
        let pixels = pixels.into();
        let (width, height) = pixels.size();
        Self {
            width,
            height,
            extent: (f64::from(width), f64::from(height)),
            orientation: 1,
            icc: None,
            copyright: Copyright::default(),
            loops: 0,
            frames: Box::new(std::iter::once(Ok(Frame { pixels, delay_ms: 0 }))),
        }
    }
}
