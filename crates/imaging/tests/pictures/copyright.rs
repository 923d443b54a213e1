//! What is said about people in derivatives: nothing, or artist and notice by choice.

use afterimage_imaging::{Never, Settings, render};

use crate::support::{OUTPUTS, SAMPLES, is_long, sample, variant};

/// A JPEG of 8x8 pixels with artist, notice, camera maker and a GPS directory.
fn signed() -> Vec<u8> {
    let plain = crate::support::rendered(&sample("landscape.jpg"), "w=8&h=8&fit=crop&fm=jpg").expect("renders").bytes;
    let text = |tag: u16, at: u32, text: &str| {
        [&tag.to_be_bytes()[..], &[0, 2], &(text.len() as u32).to_be_bytes(), &at.to_be_bytes()].concat()
    };
    let (maker, artist, notice) = ("ACME Camera\0", "Ann Artist\0\0", "(c) Ann 2026\0\0");
    let directory = 8 + 2 + 4 * 12 + 4;
    let at = |before: usize| (directory + before) as u32;
    let entries = [
        text(0x010f, at(0), maker),
        text(0x013b, at(12), artist),
        text(0x8298, at(24), notice),
        [&[0x88, 0x25, 0, 4, 0, 0, 0, 1][..], &at(38).to_be_bytes()].concat(),
    ];
    let gps = b"\0\x01\0\x01\0\x02\0\0\0\x02N\0\0\0\0\0\0\0";
    let tiff = [
        b"MM\0\x2a\0\0\0\x08\0\x04",
        entries.concat().as_slice(),
        &[0; 4],
        maker.as_bytes(),
        artist.as_bytes(),
        notice.as_bytes(),
        gps,
    ]
    .concat();
    let length = (tiff.len() as u16 + 8).to_be_bytes();
    [&plain[..2], &[0xff, 0xe1], &length, b"Exif\0\0", &tiff, &plain[2..]].concat()
}

fn holds(file: &[u8], text: &str) -> bool {
    file.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn nothing_personal_by_default_and_only_the_copyright_by_choice() {
    let original = signed();
    assert!(holds(&original, "Ann Artist") && holds(&original, "ACME"));
    for format in OUTPUTS {
        let variant = variant(&format!("w=8&fm={format}"));
        let plain = render(&original, &variant, &Settings::default(), &Never).expect("renders").bytes;
        let kept = Settings { keep_copyright: true, ..Settings::default() };
        let kept = render(&original, &variant, &kept, &Never).expect("renders").bytes;
        for text in ["Ann Artist", "(c) Ann 2026", "ACME", "Exif", "EXIF"] {
            assert!(!holds(&plain, text), "{format}: {text}");
        }
        assert!(!holds(&kept, "ACME"), "{format}");
        // GIF has no place for it.
        if *format != "gif" {
            assert!(holds(&kept, "Ann Artist") && holds(&kept, "(c) Ann 2026"), "{format}");
        }
        crate::support::pixels(&kept);
    }
}

#[test]
fn samples_leave_no_metadata() {
    for (at, name) in SAMPLES.iter().enumerate() {
        for (_, format) in OUTPUTS.iter().enumerate().filter(|(to, _)| is_long() || (at + to) % 6 == 1) {
            let file = crate::support::rendered(&sample(name), &format!("w=16&fm={format}")).expect("renders").bytes;
            for text in ["Exif", "EXIF", "http://ns.adobe.com", "Photoshop", "ICC_PROFILE", "Apple", "iPhone", "XMP"] {
                assert!(!holds(&file, text), "{name} {format}: {text}");
            }
        }
    }
}
