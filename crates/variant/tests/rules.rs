//! What an operator may write, every mistake named at once; the table of parameters; and the `<img>` to copy.

use afterimage_identity::OriginalKey;
use afterimage_variant::{
    Grant, LACKING, OUTPUT_SIDE_MAX, PARAMETERS, Policy, RefusalKind, Rules, Scheme, Signature, SigningKey, Size,
    resolve, srcset, srcset_candidates, verify,
};

fn key(name: &str, bytes: usize, scheme: Scheme) -> SigningKey {
    SigningKey { name: name.into(), secret: vec![b'x'; bytes], scheme }
}

fn mistaken(rules: &Rules) -> Vec<String> {
    rules.validate().err().unwrap_or_default().into_iter().map(|mistake| mistake.key).collect()
}

fn presets(text: &str) -> Rules {
    Rules { presets: [("x".to_owned(), text.to_owned())].into(), ..Rules::default() }
}

#[test]
fn the_defaults_make_sense() {
    assert_eq!(mistaken(&Rules::default()), [""; 0]);
}

#[test]
fn each_mistake_is_named() {
    let base = Rules::default;
    for (rules, expected) in [
        (Rules { ladder: vec![], ..base() }, "ladder"),
        (Rules { ladder: vec![2, 1], ..base() }, "ladder"),
        (Rules { ladder: vec![1, 1], ..base() }, "ladder"),
        (Rules { ladder: vec![0, 1], ..base() }, "ladder"),
        (Rules { ladder: vec![8_193], ..base() }, "ladder"),
        (Rules { ladder: (1..=1_001).collect(), ..base() }, "ladder"),
        (Rules { ratios: vec![(0, 1)], ..base() }, "ratios"),
        (Rules { ratios: vec![(10_001, 1)], ..base() }, "ratios"),
        (Rules { ratios: vec![(1, 1), (2, 2)], ..base() }, "ratios"),
        (Rules { ratios: (1..=201).map(|n| (n, 1)).collect(), ..base() }, "ratios"),
        (Rules { qualities: vec![50, 20], ..base() }, "qualities"),
        (Rules { qualities: vec![0, 50], ..base() }, "qualities"),
        (Rules { qualities: vec![50, 101], ..base() }, "qualities"),
        (Rules { output_side_max: OUTPUT_SIDE_MAX + 1, ..base() }, "output_side_max"),
        (Rules { output_pixels_max: 0, ..base() }, "output_pixels_max"),
        (Rules { dpr_max: 0, ..base() }, "dpr_max"),
        (Rules { dpr_max: 11, ..base() }, "dpr_max"),
        (Rules { require_signature: true, ..base() }, "require_signature"),
        (Rules { keys: vec![key("a", 15, Scheme::HmacSha256)], ..base() }, "keys.secret"),
        (Rules { keys: vec![key("a", 7, Scheme::ImgixMd5)], ..base() }, "keys.secret"),
        (Rules { keys: vec![key("a", 16, Scheme::HmacSha256), key("a", 8, Scheme::ImgixMd5)], ..base() }, "keys.name"),
        (Rules { policy: Policy::Dims { sizes: vec![], default: 1, variance_percent: 1 }, ..base() }, "policy.sizes"),
        (
            Rules { policy: Policy::Dims { sizes: vec![5], default: 6, variance_percent: 1 }, ..base() },
            "policy.default",
        ),
        (
            Rules { policy: Policy::Dims { sizes: vec![5], default: 5, variance_percent: 101 }, ..base() },
            "policy.variance_percent",
        ),
        (Rules { policy: Policy::Dims { sizes: vec![0], default: 0, variance_percent: 1 }, ..base() }, "policy.sizes"),
        (presets("w=0"), "presets.x"),
        (presets("nosuch=1"), "presets.x"),
        (presets("crop=faces"), "presets.x"),
        (presets("p=y"), "presets.x"),
        (presets("w=10&s=1"), "presets.x"),
        (presets("w=10&expires=1"), "presets.x"),
        (presets("w=8000&dpr=2"), "presets.x"),
        (presets("w=8193"), "presets.x"),
        (presets("w=1&w=2"), "presets.x"),
        (Rules { presets: [("a b".to_owned(), "w=1".to_owned())].into(), ..base() }, "presets.a b"),
    ] {
        let found = mistaken(&rules);
        assert!(found.iter().any(|key| key == expected), "{expected}: {found:?}");
        for mistake in rules.validate().unwrap_err() {
            assert!(!mistake.remedy.is_empty() && !mistake.to_string().contains("xxxxxxx"), "{mistake}");
        }
    }
    let many = Rules { dpr_max: 0, qualities: vec![0], ..presets("w=0") };
    assert_eq!(mistaken(&many), ["dpr_max", "qualities", "presets.x"]);
    let at_the_bounds = Rules {
        ladder: (1..=1_000).collect(),
        dpr_max: 10,
        output_side_max: OUTPUT_SIDE_MAX,
        keys: vec![key("a", 16, Scheme::HmacSha256), key("b", 8, Scheme::ImgixMd5)],
        require_signature: true,
        ..presets("w=8192&blur=2000")
    };
    assert_eq!(mistaken(&at_the_bounds), [""; 0]);
}

/// A value for each parameter that it takes.
#[rustfmt::skip]
const SAMPLES: &[(&str, &str)] = &[
    ("w", "10"), ("h", "10"), ("ar", "1:1"), ("fit", "crop"), ("crop", "top"), ("fp-x", "0.1"), ("fp-y", "0.1"), ("fm", "png"), ("q", "50"), ("dpr", "2"),
    ("auto", "format"), ("bg", "fff"), ("cs", "origin"), ("rot", "90"), ("flip", "h"), ("blur", "5"), ("sharp", "5"), ("rect", "0,0,5,5"), ("trim", "auto"), ("pad", "1"),
    ("max-w", "50"), ("max-h", "50"), ("min-w", "5"), ("min-h", "5"), ("d", "10"), ("p", "x"), ("expires", "1"), ("s", "x"), ("ixlib", "x"),
];

#[test]
fn the_parser_knows_exactly_the_table() {
    let rules = presets("w=10");
    let names: Vec<&str> = PARAMETERS.iter().map(|row| row.name).collect();
    assert_eq!(names, SAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (row, (_, value)) in PARAMETERS.iter().zip(SAMPLES) {
        for name in row.aliases.iter().chain([&row.name]) {
            // A signed request refuses what it does not know, so this is known.
            resolve(&rules, &format!("/a?{name}={value}"), None, Grant::Signed)
                .unwrap_or_else(|refusal| panic!("{refusal}"));
            let twice =
                resolve(&rules, &format!("/a?{name}={value}&{}={value}", row.name), None, Grant::Open).unwrap_err();
            assert_eq!(twice.kind, RefusalKind::BadRequest, "{name}");
        }
        assert!(!row.meaning.is_empty() && !row.range.is_empty());
    }
    for name in ["W", "wi", "fill", "txt", "mark", "exp", "ixid", "64", "w6", ""] {
        let ignored = resolve(&rules, &format!("/a?{name}=1"), None, Grant::Public).unwrap().ignored;
        assert_eq!(ignored, [name], "{name}");
    }
    for name in LACKING {
        let refusal = resolve(&rules, &format!("/a?{name}=1"), None, Grant::Public).unwrap_err();
        assert_eq!((refusal.kind, refusal.parameter.as_deref()), (RefusalKind::BadRequest, Some(*name)));
    }
}

#[test]
fn a_srcset_asks_for_nothing_that_would_be_snapped() {
    let original = OriginalKey::new("사진/a b&\"c\".jpg").unwrap();
    let rules = Rules::default();
    for (source, narrowest, widest) in [
        (None, 160, 3_840),
        (Some(Size::new(1_000, 500)), 160, 960),
        (Some(Size::new(960, 500)), 160, 960),
        (Some(Size::new(100, 50)), 100, 100),
        (Some(Size::new(10, 50)), 16, 16),
    ] {
        let candidates = srcset_candidates(&rules, "https://i.example/", &original, source);
        let found: Vec<u32> = candidates.iter().map(|(_, width)| *width).collect();
        assert_eq!(found.last(), Some(&widest));
        assert!(found.is_sorted() && found[0] >= narrowest && (1..=12).contains(&found.len()), "{found:?}");
        for (url, width) in candidates {
            let target = url.strip_prefix("https://i.example").unwrap();
            let resolution = resolve(&rules, target, Some("image/webp"), Grant::Public).unwrap();
            assert_eq!((resolution.key.as_str(), resolution.changed.len()), (original.as_str(), 0));
            assert!(resolution.canonical_path.ends_with(&format!("/-/w{width}.webp")));
        }
    }
    let html =
        srcset(&rules, "", &original, Some(Size::new(1_000, 500)), "(min-width: 60em) 50vw, 100vw", "a \"cat\" <3");
    assert!(html.starts_with("<img src=\"/%EC%82%AC%EC%A7%84/a%20b%26%22c%22.jpg?w=800&amp;auto=format\"\n"), "{html}");
    assert!(html.contains(" width=\"1000\" height=\"500\" alt=\"a &quot;cat&quot; &lt;3\""), "{html}");
}

#[test]
fn a_srcset_is_signed_where_it_must_be_and_speaks_the_policy() {
    let original = OriginalKey::new("a.jpg").unwrap();
    let signed = Rules { require_signature: true, keys: vec![key("k", 16, Scheme::HmacSha256)], ..Rules::default() };
    for (target, _) in srcset_candidates(&signed, "", &original, None) {
        assert!(matches!(verify(&signed, &target, 0), Ok(Signature::Valid { .. })), "{target}");
    }
    let dims = Rules { policy: Policy::dims(), ..Rules::default() };
    let found = srcset_candidates(&dims, "", &original, None);
    assert_eq!(found.first().map(|(url, width)| (url.as_str(), *width)), Some(("/a.jpg?d=200&auto=format", 200)));
}

#[test]
fn what_is_resolved_can_be_shown() {
    let resolution = resolve(&Rules::default(), "/a.jpg?w=301&x=1", None, Grant::Public).unwrap();
    let json = serde_json::to_value(&resolution).unwrap();
    assert_eq!(json["key"], "a.jpg");
    assert_eq!(json["canonical_path"], "/a.jpg/-/w320.same");
    assert_eq!(json["changed"][0]["why"], "snapped");
    assert_eq!(json["wanted"]["variant"]["width"], 320);
    assert_eq!(json["ignored"][0], "x");
    let refusal = resolve(&Rules::default(), "/a.jpg?q=0", None, Grant::Public).unwrap_err();
    assert_eq!(serde_json::to_value(&refusal).unwrap()["kind"], "bad-request");
}
