//! One door to all encoders, and the choice of the format where the variant leaves it open.

use afterimage_variant::Format;

use crate::copyright::Copyright;
use crate::pixels::{Channels, Decoded, Frame, Pixels};
use crate::plane::Plane;
use crate::stop::Stop;
use crate::{Error, Settings, Source, avif, gif, hash, jpeg, png, webp};

/// What the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Jpeg {
        progressive: bool,
    },
    Png,
    /// PNG that keeps 16 bits a sample where there are.
    Png16,
    Webp,
    Avif,
    Gif,
    /// JPEG or PNG, as the pixels turn out to need.
    JpegOrPng,
    Json,
    ThumbHash,
    BlurHash,
}

impl Output {
    /// What a format comes to for a source. AVIF is answered in AVIF where no format is named: whoever published it that way knows
    /// their viewers; `Compatible` is for the others.
    pub(crate) fn of(format: Format, source: Source, frames: u32) -> Self {
        match (format, source) {
            (Format::Jpg, _) | (Format::Same, Source::Jpeg) => Self::Jpeg { progressive: false },
            (Format::Pjpg, _) => Self::Jpeg { progressive: true },
            (Format::Png, _) | (Format::Same, Source::Png) => Self::Png,
            (Format::Png16, _) => Self::Png16,
            (Format::Webp, _) | (Format::Same, Source::Webp) => Self::Webp,
            (Format::Avif | Format::AutoAvif, _) | (Format::Same, Source::Avif) => Self::Avif,
            (Format::Gif, _) | (Format::Same, Source::Gif) => Self::Gif,
            (Format::Compatible, _) if frames > 1 => Self::Gif,
            (Format::Compatible, _) | (Format::Same, Source::Svg) => Self::JpegOrPng,
            (Format::Json, _) => Self::Json,
            (Format::ThumbHash, _) => Self::ThumbHash,
            (Format::BlurHash, _) => Self::BlurHash,
        }
    }

    /// Whether it can hold more than one frame.
    pub(crate) fn moves(self) -> bool {
        matches!(self, Self::Webp | Self::Gif)
    }

    /// Whether alpha survives in it.
    pub(crate) fn keeps_alpha(self) -> bool {
        !matches!(self, Self::Jpeg { .. } | Self::BlurHash)
    }

    /// Whether it is a placeholder: made of a small picture that needs no effects.
    pub(crate) fn is_hash(self) -> bool {
        matches!(self, Self::ThumbHash | Self::BlurHash)
    }

    /// Whether a file of it can say which colour space it is in.
    pub(crate) fn takes_profile(self) -> bool {
        !matches!(self, Self::Gif | Self::Json | Self::ThumbHash | Self::BlurHash)
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg { .. } | Self::JpegOrPng => "image/jpeg",
            Self::Png | Self::Png16 => "image/png",
            Self::Webp => "image/webp",
            Self::Avif => "image/avif",
            Self::Gif => "image/gif",
            Self::Json => "application/json",
            Self::ThumbHash | Self::BlurHash => "text/plain; charset=utf-8",
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
    pub(crate) fn settled(self, pixels: &Decoded) -> Self {
        match self {
            Self::JpegOrPng if pixels.is_translucent() => Self::Png,
            other => other.settled_opaque(),
        }
    }
}

/// What a file says besides its picture.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About<'a> {
    /// The body of an EXIF block.
    pub(crate) exif: Option<&'a [u8]>,
    /// A profile for RGB; a gray picture is written without it.
    pub(crate) icc: Option<&'a [u8]>,
}

/// How to encode besides the pixels.
pub(crate) struct Manner<'a> {
    pub(crate) quality: Option<u8>,
    pub(crate) settings: &'a Settings,
    /// What is to be said in the file about whose picture it is.
    pub(crate) copyright: &'a Copyright,
    /// The profile of the pixels, where they are not sRGB.
    pub(crate) icc: Option<&'a [u8]>,
    pub(crate) stop: &'a dyn Stop,
}

impl Manner<'_> {
    fn jpeg<'t>(&self, progressive: bool, about: About<'t>) -> jpeg::Encoding<'t> {
        jpeg::Encoding { quality: self.quality.unwrap_or(self.settings.quality_default.jpeg), progressive, about }
    }

    fn webp(&self) -> webp::Encoding {
        let quality = self.quality.unwrap_or(self.settings.quality_default.webp);
        webp::Encoding { quality, method: self.settings.webp_method }
    }
}

/// Encodes a still at the depth that `output`, which is settled, can hold.
pub(crate) fn decoded(pixels: Decoded, output: Output, manner: &Manner<'_>) -> Result<Vec<u8>, Error> {
    match (pixels, output) {
        (Decoded::Words(pixels), Output::Png16) => {
            let tiff = manner.copyright.to_tiff();
            png::encode_wide(&pixels.without_idle_alpha(), &About { exif: tiff.as_deref(), icc: manner.icc })
        }
        (pixels, output) => still(pixels.into_bytes(), output, manner),
    }
}

/// Encodes a still. `output` is settled.
pub(crate) fn still(pixels: Pixels, output: Output, manner: &Manner<'_>) -> Result<Vec<u8>, Error> {
    let pixels = pixels.without_idle_alpha();
    let tiff = manner.copyright.to_tiff();
    let icc = manner.icc.filter(|_| pixels.channels != Channels::Gray);
    let about = About { exif: tiff.as_deref(), icc };
    let defaults = &manner.settings.quality_default;
    match output {
        Output::Jpeg { progressive } => {
            let pixels = if pixels.channels == Channels::Rgba { pixels.into_rgb() } else { pixels };
            jpeg::encode(&pixels, manner.jpeg(progressive, about))
        }
        Output::Png | Output::Png16 => png::encode(&pixels, &about),
        Output::Webp => {
            let file = webp::encode(&pixels, manner.webp(), manner.stop)?;
            about_webp(file, &about)
        }
        Output::Avif => {
            let quality = manner.quality.unwrap_or(defaults.avif);
            let file = avif::encode(&pixels, quality, manner.settings.avif_speed, manner.copyright, manner.stop)?;
            match icc {
                Some(icc) => avif::with_icc(file, icc),
                None => Ok(file),
            }
        }
        Output::Gif => {
            let mut frames = std::iter::once(Ok(Frame { pixels, delay_ms: 0 }));
            gif::encode(&mut frames, 1, manner.stop).map(|(file, _)| file)
        }
        Output::ThumbHash => Ok(hash::thumb(pixels)),
        Output::BlurHash => hash::blur(pixels),
        Output::JpegOrPng | Output::Json => Err(Error::encode("no format was settled on")),
    }
}

/// Encodes an opaque still from Y, Cb and Cr at 4:2:0, or from Y alone. `output` is settled and takes planes.
pub(crate) fn planes(planes: &[Plane], output: Output, manner: &Manner<'_>) -> Result<Vec<u8>, Error> {
    let tiff = manner.copyright.to_tiff();
    let about = About { exif: tiff.as_deref(), icc: manner.icc.filter(|_| planes.len() > 1) };
    match output {
        Output::Jpeg { progressive } => jpeg::encode_planes(planes, manner.jpeg(progressive, about)),
        Output::Webp => about_webp(webp::encode_planes(planes, manner.webp(), manner.stop)?, &about),
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
    let tiff = manner.copyright.to_tiff();
    Ok((about_webp(file, &About { exif: tiff.as_deref(), icc: manner.icc })?, count))
}

fn about_webp(webp: Vec<u8>, about: &About<'_>) -> Result<Vec<u8>, Error> {
    if about.exif.is_none() && about.icc.is_none() { Ok(webp) } else { webp::with_about(&webp, about) }
}
