//! Everything that a JPEG says before and around its entropy-coded data: size, components, coding, scans, metadata, and whether it
//! has an end. It walks markers (ITU T.81 annex B) and never decodes.

use std::ops::Range;

use crate::exif::{self, Facts};
use crate::gain_map::{self, GainMap};
use crate::{Error, Limits};

/// What was found.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// 1, 3 or 4.
    pub(crate) components: u8,
    pub(crate) progressive: bool,
    /// The marker of the frame header, which names the coding process.
    pub(crate) process: u8,
    /// How each component is sampled.
    pub(crate) sampling: Vec<Sampling>,
    /// Whether there is a JFIF header, which means YCbCr.
    jfif: bool,
    /// The colour transform of an Adobe APP14 segment: 0 none, 1 YCbCr, 2 YCCK.
    pub(crate) adobe_transform: Option<u8>,
    pub(crate) facts: Facts,
    pub(crate) icc: Option<Vec<u8>>,
    /// Photoshop blocks, where IPTC is.
    pub(crate) app13: Vec<&'a [u8]>,
    /// Behind the end of the picture.
    pub(crate) gain_map: Option<GainMap>,
}

/// A component as the frame header lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sampling {
    pub(crate) id: u8,
    /// Blocks across and down in an MCU.
    pub(crate) across: u8,
    pub(crate) down: u8,
    /// Its quantisation table.
    pub(crate) table: u8,
}

impl Header<'_> {
    /// How many blocks each component has, and how much coarser than the finest it is sampled, on the side where it is more.
    pub(crate) fn blocks(&self) -> Vec<(u64, u32)> {
        let most = |of: fn(&Sampling) -> u8| self.sampling.iter().map(of).max().unwrap_or(1).max(1);
        let (across, down) = (most(|sampling| sampling.across), most(|sampling| sampling.down));
        let units = u64::from(self.width.div_ceil(8 * u32::from(across)))
            * u64::from(self.height.div_ceil(8 * u32::from(down)));
        let of = |sampling: &Sampling| {
            let coarser = across.div_ceil(sampling.across.max(1)).max(down.div_ceil(sampling.down.max(1)));
            (units * u64::from(sampling.across) * u64::from(sampling.down), u32::from(coarser))
        };
        self.sampling.iter().map(of).collect()
    }

    /// Whether the components are gray, or Y, Cb and Cr in this order, by the rule that every decoder follows: a JFIF header says
    /// so, else Adobe's says what it is, else names that spell RGB mean RGB.
    pub(crate) fn is_gray_or_ycc(&self) -> bool {
        let names_rgb = || self.sampling.iter().map(|sampling| sampling.id).eq(*b"RGB");
        match (self.components, self.adobe_transform) {
            (1, _) => true,
            (3, _) if self.jfif => true,
            (3, Some(transform)) => transform != 0,
            (3, None) => !names_rgb(),
            _ => false,
        }
    }
}

struct Frame {
    width: u32,
    height: u32,
    components: u8,
    progressive: bool,
    process: u8,
    sampling: Vec<Sampling>,
}

/// Reads the whole structure.
pub(crate) fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Header<'a>, Error> {
    let mut walk = Walk { bytes, at: 2 };
    let mut frame: Option<Frame> = None;
    let mut scans: u64 = 0;
    let mut adobe_transform = None;
    let mut jfif = false;
    let mut facts = Facts::default();
    let mut icc = IccParts::default();
    let mut app13 = Vec::new();
    let mut metadata_bytes: u64 = 0;
    loop {
        let marker = walk.marker()?;
        match marker {
            0xd9 => break,
            0xd8 | 0x01 | 0xd0..=0xd7 => return Err(Error::broken(format!("marker {marker:02x} between segments"))),
            _ => {}
        }
        let body = walk.segment()?;
        if matches!(marker, 0xe0..=0xef | 0xfe) {
            metadata_bytes += body.len() as u64;
            limits.admit_metadata(metadata_bytes)?;
        }
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                if frame.is_some() {
                    return Err(Error::broken("two frame headers"));
                }
                let found = read_frame(marker, body)?;
                limits.admit(found.width, found.height, 1)?;
                frame = Some(found);
            }
            0xda => {
                if frame.is_none() {
                    return Err(Error::broken("a scan before the frame header"));
                }
                scans += 1;
                if scans > u64::from(limits.scans_max) {
                    return Err(Error::TooManyScans { asked: scans, max: limits.scans_max.into() });
                }
                walk.skip_entropy();
            }
            0xe0 if body.starts_with(b"JFIF\0") => jfif = true,
            0xe1 if body.starts_with(b"Exif\0") && facts == Facts::default() => facts = exif::read(body),
            0xe2 => icc.take(body),
            0xed => app13.push(body),
            0xee if body.starts_with(b"Adobe") => adobe_transform = body.get(11).copied(),
            _ => {}
        }
    }
    let frame = frame.ok_or_else(|| Error::broken("no frame header"))?;
    if scans == 0 {
        return Err(Error::broken("no scan"));
    }
    Ok(Header {
        width: frame.width,
        height: frame.height,
        components: frame.components,
        progressive: frame.progressive,
        process: frame.process,
        sampling: frame.sampling,
        jfif,
        adobe_transform,
        facts,
        icc: icc.join(),
        app13,
        gain_map: gain_map::behind(&bytes[walk.at..]),
    })
}

fn read_frame(marker: u8, body: &[u8]) -> Result<Frame, Error> {
    let progressive = match marker {
        0xc0 | 0xc1 | 0xc9 => false,
        0xc2 | 0xca => true,
        _ => return Err(Error::unsupported(format!("JPEG coding process {:02x}", marker))),
    };
    let &[precision, h1, h0, w1, w0, components, ..] = body else {
        return Err(Error::broken("a frame header too short"));
    };
    if precision != 8 {
        return Err(Error::unsupported(format!("JPEG with {precision} bits a sample")));
    }
    if !matches!(components, 1 | 3 | 4) || body.len() < 6 + 3 * usize::from(components) {
        return Err(Error::broken(format!("a frame header with {components} components in {} bytes", body.len())));
    }
    let (width, height) = (u32::from(u16::from_be_bytes([w1, w0])), u32::from(u16::from_be_bytes([h1, h0])));
    if width == 0 || height == 0 {
        return Err(Error::broken(format!("{width}x{height} pixels")));
    }
    let sampling = body[6..].chunks_exact(3).take(components.into());
    let sampling =
        sampling.map(|of| Sampling { id: of[0], across: of[1] >> 4, down: of[1] & 15, table: of[2] }).collect();
    Ok(Frame { width, height, components, progressive, process: marker, sampling })
}

/// Steps from marker to marker.
pub(crate) struct Walk<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Walk<'a> {
    /// The next marker; any number of fill bytes may stand before it.
    pub(crate) fn marker(&mut self) -> Result<u8, Error> {
        let end = || Error::truncated("no end of image marker");
        if *self.bytes.get(self.at).ok_or_else(end)? != 0xff {
            return Err(Error::broken(format!("no marker at byte {}", self.at)));
        }
        while *self.bytes.get(self.at).ok_or_else(end)? == 0xff {
            self.at += 1;
        }
        self.at += 1;
        Ok(self.bytes[self.at - 1])
    }

    pub(crate) fn segment(&mut self) -> Result<&'a [u8], Error> {
        let short = || Error::truncated("the file ends within a segment");
        let length: [u8; 2] =
            self.bytes.get(self.at..self.at + 2).and_then(|length| length.try_into().ok()).ok_or_else(short)?;
        let length = usize::from(u16::from_be_bytes(length));
        if length < 2 {
            return Err(Error::broken("a segment shorter than its length"));
        }
        let range: Range<usize> = self.at + 2..self.at + length;
        let body = self.bytes.get(range).ok_or_else(short)?;
        self.at += length;
        Ok(body)
    }

    /// To the next marker that is no restart, past stuffed zeros; or to the end.
    pub(super) fn skip_entropy(&mut self) {
        loop {
            match memchr::memchr(0xff, &self.bytes[self.at..]) {
                None => return self.at = self.bytes.len(),
                Some(offset) => self.at += offset,
            }
            match self.bytes.get(self.at + 1) {
                Some(0x00 | 0xd0..=0xd7) => self.at += 2,
                // A fill byte: the marker, or a stuffed zero, is still to come.
                Some(0xff) => self.at += 1,
                _ => return,
            }
        }
    }
}

/// An ICC profile in its numbered parts (ICC.1 annex B.4).
#[derive(Default)]
struct IccParts<'a> {
    parts: Vec<(u8, &'a [u8])>,
    count: u8,
}

impl<'a> IccParts<'a> {
    fn take(&mut self, body: &'a [u8]) {
        if let Some([number, count, part @ ..]) = body.strip_prefix(b"ICC_PROFILE\0") {
            self.count = *count;
            self.parts.push((*number, part));
        }
    }

    /// The profile, if every part is there exactly once.
    fn join(mut self) -> Option<Vec<u8>> {
        self.parts.sort_by_key(|(number, _)| *number);
        let numbered = self.parts.iter().map(|(number, _)| *number).eq(1..=self.count);
        (self.count > 0 && numbered).then(|| self.parts.iter().flat_map(|(_, part)| part.iter().copied()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16 + 2).to_be_bytes();
        [&[0xff, marker], &length[..], body].concat()
    }

    fn jpeg(middle: &[Vec<u8>], scans: usize) -> Vec<u8> {
        let frame = segment(0xc2, &[8, 0, 20, 0, 10, 1, 1, 0x11, 0]);
        let scan = [segment(0xda, &[1, 1, 0, 0, 0, 0]), vec![1, 0xff, 0, 2, 0xff, 0xd0, 3]].concat();
        [vec![0xff, 0xd8], middle.concat(), frame, scan.repeat(scans), vec![0xff, 0xd9]].concat()
    }

    #[test]
    fn size_and_coding() {
        let bytes = jpeg(&[], 1);
        let header = read(&bytes, &Limits::default()).expect("complete");
        assert_eq!((header.width, header.height, header.components, header.progressive), (10, 20, 1, true));
        let behind = [bytes.as_slice(), b"anything"].concat();
        assert!(read(&behind, &Limits::default()).is_ok(), "what follows the end is nobody's business");
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = jpeg(&[segment(0xe1, b"Exif\0\0junk"), segment(0xfe, b"hello")], 2);
        for end in 2..bytes.len() {
            assert!(read(&bytes[..end], &Limits::default()).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn scans_at_the_bound_and_past_it() {
        let limits = Limits { scans_max: 3, ..Limits::default() };
        assert!(read(&jpeg(&[], 3), &limits).is_ok());
        assert_eq!(read(&jpeg(&[], 4), &limits).err(), Some(Error::TooManyScans { asked: 4, max: 3 }));
    }

    #[test]
    fn metadata_at_the_bound_and_past_it() {
        let bytes = jpeg(&[segment(0xe5, &[0; 60]), segment(0xfe, &[0; 40])], 1);
        let limits = |max| Limits { metadata_bytes_max: max, ..Limits::default() };
        assert!(read(&bytes, &limits(100)).is_ok());
        assert_eq!(read(&bytes, &limits(99)).err(), Some(Error::MetadataTooLarge { asked: 100, max: 99 }));
    }

    #[test]
    fn pixels_at_the_bound_and_past_it() {
        let limits = |max| Limits { pixels_max: max, ..Limits::default() };
        assert!(read(&jpeg(&[], 1), &limits(200)).is_ok());
        assert_eq!(read(&jpeg(&[], 1), &limits(199)).err(), Some(Error::TooManyPixels { asked: 200, max: 199 }));
    }

    #[test]
    fn profiles_come_in_numbered_parts() {
        let part =
            |number, count, text: &[u8]| segment(0xe2, &[b"ICC_PROFILE\0".as_slice(), &[number, count], text].concat());
        let icc = |parts: &[Vec<u8>]| read(&jpeg(parts, 1), &Limits::default()).expect("complete").icc;
        assert_eq!(icc(&[part(2, 2, b"cd"), part(1, 2, b"ab")]), Some(b"abcd".to_vec()));
        assert_eq!(icc(&[part(1, 2, b"ab")]), None);
        assert_eq!(icc(&[part(1, 2, b"ab"), part(1, 2, b"ab")]), None);
        assert_eq!(icc(&[]), None);
    }

    #[test]
    fn sorts_that_no_decoder_gets() {
        let with_frame = |frame: Vec<u8>| [vec![0xff, 0xd8], frame, segment(0xda, &[]), vec![0xff, 0xd9]].concat();
        let limits = Limits::default();
        let cases = [
            (segment(0xc3, &[8, 0, 1, 0, 1, 1, 1, 0x11, 0]), "unsupported"),
            (segment(0xc0, &[12, 0, 1, 0, 1, 1, 1, 0x11, 0]), "unsupported"),
            (segment(0xc0, &[8, 0, 0, 0, 1, 1, 1, 0x11, 0]), "broken"),
            (segment(0xc0, &[8, 0, 1, 0, 1, 2, 1, 0x11, 0, 2, 0x11, 0]), "broken"),
            (segment(0xc0, &[8, 0, 1, 0, 1, 3, 1, 0x11, 0]), "broken"),
            (segment(0xfe, b"no frame"), "broken"),
        ];
        for (frame, wanted) in cases {
            let error = read(&with_frame(frame.clone()), &limits).expect_err("not decodable");
            assert_eq!(error.reason(), wanted, "{frame:?}");
        }
    }
}
