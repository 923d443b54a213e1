//! What the public may have: sizes, ratios, qualities, presets and canonical paths; and that it is finite.

use afterimage_variant::{Grant, PARAMETERS, Policy, RefusalKind, Rules, Wanted, Why, resolve};

fn public(rules: &Rules, query: &str) -> (String, String) {
    let resolution = resolve(rules, &format!("/a.jpg?{query}"), Some("image/webp"), Grant::Public)
        .unwrap_or_else(|refusal| panic!("{query}: {refusal}"));
    let changed: Vec<String> =
        resolution.changed.iter().map(|change| format!("{}={}>{}", change.name, change.from, change.to)).collect();
    (resolution.canonical_path.trim_start_matches("/a.jpg").trim_start_matches("/-/").to_owned(), changed.join(" "))
}

fn with_presets() -> Rules {
    let mut rules = Rules::default();
    rules.presets.insert("thumb".into(), "w=150&h=90&fit=crop&fm=webp&q=77&blur=3".into());
    rules.presets.insert("hero".into(), "w=2000&ar=2:1&auto=format,compress".into());
    rules.validate().unwrap();
    rules
}

#[test]
fn sizes_snap_up_and_say_so() {
    let rules = Rules::default();
    for (query, name, changed) in [
        ("w=300", "w300.same", ""),
        ("w=301", "w320.same", "w=301>320"),
        ("w=1", "w16.same", "w=1>16"),
        ("w=3840", "w3840.same", ""),
        ("w=3841", "w3840.same", "w=3841>3840"),
        ("w=8192", "w3840.same", "w=8192>3840"),
        ("w=1000000&dpr=5", "w3840.same", "w=5000000>3840"),
        ("h=301", "h320.same", "h=301>320"),
        ("w=200&dpr=2", "w400.same", ""),
        ("w=200&dpr=1.51", "w320.same", "w=302>320"),
        ("w=300&h=200&fit=crop", "w300-h200-crop.same", ""),
        ("w=301&h=200&fit=crop", "w320-h213-crop.same", "w=301>320 h=200>213"),
        ("w=200&h=300&fit=crop", "w200-h300-crop.same", ""),
        ("w=300&h=198", "w300-h200.same", "h=198>200"),
        ("w=198&h=301&fit=fill", "w213-h320-fill.same", "w=198>213 h=301>320"),
        ("w=5000&h=5000&fit=crop", "w3840-h3840-crop.same", "w=5000>3840 h=5000>3840"),
        ("d=105", "w128-h128-crop.same", "w=105>128 h=105>128"),
        ("w=400&ar=16:9", "w400-h225-crop.same", ""),
        ("w=399&ar=16:9&fit=fill", "w400-h225-fill.same", "w=399>400"),
        ("h=400&ar=16:9", "w711-h400-crop.same", ""),
        ("w=400&ar=9:16", "w400-h711-crop.same", ""),
        ("w=3840&ar=1:4", "w2048-h8192-crop.same", "w=3840>2048"),
        ("ar=1.78:1", "ar16x9-crop.same", "ar=89:50>16:9"),
        ("w=1200&h=630&fit=crop", "w1200-h630-crop.same", ""),
        ("q=75", "q75.same", ""),
        ("q=76", "q85.same", "q=76>85"),
        ("q=1&w=16", "w16-q20.same", "q=1>20"),
        ("q=100", "q95.same", "q=100>95"),
        ("q=100&fm=png", "full.png", "q=100>"),
        ("auto=compress", "qauto.same", ""),
        ("q=auto&w=390", "w400-qauto.same", "w=390>400"),
        ("q=auto&fm=png8", "full.png8", "q=auto>"),
        ("w=300&h=300&ar=2:1", "w300-h300.same", "ar=2:1>"),
    ] {
        assert_eq!(public(&rules, query), (name.to_owned(), changed.to_owned()), "{query}");
    }
}

#[test]
fn changes_say_why() {
    let of = |query: &str| resolve(&Rules::default(), &format!("/a?{query}"), None, Grant::Public).unwrap().changed;
    assert_eq!(of("w=301&h=200").iter().map(|change| change.why).collect::<Vec<_>>(), [Why::Snapped, Why::Ratio]);
    assert_eq!(of("w=200&h=301").iter().map(|change| change.why).collect::<Vec<_>>(), [Why::Ratio, Why::Snapped]);
    assert_eq!(of("w=9999")[0].to_string(), "w=9999 is 3840: lowered to the largest allowed value");
}

#[test]
fn ratios_within_two_percent_are_the_listed_one() {
    let mut rules = Rules { ratios: vec![(1, 1)], ladder: vec![1_000], ..Rules::default() };
    for (query, allowed) in [
        ("w=1000&h=1000", true),
        ("w=1020&h=1000", true),
        ("w=1021&h=1000", false),
        ("w=980&h=1000", true),
        ("w=979&h=1000", false),
    ] {
        let resolution = resolve(&rules, &format!("/a?{query}"), None, Grant::Public);
        assert_eq!(resolution.is_ok(), allowed, "{query}");
        match resolution {
            Ok(resolution) => assert_eq!(resolution.canonical_path, "/a/-/w1000-h1000.same"),
            Err(refusal) => {
                assert_eq!(refusal.kind, RefusalKind::Forbidden);
                for word in ["1:1", "preset", "sign", "`ratios`"] {
                    assert!(refusal.help.contains(word), "{refusal}");
                }
            }
        }
    }
    assert_eq!(resolve(&rules, "/a?ar=1.03:1", None, Grant::Public).unwrap_err().parameter.as_deref(), Some("ar"));
    rules.ratios.push((1_021, 1_000));
    assert!(resolve(&rules, "/a?w=1021&h=1000", None, Grant::Public).is_ok());
}

#[test]
fn everything_else_needs_permission() {
    let values = [
        ("fp-x", "0.1"),
        ("fp-y", "0.1"),
        ("bg", "fff"),
        ("cs", "origin"),
        ("rot", "90"),
        ("flip", "h"),
        ("blur", "5"),
        ("sharp", "5"),
        ("rect", "0,0,5,5"),
        ("trim", "auto"),
        ("pad", "5"),
        ("max-w", "50"),
        ("max-h", "50"),
        ("min-w", "50"),
        ("min-h", "50"),
    ];
    let private: Vec<&str> = PARAMETERS.iter().filter(|row| !row.public).map(|row| row.name).collect();
    assert_eq!(private, values.map(|(name, _)| name));
    for (name, value) in values {
        let target = format!("/a.jpg?w=300&{name}={value}");
        for grant in [Grant::Public, Grant::Trusted] {
            let refusal = resolve(&Rules::default(), &target, None, grant).unwrap_err();
            assert_eq!((refusal.kind, refusal.parameter.as_deref()), (RefusalKind::Forbidden, Some(name)), "{target}");
        }
        for grant in [Grant::Signed, Grant::Open] {
            assert!(resolve(&Rules::default(), &target, None, grant).is_ok(), "{target}");
        }
    }
}

#[test]
fn signed_and_open_requests_are_not_snapped() {
    for grant in [Grant::Signed, Grant::Open] {
        let resolution = resolve(&Rules::default(), "/a?w=301&h=17&q=76", None, grant).unwrap();
        assert_eq!((resolution.canonical_path.as_str(), resolution.changed.len()), ("/a/-/w301-h17-q76.same", 0));
    }
}

#[test]
fn presets_are_taken_whole() {
    let rules = with_presets();
    for (query, name, changed) in [
        ("p=thumb", "w150-h90-crop-blur3-q77.webp", ""),
        ("p=thumb&dpr=2", "w300-h180-crop-blur3-q77.webp", ""),
        ("p=thumb&dpr=1.5", "w300-h180-crop-blur3-q77.webp", "dpr=1.5>2"),
        ("p=thumb&q=60", "w150-h90-crop-blur3-q65.webp", "q=60>65"),
        ("p=thumb&fm=jpg", "w150-h90-crop-blur3-q77.jpg", ""),
        ("p=hero", "w2000-h1000-crop-qauto.webp", ""),
        ("p=hero&dpr=5", "w8192-h4096-crop-qauto.webp", "w=10000>8192"),
    ] {
        assert_eq!(public(&rules, query), (name.to_owned(), changed.to_owned()), "{query}");
    }
    for query in [
        "p=thumb&w=300",
        "p=thumb&h=9",
        "p=thumb&d=100",
        "p=thumb&fit=max",
        "p=thumb&ar=1:1",
        "p=thumb&crop=top",
        "p=thumb&blur=9",
    ] {
        assert_eq!(
            resolve(&rules, &format!("/a?{query}"), None, Grant::Public).unwrap_err().kind,
            RefusalKind::Forbidden,
            "{query}"
        );
    }
    let refusal = resolve(&rules, "/a?p=nosuch", None, Grant::Public).unwrap_err();
    assert!(refusal.help.contains("hero, thumb"), "{refusal}");
}

#[test]
fn canonical_paths_pass_the_same_policy_or_are_not_found() {
    let rules = with_presets();
    for name in [
        "w300.webp",
        "w400-h711-crop-top.auto-avif",
        "w320-h213.same",
        "full.json",
        "ar16x9-crop-entropy.jpg",
        "q75.same",
        "w150-h90-crop-blur3-q77.webp",
        "w300-h180-crop-blur3-q95.avif",
        "w150-h90-crop-blur3.png",
        "w2000-h1000-crop.any",
        "w8192-h4096-crop-qauto.webp",
        "w711-h400-crop.same",
    ] {
        let path = format!("/a%20b/../x/-/{name}");
        assert!(resolve(&rules, &path, None, Grant::Public).is_err());
        let path = format!("/a=20b.jpg/-/{name}");
        for grant in [Grant::Public, Grant::Signed, Grant::Open, Grant::Trusted] {
            let resolution =
                resolve(&rules, &path, Some("image/avif"), grant).unwrap_or_else(|refusal| panic!("{path}: {refusal}"));
            assert_eq!((resolution.canonical_path.as_str(), resolution.key.as_str()), (path.as_str(), "a b.jpg"));
            assert!(!resolution.vary_accept);
        }
    }
    for name in [
        "w301.webp",
        "w300-h199.same",
        "w320-h100.same",
        "w300-q77.webp",
        "w300-h200-crop-fp1x1.same",
        "w300-blur3.same",
        "w300-bgff0000.png",
        "w300-pad4.same",
        "rot90.jpg",
        "w450-h270-crop-blur3-q76.webp",
        "w151-h90-crop-blur3-q77.webp",
        "ar17x9-crop.same",
        "maxw300-clip.same",
        "trim.same",
        "w8192.same",
    ] {
        for path in [format!("/a.jpg/-/{name}"), format!("/a.jpg/-/{name}?ixlib=1")] {
            assert_eq!(resolve(&rules, &path, None, Grant::Public).unwrap_err().kind, RefusalKind::NotFound, "{path}");
            assert!(resolve(&rules, &path, None, Grant::Open).is_ok(), "{path}");
        }
        assert!(resolve(&rules, &format!("/a.jpg/-/{name}"), None, Grant::Trusted).is_ok(), "{name}");
        assert_eq!(
            resolve(&rules, &format!("/a.jpg/-/{name}?x=1"), None, Grant::Trusted).unwrap_err().kind,
            RefusalKind::NotFound,
            "{name}"
        );
    }
}

#[test]
fn canonical_paths_cannot_be_smuggled() {
    let rules = Rules::default();
    for path in [
        "/a.jpg/%2D/w301.webp",
        "/a.jpg/%2d/w300.webp",
        "/a.jpg/%252D/../w301.webp",
        "/a.jpg/-/w301.webp/",
        "/a.jpg/-/",
        "/a.jpg/-",
        "/a.jpg/-/-/w300.webp",
        "/a.jpg/-/w300.webp/-/w300.webp",
        "/-/w300.webp",
        "//-/w300.webp",
        "/a.jpg/-/w%3300.webp",
        "/a.jpg/-/W300.webp",
        "/a%2Ejpg/-/w300.webp",
        "/a~b/-/w300.webp",
        "/a=2Ejpg/-/w300.webp",
        "/a=2fb/-/w300.webp",
        "/a=2D/x/-/w300.webp",
        "/x/=2D/-/w300.webp",
        "/a.jpg/-/original",
        "/a.jpg/-/original.webp",
        "/a.jpg/-/full.same",
        "/a.jpg/-/w300.v.r.webp",
        "/=.0000000000000000000000000000000000000000000000000000000000000000/-/w300.webp",
        "/../a/-/w300.webp",
        "/a.jpg/-%2Fw300.webp",
    ] {
        for grant in [Grant::Public, Grant::Signed, Grant::Open, Grant::Trusted] {
            let refusal = resolve(&rules, path, None, grant).expect_err(path);
            assert!(matches!(refusal.kind, RefusalKind::NotFound | RefusalKind::BadRequest), "{path}: {refusal}");
        }
    }
    // Encoded twice, it is another original's name, whatever may lie there; policy has nothing to do with it.
    let twice = resolve(&rules, "/a.jpg/%252D/w301.webp", None, Grant::Public).unwrap();
    assert_eq!((twice.key.as_str(), &twice.wanted), ("a.jpg/%2D/w301.webp", &Wanted::Original));
    assert_eq!(twice.canonical_path, "/a.jpg/=252D/w301.webp");
    let refusal = resolve(&rules, "/a.jpg/-/w300.webp?w=301", None, Grant::Public).unwrap_err();
    assert_eq!((refusal.kind, refusal.parameter.as_deref()), (RefusalKind::BadRequest, Some("w")));
}

#[test]
fn a_trusted_listener_reads_escaped_keys() {
    let rules = Rules::default();
    let of = |target: &str, grant| {
        resolve(&rules, target, None, grant).map(|r| (r.key.as_str().to_owned(), r.canonical_path))
    };
    assert_eq!(of("/a=20b.jpg", Grant::Trusted), Ok(("a b.jpg".into(), "/a=20b.jpg".into())));
    assert_eq!(of("/a=20b.jpg", Grant::Public), Ok(("a=20b.jpg".into(), "/a=3D20b.jpg".into())));
    assert_eq!(of("/a%20b.jpg", Grant::Trusted).unwrap_err().kind, RefusalKind::NotFound);
    assert_eq!(of("/a%20b.jpg?w=300", Grant::Trusted), Ok(("a b.jpg".into(), "/a=20b.jpg/-/w300.same".into())));
}

#[test]
fn signatures_may_be_required_of_everything() {
    let rules = Rules { require_signature: true, ..Rules::default() };
    for target in ["/a.jpg", "/a.jpg?w=300", "/a.jpg/-/w300.webp"] {
        for (grant, needs) in
            [(Grant::Public, true), (Grant::Signed, false), (Grant::Open, false), (Grant::Trusted, false)]
        {
            assert_eq!(resolve(&rules, target, None, grant).unwrap().needs_signature, needs, "{target}");
        }
    }
}

/// The table of the published functions: width alone decides, bands overlap, the first wins, and what fits none is 200.
#[test]
fn dims_is_the_published_table() {
    let rules = Rules { policy: Policy::dims(), ..Rules::default() };
    rules.validate().unwrap();
    for (d, side) in [
        ("100", 100),
        ("100x100", 100),
        ("80", 100),
        ("120", 100),
        ("79", 200),
        ("120x1", 100),
        ("121", 200),
        ("159", 200),
        ("160", 200),
        ("240", 200),
        ("241", 300),
        ("300", 300),
        ("340", 300),
        ("360", 300),
        ("361", 400),
        ("480", 400),
        ("481", 200),
        ("1000", 200),
        ("abc", 200),
        ("0", 200),
        ("-100", 200),
        ("1e2x5", 100),
        ("x100", 200),
        ("100.5", 100),
        ("inf", 200),
        ("nan", 200),
        ("%20100", 100),
        ("%00", 200),
    ] {
        for (accept, extension) in
            [(None, "same"), (Some("image/webp"), "webp"), (Some("image/avif,image/webp;q=0"), "same")]
        {
            let resolution = resolve(&rules, &format!("/i/a.jpg?d={d}"), accept, Grant::Public)
                .unwrap_or_else(|r| panic!("{d}: {r}"));
            assert_eq!(resolution.canonical_path, format!("/i/a.jpg/-/w{side}-h{side}-crop.{extension}"), "{d}");
            assert!(resolution.vary_accept);
            assert_eq!(resolution.changed.is_empty(), d == side.to_string() || d == format!("{side}x{side}"), "{d}");
            assert!(resolve(&rules, &resolution.canonical_path, None, Grant::Public).is_ok());
        }
    }
    for query in ["", "d=", "D=100"] {
        assert_eq!(public(&rules, query).0, "", "{query}");
    }
    assert_eq!(public(&rules, "d=100&fm=jpg&q=75").0, "w100-h100-crop-q75.jpg");
    assert_eq!(resolve(&rules, "/a?d=100&d=200", None, Grant::Public).unwrap_err().kind, RefusalKind::BadRequest);
    for query in ["w=100", "d=100&fit=max", "d=100&dpr=2", "ar=1:1", "crop=top"] {
        assert_eq!(
            resolve(&rules, &format!("/a?{query}"), None, Grant::Public).unwrap_err().kind,
            RefusalKind::Forbidden,
            "{query}"
        );
    }
    for path in [
        "/a/-/w300.webp",
        "/a/-/w100-h100.webp",
        "/a/-/w100-h200-crop.webp",
        "/a/-/w150-h150-crop.webp",
        "/a/-/w100-h100-crop-top.webp",
    ] {
        assert_eq!(resolve(&rules, path, None, Grant::Public).unwrap_err().kind, RefusalKind::NotFound, "{path}");
    }
    let odd = Policy::Dims { sizes: vec![150], default: 150, variance_percent: 0 };
    assert_eq!(public(&Rules { policy: odd, ..Rules::default() }, "d=151").0, "w150-h150-crop.webp");
    assert_eq!(resolve(&rules, "/a?d=150", None, Grant::Signed).unwrap().canonical_path, "/a/-/w150-h150-crop.same");
}
