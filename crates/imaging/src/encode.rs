//! One door to all encoders, and the choice of the format where the variant leaves it open.

use afterimage_variant::Format;

use crate::copyright::Copyright;
use crate::pixels::{Channels, Frame, Pixels};
use crate::plane::Plane;
use crate::stop::Stop;
use crate::{Error, Settings, Source, avif, gif, jpeg, png, webp};

/// What the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Jpeg {
        progressive: bool,
    },
    Png,
    Webp,
    Avif,
    Gif,
    /// JPEG or PNG, as the pixels turn out to need.
    JpegOrPng,
    Json,
}

impl Output {
    /// What a format comes to for a source. AVIF is answered in AVIF where no format is named: whoever published it that way knows
    /// their viewers; `Compatible` is for the others.
    pub(crate) fn of(format: Format, source: Source, frames: u32) -> Self {
        match (format, source) {
            (Format::Jpg, _) | (Format::Same, Source::Jpeg) => Self::Jpeg { progressive: false },
            (Format::Pjpg, _) => Self::Jpeg { progressive: true },
            (Format::Png, _) | (Format::Same, Source::Png) => Self::Png,
            (Format::Webp, _) | (Format::Same, Source::Webp) => Self::Webp,
            (Format::Avif | Format::AutoAvif, _) | (Format::Same, Source::Avif) => Self::Avif,
            (Format::Gif, _) | (Format::Same, Source::Gif) => Self::Gif,
            (Format::Compatible, _) if frames > 1 => Self::Gif,
            (Format::Compatible, _) | (Format::Same, Source::Svg) => Self::JpegOrPng,
            (Format::Json, _) => Self::Json,
        }
    }

    /// Whether it can hold more than one frame.
    pub(crate) fn moves(self) -> bool {
        matches!(self, Self::Webp | Self::Gif)
    }

    /// Whether alpha survives in it.
    pub(crate) fn keeps_alpha(self) -> bool {
        !matches!(self, Self::Jpeg { .. })
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg { .. } | Self::JpegOrPng => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Gif => "image/gif",
            Self::Json => "application/json",
        }
    }

    /// Whether its encoder takes planes as they are: Y, Cb and Cr at 4:2:0.
    pub(crate) fn takes_planes(self) -> bool {
        match self {
            Self::Jpeg { .. } | Self::JpegOrPng => jpeg::ENCODES_PLANES,
            Self::Webp => true,
            _ => false,
        }
    }

    /// What JPEG or PNG comes to where nothing can be translucent.
    pub(crate) fn settled_opaque(self) -> Self {
        if self == Self::JpegOrPng { Self::Jpeg { progressive: false } } else { self }
    }

    /// JPEG or PNG once the pixels are known: PNG where something is translucent.
    pub(crate) fn settled(self, pixels: &Pixels) -> Self {
        match self {
            Self::JpegOrPng if pixels.is_translucent() => Self::Png,
            other => other.settled_opaque(),
        }
    }
}

/// How to encode besides the pixels.
pub(crate) struct Manner<'a> {
    pub(crate) quality: Option<u8>,
    pub(crate) settings: &'a Settings,
    /// What is to be said in the file about whose picture it is.
    pub(crate) copyright: &'a Copyright,
    pub(crate) stop: &'a dyn Stop,
}

impl Manner<'_> {
    fn jpeg<'t>(&self, progressive: bool, exif: Option<&'t [u8]>) -> jpeg::Encoding<'t> {
        jpeg::Encoding { quality: self.quality.unwrap_or(self.settings.quality_default.jpeg), progressive, exif }
    }

    fn webp(&self) -> webp::Encoding {
        let quality = self.quality.unwrap_or(self.settings.quality_default.webp);
        webp::Encoding { quality, method: self.settings.webp_method }
    }
}

/// Encodes a still. `output` is settled.
pub(crate) fn still(pixels: Pixels, output: Output, manner: &Manner<'_>) -> Result<Vec<u8>, Error> {
    let pixels = pixels.without_idle_alpha();
    let tiff = manner.copyright.to_tiff();
    let defaults = &manner.settings.quality_default;
    match output {
        Output::Jpeg { progressive } => {
            let pixels = if pixels.channels == Channels::Rgba { pixels.into_rgb() } else { pixels };
            jpeg::encode(&pixels, manner.jpeg(progressive, tiff.as_deref()))
        }
        Output::Png => png::encode(&pixels, tiff.as_deref()),
        Output::Webp => {
            let file = webp::encode(&pixels, manner.webp(), manner.stop)?;
            with_copyright(file, tiff)
        }
        Output::Avif => {
            let quality = manner.quality.unwrap_or(defaults.avif);
            avif::encode(&pixels, quality, manner.settings.avif_speed, manner.copyright, manner.stop)
        }
        Output::Gif => {
            let mut frames = std::iter::once(Ok(Frame { pixels, delay_ms: 0 }));
            gif::encode(&mut frames, 1, manner.stop).map(|(file, _)| file)
        }
        Output::JpegOrPng | Output::Json => Err(Error::encode("no format was settled on")),
    }
}

/// Encodes an opaque still from Y, Cb and Cr at 4:2:0, or from Y alone. `output` is settled and takes planes.
pub(crate) fn planes(planes: &[Plane], output: Output, manner: &Manner<'_>) -> Result<Vec<u8>, Error> {
    let tiff = manner.copyright.to_tiff();
    match output {
        Output::Jpeg { progressive } => jpeg::encode_planes(planes, manner.jpeg(progressive, tiff.as_deref())),
        Output::Webp => with_copyright(webp::encode_planes(planes, manner.webp(), manner.stop)?, tiff),
        _ => Err(Error::encode("no format that takes planes")),
    }
}

/// Encodes an animation of frames that all have this size, and says how many there were.
pub(crate) fn animation(
    size: (u32, u32),
    frames: &mut dyn Iterator<Item = Result<Frame, Error>>,
    loops: u16,
    output: Output,
    manner: &Manner<'_>,
) -> Result<(Vec<u8>, u32), Error> {
    if output == Output::Gif {
        return gif::encode(frames, loops, manner.stop);
    }
    let (file, count) = webp::encode_animation(size, frames, loops, manner.webp(), manner.stop)?;
    Ok((with_copyright(file, manner.copyright.to_tiff())?, count))
}

fn with_copyright(webp: Vec<u8>, tiff: Option<Vec<u8>>) -> Result<Vec<u8>, Error> {
    match tiff {
        Some(tiff) => webp::with_exif(&webp, &tiff),
        None => Ok(webp),
    }
}
