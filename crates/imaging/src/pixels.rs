//! Decoded pixels and the frames they come in: what every decoder hands over and every encoder takes. Always 8 bits a channel
//! (wider samples are rounded where they are decoded: every output is 8 bits), never premultiplied, rows tight and top down.

use crate::Error;
use crate::copyright::Copyright;

/// What one pixel holds, as the number of bytes it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    Gray = 1,
    Rgb = 3,
    Rgba = 4,
}

impl Channels {
    pub(crate) fn bytes(self) -> usize {
        self as usize
    }
}

/// One picture in memory. `data.len()` is always width x height x bytes per pixel, and neither side is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) channels: Channels,
    pub(crate) data: Vec<u8>,
}

impl Pixels {
    /// Takes a buffer of exactly the right length.
    pub(crate) fn new(width: u32, height: u32, channels: Channels, data: Vec<u8>) -> Result<Self, Error> {
        let wanted = buffer_bytes(width, height, channels)?;
        if width == 0 || height == 0 || data.len() != wanted {
            return Err(Error::broken(format!("{width}x{height} pixels in {} bytes", data.len())));
        }
        Ok(Self { width, height, channels, data })
    }

    /// A picture of one colour.
    pub(crate) fn filled(width: u32, height: u32, channels: Channels, pixel: &[u8]) -> Result<Self, Error> {
        debug_assert_eq!(pixel.len(), channels.bytes());
        let bytes = buffer_bytes(width, height, channels)?;
        let data = match pixel.iter().all(|&byte| byte == pixel[0]) {
            true => vec![pixel[0]; bytes],
            false => pixel.repeat(bytes / channels.bytes()),
        };
        Self::new(width, height, channels, data)
    }

    pub(crate) fn row_bytes(&self) -> usize {
        self.width as usize * self.channels.bytes()
    }

    pub(crate) fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.data.chunks_exact(self.row_bytes())
    }

    /// Whether any pixel is not fully opaque.
    pub(crate) fn is_translucent(&self) -> bool {
        self.channels == Channels::Rgba && self.data.chunks_exact(4).any(|pixel| pixel[3] != 255)
    }

    /// The same picture with four channels.
    pub(crate) fn into_rgba(self) -> Self {
        let data = match self.channels {
            Channels::Rgba => return self,
            Channels::Gray => self.data.iter().flat_map(|&v| [v, v, v, 255]).collect(),
            Channels::Rgb => self.data.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
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

    /// Without alpha where it says nothing.
    pub(crate) fn without_idle_alpha(self) -> Self {
        if self.channels == Channels::Rgba && !self.is_translucent() { self.into_rgb() } else { self }
    }
}

/// Bytes of a buffer for such a picture.
pub(crate) fn buffer_bytes(width: u32, height: u32, channels: Channels) -> Result<usize, Error> {
    let pixels = u64::from(width) * u64::from(height);
    pixels
        .checked_mul(channels.bytes() as u64)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(Error::TooManyPixels { asked: pixels, max: u64::from(u32::MAX) })
}

/// One frame as shown, the size of the whole picture (partial frames are composed by the decoder).
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) pixels: Pixels,
    /// How long it shows; 0 in a still.
    pub(crate) delay_ms: u32,
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
    pub(crate) frames: Box<dyn Iterator<Item = Result<Frame, Error>> + 'a>,
}

impl Frames<'static> {
    /// A still picture with nothing else known about it: upright, sRGB, at full scale.
    pub(crate) fn still(pixels: Pixels) -> Self {
        Self {
            width: pixels.width,
            height: pixels.height,
            extent: (f64::from(pixels.width), f64::from(pixels.height)),
            orientation: 1,
            icc: None,
            copyright: Copyright::default(),
            loops: 0,
            frames: Box::new(std::iter::once(Ok(Frame { pixels, delay_ms: 0 }))),
        }
    }
}
