//! The three facts of EXIF that reach a derivative: orientation, artist, copyright. A reader of our own, because a damaged maker
//! note must not cost the orientation, and because every offset in the block is hostile: it never recurses and never allocates
//! more than it returns.

const ORIENTATION: u16 = 0x0112;
const ARTIST: u16 = 0x013b;
const COPYRIGHT: u16 = 0x8298;

/// Longest text taken from one tag, in bytes.
const TEXT_BYTES_MAX: usize = 2048;

/// What was found in the first image file directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// 1 to 8; 1 where it is missing or out of range.
    pub(crate) orientation: u8,
    pub(crate) artist: Option<String>,
    pub(crate) copyright: Option<String>,
}

impl Default for Facts {
    fn default() -> Self {
        Self { orientation: 1, artist: None, copyright: None }
    }
}

/// The body of an EXIF block, with or without the `Exif\0\0` in front that JPEG (and some WebP writers) put there.
pub(crate) fn tiff_of(block: &[u8]) -> &[u8] {
    block.strip_prefix(b"Exif\0\0").or_else(|| block.strip_prefix(b"Exif\0\xff")).unwrap_or(block)
}

/// Reads a TIFF body (TIFF 6.0 section 2; CIPA DC-008). Damage is silence: what cannot be read is as if it were not there.
pub(crate) fn read(block: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let Some(tiff) = Tiff::open(tiff_of(block)) else { return facts };
    for (tag, kind, count, value_at) in tiff.first_directory() {
        match (tag, kind) {
            // SHORT, count 1, in the first two bytes of the value field.
            (ORIENTATION, 3) if count == 1 => {
                if let Some(value @ 1..=8) = tiff.u16(value_at) {
                    facts.orientation = value as u8;
                }
            }
            (ARTIST, 2) => facts.artist = tiff.text(count, value_at),
            (COPYRIGHT, 2) => facts.copyright = tiff.text(count, value_at),
            _ => {}
        }
    }
    facts
}

/// Writes a TIFF body that holds these facts and nothing else; orientation 1 is left out. `None` when nothing is to be said.
pub(crate) fn write(facts: &Facts) -> Option<Vec<u8>> {
    let texts = [(ARTIST, &facts.artist), (COPYRIGHT, &facts.copyright)];
    let texts: Vec<(u16, Vec<u8>)> = texts
        .into_iter()
        .filter_map(|(tag, text)| text.as_ref().map(|text| (tag, [text.as_bytes(), b"\0"].concat())))
        .collect();
    let entries = texts.len() + usize::from(facts.orientation != 1);
    if entries == 0 {
        return None;
    }
    let mut directory = Vec::new();
    let mut values = Vec::new();
    let values_at = 8 + 2 + 12 * entries + 4;
    if facts.orientation != 1 {
        let [a, b] = ORIENTATION.to_be_bytes();
        directory.extend_from_slice(&[a, b, 0, 3, 0, 0, 0, 1, 0, facts.orientation, 0, 0]);
    }
    for (tag, text) in &texts {
        directory.extend_from_slice(&tag.to_be_bytes());
        directory.extend_from_slice(&2u16.to_be_bytes());
        directory.extend_from_slice(&(text.len() as u32).to_be_bytes());
        if text.len() <= 4 {
            let mut field = [0; 4];
            field[..text.len()].copy_from_slice(text);
            directory.extend_from_slice(&field);
        } else {
            directory.extend_from_slice(&((values_at + values.len()) as u32).to_be_bytes());
            values.extend_from_slice(text);
            // Values begin on word boundaries (TIFF 6.0).
            if values.len() % 2 == 1 {
                values.push(0);
            }
        }
    }
    let mut tiff = b"MM\0\x2a\0\0\0\x08".to_vec();
    tiff.extend_from_slice(&(entries as u16).to_be_bytes());
    tiff.extend_from_slice(&directory);
    tiff.extend_from_slice(&[0; 4]);
    tiff.extend_from_slice(&values);
    Some(tiff)
}

struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let big_endian = match bytes.get(..4)? {
            b"MM\0\x2a" => true,
            b"II\x2a\0" => false,
            _ => return None,
        };
        Some(Self { bytes, big_endian })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let raw: [u8; 2] = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let raw: [u8; 4] = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    /// Tag, type, count and the place of the value field of every entry of the first directory; 65,535 at most by format.
    fn first_directory(&self) -> impl Iterator<Item = (u16, u16, u32, usize)> + '_ {
        let at = self.u32(4).unwrap_or(u32::MAX) as usize;
        let entries = self.u16(at).unwrap_or(0);
        (0..usize::from(entries)).map_while(move |index| {
            let entry = at.checked_add(2 + index * 12)?;
            Some((self.u16(entry)?, self.u16(entry + 2)?, self.u32(entry + 4)?, entry + 8))
        })
    }

    fn text(&self, count: u32, value_at: usize) -> Option<String> {
        let at = if count <= 4 { value_at } else { self.u32(value_at)? as usize };
        let bytes = self.bytes.get(at..at.checked_add(count as usize)?)?;
        clean_text(bytes)
    }
}

/// Text up to the first NUL, without control characters, trimmed, bounded. Bytes that are not UTF-8 are read as Latin-1.
pub(crate) fn clean_text(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()).min(TEXT_BYTES_MAX);
    let bytes = &bytes[..end];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // A cut in the middle of a character is no reason to misread the rest.
        Err(error) if error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for orientation in 1..=8 {
            for (artist, copyright) in
                [(None, None), (Some("Ann"), None), (Some("A"), Some("© 2026 Ann")), (None, Some("odd"))]
            {
                let facts =
                    Facts { orientation, artist: artist.map(str::to_owned), copyright: copyright.map(str::to_owned) };
                match write(&facts) {
                    Some(tiff) => assert_eq!(read(&tiff), facts),
                    None => assert_eq!(facts, Facts::default()),
                }
            }
        }
    }

    #[test]
    fn both_byte_orders_and_the_jpeg_prefix() {
        let little = b"Exif\0\0II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(read(little).orientation, 6);
        assert_eq!(read(&little[6..]).orientation, 6);
        let big = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0";
        assert_eq!(read(big).orientation, 8);
    }

    #[test]
    fn orientation_outside_1_to_8_is_upright() {
        for (value, wanted) in [(0u8, 1), (1, 1), (8, 8), (9, 1), (255, 1)] {
            let tiff = [b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[value, 0, 0]].concat();
            assert_eq!(read(&tiff).orientation, wanted, "{value}");
        }
    }

    #[test]
    fn damage_is_silence() {
        let facts = Facts { orientation: 6, artist: Some("Somebody".into()), copyright: Some("All of it".into()) };
        let tiff = write(&facts).expect("there is something to say");
        for end in 0..tiff.len() {
            let _ = read(&tiff[..end]);
        }
        for at in 0..tiff.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = tiff.clone();
                damaged[at] = value;
                let _ = read(&damaged);
            }
        }
        assert_eq!(read(b"not exif"), Facts::default());
    }

    #[test]
    fn texts_are_clean_and_bounded() {
        assert_eq!(clean_text(b"  Ann\x07\0junk"), Some("Ann".into()));
        assert_eq!(clean_text(b"\xa9 Ann"), Some("© Ann".into()));
        assert_eq!(clean_text(b" \0"), None);
        assert_eq!(clean_text(&[b'a'; TEXT_BYTES_MAX + 1]).map(|t| t.len()), Some(TEXT_BYTES_MAX));
        assert_eq!(clean_text(&"é".repeat(TEXT_BYTES_MAX).into_bytes()).map(|t| t.len()), Some(TEXT_BYTES_MAX));
        let cut = ["a".as_bytes(), "é".repeat(TEXT_BYTES_MAX).as_bytes()].concat();
        assert_eq!(clean_text(&cut).map(|t| t.len()), Some(TEXT_BYTES_MAX - 1));
    }
}
