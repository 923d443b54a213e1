//! HDR gain maps: what an original has and a derivative has not is named, whichever file it came in.

use afterimage_imaging::{GainMap, Limits, Settings, probe, strip};

use crate::support::{rendered, sample};

/// A JPEG with another behind it whose XMP says that it is a gain map.
fn ultra_hdr() -> Vec<u8> {
    let plain = sample("landscape.jpg");
    let map = rendered(&plain, "w=64&fm=jpg").expect("renders").bytes;
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<rdf:Description xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\" hdrgm:Version=\"1.0\"/>";
    let length = (xmp.len() as u16 + 2).to_be_bytes();
    [&plain[..], &map[..2], &[0xff, 0xe1], &length, xmp, &map[2..]].concat()
}

#[test]
fn a_gain_map_that_is_dropped_is_named() {
    let original = ultra_hdr();
    assert_eq!(probe(&original, &Limits::default()).unwrap().gain_map, Some(GainMap::UltraHdr));
    for query in ["w=64", "w=64&fm=webp", "w=64&trim=auto", "w=64&fm=png&blur=5"] {
        let made = rendered(&original, query).unwrap();
        assert_eq!(made.gain_map, Some(GainMap::UltraHdr), "{query}");
        assert_eq!(made.bytes, rendered(&sample("landscape.jpg"), query).unwrap().bytes, "{query}");
        assert_eq!(rendered(&sample("landscape.jpg"), query).unwrap().gain_map, None);
    }
    // Nothing of a picture is in a text.
    for query in ["fm=json", "fm=thumbhash"] {
        assert_eq!(rendered(&original, query).unwrap().gain_map, None, "{query}");
    }
    let clean = strip(&original, &Settings::default()).unwrap();
    assert_eq!(clean.gain_map, Some(GainMap::UltraHdr));
    assert_eq!(probe(&clean.bytes, &Limits::default()).unwrap().gain_map, None);
}

/// A box of a kind, with what is in it.
#[cfg(feature = "native")]
fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// What is in the first box of a kind among boxes.
#[cfg(feature = "native")]
fn inside<'a>(mut boxes: &'a [u8], wanted: &[u8; 4]) -> &'a [u8] {
    while let Some((head, _)) = boxes.split_at_checked(8) {
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if &head[4..] == wanted {
            return &boxes[8..size];
        }
        boxes = &boxes[size..];
    }
    panic!("no {}", String::from_utf8_lossy(wanted));
}

/// An AVIF of one picture as telephones write it: the picture, beside it its map, which is a picture too, and with `tone_mapped` the
/// derived picture of both (ISO/IEC 23008-12, `tmap`; ISO 21496-1). Else the map is what `auxiliary` calls it.
#[cfg(feature = "native")]
fn avif_with_map(plain: &[u8], tone_mapped: bool, auxiliary: &[u8]) -> Vec<u8> {
    let (meta, stream) = (&inside(plain, b"meta")[4..], inside(plain, b"mdat"));
    let (properties, association) = (inside(inside(meta, b"iprp"), b"ipco"), inside(inside(meta, b"iprp"), b"ipma"));
    // Version 0 with short indices, of the one item.
    assert_eq!(association[..10], [0, 0, 0, 0, 0, 0, 0, 1, 0, 1], "the encoder writes otherwise now");
    let alike = |id: u8| [&[0, id], &association[10..]].concat();
    let kinds: &[&[u8; 4]] = if tone_mapped { &[b"av01", b"av01", b"tmap"] } else { &[b"av01", b"av01"] };
    // Version, then fractions for one channel; nobody here reads them.
    let metadata = [&[0; 5][..], &[0x40], &[0; 56]].concat();
    let payloads = [stream, stream, &metadata];
    let ftyp = boxed(b"ftyp", b"avif\0\0\0\0avifmif1miaftmap");
    let file = |media_at: u32| {
        let mut iinf = [&[0; 5][..], &[kinds.len() as u8]].concat();
        let mut iloc = [&[0, 0, 0, 0, 0x44, 0, 0][..], &[kinds.len() as u8]].concat();
        let mut at = media_at;
        for ((id, kind), payload) in (1u8..).zip(kinds).zip(payloads) {
            // Only the first is to be shown by itself.
            let hidden = u8::from(id == 2);
            iinf.extend(boxed(b"infe", &[&[2, 0, 0, hidden, 0, id, 0, 0][..], *kind, b"\0"].concat()));
            let length = payload.len() as u32;
            iloc.extend([&[0, id, 0, 0, 0, 1][..], &at.to_be_bytes(), &length.to_be_bytes()].concat());
            at += length;
        }
        let reference = match tone_mapped {
            true => boxed(b"dimg", &[0, 3, 0, 2, 0, 1, 0, 2]),
            false => boxed(b"auxl", &[0, 2, 0, 1, 0, 1]),
        };
        let called = if tone_mapped { Vec::new() } else { boxed(b"auxC", &[&[0; 4], auxiliary, b"\0"].concat()) };
        let ids: Vec<u8> = (1..=kinds.len() as u8).flat_map(alike).collect();
        let associations = [&[0, 0, 0, 0, 0, 0, 0][..], &[kinds.len() as u8], &ids].concat();
        let iprp = [boxed(b"ipco", &[properties, &called].concat()), boxed(b"ipma", &associations)].concat();
        let parts = [
            boxed(b"hdlr", inside(meta, b"hdlr")),
            boxed(b"pitm", &[0, 0, 0, 0, 0, 1]),
            boxed(b"iinf", &iinf),
            boxed(b"iloc", &iloc),
            boxed(b"iref", &[&[0; 4][..], &reference].concat()),
            boxed(b"iprp", &iprp),
        ];
        let meta = boxed(b"meta", &[&[0; 4][..], &parts.concat()].concat());
        [ftyp.clone(), meta, boxed(b"mdat", &payloads[..kinds.len()].concat())].concat()
    };
    // As long wherever the media lie; so where they lie can be told.
    let whole = file(0);
    file((whole.len() - payloads[..kinds.len()].concat().len()) as u32)
}

#[cfg(feature = "native")]
#[test]
fn a_gain_map_in_an_avif_is_named() {
    let plain = rendered(&sample("museum.jpg"), "w=64&fm=avif").expect("renders").bytes;
    assert_eq!(probe(&plain, &Limits::default()).expect("an AVIF").gain_map, None);
    let apples = b"urn:com:apple:photo:2020:aux:hdrgainmap";
    for (original, wanted) in [
        (avif_with_map(&plain, true, b""), Some(GainMap::Iso)),
        (avif_with_map(&plain, false, apples), Some(GainMap::Apple)),
        // A depth map is none.
        (avif_with_map(&plain, false, b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth"), None),
    ] {
        let probed = probe(&original, &Limits::default()).expect("an AVIF");
        assert_eq!((probed.gain_map, probed.width, probed.alpha), (wanted, 64, false));
        for query in ["w=40", "w=40&fm=webp", "w=40&fm=png&blur=5"] {
            let made = rendered(&original, query).expect("renders");
            assert_eq!(made.gain_map, wanted, "{query}");
            assert_eq!(made.bytes, rendered(&plain, query).expect("renders").bytes, "the map changes nothing: {query}");
            assert_eq!(probe(&made.bytes, &Limits::default()).expect("a picture").gain_map, None, "{query}");
        }
        for query in ["fm=json", "fm=thumbhash"] {
            assert_eq!(rendered(&original, query).expect("renders").gain_map, None, "{query}");
        }
        // Sanitising overwrites in place, and a map is no metadata.
        let clean = strip(&original, &Settings::default()).expect("an AVIF");
        assert_eq!(
            (clean.gain_map, probe(&clean.bytes, &Limits::default()).expect("an AVIF").gain_map),
            (None, wanted)
        );
    }
}
