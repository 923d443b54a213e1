//! The number of things that unsigned requests can come to is finite, counted right, and closed under asking again.

mod wishes;

use std::collections::BTreeSet;

use afterimage_variant::{Format, Grant, PARAMETERS, Policy, Quality, Rules, Variant, Wanted, canonical_path, resolve};
use proptest::prelude::*;

/// Every unsigned request there is, for small rules: sides beyond both ends, every fit, crop, format and quality.
fn enumerate(rules: &Rules, presets: &[&str]) -> BTreeSet<String> {
    let mut sides = vec![String::new()];
    for n in 1..=12 {
        sides.extend([
            format!("&w={n}"),
            format!("&h={n}"),
            format!("&d={n}"),
            format!("&w={n}&ar=2:1"),
            format!("&h={n}&ar=2:1"),
            format!("&h={n}&ar=1:1"),
        ]);
        sides.extend((1..=12).map(|m| format!("&w={n}&h={m}")));
    }
    sides.extend(["&ar=1:1", "&ar=2:1", "&ar=1:2", "&ar=1.99:1"].map(str::to_owned));
    let fits = [
        "",
        "&fit=max",
        "&fit=clip",
        "&fit=crop",
        "&fit=min",
        "&fit=cropmax",
        "&fit=fill",
        "&fit=fillmax",
        "&fit=scale",
        "&fit=scalemax",
        "&fit=clamp",
    ];
    let crops = [
        "",
        "&crop=top",
        "&crop=bottom",
        "&crop=left",
        "&crop=right",
        "&crop=top,left",
        "&crop=top,right",
        "&crop=bottom,left",
        "&crop=bottom,right",
        "&crop=entropy",
        "&crop=edges",
        "&crop=smart",
        "&crop=faces",
    ];
    let mut queries: Vec<String> = Vec::new();
    for side in &sides {
        for fit in fits {
            queries.extend(crops.iter().map(|crop| format!("{side}{fit}{crop}")));
        }
    }
    queries.extend(
        presets.iter().flat_map(|preset| ["", "&dpr=1", "&dpr=1.2", "&dpr=2"].map(|dpr| format!("&p={preset}{dpr}"))),
    );
    let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for query in queries {
        // The geometry once, then every format and quality of it, by its canonical name.
        let Ok(resolution) = resolve(rules, &format!("/a?{query}"), None, Grant::Public) else { continue };
        if !seen.insert(resolution.canonical_path.clone()) {
            continue;
        }
        for format in Format::ALL {
            let shape = match &resolution.wanted {
                Wanted::Original => Variant::of_format(format),
                Wanted::Variant(variant) => variant.with_format(format),
            };
            let name = shape.name();
            let (words, extension) = name.split_once('.').unwrap();
            let words = words.split("-q").next().unwrap();
            for quality in [None, Some("40"), Some("77"), Some("80"), Some("auto")] {
                let words = match quality {
                    None => words.to_owned(),
                    Some(quality) if words == "full" => format!("q{quality}"),
                    Some(quality) => format!("{words}-q{quality}"),
                };
                let name = format!("{words}.{extension}");
                if name == "full.same" {
                    found.insert("/a".to_owned());
                } else if Variant::from_name(&name).is_some_and(|variant| {
                    let path = canonical_path(&resolution.key, &Wanted::Variant(Box::new(variant)));
                    resolve(rules, &path, None, Grant::Public).is_ok()
                }) {
                    found.insert(format!("/a/-/{name}"));
                }
            }
        }
        // Nothing comes out that its own canonical path would not give.
        assert!(found.contains(&resolution.canonical_path), "{query} {}", resolution.canonical_path);
    }
    found
}

#[test]
fn the_number_of_variants_is_finite_and_right() {
    let mut rules = Rules {
        ladder: vec![4, 8],
        ratios: vec![(1, 1), (2, 1)],
        qualities: vec![40, 80],
        dpr_max: 2,
        ..Rules::default()
    };
    rules.validate().unwrap();
    assert_eq!(enumerate(&rules, &[]).len() as u64, rules.variants_max());

    rules.presets.insert("odd".into(), "w=5&h=3&fit=crop&q=77".into());
    let with_preset = enumerate(&rules, &["odd"]).len() as u64;
    // Three rows of seven formats with the preset's quality beside the two listed ones, `auto` and none; seven without quality.
    let without = Rules { presets: Default::default(), ..rules.clone() }.variants_max();
    assert_eq!(with_preset, without + 2 * (7 * 5 + 7));
    assert!(with_preset <= rules.variants_max());

    let dims = Rules { policy: Policy::dims(), presets: Default::default(), ..rules.clone() };
    assert_eq!(dims.variants_max(), 5 * (7 * 4 + 7));
    assert_eq!(Rules::default().variants_max(), 3_915_800);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn what_policy_gives_policy_permits(query in wishes::query(), accept in wishes::accept()) {
        let rules = Rules::default();
        let public: String = query.split('&').filter(|piece| {
            let name = piece.split('=').next().unwrap();
            PARAMETERS.iter().any(|row| row.public && row.name == name)
        }).collect::<Vec<_>>().join("&");
        if let Ok(once) = resolve(&rules, &format!("/a.jpg?{public}"), accept, Grant::Public) {
            let twice = resolve(&rules, &once.canonical_path, accept, Grant::Public).unwrap();
            prop_assert_eq!(&twice.canonical_path, &once.canonical_path);
            if let Wanted::Variant(variant) = &once.wanted {
                // On the ladder, by one side at least.
                let sides: Vec<u32> = [variant.width(), variant.height()].into_iter().flatten().collect();
                prop_assert!(sides.is_empty() || sides.iter().any(|side| rules.ladder.contains(side)), "{}", once.canonical_path);
                let listed = match variant.quality() {
                    Some(Quality::Of(quality)) => rules.qualities.contains(&quality),
                    Some(Quality::Auto) | None => true,
                };
                prop_assert!(listed, "{}", once.canonical_path);
            }
        }
    }
}
