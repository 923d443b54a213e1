//! Blanking in place, on files put together here: every kind of metadata goes, pictures keep their bytes.

use super::*;

const SECRET: &[u8] = b"48.858370N 2.294481E";
const PICTURE: &[u8] = b"the picture's own bytes";
const PLAIN: Keep = Keep { orientation: 1, copyright: false };

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// A file of these items, in this order, all in `mdat`; `references` as kind, from, to.
fn file(items: &[(&[u8; 4], &[u8])], references: &[(&[u8; 4], u8, u8)], meta_extra: &[u8], tail: &[u8]) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", b"avif\0\0\0\0mif1");
    let bytes: Vec<u8> = items.iter().flat_map(|(_, content)| *content).copied().collect();
    // Between the items and the end of `mdat` lie bytes that nobody names.
    let media = boxed(b"mdat", &[&bytes[..], SECRET].concat());
    let mut iinf = [&[0; 5][..], &[items.len() as u8]].concat();
    let mut iloc = [&[0, 0, 0, 0, 0x44, 0, 0][..], &[items.len() as u8]].concat();
    let mut offset = ftyp.len() as u32 + 8;
    for (id, (kind, content)) in (1u8..).zip(items) {
        iinf.extend(boxed(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0][..], *kind, b"\0"].concat()));
        iloc.extend([&[0, id, 0, 0, 0, 1][..], &offset.to_be_bytes(), &(content.len() as u32).to_be_bytes()].concat());
        offset += content.len() as u32;
    }
    let iref: Vec<u8> = references.iter().flat_map(|(kind, from, to)| boxed(kind, &[0, *from, 0, 1, 0, *to])).collect();
    let meta = [
        &[0; 4][..],
        &boxed(b"pitm", &[0, 0, 0, 0, 0, 1]),
        &boxed(b"iinf", &iinf),
        &boxed(b"iloc", &iloc),
        &boxed(b"iref", &[&[0; 4][..], &iref].concat()),
        &boxed(b"iprp", &boxed(b"ipco", &boxed(b"udes", SECRET))),
        meta_extra,
    ];
    [ftyp, media, boxed(b"meta", &meta.concat()), tail.to_vec()].concat()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn every_kind_of_metadata_goes_and_nothing_moves() {
    let tiff = exif::write(&exif::Facts { artist: Some("Ann".into()), ..Default::default() }).unwrap();
    let block = [&[0; 4][..], &tiff, SECRET].concat();
    let items: [(&[u8; 4], &[u8]); 5] =
        [(b"av01", PICTURE), (b"Exif", &block), (b"mime", SECRET), (b"av01", SECRET), (b"what", SECRET)];
    let references: [(&[u8; 4], u8, u8); 2] = [(b"cdsc", 2, 1), (b"thmb", 4, 1)];
    let extra = [boxed(b"xml ", SECRET), boxed(b"free", SECRET)].concat();
    let tail = [boxed(b"uuid", SECRET), boxed(b"free", SECRET), boxed(b"skip", SECRET)].concat();
    let dirty = file(&items, &references, &extra, &tail);
    let clean = strip(&dirty, &PLAIN, &Limits::default()).unwrap();
    assert_eq!(clean.len(), dirty.len());
    assert!(holds(&clean, PICTURE) && !holds(&clean, SECRET) && !holds(&clean, b"Ann"));
    let parsed = Container::parse(&clean, u64::MAX).unwrap();
    let kinds: Vec<&[u8; 4]> = parsed.items.iter().map(|item| &item.kind).collect();
    assert_eq!(kinds, [b"av01", b"Exif", b"mime", b"skip", b"skip"]);
    assert_eq!(parsed.bytes_of(&clean, &parsed.items[0]).unwrap(), PICTURE);
    assert!(parsed.bytes_of(&clean, &parsed.items[2]).unwrap().iter().all(|byte| *byte == b' '));
    assert_eq!(strip(&clean, &PLAIN, &Limits::default()).unwrap(), clean, "twice is once");
    let kept = strip(&dirty, &Keep { orientation: 1, copyright: true }, &Limits::default()).unwrap();
    assert!(holds(&kept, b"Ann") && !holds(&kept, SECRET));
}

#[test]
fn a_sequence_keeps_its_samples_and_loses_its_texts() {
    let movie = boxed(
        b"moov",
        &[boxed(b"udta", SECRET), boxed(b"trak", &boxed(b"udta", SECRET)), boxed(b"mvhd", b"h")].concat(),
    );
    let dirty = file(&[(b"av01", PICTURE)], &[], &[], &movie);
    let clean = strip(&dirty, &PLAIN, &Limits::default()).unwrap();
    // What the sample tables use is not known here, so unnamed bytes of the media stay: once, in `mdat`.
    assert_eq!(clean.windows(SECRET.len()).filter(|window| *window == SECRET).count(), 1);
    assert!(holds(&clean, b"mvhd") && !holds(&clean, b"udta"));
}

#[test]
fn metadata_that_cannot_be_blanked_is_refused() {
    let mut shared = file(&[(b"av01", PICTURE), (b"Exif", SECRET)], &[], &[], &[]);
    let place = shared.windows(4).position(|window| window == b"iloc").unwrap() + 12 + 14 + 6;
    let offset = u32::from_be_bytes(shared[place..place + 4].try_into().unwrap());
    shared[place..place + 4].copy_from_slice(&(offset - 1).to_be_bytes());
    assert!(matches!(strip(&shared, &PLAIN, &Limits::default()), Err(Error::Unsupported { .. })), "in a picture");
    let outside = shared.len() as u32 - SECRET.len() as u32;
    shared[place..place + 4].copy_from_slice(&outside.to_be_bytes());
    assert!(matches!(strip(&shared, &PLAIN, &Limits::default()), Err(Error::Unsupported { .. })), "in the meta box");
    let headless = file(&[(b"mime", PICTURE)], &[], &[], &[]);
    assert!(matches!(strip(&headless, &PLAIN, &Limits::default()), Err(Error::Unsupported { .. })));
}

#[test]
fn ranges_merge_and_unused_bytes_are_blanked_between_them() {
    let used = merged(vec![8..10, 2..4, 3..5, 5..6]);
    assert_eq!(used, [2..6, 8..10]);
    let mut blank = Blank { bytes: vec![7; 12], used };
    blank.unused(1..12);
    assert_eq!(blank.bytes, [7, 0, 7, 7, 7, 7, 0, 0, 7, 7, 0, 0]);
    blank.unused(0..3);
    assert_eq!(blank.bytes, [0, 0, 7, 7, 7, 7, 0, 0, 7, 7, 0, 0]);
}

#[test]
fn nothing_is_written_over_a_picture() {
    let mut blank = Blank { bytes: vec![7; 12], used: merged(vec![4..6, 6..8]) };
    assert!(blank.fill(0..4, 0).is_ok() && blank.fill(8..12, 0).is_ok());
    for range in [0..5, 7..8, 7..12, 0..12, 5..6] {
        assert!(matches!(blank.fill(range.clone(), 0), Err(Error::Unsupported { .. })), "{range:?}");
    }
    assert!(matches!(blank.fill(11..13, 0), Err(Error::Broken { .. })));
}
