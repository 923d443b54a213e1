//! Whether a picture comes with an HDR gain map: a second picture that says how bright the first one may shine. Derivatives have none,
//! and whoever made one wants to know. Found by parsing alone; nothing of it is decoded.
//!
//! In a JPEG it is a picture behind the picture (Multi-Picture Format) that says in its own headers what it is: ISO 21496-1 in APP2,
//! `hdrgm` (Ultra HDR, Adobe) or Apple's auxiliary type in XMP. Only the headers of what lies there are believed: a picture whose
//! map an editor cut off often still announces one.

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::avif::container::Container;
use crate::jpeg::Walk;

/// Who defined a gain map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GainMap {
    /// ISO 21496-1.
    Iso,
    /// Adobe's and Android's Ultra HDR.
    UltraHdr,
    /// Apple's, before there was a standard.
    Apple,
}

/// Most pictures behind a picture that are looked at: cameras write two or three.
const PICTURES_MAX: usize = 8;

const ISO_SEGMENT: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";
const XMP_SEGMENT: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const ULTRA_HDR: &[u8] = b"http://ns.adobe.com/hdr-gain-map/1.0/";
const APPLE: &[u8] = b"urn:com:apple:photo:2020:aux:hdrgainmap";

impl GainMap {
    /// One word for headers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::UltraHdr => "ultra-hdr",
            Self::Apple => "apple",
        }
    }
}

/// The gain map among the pictures behind the end of a JPEG.
pub(crate) fn behind(tail: &[u8]) -> Option<GainMap> {
    let starts = memmem::find_iter(tail, b"\xff\xd8\xff").take(PICTURES_MAX);
    starts.filter_map(|start| in_headers(&tail[start..])).next()
}

/// What the headers of one picture say that it is. Several words are usual; the standard's is the one to name.
fn in_headers(jpeg: &[u8]) -> Option<GainMap> {
    let mut walk = Walk { bytes: jpeg, at: 2 };
    let mut found = None;
    while let Ok(marker) = walk.marker()
        && !matches!(marker, 0xd8..=0xda)
        && let Ok(body) = walk.segment()
    {
        let said = match marker {
            0xe2 if body.starts_with(ISO_SEGMENT) => return Some(GainMap::Iso),
            0xe1 if body.starts_with(XMP_SEGMENT) => of_xmp(body),
            _ => None,
        };
        found = found.or(said);
    }
    found
}

fn of_xmp(xmp: &[u8]) -> Option<GainMap> {
    let names = |name: &[u8]| memmem::find(xmp, name).is_some();
    match () {
        () if names(ULTRA_HDR) => Some(GainMap::UltraHdr),
        () if names(APPLE) => Some(GainMap::Apple),
        () => None,
    }
}

/// The gain map among the items of an AVIF: a derived picture that applies one (`tmap`, ISO/IEC 23008-12), or Apple's auxiliary one.
pub(crate) fn of_items(bytes: &[u8], container: &Container) -> Option<GainMap> {
    if container.items.iter().any(|item| &item.kind == b"tmap") {
        return Some(GainMap::Iso);
    }
    let is_apples = |content: &[u8]| content.get(4..).is_some_and(|name| name.starts_with(APPLE));
    let mut auxiliary = container.properties.iter().filter(|property| &property.kind == b"auxC");
    auxiliary.any(|property| bytes.get(property.content.clone()).is_some_and(is_apples)).then_some(GainMap::Apple)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        [&[0xff, marker], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat()
    }

    fn picture(segments: &[Vec<u8>]) -> Vec<u8> {
        [&[0xff, 0xd8][..], &segments.concat(), &segment(0xda, b"scan"), b"\x01\xff\0\x02\xff\xd9"].concat()
    }

    fn xmp(text: &[u8]) -> Vec<u8> {
        segment(0xe1, &[XMP_SEGMENT, b"<x:xmpmeta ", text, b"/>"].concat())
    }

    #[test]
    fn every_kind_is_found_and_the_standard_goes_first() {
        let ultra = xmp(b"xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' hdrgm:Version='1.0'");
        let iso = segment(0xe2, &[ISO_SEGMENT, &[0; 60]].concat());
        let apple = xmp(b"apdi:AuxiliaryImageType='urn:com:apple:photo:2020:aux:hdrgainmap'");
        let thumbnail = picture(&[segment(0xe1, b"Exif\0\0MM"), xmp(b"dc:title='a thumbnail'")]);
        for (tail, wanted) in [
            (vec![], None),
            (thumbnail.clone(), None),
            (picture(std::slice::from_ref(&ultra)), Some(GainMap::UltraHdr)),
            (picture(&[apple]), Some(GainMap::Apple)),
            (picture(&[ultra.clone(), iso]), Some(GainMap::Iso)),
            ([b"padding".to_vec(), thumbnail, picture(&[ultra])].concat(), Some(GainMap::UltraHdr)),
            (b"hdr-gain-map in no picture: http://ns.adobe.com/hdr-gain-map/1.0/".to_vec(), None),
        ] {
            assert_eq!(behind(&tail), wanted, "{:?}", String::from_utf8_lossy(&tail));
            for end in 0..tail.len() {
                behind(&tail[..end]);
            }
        }
    }

    #[test]
    fn the_last_picture_that_is_looked_at_and_the_one_behind_it() {
        let map = picture(&[xmp(ULTRA_HDR)]);
        let behind_plain = |count: usize| behind(&[picture(&[]).repeat(count), map.clone()].concat());
        assert_eq!(behind_plain(PICTURES_MAX - 1), Some(GainMap::UltraHdr));
        assert_eq!(behind_plain(PICTURES_MAX), None);
    }
}
