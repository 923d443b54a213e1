//! What a render decided that its request left open, and why, in words for a header. It depends on the pixels and the settings
//! alone, never on time or machine, so it may be stored beside the picture.

use std::fmt;

use afterimage_variant::{Format, Quality};

use crate::encode::Output;
use crate::quality::{Level, QualityScale};

/// What an encoder was told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Told {
    /// A JPEG quality.
    Jpeg,
    /// libwebp's quality.
    Webp(f32),
    /// libaom's quantiser, and whether chroma was kept whole.
    Avif { cq_level: u8, whole_chroma: bool },
    /// How many colours a palette has.
    Colours(usize),
    /// Nothing that could be otherwise.
    Nothing,
}

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chosen {
    /// The format, settled.
    pub(crate) output: Output,
    pub(crate) asked: Format,
    /// The quality, if the format has one, what the request said of it, and the score that `auto` was for.
    pub(crate) level: Option<(Level, Option<Quality>, u8)>,
    pub(crate) told: Told,
    /// The scale that a JPEG's luma was decoded at.
    pub(crate) eighths: Option<u32>,
}

/// A dictionary of structured fields (RFC 9651): `format=webp;by=accept, quality=71;by=auto;score=75, encoder=64.5`.
impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match (self.asked, self.output) {
            (Format::Same, _) => "source",
            (Format::Compatible, Output::Png) => "alpha",
            (Format::Compatible | Format::AutoAvif, _) => "accept",
            _ => "request",
        };
        write!(f, "format={};by={by}", self.output.word())?;
        if let Some((level, said, score)) = self.level {
            write!(f, ", quality={}", level.quality)?;
            match said {
                None => f.write_str(";by=default")?,
                Some(Quality::Of(_)) => f.write_str(";by=request")?,
                Some(Quality::Auto) => write!(f, ";by=auto;score={score}")?,
            }
            if level.scale == QualityScale::Encoder {
                f.write_str(";scale=encoder")?;
            }
        }
        match self.told {
            Told::Jpeg => f.write_str(", chroma=420")?,
            Told::Webp(quality) => write!(f, ", encoder={quality:.1}, chroma=420")?,
            Told::Avif { cq_level, whole_chroma } => {
                write!(f, ", encoder={cq_level}, chroma={}", if whole_chroma { 444 } else { 420 })?;
            }
            Told::Colours(colours) => write!(f, ", colours={colours}")?,
            Told::Nothing => {}
        }
        match self.eighths {
            Some(eighths) => write!(f, ", decoded-eighths={eighths}"),
            None => Ok(()),
        }
    }
}
