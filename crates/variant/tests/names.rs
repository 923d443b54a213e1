//! Laws of the names: one spelling per wish, one wish per spelling, and no name of one kind is taken for another.

mod wishes;

use std::collections::HashMap;

use afterimage_identity::{OriginalKey, Revision, Version};
use afterimage_variant::{
    Format, Grant, Rules, Variant, Wanted, canonical_path, copy_key, derivative_key, derivative_prefix, natural_path,
    parse_copy_key, parse_derivative_key, resolve,
};
use proptest::prelude::*;

fn facts() -> (Version, Revision) {
    (Version::of_content(b"picture"), Revision::of(["settings"]))
}

fn wanted(name: Option<&str>) -> Wanted {
    name.map_or(Wanted::Original, |name| Wanted::Variant(Box::new(Variant::from_name(name).unwrap())))
}

#[test]
fn names_read_as_they_are_written() {
    for name in [
        "full.webp",
        "full.any",
        "full.auto-avif",
        "full.png16",
        "full.thumbhash",
        "w32-h32-crop.blurhash",
        "cssrgb.same",
        "w300-csorigin.png16",
        "pad7-csadobergb-q75.webp",
        "q75.same",
        "w300.webp",
        "h1.same",
        "w300-h200-crop-top-q75.webp",
        "w300-h200.jpg",
        "w16383-h16383-clamp.png",
        "rot90-fliph-w1.gif",
        "flipv.jpg",
        "rectp2500x0x7x1.same",
        "rectcx10x20xp5000.same",
        "rectexcx1xp1.same",
        "ar16x9-crop-fp2500x7000.json",
        "ar1x2-fill.same",
        "trimalpha.png",
        "maxw10-minh20-clip.jpg",
        "bgff0000.jpg",
        "bg00000000.jpg",
        "blur2000-sharp100-pad7-q100.pjpg",
        "w10-clip.avif",
        "w10-h10-min-entropy.jpg",
        "w10-h10-crop-smart.jpg",
    ] {
        assert_eq!(Variant::from_name(name).map(|variant| variant.name()).as_deref(), Some(name));
    }
}

#[test]
fn what_is_not_written_so_is_not_read() {
    for name in [
        "",
        ".",
        ".webp",
        "full",
        "full.",
        "full.same",
        "full.jpeg",
        "full.webp.webp",
        "full.WEBP",
        "original.webp",
        "-.webp",
        "w300",
        "w0300.webp",
        "w300-.webp",
        "-w300.webp",
        "w300--h2.webp",
        "h200-w300.webp",
        "w300-w300.webp",
        "w0.webp",
        "w16384.webp",
        "w99999999999.webp",
        "w3e2.webp",
        "w+3.webp",
        "w300-max.webp",
        "w300-crop.webp",
        "w300-scale.webp",
        "w300-h200-top.webp",
        "w300-h200-crop-center.webp",
        "w300-h200-crop-fp5000x5000.webp",
        "w300-h200-crop-fp5000x0.webp",
        "w300-h200-crop-lefttop.webp",
        "w300-h200-crop-top-left.webp",
        "w300-ar16x9.webp",
        "ar32x18-crop.jpg",
        "ar1x1-clip.jpg",
        "ar1x1-min.jpg",
        "ar10001x1.jpg",
        "rot360.jpg",
        "rot45.jpg",
        "rot0.jpg",
        "rot180-fliph.jpg",
        "fliph-flipv.jpg",
        "rect0x0xp10000xp10000.jpg",
        "rect0x0x0x1.jpg",
        "rect0x0x1.jpg",
        "rect0x0x1x1x1.jpg",
        "recteXxx.jpg",
        "recte x1x1x1.jpg",
        "bgFF0000.jpg",
        "bgff0000ff.jpg",
        "bgfff.jpg",
        "bgff000000.jpg",
        "bg+1+1+1.jpg",
        "blur0.jpg",
        "blur2001.jpg",
        "sharp101.jpg",
        "pad0.jpg",
        "q0.jpg",
        "q101.jpg",
        "w1-q75.png",
        "q75.json",
        "q75.png16",
        "q75.blurhash",
        "csorigin.gif",
        "csorigin.thumbhash",
        "csp3.webp",
        "cs.webp",
        "cssrgb-csorigin.webp",
        "q75-csorigin.webp",
        "w1-q75-blur3.jpg",
        "w10-minw5.jpg",
        "w10-maxw20.jpg",
        "minw5.jpg",
        "maxw10-minw1-clip.jpg",
        "crop.jpg",
        "entropy.jpg",
        "w10-h10-entropy.jpg",
        "w10-h10-crop-attention.jpg",
        "w١.jpg",
        "full\0.jpg",
        "x5.jpg",
        "5.jpg",
    ] {
        assert_eq!(Variant::from_name(name), None, "{name}");
    }
}

/// A file name holds the words, a version (32), a revision (12) and a format, and at most 255 bytes.
#[test]
fn the_longest_name_fits_a_directory_entry() {
    let query = "rot=270&flip=v&rect=0.1234,0.1234,0.1234,0.1234&trim=color&ar=9999:10000&fit=min&crop=focalpoint&fp-x=0.1234\
        &fp-y=0.1234&bg=80123456&cs=adobergb1998&blur=2000&sharp=100&pad=4000&q=100&max-w=8192&max-h=8192&min-w=8191&min-h=8191&auto=format";
    let resolution = wishes::open(query, Some("image/avif")).unwrap();
    let (version, revision) = facts();
    let key = derivative_key(&resolution.key, &resolution.wanted, &version, &revision);
    let file_name = key.rsplit('/').next().unwrap();
    assert!(file_name.len() <= 230, "{} {file_name}", file_name.len());
}

#[test]
fn odd_keys_have_paths_and_derivatives_of_their_own() {
    let (version, revision) = facts();
    let all = [None, Some("w300.webp"), Some("full.auto-avif"), Some("w1-h1-crop-fp1x2-q3.same")].map(wanted);
    let (mut paths, mut keys) = (HashMap::new(), HashMap::new());
    let originals = wishes::odd_keys();
    for key in &originals {
        for wanted in &all {
            assert_eq!(paths.insert(canonical_path(key, wanted), (key, wanted)), None);
            let derivative = derivative_key(key, wanted, &version, &revision);
            assert!(derivative.starts_with(&derivative_prefix(key)));
            // No original can be called like a derivative.
            assert!(OriginalKey::new(&derivative).is_err(), "{derivative}");
            assert!(originals.iter().all(|other| other.as_str() != derivative));
            assert_eq!(keys.insert(derivative, (key, wanted)), None);
        }
    }
    // Nor does one original's prefix hold another's derivatives.
    for (derivative, (owner, _)) in &keys {
        for other in originals.iter().filter(|other| other != owner) {
            assert!(!derivative.starts_with(&derivative_prefix(other)), "{derivative} {other}");
        }
    }
    assert_eq!(paths.len(), originals.len() * all.len());
}

#[test]
fn only_derivatives_read_as_derivatives() {
    let digest = "0".repeat(64);
    for (text, wanted) in [
        ("a.jpg/-/w300.v.r.webp", "w300.webp"),
        ("a.jpg/-/original.v.r", "original"),
        ("a.jpg/-/some-older-word.v.r.auto-avif", "some-older-word.auto-avif"),
        (&format!("=.{digest}/-/w300.v.r.webp"), "w300.webp"),
    ] {
        let name = parse_derivative_key(text).unwrap();
        assert_eq!((name.wanted.as_str(), name.version.as_str(), name.revision.as_str()), (wanted, "v", "r"), "{text}");
        assert_eq!(name.key.is_none(), text.starts_with("=."), "{text}");
    }
    for text in [
        "",
        "a.jpg",
        "a.jpg/-/",
        "/-/w300.v.r.webp",
        "a.jpg/-/w300.webp",
        "a.jpg/-/w300.v.webp",
        "a.jpg/-/original.v.r.jpg",
        "a.jpg/-/original.v",
        "a.jpg/-/original.v.r.",
        "a.jpg/-/x/w300.v.r.webp",
        "a.jpg/-/w300.v.r.webp/",
        "a.jpg/-/-/w300.v.r.webp",
        "a jpg/-/w300.v.r.webp",
        "=2d/-/w300.v.r.webp",
        "../a/-/w300.v.r.webp",
        "/a.jpg/-/w300.v.r.webp",
        "a.jpg/-/w300..r.webp",
        "a.jpg/-/W300.v.r.webp",
        "=.00/-/w300.v.r.webp",
        &format!("=.{}/-/w300.v.r.webp", "G".repeat(64)),
        "a.jpg/-/w300.v.r.webp.tmp",
        "a.jpg/-/.v.r.webp",
        &format!("a.jpg/-/w300.{}.r.webp", "v".repeat(65)),
    ] {
        assert_eq!(parse_derivative_key(text), None, "{text}");
    }
}

#[test]
fn only_copies_read_as_copies() {
    let digest = "0".repeat(64);
    for text in
        ["a.jpg/-/w300.webp", "p/a=20b.jpg/-/full.auto-avif", "a/-/some-older-word.x", &format!("=.{digest}/-/w1.jpg")]
    {
        let name = parse_copy_key(text).unwrap();
        assert_eq!(format!("{}/-/{}", name.escaped_key, name.wanted), text);
        assert_eq!(name.key.is_none(), text.starts_with("=."), "{text}");
        assert_eq!(parse_derivative_key(text), None, "{text}");
    }
    for text in [
        "",
        "a.jpg",
        "a.jpg/-/",
        "a.jpg/-/w300",
        "a.jpg/-/.webp",
        "a.jpg/-/w300.",
        "a.jpg/-/original.webp",
        "a.jpg/-/w300.v.r.webp",
        "a.jpg/-/original.v.r",
        "a.jpg/-/W300.webp",
        "a.jpg/-/x/w300.webp",
        "a.jpg/-/-/w300.webp",
        "/-/w300.webp",
        "-/journal/w300.webp",
        "=2d/-/w300.webp",
        "../a/-/w300.webp",
        "=.00/-/w300.webp",
    ] {
        assert_eq!(parse_copy_key(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn parsing_undoes_naming(variant in wishes::variant()) {
        let name = variant.name();
        prop_assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b)), "{name}");
        prop_assert_eq!(Variant::from_name(&name), Some(variant));
    }

    #[test]
    fn naming_undoes_parsing(name in "(full|(w|h|q|pad|ar|rot|blur)[0-9x]{1,5})(-(crop|fill|min|top|left|q[0-9]{1,3}|qauto|h[0-9]{1,4}|bg[0-9a-f]{6})){0,3}\\.(webp|jpg|png|same)") {
        if let Some(variant) = Variant::from_name(&name) {
            prop_assert_eq!(variant.name(), name);
        }
    }

    #[test]
    fn no_name_panics(name in "\\PC{0,40}") {
        let _ = Variant::from_name(&name);
        let _ = parse_derivative_key(&name);
        let _ = parse_copy_key(&name);
    }

    #[test]
    fn equal_variants_have_equal_names(a in wishes::variant(), b in wishes::variant(), key in wishes::key()) {
        let (version, revision) = facts();
        prop_assert_eq!(a == b, a.name() == b.name());
        let [a, b] = [a, b].map(|variant| Wanted::Variant(Box::new(variant)));
        prop_assert_eq!(a == b, canonical_path(&key, &a) == canonical_path(&key, &b));
        prop_assert_eq!(a == b, derivative_key(&key, &a, &version, &revision) == derivative_key(&key, &b, &version, &revision));
    }

    #[test]
    fn a_derivative_names_its_original(key in wishes::key(), variant in wishes::variant(), bare in any::<bool>()) {
        let (version, revision) = facts();
        let wanted = if bare { Wanted::Original } else { Wanted::Variant(Box::new(variant.clone())) };
        let name = parse_derivative_key(&derivative_key(&key, &wanted, &version, &revision)).unwrap();
        prop_assert_eq!(&name.escaped_key, &key.escaped().to_string());
        prop_assert_eq!(name.key, (!key.escaped().is_digest()).then_some(key));
        prop_assert_eq!((name.version, name.revision), (version, revision));
        prop_assert_eq!(name.wanted, if bare { "original".to_owned() } else { variant.name() });
    }

    #[test]
    fn a_copy_is_what_its_canonical_path_leads_to(key in wishes::key(), variant in wishes::variant()) {
        let name = copy_key(&key, &variant);
        prop_assert_eq!(format!("/{name}"), canonical_path(&key, &Wanted::Variant(Box::new(variant.clone()))));
        // Below it are records of purges, which no request may lead to.
        prop_assert!(!name.starts_with("-/"));
        // One listing finds copies and derivatives of one original, and tells them apart.
        prop_assert!(name.starts_with(&derivative_prefix(&key)) && parse_derivative_key(&name).is_none());
        let read = parse_copy_key(&name).unwrap();
        prop_assert_eq!((&read.escaped_key, &read.wanted), (&key.escaped().to_string(), &variant.name()));
        prop_assert_eq!(read.key, (!key.escaped().is_digest()).then_some(key));
    }

    #[test]
    fn different_originals_share_nothing(a in wishes::key(), b in wishes::key(), variant in wishes::variant()) {
        let wanted = Wanted::Variant(Box::new(variant));
        prop_assert_eq!(a == b, canonical_path(&a, &wanted) == canonical_path(&b, &wanted));
        prop_assert_eq!(a == b, derivative_prefix(&a).starts_with(&derivative_prefix(&b)));
    }

    #[test]
    fn canonical_twice_is_canonical_once(key in wishes::key(), query in wishes::query(), accept in wishes::accept()) {
        let rules = Rules::default();
        let Ok(once) = resolve(&rules, &format!("{}?{query}", natural_path(&key)), accept, Grant::Open) else { return Ok(()) };
        prop_assert_eq!(&once.key, &key);
        prop_assert_eq!(&once.canonical_path, &canonical_path(&key, &once.wanted));
        if !key.escaped().is_digest() {
            let twice = resolve(&rules, &once.canonical_path, accept, Grant::Trusted).unwrap();
            prop_assert_eq!(&twice.canonical_path, &once.canonical_path);
            prop_assert_eq!((twice.key, twice.wanted), (key, once.wanted));
            prop_assert!(twice.changed.is_empty() && !twice.vary_accept);
        }
    }

    #[test]
    fn formats_change_nothing_else(variant in wishes::variant(), at in 0..Format::ALL.len()) {
        let format = Format::ALL[at];
        let other = variant.with_format(format);
        prop_assert_eq!(other.format(), format);
        prop_assert_eq!(other.quality(), variant.quality().filter(|_| format.takes_quality()));
        prop_assert_eq!(variant.with_format(variant.format()), variant);
    }
}
