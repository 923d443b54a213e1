//! One wish, many spellings, one canonical path; and what is no wish at all.

mod wishes;

use afterimage_variant::{Change, Grant, RefusalKind, Rules, Why, resolve};
use proptest::prelude::*;

fn path_of(query: &str, accept: Option<&str>) -> String {
    let mut rules = Rules::default();
    rules.presets.insert("thumb".into(), "d=150&fm=webp&blur=20".into());
    let target = format!("/a.jpg{}{query}", if query.is_empty() { "" } else { "?" });
    match resolve(&rules, &target, accept, Grant::Open) {
        Ok(resolution) => resolution.canonical_path,
        Err(refusal) => panic!("{target}: {refusal}"),
    }
}

#[test]
fn equivalent_spellings_have_one_path() {
    let webp = Some("image/webp");
    #[rustfmt::skip]
    let groups: &[(&str, &[&str])] = &[
        ("/a.jpg", &["", "fit=crop", "fit=scale&crop=top", "crop=entropy", "dpr=2", "rot=0", "rot=360", "blur=0", "sharp=0",
            "pad=0", "rect=0,0,full,full", "rect=left,top,1.0,1.0", "rect=center,bottom,full,full", "flip=hv&rot=180", "min-w=1", "min-w=500",
            "fp-x=0.2", "ixlib=js-3.8.0", "utm_source=x", "auto=enhance", "auto=", "expires=5", "crop=faces", "&&"]),
        ("/a.jpg/-/w100-h100-crop.same", &["d=100", "d=100x100", "w=100&h=100&fit=crop", "h=100&fit=cover&w=100", "width=100&height=100&fit=crop",
            "w=50&h=50&dpr=2&fit=crop", "w64=MTAw&h=100&fit64=Y3JvcA", "w=100&ar=1:1", "h=100&ar=2:2&fit=crop", "w=100.00&h=0100&fit=crop",
            "d=100&fit=crop", "fit=crop&d=100", "d=100&crop=center", "d=100&crop=faces", "d=100&crop=focalpoint", "w=100&h=100&crop=center",
            "d=100&crop=focalpoint&fp-x=0.5&fp-y=0.50000"]),
        ("/a.jpg/-/w100-h100-crop-top.same", &["d=100&crop=top", "d=100&crop=top,center", "d=100&crop=faces,top", "w=100&h=100&crop=top", "d=100&crop=focalpoint&fp-y=0", "d=100&fp-y=0.0"]),
        ("/a.jpg/-/w100-h100-crop-smart.same", &["d=100&crop=smart", "d=100&crop=attention", "w=100&h=100&crop=faces,smart,top"]),
        ("/a.jpg/-/w100-h100-crop-topleft.same", &["d=100&crop=top,left", "d=100&crop=left,top", "d=100&fp-x=0&fp-y=0"]),
        ("/a.jpg/-/w100-h100.same", &["w=100&h=100", "w=100&h=100&fit=max", "w=100&h=100&fit=inside", "w=100&h=100&ar=16:9", "d=100&fit=max", "fit=max&d=100", "w=100&h=100&fit=max&crop=top", "w=100&h=100&min-w=20"]),
        ("/a.jpg/-/w300.webp", &["w=300&fm=webp", "w=300&auto=format", "w=300&fm=jpg&auto=format", "auto=format,enhance&w=300", "w=150&dpr=2&fm=webp", "w=300&fit=max&fm=webp", "w=300&fm=webp&fit=min", "w=300&fm=webp&fit=fillmax",
            "w=900&max-w=300&fm=webp", "w=300&fm=webp&crop=top", "w=100&min-w=300&fm=webp"]),
        ("/a.jpg/-/w300-clip.same", &["w=300&fit=clip", "w=300&fit=crop", "w=300&fit=scale", "w=300&fit=fill", "w=300&fit=clamp", "w=300&fit=contain", "w=300&fit=crop&crop=left"]),
        ("/a.jpg/-/w300-h200-min.same", &["w=300&h=200&fit=min", "w=300&h=200&fit=outside"]),
        ("/a.jpg/-/w300-h200-fill.same", &["w=300&h=200&fit=fill", "w=300&h=200&fit=contain"]),
        ("/a.jpg/-/ar16x9-crop.same", &["ar=16:9", "ar=16:9&fit=crop", "ar=32:18&fit=min"]),
        ("/a.jpg/-/ar1x1-fill.same", &["ar=1:1&fit=fill", "ar=1:1&fit=fillmax", "ar=1:1&fit=contain&crop=top"]),
        ("/a.jpg/-/w400-h225-crop.same", &["w=400&ar=16:9", "w=400&h=225&fit=crop", "h=225&ar=16:9"]),
        ("/a.jpg/-/w150-h150-crop-blur20.webp", &["p=thumb", "d=150&fm=webp&blur=20", "p=thumb&w=150&h=150&fit=crop", "p=thumb&fm=webp"]),
        ("/a.jpg/-/w300-h300-crop-blur20.webp", &["p=thumb&dpr=2", "p=thumb&d=300", "p=thumb&w=300&h=300", "p=thumb&w=300&ar=2:3&h=300"]),
        ("/a.jpg/-/rot90-blur5.png", &["rot=90&blur=5&fm=png", "fm=png&blur=5&rot=90&q=80", "flip=hv&rot=270&blur=5&fm=png"]),
        ("/a.jpg/-/flipv.same", &["flip=v", "flip=h&rot=180"]),
        ("/a.jpg/-/rot90-fliph.same", &["rot=90&flip=h", "rot=270&flip=v"]),
        ("/a.jpg/-/bgff0000.same", &["bg=f00", "bg=%23F00", "bg=ff0000", "bg=red", "bg=ffff0000"]),
        ("/a.jpg/-/bg00000000.same", &["bg=transparent", "bg=0000", "bg=00ffffff"]),
        ("/a.jpg/-/q50.same", &["q=50", "quality=50", "auto=compress&q=50"]),
        ("/a.jpg/-/qauto.same", &["q=auto", "quality=auto", "auto=compress", "auto=compress&q=auto"]),
        ("/a.jpg/-/w300-qauto.webp", &["w=300&q=auto&fm=webp", "w=150&dpr=2&auto=format,compress"]),
        ("/a.jpg/-/w300.png8", &["w=300&fm=png8", "fm=png8&w=300&q=auto", "w=300&fm=png8&q=50"]),
        ("/a.jpg/-/q90.any", &["q=90&auto=compress,format&x=1&_accept=none"]),
        ("/a.jpg/-/full.json", &["fm=json", "format=json", "fm=json&auto=format", "fm=json&q=3"]),
        ("/a.jpg/-/w300.thumbhash", &["w=300&fm=thumbhash", "w=300&fm=thumbhash&auto=format", "w=300&fm=thumbhash&q=3&cs=origin"]),
        ("/a.jpg/-/full.blurhash", &["fm=blurhash", "auto=format&fm=blurhash"]),
        ("/a.jpg/-/cssrgb.same", &["cs=srgb", "cs=tinysrgb", "cs=strip"]),
        ("/a.jpg/-/w300-csorigin.png16", &["w=300&cs=origin&fm=png16", "fm=png16&w=300&cs=origin&q=8"]),
        ("/a.jpg/-/csadobergb-q90.webp", &["cs=adobergb1998&fm=webp&q=90"]),
        ("/a.jpg/-/w300.gif", &["w=300&fm=gif&cs=origin"]),
        ("/a.jpg/-/rect0x10xp5000xp10000.same", &["rect=left,10,0.5,full", "rect=0,10,0.50,1.0"]),
        ("/a.jpg/-/maxw500-crop.same", &["max-w=500&fit=crop", "max-w=250&dpr=2&fit=cover"]),
    ];
    for (path, queries) in groups {
        for query in *queries {
            let accept = if query.contains("_accept=none") { None } else { webp };
            assert_eq!(path_of(query, accept), *path, "{query}");
        }
    }
}

#[test]
fn accept_is_in_the_path_and_varies_the_answer() {
    let rules = Rules::default();
    for (query, accept, path, vary) in [
        ("auto=format", Some("image/avif,image/webp"), "/a.jpg/-/full.auto-avif", true),
        ("auto=format", Some("image/webp"), "/a.jpg/-/full.webp", true),
        ("auto=format", Some("*/*"), "/a.jpg/-/full.any", true),
        ("auto=format", None, "/a.jpg/-/full.any", true),
        ("auto=format&fm=png", None, "/a.jpg/-/full.png", true),
        ("auto=format&fm=png", Some("image/webp"), "/a.jpg/-/full.webp", true),
        ("auto=format&fm=json", Some("image/webp"), "/a.jpg/-/full.json", false),
        ("fm=avif", None, "/a.jpg/-/full.avif", false),
        ("w=300", Some("image/avif"), "/a.jpg/-/w300.same", false),
    ] {
        let resolution = resolve(&rules, &format!("/a.jpg?{query}"), accept, Grant::Public).unwrap();
        assert_eq!((resolution.canonical_path.as_str(), resolution.vary_accept), (path, vary), "{query} {accept:?}");
    }
}

#[test]
fn bad_values_are_refused_by_parameter_value_and_range() {
    for (query, parameter) in [
        ("w=0", "w"),
        ("w=-1", "w"),
        ("w=", "w"),
        ("w", "w"),
        ("w=abc", "w"),
        ("w=1e3", "w"),
        ("w=0.5", "w"),
        ("w=+100", "w"),
        ("w=1000001", "w"),
        ("w=8193", "w"),
        ("h=0", "h"),
        ("h=8193", "h"),
        ("height=x", "h"),
        ("w=8000&h=8000", "w"),
        ("w=4000&ar=1:4", "h"),
        ("ar=16", "ar"),
        ("ar=0:1", "ar"),
        ("ar=", "ar"),
        ("fit=facearea", "fit"),
        ("fit=", "fit"),
        ("fit=CROP", "fit"),
        ("crop=top,bottom", "crop"),
        ("crop=left,right", "crop"),
        ("fp-x=1.1", "fp-x"),
        ("fp-x=-0.1", "fp-x"),
        ("fp-y=a", "fp-y"),
        ("fm=tiff", "fm"),
        ("cs=p3", "cs"),
        ("cs=", "cs"),
        ("fm=", "fm"),
        ("fm=same", "fm"),
        ("fm=any", "fm"),
        ("fm=auto-avif", "fm"),
        ("q=0", "q"),
        ("q=101", "q"),
        ("q=7.5", "q"),
        ("dpr=0", "dpr"),
        ("dpr=0.09", "dpr"),
        ("dpr=5.01", "dpr"),
        ("dpr=x", "dpr"),
        ("bg=12345", "bg"),
        ("bg=nocolor", "bg"),
        ("rot=45", "rot"),
        ("rot=450", "rot"),
        ("rot=-90", "rot"),
        ("flip=x", "flip"),
        ("blur=2001", "blur"),
        ("blur=-1", "blur"),
        ("sharp=101", "sharp"),
        ("rect=1,2,3", "rect"),
        ("rect=0,0,0,5", "rect"),
        ("trim=yes", "trim"),
        ("pad=4001", "pad"),
        ("w=20&pad=10", "pad"),
        ("max-w=0", "max-w"),
        ("max-w=8193", "max-w"),
        ("min-w=0", "min-w"),
        ("min-w=5&max-w=4", "min-w"),
        ("min-h=5&max-h=4", "min-h"),
        ("d=", "d"),
        ("d=0", "d"),
        ("d=1x0", "d"),
        ("d=100x", "d"),
        ("d=x100", "d"),
        ("d=1x2x3", "d"),
        ("d=1.5", "d"),
        ("d=100&w=100", "d"),
        ("h=5&d=100", "d"),
        ("p=", "p"),
        ("p=nosuch", "p"),
        ("w=1&w=1", "w"),
        ("w=1&width=1", "width"),
        ("fm=jpg&format=jpg", "format"),
        ("q=%", "q"),
        ("fp-z=2", "fp-z"),
        ("orient=6", "orient"),
        ("pad-left=5", "pad-left"),
        ("facepad=2", "facepad"),
        ("w=%FF", "w"),
    ] {
        let refusal = resolve(&Rules::default(), &format!("/a.jpg?{query}"), None, Grant::Open).expect_err(query);
        assert_eq!(
            (refusal.kind, refusal.parameter.as_deref()),
            (RefusalKind::BadRequest, Some(parameter)),
            "{query}: {refusal}"
        );
        assert!(refusal.value.is_some() && !refusal.help.is_empty(), "{query}");
    }
}

#[test]
fn each_bound_is_allowed_exactly() {
    for query in [
        "w=1",
        "w=8192",
        "h=8192",
        "w=8192&h=6103",
        "dpr=0.1&w=10",
        "dpr=5",
        "q=1",
        "q=100",
        "blur=2000",
        "sharp=100",
        "pad=4000",
        "w=21&pad=10",
        "max-w=8192",
        "fp-x=1&fp-y=0",
        "rect=65535,0,65535,1",
        "min-w=5&max-w=5",
        "ar=10000:1",
        "ar=1:10000",
        "d=8192x1",
    ] {
        resolve(&Rules::default(), &format!("/a.jpg?{query}"), None, Grant::Open).expect(query);
    }
}

#[test]
fn dpr_beyond_the_limits_shrinks_and_says_so() {
    let rules = Rules::default();
    let of = |query: &str| resolve(&rules, &format!("/a.jpg?{query}"), None, Grant::Signed).unwrap();
    let one = of("w=2000&dpr=5");
    assert_eq!(one.canonical_path, "/a.jpg/-/w8192.same");
    let change = Change { name: "w".into(), from: "10000".into(), to: "8192".into(), why: Why::Clamped };
    assert_eq!(one.changed, [change]);
    assert_eq!(of("w=2000&h=1000&dpr=5").canonical_path, "/a.jpg/-/w8192-h4096.same");
    assert_eq!(of("w=2000&ar=2:1&dpr=5").canonical_path, "/a.jpg/-/w8192-h4096-crop.same");
    assert_eq!(of("w=2000&h=2000&dpr=5").canonical_path, "/a.jpg/-/w7071-h7071.same");
}

#[test]
fn hints_and_strangers_are_listed_and_refused_when_signed() {
    let target = "/a.jpg?utm=1&crop=faces,smile&auto=enhance,redeye&w=300&%C3%A9=1";
    let resolution = resolve(&Rules::default(), target, None, Grant::Public).unwrap();
    assert_eq!(resolution.ignored, ["utm", "?", "crop=faces", "crop=smile", "auto=enhance", "auto=redeye"]);
    assert_eq!(resolution.canonical_path, "/a.jpg/-/w300.same");
    let refusal = resolve(&Rules::default(), "/a.jpg?w=300&utm=1", None, Grant::Signed).unwrap_err();
    assert_eq!((refusal.kind, refusal.parameter.as_deref()), (RefusalKind::BadRequest, Some("utm")));
    assert!(resolve(&Rules::default(), "/a.jpg?ixlib=x&crop=faces&w=3&expires=1&s=x", None, Grant::Signed).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn order_and_strangers_do_not_matter(query in wishes::query(), seed in any::<u64>(), accept in wishes::accept()) {
        let mut pieces: Vec<&str> = query.split('&').filter(|piece| !piece.is_empty()).collect();
        pieces.extend(["utm_source=x", "ixlib=y"]);
        let turn = (seed % pieces.len() as u64) as usize;
        pieces.rotate_left(turn);
        if seed & 1 == 1 { pieces.reverse(); }
        let (one, other) = (wishes::open(&query, accept), wishes::open(&pieces.join("&"), accept));
        prop_assert_eq!(one.map(|r| r.canonical_path), other.map(|r| r.canonical_path));
    }

    #[test]
    fn no_target_panics_anything(target in "/[ -~]{0,60}", query in "([a-z0-9-]{1,6}=[ -~]{0,12}&){0,6}") {
        for grant in [Grant::Public, Grant::Signed, Grant::Open, Grant::Trusted] {
            let _ = resolve(&Rules::default(), &target, Some(&query), grant);
            let _ = resolve(&Rules::default(), &format!("/a?{query}"), Some(&target), grant);
        }
    }

    #[test]
    fn any_value_of_any_name_is_read_or_refused(at in 0..afterimage_variant::PARAMETERS.len(), value in "[ -~é-ÿ]{0,20}") {
        let name = afterimage_variant::PARAMETERS[at].name;
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let _ = resolve(&Rules::default(), &format!("/a?{name}={encoded}&w=5"), None, Grant::Open);
    }
}
