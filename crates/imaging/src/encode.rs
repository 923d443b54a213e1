//! One door to all encoders, and the choice of the format where the variant leaves it open.

use afterimage_variant::{Format, Quality};

use crate::chosen::Told;
use crate::copyright::Copyright;
use crate::pixels::{Channels, Decoded, Frame, Pixels};
use crate::plane::Plane;
use crate::quality::Level;
use crate::quality::auto::{Encoder, Look};
use crate::stop::Stop;
use crate::{Error, QualityScale, Settings, Source, avif, gif, hash, jpeg, png, webp};

/// What the answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Jpeg {
        progressive: bool,
    },
    Png,
    /// With a palette of at most 256 colours.
    Png8,
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
    /// their viewers; `Compatible` is for the others. What moves is answered in WebP to who accepts AVIF, since ours holds one frame.
    pub(crate) fn of(format: Format, source: Source, frames: u32) -> Self {
        match (format, source) {
            (Format::Jpg, _) | (Format::Same, Source::Jpeg) => Self::Jpeg { progressive: false },
            (Format::Pjpg, _) => Self::Jpeg { progressive: true },
            (Format::Png, _) | (Format::Same, Source::Png) => Self::Png,
            (Format::Png8, _) => Self::Png8,
            (Format::Png16, _) => Self::Png16,
            (Format::Webp, _) | (Format::Same, Source::Webp) => Self::Webp,
            (Format::AutoAvif, _) if frames > 1 => Self::Webp,
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

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Jpeg { progressive: false } => "jpeg",
            Self::Jpeg { progressive: true } => "pjpeg",
            Self::Png => "png",
            Self::Png8 => "png8",
            Self::Png16 => "png16",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Gif => "gif",
            Self::JpegOrPng => "any",
            Self::Json => "json",
            Self::ThumbHash => "thumbhash",
            Self::BlurHash => "blurhash",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg { .. } | Self::JpegOrPng => "image/jpeg",
            Self::Png | Self::Png8 | Self::Png16 => "image/png",
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
    /// What the request said of it.
    pub(crate) quality: Option<Quality>,
    pub(crate) settings: &'a Settings,
    /// What is to be said in the file about whose picture it is.
    pub(crate) copyright: &'a Copyright,
    /// The profile of the pixels, where they are not sRGB.
    pub(crate) icc: Option<&'a [u8]>,
    pub(crate) stop: &'a dyn Stop,
}

/// A file, and what was decided on the way.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: u32,
    /// The quality, if the format has one.
    pub(crate) level: Option<Level>,
    pub(crate) told: Told,
}

impl Encoded {
    fn of(bytes: Vec<u8>, level: Option<Level>, told: Told) -> Self {
        Self { bytes, frames: 1, level, told }
    }
}

impl Manner<'_> {
    /// The quality for an encoder, and what it counts. `look` looks at the picture, where that decides.
    fn level(&self, encoder: Encoder, look: impl FnOnce() -> Look) -> Level {
        let defaults = &self.settings.quality_default;
        let quality = match self.quality {
            Some(Quality::Of(quality)) => quality,
            // A score has its place on the one scale that scores were measured for.
            Some(Quality::Auto) => {
                let quality = look().quality_for(encoder, self.settings.auto_score);
                return Level { quality, scale: QualityScale::Equal };
            }
            None => match encoder {
                Encoder::Jpeg => defaults.jpeg,
                Encoder::Webp => defaults.webp,
                Encoder::Avif => defaults.avif,
            },
        };
        Level { quality, scale: self.settings.quality_scale }
    }

    fn png<'a>(&'a self, about: About<'a>) -> png::Encoding<'a> {
        png::Encoding { effort: self.settings.png_effort, about, stop: self.stop }
    }

    fn webp(&self, level: Level) -> webp::Encoding {
        webp::Encoding { quality: level.webp(), method: self.settings.webp_method }
    }
}

/// Encodes a still at the depth that `output`, which is settled, can hold.
pub(crate) fn decoded(pixels: Decoded, output: Output, manner: &Manner<'_>) -> Result<Encoded, Error> {
    match (pixels, output) {
        (Decoded::Words(pixels), Output::Png16) => {
            let tiff = manner.copyright.to_tiff();
            let encoding = manner.png(About { exif: tiff.as_deref(), icc: manner.icc });
            Ok(Encoded::of(png::encode_wide(&pixels.without_idle_alpha(), &encoding)?, None, Told::Nothing))
        }
        (pixels, output) => still(pixels.into_bytes(), output, manner),
    }
}

/// Encodes a still. `output` is settled.
pub(crate) fn still(pixels: Pixels, output: Output, manner: &Manner<'_>) -> Result<Encoded, Error> {
    let pixels = pixels.without_idle_alpha();
    let tiff = manner.copyright.to_tiff();
    let icc = manner.icc.filter(|_| pixels.channels != Channels::Gray);
    let about = About { exif: tiff.as_deref(), icc };
    let look = || Look::at_pixels(&pixels);
    match output {
        Output::Jpeg { progressive } => {
            let level = manner.level(Encoder::Jpeg, look);
            let pixels = if pixels.channels == Channels::Rgba { pixels.into_rgb() } else { pixels };
            let encoding = jpeg::Encoding { quantisers: level.jpeg(), progressive, about };
            Ok(Encoded::of(jpeg::encode(&pixels, encoding)?, Some(level), Told::Jpeg))
        }
        Output::Png | Output::Png16 => Ok(Encoded::of(png::encode(&pixels, &manner.png(about))?, None, Told::Nothing)),
        Output::Png8 => {
            let (bytes, colours) = png::encode_palette(pixels, &manner.png(about))?;
            Ok(Encoded::of(bytes, None, Told::Colours(colours)))
        }
        Output::Webp => {
            let level = manner.level(Encoder::Webp, look);
            let file = webp::encode(&pixels, manner.webp(level), manner.stop)?;
            Ok(Encoded::of(about_webp(file, &about)?, Some(level), Told::Webp(level.webp())))
        }
        Output::Avif => {
            let level = manner.level(Encoder::Avif, look);
            let (speed, chroma) = (manner.settings.avif_speed, manner.settings.avif_chroma);
            let made = avif::encode(&pixels, avif::Encoding { level, speed, chroma }, manner.copyright, manner.stop)?;
            let told = Told::Avif { cq_level: made.cq_level, whole_chroma: made.whole_chroma };
            let bytes = match icc {
                Some(icc) => avif::with_icc(made.bytes, icc)?,
                None => made.bytes,
            };
            Ok(Encoded::of(bytes, Some(level), told))
        }
        Output::Gif => {
            let mut frames = std::iter::once(Ok(Frame { pixels, delay_ms: 0 }));
            gif::encode(&mut frames, 1, manner.stop).map(|(file, _)| Encoded::of(file, None, Told::Nothing))
        }
        Output::ThumbHash => Ok(Encoded::of(hash::thumb(pixels), None, Told::Nothing)),
        Output::BlurHash => Ok(Encoded::of(hash::blur(pixels)?, None, Told::Nothing)),
        Output::JpegOrPng | Output::Json => Err(Error::encode("no format was settled on")),
    }
}

/// Encodes an opaque still from Y, Cb and Cr at 4:2:0, or from Y alone. `output` is settled and takes planes.
pub(crate) fn planes(planes: &[Plane], output: Output, manner: &Manner<'_>) -> Result<Encoded, Error> {
    let tiff = manner.copyright.to_tiff();
    let about = About { exif: tiff.as_deref(), icc: manner.icc.filter(|_| planes.len() > 1) };
    match output {
        Output::Jpeg { progressive } => {
            let level = manner.level(Encoder::Jpeg, || Look::at_planes(planes, false));
            let encoding = jpeg::Encoding { quantisers: level.jpeg(), progressive, about };
            Ok(Encoded::of(jpeg::encode_planes(planes, encoding)?, Some(level), Told::Jpeg))
        }
        Output::Webp => {
            let level = manner.level(Encoder::Webp, || Look::at_planes(planes, true));
            let file = webp::encode_planes(planes, manner.webp(level), manner.stop)?;
            Ok(Encoded::of(about_webp(file, &about)?, Some(level), Told::Webp(level.webp())))
        }
        _ => Err(Error::encode("no format that takes planes")),
    }
}

/// Encodes an animation of frames that all have this size, and says how many there were. The first frame decides for all.
pub(crate) fn animation(
    first: Frame,
    rest: &mut dyn Iterator<Item = Result<Frame, Error>>,
    loops: u16,
    output: Output,
    manner: &Manner<'_>,
) -> Result<Encoded, Error> {
    if output == Output::Gif {
        let (bytes, frames) = gif::encode(&mut std::iter::once(Ok(first)).chain(rest), loops, manner.stop)?;
        return Ok(Encoded { frames, ..Encoded::of(bytes, None, Told::Nothing) });
    }
    let level = manner.level(Encoder::Webp, || Look::at_pixels(&first.pixels));
    let mut frames = std::iter::once(Ok(first)).chain(rest);
    let (file, count) = webp::encode_animation(&mut frames, loops, manner.webp(level), manner.stop)?;
    let tiff = manner.copyright.to_tiff();
    let file = about_webp(file, &About { exif: tiff.as_deref(), icc: manner.icc })?;
    Ok(Encoded { frames: count, ..Encoded::of(file, Some(level), Told::Webp(level.webp())) })
}

fn about_webp(webp: Vec<u8>, about: &About<'_>) -> Result<Vec<u8>, Error> {
    if about.exif.is_none() && about.icc.is_none() { Ok(webp) } else { webp::with_about(&webp, about) }
}
