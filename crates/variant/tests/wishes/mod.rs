//! Queries as people might write them: every parameter, values inside and at the edge of their ranges, any order.
#![allow(dead_code)] // Each test binary uses its own part.

use afterimage_identity::OriginalKey;
use afterimage_variant::{Grant, Resolution, Rules, Variant, Wanted, resolve};
use proptest::prelude::*;

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(words).prop_map(str::to_owned)
}

fn pair(name: &'static str, value: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Option<String>> {
    proptest::option::weighted(0.25, value.prop_map(move |value| format!("{name}={value}"))).boxed()
}

fn side() -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("1".to_owned()), 4 => (1..700u32).prop_map(|side| side.to_string()), 1 => (10..9_000u32).prop_map(|tenths| format!("{}.{}", tenths / 10, tenths % 10))]
}

const FITS: &[&str] = &[
    "clip", "max", "min", "crop", "cropmax", "fill", "fillmax", "scale", "scalemax", "clamp", "cover", "contain",
    "inside", "outside",
];
const CROPS: &[&str] =
    &["top", "bottom,left", "right,top", "center", "faces,edges", "entropy", "attention,top", "focalpoint", "faces"];
const RATIOS: &[&str] = &["1:1", "16:9", "9:16", "3:2", "1.91:1", "0.85:1", "10000:1", "1:10000"];
const RECTS: &[&str] = &[
    "0,0,full,full",
    "10,20,30,40",
    "0.25,0.1,0.5,0.5",
    "center,bottom,200,0.5",
    "right,middle,full,1",
    "65535,65535,65535,65535",
    "0.0,top,1.0,1.0",
];

/// A query that is in order: it may only be refused for what its values come to together.
pub fn query() -> impl Strategy<Value = String> {
    let pairs = vec![
        pair("w", side()),
        pair("h", side()),
        pair("ar", one_of(RATIOS)),
        pair("fit", one_of(FITS)),
        pair("crop", one_of(CROPS)),
        pair("fp-x", one_of(&["0", "1", "0.5", "0.1234", "0.99999"])),
        pair("fp-y", one_of(&["0", "1", "0.5", "0.3"])),
        pair(
            "fm",
            one_of(&[
                "jpg",
                "jpeg",
                "pjpg",
                "png",
                "png8",
                "png16",
                "webp",
                "avif",
                "gif",
                "json",
                "thumbhash",
                "blurhash",
            ]),
        ),
        pair("q", prop_oneof![4 => (1..=100u32).prop_map(|q| q.to_string()), 1 => Just("auto".to_owned())]),
        pair("dpr", one_of(&["1", "2", "1.5", "0.1", "5"])),
        pair("auto", one_of(&["format", "compress", "format,compress", "enhance"])),
        pair("bg", one_of(&["fff", "8f00", "%23123456", "80123456", "red", "transparent"])),
        pair("cs", one_of(&["srgb", "tinysrgb", "strip", "adobergb1998", "origin"])),
        pair("rot", one_of(&["0", "90", "180", "270", "360"])),
        pair("flip", one_of(&["h", "v", "hv"])),
        pair("blur", one_of(&["0", "1", "2000"])),
        pair("sharp", one_of(&["0", "1", "100"])),
        pair("rect", one_of(RECTS)),
        pair("trim", one_of(&["auto", "color", "alpha"])),
        pair("pad", one_of(&["0", "1", "40"])),
        pair("max-w", one_of(&["100", "350", "8192"])),
        pair("max-h", one_of(&["100", "350"])),
        pair("min-w", one_of(&["1", "20", "100"])),
        pair("min-h", one_of(&["1", "99"])),
    ];
    let shuffled = pairs.prop_map(|pairs| pairs.into_iter().flatten().collect::<Vec<_>>()).prop_shuffle();
    shuffled.prop_map(|pairs| pairs.join("&"))
}

/// `Accept` headers of browsers, and none.
pub fn accept() -> impl Strategy<Value = Option<&'static str>> {
    proptest::sample::select(vec![None, Some("image/avif,image/webp,*/*"), Some("image/webp"), Some("*/*")])
}

/// Resolves without a ladder; `None` where the values contradict each other.
pub fn open(query: &str, accept: Option<&str>) -> Option<Resolution> {
    resolve(&Rules::default(), &format!("/a.jpg?{query}"), accept, Grant::Open).ok()
}

/// Variants as requests come to them.
pub fn variant() -> impl Strategy<Value = Variant> {
    (query(), accept()).prop_filter_map("refused or bare", |(query, accept)| match open(&query, accept)?.wanted {
        Wanted::Variant(variant) => Some(*variant),
        Wanted::Original => None,
    })
}

/// Keys, odd ones among them.
pub fn key() -> impl Strategy<Value = OriginalKey> {
    prop_oneof![
        proptest::sample::select(odd_keys()),
        "[^\\p{C}]{1,40}".prop_filter_map("no key", |text| OriginalKey::new(&text).ok())
    ]
}

/// Keys that have broken such servers before.
pub fn odd_keys() -> Vec<OriginalKey> {
    let long_component = "é".repeat(127) + "x";
    let long_path = ["ab~ %"; 800].join("/")[..3_999].to_owned() + "z";
    let mut texts: Vec<String> = [
        "a",
        "a/b",
        "a b",
        "a.jpg",
        "a.jpg/-x",
        "a.jpg/x-",
        "a.jpg/--",
        "-.jpg",
        "A.jpg",
        "a.JPG",
        "é.jpg",
        "e\u{301}.jpg",
        "~",
        "%",
        "%2D",
        "%2F",
        "a%20b",
        "+",
        "a+b",
        "'",
        "\"",
        "`",
        "사진/고양이.jpg",
        "😀/👩‍👩‍👧.png",
        "=",
        "=2D",
        "=.x",
        "a=20b",
        "100x100/a.jpg",
        "holiday-100x100.jpg",
        "w300.webp",
        "a.jpg/w300.webp",
        "original.1.2",
        "a?b",
        "a#b",
        "a&s=1",
        "a;b",
        "a\\b",
        "a:b",
        "*",
        "a*",
        "[1]",
        "...",
        "a.",
        ".a",
        "aux",
        "a\u{a0}b",
        "\u{202e}gpj.a",
    ]
    .map(str::to_owned)
    .into();
    texts.extend([long_component, long_path]);
    texts.iter().map(|text| OriginalKey::new(text).unwrap()).collect()
}
