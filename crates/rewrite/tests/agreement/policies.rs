//! Configurations that between them use every part of the function.

use std::collections::BTreeMap;

use afterimage_rewrite::EdgePolicy;
use afterimage_variant::{Hosts, Policy, Rules, Scheme, SigningKey};

/// A policy, and what the KeyValueStore holds.
pub struct Case {
    pub name: &'static str,
    pub policy: EdgePolicy,
    /// Keys that sign requests; the store may lack one.
    pub items: Option<BTreeMap<String, String>>,
}

fn key(name: &str, scheme: Scheme, secret: &str) -> SigningKey {
    SigningKey { name: name.to_owned(), secret: secret.as_bytes().to_vec(), scheme }
}

fn keys() -> Vec<SigningKey> {
    vec![
        key("2026-11", Scheme::HmacSha256, "0123456789abcdef0123456789abcdef"),
        key("old_imgix", Scheme::ImgixMd5, "FOO123bar"),
        key("umlaut", Scheme::HmacSha256, "schlüssel-mit-umlaut"),
    ]
}

fn presets(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn thumbs() -> BTreeMap<String, String> {
    presets(&[
        ("thumb", "w=150&h=150&fit=crop"),
        ("square", "d=120x90"),
        ("squared-fit", "d=300&fit=clip&q=60"),
        ("__proto__", "h=77&auto=format"),
        ("constructor", "width=33.5&dpr=1.5&fm=png"),
        ("coded", "%77=44&crop64=dG9wLGxlZnQ&h=40"),
        ("compressed", "w=500&auto=compress,format&fm=jpg"),
        ("json", "fm=json&auto=format"),
    ])
}

fn private_presets() -> BTreeMap<String, String> {
    let mut all = thumbs();
    all.extend(presets(&[
        ("framed", "w=400&h=300&fit=fill&bg=ff8800&pad=10"),
        ("turned", "rot=90&flip=v&w=200"),
        ("soft", "blur=30&sharp=5&w=100&ar=16:9&trim=auto"),
        ("held", "max-w=300&min-h=20&h=900&ar=3:1"),
        ("point", "fp-x=0.25&fp-y=0.75&w=90&h=40&rect=center,0.1,50,full"),
        ("wide", "w=1500&ar=1:5&bg=80FF0000"),
        ("coloured", "w=300&cs=adobergb1998&pad=3&q=auto"),
    ]));
    all
}

/// Some of them: all of them and everything else are more than CloudFront takes.
fn some(presets: BTreeMap<String, String>, names: &[&str]) -> BTreeMap<String, String> {
    presets.into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect()
}

fn hosts() -> Hosts {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (a, b) = (own(&["img.example.com", "vip.cdn.example"]), own(&["*.cdn.example", "constructor"]));
    Hosts::new([("a/", a.as_slice()), ("b/c d~é/", b.as_slice())]).expect("hosts that make sense")
}

fn policy(rules: Rules) -> EdgePolicy {
    rules.validate().expect("rules that make sense");
    EdgePolicy {
        rules,
        headers: vec![("x-content-type-options".to_owned(), "nosniff".to_owned())],
        error_age_s: 10,
        ..EdgePolicy::default()
    }
}

/// What the store holds of some keys: all but the last, which is in the configuration alone.
fn items(rules: &Rules) -> Option<BTreeMap<String, String>> {
    let known = rules.keys.len().checked_sub(1)?;
    let word = |scheme| if scheme == Scheme::HmacSha256 { "hmac-sha256" } else { "imgix-md5" };
    let item = |key: &SigningKey| {
        (format!("signing.{}", key.name), format!("{} {}", word(key.scheme), String::from_utf8_lossy(&key.secret)))
    };
    Some(rules.keys[..known].iter().map(item).collect())
}

/// Every case. The last key of each that has keys is not in its store.
pub fn cases() -> Vec<Case> {
    let lone = key("lone", Scheme::HmacSha256, "never-in-the-store-at-all");
    let signed = |keys: Vec<SigningKey>| keys.into_iter().chain([lone.clone()]).collect::<Vec<_>>();
    let base = Rules::default;
    let small = Rules {
        ladder: vec![50, 90, 200, 640],
        ratios: vec![(1, 1), (100, 99), (50, 49), (3, 2), (97, 64), (2, 6)],
        qualities: vec![40, 80],
        output_side_max: 700,
        output_pixels_max: 120_000,
        dpr_max: 10,
        presets: some(private_presets(), &["thumb", "square", "framed", "turned", "soft", "point"]),
        ..base()
    };
    let dims = |variance_percent| Policy::Dims { sizes: vec![100, 200, 300, 400], default: 200, variance_percent };
    let lists = [
        ("default", policy(base())),
        ("signed", policy(Rules { keys: signed(keys()), ..base() })),
        (
            "required",
            EdgePolicy {
                denies_originals: true,
                ..policy(Rules {
                    keys: signed(keys()),
                    require_signature: true,
                    presets: some(private_presets(), &["squared-fit", "framed", "held", "wide", "compressed"]),
                    ..base()
                })
            },
        ),
        ("sealed", policy(Rules { keys: signed(keys()), require_signature: true, ..base() })),
        ("presets", EdgePolicy { denies_originals: true, ..policy(Rules { presets: private_presets(), ..base() }) }),
        ("small", policy(small.clone())),
        ("small signed", policy(Rules { keys: signed(keys()), ..small })),
        ("dims", policy(Rules { policy: Policy::dims(), ..base() })),
        ("dims wide", policy(Rules { policy: dims(100), presets: thumbs(), keys: signed(keys()), ..base() })),
        ("hosts", EdgePolicy { hosts: hosts(), ..policy(base()) }),
        ("hosts signed", EdgePolicy { hosts: hosts(), ..policy(Rules { keys: signed(keys()), ..base() }) }),
        (
            "cheap",
            EdgePolicy {
                originals_origin: Some("originals".to_owned()),
                denies_originals: true,
                cors_origins: vec!["https://page.example".to_owned()],
                ..policy(Rules {
                    keys: signed(keys()),
                    presets: some(thumbs(), &["__proto__", "square", "coded"]),
                    ..base()
                })
            },
        ),
        (
            "bare",
            EdgePolicy {
                originals_origin: Some("my \"bucket\"".to_owned()),
                ..policy(Rules { ladder: vec![1], ratios: Vec::new(), ..base() })
            },
        ),
    ];
    lists.into_iter().map(|(name, policy)| Case { items: items(&policy.rules), name, policy }).collect()
}
