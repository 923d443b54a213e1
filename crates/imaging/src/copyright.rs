//! Whose picture it is: the one piece of metadata that an operator can choose to keep. Nothing else that a file says about people
//! or places may come through here.

use crate::exif;

/// Artist and copyright notice, cleaned and bounded. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Copyright {
    pub(crate) artist: Option<String>,
    pub(crate) notice: Option<String>,
}

impl Copyright {
    /// From the facts of an EXIF block.
    pub(crate) fn of_exif(facts: &exif::Facts) -> Self {
        Self { artist: facts.artist.clone(), notice: facts.copyright.clone() }
    }

    /// Fills what is missing from a Photoshop resource block (JPEG APP13) that holds IPTC-IIM: by-line 2:80, copyright 2:116.
    pub(crate) fn or_iptc(mut self, app13: &[u8]) -> Self {
        let Some(records) = iptc_records(app13) else { return self };
        for (dataset, value) in records {
            let place = match dataset {
                80 => &mut self.artist,
                116 => &mut self.notice,
                _ => continue,
            };
            if place.is_none() {
                *place = exif::clean_text(value);
            }
        }
        self
    }

    /// A TIFF body with just these facts, for the EXIF place of any format; `None` when there is nothing to say.
    pub(crate) fn to_tiff(&self) -> Option<Vec<u8>> {
        exif::write(&exif::Facts { orientation: 1, artist: self.artist.clone(), copyright: self.notice.clone() })
    }
}

/// The data sets of record 2 in the IPTC resource (0x0404) of a Photoshop block.
fn iptc_records(app13: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut rest = app13.strip_prefix(b"Photoshop 3.0\0")?;
    loop {
        rest = rest.strip_prefix(b"8BIM")?;
        let id = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
        // The name is a Pascal string, padded to even length with its length byte.
        let name_bytes = (usize::from(*rest.get(2)?) + 2) & !1;
        let size_at = 2 + name_bytes;
        let size: [u8; 4] = rest.get(size_at..size_at + 4)?.try_into().ok()?;
        let size = u32::from_be_bytes(size) as usize;
        let body = rest.get(size_at + 4..)?;
        if id == 0x0404 {
            return Some(datasets(body.get(..size)?));
        }
        rest = body.get(size.checked_add(size & 1)?..)?;
    }
}

fn datasets(mut iim: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    // 0x1c, record, data set, two bytes of length; extended lengths (top bit) do not occur in texts.
    while let [0x1c, record, dataset, high, low, rest @ ..] = iim {
        let bytes = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(value) = rest.get(..bytes) else { break };
        if *record == 2 {
            found.push((*dataset, value));
        }
        iim = &rest[bytes..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app13(iim: &[u8]) -> Vec<u8> {
        let mut block = b"Photoshop 3.0\08BIM\x03\xed\x03abc\0\0\0\x03xyz\0".to_vec();
        block.extend_from_slice(b"8BIM\x04\x04\0\0");
        block.extend_from_slice(&(iim.len() as u32).to_be_bytes());
        block.extend_from_slice(iim);
        block
    }

    #[test]
    fn iptc_fills_what_exif_lacks() {
        let block = app13(b"\x1c\x02\x50\0\x03Ann\x1c\x02\x05\0\x05title\x1c\x02\x74\0\x04mine");
        let empty = Copyright::default().or_iptc(&block);
        assert_eq!(empty, Copyright { artist: Some("Ann".into()), notice: Some("mine".into()) });
        let exif = Copyright { artist: None, notice: Some("exif".into()) }.or_iptc(&block);
        assert_eq!(exif, Copyright { artist: Some("Ann".into()), notice: Some("exif".into()) });
    }

    #[test]
    fn damaged_blocks_say_nothing_and_do_not_panic() {
        let block = app13(b"\x1c\x02\x50\0\x03Ann");
        for end in 0..block.len() {
            let _ = Copyright::default().or_iptc(&block[..end]);
        }
        for at in 0..block.len() {
            let mut damaged = block.clone();
            damaged[at] = 0xff;
            let _ = Copyright::default().or_iptc(&damaged);
        }
    }

    #[test]
    fn nothing_to_say_is_no_block() {
        assert_eq!(Copyright::default().to_tiff(), None);
        let tiff = Copyright { artist: Some("Ann".into()), notice: None }.to_tiff().expect("an artist");
        assert_eq!(exif::read(&tiff).artist.as_deref(), Some("Ann"));
    }
}
