//! JPEG (ITU-T T.81 annex B): segments are kept or dropped, scans are copied, and the file ends with its picture: a second picture
//! behind it (MPF, motion photo) goes too.

use super::Keep;
use crate::Error;
use crate::copyright::Copyright;
use crate::exif;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// The length of "Adobe", version, flags and transform.
const ADOBE_BYTES: usize = 12;

/// The length of "JFIF\0", version, density and the two sides of a thumbnail.
const JFIF_BYTES: usize = 14;

pub(super) fn strip(bytes: &[u8], keep: &Keep) -> Result<Vec<u8>, Error> {
    if !bytes.starts_with(&[0xff, SOI]) {
        return Err(Error::NotAnImage);
    }
    let mut jfif = Vec::new();
    let mut body = Vec::with_capacity(bytes.len());
    let mut copyright = Copyright::default();
    let mut walk = Walk { bytes, at: 2 };
    let mut scans = 0;
    loop {
        let marker = walk.marker()?;
        if marker == EOI {
            break;
        }
        let content = walk.segment(marker)?;
        match marker {
            // Tables, frames, restart interval, line count.
            0xc0..=0xc7 | 0xc9..=0xcf | 0xdb..=0xdd => append(&mut body, marker, content),
            SOS => {
                append(&mut body, marker, content);
                body.extend_from_slice(walk.entropy()?);
                scans += 1;
            }
            0xe0 if jfif.is_empty() && content.starts_with(b"JFIF\0") && content.len() >= JFIF_BYTES => {
                let mut header = [0; JFIF_BYTES];
                // Without its thumbnail, of which the last two bytes are the sides.
                header[..JFIF_BYTES - 2].copy_from_slice(&content[..JFIF_BYTES - 2]);
                append(&mut jfif, marker, &header);
            }
            0xe1 if copyright == Copyright::default() && content.starts_with(b"Exif\0") => {
                copyright = Copyright::of_exif(&exif::read(content));
            }
            0xe2 if content.starts_with(b"ICC_PROFILE\0") => append(&mut body, marker, content),
            0xed => copyright = copyright.or_iptc(content),
            0xee if content.starts_with(b"Adobe") && content.len() >= ADOBE_BYTES => {
                append(&mut body, marker, &content[..ADOBE_BYTES]);
            }
            // Everything else that an application or a person may have written.
            0xe0..=0xef | 0xfe => {}
            _ => return Err(Error::broken(format_args!("JPEG: marker {marker:02x} where none can be"))),
        }
    }
    if scans == 0 {
        return Err(Error::truncated("JPEG: it ends before its first scan"));
    }
    let mut clean = vec![0xff, SOI];
    clean.append(&mut jfif);
    if let Some(tiff) = keep.exif(copyright) {
        append(&mut clean, 0xe1, &[b"Exif\0\0".as_slice(), &tiff].concat());
    }
    clean.append(&mut body);
    clean.extend_from_slice(&[0xff, EOI]);
    Ok(clean)
}

/// A segment with its marker and length. Contents come from segments or are short, so the length fits.
fn append(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let length = u16::try_from(content.len() + 2).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0xff, marker]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&content[..usize::from(length) - 2]);
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// The next marker. Bytes before it belong to nothing; decoders skip them, and so they go.
    fn marker(&mut self) -> Result<u8, Error> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let found = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff));
        let offset = found.ok_or_else(|| Error::truncated("JPEG: there is no end-of-image marker"))?;
        self.at += offset + 2;
        Ok(rest[offset + 1])
    }

    /// The content of a segment, without its length.
    fn segment(&mut self, marker: u8) -> Result<&'a [u8], Error> {
        // These stand alone, and none may stand here.
        if matches!(marker, SOI | 0x01 | 0xd0..=0xd7) {
            return Err(Error::broken(format_args!("JPEG: marker {marker:02x} between segments")));
        }
        let short = || Error::truncated("JPEG: it ends within a segment");
        let length = self.bytes.get(self.at..self.at + 2).ok_or_else(short)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(Error::broken("JPEG: a segment shorter than its length"));
        }
        let content = self.bytes.get(self.at + 2..self.at + length).ok_or_else(short)?;
        self.at += length;
        Ok(content)
    }

    /// Entropy-coded bytes up to the next marker that is not part of them.
    fn entropy(&mut self) -> Result<&'a [u8], Error> {
        let start = self.at;
        while let Some(offset) = self.bytes.get(self.at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
            self.at += offset;
            match self.bytes.get(self.at + 1) {
                // A stuffed zero or a restart marker.
                Some(0 | 0xd0..=0xd7) => self.at += 2,
                // A fill byte: the next one decides.
                Some(0xff) => self.at += 1,
                Some(_) => return Ok(&self.bytes[start..self.at]),
                None => break,
            }
        }
        Err(Error::truncated("JPEG: it ends within a scan"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Keep = Keep { orientation: 1, copyright: false };

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, marker, content);
        out
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        [&[0xff, SOI][..], &parts.concat(), &segment(SOS, b"scan"), b"\x01\xff\0\x02\xff\xd3\x03", &[0xff, EOI]]
            .concat()
    }

    #[test]
    fn only_what_is_listed_stays() {
        let icc = segment(0xe2, b"ICC_PROFILE\0\x01\x01profile");
        let dirty = file(&[
            segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\x01\x01rgb"),
            segment(0xe0, b"JFXX\0\x10thumbnail"),
            segment(0xe1, b"Exif\0\0MM\0\x2aGPS"),
            segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0secret"),
            icc.clone(),
            segment(0xe2, b"MPF\0secret"),
            segment(0xed, b"Photoshop 3.0\0secret"),
            segment(0xee, b"Adobe\0\x64\0\0\0\0\x01secret"),
            segment(0xfe, b"secret"),
            segment(0xdb, b"table"),
        ]);
        let clean = file(&[
            segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0"),
            icc,
            segment(0xee, b"Adobe\0\x64\0\0\0\0\x01"),
            segment(0xdb, b"table"),
        ]);
        assert_eq!(strip(&[&dirty[..], b"trailing \xff\xd8 picture"].concat(), &PLAIN).unwrap(), clean);
        assert_eq!(strip(&clean, &PLAIN).unwrap(), clean, "twice is once");
    }

    #[test]
    fn orientation_and_by_choice_copyright_stay() {
        let facts = Facts { orientation: 6, artist: Some("Ann".into()), copyright: None };
        let block = [b"Exif\0\0".as_slice(), &exif::write(&facts).unwrap()].concat();
        let dirty = file(&[segment(0xe1, &block)]);
        let read = |clean: Vec<u8>| {
            let at = clean.windows(4).position(|window| window == b"Exif").unwrap();
            exif::read(&clean[at..])
        };
        let turned = Keep { orientation: 6, copyright: false };
        assert_eq!(read(strip(&dirty, &turned).unwrap()), Facts { artist: None, ..facts.clone() });
        let kept = Keep { orientation: 6, copyright: true };
        assert_eq!(read(strip(&dirty, &kept).unwrap()), facts);
    }

    #[test]
    fn garbage_between_segments_goes_and_fill_bytes_do_no_harm() {
        let table = segment(0xdb, b"table");
        let dirty = file(&[b"junk\xff\0junk\xff\xff".to_vec(), table.clone()]);
        assert_eq!(strip(&dirty, &PLAIN).unwrap(), file(&[table]));
    }

    #[test]
    fn every_cut_is_refused() {
        let whole = file(&[segment(0xdb, b"table"), segment(0xfe, b"comment")]);
        for end in 0..whole.len() {
            assert!(strip(&whole[..end], &PLAIN).is_err(), "cut at {end}");
        }
        for length in [0, 1] {
            let bad = file(&[vec![0xff, 0xfe, 0, length]]);
            assert!(matches!(strip(&bad, &PLAIN), Err(Error::Broken { .. })));
        }
        assert!(matches!(strip(&file(&[segment(0xf0, b"")]), &PLAIN), Err(Error::Broken { .. })));
        assert!(matches!(strip(&[0xff, SOI, 0xff, EOI], &PLAIN), Err(Error::Truncated { .. })));
    }

    use crate::exif::Facts;
}
